package storage

import (
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/block"
	"github.com/stere-log/stere/storage/engine"
	"github.com/stere-log/stere/storage/part"
	"github.com/stere-log/stere/storage/segment"
)

// Merge replaces some segments of one tenant by what they build together.
type Merge struct {
	Number uint64 // greater than that of every earlier merge of the shard
	Inputs []SegmentID
	// Outputs are the entries of what the proposer has built; ID i of them is
	// MergeOutput(Number, i). With them every replica comes to the same
	// manifest, whatever it can read itself. Commands of version 1 have none:
	// then every replica builds what it can.
	Outputs []Entry
	// Cleaned is up to which log index deletions are carried out in what is built.
	Cleaned uint64
}

// MergeOutput returns the id of a merge's segment.
func MergeOutput(number uint64, ordinal int) SegmentID {
	return SegmentID{mergeSequence(number), uint32(ordinal)}
}

// SealCommand freezes the head and changes the manifest.
type SealCommand struct {
	Time   int64 // proposer's clock, Unix ns
	Merges []Merge
	Drops  []SegmentID // segments to forget
	// DayCutRows is the proposer's Config.DayCutRows, which all replicas cut
	// rows by; 0, in commands of version 1, means each one's own.
	DayCutRows int
	// Cleans are segments of which deletions remove nothing; since version 3.
	Cleans []Clean
}

// SealCommand returns the command to propose now: it adopts every merge that
// has been built.
func (s *Shard) SealCommand(now int64) SealCommand {
	command := SealCommand{Time: now, Merges: s.PreparedMerges(), DayCutRows: s.cfg.DayCutRows}
	s.mu.RLock()
	defer s.mu.RUnlock()
	command.Drops, command.Cleans = s.cleanupsOf()
	return command
}

// sealJob is an applied seal that is not durable yet.
type sealJob struct {
	state    State // as of the seal entry
	command  SealCommand
	runs     map[model.TenantID]headRun
	rows     int
	bytes    int64
	firstKey uint64       // number of keys[0]
	keys     []dedupEntry // not durable yet
	// firstCarried and carried are the same of the keys that nodes gave.
	firstCarried uint64
	carried      []dedupEntry
	// deletions are those that were applied before, cleaned the log index of the last
	// one under way.
	deletions []*deletion
	cleaned   uint64
}

// Seal applies the command at a log index: what the head holds now belongs to
// it. The work is left to RunSeal. A seal of an empty head is legal; it moves
// the manifest's position, so that the log can be cut.
func (s *Shard) Seal(index, term uint64, command SealCommand) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.mu.applied = index
	s.tick(command.Time)
	state := &s.mu.state
	state.Index, state.Term = index, term
	state.DedupFirst, state.DedupNext = s.mu.dedup.first, s.mu.dedup.next()
	state.Carried = s.mu.carried.span()
	command.Merges = admitMerges(command.Merges, state)
	command.DayCutRows = cmp.Or(command.DayCutRows, s.cfg.DayCutRows)
	s.mu.reserved = max(s.mu.reserved, state.Merges)
	job := &sealJob{
		state: *state, command: command,
		runs: s.mu.active.runs, rows: s.mu.active.rows, bytes: s.mu.active.bytes,
		firstKey: max(s.mu.persistedKeys, state.DedupFirst), keys: s.mu.dedup.from(s.mu.persistedKeys),
		firstCarried: max(s.mu.persistedCarried, state.Carried.First), carried: s.mu.carried.from(s.mu.persistedCarried),
	}
	job.deletions, job.cleaned = s.deletionsUpTo()
	s.mu.persistedKeys, s.mu.persistedCarried = state.DedupNext, state.Carried.Next
	s.mu.active = headContent{runs: map[model.TenantID]headRun{}}
	s.mu.jobs = append(s.mu.jobs, job)
}

// admitMerges returns the merges whose numbers are new. Who leads anew may give
// a number before it has applied that another leader gave it; one id must not
// stand for two contents.
func admitMerges(merges []Merge, state *State) []Merge {
	var admitted []Merge
	for _, merge := range merges {
		if merge.Number > state.Merges {
			state.Merges = merge.Number
			admitted = append(admitted, merge)
		}
	}
	return admitted
}

