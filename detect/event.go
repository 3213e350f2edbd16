package detect

import (
	"cmp"
	"slices"
	"time"
)

// Action is what was done.
type Action string

// The actions.
const (
	Login     Action = "login"
	Request   Action = "request"   // of a path that there is not, or that is forbidden
	Connect   Action = "connect"   // to a port
	Privilege Action = "privilege" // somebody was given more of them
)

// Event is what an address or a user did in a stretch of time, counted.
type Event struct {
	Action
	First, Last int64 // Unix nanoseconds
	IP, User    string
	OK          bool  // it succeeded
	Weak        bool  // says the same as another event might; counts only where there are no others
	Count       int64 // how often
	Targets     int64 // different ports or paths
	Detail      string
	Place       *Place
}

// Place is where a login came from.
type Place struct{ Latitude, Longitude float64 }

// Kind is the kind of a finding.
type Kind string

// The kinds.
const (
	BruteForce Kind = "brute_force"
	Spraying   Kind = "password_spraying"
	Stuffing   Kind = "credential_stuffing"
	Takeover   Kind = "account_takeover"
	PortScan   Kind = "port_scan"
	PathScan   Kind = "path_scan"
	Privileges Kind = "privilege_change"
	Travel     Kind = "impossible_travel"
)

// Kinds returns them.
func Kinds() []Kind {
	return []Kind{BruteForce, Spraying, Stuffing, Takeover, PortScan, PathScan, Privileges, Travel}
}

// Finding is something that an attacker did, or may have done.
type Finding struct {
	Kind
	IP, User string // "" for several, or none
	First    int64
	Last     int64
	Attempts int64
	Users    int
	IPs      int
	Targets  int64
	Success  bool // a login succeeded after the failures
	Detail   string
	UserList []string // some of the users
}

// Thresholds.
const (
	burst         = 10 * time.Minute
	bruteBurst    = 10 // failures in a burst
	bruteHour     = 20 // in an hour
	bruteAll      = 50 // in all of the time
	sprayUsers    = 8  // users of one address in an hour
	sprayEach     = 3  // attempts for each of them, at most
	stuffUsers    = 20 // users in an hour
	stuffIPs      = 5
	stuffEach     = 1.5
	stuffFailed   = 0.5 // of all logins of that hour
	stuffParts    = 3   // an address has done at most this part of it
	manyIPs       = 5   // addresses that guess for one user
	manyAttempts  = 20
	takeoverTries = 5 // failures before the success
	scanTargets   = 20
	scanRequests  = 20
	travelSpeed   = 1_000 // kilometres in an hour
	travelLeast   = 500   // kilometres
	usersShown    = 10
	findingsMax   = 200
)

// Find finds what attackers did. The events may be in any order.
func Find(events []Event) []Finding {
	events = slices.Clone(events)
	slices.SortStableFunc(events, func(a, b Event) int {
		return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.IP, b.IP), cmp.Compare(a.User, b.User))
	})
	var logins, requests, connects, privileges []Event
	for _, e := range events {
		switch e.Action {
		case Login:
			logins = append(logins, e)
		case Request:
			requests = append(requests, e)
		case Connect:
			connects = append(connects, e)
		case Privilege:
			privileges = append(privileges, e)
		}
	}
	found := guessing(strong(logins))
	found = append(found, scans(requests, PathScan, scanRequests)...)
	found = append(found, scans(connects, PortScan, scanTargets)...)
	found = append(found, privilegesOf(privileges)...)
	found = append(found, travels(logins)...)
	return found[:min(len(found), findingsMax)]
}

// strong leaves out the weak events of addresses that have others.
func strong(events []Event) []Event {
	has := map[string]bool{}
	for _, e := range events {
		has[e.IP] = has[e.IP] || !e.Weak && !e.OK
	}
	return slices.DeleteFunc(slices.Clone(events), func(e Event) bool { return e.Weak && has[e.IP] })
}

// by puts events into groups, in the order of the keys.
func by(events []Event, key func(e *Event) string) (keys []string, groups map[string][]Event) {
	groups = map[string][]Event{}
	for i := range events {
		if k := key(&events[i]); k != "" {
			groups[k] = append(groups[k], events[i])
		}
	}
	for k := range groups {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys, groups
}

// busiest returns the events of the stretch of a length in which the figure, added up,
// is greatest.
func busiest(events []Event, length time.Duration, figure func(e *Event) int64) (in []Event, most int64) {
	var now int64
	from := 0
	for to := range events {
		now += figure(&events[to])
		for events[to].First-events[from].First > int64(length) {
			now -= figure(&events[from])
			from++
		}
		if now > most {
			most, in = now, events[from:to+1]
		}
	}
	return in, most
}

// count is how often an event happened.
func count(e *Event) int64 { return e.Count }

// about makes a finding over events.
func about(kind Kind, events []Event) Finding {
	f := Finding{Kind: kind, First: events[0].First}
	users, addresses := map[string]bool{}, map[string]bool{}
	for i := range events {
		e := &events[i]
		f.Last, f.Attempts, f.Targets = max(f.Last, e.Last), f.Attempts+e.Count, f.Targets+e.Targets
		if e.User != "" && !users[e.User] {
			users[e.User] = true
			if len(f.UserList) < usersShown {
				f.UserList = append(f.UserList, e.User)
			}
		}
		if e.IP != "" {
			addresses[e.IP] = true
		}
	}
	f.Users, f.IPs = len(users), len(addresses)
	return f
}
