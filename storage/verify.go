package storage

import (
	"bytes"
	"cmp"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/engine"
	"github.com/stere-log/stere/storage/part"
	"github.com/stere-log/stere/storage/segment"
)

// Limits of verifying.
const (
	verifyTries      = 5       // begins anew because the table was replaced meanwhile
	verifyCacheBytes = 8 << 20 // for what is decoded to be hashed
)

// Verify reads every byte of a segment from its file, past the caches, with all
// checksums, and then every record, whose hash must be the one known of the
// segment. What does not fit makes the segment damaged at once (see Missing and
// NoteDamage). pace is called with the bytes of each value read and may wait.
// ErrNoSegment and ErrMissing say that there is nothing to verify.
func (s *Shard) Verify(ctx context.Context, id SegmentID, pace func(ctx context.Context, bytes int) error) error {
	s.mu.RLock()
	if s.mu.closed {
		s.mu.RUnlock()
		return ErrClosed
	}
	set := s.mu.set
	set.refs.Add(1)
	s.mu.RUnlock()
	defer set.release()
	one := set.all[id]
	if one == nil {
		return fmt.Errorf("verify segment %s of shard %d: %w", id, s.cfg.Shard, ErrNoSegment)
	}
	here := one.here.Load()
	if err := here.broken(); err != nil {
		return fmt.Errorf("verify segment %s of shard %d: %w: %w", id, s.cfg.Shard, ErrMissing, err)
	}
	err := s.verifyBytes(ctx, one, here, pace)
	if err == nil {
		_, err = s.hash(ctx, one, here, true)
	}
	if err != nil {
		if IsDamage(err) {
			s.met(one, here, err)
		}
		return fmt.Errorf("verify segment %s of shard %d: %w", id, s.cfg.Shard, err)
	}
	return nil
}

// verifyBytes checks every value in the segment's file, and that none is
// lacking.
func (s *Shard) verifyBytes(ctx context.Context, one *sealed, here *local, pace func(context.Context, int) error) error {
	prefix := segmentKey(here.place, s.cfg.Shard, one.ID)
	for try := 1; ; try++ {
		var meta *segment.Meta
		var size int64
		var last []byte
		err := s.env.Engine.Verify(ctx, prefix, after(prefix), func(key, value []byte) error {
			if bytes.Compare(key, last) <= 0 {
				return fmt.Errorf("key %x after %x: %w", key, last, segment.ErrCorrupt)
			}
			last = append(last[:0], key...)
			found, err := segment.CheckValue(key[segmentKeyLength:], value)
			if err != nil {
				return err
			}
			if found != nil {
				meta = found
			} else {
				size += int64(len(value))
			}
			return pace(ctx, len(value))
		})
		if errors.Is(err, engine.ErrAgain) && try < verifyTries {
			continue
		}
		if err != nil {
			return err
		}
		if meta == nil || meta.Bytes != size {
			return fmt.Errorf("%d bytes of values: %w: some are lacking", size, segment.ErrCorrupt)
		}
		return s.matches(meta, &one.Entry)
	}
}

// DayHash stands for the records of one UTC day in a segment. It does not
// depend on their order or on how they are stored.
type DayHash struct {
	Day  int64 // since 1970-01-01
	Rows uint64
	Sum  uint64 // of the records' hashes
}

// SegmentHash stands for the records of a segment.
type SegmentHash struct {
	ID     SegmentID
	Tenant model.TenantID
	Days   []DayHash // ascending; none if the segment cannot be read here
}

// Hashes stand for all sealed records of a shard at a position of the manifest.
// Replicas at the same position must have equal ones.
type Hashes struct {
	Index    uint64        // of the manifest
	Segments []SegmentHash // by id
}

// TenantDay names the records of one tenant and one UTC day.
type TenantDay struct {
	Tenant model.TenantID
	Day    int64
}

// Difference is where two replicas differ. What one of them cannot read is in
// Unknown and nowhere else.
type Difference struct {
	Segments []SegmentID // with other records, or in one manifest only
	Days     []TenantDay // that these segments touch
	Unknown  []SegmentID
}

// Hashes returns what stands for the records of the manifest. A segment's hash
// is computed once, which reads all of it, and kept.
func (s *Shard) Hashes(ctx context.Context) (Hashes, error) {
	s.mu.RLock()
	if s.mu.closed {
		s.mu.RUnlock()
		return Hashes{}, ErrClosed
	}
	set, h := s.mu.set, Hashes{Index: s.mu.durable.Index}
	set.refs.Add(1)
	s.mu.RUnlock()
	defer set.release()
	for _, one := range set.all {
		here, hash := one.here.Load(), SegmentHash{ID: one.ID, Tenant: one.Tenant}
		if here.broken() == nil {
			var err error
			hash.Days, err = s.hash(ctx, one, here, false)
			if IsDamage(err) {
				s.met(one, here, err)
			} else if err != nil {
				return Hashes{}, fmt.Errorf("hash segment %s of shard %d: %w", one.ID, s.cfg.Shard, err)
			}
		}
		h.Segments = append(h.Segments, hash)
	}
	slices.SortFunc(h.Segments, func(a, b SegmentHash) int { return a.ID.compare(b.ID) })
	return h, nil
}