// changes is what a seal job does to the manifest.
type changes struct {
	output
	removed     []SegmentID
	dropped     []SegmentID // of these, those that deletions or retention wanted
	cleaned     []Entry     // that are the same but for Cleaned
	quarantined []quarantinedBlock
	purged      []*deletion                // that are done and leave nothing of a tenant
	figures     map[uint64]DeletionFigures // by number of the deletion
}

type quarantinedBlock struct {
	tenant model.TenantID
	block  *headBlock
	err    error
}

// RunSeal makes the oldest applied seal durable and returns its state; done is
// false if there was none to do. After an error the seal is still to be done.
// It must not run twice at the same time.
func (s *Shard) RunSeal(ctx context.Context) (state State, done bool, err error) {
	s.mu.RLock()
	if s.mu.closed || len(s.mu.jobs) == 0 {
		s.mu.RUnlock()
		return State{}, false, nil
	}
	job := s.mu.jobs[0]
	set := s.mu.set
	set.refs.Add(1)
	s.mu.RUnlock()
	defer set.release()

	var c changes
	err = s.sealHead(ctx, job, &c)
	if err == nil {
		err = s.adoptMerges(ctx, job, set, &c)
	}
	if err == nil {
		err = s.publish(ctx, job, &c)
	}
	if err != nil {
		c.abort()
		return State{}, false, fmt.Errorf("seal shard %d at %d: %w", s.cfg.Shard, job.state.Index, err)
	}
	return job.state, true, nil
}

// sealHead builds the segments of the frozen blocks, tenant by tenant.
func (s *Shard) sealHead(ctx context.Context, job *sealJob, c *changes) error {
	for _, tenant := range slices.Sorted(maps.Keys(job.runs)) {
		if err := s.sealRun(ctx, job, tenant, c); err != nil {
			return err
		}
	}
	return c.finish()
}

// sealRun builds the segments of the frozen blocks of a tenant. Their bodies are in memory
// that the next seal has again: building keeps nothing of what it reads, but a query of a
// deletion may have something kept of the texts that it looks at.
func (s *Shard) sealRun(ctx context.Context, job *sealJob, tenant model.TenantID, c *changes) error {
	var bodies *block.Bodies
	if len(job.deletions) == 0 {
		bodies = s.env.Bodies.Borrow(job.runs[tenant].bodyBytes())
		defer bodies.Return()
	}
	var parts []part.Part
	for _, b := range job.runs[tenant] {
		p, err := b.take(bodies)
		if err != nil {
			if !slices.ContainsFunc(concerningBlock(job.deletions, tenant, b.index), (*deletion).purges) {
				c.quarantined = append(c.quarantined, quarantinedBlock{tenant, b, err})
			}
			continue
		}
		if p := c.remaining(p, b.index, concerningBlock(job.deletions, tenant, b.index)); p.Rows() > 0 {
			parts = append(parts, p)
		}
	}
	r := buildRequest{tenant: tenant, sequence: sealSequence(job.state.Index), parts: parts, dayCutRows: job.command.DayCutRows, cleaned: job.cleaned}
	return s.buildParts(ctx, r, &c.output)
}

// remaining returns a block without what deletions remove of it, and counts that.
func (c *changes) remaining(p part.Part, at uint64, of []*deletion) part.Part {
	if len(of) == 0 || p.Rows() == 0 {
		return p
	}
	stays := hide(p, at, of)
	if rows := p.Rows() - stays.Rows(); rows > 0 {
		c.account(of, DeletionFigures{Rows: uint64(rows)})
	}
	return stays
}

// buildParts is build for parts that may have too large texts for one segment:
// they get several then. What has been written of the one is under a name that
// no manifest has, and goes when the shard is opened next.
func (s *Shard) buildParts(ctx context.Context, r buildRequest, out *output) error {
	built := len(out.built)
	err := s.build(ctx, r, out)
	if !errors.Is(err, segment.ErrTooLarge) || len(r.parts) < 2 {
		return err
	}
	out.built = out.built[:built]
	parts := r.parts
	for _, half := range [][]part.Part{parts[:len(parts)/2], parts[len(parts)/2:]} {
		r.parts = half
		if err := s.buildParts(ctx, r, out); err != nil {
			return err
		}
	}
	return nil
}

