package storage

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/storage/part"
	"github.com/stere-log/stere/storage/segment"
)

// Limits of merging.
const (
	mergeInputsMax  = 1024     // segments in one merge
	mergeTierRows   = 4096     // segments below are of tier 0
	mergePlansMax   = 64       // merges in one seal command
	mergeCacheBytes = 16 << 20 // for what a merge reads; it must not push out what queries need
	probeRows       = 8192     // rows read at a time when looking for damage
	mergeFullFactor = 2        // a run of so many times DayCutRows is merged however few its segments
)

// preparedMerge is a merge that is built and waits to be adopted by a seal.
type preparedMerge struct {
	Merge
	output
}

func (s *segmentSet) has(ids []SegmentID) bool {
	for _, id := range ids {
		if _, ok := s.all[id]; !ok {
			return false
		}
	}
	return true
}

// PlanMerges returns merges worth doing now and gives them numbers. It plans
// nothing while a seal is under way. It merges runs of like segments; with settle set
// all small segments, as far as MergeRowsMax and MergeBytesMax allow, that have records
// up to this index of the log. What comes later must not be settled with them: under
// steady writes that would never end.
func (s *Shard) PlanMerges(settle uint64) []Merge {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed || len(s.mu.jobs) > 0 {
		return nil
	}
	taken := s.takenInputs()
	pending, upto := s.deletionsUpTo()
	for id := range s.mu.cleanups {
		taken[id] = true
	}
	for _, d := range pending { // a deletion has its turn first
		for _, one := range s.mu.set.byTenant[d.Tenant] {
			taken[one.ID] = taken[one.ID] || d.concerns(&one.Entry)
		}
	}
	if settle > 0 {
		for id, one := range s.mu.set.all {
			taken[id] = taken[id] || one.MinIndex > settle
		}
	}
	var plans []Merge
	for _, tenant := range slices.Sorted(maps.Keys(s.mu.set.byTenant)) {
		for _, group := range s.mergeGroups(s.mu.set.byTenant[tenant], taken) {
			if settle == 0 {
				group = s.likeSegments(group)
			}
			if len(group) < 2 || len(plans) == mergePlansMax {
				continue
			}
			s.mu.reserved++
			plan := Merge{Number: s.mu.reserved, Cleaned: upto}
			for _, one := range group {
				plan.Inputs = append(plan.Inputs, one.ID)
				if upto > 0 {
					plan.Cleaned = max(plan.Cleaned, one.Cleaned)
				}
			}
			plans = append(plans, plan)
		}
	}
	return plans
}

// mergeGroups divides a tenant's small segments, ordered by time, into runs
// that may become one, up to MergeRowsMax rows or rows of MergeBytesMax. A
// segment of the size of DayCutRows rows or more stays as it is: a record is
// written again only while its segment is small. A merge is cut by day only
// into such segments, so each merge leaves fewer small ones and settling comes
// to an end.
func (s *Shard) mergeGroups(ordered []*sealed, taken map[SegmentID]bool) [][]*sealed {
	var groups [][]*sealed
	var group []*sealed
	size := 0
	flush := func() {
		if len(group) > 1 {
			groups = append(groups, group)
		}
		group, size = nil, 0
	}
	for _, one := range ordered {
		if s.size(one) >= s.cfg.DayCutRows || taken[one.ID] || one.broken() != nil || s.mu.large[one.ID] {
			continue
		}
		if len(group) == mergeInputsMax || size+s.size(one) > s.cfg.MergeRowsMax {
			flush()
		}
		group = append(group, one)
		size += s.size(one)
	}
	flush()
	return groups
}

// size is how many rows a segment counts for: as many as it has, and more if
// they are heavier than the rows of which MergeRowsMax make MergeBytesMax.
func (s *Shard) size(one *sealed) int {
	weight := float64(one.TextBytes) / float64(s.cfg.MergeBytesMax) * float64(s.cfg.MergeRowsMax)
	return max(int(one.Rows), int(math.Ceil(weight)))
}

// likeSegments returns the run of a group that is worth merging now: MergeFan
// or more neighbours of the same tier or below, lowest tier first, or enough
// rows for segments that stay, so that a row is rewritten a logarithmic number
// of times.
func (s *Shard) likeSegments(group []*sealed) []*sealed {
	top := 0
	for _, one := range group {
		top = max(top, s.tier(one))
	}
	for tier := 0; tier <= top; tier++ {
		best := s.runOfTier(group, tier)
		size := 0
		for _, one := range best {
			size += s.size(one)
		}
		if len(best) >= s.cfg.MergeFan || len(best) > 1 && size >= mergeFullFactor*s.cfg.DayCutRows {
			return best
		}
	}
	return nil
}

// runOfTier returns the longest run of neighbours of at most this tier.
func (s *Shard) runOfTier(group []*sealed, tier int) []*sealed {
	var best, run []*sealed
	for _, one := range group {
		if s.tier(one) > tier {
			run = nil
			continue
		}
		run = append(run, one)
		if len(run) > len(best) {
			best = run
		}
	}
	return best
}

