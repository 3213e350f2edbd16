package learn_test

import (
	"context"
	"fmt"
	"log/slog"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/access"
	"github.com/stere-log/stere/node/learn"
	"github.com/stere-log/stere/pattern"
	"github.com/stere-log/stere/query"
)

// TestSetsFitIntoTheCatalogue: what the catalogue refused would never be learned.
func TestSetsFitIntoTheCatalogue(t *testing.T) {
	if pattern.SetMax > catalogue.PatternsMax {
		t.Errorf("a set has up to %d bytes, the catalogue takes %d", pattern.SetMax, catalogue.PatternsMax)
	}
}

// cluster is a catalogue that this node leads, and records of its tenants.
type cluster struct {
	mu     sync.Mutex
	state  *catalogue.State
	leads  bool
	asked  []model.TenantID
	asking func() // while a question is under way
	empty  bool   // there are no records

	messages []string // of the records
}

func newCluster(t *testing.T) *cluster {
	t.Helper()
	return clusterOf(t, catalogue.Format)
}

// clusterOf is one whose only node reads formats up to one.
func clusterOf(t *testing.T, format uint16) *cluster {
	t.Helper()
	c := &cluster{leads: true, asking: func() {}, messages: []string{"user anna came in", "user bert came in", "user claire came in"}}
	opened, err := catalogue.Open(catalogue.Config{Store: none{}})
	if err != nil {
		t.Fatal(err)
	}
	c.state = opened.State()
	const node = "00000000000000aa"
	_, err = c.propose(t.Context(), catalogue.Init{Cluster: "00000000000000cc", Shards: 1, Time: 1, Node: catalogue.Node{
		ID: node, Name: "a", Address: "10.0.0.1:7000", API: "10.0.0.1:7001", Version: "1", Formats: catalogue.Formats{Min: 1, Max: format},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// none is a store in which nothing is.
type none struct{}

func (none) Load() ([]byte, error) { return nil, nil }
func (none) Save([]byte) error     { return nil }

func (c *cluster) now() *catalogue.State {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.state
}

func (c *cluster) propose(_ context.Context, command catalogue.Command) (*catalogue.State, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	next, err := c.state.Apply(c.state.Index+1, command)
	if err == nil {
		c.state = next
	}
	return next, err
}

// Search implements learn.Searcher.
func (c *cluster) Search(_ context.Context, request query.Request) (*query.Result, error) {
	c.asked = append(c.asked, request.Tenant)
	c.asking()
	if c.empty {
		return &query.Result{Table: true, Complete: true}, nil
	}
	result := &query.Result{Table: true, Complete: true}
	for _, form := range pattern.Outlines(c.messages) {
		result.Rows = append(result.Rows, []any{form, int64(1)})
	}
	return result, nil
}

// run lets a learner run for some rounds.
func (c *cluster) run(t *testing.T, rounds int) *learn.Learner {
	l := &learn.Learner{Config: learn.Config{
		Interval: time.Minute, Engine: c, State: c.now, Leads: func() bool { return c.leads }, Propose: c.propose,
		Logger: slog.New(slog.DiscardHandler), Now: time.Now,
	}}
	ctx, stop := context.WithTimeout(t.Context(), time.Duration(rounds)*time.Minute+time.Second)
	defer stop()
	if err := l.Run(ctx); err != nil {
		t.Error(err)
	}
	return l
}

// TestLearn learns once from what does not change.
func TestLearn(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		l := c.run(t, 1)
		version := c.now().Patterns[model.DefaultTenant].Version
		if set := l.Patterns(model.DefaultTenant); version == 0 || len(set.Patterns()) != 1 || set.Patterns()[0].Text != "user * came in" {
			t.Fatalf("version %d has %+v", version, set.Patterns())
		}
		if c.run(t, 3); len(c.asked) != 4 || c.now().Patterns[model.DefaultTenant].Version != version {
			t.Errorf("asked %d times, the patterns changed again", len(c.asked))
		}
	})
}

// TestSetsForOlderNodes: while there is a node that does not read sets with names of several
// words, words alone are learned; names are once it has been upgraded, and then reasons.
func TestSetsForOlderNodes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := clusterOf(t, catalogue.FormatWideSets-1)
		for _, unit := range []string{"Rotate log files", "Hostname Service", "Cleanup of Temporary Directories", "Journal", "Message of the Day"} {
			c.messages = append(c.messages, "Starting "+unit+"...", "Started "+unit+".", "Finished "+unit+".", "Failed to start "+unit+".")
		}
		c.messages = append(c.messages, "link closed: slow consumer", "link closed: no route to host", "link closed: timeout")
		texts := func() (texts []string) {
			for _, p := range c.run(t, 1).Patterns(model.DefaultTenant).Patterns() {
				texts = append(texts, p.Text)
			}
			return texts
		}
		version := func() byte { return c.now().Patterns[model.DefaultTenant].Set[0] }
		if texts := texts(); version() != 1 || !slices.Contains(texts, "user * came in") || slices.Contains(texts, "Starting *...") {
			t.Errorf("version %d with %q", version(), texts)
		}
		upgrade := func(format uint16) {
			t.Helper()
			newer := c.now().Nodes["00000000000000aa"]
			newer.Formats.Max = format
			if _, err := c.propose(t.Context(), catalogue.PutNode{Node: newer, Time: 2}); err != nil {
				t.Fatal(err)
			}
		}
		upgrade(catalogue.FormatWideSets)
		if texts := texts(); version() != 2 || !slices.Contains(texts, "user * came in") || !slices.Contains(texts, "Starting *...") || slices.Contains(texts, "link closed: *") {
			t.Errorf("then version %d with %q", version(), texts)
		}
		upgrade(catalogue.FormatReasons)
		if texts := texts(); version() != 3 || !slices.Contains(texts, "user * came in") || !slices.Contains(texts, "Starting *...") || !slices.Contains(texts, "link closed: *") {
			t.Errorf("with reasons version %d with %q", version(), texts)
		}
	})
}