// adoptMerges takes the merges of the command, prepared ones if they are here.
// What that does to the manifest depends on the command and the manifest alone:
// a merge whose inputs are not in the manifest is left out on every replica, and
// if this one cannot build what the proposer has built, the outputs are missing
// here until they come from a replica that could. Config.Alone is the exception.
func (s *Shard) adoptMerges(ctx context.Context, job *sealJob, set *segmentSet, c *changes) error {
	merged := map[uint64][]Entry{}
	for _, merge := range job.command.Merges {
		prepared, before := s.takePrepared(merge), len(c.built)
		tenant, ok := set.mergeable(merge.Inputs, c.removed)
		if !ok {
			s.logger.Warn("a merge is left out: the manifest does not have its inputs", "merge", merge.Number)
			if prepared != nil {
				prepared.abort()
			}
			continue
		}
		var err error
		if prepared == nil {
			prepared, err = s.prepare(ctx, merge, set, job.command.DayCutRows)
		}
		switch damaged := IsDamage(err) || errors.Is(err, segment.ErrTooLarge); {
		case err != nil && !damaged:
			return err
		case err != nil && (len(merge.Outputs) == 0 || s.cfg.Alone != nil && s.cfg.Alone()):
			s.logger.Error("a merge is left out: an input cannot be read", "merge", merge.Number, "error", err)
			continue
		case err != nil:
			s.logger.Error("a merge is not done here: an input cannot be read", "merge", merge.Number, "error", err)
			c.built = append(c.built, merge.entries(tenant)...)
		case len(merge.Outputs) > 0 && !equalEntries(prepared.built, merge.entries(tenant)):
			s.logger.Error("a merge came out differently here", "merge", merge.Number)
			prepared.abort()
			c.built = append(c.built, merge.entries(tenant)...)
		default:
			c.built = append(c.built, prepared.built...)
			c.tables = append(c.tables, prepared.tables...)
		}
		c.removed = append(c.removed, merge.Inputs...)
		merged[merge.Number] = slices.Clone(c.built[before:])
	}
	for _, id := range job.command.Drops {
		if _, ok := set.all[id]; ok && !slices.Contains(c.removed, id) {
			c.removed, c.dropped = append(c.removed, id), append(c.dropped, id)
		}
	}
	s.adoptCleans(job, set, c)
	s.accountSegments(job, set, c, merged)
	return nil
}

// mergeable returns the one tenant of the segments; ok is false if the manifest
// does not have all of them after some were removed, each once.
func (s *segmentSet) mergeable(ids, removed []SegmentID) (tenant model.TenantID, ok bool) {
	seen := make(map[SegmentID]bool, len(ids)+len(removed))
	for _, id := range removed {
		seen[id] = true
	}
	for i, id := range ids {
		one := s.all[id]
		if one == nil || seen[id] || i > 0 && one.Tenant != tenant {
			return "", false
		}
		seen[id], tenant = true, one.Tenant
	}
	return tenant, len(ids) > 0
}

// entries returns the outputs with their ids and owner.
func (m *Merge) entries(tenant model.TenantID) []Entry {
	entries := slices.Clone(m.Outputs)
	for i := range entries {
		entries[i].ID, entries[i].Tenant = MergeOutput(m.Number, i), tenant
		entries[i].Cleaned = cleaned(m.Cleaned, entries[i].MinIndex)
	}
	return entries
}

func equalEntries(a, b []Entry) bool {
	return slices.EqualFunc(a, b, func(x, y Entry) bool { return x.equal(&y) })
}

