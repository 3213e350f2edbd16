package storage

import (
	"cmp"
	"context"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"sync/atomic"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/engine"
	"github.com/stere-log/stere/storage/mask"
	"github.com/stere-log/stere/storage/part"
)

// Limits of deletions.
const (
	// DeletionsPendingMax is how many deletions of a shard may be under way; who
	// proposes more is refused.
	DeletionsPendingMax = 512
	// DeletionQueryMax is the longest query of a deletion or of an exception in bytes,
	// ExceptionsMax how many exceptions one has.
	DeletionQueryMax = 16 << 10
	ExceptionsMax    = 64

	deletionMarksMax = 256     // deletions that are known by number when they come again
	deletionsDone    = 256     // deletions whose figures are kept when they are done
	deletionsStored  = 1 << 16 // that a snapshot may claim
	cleanupsMax      = 1 << 14 // segments that one seal marks as clean or drops
)

// Deletion is the command that removes the records of a tenant that came before it
// in the log, are of From <= time < To and satisfy the query, but for exceptions.
type Deletion struct {
	Number   uint64 // greater than 0; one that was applied is not applied again
	Tenant   model.TenantID
	Query    string // "" is satisfied by everything
	From, To int64  // math.MaxInt64 has no end
	Except   []Exception
	Time     int64 // proposer's clock, Unix ns; what "now" means in the queries
}

// Exception is what a deletion leaves.
type Exception struct {
	Query    string
	From, To int64
}

// Validate finds what no deletion may have.
func (d *Deletion) Validate() error {
	if d.Number == 0 || d.From >= d.To || len(d.Query) > DeletionQueryMax || len(d.Except) > ExceptionsMax {
		return fmt.Errorf("deletion %d of %d to %d with %d exceptions: %w", d.Number, d.From, d.To, len(d.Except), ErrDeletion)
	}
	for _, e := range d.Except {
		if e.From >= e.To || len(e.Query) > DeletionQueryMax {
			return fmt.Errorf("exception of %d to %d of deletion %d: %w", e.From, e.To, d.Number, ErrDeletion)
		}
	}
	return d.Tenant.Validate()
}

// DeletionMark says where in the log a deletion is.
type DeletionMark struct{ Number, Index uint64 }

// DeletionFigures are what a deletion has removed so far.
type DeletionFigures struct {
	Rows      uint64 // in segments that were rewritten or dropped, and of the head
	Rewritten uint64 // segments
	Dropped   uint64 // segments of which nothing stayed
	Bytes     int64  // that these took more than what came of them
}

// deletion is a Deletion that has been applied. It does not change: a copy with
// other figures takes its place.
type deletion struct {
	Deletion
	DeletionFigures
	index uint64 // in the log
	done  bool   // no segment of the manifest has any of its records
	expr  index.Expr
	err   error // why the queries cannot be understood
}

// Clean says that a segment has nothing to remove for deletions up to a log index.
type Clean struct {
	ID      SegmentID
	Cleaned uint64
}

// compile reads the queries.
func (d *deletion) compile(query func(text string, now int64) (index.Expr, error)) {
	d.expr, d.err = condition(d.Query, d.From, d.To, d.Time, query)
	for _, e := range d.Except {
		stays, err := condition(e.Query, e.From, e.To, d.Time, query)
		d.err = cmp.Or(d.err, err)
		d.expr = index.AllOf{Of: []index.Expr{d.expr, index.Not{Of: stays}}}
	}
	if d.err != nil {
		d.err = fmt.Errorf("deletion %d cannot be understood: %w", d.Number, d.err)
	}
}

// condition returns what a text and two times mean.
func condition(text string, from, to, now int64, query func(text string, now int64) (index.Expr, error)) (index.Expr, error) {
	var all []index.Expr
	if from != math.MinInt64 || to != math.MaxInt64 {
		all = append(all, index.Times{From: from, To: to})
	}
	if text != "" {
		if query == nil {
			return nil, fmt.Errorf("query %.40q: %w: nobody reads queries here", text, ErrDeletion)
		}
		e, err := query(text, now)
		if err != nil {
			return nil, err
		}
		all = append(all, e)
	}
	switch len(all) {
	case 0:
		return index.All{}, nil
	case 1:
		return all[0], nil
	}
	return index.AllOf{Of: all}, nil
}

// overlaps reports whether times first to last, both included, touch from <= t < to.
func overlaps(first, last, from, to int64) bool {
	return last >= from && (first < to || to == math.MaxInt64)
}

