package admit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stere-log/stere/model"
)

// enter enters and fails the test if that has an error.
func enter(t *testing.T, g *Gate, tenant model.TenantID) *Ticket {
	t.Helper()
	_, ticket, err := g.Enter(t.Context(), Job{Tenant: tenant})
	if err != nil {
		t.Fatal(err)
	}
	return ticket
}

// TestOneTenantLeavesPlaces checks that a query of another tenant runs at once,
// and that tenants take turns.
func TestOneTenantLeavesPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Config{AtOnce: 4})
		var running []*Ticket
		for range 3 {
			running = append(running, enter(t, g, "a"))
		}
		order := make(chan string, 10)
		for i := range 3 {
			go func() {
				ticket := enter(t, g, "a")
				order <- fmt.Sprint("a", i)
				ticket.Leave()
			}()
			synctest.Wait()
		}
		if runs, waits, _ := g.Counts(); runs != 3 || waits != 3 {
			t.Fatalf("%d run, %d wait; want 3 and 3", runs, waits)
		}
		b := enter(t, g, "b")
		go func() {
			ticket := enter(t, g, "c")
			order <- "c"
			ticket.Leave()
		}()
		synctest.Wait()
		if len(order) != 0 {
			t.Fatalf("%d ran without a place", len(order))
		}
		b.Leave()
		synctest.Wait()
		if first := <-order; first != "c" {
			t.Errorf("%s came before c, which had no place", first)
		}
		running[0].Leave() // one place for all three, one after the other
		synctest.Wait()
		for i := range 3 {
			if have, want := <-order, fmt.Sprint("a", i); have != want {
				t.Errorf("have %s, want %s: a tenant's queries run in order", have, want)
			}
		}
		for _, ticket := range running[1:] {
			ticket.Leave()
		}
	})
}

// TestRefusedKilledGone checks the ways in which a query is not let in.
func TestRefusedKilledGone(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Config{AtOnce: 1, Waiting: 2})
		ctx, first, err := g.Enter(t.Context(), Job{Tenant: "a", Text: "first"})
		if err != nil {
			t.Fatal(err)
		}
		gone, leave := context.WithCancel(t.Context())
		errs := make(chan error, 2)
		for _, ctx := range []context.Context{t.Context(), gone} {
			go func() {
				_, _, err := g.Enter(ctx, Job{Tenant: "a"})
				errs <- err
			}()
			synctest.Wait()
		}
		if _, _, err := g.Enter(t.Context(), Job{Tenant: "b"}); !errors.Is(err, ErrBusy) {
			t.Errorf("a third one waits: %v", err)
		}
		queries := g.Queries()
		if len(queries) != 3 || queries[0].Text != "first" || queries[0].Started.IsZero() || !queries[1].Started.IsZero() {
			t.Fatalf("have %+v", queries)
		}
		if !g.Kill(queries[1].ID) || g.Kill("9") {
			t.Error("the wrong queries are there to kill")
		}
		if err := <-errs; !errors.Is(err, ErrKilled) {
			t.Errorf("killed while it waited: %v", err)
		}
		leave()
		if err := <-errs; !errors.Is(err, context.Canceled) {
			t.Errorf("gone while it waited: %v", err)
		}
		g.Kill(queries[0].ID)
		if <-ctx.Done(); !errors.Is(context.Cause(ctx), ErrKilled) {
			t.Errorf("killed while it ran: %v", context.Cause(ctx))
		}
		first.Leave()
		if runs, waits, refused := g.Counts(); runs != 0 || waits != 0 || refused != 1 || len(g.mu.turn)+len(g.mu.count)+len(g.mu.waiting)+g.mu.memory != 0 {
			t.Errorf("%d run, %d wait, %d refused, and something is kept: %+v", runs, waits, refused, g.mu.count)
		}
	})
}