// publish makes the job durable, in the order that a crash at any point
// survives: first the segments, then the manifest that names them, then the
// view. Deleting what the manifest no longer names comes last (Sweep).
func (s *Shard) publish(ctx context.Context, job *sealJob, c *changes) error {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	if !s.current(job) {
		return ErrOvertaken
	}
	if err := s.env.Engine.Ingest(ctx, c.tables...); err != nil {
		return err
	}
	batch := s.manifestBatch(job, c)
	deletions := s.settle(job, s.segments(), c, batch)
	s.purgeQuarantine(c, batch)
	if err := s.env.Engine.Commit(batch); err != nil {
		return err
	}
	added := make([]*sealed, 0, len(c.built)+len(c.cleaned))
	for _, b := range c.built {
		added = append(added, s.openSegment(b, damageMark{}))
	}
	for _, entry := range c.cleaned {
		added = append(added, s.segments().all[entry.ID].with(entry))
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	old := s.mu.set
	s.mu.set = old.with(added, c.removed)
	for _, id := range c.removed {
		s.mu.leaving[id] = true
	}
	s.installDeletions(job, deletions)
	s.forgetCleanups()
	s.lacking.changed()
	s.env.Heads.drop(job.runs)
	s.mu.jobs = slices.Delete(slices.Clone(s.mu.jobs), 0, 1)
	s.mu.durable, s.mu.exists = job.state, true
	for _, q := range c.quarantined {
		s.mu.quarantined[q.tenant] = append(s.mu.quarantined[q.tenant], q.block.index)
	}
	for _, d := range c.purged {
		s.mu.quarantined[d.Tenant] = slices.DeleteFunc(slices.Clone(s.mu.quarantined[d.Tenant]), func(at uint64) bool { return at < d.index })
	}
	for number, merge := range s.mu.prepared {
		if number <= job.state.Merges || !s.mu.set.has(merge.Inputs) {
			merge.abort()
			delete(s.mu.prepared, number)
		}
	}
	old.release()
	return nil
}

// current reports whether the job is still the next to become durable.
func (s *Shard) current(job *sealJob) bool {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return !s.mu.closed && len(s.mu.jobs) > 0 && s.mu.jobs[0] == job
}

// manifestBatch returns the manifest's change.
func (s *Shard) manifestBatch(job *sealJob, c *changes) *engine.Batch {
	var batch engine.Batch
	shard := s.cfg.Shard
	for _, b := range c.built {
		batch.Set(segmentKey(prefixEntry, shard, b.ID), b.append(nil))
	}
	for i := range c.cleaned {
		batch.Set(segmentKey(prefixEntry, shard, c.cleaned[i].ID), c.cleaned[i].append(nil))
	}
	for _, id := range c.removed {
		batch.Delete(segmentKey(prefixEntry, shard, id))
		batch.Delete(segmentKey(prefixDamaged, shard, id))
		batch.Delete(segmentKey(prefixHash, shard, id))
		batch.DeleteRange(besideSpan(shard, id))
	}
	for i := range job.keys {
		batch.Set(numberKey(prefixDedup, shard, job.firstKey+uint64(i)), job.keys[i].append(nil))
	}
	for i := range job.carried {
		batch.Set(numberKey(prefixCarried, shard, job.firstCarried+uint64(i)), job.carried[i].append(nil))
	}
	durable, _ := s.Durable()
	if durable.DedupFirst < job.state.DedupFirst {
		batch.DeleteRange(numberKey(prefixDedup, shard, durable.DedupFirst), numberKey(prefixDedup, shard, job.state.DedupFirst))
	}
	if durable.Carried.First < job.state.Carried.First {
		batch.DeleteRange(numberKey(prefixCarried, shard, durable.Carried.First), numberKey(prefixCarried, shard, job.state.Carried.First))
	}
	for _, q := range c.quarantined {
		s.logger.Error("a block cannot be read and is put aside", "index", q.block.index, "tenant", q.tenant, "bytes", len(q.block.encoded), "error", q.err)
		value := binary.AppendUvarint([]byte{manifestVersion}, uint64(len(q.tenant)))
		batch.Set(numberKey(prefixQuarantine, shard, q.block.index), append(append(value, q.tenant...), q.block.encoded...))
	}
	batch.Set(shardKey(prefixState, shard), job.state.append(nil))
	return &batch
}

// Sweep deletes the segments that nobody can reach any more.
func (s *Shard) Sweep(ctx context.Context) error {
	s.sweeping.Lock()
	defer s.sweeping.Unlock()
	var errs []error
	s.mu.RLock()
	current := s.mu.set
	s.mu.RUnlock()
	for _, id := range s.garbage.take() {
		if current.all[id] != nil {
			continue // a restored snapshot has it again
		}
		err := s.deleteSegment(ctx, id)
		if errors.Is(err, engine.ErrCorrupt) {
			s.logger.Warn("an old segment stays until the next start: it shares a damaged table", "segment", id.String(), "error", err)
		} else if err != nil {
			s.garbage.add(id) // next time
			errs = append(errs, err)
			continue
		}
		s.mu.Lock()
		delete(s.mu.leaving, id)
		s.mu.Unlock()
	}
	return errors.Join(errs...)
}
