package segment

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strings"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/column"
	"github.com/stere-log/stere/storage/part"
)

// columnReader reads one column of a segment.
type columnReader struct {
	segment *Segment
	number  uint32
	meta    *columnMeta
}

var (
	_ part.Column = (*columnReader)(nil)
	_ part.Texts  = (*columnReader)(nil)
)

// Path implements part.Column.
func (c *columnReader) Path() string { return c.meta.path }

// Kind implements part.Column.
func (c *columnReader) Kind() model.Kind { return c.meta.kind }

// Count implements part.Column.
func (c *columnReader) Count() uint32 { return c.meta.count }

// Distinct implements part.Column. Texts may all differ.
func (c *columnReader) Distinct() uint32 {
	if c.meta.text {
		return c.meta.count
	}
	return c.meta.dict
}

// Texts implements part.Texts.
func (c *columnReader) Texts() bool { return c.meta.text }

func (c *columnReader) full() bool { return c.meta.count == c.segment.meta.Rows }

func (c *columnReader) pages() uint32 { return pages(c.meta.count) }

// dictChunk returns a chunk of the dictionary.
func (c *columnReader) dictChunk(chunk uint32) ([]string, error) {
	s := c.segment
	key := s.cacheKey(itemDict, c.number, chunk)
	return cached(s, key, func() ([]string, int64, error) {
		room := s.cache.rooms.holding(key) // that of its counts
		if room == nil {
			var err error
			if room, err = s.roomWith(key, columnKey(c.number, itemDict, chunk)); err != nil {
				return nil, 0, err
			}
		}
		defer s.cache.rooms.give(room)
		return c.decodeChunk(chunk, room.frame)
	})
}

// decodeChunk decodes a chunk of the dictionary and says how big it is.
func (c *columnReader) decodeChunk(chunk uint32, raw []byte) ([]string, int64, error) {
	n := c.chunkLen(chunk)
	values, rest, err := column.Strings(make([]string, 0, n), raw, n)
	if err != nil || len(rest) != 0 && !c.countsInDict() || !slices.IsSorted(values) {
		return nil, 0, errors.Join(fmt.Errorf("dictionary of %q: %w", c.meta.path, ErrCorrupt), err)
	}
	return values, textBytes(values), nil
}

// entriesContaining calls visit with each entry of the dictionary that contains
// a text, in order. A chunk that cannot have one is not decoded.
func (c *columnReader) entriesContaining(text string, visit func(entry uint32, value string)) error {
	needle := column.NewNeedle(index.Fold(text))
	for chunk := range c.meta.chunks {
		if err := c.chunkContaining(chunk, needle, text, visit); err != nil {
			return err
		}
	}
	return nil
}

func (c *columnReader) chunkContaining(chunk uint32, needle column.Needle, text string, visit func(entry uint32, value string)) error {
	first := chunk * dictChunk
	known, room, err := c.chunkFrame(chunk)
	if err != nil {
		return err
	}
	if room == nil {
		for i, value := range known {
			if strings.Contains(value, text) {
				visit(first+uint32(i), value)
			}
		}
		return nil
	}
	defer c.segment.cache.rooms.give(room)
	all, err := c.chunkJoined(chunk, room, needle)
	if err != nil || all == nil {
		return err
	}
	for at := 0; ; {
		next := bytes.Index(all.Text[at:], []byte(text))
		if next < 0 {
			return nil
		}
		at += next
		i := sort.Search(len(all.Ends), func(i int) bool { return int(all.Ends[i]) > at })
		if i == len(all.Ends) {
			return nil
		}
		if end := int(all.Ends[i]); at+len(text) <= end {
			visit(first+uint32(i), string(joinedAt(all, i)))
			at = end
		} else {
			at++
		}
	}
}

// countsInDict reports whether the only chunk of the dictionary says how often
// each code occurs.
func (c *columnReader) countsInDict() bool { return c.segment.meta.version > 2 && c.meta.chunks == 1 }

// chunkLen returns how many entries a chunk of the dictionary has.
func (c *columnReader) chunkLen(chunk uint32) int {
	return int(min(dictChunk, c.meta.dict-chunk*dictChunk))
}

