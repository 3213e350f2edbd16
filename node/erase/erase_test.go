package erase

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/erasure"
	"github.com/stere-log/stere/node/peer"
	"github.com/stere-log/stere/storage"
)

// agreement is a catalogue of one node.
type agreement struct {
	mu    sync.Mutex
	state *catalogue.State
	index uint64
}

func (a *agreement) now() *catalogue.State {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.state
}

func (a *agreement) propose(_ context.Context, c catalogue.Command) (*catalogue.State, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.index++
	next, err := a.state.Apply(a.index, c)
	if err == nil {
		a.state = next
	}
	return a.state, err
}

func planner(t *testing.T) (*agreement, *Eraser) {
	now := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	a := &agreement{state: &catalogue.State{Cluster: "c", Next: 1, Nodes: map[string]catalogue.Node{"n": {Formats: catalogue.Formats{Max: catalogue.Format}}}}}
	return a, &Eraser{Config: Config{
		State: a.now, Leads: func() bool { return true }, Propose: a.propose,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: func() time.Time { return now },
		Clock: func(context.Context) (time.Time, error) { return now, nil },
	}}
}

func (a *agreement) must(t *testing.T, c catalogue.Command) {
	t.Helper()
	if _, err := a.propose(t.Context(), c); err != nil {
		t.Fatal(err)
	}
}

// carryOut begins and ends all that is planned.
func (a *agreement) carryOut(t *testing.T) (count int) {
	t.Helper()
	for number, d := range a.state.Deletions {
		if !d.Finished() {
			a.must(t, catalogue.BeginDeletion{Number: number, Time: 1})
			a.must(t, catalogue.NoteDeletion{Number: number, Status: erasure.Done, Time: 2})
			count++
		}
	}
	return count
}

// TestRetentionIsNotRepeated: what a rule removes is removed once a day, although a hold
// keeps some of it, and once more when that hold is lifted.
func TestRetentionIsNotRepeated(t *testing.T) {
	a, e := planner(t)
	a.must(t, catalogue.SetRetention{Tenant: "t", Retention: erasure.Retention{Rules: []erasure.Rule{{Name: "all", Keep: 48 * time.Hour}}}})
	a.must(t, catalogue.PutHold{Hold: erasure.Hold{ID: "h", Tenant: "t", Query: "a:b", Reason: "r"}})
	for look, want := range []int{1, 0, 0, 1, 0} {
		if look == 3 {
			a.must(t, catalogue.DropHold{ID: "h"})
		}
		e.retain(t.Context())
		if n := a.carryOut(t); n != want {
			t.Errorf("look %d plans %d deletions, want %d", look, n, want)
		}
	}
}

// TestRetentionOfManyTenants: more tenants than the catalogue remembers deletions all
// have their turn, once.
func TestRetentionOfManyTenants(t *testing.T) {
	a, e := planner(t)
	const tenants = catalogue.DeletionsMax + 100
	for i := range tenants {
		a.must(t, catalogue.SetRetention{Tenant: model.TenantID(fmt.Sprintf("t%04d", i)), Retention: erasure.Retention{Rules: []erasure.Rule{{Name: "all", Keep: 48 * time.Hour}}}})
	}
	planned, more := 0, true
	for looks := 0; more && looks < tenants; looks++ {
		more = e.retain(t.Context())
		planned += a.carryOut(t)
	}
	if planned != tenants || more {
		t.Errorf("%d deletions for %d tenants, and more: %v", planned, tenants, more)
	}
	if e.retain(t.Context()); a.carryOut(t) != 0 {
		t.Error("what was removed is removed again")
	}
}

// halves are shards of which nobody answers for tenants whose name begins with "slow".
type halves struct {
	mu   sync.Mutex
	days map[int64]int64
}

