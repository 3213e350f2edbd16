package heal

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/gossip"
	"github.com/stere-log/stere/cluster/placement"
)

// TestTargets: what the history says of a target can be read back.
func TestTargets(t *testing.T) {
	for _, m := range []placement.Move{
		{Kind: placement.AddReplica, Shard: 3, To: "b"},
		{Kind: placement.RemoveReplica, Shard: 65535, From: "a"},
		{Kind: placement.MoveReplica, Shard: 0, From: "a", To: "b"},
		{Kind: placement.TransferLeadership, Shard: 7, From: "a", To: "b"},
		{Kind: placement.TransferLeadership, Shard: 7, From: "a"},
	} {
		want := targetOf(m)
		if have, ok := parseTarget(want.String()); !ok || have != want {
			t.Errorf("%q becomes %+v, want %+v", want, have, want)
		}
	}
	for _, want := range []target{{what: targetReplica, shard: 2, to: "a"}, {what: targetNode, to: "a"}} {
		if have, ok := parseTarget(want.String()); !ok || have != want {
			t.Errorf("%q becomes %+v, want %+v", want, have, want)
		}
	}
	b := ballot{node: "a", change: AddVoter}
	if have, ok := parseTarget(b.key()); !ok || have != (target{what: targetNode, to: "a"}) {
		t.Errorf("%q becomes %+v", b.key(), have)
	}
	for _, text := range []string{"", "cluster", "shard", "shard ", "shard x", "shard 4294967296", "node ", "tenant a"} {
		if have, ok := parseTarget(text); ok {
			t.Errorf("%q becomes %+v", text, have)
		}
	}
}

// TestClean: what comes from outside fits into the history.
func TestClean(t *testing.T) {
	for _, text := range []string{"a\nb\x00", strings.Repeat("ä", catalogue.TextMax), "\xff", "%d"} {
		have := clean("%s", text)
		a := catalogue.PutAction{Action: catalogue.Action{Name: "x", Reason: have, Outcome: catalogue.ActionDone}}
		if !utf8.ValidString(have) || len(have) > catalogue.TextMax {
			t.Errorf("%q becomes %q", text, have)
		}
		if _, err := (&catalogue.State{Cluster: "c", Next: 1}).Apply(1, a); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestEveryMoveHasAName: each kind of move of each priority is an action that
// can be switched.
func TestEveryMoveHasAName(t *testing.T) {
	for kind := placement.AddReplica; kind <= placement.TransferLeadership; kind++ {
		for priority := placement.Repair; priority <= placement.Leaders; priority++ {
			if name := nameOf(placement.Move{Kind: kind, Priority: priority}); !isKind(name) {
				t.Errorf("%s for %s is %q", kind, priority, name)
			}
		}
	}
	for _, k := range Kinds() {
		a := catalogue.PutAction{Action: catalogue.Action{Name: k.Name, Outcome: catalogue.ActionDone}}
		if _, err := (&catalogue.State{Cluster: "c", Next: 1}).Apply(1, a); err != nil || k.About == "" {
			t.Errorf("%+v: %v", k, err)
		}
	}
}

// TestLife: what makes a node count as alive, silent or dead, and for how long.
func TestLife(t *testing.T) {
	now := time.Unix(1000, 0)
	ago := func(s int) time.Time { return now.Add(-time.Duration(s) * time.Second) }
	type given struct {
		state    catalogue.NodeState
		member   gossip.State // "": not known
		since    int          // seconds ago
		reported int          // seconds ago; -1: never
		missed   int
		absent   int // seconds ago
		contact  bool
	}
	for _, test := range []struct {
		given
		life Life
		dead int // for so many seconds
	}{
		{given{catalogue.Active, gossip.Alive, 100, 0, 0, 0, false}, LifeAlive, 0},
		{given{catalogue.Draining, gossip.Alive, 100, 2, 1, 0, false}, LifeAlive, 0},
		{given{catalogue.Active, gossip.Suspect, 5, 2, 1, 0, false}, LifeSuspect, 0},
		{given{catalogue.Active, gossip.Suspect, 5, 0, 0, 0, false}, LifeAlive, 0},
		{given{catalogue.Active, gossip.Alive, 100, 9, 3, 0, false}, LifeSilent, 0},
		{given{catalogue.Active, gossip.Alive, 100, -1, 1, 0, false}, LifeAlive, 0},
		{given{catalogue.Active, gossip.Dead, 50, 40, 9, 0, false}, LifeDead, 40},
		{given{catalogue.Active, gossip.Dead, 50, 60, 9, 0, false}, LifeDead, 50},
		{given{catalogue.Active, gossip.Left, 50, -1, 9, 0, false}, LifeDead, 50},
		{given{catalogue.Active, gossip.Dead, 50, 0, 0, 0, false}, LifeAlive, 0}, // gossip is wrong
		{given{catalogue.Active, gossip.Dead, 50, 60, 9, 0, true}, LifeSilent, 0},
		{given{catalogue.Active, "", 0, -1, 9, 5, false}, LifeSilent, 0}, // we may have just begun
		{given{catalogue.Active, "", 0, -1, 9, 30, false}, LifeDead, 30},
		{given{catalogue.Active, "", 0, 12, 9, 30, false}, LifeDead, 12},
		{given{catalogue.Active, "", 0, 0, 0, 30, false}, LifeAlive, 0},
		{given{catalogue.Gone, gossip.Alive, 100, 0, 0, 0, true}, LifeGone, 1000},
	} {
		n := &watched{missed: test.missed}
		if test.reported >= 0 {
			n.at = ago(test.reported)
		}
		if test.member == "" {
			n.absent = ago(test.absent)
		}
		w := watch{nodes: map[string]*watched{"a": n}}
		life, since := w.life(now, catalogue.Node{ID: "a", State: test.state}, gossip.Member{State: test.member, Since: ago(test.since)}, test.member != "", test.contact)
		if life != test.life || (life == LifeDead || life == LifeGone) && since != time.Duration(test.dead)*time.Second {
			t.Errorf("%+v: %s for %s, want %s for %d s", test.given, life, since, test.life, test.dead)
		}
	}
}