// tier is the segment's size on a logarithmic scale of base MergeFan.
func (s *Shard) tier(one *sealed) int {
	tier := 0
	for size := s.size(one) / mergeTierRows; size > 0; size /= s.cfg.MergeFan {
		tier++
	}
	return tier
}

// MergeBytes is the size of the merge's inputs: about what it needs on disk
// until they are deleted.
func (s *Shard) MergeBytes(merge Merge) int64 {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var bytes int64
	for _, id := range merge.Inputs {
		if one := s.mu.set.all[id]; one != nil {
			bytes += one.Bytes
		}
	}
	return bytes
}

// BuildMerge builds a planned merge and keeps it until a seal adopts it.
func (s *Shard) BuildMerge(ctx context.Context, merge Merge) error {
	s.mu.RLock()
	if s.mu.closed {
		s.mu.RUnlock()
		return ErrClosed
	}
	set := s.mu.set
	set.refs.Add(1)
	s.mu.RUnlock()
	defer set.release()
	prepared, err := s.prepare(ctx, merge, set, s.cfg.DayCutRows)
	if errors.Is(err, segment.ErrTooLarge) {
		s.leaveOut(merge)
	} else if IsDamage(err) {
		s.findDamage(ctx, merge, set)
	}
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.mu.closed || !s.mu.set.has(merge.Inputs) {
		prepared.abort()
		return fmt.Errorf("merge %d of shard %d: %w: the shard has moved on", merge.Number, s.cfg.Shard, ErrInput)
	}
	s.mu.prepared[merge.Number] = prepared
	return nil
}

// leaveOut keeps segments whose texts are too large for one from being merged
// again.
func (s *Shard) leaveOut(merge Merge) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range merge.Inputs {
		s.mu.large[id] = true
	}
}

// findDamage reads every input of a merge to the end and leaves those that
// cannot be read out of further merges.
func (s *Shard) findDamage(ctx context.Context, merge Merge, set *segmentSet) {
	for _, id := range merge.Inputs {
		one := set.all[id]
		if one == nil || one.broken() != nil {
			continue
		}
		here := one.here.Load()
		for lo := uint32(0); lo < one.Rows; lo += probeRows {
			_, err := here.segment.Records(ctx, index.DocSetRange(lo, min(lo+probeRows, one.Rows)))
			if IsDamage(err) {
				s.met(one, here, err)
			}
			if err != nil {
				break
			}
		}
	}
}

// PreparedMerges returns the merges that are built, for the next seal command.
func (s *Shard) PreparedMerges() []Merge {
	s.mu.RLock()
	defer s.mu.RUnlock()
	merges := make([]Merge, 0, len(s.mu.prepared))
	for _, prepared := range s.mu.prepared {
		merges = append(merges, prepared.Merge)
	}
	slices.SortFunc(merges, func(a, b Merge) int { return cmp.Compare(a.Number, b.Number) })
	return merges
}

// takePrepared returns the merge if exactly it has been built here.
func (s *Shard) takePrepared(merge Merge) *preparedMerge {
	s.mu.Lock()
	defer s.mu.Unlock()
	prepared := s.mu.prepared[merge.Number]
	if prepared == nil {
		return nil
	}
	delete(s.mu.prepared, merge.Number)
	if !slices.Equal(prepared.Inputs, merge.Inputs) {
		prepared.abort()
		return nil
	}
	return prepared
}

// prepare builds a merge from segments of the set.
func (s *Shard) prepare(ctx context.Context, merge Merge, set *segmentSet, dayCutRows int) (*preparedMerge, error) {
	r := buildRequest{sequence: mergeSequence(merge.Number), dayCutRows: dayCutRows, cleaned: merge.Cleaned}
	var parts []part.Part
	deletions := s.allDeletions()
	cache := segment.NewCache(mergeCacheBytes)
	for i, id := range merge.Inputs {
		one, ok := set.all[id]
		switch {
		case !ok:
			return nil, fmt.Errorf("merge %d of shard %d: segment %s: %w", merge.Number, s.cfg.Shard, id, ErrInput)
		case one.broken() != nil:
			return nil, fmt.Errorf("merge %d of shard %d: segment %s: %w: %w", merge.Number, s.cfg.Shard, id, ErrInput, one.broken())
		case i > 0 && one.Tenant != r.tenant:
			return nil, fmt.Errorf("merge %d of shard %d: %w: segments of two tenants", merge.Number, s.cfg.Shard, ErrInput)
		}
		r.tenant = one.Tenant
		var p part.Part = one.here.Load().segment.WithCache(cache)
		if of := concerning(deletions, &one.Entry, merge.Cleaned); len(of) > 0 {
			p = hide(p, one.MaxIndex, of)
		}
		parts = append(parts, p)
	}
	r.parts = parts
	prepared := &preparedMerge{Merge: merge}
	err := s.build(ctx, r, &prepared.output)
	if err == nil {
		err = prepared.finish()
	}
	prepared.Outputs = prepared.built
	if err != nil {
		prepared.abort()
		return nil, fmt.Errorf("merge %d of shard %d: %w", merge.Number, s.cfg.Shard, err)
	}
	return prepared, nil
}
