package storage

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/part"
)

// sealed is a segment of the manifest.
type sealed struct {
	Entry
	*stored
}

// stored is what is here of a segment. All that have an entry of it share this, so
// that it stays as long as one of them is in a set, whatever the others say of it.
type stored struct {
	here atomic.Pointer[local]     // replaced when a copy comes from another replica
	hash atomic.Pointer[[]DayHash] // nil as long as it is not known
	refs atomic.Int64              // sets that have it
}

// with returns the same segment under an entry that says something else of it.
func (s *sealed) with(entry Entry) *sealed { return &sealed{entry, s.stored} }

// broken returns why the segment cannot be read here, nil if it can.
func (s *sealed) broken() error { return s.here.Load().broken() }

// segmentSet is an immutable set of segments. The shard holds one reference
// to its current set, each View one more; when the last is given back, the
// segments that are in no other set are garbage.
type segmentSet struct {
	refs     atomic.Int64
	all      map[SegmentID]*sealed
	byTenant map[model.TenantID][]*sealed // by first time
	garbage  *garbage
}

// newSegmentSet returns a set with one reference, held by the caller.
func newSegmentSet(all map[SegmentID]*sealed, g *garbage) *segmentSet {
	set := &segmentSet{all: all, byTenant: map[model.TenantID][]*sealed{}, garbage: g}
	set.refs.Store(1)
	for _, s := range all {
		s.refs.Add(1)
		set.byTenant[s.Tenant] = append(set.byTenant[s.Tenant], s)
	}
	for _, list := range set.byTenant {
		slices.SortFunc(list, compareSealed)
	}
	return set
}

func compareSealed(a, b *sealed) int {
	return cmp.Or(cmp.Compare(a.FirstTime, b.FirstTime), cmp.Compare(a.LastTime, b.LastTime),
		cmp.Compare(a.ID.Sequence, b.ID.Sequence), cmp.Compare(a.ID.Ordinal, b.ID.Ordinal))
}

// with returns a new set with some segments added and some removed.
func (s *segmentSet) with(added []*sealed, removed []SegmentID) *segmentSet {
	all := maps.Clone(s.all)
	for _, id := range removed {
		delete(all, id)
	}
	for _, one := range added {
		all[one.ID] = one
	}
	return newSegmentSet(all, s.garbage)
}

func (s *segmentSet) release() {
	if s.refs.Add(-1) > 0 {
		return
	}
	for _, one := range s.all {
		if one.refs.Add(-1) == 0 {
			one.here.Load().close()
			s.garbage.add(one.ID)
		}
	}
}

// garbage collects the segments that nobody can reach any more.
type garbage struct {
	mu struct {
		sync.Mutex
		ids []SegmentID
	}
}

func (g *garbage) add(id SegmentID) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.ids = append(g.mu.ids, id)
}

func (g *garbage) take() []SegmentID {
	g.mu.Lock()
	defer g.mu.Unlock()
	ids := g.mu.ids
	g.mu.ids = nil
	return ids
}

// View is what a tenant has in a shard at one moment. It does not change, and
// its segments stay until Release.
type View struct {
	Parts []part.Part // segments by time, then blocks in log order
	// Quarantined is how many blocks of the tenant could not be read when they
	// were sealed: their records are in no part. For ViewAfter only those count
	// that came after the mark.
	Quarantined int
	// Missing are the segments of the tenant whose records are in no part,
	// because they are not here yet or damaged here.
	Missing []Entry

	key    []viewedPart
	tenant model.TenantID
	after  model.Mark
	set    *segmentSet
	open   *openViews
	once   sync.Once
}

// Release gives the view back; its parts must not be used afterwards.
func (v *View) Release() {
	v.once.Do(func() {
		v.set.release()
		v.open.leave()
	})
}

// Damaged reports whether a segment of the view has turned out to be damaged since it
// was made. The next view has it among Missing, until it is fetched again.
func (v *View) Damaged() bool {
	broken := 0
	for _, one := range v.set.byTenant[v.tenant] {
		if one.MaxIndex >= v.after.NextIndex() && one.broken() != nil {
			broken++
		}
	}
	return broken > len(v.Missing)
}

// viewedPart is what tells a part of a view from all others of its shard.
type viewedPart struct {
	part part.Part
	id   [2]uint64 // sequence and ordinal of a segment; log index and rows of a block
	kind byte
	mask string // which deletions hide rows of it
}

