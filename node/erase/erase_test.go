package erase

import (
	"context"
	"fmt"
	"log/slog"
	"testing"
	"time"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/erasure"
)

// agreement is a catalogue of one node.
type agreement struct {
	state *catalogue.State
	index uint64
}

func (a *agreement) propose(_ context.Context, c catalogue.Command) (*catalogue.State, error) {
	a.index++
	next, err := a.state.Apply(a.index, c)
	if err == nil {
		a.state = next
	}
	return a.state, err
}

func planner(t *testing.T) (*agreement, *Eraser) {
	a := &agreement{state: &catalogue.State{Cluster: "c", Next: 1, Nodes: map[string]catalogue.Node{"n": {Formats: catalogue.Formats{Max: catalogue.Format}}}}}
	return a, &Eraser{Config: Config{
		State: func() *catalogue.State { return a.state }, Leads: func() bool { return true }, Propose: a.propose,
		Logger: slog.New(slog.NewTextHandler(t.Output(), nil)), Now: func() time.Time { return time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC) },
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
