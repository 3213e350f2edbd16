// Package learn learns the patterns of tenants' messages and keeps what the catalogue
// has of them.
//
// Learner is the main type. Run learns while the node leads the catalogue: it asks for
// the patterns of records, wherever these are, and proposes what follows; Patterns
// gives every node what was agreed on. Run is called from one goroutine, Patterns from
// any.
package learn

import (
	"context"
	"fmt"
	"log/slog"
	"runtime/pprof"
	"slices"
	"sync"
	"time"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/pattern"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/learned"
)

// How patterns are learned.
const (
	DefaultInterval = 5 * time.Minute  // between rounds
	firstAfter      = time.Minute      // the first round comes earlier
	lookMax         = 2 * time.Second  // for the records of a tenant; parts that were read are remembered, so that the next round comes further
	roundMax        = 20 * time.Second // for all tenants; who is left over comes first in the next one
	formsMax        = 100_000          // patterns that are learned from at once
	setsMax         = 256              // sets that are kept decoded; of more tenants any one is let go
)

// Searcher answers queries; *query.Engine is one.
type Searcher interface {
	Search(ctx context.Context, request query.Request) (*query.Result, error)
}

// Config is what a learner has to do with.
type Config struct {
	Interval time.Duration // below 0: nothing is learned
	Engine   Searcher
	State    func() *catalogue.State
	Leads    func() bool // this node leads the catalogue, and can be asked
	Propose  func(ctx context.Context, command catalogue.Command) (*catalogue.State, error)
	Logger   *slog.Logger
	Now      func() time.Time
}

// Learner learns patterns. Its configuration must be complete.
type Learner struct {
	Config
	mu   sync.Mutex
	sets map[model.TenantID]learnedSet // that were decoded
}

// learnedSet is a set and the version of the catalogue's bytes that it was made of.
type learnedSet struct {
	version uint64
	set     *pattern.Set
}

// Patterns returns what the catalogue has of a tenant, nil if nothing was learned.
func (l *Learner) Patterns(tenant model.TenantID) *pattern.Set {
	saved, ok := l.State().Patterns[tenant]
	if !ok {
		return nil
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	known := l.sets[tenant]
	if known.version == saved.Version {
		return known.set
	}
	set, err := pattern.Decode(saved.Set)
	if err != nil {
		l.Logger.Warn("the patterns of a tenant cannot be read", "tenant", tenant, "error", err)
		set = nil
	}
	if l.sets == nil {
		l.sets = map[model.TenantID]learnedSet{}
	}
	if _, ok := l.sets[tenant]; !ok && len(l.sets) >= setsMax {
		for other := range l.sets {
			delete(l.sets, other)
			break
		}
	}
	l.sets[tenant] = learnedSet{saved.Version, set}
	return set
}

// Run learns patterns until the context ends, while this node leads the catalogue.
func (l *Learner) Run(ctx context.Context) error {
	if l.Interval < 0 {
		<-ctx.Done()
		return nil
	}
	timer := time.NewTimer(min(l.Interval, firstAfter))
	defer timer.Stop()
	for next := 0; ; {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		timer.Reset(l.Interval)
		if l.Leads() && l.State().Format() >= catalogue.FormatTenants {
			pprof.Do(ctx, pprof.Labels("watches", "patterns"), func(ctx context.Context) { next = l.round(ctx, l.tenants(), next) })
		}
	}
}

// round learns of the tenants, beginning with one of them, and returns with which to
// begin the next time.
func (l *Learner) round(ctx context.Context, tenants []model.TenantID, next int) int {
	began := l.Now()
	for i := range tenants {
		if ctx.Err() != nil || !l.Leads() || l.Now().Sub(began) > roundMax {
			return (next + i) % len(tenants) // who leads now goes on
		}
		tenant := tenants[(next+i)%len(tenants)]
		if err := l.learnOf(ctx, tenant); err != nil && ctx.Err() == nil {
			l.Logger.Debug("patterns were not learned", "tenant", tenant, "error", err)
		}
	}
	return next
}

// tenants returns the tenants that the catalogue knows of.
func (l *Learner) tenants() []model.TenantID {
	state := l.State()
	all := []model.TenantID{model.DefaultTenant}
	for id := range state.Tenants {
		all = append(all, id)
	}
	for id := range state.Patterns {
		all = append(all, id)
	}
	for id := range state.Accounts {
		all = append(all, id)
	}
	slices.Sort(all)
	return slices.Compact(all)
}

// learnOf learns from a tenant's records, wherever they are, and tells all nodes. An
// answer without all is good enough: what is not learned now is later.
func (l *Learner) learnOf(ctx context.Context, tenant model.TenantID) error {
	known := l.State().Index // before the set is read: of what comes later nothing is known
	before := l.Patterns(tenant)
	found, err := l.Engine.Search(ctx, query.Request{Audience: query.Audience{Tenant: tenant}, Text: "* | stats count() by (" + learned.FieldForm + ")", Whole: true, Groups: formsMax, Time: lookMax, Who: "patterns"})
	if err != nil {
		return fmt.Errorf("look for patterns: %w", err)
	}
	var forms []string
	for _, row := range found.Rows[:min(len(found.Rows), formsMax)] {
		if form, ok := row[0].(string); ok {
			forms = append(forms, form)
		}
	}
	learn := pattern.VersionReasons
	switch format := l.State().Format(); { // a node that cannot read a set has other patterns
	case format < catalogue.FormatWideSets:
		learn = pattern.VersionWords
	case format < catalogue.FormatReasons:
		learn = pattern.VersionNames
	}
	set, err := before.LearnOf(ctx, learn, forms)
	if err != nil {
		return err
	}
	if set.Equal(before) {
		return nil
	}
	if _, err := l.Propose(ctx, catalogue.SetPatterns{Tenant: tenant, Patterns: set.Encode(), If: known}); err != nil {
		return fmt.Errorf("save patterns: %w", err)
	}
	return nil
}
