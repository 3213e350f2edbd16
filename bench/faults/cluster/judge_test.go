package cluster

import (
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stere-log/stere/bench/faults/ledger"
)

func shardOn(names ...string) shard {
	s := shard{ID: 1, Leader: names[0]}
	for _, name := range names {
		s.Replicas = append(s.Replicas, replicaCopy{Node: name, Complete: true})
	}
	return s
}

func TestSights(t *testing.T) {
	three := []shard{shardOn("a", "b", "c"), shardOn("c", "b", "a")}
	five := []shard{shardOn("a", "b", "c"), shardOn("c", "d", "e")}
	for _, tc := range []struct {
		shards []shard
		groups [][]string
		want   map[string]promise
	}{
		{three, [][]string{{"a", "b", "c"}}, map[string]promise{"a": complete, "b": complete, "c": complete}},
		{three, [][]string{{"a"}, {"b", "c"}}, map[string]promise{"a": partial, "b": complete, "c": complete}},
		{three, [][]string{{"b", "c"}}, map[string]promise{"a": nothing, "b": complete, "c": complete}},
		{three, [][]string{{"a"}, {"b"}, {"c"}}, map[string]promise{"a": partial, "b": partial, "c": partial}},
		{five, [][]string{{"a", "b"}, {"c", "d", "e"}}, map[string]promise{"a": partial, "b": partial, "c": partial, "d": partial}},
		{five, [][]string{{"a"}, {"b", "c", "d", "e"}}, map[string]promise{"a": partial, "b": complete, "e": complete}},
		{nil, [][]string{{"a"}}, map[string]promise{"a": nothing}},
		{three, nil, map[string]promise{"a": nothing}},
	} {
		got := sights(tc.shards, tc.groups...)
		for name, want := range tc.want {
			if got[name] != want {
				t.Errorf("%v: promise of %s is %d, want %d", tc.groups, name, got[name], want)
			}
		}
	}
}

func TestAnswersAreJudged(t *testing.T) {
	whole, part := ledger.Wholeness{Complete: true}, ledger.Wholeness{Reason: "a shard is missing"}
	for _, tc := range []struct {
		name string
		p    promise
		late bool // the grace is over
		got  answer
		want ledger.Violations
	}{
		{"right", complete, true, answer{whole: whole}, ledger.Violations{}},
		{"incomplete with a quorum", complete, true, answer{whole: part}, ledger.Violations{Incomplete: 1}},
		{"incomplete during the grace", complete, false, answer{whole: part}, ledger.Violations{}},
		{"failed with a quorum", complete, true, answer{err: errors.New("x")}, ledger.Violations{NotAnswered: 1}},
		{"failed during the grace", complete, false, answer{err: errors.New("x")}, ledger.Violations{}},
		{"failed without a quorum", partial, true, answer{err: errors.New("x")}, ledger.Violations{}},
		{"marked without a quorum", partial, true, answer{whole: part}, ledger.Violations{}},
		{"unmarked without a quorum", partial, true, answer{whole: whole}, ledger.Violations{Unmarked: 1}},
		{"unmarked during the grace", partial, false, answer{whole: whole}, ledger.Violations{}},
		{"wrong", nothing, false, answer{whole: whole, wrong: "x"}, ledger.Violations{Wrong: 1}},
		{"wrong during the grace", complete, false, answer{whole: whole, wrong: "x"}, ledger.Violations{Wrong: 1}},
		{"nothing promised", nothing, true, answer{whole: part}, ledger.Violations{}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				o, a := outlook{grace: time.Second}, answers{}
				o.set(map[string]promise{"n": tc.p})
				if tc.late {
					time.Sleep(time.Second)
				}
				p, due := o.judge("n", time.Now())
				a.enter(tc.got, p, due)
				count, v := a.take()
				v.Examples = nil
				if v.Sum() != tc.want.Sum() || v.Wrong != tc.want.Wrong || v.Incomplete != tc.want.Incomplete || v.Unmarked != tc.want.Unmarked || v.NotAnswered != tc.want.NotAnswered {
					t.Errorf("violations are %+v, want %+v", v, tc.want)
				}
				if count.Asked != 1 {
					t.Errorf("counts are %+v", count)
				}
			})
		})
	}
}

