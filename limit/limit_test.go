package limit

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// crowd is a cluster of limiters in one process.
type crowd struct {
	mu   sync.Mutex
	all  map[string]*Limiter
	dead map[string]bool // does not answer
	seen map[string]bool // that it is dead
}

func newCrowd(names ...string) *crowd {
	c := &crowd{all: map[string]*Limiter{}, dead: map[string]bool{}, seen: map[string]bool{}}
	for _, name := range names {
		c.start(name, nil)
	}
	return c
}

func (c *crowd) start(name string, recall func(context.Context, Rule) (int64, error)) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.all[name] = New(Config{Self: name, Peers: c, Recall: recall})
	delete(c.dead, name)
	delete(c.seen, name)
}

func (c *crowd) kill(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.dead[name] = true
}

func (c *crowd) notice(name string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.seen[name] = true
}

func (c *crowd) Alive() (alive []string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for name := range c.all {
		if !c.seen[name] {
			alive = append(alive, name)
		}
	}
	return alive
}

var errDead = errors.New("dead")

func (c *crowd) node(name string) *Limiter {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.dead[name] {
		return nil
	}
	return c.all[name]
}

func (c *crowd) Ask(ctx context.Context, node string, ask Ask) (Answer, error) {
	one := c.node(node)
	if one == nil {
		return Answer{}, errDead
	}
	return one.Answer(ctx, ask), ctx.Err()
}

func (c *crowd) Known(_ context.Context, node, key string) ([]Count, error) {
	one := c.node(node)
	if one == nil {
		return nil, errDead
	}
	return one.Known(key), nil
}

// most returns how many of some times are within one stretch of a length at most.
func most(times []time.Time, length time.Duration) (most int) {
	from := 0
	for i := range times {
		for times[i].Sub(times[from]) >= length {
			from++
		}
		most = max(most, i+1-from)
	}
	return most
}

// TestWindowIsExact floods one node: in no stretch of the window's length is more
// than the limit let through, and a slot less than it at least.
func TestWindowIsExact(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{})
		rule := Rule{Key: "k", Limit: 640, Window: time.Minute}
		var times []time.Time
		for range 6 * 60 * 100 {
			if l.Take(t.Context(), rule, 1).OK {
				times = append(times, time.Now())
			}
			time.Sleep(10 * time.Millisecond)
		}
		if n := most(times, rule.Window); n > 640 || n < 630 {
			t.Errorf("%d within a window, want at most 640 and about so many", n)
		}
		if len(times) < 6*640*62/64 || len(times) > 7*640 {
			t.Errorf("%d in six windows", len(times))
		}
	})
}

// TestRefusal says when to come back, and that is right.
func TestRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{})
		rule := Rule{Key: "k", Limit: 10, Window: time.Hour}
		for i := range 10 {
			if v := l.Take(t.Context(), rule, 1); !v.OK || v.Left != int64(9-i) || v.Reset <= 0 || v.Reset > 62*time.Minute {
				t.Fatalf("request %d: %+v", i, v)
			}
			time.Sleep(time.Minute)
		}
		v := l.Take(t.Context(), rule, 1)
		if v.OK || v.Retry < 49*time.Minute || v.Retry > 52*time.Minute {
			t.Fatalf("the eleventh: %+v", v)
		}
		if _, spent := l.Spent(rule); !spent {
			t.Error("it is not said to be spent")
		}
		time.Sleep(v.Retry - time.Second)
		if v := l.Take(t.Context(), rule, 1); v.OK {
			t.Error("too early")
		}
		time.Sleep(2 * time.Second)
		if v := l.Take(t.Context(), rule, 1); !v.OK {
			t.Errorf("after the time that was said: %+v", v)
		}
		l.Give(t.Context(), rule, 1)
		if v := l.Take(t.Context(), rule, 1); !v.OK {
			t.Errorf("what was given back cannot be had: %+v", v)
		}
	})
}

// mute nodes do not say what they know.
type mute struct{ *crowd }

func (mute) Known(ctx context.Context, _, _ string) ([]Count, error) {
	<-ctx.Done()
	return nil, ctx.Err()
}

