package segment

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"maps"
	"math/bits"
	"slices"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/shape"
	"github.com/stere-log/stere/storage/part"
)

// Choice between a value column and a text column.
const (
	dictAlways     = 256 // so many distinct values or fewer are always a dictionary
	dictRatioShort = 2   // short values are one with at most 1/2 of them distinct
	dictRatioLong  = 12  // long values are one with at most 1/12 of them distinct
	shortValue     = 24  // bytes, on average
	shapeRows      = 4   // a shape of fewer rows is not worth its entry
)

type columnID struct {
	path string
	kind model.Kind
}

// columnInput is a column of one source.
type columnInput struct {
	source int
	column part.Column
}

// buildColumns encodes one column after the other.
func (b *builder) buildColumns() error {
	inputs := map[columnID][]columnInput{}
	for i := range b.sources {
		for _, c := range b.sources[i].part.AllColumns() {
			id := columnID{c.Path(), c.Kind()}
			inputs[id] = append(inputs[id], columnInput{i, c})
		}
	}
	ids := slices.SortedFunc(maps.Keys(inputs), func(x, y columnID) int {
		return cmp.Or(cmp.Compare(x.path, y.path), cmp.Compare(x.kind, y.kind))
	})
	if len(ids) > columnsMax {
		return fmt.Errorf("%d columns, at most %d: %w", len(ids), columnsMax, ErrTooLarge)
	}
	b.schemas = newSchemas(b.rows)
	b.codes = make([]uint32, b.rows)
	refs := &referrer{builder: b, of: map[uint32]*tries{}}
	for _, id := range referrersLast(ids) {
		if err := b.ctx.Err(); err != nil {
			return err
		}
		c := columnBuilder{builder: b, number: uint32(len(b.meta.columns)),
			meta: columnMeta{path: id.path, kind: id.kind, words: b.words}}
		rows, err := c.build(inputs[id], refs)
		if err != nil {
			return fmt.Errorf("column %q: %w", id.path, err)
		}
		if len(rows) == 0 {
			continue
		}
		b.schemas.add(c.number, rows)
		b.meta.columns = append(b.meta.columns, c.meta)
		b.words += c.meta.dict
	}
	return nil
}

// columnData is a merged column: rows ascend, codes point into dict, every
// entry of dict is used. Rows may be those of other columns, too.
type columnData struct {
	rows  []uint32
	codes []uint32
	dict  []string
	// repeats says that dict may have an entry twice, of a column that was known to be no
	// dictionary before all its values were looked at.
	repeats bool
}

// fewShare is in how many rows one may have a column for its rows to be sorted
// instead of looked for among all: of wide records each column has few.
const fewShare = 64

// gather merges a column of several sources into output rows and one
// dictionary. Texts of which each row's is split need not be looked for once they
// are too many different ones to be a dictionary.
func (b *builder) gather(inputs []columnInput, byRow bool) (columnData, error) {
	var count int
	var sum lengths
	many := false
	few := b.few[:0]
	b.distinct.Reset(0)
	for _, in := range inputs {
		s := &b.sources[in.source]
		values, err := s.gather(b.ctx, in.column, &b.room)
		if err != nil {
			return columnData{}, err
		}
		renumbered := b.renumber(len(values.Dict)) // code -> merged code + 1
		b.outs = s.outs(slices.Grow(b.outs[:0], len(values.Rows)), values.Rows)
		for i, code := range values.Codes {
			text := values.Dict[code]
			if renumbered[code] == 0 {
				number := uint32(0)
				if many {
					number = b.distinct.Add(text)
				} else {
					number, _ = b.distinct.Number(text)
				}
				renumbered[code] = number + 1
			}
			b.codes[b.outs[i]] = renumbered[code]
			b.meta.TextBytes += int64(len(text))
		}
		if !many && byRow && b.tooMany(&sum) {
			many = true
			b.distinct.Expect(len(b.codes))
		}
		if count += len(b.outs); count <= len(b.codes)/fewShare {
			few = append(few, b.outs...)
		}
	}
	b.few = few
	data := columnData{codes: make([]uint32, 0, count+1), dict: b.distinct.Take(), repeats: many}
	if count == len(b.codes) {
		err := b.gatherAll(&data)
		return data, err
	}
	data.rows = make([]uint32, count, count+1)
	data.codes = data.codes[:count]
	n := 0
	if len(few) == count {
		slices.Sort(few)
		for _, row := range few {
			if code := b.codes[row]; code != 0 {
				data.rows[n], data.codes[n] = row, code-1
				n++
			}
			b.codes[row] = 0
		}
	} else {
		n = gatherSome(data.rows[:count+1], data.codes[:count+1], b.codes)
		clear(b.codes)
	}
	if n != count {
		return columnData{}, fmt.Errorf("%w: %d values for %d rows", ErrCorrupt, count, n)
	}
	return data, nil
}