// A question that was asked before things changed is not judged by how they are
// now.
func TestOutlookOfTheQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := outlook{grace: time.Second}
		asked := time.Now()
		o.set(map[string]promise{"n": complete})
		time.Sleep(time.Minute)
		if _, due := o.judge("n", asked); due {
			t.Error("a question from before is judged")
		}
	})
}

func TestMeter(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var m meter
		m.ack(1000) // before the window
		m.begin()
		for _, step := range []struct {
			wait time.Duration
			rows int
		}{{100, 10}, {800, 10}, {200, 5}, {1500, 20}, {500, 7}} {
			time.Sleep(step.wait * time.Millisecond)
			m.ack(step.rows)
		}
		time.Sleep(200 * time.Millisecond)
		if r := m.read(); r.gap != 1500*time.Millisecond || r.worst != 5 || r.rate != 52/3.3 {
			t.Errorf("reading is %+v", r)
		}
		m.begin()
		time.Sleep(3 * time.Second)
		if r := m.read(); r.gap != 3*time.Second || r.worst != 0 || r.rate != 0 {
			t.Errorf("reading without acknowledgements is %+v", r)
		}
	})
}

func TestUnhealthy(t *testing.T) {
	names := map[string]bool{"a": true, "b": true, "c": true}
	nodes := []string{"a", "b", "c"}
	lagging := shardOn("a", "b", "c")
	lagging.Replicas[2].Complete = false
	headless := shardOn("a", "b", "c")
	headless.Leader = ""
	for name, tc := range map[string]struct {
		s       status
		healthy bool
	}{
		"healthy":      {status{nodes, "a", []shard{shardOn("a", "b", "c")}}, true},
		"gone member":  {status{append(nodes, "d"), "a", []shard{shardOn("a", "b", "c")}}, true},
		"unknown node": {status{nodes[:2], "a", []shard{shardOn("a", "b", "c")}}, false},
		"no shards":    {status{nodes, "a", nil}, false},
		"no catalogue": {status{nodes, "", []shard{shardOn("a", "b", "c")}}, false},
		"no leader":    {status{nodes, "a", []shard{headless}}, false},
		"not complete": {status{nodes, "a", []shard{lagging}}, false},
		"dead leader":  {status{nodes, "a", []shard{shardOn("d", "b", "c")}}, false},
		"dead replica": {status{nodes, "a", []shard{shardOn("a", "b", "d")}}, false},
		"too few":      {status{nodes, "a", []shard{shardOn("a", "b")}}, false},
	} {
		if why := tc.s.unhealthy(names, 3); (why == "") != tc.healthy {
			t.Errorf("%s: %q", name, why)
		}
	}
}

func TestPlanIsTheSeeds(t *testing.T) {
	cfg := Config{Faults: Kinds(), Rounds: 3, Seed: 5}
	a, b := planOf(cfg), planOf(cfg)
	cfg.Seed = 6
	other := planOf(cfg)
	same := 0
	for i := range a {
		if a[i] != b[i] {
			t.Fatal("one seed has two plans")
		}
		if a[i] == other[i] {
			same++
		}
	}
	if len(a) != 3*len(Kinds()) || same == len(a) || a[len(a)-1] != AddNode {
		t.Errorf("plan has %d rounds, %d like another seed's, the last is %s", len(a), same, a[len(a)-1])
	}
}

// Writers leave out who did not answer lately, and nobody if that is all.
func TestChoose(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		nodes := []*node{{name: "a"}, {name: "b"}, {name: "c"}}
		want := func(names string) {
			t.Helper()
			got := ""
			for i := range nodes {
				got += choose(nodes, i).name
			}
			if got != names {
				t.Errorf("chosen are %s, want %s", got, names)
			}
		}
		want("abc")
		nodes[1].silent.Store(time.Now().UnixNano())
		want("acc")
		nodes[0].silent.Store(time.Now().UnixNano())
		nodes[2].silent.Store(time.Now().UnixNano())
		want("abc")
		time.Sleep(avoidFor + 1)
		want("abc")
	})
}
