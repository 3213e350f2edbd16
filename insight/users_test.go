package insight_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stere-log/stere/insight"
)

// TestUsers: who is active when, who makes errors, and who was not there before.
func TestUsers(t *testing.T) {
	var s source
	s.add(30*time.Hour, 4, "userId", "anna", "message", "yesterday")
	s.add(3*time.Hour, 7, "userId", "anna", "endpoint", "/a#", "message", "one")
	s.add(2*time.Hour, 3, "userId", "anna", "endpoint", "/a0", "level", "error", "message", "two")
	s.add(2*time.Hour, 5, "userId", "bert", "message", "three")
	s.add(2*time.Hour, 9, "message", "of nobody")
	s.add(time.Hour, 1, "userId", "claire", "message", "four")
	have, err := s.service(t).Users(t.Context(), insight.UsersRequest{Scope: scope(), Limit: 2, Zone: time.FixedZone("", 3600)})
	if err != nil {
		t.Fatal(err)
	}
	if !have.Complete || have.UniqueUsers != 3 || have.Records != 16 || len(have.Users) != 2 || have.Field != "userId" {
		t.Fatalf("%+v", have)
	}
	anna, bert := have.Users[0], have.Users[1]
	if anna.User != "anna" || anna.Records != 10 || anna.Errors != 3 || anna.Endpoints != 7 || anna.Before != 4 || anna.New || anna.Hours[10] != 7 || anna.Hours[11] != 3 {
		t.Errorf("%+v", anna)
	}
	if bert.User != "bert" || bert.Records != 5 || bert.Errors != 0 || !bert.New || !slices.Equal(bert.Hours, append(append(make([]int64, 11), 5), make([]int64, 12)...)) {
		t.Errorf("%+v", bert)
	}
	if h := have.Hours; len(h) != 24 || h[11].Hour != "11" || h[11].Records != 8 || h[11].Users != 2 || h[12].Users != 1 || h[0].Records != 0 {
		t.Errorf("%+v", h)
	}
	if have, err = s.service(t).Users(t.Context(), insight.UsersRequest{Scope: scope(), Field: "account.name"}); err != nil || have.UniqueUsers != 0 || have.Users == nil {
		t.Errorf("%+v, %v", have, err)
	}
}