// TestHomeThatMustLookFirst is not doubted by who asks it, however long what it looks
// for takes: a node that is doubted counts nothing any more, whatever the key.
func TestHomeThatMustLookFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd()
		for _, name := range []string{"a", "b"} {
			c.start(name, nil)
			c.all[name].cfg.Peers = mute{c}
			c.all[name].cfg.Recall = func(ctx context.Context, _ Rule) (int64, error) {
				<-ctx.Done()
				return 0, ctx.Err()
			}
		}
		for i := range 20 {
			rule := Rule{Key: "k" + strconv.Itoa(i), Limit: 1000, Window: day, Daily: true}
			if v := c.all["a"].Take(t.Context(), rule, 1); !v.OK {
				t.Errorf("%+v", v)
			}
		}
		if _, asked, failed := c.all["a"].Stats(); asked == 0 || failed > 0 {
			t.Errorf("asked %d times, %d without an answer", asked, failed)
		}
	})
}

// TestDaysThatCannotBeReadYet asks again what was counted before the start, one request
// at a time, until that is known.
func TestDaysThatCannotBeReadYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		failures, asked := 3, 0
		l := New(Config{Recall: func(ctx context.Context, _ Rule) (int64, error) {
			if asked++; asked <= failures {
				<-ctx.Done() // the shard has no leader
				return 0, ctx.Err()
			}
			return 400, nil
		}})
		rule := Rule{Key: "k", Limit: 1000, Window: day, Daily: true}
		for range 100 {
			l.Take(t.Context(), rule, 1)
		}
		if asked != 1 {
			t.Errorf("asked %d times at once", asked)
		}
		for range failures {
			time.Sleep(recallAgain)
			l.Take(t.Context(), rule, 1)
		}
		if v := l.Take(t.Context(), rule, 1); asked != failures+1 || v.Left != 1000-400-2 {
			t.Errorf("asked %d times: %+v", asked, v)
		}
		time.Sleep(time.Minute)
		if l.Take(t.Context(), rule, 1); asked != failures+1 {
			t.Errorf("asked %d times", asked)
		}
	})
}

// TestDays counts days of UTC, from what was counted before the start on.
func TestDays(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{Recall: func(context.Context, Rule) (int64, error) { return 400, nil }})
		rule := Rule{Key: "k", Limit: 1000, Window: day, Daily: true, Loose: true}
		if v := l.Take(t.Context(), rule, 500); !v.OK || v.Left != 100 {
			t.Fatalf("%+v", v)
		}
		if v := l.Take(t.Context(), rule, 500); v.OK {
			t.Fatalf("%+v", v)
		}
		for _, ok := range []bool{true, true, true, false} { // the third crosses the limit by a small part of it
			if v := l.Take(t.Context(), rule, 45); v.OK != ok {
				t.Fatalf("want %v: %+v", ok, v)
			}
		}
		v, spent := l.Spent(rule)
		midnight := time.Until(time.Now().UTC().Truncate(day).Add(day))
		if !spent || v.Retry != midnight || v.Reset != midnight {
			t.Fatalf("%+v, %v, midnight is in %v", v, spent, midnight)
		}
		time.Sleep(midnight)
		if v := l.Take(t.Context(), rule, 1000); !v.OK {
			t.Fatalf("on the next day: %+v", v)
		}
	})
}

// TestClusterWithin5Percent floods three nodes, evenly and not: what is let through in
// a window is the limit within 5 %, also while the home of the key dies and comes back.
func TestClusterWithin5Percent(t *testing.T) {
	seeds := uint64(6)
	if testing.Short() {
		seeds = 2
	}
	for seed := range seeds {
		for _, limit := range []int64{100, 1_000, 5_000} {
			synctest.Test(t, func(t *testing.T) { flood(t, seed, limit) })
		}
	}
}