// Key returns bytes that are different for views whose parts between two times
// differ: records that came or went there make another key, those at other times do
// not. A view that lacks something has none.
func (v *View) Key(from, to int64) (key []byte, ok bool) {
	if len(v.Missing) > 0 || v.Quarantined > 0 {
		return nil, false
	}
	for _, one := range v.key {
		if first, last := one.part.TimeRange(); last >= from && first < to {
			key = append(key, one.kind)
			key = binary.BigEndian.AppendUint64(binary.BigEndian.AppendUint64(key, one.id[0]), one.id[1])
			key = appendItem(key, []byte(one.mask))
		}
	}
	return key, true
}

// openViews counts the views of a shard that are not released.
type openViews struct {
	mu struct {
		sync.Mutex
		count int
		none  chan struct{} // closed when the count becomes zero; nil: nobody waits
	}
}

func (o *openViews) enter() {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.mu.count++
}

func (o *openViews) leave() {
	o.mu.Lock()
	defer o.mu.Unlock()
	if o.mu.count--; o.mu.count == 0 && o.mu.none != nil {
		close(o.mu.none)
		o.mu.none = nil
	}
}

// AwaitViews returns when no view is held any more. After Close none comes, so
// then the shard can be destroyed.
func (s *Shard) AwaitViews(ctx context.Context) error {
	o := &s.views
	o.mu.Lock()
	if o.mu.count == 0 {
		o.mu.Unlock()
		return nil
	}
	if o.mu.none == nil {
		o.mu.none = make(chan struct{})
	}
	none := o.mu.none
	o.mu.Unlock()
	select {
	case <-none:
		return nil
	case <-ctx.Done():
		return fmt.Errorf("wait for views of shard %d: %w", s.cfg.Shard, ctx.Err())
	}
}

// View returns the tenant's parts as of now: everything applied is in it.
func (s *Shard) View(tenant model.TenantID) (*View, error) {
	view, _, err := s.ViewAfter(tenant, model.Mark{})
	return view, err
}

// ViewAfter is View without parts that have nothing after a mark. It also returns
// the log index up to which everything is applied.
func (s *Shard) ViewAfter(tenant model.TenantID, after model.Mark) (*View, uint64, error) {
	s.mu.RLock()
	if s.mu.closed {
		s.mu.RUnlock()
		return nil, 0, ErrClosed
	}
	set, applied := s.mu.set, s.mu.applied
	set.refs.Add(1) // cannot be the last: the shard holds one while it is current
	s.views.enter()
	runs := make([]headRun, 0, len(s.mu.jobs)+1)
	for _, job := range s.mu.jobs {
		runs = append(runs, job.runs[tenant])
	}
	runs = append(runs, s.mu.active.runs[tenant])
	deletions := s.mu.deletions
	view := &View{tenant: tenant, after: after, set: set, open: &s.views}
	for _, index := range s.mu.quarantined[tenant] {
		if index >= after.NextIndex() {
			view.Quarantined++
		}
	}
	s.mu.RUnlock()

	for _, one := range set.byTenant[tenant] {
		if one.MaxIndex < after.NextIndex() {
			continue
		}
		if here := one.here.Load(); here.broken() == nil {
			of := concerning(deletions, &one.Entry, math.MaxUint64)
			view.Parts = append(view.Parts, masked(&here.masked, here.segment, one.MaxIndex, of))
			view.key = append(view.key, viewedPart{here.segment, [2]uint64{one.ID.Sequence, uint64(one.ID.Ordinal)}, 0, maskKey(of)})
		} else {
			view.Missing = append(view.Missing, one.Entry)
		}
	}
	for _, run := range runs {
		first := sort.Search(len(run), func(i int) bool { return run[i].index >= after.NextIndex() })
		for _, b := range run[first:] {
			of := concerningBlock(deletions, tenant, b.index)
			view.Parts = append(view.Parts, masked(&b.masked, b, b.index, of))
			view.key = append(view.key, viewedPart{b, [2]uint64{b.index, uint64(b.rows)}, 1, maskKey(of)})
		}
	}
	return view, applied, nil
}

// AwaitApplied returns when more than what the log has up to an index is applied
// and it may have brought records.
func (s *Shard) AwaitApplied(ctx context.Context, index uint64) error {
	for {
		s.mu.Lock()
		if s.mu.closed {
			s.mu.Unlock()
			return ErrClosed
		}
		if s.mu.applied > index {
			s.mu.Unlock()
			return nil
		}
		if s.mu.grown == nil {
			s.mu.grown = make(chan struct{})
		}
		grown := s.mu.grown
		s.mu.Unlock()
		select {
		case <-grown:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// wake wakes everybody in AwaitApplied; s.mu is held.
func (s *Shard) wake() {
	if s.mu.grown != nil {
		close(s.mu.grown)
		s.mu.grown = nil
	}
}