// Compare tells where two replicas differ. ErrPosition says that they are not
// at the same position and cannot be compared.
func Compare(a, b Hashes) (Difference, error) {
	var d Difference
	if a.Index != b.Index {
		return d, fmt.Errorf("manifests at %d and %d: %w", a.Index, b.Index, ErrPosition)
	}
	days := map[TenantDay]bool{}
	differ := func(id SegmentID, hashes ...SegmentHash) {
		d.Segments = append(d.Segments, id)
		for _, h := range hashes {
			for _, day := range h.Days {
				days[TenantDay{h.Tenant, day.Day}] = true
			}
		}
	}
	for i, j := 0, 0; i < len(a.Segments) || j < len(b.Segments); {
		switch {
		case j == len(b.Segments) || i < len(a.Segments) && a.Segments[i].ID.compare(b.Segments[j].ID) < 0:
			differ(a.Segments[i].ID, a.Segments[i])
			i++
		case i == len(a.Segments) || b.Segments[j].ID.compare(a.Segments[i].ID) < 0:
			differ(b.Segments[j].ID, b.Segments[j])
			j++
		default:
			x, y := a.Segments[i], b.Segments[j]
			switch {
			case len(x.Days) == 0 || len(y.Days) == 0:
				d.Unknown = append(d.Unknown, x.ID)
			case x.Tenant != y.Tenant || !slices.Equal(x.Days, y.Days):
				differ(x.ID, x, y)
			}
			i, j = i+1, j+1
		}
	}
	for day := range days {
		d.Days = append(d.Days, day)
	}
	slices.SortFunc(d.Days, func(x, y TenantDay) int {
		return cmp.Or(cmp.Compare(x.Tenant, y.Tenant), cmp.Compare(x.Day, y.Day))
	})
	return d, nil
}

// hash returns the hash of a segment's records: the one that is known, or one
// computed now and made durable. With again it is computed in any case, and
// must be the one that is known.
func (s *Shard) hash(ctx context.Context, one *sealed, here *local, again bool) ([]DayHash, error) {
	known := one.hash.Load()
	if known != nil && !again {
		return *known, nil
	}
	days, err := hashPart(ctx, here.segment.WithCache(segment.NewCache(verifyCacheBytes)))
	if err != nil {
		return nil, err
	}
	if known != nil {
		if !slices.Equal(*known, days) {
			return nil, fmt.Errorf("records have another hash than before: %w", ErrDiverged)
		}
		return days, nil
	}
	s.publishing.Lock()
	defer s.publishing.Unlock()
	if s.segments().all[one.ID] != one || one.hash.Load() != nil {
		return days, nil // gone from the manifest, or noted by another
	}
	var batch engine.Batch
	batch.Set(segmentKey(prefixHash, s.cfg.Shard, one.ID), appendHash(nil, days))
	if err := s.env.Engine.Commit(&batch); err != nil {
		return nil, err
	}
	one.hash.Store(&days)
	return days, nil
}

// hashPart hashes each record and adds up what each day has.
func hashPart(ctx context.Context, p part.Part) ([]DayHash, error) {
	sums := map[int64]*DayHash{}
	var text []byte
	for lo := uint32(0); lo < p.Rows(); lo += probeRows {
		rows := index.DocSetRange(lo, min(lo+probeRows, p.Rows()))
		ids, err := p.IDs(rows)
		if err != nil {
			return nil, err
		}
		records, err := p.Records(ctx, rows)
		if err != nil {
			return nil, err
		}
		for i := range records {
			text = appendRecord(text[:0], ids[i], &records[i])
			day := dayOf(records[i].Time)
			if sums[day] == nil {
				sums[day] = &DayHash{Day: day}
			}
			sums[day].Rows++
			sums[day].Sum += xxhash.Sum64(text)
		}
	}
	var days []DayHash
	for _, day := range sums {
		days = append(days, *day)
	}
	slices.SortFunc(days, func(a, b DayHash) int { return cmp.Compare(a.Day, b.Day) })
	return days, nil
}

// appendRecord appends a record in the one form that is hashed.
func appendRecord(dst []byte, id model.RecordID, r *model.Record) []byte {
	dst = binary.AppendUvarint(dst, id.Index)
	dst = binary.AppendUvarint(dst, uint64(id.Ordinal))
	dst = binary.AppendVarint(dst, r.Time)
	dst = append(dst, r.TimeDigits)
	fields := r.Fields
	order := func(a, b model.Field) int {
		return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Kind, b.Kind))
	}
	if !slices.IsSortedFunc(fields, order) {
		fields = slices.Clone(fields)
		slices.SortFunc(fields, order)
	}
	for _, f := range fields {
		dst = appendItem(dst, []byte(f.Name))
		dst = append(dst, byte(f.Kind))
		dst = appendItem(dst, []byte(f.Text))
	}
	return dst
}

func appendHash(dst []byte, days []DayHash) []byte {
	dst = binary.AppendUvarint(append(dst, manifestVersion), uint64(len(days)))
	for _, day := range days {
		dst = binary.AppendVarint(dst, day.Day)
		dst = binary.AppendUvarint(dst, day.Rows)
		dst = binary.LittleEndian.AppendUint64(dst, day.Sum)
	}
	return dst
}

func parseHash(src []byte) ([]DayHash, error) {
	r := newManifestReader(src)
	r.version()
	var days []DayHash
	for n := r.Bounded(segment.RowsMax); n > 0 && !r.Failed(); n-- {
		day := DayHash{Day: r.Varint(), Rows: r.Uvarint()}
		if sum := r.Take(8); len(sum) == 8 {
			day.Sum = binary.LittleEndian.Uint64(sum)
		}
		days = append(days, day)
	}
	return days, r.done("hash")
}

func loadHashes(store *engine.Engine, shard model.ShardID) (map[SegmentID][]DayHash, error) {
	hashes := map[SegmentID][]DayHash{}
	lower, upper := shardSpan(prefixHash, shard)
	err := store.Scan(lower, upper, func(key, value []byte) error {
		id, err := parseSegmentID(key)
		if err != nil {
			return err
		}
		hashes[id], err = parseHash(value)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("load hashes of shard %d: %w", shard, err)
	}
	return hashes, nil
}