// concerns reports whether a segment may have records that the deletion removes.
func (d *deletion) concerns(e *Entry) bool {
	return !d.done && d.Tenant == e.Tenant && e.MinIndex < d.index && e.Cleaned < d.index && overlaps(e.FirstTime, e.LastTime, d.From, d.To)
}

// covers reports whether the deletion removes all of a segment, which nobody has to
// read for that.
func (d *deletion) covers(e *Entry) bool {
	if d.Query != "" || d.From > e.FirstTime || d.To <= e.LastTime && d.To != math.MaxInt64 || e.MaxIndex >= d.index {
		return false
	}
	return !slices.ContainsFunc(d.Except, func(x Exception) bool { return overlaps(e.FirstTime, e.LastTime, x.From, x.To) })
}

// purges reports whether the deletion removes everything of the tenant.
func (d *deletion) purges() bool {
	return d.Query == "" && d.From == math.MinInt64 && d.To == math.MaxInt64 && len(d.Except) == 0
}

// cleaned is Entry.Cleaned of a segment in which deletions up to an index have been
// carried out: those of before its first record do not count.
func cleaned(upto, minIndex uint64) uint64 {
	if upto <= minIndex {
		return 0
	}
	return upto
}

// concerning returns those of some deletions, up to a log index, that concern a
// segment, in the order of the log.
func concerning(all []*deletion, e *Entry, upto uint64) []*deletion {
	var some []*deletion
	for _, d := range all {
		if d.index <= upto && d.concerns(e) {
			some = append(some, d)
		}
	}
	return some
}

// concerningBlock is concerning for a block of the head.
func concerningBlock(all []*deletion, tenant model.TenantID, index uint64) []*deletion {
	var some []*deletion
	for _, d := range all {
		if !d.done && d.Tenant == tenant && d.index > index {
			some = append(some, d)
		}
	}
	return some
}

// maskedCopy is a masked part that is kept with what it masks.
type maskedCopy struct {
	key  string
	part part.Part
}

// masked returns a part without what deletions remove of it; last is the newest
// entry of the log that it has records of. It is kept in place, so that the rows are
// looked for once.
func masked(kept *atomic.Pointer[maskedCopy], p part.Part, last uint64, of []*deletion) part.Part {
	if len(of) == 0 {
		if kept.Load() != nil {
			kept.Store(nil)
		}
		return p
	}
	key := maskKey(of)
	if known := kept.Load(); known != nil && known.key == key {
		return known.part
	}
	fresh := &maskedCopy{key, hide(p, last, of)}
	kept.Store(fresh)
	return fresh.part
}

// maskKey tells masks of one part apart.
func maskKey(of []*deletion) string {
	var key []byte
	for _, d := range of {
		key = binary.BigEndian.AppendUint64(key, d.index)
	}
	return string(key)
}

// hide returns a part without what deletions remove of it.
func hide(p part.Part, last uint64, of []*deletion) part.Part {
	return mask.New(p, fmt.Sprintf("%x", maskKey(of)), func() (*index.DocSet, error) {
		hidden := index.NewDocSet()
		for _, d := range of {
			rows, err := d.among(context.Background(), p, last)
			if err != nil {
				return nil, err
			}
			hidden = index.Or(hidden, rows)
		}
		return hidden, nil
	})
}

// among returns the rows of a part that the deletion removes.
func (d *deletion) among(ctx context.Context, p part.Part, last uint64) (*index.DocSet, error) {
	if d.err != nil {
		return nil, d.err
	}
	rows, err := p.Eval(ctx, d.expr, nil)
	if err != nil || last < d.index || rows.IsEmpty() {
		return rows, err
	}
	ids, err := p.IDs(rows)
	if err != nil {
		return nil, err
	}
	before := index.NewDocSet()
	for i, row := range rows.ToArray() {
		if ids[i].Index < d.index {
			before.Add(row)
		}
	}
	return before, nil
}

// Delete applies the command at a log index and returns where in the log the
// deletion is: there, or where it was applied already. What it removes is in no View
// from now on. The shard's clock stays: the command's time is that of the node that began
// the deletion, the same in all shards, and may be days ahead of it, whereby the shard
// would forget its keys.
func (s *Shard) Delete(at uint64, command Deletion) (index uint64) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.applied = at
	for _, mark := range s.mu.state.Deletions {
		if mark.Number == command.Number {
			return mark.Index
		}
	}
	marks := append(slices.Clone(s.mu.state.Deletions), DeletionMark{command.Number, at})
	s.mu.state.Deletions = marks[max(0, len(marks)-deletionMarksMax):]
	d := &deletion{Deletion: command, index: at}
	if d.compile(s.env.Query); d.err != nil {
		s.logger.Error("what a deletion removes cannot be told: its tenant's records cannot be read", "deletion", d.Number, "error", d.err)
	}
	s.mu.deletions = append(slices.Clone(s.mu.deletions), d)
	return at
}