// entriesOf returns entries of the dictionary by their numbers, in the order of
// these. A chunk is read once for all of them.
func (c *columnReader) entriesOf(numbers []uint32) ([]string, error) {
	order := make([]int, len(numbers))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(numbers[a], numbers[b]) })
	values := make([]string, len(numbers))
	var places []uint32
	for from := 0; from < len(order); {
		chunk := numbers[order[from]] / dictChunk
		to := from
		for places = places[:0]; to < len(order) && numbers[order[to]]/dictChunk == chunk; to++ {
			places = append(places, numbers[order[to]]%dictChunk)
		}
		some, err := c.chunkAt(chunk, places)
		if err != nil {
			return nil, err
		}
		for i, at := range order[from:to] {
			values[at] = some[i]
		}
		from = to
	}
	return values, nil
}

// chunkAt returns the entries at some places of a chunk.
func (c *columnReader) chunkAt(chunk uint32, places []uint32) ([]string, error) {
	known, room, err := c.chunkFrame(chunk)
	if err != nil {
		return nil, err
	}
	if room == nil {
		some := make([]string, len(places))
		for i, place := range places {
			some[i] = known[place]
		}
		return some, nil
	}
	defer c.segment.cache.rooms.give(room)
	some, _, err := room.decoder.StringsAt(nil, room.frame, c.chunkLen(chunk), places)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("dictionary of %q: %w", c.meta.path, ErrCorrupt), err)
	}
	return some, nil
}

// chunkFrame returns a chunk of the dictionary if it is kept, else a room with
// its frame, to be given back; see borrowed.
func (c *columnReader) chunkFrame(chunk uint32) (known []string, room *pageRoom, err error) {
	s := c.segment
	key := s.cacheKey(itemDict, c.number, chunk)
	if known, ok := s.cache.peek(key); ok {
		return known.([]string), nil, nil
	}
	if room, err = s.frameRoom(key, columnKey(c.number, itemDict, chunk)); room == nil && err == nil {
		known, err = c.dictChunk(chunk)
	}
	return known, room, err
}

// chunkJoined returns a chunk that is not kept as one text, nil if no entry can
// hold the needle. It lies in the room.
func (c *columnReader) chunkJoined(chunk uint32, room *pageRoom, needle column.Needle) (*column.Joined, error) {
	if !column.MayHold(room.frame, needle) {
		return nil, nil
	}
	all, rest, err := room.decoder.JoinedStrings(room.frame, c.chunkLen(chunk))
	if err != nil || len(rest) != 0 && !c.countsInDict() || all.Codes != nil {
		return nil, errors.Join(fmt.Errorf("dictionary of %q: %w", c.meta.path, ErrCorrupt), err)
	}
	return &all, nil
}

// dict returns the whole dictionary.
func (c *columnReader) dict() ([]string, error) {
	if c.meta.chunks == 1 {
		return c.dictChunk(0)
	}
	values := make([]string, 0, c.meta.dict)
	for chunk := range c.meta.chunks {
		part, err := c.dictChunk(chunk)
		if err != nil {
			return nil, err
		}
		values = append(values, part...)
	}
	return values, nil
}

// find returns the number of the entry equal to value.
func (c *columnReader) find(value string) (number uint32, found bool, err error) {
	chunk := sort.Search(len(c.meta.heads), func(i int) bool { return c.meta.heads[i] > value }) - 1
	if chunk < 0 {
		return 0, false, nil
	}
	first := uint32(chunk) * dictChunk
	values, room, err := c.chunkFrame(uint32(chunk))
	if err != nil {
		return 0, false, err
	}
	if room == nil {
		i, found := slices.BinarySearch(values, value)
		return first + uint32(i), found, nil
	}
	defer c.segment.cache.rooms.give(room)
	all, err := c.chunkJoined(uint32(chunk), room, column.NewNeedle(index.Fold(value)))
	if err != nil || all == nil {
		return 0, false, err
	}
	i := sort.Search(len(all.Ends), func(i int) bool { return string(joinedAt(all, i)) >= value })
	return first + uint32(i), i < len(all.Ends) && string(joinedAt(all, i)) == value, nil
}