// TestOneTenantLeavesRoomToWait floods a gate with the queries of one tenant, who may
// run but one: those of another one find room to wait, and run.
func TestOneTenantLeavesRoomToWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Config{AtOnce: 2, Waiting: 8})
		enterings, leave := context.WithCancel(t.Context())
		var flood sync.WaitGroup
		busy := 0
		for range 20 {
			flood.Go(func() {
				_, ticket, err := g.Enter(enterings, Job{Tenant: "a", Who: "eve", AtOnce: 1})
				if errors.Is(err, ErrBusy) {
					busy++
				}
				if err == nil {
					<-enterings.Done()
					ticket.Leave()
				}
			})
			synctest.Wait()
		}
		if busy != 20-1-6 {
			t.Errorf("%d are refused, want all but one that runs and 6 that wait", busy)
		}
		first := enter(t, g, "b")
		var second *Ticket
		flood.Go(func() { second = enter(t, g, "b") })
		synctest.Wait()
		first.Leave()
		synctest.Wait()
		if second == nil {
			t.Error("a query of another tenant does not run")
		} else {
			second.Leave()
		}
		leave()
		flood.Wait()
	})
}

// TestRandomHistories checks the limits under any order of comings and goings.
func TestRandomHistories(t *testing.T) {
	for seed := range uint64(200) {
		synctest.Test(t, func(t *testing.T) {
			random := rand.New(rand.NewPCG(seed, 7))
			g := New(Config{AtOnce: 1 + random.IntN(8), Waiting: 1000, MemoryBytes: 1 << 20})
			for i := range 60 {
				tenant := model.TenantID(fmt.Sprint("t", random.IntN(4)))
				come, stay := time.Duration(random.IntN(100)), time.Duration(random.IntN(30))
				ctx, cancel := context.WithTimeout(t.Context(), time.Duration(1+random.IntN(200)))
				go func() {
					defer cancel()
					time.Sleep(come)
					_, ticket, err := g.Enter(ctx, Job{Tenant: tenant, Text: fmt.Sprint(i)})
					if err != nil {
						return
					}
					g.mu.Lock()
					if len(g.mu.running) > g.config.AtOnce || g.mu.count[tenant] > g.mine || g.mu.memory > g.config.MemoryBytes || ticket.Memory() < g.config.MemoryBytes/2/g.config.AtOnce {
						t.Errorf("seed %d: %d run, %d of %s, %d bytes granted", seed, len(g.mu.running), g.mu.count[tenant], tenant, g.mu.memory)
					}
					for tenant, waiting := range g.mu.waiting {
						if len(waiting) > 0 && len(g.mu.running) < g.config.AtOnce && g.mu.count[tenant] < g.mine {
							t.Errorf("seed %d: %s waits beside a free place", seed, tenant)
						}
					}
					g.mu.Unlock()
					time.Sleep(stay)
					ticket.Leave()
				}()
			}
			time.Sleep(time.Hour)
			if runs, waits, _ := g.Counts(); runs+waits+g.mu.memory+len(g.mu.turn)+len(g.mu.count)+len(g.mu.waiting) != 0 {
				t.Errorf("seed %d: %d run, %d wait in the end", seed, runs, waits)
			}
		})
	}
}

// TestAtOnceOfOne checks that one principal runs no more queries at once than they may,
// and that others of the tenant do not wait for them.
func TestAtOnceOfOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := New(Config{AtOnce: 8})
		job := Job{Tenant: "a", Who: "alice", AtOnce: 2}
		come := func(job Job) chan *Ticket {
			got := make(chan *Ticket, 1)
			go func() {
				_, ticket, err := g.Enter(t.Context(), job)
				if err != nil {
					t.Error(err)
				}
				got <- ticket
			}()
			synctest.Wait()
			return got
		}
		var alice []chan *Ticket
		for range 4 {
			alice = append(alice, come(job))
		}
		bob := come(Job{Tenant: "a", Who: "bob", AtOnce: 2})
		other := come(Job{Tenant: "b", Who: "alice", AtOnce: 2})
		if runs, waits, _ := g.Counts(); runs != 4 || waits != 2 || len(bob) != 1 || len(other) != 1 {
			t.Fatalf("%d run, %d wait; want 4, with the others' two, and 2", runs, waits)
		}
		(<-alice[0]).Leave()
		synctest.Wait()
		if len(alice[2]) != 1 || len(alice[3]) != 0 {
			t.Error("the third one waits, or the fourth does not, after the first")
		}
		for _, one := range append(alice[1:3], bob, other) {
			(<-one).Leave()
		}
		synctest.Wait()
		(<-alice[3]).Leave()
		if len(g.mu.whose)+len(g.mu.count)+len(g.mu.turn)+len(g.mu.running) != 0 {
			t.Errorf("something is kept: %v", g.mu.whose)
		}
	})
}