// TestWhoLearnedFirst: a set that another node has saved meanwhile stays, also the
// first one of a tenant.
func TestWhoLearnedFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		var before *pattern.Set
		first := before.Learn(pattern.Outlines([]string{"disk a is full", "disk b is full", "disk c is full", "disk d is full", "disk e is full"})).Encode()
		c.asking = func() {
			if _, err := c.propose(t.Context(), catalogue.SetPatterns{Tenant: model.DefaultTenant, Patterns: first, Time: 1}); err != nil {
				t.Error(err)
			}
		}
		c.run(t, 1)
		if have := c.now().Patterns[model.DefaultTenant].Set; string(have) != string(first) {
			t.Error("what was saved meanwhile is gone")
		}
	})
}

// TestManyTenants: not all decoded sets are kept, and each tenant has its own.
func TestManyTenants(t *testing.T) {
	c := newCluster(t)
	l := &learn.Learner{Config: learn.Config{State: c.now, Logger: slog.New(slog.DiscardHandler)}}
	const tenants = 2*learn.SetsMax + 1
	for i := range tenants {
		var before *pattern.Set
		var messages []string
		for _, user := range []string{"anna", "bert", "claire"} {
			messages = append(messages, fmt.Sprintf("disk%c%c of %s is full", 'a'+i/26, 'a'+i%26, user))
		}
		set := before.Learn(pattern.Outlines(messages))
		if _, err := c.propose(t.Context(), catalogue.SetPatterns{Tenant: model.TenantID(fmt.Sprintf("t%d", i)), Patterns: set.Encode(), Time: 1}); err != nil {
			t.Fatal(err)
		}
	}
	for range 2 {
		for i := range tenants {
			set := l.Patterns(model.TenantID(fmt.Sprintf("t%d", i)))
			if want := fmt.Sprintf("disk%c%c of * is full", 'a'+i/26, 'a'+i%26); len(set.Patterns()) != 1 || set.Patterns()[0].Text != want {
				t.Fatalf("tenant %d has %+v, want %q", i, set.Patterns(), want)
			}
		}
		if kept := l.Kept(); kept > learn.SetsMax {
			t.Errorf("%d sets are kept, at most %d", kept, learn.SetsMax)
		}
	}
}

// TestRoundEnds: a round that takes long ends, and the next one begins with who was
// left over.
func TestRoundEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		for i := range 10 {
			account := access.Account{ID: model.TenantID(fmt.Sprintf("t%d", i)), Plan: access.Basic, Status: access.Active}
			if _, err := c.propose(t.Context(), catalogue.PutAccount{Account: account, Time: 1}); err != nil {
				t.Fatal(err)
			}
		}
		c.empty = true
		c.asking = func() { time.Sleep(4 * time.Second) }
		c.run(t, 2)
		want := []model.TenantID{"default", "t0", "t1", "t2", "t3", "t4", "t5"}
		if len(c.asked) < 7 || !slices.Equal(c.asked[:7], want) {
			t.Errorf("asked %v, want at first %v", c.asked, want)
		}
	})
}

// TestLeadLost: a node that does not lead any more asks for nothing more.
func TestLeadLost(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := newCluster(t)
		for _, tenant := range []model.TenantID{"a", "b", "c"} {
			if _, err := c.propose(t.Context(), catalogue.SetTenant{ID: tenant, Tenant: catalogue.Tenant{Replicas: 3}, Time: 1}); err != nil {
				t.Fatal(err)
			}
		}
		c.asking = func() { c.leads = len(c.asked) < 2 }
		if c.run(t, 3); len(c.asked) != 2 {
			t.Errorf("asked for %v, want two of them", c.asked)
		}
	})
}
