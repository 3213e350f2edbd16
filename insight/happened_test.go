package insight_test

import (
	"context"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/insight"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
)

// changing is an engine whose records change, and counts questions that are not about all
// records.
type changing struct {
	engine *query.Engine
	asked  int
	from   int64           // the earliest time that one was about
	waits  map[string]bool // what was prepared and not asked yet
	ready  int             // what was prepared
}

func (c *changing) Search(ctx context.Context, request query.Request) (*query.Result, error) {
	if !strings.HasPrefix(request.Text, "* | stats count()") {
		c.asked++
		c.from = min(c.from, request.From)
	}
	delete(c.waits, about(request))
	return c.engine.Search(ctx, request)
}

func (c *changing) Remember(ctx context.Context, requests []query.Request) error {
	c.ready += len(requests)
	for _, request := range requests {
		c.waits[about(request)] = true
	}
	return c.engine.Remember(ctx, requests)
}

func about(request query.Request) string {
	return fmt.Sprint(request.Text, request.From, request.To, request.Whole, request.Limit, request.Groups)
}

// What is remembered of the last hour gives the answer that asking about all of it gives,
// whatever comes, comes late and is removed.
func TestWhatHappenedIsRemembered(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	var s source
	var found int
	clock, kept := now, &changing{waits: map[string]bool{}}
	service := insight.New(kept, nil, func() time.Time { return clock })
	ask := func(of *insight.Service, condition string) *insight.Insights {
		t.Helper()
		answer, err := of.Insights(t.Context(), insight.InsightsRequest{
			Scope: insight.Scope{Audience: query.Audience{Tenant: model.DefaultTenant}, Query: condition, Window: insight.Window{From: clock.Add(-time.Hour).UnixNano(), To: clock.UnixNano()}},
			Types: []string{"potential_brute_force", "brute_force", "password_spraying", "path_scan", "security_threat"}, Bare: true,
		})
		if err != nil || !answer.Complete {
			t.Fatal(err, answer)
		}
		return answer
	}
	rounds := 20
	if testing.Short() {
		rounds = 8
	}
	for round := range rounds {
		clock = now.Add(time.Duration(round) * 5 * time.Minute)
		for range random.IntN(4) {
			late := time.Duration(random.IntN(30)) * time.Minute
			address := fmt.Sprintf("203.0.113.%d", random.IntN(5))
			message := fmt.Sprintf("Failed password for invalid user u# from %s port 22 ssh2", address)
			switch random.IntN(4) {
			case 0:
				s.add(now.Sub(clock)+late, 1+random.IntN(12), "message", "login failed", "ip", address)
				continue
			case 1:
				message = "GET /shop?id=#%20union%20select%20password%20from%20users"
			case 2:
				message = fmt.Sprintf(`%s - - [10/Oct/2024:13:55:36 +0000] "GET /secret/#.php HTTP/1.1" %d 153`, address, []int{401, 404}[random.IntN(2)])
			}
			s.add(now.Sub(clock)+late, 20+random.IntN(40), "message", message)
		}
		if n := len(s.records); n > 0 && random.IntN(3) == 0 {
			at := random.IntN(n)
			s.records = slices.Delete(s.records, at, min(n, at+1+random.IntN(30)))
		}
		if len(s.records) == 0 {
			continue
		}
		kept.engine = s.engine(t)
		want := ask(insight.New(kept.engine, nil, func() time.Time { return clock }), "NOT remembered") // as of all conditions
		if got := ask(service, ""); !reflect.DeepEqual(got, want) {
			t.Fatalf("round %d: remembered\n%+v\nwant\n%+v", round, got, want)
		}
		found += len(want.Insights)
		for text := range kept.waits {
			if !strings.Contains(text, ":*") { // whose failed logins they are is asked if there are some
				t.Fatalf("round %d: prepared and not asked: %s", round, text)
			}
		}
		kept.asked = 0
		if ask(service, ""); kept.asked > 0 {
			t.Fatalf("round %d: asked %d times about what is known", round, kept.asked)
		}
	}
	if found == 0 || kept.ready == 0 {
		t.Fatalf("nothing was found in any round, or prepared: %d", kept.ready)
	}
	s.add(now.Sub(clock)+time.Minute, 1, "message", "Invalid user x from 203.0.113.9")
	kept.engine, kept.from = s.engine(t), clock.UnixNano()
	ask(service, "")
	if age := clock.UnixNano() - kept.from; kept.asked == 0 || age != int64(5*time.Minute) {
		t.Fatalf("asked %d times, about the last %s, want the bucket of the new record alone", kept.asked, time.Duration(age))
	}
}
