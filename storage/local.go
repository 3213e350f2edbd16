package storage

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/engine"
	"github.com/stere-log/stere/storage/part"
	"github.com/stere-log/stere/storage/segment"
)

// nowhere is the place of a segment that is missing here.
const nowhere byte = 0

// local is what is here of a segment: a copy under the keys of its place, or
// nothing. A copy becomes damaged once and for ever; what replaces it is
// another local. The bytes of a damaged copy stay until they are replaced,
// because most of them may still be good, but nothing is read from them: a
// reader that still has the copy gets errors, so that it never mixes the bytes
// of two copies.
type local struct {
	place   byte // prefix of its keys: prefixSegment, prefixReceived or nowhere
	segment *segment.Segment
	damage  atomic.Pointer[error]
	marked  atomic.Bool // the damage is durable
	masked  atomic.Pointer[maskedCopy]
	beside  besideSizes
}

func (l *local) broken() error {
	if err := l.damage.Load(); err != nil {
		return *err
	}
	return nil
}

// close forgets what is cached of the copy.
func (l *local) close() {
	if l.segment != nil {
		l.segment.Close()
	}
}

// damageMark is the durable note that a copy is damaged.
type damageMark struct {
	place byte
	text  string
}

// markTextMax bounds the text of a note.
const markTextMax = 1 << 10

var errNoted = errors.New("found damaged before")

func (m damageMark) append() []byte {
	return append([]byte{manifestVersion, m.place}, m.text[:min(len(m.text), markTextMax)]...)
}

func parseDamage(src []byte) (damageMark, error) {
	r := newManifestReader(src)
	r.version()
	m := damageMark{place: r.Byte()}
	if r.Failed() {
		return m, fmt.Errorf("read note of damage: %w", ErrManifest)
	}
	m.text = string(r.Rest())
	return m, nil
}

func loadDamage(store *engine.Engine, shard model.ShardID) (map[SegmentID]damageMark, error) {
	marks := map[SegmentID]damageMark{}
	lower, upper := shardSpan(prefixDamaged, shard)
	err := store.Scan(lower, upper, func(key, value []byte) error {
		id, err := parseSegmentID(key)
		if err != nil {
			return err
		}
		marks[id], err = parseDamage(value)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load notes of damage of shard %d: %w", shard, err)
	}
	return marks, nil
}

// openSegment opens what is here of a segment of the manifest. One that cannot
// be opened stays in the set as one that cannot be read. A mark that is about
// another copy than the one found is of before that one came.
func (s *Shard) openSegment(entry Entry, mark damageMark) *sealed {
	one := &sealed{entry, &stored{}}
	here := s.openLocal(one, prefixReceived)
	if errors.Is(here.broken(), engine.ErrNotFound) {
		here = s.openLocal(one, prefixSegment)
	}
	if errors.Is(here.broken(), engine.ErrNotFound) {
		here = &local{place: nowhere}
		err := fmt.Errorf("segment %s of shard %d: %w", entry.ID, s.cfg.Shard, ErrMissing)
		here.damage.Store(&err)
	}
	if mark.place == here.place && mark.place != nowhere {
		here.marked.Store(true)
		if here.broken() == nil {
			err := fmt.Errorf("segment %s of shard %d: %w: %w: %s", entry.ID, s.cfg.Shard, engine.ErrCorrupt, errNoted, mark.text)
			here.damage.Store(&err)
		}
	}
	if err := here.broken(); err != nil && here.place != nowhere {
		s.logger.Error("a segment cannot be read", "segment", entry.ID.String(), "rows", entry.Rows, "error", err)
	}
	one.here.Store(here)
	return one
}

// openLocal opens the copy in one place.
func (s *Shard) openLocal(one *sealed, place byte) *local {
	here := &local{place: place}
	prefix := segmentKey(place, s.cfg.Shard, one.ID)
	opening := true
	opened, err := segment.Open(func(key []byte, use func([]byte) error) error {
		err := s.env.Engine.Get(append(prefix[:len(prefix):len(prefix)], key...), use)
		if opening {
			return err
		}
		if err != nil && IsDamage(err) {
			s.met(one, here, err)
		}
		if broken := here.broken(); err == nil && broken != nil {
			err = broken // what was read may be of another copy
		}
		return err
	}, s.env.Cache)
	if err == nil {
		err = s.matches(opened.Meta(), &one.Entry)
	}
	if err != nil {
		err = fmt.Errorf("open segment %s of shard %d: %w", one.ID, s.cfg.Shard, err)
		here.damage.Store(&err)
		return here
	}
	opening = false
	opened.KeepBeside(beside{s, one.ID, here})
	here.segment = opened
	return here
}

// beside is what was made of the records of a segment. It is a replica's own, can be
// made anew, and goes with the segment.
type beside struct {
	shard *Shard
	id    SegmentID
	here  *local
}

// besideSizes are the bytes of what is kept beside a segment, as far as it was read or
// written since the shard was opened.
type besideSizes struct {
	mu struct {
		sync.Mutex
		byName map[string]int
	}
}

func (b *besideSizes) note(name string, bytes int) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.mu.byName == nil {
		b.mu.byName = map[string]int{}
	}
	b.mu.byName[name] = bytes
}