// gatherSome lists the rows that have a code, and the codes less one, and returns how many
// there are. The lists have room for one more: what a row without a code has is written, too,
// and the next row writes over it. Which rows have one cannot be foreseen where sources
// take turns, and a branch for each would cost more than that.
func gatherSome(rows, codes, all []uint32) int {
	n := 0
	for row, code := range all {
		rows[n], codes[n] = uint32(row), code-1
		n += int((code | -code) >> 31) // 1 for a code
	}
	return n
}

// lengths is how long the first values of a list are together.
type lengths struct{ values, bytes int }

// tooMany reports whether the different values that were gathered are too many for a
// dictionary, whatever comes: even if each row has another one, they are long on average.
func (b *builder) tooMany(sum *lengths) bool {
	values := b.distinct.Values()
	for _, value := range values[sum.values:] {
		sum.bytes += len(value)
	}
	sum.values = len(values)
	return len(values) > dictAlways && sum.bytes > len(b.codes)*shortValue && len(values) > len(b.codes)/dictRatioLong
}

// gatherAll is the end of gather for a column that all rows have. The rows of all such
// columns are the same ones.
func (b *builder) gatherAll(data *columnData) error {
	if b.every == nil {
		b.every = make([]uint32, len(b.codes))
		for row := range b.every {
			b.every[row] = uint32(row)
		}
	}
	data.rows = b.every
	for row, code := range b.codes {
		if code == 0 {
			return fmt.Errorf("%w: no value for row %d of %d", ErrCorrupt, row, len(b.codes))
		}
		data.codes = append(data.codes, code-1)
	}
	clear(b.codes)
	return nil
}

// renumber returns n zeros.
func (b *builder) renumber(n int) []uint32 {
	b.renumbered = slices.Grow(b.renumbered[:0], n)[:n]
	clear(b.renumbered)
	return b.renumbered
}

// columnBuilder encodes one column.
type columnBuilder struct {
	*builder
	number uint32
	meta   columnMeta

	filters filterBuilder // of a text column
}

// build merges and emits the column and returns the rows that have it.
func (c *columnBuilder) build(inputs []columnInput, refs *referrer) ([]uint32, error) {
	used := refs
	if !refersTo(columnID{c.meta.path, c.meta.kind}) {
		used = nil
	}
	data, err := c.gather(inputs, used != nil)
	if err != nil || len(data.rows) == 0 {
		return nil, err
	}
	c.meta.count = uint32(len(data.rows))
	if data.isDict() {
		err = c.buildDict(&data)
	} else {
		err = c.buildText(&data, used)
	}
	if used == nil {
		refs.keep(c.number, data)
	}
	return data.rows, err
}

// refersTo reports whether a column's texts refer to other columns. Such a
// column comes last, so that these are known.
func refersTo(id columnID) bool { return id.path == model.FieldMessage && id.kind == model.String }

// referrersLast moves the columns that refer to others to the end.
func referrersLast(ids []columnID) []columnID {
	slices.SortStableFunc(ids, func(x, y columnID) int {
		switch {
		case refersTo(x) == refersTo(y):
			return 0
		case refersTo(x):
			return 1
		}
		return -1
	})
	return ids
}

// isDict decides by the number of distinct values and their length.
func (d *columnData) isDict() bool {
	rows, distinct := len(d.codes), len(d.dict)
	if d.repeats {
		return false
	}
	if distinct <= dictAlways {
		return true
	}
	var length int
	for _, value := range d.dict {
		length += len(value)
	}
	if length <= distinct*shortValue {
		return distinct <= rows/dictRatioShort
	}
	return distinct <= rows/dictRatioLong
}

// buildDict sorts the dictionary and emits a value column.
func (c *columnBuilder) buildDict(data *columnData) error {
	order := make([]uint32, len(data.dict))
	for i := range order {
		order[i] = uint32(i)
	}
	slices.SortFunc(order, func(x, y uint32) int { return cmp.Compare(data.dict[x], data.dict[y]) })
	sorted := make([]string, len(order))
	renumbered := make([]uint32, len(order))
	for i, old := range order {
		sorted[i] = data.dict[old]
		renumbered[old] = uint32(i)
	}
	for i, code := range data.codes {
		data.codes[i] = renumbered[code]
	}
	data.dict = sorted
	c.meta.apart = c.mayFollow(data)
	if err := c.emitCoded(data.codes, sorted); err != nil {
		return err
	}
	if err := c.emitMinutes(data); err != nil {
		return err
	}
	return c.emitRare(data)
}

