package segment

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sort"

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

var _ part.Column = (*columnReader)(nil)

// Path implements part.Column.
func (c *columnReader) Path() string { return c.meta.path }

// Kind implements part.Column.
func (c *columnReader) Kind() model.Kind { return c.meta.kind }

// Count implements part.Column.
func (c *columnReader) Count() uint32 { return c.meta.count }

func (c *columnReader) full() bool { return c.meta.count == c.segment.meta.Rows }

func (c *columnReader) pages() uint32 { return pages(c.meta.count) }

// dictChunk returns a chunk of the dictionary.
func (c *columnReader) dictChunk(chunk uint32) ([]string, error) {
	s := c.segment
	return cached(s.cache, s.cacheKey(itemDict, c.number, chunk), func() ([]string, int64, error) {
		raw, err := s.frame(columnKey(c.number, itemDict, chunk))
		if err != nil {
			return nil, 0, err
		}
		return c.decodeChunk(chunk, raw)
	})
}

// decodeChunk decodes a chunk of the dictionary and says how big it is.
func (c *columnReader) decodeChunk(chunk uint32, raw []byte) ([]string, int64, error) {
	n := int(min(dictChunk, c.meta.dict-chunk*dictChunk))
	values, rest, err := column.Strings(make([]string, 0, n), raw, n)
	if err != nil || len(rest) != 0 || !slices.IsSorted(values) {
		return nil, 0, errors.Join(fmt.Errorf("dictionary of %q: %w", c.meta.path, ErrCorrupt), err)
	}
	return values, textBytes(values), nil
}

// chunkHolding is dictChunk if an entry may hold the needle, as far as the
// encoding tells, or nil.
func (c *columnReader) chunkHolding(chunk uint32, needle column.Needle) ([]string, error) {
	s := c.segment
	key := s.cacheKey(itemDict, c.number, chunk)
	if known, ok := s.cache.peek(key); ok {
		return known.([]string), nil
	}
	raw, err := s.frame(columnKey(c.number, itemDict, chunk))
	if err != nil || !column.MayHold(raw, needle) {
		return nil, err
	}
	return cached(s.cache, key, func() ([]string, int64, error) { return c.decodeChunk(chunk, raw) })
}

// entry returns an entry of the dictionary.
func (c *columnReader) entry(number uint32) (string, error) {
	values, err := c.dictChunk(number / dictChunk)
	if err != nil {
		return "", err
	}
	return values[number%dictChunk], nil
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
	values, err := c.dictChunk(uint32(chunk))
	if err != nil {
		return 0, false, err
	}
	i, found := slices.BinarySearch(values, value)
	return uint32(chunk)*dictChunk + uint32(i), found, nil
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

// valuesAt returns the values with the given numbers; rows are theirs.
func (c *columnReader) valuesAt(ctx context.Context, present, places []uint32) (part.Values, error) {
	if c.meta.text {
		return c.gatherTexts(ctx, present, places)
	}
	out := part.Values{Rows: present, Codes: make([]uint32, 0, len(places))}
	err := c.eachCodePage(places, func(page uint32, from, to int, codes *column.CodePage) error {
		out.Codes = codes.AppendAt(out.Codes, places[from:to], page*PageRows)
		return ctx.Err()
	})
	if err != nil {
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
	for i, code := range values.Codes {
		number, ok := numbers[code]
		if !ok {
			value, err := c.entry(code)
			if err != nil {
				return err
			}
			number = uint32(len(values.Dict))
			numbers[code] = number
			values.Dict = append(values.Dict, value)
		}
		values.Codes[i] = number
	}
	return nil
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