func flood(t *testing.T, seed uint64, limit int64) {
	random := rand.New(rand.NewPCG(seed, uint64(limit)))
	names := []string{"a", "b", "c"}
	c := newCrowd(names...)
	rule := Rule{Key: fmt.Sprint("k", seed), Limit: limit, Window: time.Minute}
	home := c.all["a"].homes(rule.Key)[0]
	shares := []float64{random.Float64(), random.Float64(), 0.1}
	var times []time.Time
	tried := 0
	step := rule.Window / time.Duration(5*limit)
	die, back := 90*time.Second, 200*time.Second
	died, noticed, returned := false, false, false
	for at := time.Duration(0); at < 5*rule.Window; at += step {
		switch {
		case !died && at > die:
			died = true
			c.kill(home)
		case died && !noticed && at > die+2*time.Second:
			noticed = true
			c.notice(home)
		case noticed && !returned && at > back:
			returned = true
			c.start(home, nil)
		}
		pick := random.Float64() * (shares[0] + shares[1] + shares[2])
		i := 0
		for ; i < 2 && pick > shares[i]; i++ {
			pick -= shares[i]
		}
		name := names[i]
		if died && !returned && name == home {
			name = names[(i+1)%3]
		}
		tried++
		if c.all[name].Take(t.Context(), rule, 1).OK {
			times = append(times, time.Now())
		}
		time.Sleep(step)
	}
	if n := most(times, rule.Window); float64(n) > 1.05*float64(limit) || float64(n) < 0.95*float64(limit) {
		t.Errorf("seed %d, limit %d: %d within a window, not within 5 %%", seed, limit, n)
	}
	if got, want := float64(len(times)), 5*float64(limit); got < 0.94*want || got > 6.1*float64(limit) {
		t.Errorf("seed %d, limit %d: %d of %d in five windows", seed, limit, len(times), tried)
	}
}

// TestNewHomeAsks lets the home of a key die and asks a node that has never asked for
// it: what was counted is not forgotten.
func TestNewHomeAsks(t *testing.T) {
	for seed := range 20 {
		synctest.Test(t, func(t *testing.T) {
			c := newCrowd("a", "b", "c")
			rule := Rule{Key: fmt.Sprint("new", seed), Limit: 100, Window: time.Hour}
			homes := c.all["a"].homes(rule.Key)
			c.all[homes[0]].Take(t.Context(), rule, 30)
			for range 70 {
				if !c.all[homes[1+seed%2]].Take(t.Context(), rule, 1).OK {
					t.Fatal("refused too early")
				}
			}
			time.Sleep(time.Minute)
			c.kill(homes[0])
			c.notice(homes[0])
			if v := c.all[homes[2-seed%2]].Take(t.Context(), rule, 1); v.OK {
				t.Errorf("seed %d: a new home has forgotten what was counted: %+v", seed, v)
			}
		})
	}
}

// view is a crowd as one of its nodes sees it.
type view struct {
	*crowd
	alone func() bool // sees nobody else
}

func (v view) Alive() []string {
	if v.alone() {
		return nil
	}
	return v.crowd.Alive()
}

// TestNodesThatDoNotAgreeYet: what a node has let through while it saw no other counts as
// soon as it does, whichever of them is the home then, and also when that changes again.
func TestNodesThatDoNotAgreeYet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd("b", "c")
		alone := true
		c.all["a"] = New(Config{Self: "a", Peers: view{c, func() bool { return alone }}})
		for i := range 20 {
			rule := Rule{Key: fmt.Sprint("key ", i), Limit: 100, Window: time.Minute}
			through := 0
			take := func(n int, names ...string) {
				for i := range n {
					if c.all[names[i%len(names)]].Take(t.Context(), rule, 1).OK {
						through++
					}
				}
			}
			alone = true
			time.Sleep(aliveInterval)
			take(30, "a")
			take(30, "b", "c")
			alone = false
			time.Sleep(aliveInterval)
			take(6, "a", "b", "c")
			alone = true
			time.Sleep(aliveInterval)
			take(60, "a")
			alone = false
			time.Sleep(aliveInterval)
			for range 5 { // permits end meanwhile
				take(60, "a", "b", "c")
				time.Sleep(permitLife)
			}
			// Of the 6 that all took, the first does not know what the others took after it.
			if through < 98 || through > 104 {
				t.Errorf("%s: %d let through, want 100 to 104", rule.Key, through)
			}
		}
	})
}

// TestBurstOnAllNodes sends a burst to all nodes at once.
func TestBurstOnAllNodes(t *testing.T) {
	for seed := range uint64(20) {
		synctest.Test(t, func(t *testing.T) {
			names := []string{"a", "b", "c"}
			c := newCrowd(names...)
			rule := Rule{Key: fmt.Sprint("burst", seed), Limit: 1000, Window: time.Minute}
			var ok [3]int
			var nodes sync.WaitGroup
			for i, name := range names {
				for range 8 {
					nodes.Go(func() {
						n := 0
						for range 500 {
							if c.all[name].Take(t.Context(), rule, 1).OK {
								n++
							}
						}
						c.mu.Lock()
						ok[i] += n
						c.mu.Unlock()
					})
				}
			}
			nodes.Wait()
			if n := ok[0] + ok[1] + ok[2]; n > 1000 || n < 950 {
				t.Errorf("seed %d: %v are %d, want 950 to 1000", seed, ok, n)
			}
		})
	}
}