// DeletionStatus says how far a deletion has come in a shard on this node.
type DeletionStatus struct {
	DeletionMark
	DeletionFigures
	// Pending: segments of the manifest may have some of its records, or the
	// manifest does not know of it yet.
	Pending bool
	// Left is how many segments have to be looked at yet, Leaving how many that were
	// dropped or rewritten have not been deleted, because somebody reads them.
	Left, Leaving int
}

// Deletion returns how far a deletion has come; ok is false if it is not known here. One
// that is at a log index, if that is not 0, and not known although that has been applied
// is done: what is under way is never forgotten.
func (s *Shard) Deletion(number, at uint64) (status DeletionStatus, ok bool) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if at > 0 && s.mu.applied >= at {
		status.DeletionMark, ok = DeletionMark{number, at}, true
	}
	for _, mark := range s.mu.state.Deletions {
		if mark.Number == number {
			status.DeletionMark, ok = mark, true
		}
	}
	for _, d := range s.mu.deletions {
		if d.Number != number {
			continue
		}
		status.DeletionMark, status.DeletionFigures, ok = DeletionMark{d.Number, d.index}, d.DeletionFigures, true
		status.Pending = !d.done
		for _, one := range s.mu.set.byTenant[d.Tenant] {
			if d.concerns(&one.Entry) {
				status.Left++
			}
		}
	}
	status.Leaving = len(s.mu.leaving)
	return status, ok
}

// CountDeletion returns how many records there are that a deletion at a log index
// should have removed. What cannot be read is an error.
func (s *Shard) CountDeletion(ctx context.Context, command Deletion, at uint64) (rows uint64, err error) {
	d := &deletion{Deletion: command, index: at}
	if d.compile(s.env.Query); d.err != nil {
		return 0, d.err
	}
	view, err := s.View(command.Tenant)
	if err != nil {
		return 0, err
	}
	defer view.Release()
	if len(view.Missing) > 0 {
		return 0, fmt.Errorf("%d segments: %w", len(view.Missing), ErrMissing)
	}
	for _, p := range view.Parts {
		if err := ctx.Err(); err != nil {
			return 0, err
		}
		if first, last := p.TimeRange(); !overlaps(first, last, d.From, d.To) {
			continue
		}
		found, err := d.among(ctx, p, math.MaxUint64)
		if err != nil {
			return 0, err
		}
		rows += found.GetCardinality()
	}
	return rows, nil
}

// DayBytes returns about how many stored bytes of sealed records a tenant has of each
// UTC day: the bytes of a segment are those of its last day.
func (s *Shard) DayBytes(tenant model.TenantID) map[int64]int64 {
	days := map[int64]int64{}
	for _, one := range s.segments().byTenant[tenant] {
		days[dayOf(one.LastTime)] += one.Bytes
	}
	return days
}

// LastDeletion returns the log index of the newest deletion that was applied, 0 if
// there was none.
func (s *Shard) LastDeletion() uint64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if n := len(s.mu.state.Deletions); n > 0 {
		return s.mu.state.Deletions[n-1].Index
	}
	return 0
}

// deletionsUpTo returns the deletions that are under way, and the log index of the
// last; s.mu is held.
func (s *Shard) deletionsUpTo() (pending []*deletion, upto uint64) {
	for _, d := range s.mu.deletions {
		if !d.done {
			pending, upto = append(pending, d), max(upto, d.index)
		}
	}
	return pending, upto
}