func (b *besideSizes) sum() (bytes int64) {
	b.mu.Lock()
	defer b.mu.Unlock()
	for _, n := range b.mu.byName {
		bytes += int64(n)
	}
	return bytes
}

// besideMax is how long a value may be.
const besideMax = 1 << 20

// lastingCacheBytes is for what is decoded to make something of all records of a segment.
const lastingCacheBytes = 16 << 20

// recallAsked finds out of whose segments something was kept beside before the shard was
// opened.
func (s *Shard) recallAsked() error {
	s.mu.RLock()
	all, recalled := s.mu.set.all, s.mu.recalled
	s.mu.RUnlock()
	if recalled {
		return nil
	}
	asked := map[model.TenantID]bool{}
	for _, one := range all {
		if asked[one.Tenant] {
			continue
		}
		lower := append(segmentKey(prefixBeside, s.cfg.Shard, one.ID), s.cfg.Beforehand...)
		found, err := s.env.Engine.First(lower, after(lower))
		if err != nil && !errors.Is(err, engine.ErrNotFound) {
			return fmt.Errorf("look for what is kept beside segments of shard %d: %w", s.cfg.Shard, err)
		}
		if found != nil {
			asked[one.Tenant] = true
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	maps.Copy(asked, s.mu.asked)
	s.mu.asked, s.mu.recalled = asked, true
	return nil
}

// Lasting is a segment that no merge takes, with a cache of its own. It stays until Release
// is called.
type Lasting struct {
	ID      SegmentID
	Tenant  model.TenantID
	Part    part.Part
	Release func()
}

// NextLasting returns the newest lasting segment that is not among those that are done, of
// tenants who have asked for something that is kept beside segments. What has gone is taken
// out of done.
func (s *Shard) NextLasting(done map[SegmentID]bool) (found Lasting, ok bool, err error) {
	if err := s.recallAsked(); err != nil {
		return found, false, err
	}
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.mu.closed {
		return found, false, nil
	}
	maps.DeleteFunc(done, func(id SegmentID, _ bool) bool { return s.mu.set.all[id] == nil })
	var next *sealed
	for _, one := range s.mu.set.all {
		if s.mu.asked[one.Tenant] && s.size(one) >= s.cfg.DayCutRows && !done[one.ID] && one.broken() == nil && (next == nil || compareSealed(one, next) > 0) {
			next = one
		}
	}
	if next == nil {
		return found, false, nil
	}
	set := s.mu.set
	set.refs.Add(1)
	p := next.here.Load().segment.WithCache(segment.NewCache(lastingCacheBytes))
	return Lasting{ID: next.ID, Tenant: next.Tenant, Part: p, Release: set.release}, true, nil
}

// besideSpan returns the bounds of the keys of all that is kept beside a segment.
func besideSpan(shard model.ShardID, id SegmentID) (lower, upper []byte) {
	lower = segmentKey(prefixBeside, shard, id)
	return lower, after(lower)
}

// Get implements segment.Beside.
func (b beside) Get(name string) (value []byte, err error) {
	err = b.shard.env.Engine.Get(append(segmentKey(prefixBeside, b.shard.cfg.Shard, b.id), name...), func(found []byte) error {
		value = bytes.Clone(found)
		return nil
	})
	if errors.Is(err, engine.ErrNotFound) {
		return nil, nil
	}
	if err == nil {
		b.here.beside.note(name, len(value))
	}
	return value, err
}

// Set implements segment.Beside. While the manifest changes nothing is kept: whoever
// asks next can do it.
func (b beside) Set(name string, value []byte) error {
	s := b.shard
	if len(value) > besideMax || !s.publishing.TryLock() {
		return nil
	}
	defer s.publishing.Unlock()
	s.mu.RLock()
	one := s.mu.set.all[b.id]
	there := !s.mu.closed && one != nil && one.here.Load() == b.here
	s.mu.RUnlock()
	if !there {
		return nil
	}
	var batch engine.Batch
	batch.Set(append(segmentKey(prefixBeside, s.cfg.Shard, b.id), name...), value)
	if err := s.env.Engine.Commit(&batch); err != nil {
		return fmt.Errorf("keep what was made of segment %s of shard %d: %w", b.id, s.cfg.Shard, err)
	}
	b.here.beside.note(name, len(value))
	if s.cfg.Beforehand != "" && name != s.cfg.Beforehand {
		return nil
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.mu.asked[one.Tenant] && s.cfg.OnAsked != nil {
		s.cfg.OnAsked()
	}
	if s.mu.asked == nil {
		s.mu.asked = map[model.TenantID]bool{}
	}
	s.mu.asked[one.Tenant] = true
	return nil
}

// matches compares a segment's directory with the manifest.
func (s *Shard) matches(meta *segment.Meta, e *Entry) error {
	if meta.Shard != s.cfg.Shard || meta.Rows != e.Rows || meta.FirstTime != e.FirstTime || meta.LastTime != e.LastTime ||
		meta.MinIndex != e.MinIndex || meta.MaxIndex != e.MaxIndex {
		return fmt.Errorf("%d rows of entries %d to %d, the manifest has %d of %d to %d: %w",
			meta.Rows, meta.MinIndex, meta.MaxIndex, e.Rows, e.MinIndex, e.MaxIndex, ErrDiverged)
	}
	return nil
}

// met notes that a copy is damaged: from here on it is not read. It takes no
// lock and may be called from any goroutine.
func (s *Shard) met(one *sealed, here *local, err error) {
	if !here.damage.CompareAndSwap(nil, &err) {
		return
	}
	s.lacking.changed()
	s.logger.Error("a segment is damaged", "segment", one.ID.String(), "tenant", one.Tenant, "rows", one.Rows, "error", err)
	if s.cfg.OnDamage != nil {
		s.cfg.OnDamage(one.Entry, err)
	}
}

// NoteDamage makes what has been found damaged since the last call durable, so
// that it is known after a restart.
func (s *Shard) NoteDamage() error {
	s.publishing.Lock()
	defer s.publishing.Unlock()
	var batch engine.Batch
	var noted []*local
	for _, one := range s.segments().all {
		here := one.here.Load()
		if err := here.broken(); err != nil && here.place != nowhere && !here.marked.Load() {
			batch.Set(segmentKey(prefixDamaged, s.cfg.Shard, one.ID), damageMark{here.place, err.Error()}.append())
			noted = append(noted, here)
		}
	}
	if len(noted) == 0 {
		return nil
	}
	if err := s.env.Engine.Commit(&batch); err != nil {
		return fmt.Errorf("note damage in shard %d: %w", s.cfg.Shard, err)
	}
	for _, here := range noted {
		here.marked.Store(true)
	}
	return nil
}

// segments returns the segments of the manifest.
func (s *Shard) segments() *segmentSet {
	s.mu.RLock()
	defer s.mu.RUnlock()
	return s.mu.set
}

// lacking remembers what Missing has found until that may have changed: every
// query asks, and there may be very many segments.
type lacking struct {
	version atomic.Uint64
	known   atomic.Pointer[lackingAt]
}

type lackingAt struct {
	version uint64
	missing []Entry
}

// changed is called after what can be read of the manifest has changed.
func (l *lacking) changed() { l.version.Add(1) }

// Missing returns the segments of the manifest that cannot be read here,
// because they have not come yet or are damaged, newest records first. Nobody
// may change what is returned.
func (s *Shard) Missing() []Entry {
	version := s.lacking.version.Load()
	if known := s.lacking.known.Load(); known != nil && known.version == version {
		return known.missing
	}
	missing := s.findMissing()
	s.lacking.known.Store(&lackingAt{version, missing})
	return missing
}

func (s *Shard) findMissing() []Entry {
	var missing []Entry
	for _, one := range s.segments().all {
		if one.broken() != nil {
			missing = append(missing, one.Entry)
		}
	}
	slices.SortFunc(missing, func(a, b Entry) int {
		return cmp.Or(cmp.Compare(b.LastTime, a.LastTime), b.ID.compare(a.ID))
	})
	return missing
}

// deleteSegment deletes what is here of a segment.
func (s *Shard) deleteSegment(ctx context.Context, id SegmentID) error {
	for _, place := range []byte{prefixReceived, prefixSegment} {
		prefix := segmentKey(place, s.cfg.Shard, id)
		key, err := s.env.Engine.First(prefix, after(prefix))
		if err == nil && key == nil {
			continue
		}
		if err := s.env.Engine.DeleteSpan(ctx, prefix, after(prefix)); err != nil {
			return fmt.Errorf("delete segment %s of shard %d: %w", id, s.cfg.Shard, err)
		}
	}
	return nil
}

// deleteOrphans deletes copies of segments that no manifest names: built before
// a crash and not adopted, dropped and not deleted yet, or replaced. It looks
// only between the copies that are in use, so that damage in one of them does
// no harm here. What shares a damaged table with others may have to stay.
func (s *Shard) deleteOrphans(ctx context.Context) error {
	for _, place := range []byte{prefixSegment, prefixReceived} {
		lower, end := shardSpan(place, s.cfg.Shard)
		used := slices.DeleteFunc(slices.SortedFunc(maps.Keys(s.mu.set.all), SegmentID.compare), func(id SegmentID) bool {
			return s.mu.set.all[id].here.Load().place != place
		})
		for _, id := range used {
			prefix := segmentKey(place, s.cfg.Shard, id)
			if err := s.deleteSegmentsIn(ctx, lower, prefix); err != nil {
				return err
			}
			lower = after(prefix)
		}
		if err := s.deleteSegmentsIn(ctx, lower, end); err != nil {
			return err
		}
	}
	return nil
}

// deleteSegmentsIn deletes every segment with keys in a span.
func (s *Shard) deleteSegmentsIn(ctx context.Context, lower, upper []byte) error {
	for bytes.Compare(lower, upper) < 0 {
		key, err := s.env.Engine.First(lower, upper)
		if err == nil && key == nil {
			return nil
		}
		prefix, until := lower, upper // as one if it is damaged
		if err == nil {
			id, err := parseSegmentID(key)
			if err != nil {
				return err
			}
			prefix = segmentKey(key[0], s.cfg.Shard, id)
			until = after(prefix)
		} else if !errors.Is(err, engine.ErrCorrupt) {
			return err
		}
		err = s.env.Engine.DeleteSpan(ctx, prefix, until)
		if errors.Is(err, engine.ErrCorrupt) && s.env.Engine.DeleteSpan(ctx, prefix, upper) == nil {
			return nil // the rest of the span has whole tables
		}
		if errors.Is(err, engine.ErrCorrupt) {
			s.logger.Warn("an old segment stays: it shares a damaged table", "from", fmt.Sprintf("%x", prefix), "error", err)
		} else if err != nil {
			return fmt.Errorf("delete orphan segments of shard %d: %w", s.cfg.Shard, err)
		}
		lower = until
	}
	return nil
}

// Reclaim makes the bytes go that deleted segments left in tables which they shared
// with others, and those of the manifest of before. pace is called with the bytes of
// each table that is written anew and may wait.
func (s *Shard) Reclaim(ctx context.Context, pace func(ctx context.Context, bytes int) error) error {
	lower, _ := shardSpan(prefixSegment, s.cfg.Shard)
	_, upper := shardSpan(prefixSegment, s.cfg.Shard)
	received, end := shardSpan(prefixReceived, s.cfg.Shard)
	small, smallEnd := []byte{prefixState}, []byte{prefixSegment}
	for _, span := range [][2][]byte{{lower, upper}, {received, end}} {
		if err := s.env.Engine.Reclaim(ctx, span[0], span[1], small, smallEnd, pace); err != nil {
			return fmt.Errorf("reclaim what was deleted in shard %d: %w", s.cfg.Shard, err)
		}
	}
	return s.env.Engine.AwaitDeletions(ctx)
}

// Renew writes anew what is in files of the store for which old says so, so that
// they go. pace is called with the bytes of each table and may wait.
func Renew(ctx context.Context, env Env, old func(path string) (bool, error), pace func(ctx context.Context, bytes int) error) error {
	if err := env.Engine.Renew(ctx, []byte{prefixState}, []byte{prefixSegment - 1, 0xff}, old, pace); err != nil {
		return fmt.Errorf("renew files of the store: %w", err)
	}
	return env.Engine.AwaitDeletions(ctx)
}

// Destroy deletes everything that a shard has in the store, for good. The shard
// must be closed. It may be repeated, and must be after an error or a crash:
// what is left then is no shard but takes space. Shards names what is left.
func Destroy(ctx context.Context, env Env, shard model.ShardID) error {
	var batch engine.Batch
	for _, space := range KeySpaces() {
		if space.Prefix < prefixSegment {
			batch.DeleteRange(shardSpan(space.Prefix, shard))
		}
	}
	if err := env.Engine.Commit(&batch); err != nil {
		return fmt.Errorf("destroy shard %d: %w", shard, err)
	}
	for _, place := range []byte{prefixSegment, prefixReceived} {
		lower, upper := shardSpan(place, shard)
		if err := env.Engine.DeleteSpan(ctx, lower, upper); err != nil {
			return fmt.Errorf("destroy shard %d: %w", shard, err)
		}
	}
	return nil
}

// Shards returns the shards that have anything in the store, in order, so that
// those that nobody knows can be destroyed.
func Shards(env Env) ([]model.ShardID, error) {
	found := map[model.ShardID]bool{}
	for _, space := range KeySpaces() {
		lower, upper := []byte{space.Prefix}, after([]byte{space.Prefix})
		for {
			key, err := env.Engine.First(lower, upper)
			if err != nil {
				return nil, fmt.Errorf("list shards: %w", err)
			}
			if key == nil {
				break
			}
			if len(key) < shardKeyLength {
				return nil, fmt.Errorf("list shards: key %x: %w", key, errKey)
			}
			id := model.ShardID(binary.BigEndian.Uint32(key[1:]))
			found[id] = true
			_, lower = shardSpan(space.Prefix, id)
		}
	}
	return slices.Sorted(maps.Keys(found)), nil
}