// emitCoded emits what value and text columns share.
func (c *columnBuilder) emitCoded(codes []uint32, sorted []string) error {
	c.meta.dict = uint32(len(sorted))
	if err := c.emitCodes(codes); err != nil {
		return err
	}
	counts := make([]int64, c.meta.dict+c.meta.codeBase())
	for _, code := range codes {
		counts[code]++
	}
	if err := c.emitDict(sorted, counts); err != nil {
		return err
	}
	return c.emitStatistics(codes, counts)
}

// emitCodes writes the code pages. A column with one possible code has none,
// and those of others come later.
func (c *columnBuilder) emitCodes(codes []uint32) error {
	if c.meta.dict+c.meta.codeBase() == 1 || c.meta.apart {
		return nil
	}
	for lo := 0; lo < len(codes); lo += PageRows {
		page := codes[lo:min(lo+PageRows, len(codes))]
		if err := c.emit(columnKey(c.number, itemCodes, uint32(lo/PageRows)), c.compressCodes(page)); err != nil {
			return err
		}
	}
	return nil
}

// Size of dictionary chunks: a look-up reads one.
const dictChunk = 1024

func dictChunks(entries uint32) uint32 { return (entries + dictChunk - 1) / dictChunk }

// emitDict writes the dictionary, and how often each code occurs if it has one
// chunk: most have, and these are small.
func (c *columnBuilder) emitDict(sorted []string, counts []int64) error {
	for lo := 0; lo < len(sorted); lo += dictChunk {
		chunk := sorted[lo:min(lo+dictChunk, len(sorted))]
		c.meta.heads = append(c.meta.heads, chunk[0])
		coded := c.encoder.AppendStrings(c.raw[:0], chunk)
		c.check(coded, chunk)
		if len(sorted) <= dictChunk {
			coded = c.encoder.AppendInts(coded, counts)
		}
		c.raw = coded
		if err := c.emit(columnKey(c.number, itemDict, c.meta.chunks), c.compress(coded)); err != nil {
			return err
		}
		c.meta.chunks++
	}
	c.meta.single = !c.meta.text && len(sorted) >= singleMin && allSingle(sorted)
	if c.meta.single {
		return nil // the dictionary is its own index of words
	}
	for i, value := range sorted {
		if c.meta.text {
			value = shape.Static(value)
		}
		c.addTerms(value, c.meta.words+uint32(i))
	}
	return nil
}

// singleMin is how many entries a dictionary must have to be left out of the
// term index: a word is looked up in each such dictionary.
const singleMin = 512

// allSingle reports whether every value is one folded word.
func allSingle(values []string) bool {
	for _, value := range values {
		start, end := index.NextWord(value, 0)
		if start != 0 || end != len(value) || end == 0 || index.Fold(value) != value {
			return false
		}
	}
	return true
}

// emitStatistics writes how often, where that is not in the dictionary, and on
// which pages each code occurs.
func (c *columnBuilder) emitStatistics(codes []uint32, counts []int64) error {
	size := c.meta.dict + c.meta.codeBase()
	if c.meta.chunks > 1 {
		if err := c.emit(columnKey(c.number, itemCounts, 0), c.compress(c.encoder.AppendInts(nil, counts))); err != nil {
			return err
		}
	}
	pageCount := pages(c.meta.count)
	if pageCount <= 1 || size <= 1 {
		return nil
	}
	// Bits of the pages that each code is on, in so many words each.
	words := int(pageCount+63) / 64
	on := make([]uint64, int(size)*words)
	for i, code := range codes {
		page := i / PageRows
		on[int(code)*words+page/64] |= 1 << (page % 64)
	}
	raw := c.raw[:0]
	var list []uint32
	for ; len(on) > 0; on = on[words:] {
		list = list[:0]
		for w, set := range on[:words] {
			for ; set != 0; set &= set - 1 {
				list = append(list, uint32(w*64+bits.TrailingZeros64(set)))
			}
		}
		raw = appendPages(raw, list, pageCount)
	}
	c.raw = raw
	return c.emit(columnKey(c.number, itemPages, 0), c.compress(raw))
}

// appendPages appends a list of pages; 0 stands for all pages.
func appendPages(dst []byte, list []uint32, pageCount uint32) []byte {
	if uint32(len(list)) == pageCount {
		return append(dst, 0)
	}
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	var last uint32
	for _, page := range list {
		dst = binary.AppendUvarint(dst, uint64(page-last))
		last = page
	}
	return dst
}