// PlanCleaning looks, for as many segments as limit says at most, at what deletions
// remove of them. What goes as a whole, and what has nothing to go, is noted for the
// next seal; the rest is returned, to be built like merges. More says that there is
// more to plan, at once or behind a seal. Like PlanMerges it plans nothing while a
// seal is under way, and whoever calls it must not call both at once.
func (s *Shard) PlanCleaning(ctx context.Context, limit int) (rewrites []Merge, more bool, err error) {
	s.mu.RLock()
	pending, upto := s.deletionsUpTo()
	if s.mu.closed || len(pending) == 0 || len(s.mu.jobs) > 0 {
		s.mu.RUnlock()
		return nil, !s.mu.closed && len(pending) > 0, nil
	}
	set, taken := s.mu.set, s.takenInputs()
	set.refs.Add(1)
	noted := maps.Clone(s.mu.cleanups)
	s.mu.RUnlock()
	defer set.release()

	found := map[SegmentID]uint64{}
	for _, one := range set.inOrder() {
		of := concerning(pending, &one.Entry, upto)
		if _, known := noted[one.ID]; len(of) == 0 || known || taken[one.ID] {
			continue
		}
		if len(rewrites) >= limit || len(found)+len(noted) >= cleanupsMax {
			more = true
			break
		}
		if err := ctx.Err(); err != nil {
			return nil, true, err
		}
		switch gone, err := s.goes(ctx, one, of); {
		case err != nil:
			s.logger.Warn("a segment cannot be cleaned yet", "segment", one.ID.String(), "error", err)
			more = true
		case gone == 0:
			found[one.ID] = upto
		case gone == one.Rows:
			found[one.ID] = dropAll
		default:
			s.mu.Lock()
			s.mu.reserved++
			rewrites = append(rewrites, Merge{Number: s.mu.reserved, Inputs: []SegmentID{one.ID}, Cleaned: upto})
			s.mu.Unlock()
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	for id, what := range found {
		if s.mu.set.all[id] != nil {
			s.mu.cleanups[id] = what
		}
	}
	return rewrites, more || len(rewrites)+len(found) > 0, nil
}

// dropAll stands in cleanups for a segment of which nothing stays.
const dropAll = math.MaxUint64

// goes returns how many rows of a segment deletions remove.
func (s *Shard) goes(ctx context.Context, one *sealed, of []*deletion) (rows uint32, err error) {
	for _, d := range of {
		if d.covers(&one.Entry) {
			return one.Rows, nil
		}
	}
	here := one.here.Load()
	if err := here.broken(); err != nil {
		return 0, err
	}
	all := index.NewDocSet()
	for _, d := range of {
		rows, err := d.among(ctx, here.segment, one.MaxIndex)
		if err != nil {
			return 0, err
		}
		all = index.Or(all, rows)
	}
	return uint32(all.GetCardinality()), nil
}

// inOrder returns all segments by id.
func (s *segmentSet) inOrder() []*sealed {
	return slices.SortedFunc(maps.Values(s.all), func(a, b *sealed) int { return a.ID.compare(b.ID) })
}

// takenInputs returns the inputs of merges that are built; s.mu is held.
func (s *Shard) takenInputs() map[SegmentID]bool {
	taken := map[SegmentID]bool{}
	for _, prepared := range s.mu.prepared {
		for _, id := range prepared.Inputs {
			taken[id] = true
		}
	}
	return taken
}

// cleanupsOf returns what the next seal drops and marks as clean, by id; s.mu is held.
func (s *Shard) cleanupsOf() (drops []SegmentID, cleans []Clean) {
	for _, id := range slices.SortedFunc(maps.Keys(s.mu.cleanups), SegmentID.compare) {
		if upto := s.mu.cleanups[id]; upto == dropAll {
			drops = append(drops, id)
		} else {
			cleans = append(cleans, Clean{id, upto})
		}
	}
	return drops, cleans
}

// forgetCleanups forgets notes about segments that are gone or clean; s.mu is held.
func (s *Shard) forgetCleanups() {
	for id, upto := range s.mu.cleanups {
		if one := s.mu.set.all[id]; one == nil || upto != dropAll && one.Cleaned >= upto {
			delete(s.mu.cleanups, id)
		}
	}
}

// adoptCleans takes what the command says of segments that have nothing to remove.
func (s *Shard) adoptCleans(job *sealJob, set *segmentSet, c *changes) {
	for _, clean := range job.command.Cleans {
		one := set.all[clean.ID]
		if one == nil || slices.Contains(c.removed, clean.ID) || one.Cleaned >= clean.Cleaned {
			continue
		}
		entry := one.Entry
		entry.Cleaned = cleaned(clean.Cleaned, entry.MinIndex)
		c.cleaned = append(c.cleaned, entry)
	}
}

// account adds what a seal removed of a segment to the figures of the deletions that
// wanted it.
func (c *changes) account(of []*deletion, f DeletionFigures) {
	for i, d := range of {
		if c.figures == nil {
			c.figures = map[uint64]DeletionFigures{}
		}
		sum := c.figures[d.Number]
		if i == 0 {
			sum.Rows += f.Rows // every row once
		}
		sum.Rewritten, sum.Dropped, sum.Bytes = sum.Rewritten+f.Rewritten, sum.Dropped+f.Dropped, sum.Bytes+f.Bytes
		c.figures[d.Number] = sum
	}
}

// accountSegments does so for what merges and drops removed.
func (s *Shard) accountSegments(job *sealJob, set *segmentSet, c *changes, merged map[uint64][]Entry) {
	all := s.allDeletions()
	for _, merge := range job.command.Merges {
		outputs, adopted := merged[merge.Number]
		if !adopted {
			continue
		}
		var f DeletionFigures
		var of []*deletion
		for _, id := range merge.Inputs {
			one := set.all[id]
			of = append(of, concerning(all, &one.Entry, merge.Cleaned)...)
			f.Rows, f.Bytes = f.Rows+uint64(one.Rows), f.Bytes+one.Bytes
		}
		for _, out := range outputs {
			f.Rows, f.Bytes = f.Rows-uint64(out.Rows), f.Bytes-out.Bytes
		}
		f.Rewritten = uint64(len(merge.Inputs))
		c.account(of, f)
	}
	for _, id := range c.dropped {
		one := set.all[id]
		c.account(concerning(all, &one.Entry, job.state.Index), DeletionFigures{Rows: uint64(one.Rows), Dropped: 1, Bytes: one.Bytes})
	}
}

func (s *Shard) allDeletions() []*deletion {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.mu.deletions
}

// settle returns the deletions after a seal, and adds to the batch what of them has
// to be durable: those of before the seal whose records no segment of the manifest
// can have are done. It depends on the manifest and the command alone.
func (s *Shard) settle(job *sealJob, set *segmentSet, c *changes, batch *engine.Batch) []*deletion {
	all := s.allDeletions()
	if len(all) == 0 {
		return nil
	}
	after := set.entriesAfter(c)
	var next []*deletion
	done := 0
	for _, d := range all {
		if d.index >= job.state.Index {
			next = append(next, d)
			continue
		}
		fresh := *d
		sum := c.figures[d.Number]
		fresh.Rows, fresh.Rewritten, fresh.Dropped, fresh.Bytes = d.Rows+sum.Rows, d.Rewritten+sum.Rewritten, d.Dropped+sum.Dropped, d.Bytes+sum.Bytes
		if !d.done && !slices.ContainsFunc(after, func(e *Entry) bool { return d.concerns(e) }) {
			fresh.done = true
			fresh.Query, fresh.Except, fresh.expr = "", nil, nil // nobody asks any more
			if d.purges() {
				c.purged = append(c.purged, d)
			}
		}
		if fresh.done {
			done++
		}
		batch.Set(numberKey(prefixDeletion, s.cfg.Shard, d.index), fresh.append(nil))
		next = append(next, &fresh)
	}
	for i := 0; i < len(next) && done > deletionsDone; {
		if d := next[i]; d.done {
			batch.Delete(numberKey(prefixDeletion, s.cfg.Shard, d.index))
			next = slices.Delete(next, i, i+1)
			done--
			continue
		}
		i++
	}
	return next
}

// entriesAfter returns the entries that the manifest has after changes.
func (s *segmentSet) entriesAfter(c *changes) []*Entry {
	gone := make(map[SegmentID]bool, len(c.removed)+len(c.cleaned))
	for _, id := range c.removed {
		gone[id] = true
	}
	for i := range c.cleaned {
		gone[c.cleaned[i].ID] = true
	}
	var entries []*Entry
	for id, one := range s.all {
		if !gone[id] {
			entries = append(entries, &one.Entry)
		}
	}
	for _, list := range [][]Entry{c.cleaned, c.built} {
		for i := range list {
			entries = append(entries, &list[i])
		}
	}
	return entries
}

// installDeletions takes the deletions after a seal; those that were applied
// meanwhile stay behind them. s.mu is held.
func (s *Shard) installDeletions(job *sealJob, next []*deletion) {
	for _, d := range s.mu.deletions {
		if d.index >= job.state.Index && !slices.ContainsFunc(next, func(o *deletion) bool { return o.index == d.index }) {
			next = append(next, d)
		}
	}
	s.mu.deletions = next
}

// purgeQuarantine forgets the blocks that could not be read of tenants of which
// nothing is to stay.
func (s *Shard) purgeQuarantine(c *changes, batch *engine.Batch) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	for _, d := range c.purged {
		for _, at := range s.mu.quarantined[d.Tenant] {
			if at < d.index {
				batch.Delete(numberKey(prefixQuarantine, s.cfg.Shard, at))
			}
		}
	}
}