// TestFewQuestions asks the home once for many requests, and hardly ever while the
// limit is spent.
func TestFewQuestions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd("a", "b", "c")
		rule := Rule{Key: "k", Limit: 60_000, Window: time.Minute}
		spent := Rule{Key: rule.Key + "x", Limit: 0, Window: time.Minute}
		var l *Limiter
		for name, one := range c.all {
			if one.homes(rule.Key)[0] != name && one.homes(spent.Key)[0] != name {
				l = one
			}
		}
		for range 10_000 {
			l.Take(t.Context(), rule, 1)
			time.Sleep(2 * time.Millisecond)
		}
		if _, asked, _ := l.Stats(); asked > 500 {
			t.Errorf("%d questions for 10,000 requests", asked)
		}
		_, before, _ := l.Stats()
		for range 10_000 {
			if l.Take(t.Context(), spent, 1).OK {
				t.Fatal("nothing is allowed")
			}
			time.Sleep(time.Millisecond)
		}
		if _, asked, _ := l.Stats(); asked-before > 20 {
			t.Errorf("%d questions for 10,000 refusals in ten seconds", asked-before)
		}
	})
}

// TestManyKeys keeps to its memory, and forgets no key that is used much for those
// that are not.
func TestManyKeys(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := New(Config{Keys: 256})
		busy := Rule{Key: "busy", Limit: 10, Window: time.Hour, Stranger: true}
		for range 20 {
			l.Take(t.Context(), busy, 1)
		}
		client := Rule{Key: "client", Limit: 10, Window: time.Hour}
		l.Take(t.Context(), client, 1)
		strangers := 100_000
		if testing.Short() {
			strangers = 10_000
		}
		for i := range strangers {
			l.Take(t.Context(), Rule{Key: fmt.Sprint("address ", i), Limit: 10, Window: time.Hour, Stranger: true}, 1)
		}
		if keys, _, _ := l.Stats(); keys > 4*256 {
			t.Errorf("%d keys", keys)
		}
		if l.Take(t.Context(), busy, 1).OK {
			t.Error("who is over the limit was forgotten for others")
		}
		if v := l.Take(t.Context(), client, 1); v.Left != 8 {
			t.Errorf("strangers pushed out a client: %+v", v)
		}
	})
}

// TestPlaces gives so many places over all nodes, and again when they are released or
// their time is over.
func TestPlaces(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCrowd("a", "b", "c")
		rule := Rule{Key: "places", Limit: 3, Window: time.Minute}
		var release []func()
		for i, name := range []string{"a", "b", "c", "a"} {
			free, ok := c.all[name].Hold(t.Context(), rule)
			if ok != (i < 3) {
				t.Fatalf("place %d: %v", i, ok)
			}
			release = append(release, free)
		}
		release[1]()
		if _, ok := c.all["c"].Hold(t.Context(), rule); !ok {
			t.Error("a place that was released cannot be had")
		}
		if _, ok := c.all["a"].Hold(t.Context(), rule); ok {
			t.Error("a fourth place")
		}
		time.Sleep(time.Minute)
		if _, ok := c.all["a"].Hold(t.Context(), rule); !ok {
			t.Error("a place whose time is over cannot be had")
		}
	})
}

// TestMerge keeps slots in order, whatever is told.
func TestMerge(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		random := rand.New(rand.NewPCG(1, 2))
		rule := Rule{Key: "k", Limit: 1, Window: 64 * time.Second}
		for range 2000 {
			var c counts
			now := time.Now()
			at := now.UnixNano() / int64(time.Second)
			want := map[int64]int64{}
			for range random.IntN(20) {
				s := Slot{At: at + random.Int64N(100) - 90, N: random.Int64N(10) - 2}
				if s.N > 0 && s.At <= at && s.At >= at-slots {
					want[s.At] = max(want[s.At], s.N)
				}
				c.merge(&rule, []Slot{s}, now)
			}
			if !slices.IsSortedFunc(c, func(a, b Slot) int { return int(a.At - b.At) }) || len(c) != len(want) {
				t.Fatalf("%v, want %v", c, want)
			}
			for _, s := range c {
				if want[s.At] != s.N {
					t.Fatalf("%v, want %v", c, want)
				}
			}
		}
	})
}
