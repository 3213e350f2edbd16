package admit

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stere-log/stere/model"
)

// TestTurnsOrder has one piece done at a time and checks whose is next: that of the
// tenant with the fewest under way, of its queries in turn the one that began first and
// the one that has waited longest.
func TestTurnsOrder(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		turns := NewTurns(1, time.Now)
		turns.short = func() bool { return false }
		began := time.Now()
		time.Sleep(time.Second)
		var order []string
		var all sync.WaitGroup
		hold := make(chan struct{})
		start := func(tenant model.TenantID, after time.Duration, name string) {
			all.Go(func() {
				if err := turns.do(t.Context(), tenant, began.Add(after), func() error {
					<-hold
					order = append(order, name)
					return nil
				}); err != nil {
					t.Error(err)
				}
			})
			synctest.Wait()
		}
		start("a", 0, "first")
		for i := range 4 { // those that came first began last
			start("a", time.Duration(4-i)*time.Millisecond, fmt.Sprint("a", 4-i))
		}
		close(hold)
		all.Wait()
		if got, want := strings.Join(order, " "), "first a4 a1 a3 a2"; got != want {
			t.Errorf("the order is %s, want %s", got, want)
		}
	})
}

// TestTurnsOfLight checks that the pieces of queries that have just begun do not wait
// for heavy ones, but that there are no more of a tenant at once than processors, and
// that there is one while memory is short.
func TestTurnsOfLight(t *testing.T) {
	for _, c := range []struct {
		short bool
		most  int // of one tenant
	}{{false, 3 + 2}, {true, 1 + 1}} {
		synctest.Test(t, func(t *testing.T) {
			turns := NewTurns(2, time.Now)
			turns.short = func() bool { return c.short }
			works, hold := map[model.TenantID]int{}, make(chan struct{})
			var mu sync.Mutex
			var all sync.WaitGroup
			start := func(tenant model.TenantID) {
				began := time.Now()
				all.Go(func() {
					if err := turns.do(t.Context(), tenant, began, func() error {
						mu.Lock()
						works[tenant]++
						mu.Unlock()
						<-hold
						return nil
					}); err != nil {
						t.Error(err)
					}
				})
			}
			for range 20 {
				start("a")
			}
			synctest.Wait()
			start("b")
			synctest.Wait()
			mu.Lock()
			if works["a"] != c.most || works["b"] != 1 {
				t.Errorf("short %v: %v pieces are done, want %d of a and 1 of b", c.short, works, c.most)
			}
			mu.Unlock()
			close(hold)
			all.Wait()
			if works["a"] != 20 || turns.mu.working != 0 || len(turns.mu.heavy)+len(turns.mu.light)+len(turns.mu.waiting) != 0 {
				t.Errorf("%v are done, %+v is left", works, turns.mu.waiting)
			}
		})
	}
}
