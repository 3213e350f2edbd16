package query_test

import (
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/storage/part"
	"github.com/stere-log/stere/storage/segment/segmenttest"
)

// TestBudgetsOfRoles asks as roles with different budgets, of shards here and elsewhere: an
// answer within its budget is that of who has none, one over it is partial and says
// which bound it met.
func TestBudgetsOfRoles(t *testing.T) {
	const shards, records = 6, 300
	random := rand.New(rand.NewPCG(17, 1))
	config := query.Config{Workers: 1, Budgets: map[string]query.Budget{
		"read": {Read: 1}, "rows": {Rows: 100}, "memory": {Memory: 4 << 10}, "time": {Time: 1},
		"wide": {Read: 1 << 30, Rows: 100_000, Memory: 64 << 20, Time: time.Hour, AtOnce: 1},
	}}
	// Each question is of new segments, of which nothing is in a cache.
	sealed := func() shardSet {
		set := make(shardSet, shards)
		for shard := range set {
			var some []model.Record
			for n := range records {
				some = append(some, model.Record{Time: day + int64(n), Fields: []model.Field{
					{Name: "message", Kind: model.String, Text: fmt.Sprintf("%x %x", random.Uint64(), random.Uint64())},
					{Name: "n", Kind: model.Number, Text: strconv.Itoa(shard*records + n)},
				}})
			}
			head := newPart(t, model.ShardID(shard), 1, some)
			set[shard] = []part.Part{segmenttest.Seal(t, model.ShardID(shard), []part.Part{head})}
		}
		return set
	}
	for _, test := range []struct{ role, text, reason string }{
		{"read", "* | stats count() by (n)", "more than 1 bytes would be read"},
		{"read", "/f+0/", "more than 1 bytes would be read"},
		{"rows", "* | stats count() by (n)", "more than 100 groups"},
		{"rows", "* | limit 200 | eval x = n + 1 | sort x | where x > 5", "more than 100 records"},
		{"memory", "* | stats count(), values(message) by (message)", ""},
		{"time", "* | stats count() by (n)", "the time limit of 1ns is over"},
	} {
		for _, name := range []string{"here", "apart"} {
			var from query.Shards = sealed()
			if name == "apart" {
				from, _ = scatter(random, sealed(), 2, config)
			}
			engine := query.New(from, config)
			ask := func(role string) *query.Result {
				request := query.Request{Audience: query.Audience{Tenant: model.DefaultTenant, Role: role}, Text: test.text, Limit: 5}
				result, err := engine.Search(t.Context(), request)
				if err != nil {
					t.Fatalf("%s, %s as %s: %v", name, test.text, role, err)
				}
				return result
			}
			if found := ask(test.role); found.Complete || found.Reason == "" || !strings.Contains(found.Reason, test.reason) {
				t.Errorf("%s, %s as %s: complete %v, %q, want %q", name, test.text, test.role, found.Complete, found.Reason, test.reason)
			}
			free, wide := ask("other"), ask("wide")
			if !free.Complete || !wide.Complete || fmt.Sprint(free.Hits, free.Rows) != fmt.Sprint(wide.Hits, wide.Rows) {
				t.Errorf("%s, %s: a wide budget: complete %v and %v, %s", name, test.text, free.Complete, wide.Complete, wide.Reason)
			}
		}
	}
}

// TestParseBudgets reads budgets of roles.
func TestParseBudgets(t *testing.T) {
	size := func(text string) (int64, error) { return strconv.ParseInt(text, 10, 64) }
	have, err := query.ParseBudgets("user=time:5s+read:10+memory:20+rows:30+at-once:2, reader=rows:7", size)
	want := query.Budget{Time: 5 * time.Second, Read: 10, Memory: 20, Rows: 30, AtOnce: 2}
	if err != nil || len(have) != 2 || have["user"] != want || have["reader"] != (query.Budget{Rows: 7}) {
		t.Errorf("have %+v, %v", have, err)
	}
	for _, text := range []string{"user", "user=", "=rows:1", "user=rows:0", "user=rows:-1", "user=rows:x", "user=cpu:1", "user=time:5", "user=rows:1,user=rows:2"} {
		if have, err := query.ParseBudgets(text, size); err == nil {
			t.Errorf("%q is %+v", text, have)
		}
	}
}