func (h *halves) Delete(context.Context, uint32, storage.Deletion) (uint64, error) { return 1, nil }
func (h *halves) Seal(context.Context, string) error                               { return nil }
func (h *halves) Erased(ctx context.Context, _ string, _ uint32, of peer.Erasure) (peer.Erased, error) {
	if strings.HasPrefix(string(of.Tenant), "slow") {
		<-ctx.Done()
		return peer.Erased{}, errors.New("no answer")
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	return peer.Erased{Gone: true, Leads: true, Days: h.days}, nil
}

// sharded gives a catalogue a shard.
func (a *agreement) sharded() {
	a.state.Shards = map[uint32]catalogue.Shard{0: {Replicas: []catalogue.Replica{{Node: "n", Role: catalogue.Voter}}}}
}

// TestTenantsDoNotWaitForEachOther: whose shards do not answer keeps nobody else's
// deletions and rules waiting, though there are more of them than are asked at once.
func TestTenantsDoNotWaitForEachOther(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, e := planner(t)
		a.sharded()
		day := e.Now().UnixNano()/int64(dayTime) - 1
		e.Shards = &halves{days: map[int64]int64{day: 100}}
		for i := range tenantsMax + 10 {
			slow := model.TenantID(fmt.Sprintf("slow%d", i))
			a.must(t, catalogue.AddDeletion{Deletion: erasure.Deletion{Kind: erasure.ByQuery, Tenant: slow, Query: "a:b", Reason: "r", Status: erasure.Planned}, Time: 1})
			a.must(t, catalogue.SetRetention{Tenant: slow, Retention: erasure.Retention{Rules: []erasure.Rule{{Name: "size", Bytes: 1}}}})
		}
		a.must(t, catalogue.AddDeletion{Deletion: erasure.Deletion{Kind: erasure.ByQuery, Tenant: "zquick", Query: "a:b", Reason: "r", Status: erasure.Planned}, Time: 1})
		a.must(t, catalogue.SetRetention{Tenant: "zquick", Retention: erasure.Retention{Rules: []erasure.Rule{{Name: "size", Bytes: 1}}}})
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error, 1)
		go func() { ended <- e.Run(ctx) }()
		time.Sleep(10 * askTimeout) // in virtual time
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		done := 0
		for _, d := range a.state.Deletions {
			if d.Tenant == "zquick" && d.Status == erasure.Done {
				done++
			}
			if d.Tenant != "zquick" && d.Finished() {
				t.Errorf("a deletion of which no shard has heard has ended: %+v", d)
			}
		}
		if done != 2 {
			t.Errorf("%d of 2 deletions of the tenant whose shards answer are done", done)
		}
	})
}

// TestRetentionBySize: the oldest days go beyond a size, whole, never today; what it is
// says what the dry run said.
func TestRetentionBySize(t *testing.T) {
	a, e := planner(t)
	a.sharded()
	today := e.Now().UnixNano() / int64(dayTime)
	for _, c := range []struct {
		what string
		days map[int64]int64
		most int64
		want int64 // days before today that stay, 0: nothing goes, -1: all of them go
	}{
		{"less than the size", map[int64]int64{today: 10, today - 1: 10}, 20, 0},
		{"one byte more", map[int64]int64{today: 10, today - 1: 10, today - 3: 1}, 20, 2},
		{"the day that crosses it goes whole", map[int64]int64{today: 10, today - 1: 5, today - 2: 6, today - 9: 100}, 20, 1},
		{"today alone is more", map[int64]int64{today: 100, today - 1: 1}, 20, -1},
		{"today alone", map[int64]int64{today: 100}, 20, 0},
		{"days to come count", map[int64]int64{today + 1: 15, today: 5, today - 1: 1}, 20, -1},
	} {
		e.Shards = &halves{days: c.days}
		rules := erasure.Retention{Rules: []erasure.Rule{{Name: "size", Bytes: c.most}}}
		due, err := e.Due(t.Context(), "t", rules)
		if err != nil {
			t.Fatal(err)
		}
		want := (today - max(c.want, 0)) * int64(dayTime)
		switch {
		case c.want == 0 && len(due) != 0, c.want != 0 && len(due) != 1:
			t.Errorf("%s: %+v", c.what, due)
		case c.want != 0 && (due[0].To != want || due[0].From != 0 || due[0].Rule != "size"):
			t.Errorf("%s: it goes until day %d before today, want %d", c.what, today-due[0].To/int64(dayTime), c.want)
		}
	} // A hold wins: what it covers is left out when the deletion begins.
	e.Shards = &halves{days: map[int64]int64{today: 10, today - 1: 100}}
	a.must(t, catalogue.SetRetention{Tenant: "t", Retention: erasure.Retention{Rules: []erasure.Rule{{Name: "size", Bytes: 20}}}})
	a.must(t, catalogue.PutHold{Hold: erasure.Hold{ID: "h", Tenant: "t", Query: "a:b", Reason: "r"}})
	e.retain(t.Context())
	if n := a.carryOut(t); n != 1 {
		t.Fatalf("%d deletions", n)
	}
	for _, d := range a.state.Deletions {
		if len(d.Except) != 1 || d.Except[0].Hold != "h" || d.To != today*int64(dayTime) {
			t.Errorf("it became %+v", d)
		}
	}
}

// TestDoneSaysWhatIsHeld: that nothing is left is not said of what holds keep.
func TestDoneSaysWhatIsHeld(t *testing.T) {
	for want, held := range map[string][]erasure.Exception{
		"": nil, ", but for what is held by a, b": {{Hold: "a"}, {Hold: "b", Query: "c:d"}},
	} {
		if got := butHeld(held); got != want {
			t.Errorf("%+v: %q, want %q", held, got, want)
		}
	}
}
