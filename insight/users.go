package insight

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stere-log/stere/query/syntax"
)

// Limits of users.
const (
	UsersMax     = 100
	usersDefault = 20
	usersField   = "userId"
	userFieldMax = 256 // bytes
)

// Users is what users do, as records tell that name them.
type Users struct {
	Completeness
	TimeRange   TimeRange     `json:"timeRange"`
	Field       string        `json:"field"` // that names them
	UniqueUsers int64         `json:"uniqueUsers"`
	Records     int64         `json:"records"`
	Hours       []HourOfUsers `json:"hours"` // of the day
	Users       []User        `json:"users"` // those with most records first
}

// HourOfUsers is an hour of the day, 00 to 23.
type HourOfUsers struct {
	Hour    string `json:"hour"`
	Records int64  `json:"records"`
	Users   int64  `json:"users"` // different ones; of several days the most
}

// User is what one user does.
type User struct {
	User      string     `json:"user"`
	Records   int64      `json:"records"`
	Errors    int64      `json:"errors"`
	Endpoints int64      `json:"endpoints"` // different ones
	Before    int64      `json:"before"`    // records in the stretch before
	New       bool       `json:"new"`       // there were none
	First     *time.Time `json:"firstSeen"`
	Last      *time.Time `json:"lastSeen"`
	Hours     []int64    `json:"hours"` // records by hour of the day
}

// UsersRequest asks what users do.
type UsersRequest struct {
	Scope
	Field string // that names them; "": userId
	Limit int    // of users; 0: the default
	Zone  *time.Location
}

// Users returns what users do in a window: how many there are, when they are active, and
// of those with most records what they do and whether they were there before.
func (s *Service) Users(ctx context.Context, request UsersRequest) (*Users, error) {
	field := cmp.Or(request.Field, usersField)
	if len(field) > userFieldMax {
		return nil, &ParamError{Param: "field", Message: fmt.Sprintf("has %d bytes, at most %d", len(field), userFieldMax)}
	}
	a, err := s.asker(ctx, request.Scope)
	if err != nil {
		return nil, err
	}
	zone := cmp.Or(request.Zone, time.UTC)
	known, name := syntax.QuoteField(field)+":*", syntax.QuoteName(field)
	u := &Users{TimeRange: request.Window.timeRange(), Field: field, Users: []User{}}
	total := a.row(known, "stats count(), count_distinct("+name+")", 2)
	u.Records, u.UniqueUsers = whole(total[0]), whole(total[1])
	u.Hours = a.hoursOf(known, name, zone)
	var shown []string
	for _, row := range a.table(known, "stats count() as n, count_if("+isError+"), count_distinct(endpoint), min(_time), max(_time) by ("+name+") | sort by n desc | limit "+fmt.Sprint(cmp.Or(request.Limit, usersDefault))) {
		one := User{User: label(row[0], ""), Records: whole(row[1]), Errors: whole(row[2]), Endpoints: whole(row[3]), First: at(row[4]), Last: at(row[5]), Hours: make([]int64, dayHours)}
		u.Users, shown = append(u.Users, one), append(shown, exactly(field, one.User))
	}
	if len(shown) > 0 {
		a.habits(u, strings.Join(shown, " OR "), name, zone)
	}
	u.Completeness = a.completeness()
	return u, a.err
}

// hoursOf counts records and users by hour of the day.
func (a *asker) hoursOf(known, name string, zone *time.Location) []HourOfUsers {
	hours := make([]HourOfUsers, dayHours)
	for i := range hours {
		hours[i].Hour = fmt.Sprintf("%02d", i)
	}
	for _, row := range a.table(known, "stats count(), count_distinct("+name+") by (_time:1h)") {
		if t := at(row[0]); t != nil {
			h := &hours[t.In(zone).Hour()]
			h.Records, h.Users = h.Records+whole(row[1]), max(h.Users, whole(row[2]))
		}
	}
	return hours
}

// habits says of the users that are shown when they are active, and what they did in the
// stretch before.
func (a *asker) habits(u *Users, condition, name string, zone *time.Location) {
	find := func(user any) *User {
		i := slices.IndexFunc(u.Users, func(one User) bool { return one.User == label(user, "") })
		if i < 0 {
			return &User{Hours: make([]int64, dayHours)} // another spelling of a number
		}
		return &u.Users[i]
	}
	for _, row := range a.table(condition, "stats count() by ("+name+", _time:1h)") {
		if t := at(row[1]); t != nil {
			find(row[0]).Hours[t.In(zone).Hour()] += whole(row[2])
		}
	}
	earlier := a.over(Window{From: a.base.From, To: a.base.To}.Before())
	for _, row := range earlier.table(condition, "stats count() by ("+name+")") {
		find(row[0]).Before += whole(row[1])
	}
	all := len(earlier.reasons) == 0 // else who is not there may have been
	a.take(earlier)
	for i := range u.Users {
		u.Users[i].New = all && u.Users[i].Before == 0
	}
}