// joinedAt returns one of the texts that are joined.
func joinedAt(all *column.Joined, i int) []byte {
	begin := uint32(0)
	if i > 0 {
		begin = all.Ends[i-1]
	}
	return all.Text[begin:all.Ends[i]]
}

// Gather implements part.Column.
func (c *columnReader) Gather(ctx context.Context, rows *index.DocSet) (part.Values, error) {
	if rows == nil {
		rows = index.DocSetRange(0, c.segment.meta.Rows)
	}
	present, places, err := c.places(rows)
	if err != nil {
		return part.Values{}, err
	}
	return c.valuesAt(ctx, present, places)
}

// gatherOnce is Gather for one who looks at each value once: equal texts may be
// there several times. It knows the values that some columns have in these rows, by
// their numbers.
func (c *columnReader) gatherOnce(ctx context.Context, rows *index.DocSet, known []*part.Values) (part.Values, error) {
	present, places, err := c.places(rows)
	if err != nil {
		return part.Values{}, err
	}
	if c.meta.text {
		return c.gatherTexts(ctx, present, places, known, map[uint32]textShape{})
	}
	return c.valuesAt(ctx, present, places)
}

// valuesAt returns the values with the given numbers; rows are theirs.
func (c *columnReader) valuesAt(ctx context.Context, present, places []uint32) (part.Values, error) {
	if c.meta.text {
		return c.gatherTexts(ctx, present, places, nil, map[uint32]textShape{})
	}
	out := part.Values{Rows: present, Codes: make([]uint32, 0, len(places))}
	var err error
	if out.Codes, err = c.codesAt(ctx, out.Codes, present, places); err != nil {
		return part.Values{}, err
	}
	if len(places) >= int(c.meta.dict/8) {
		out.Dict, err = c.dict()
		return out, err
	}
	// not in the return statement: the order of out and the call is not fixed
	err = c.narrowDict(&out)
	return out, err
}

// narrowDict gives the values a dictionary of their own: few of many.
func (c *columnReader) narrowDict(values *part.Values) error {
	numbers := map[uint32]uint32{}
	var codes []uint32
	for i, code := range values.Codes {
		number, ok := numbers[code]
		if !ok {
			number = uint32(len(codes))
			numbers[code] = number
			codes = append(codes, code)
		}
		values.Codes[i] = number
	}
	var err error
	values.Dict, err = c.entriesOf(codes)
	return err
}

// Counts implements part.Column.
func (c *columnReader) Counts(ctx context.Context, rows *index.DocSet) ([]part.ValueCount, error) {
	if !c.meta.text {
		if rows == nil || rows.GetCardinality() == uint64(c.segment.meta.Rows) {
			return c.storedCounts()
		}
		if c.meta.dict <= countSetsMax {
			return c.countSets(ctx, rows)
		}
	}
	values, err := c.Gather(ctx, rows)
	if err != nil {
		return nil, err
	}
	counts := make([]uint64, len(values.Dict))
	for _, code := range values.Codes {
		counts[code]++
	}
	var out []part.ValueCount
	for code, count := range counts {
		if count > 0 {
			out = append(out, part.ValueCount{Value: values.Dict[code], Count: count})
		}
	}
	return out, nil
}

// countSetsMax is up to how many values are counted by their sets of rows.
const countSetsMax = 64

// countSets counts the rows of each value by intersection.
func (c *columnReader) countSets(ctx context.Context, rows *index.DocSet) ([]part.ValueCount, error) {
	values, err := c.dict()
	if err != nil {
		return nil, err
	}
	var out []part.ValueCount
	for code, value := range values {
		of, err := c.codeRows(ctx, uint32(code))
		if err != nil {
			return nil, err
		}
		if n := of.AndCardinality(rows); n > 0 {
			out = append(out, part.ValueCount{Value: value, Count: n})
		}
	}
	return out, nil
}

func (c *columnReader) storedCounts() ([]part.ValueCount, error) {
	counts, err := c.counts()
	if err != nil {
		return nil, err
	}
	values, err := c.dict()
	if err != nil {
		return nil, err
	}
	out := make([]part.ValueCount, len(values))
	for i, value := range values {
		out[i] = part.ValueCount{Value: value, Count: uint64(counts[i])}
	}
	return out, nil
}
