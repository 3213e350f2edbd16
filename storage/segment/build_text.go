package segment

import (
	"encoding/binary"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/shape"
	"github.com/stere-log/stere/storage/column"
)

// buildText finds the shapes that are worth an entry and emits the column as
// shapes and variables. Values of another kind than string have no shape.
func (c *columnBuilder) buildText() error {
	c.meta.text = true
	shapeOf := make([]uint32, len(c.data.dict)) // value -> code of its shape, 0: none
	var shapes []string
	if c.meta.kind == model.String {
		shapes = c.findShapes(shapeOf)
	}
	codes := make([]uint32, len(c.data.codes))
	for i, value := range c.data.codes {
		codes[i] = shapeOf[value]
	}
	return c.buildDict(shapes, codes)
}

// findShapes fills shapeOf and returns the shapes, code 1 first.
func (c *columnBuilder) findShapes(shapeOf []uint32) []string {
	rowsOf := make([]uint32, len(c.data.dict))
	for _, value := range c.data.codes {
		rowsOf[value]++
	}
	numbers := map[string]uint32{}
	var names []string
	var rows []uint32
	var vars []string
	for value, text := range c.data.dict {
		name, v, ok := shape.Split(vars[:0], text)
		vars = v
		if !ok {
			continue
		}
		number, known := numbers[name]
		if !known {
			names = append(names, name)
			rows = append(rows, 0)
			number = uint32(len(names))
			numbers[name] = number
		}
		rows[number-1] += rowsOf[value]
		shapeOf[value] = number
	}
	var kept []string
	codeOf := make([]uint32, len(names)+1)
	for i, name := range names {
		if rows[i] >= shapeRows {
			kept = append(kept, name)
			codeOf[i+1] = uint32(len(kept))
		}
	}
	for value, number := range shapeOf {
		shapeOf[value] = codeOf[number]
	}
	return kept
}

// emitTexts writes the text pages: per shape on the page, in order of codes,
// the values of its first variable, of its second, and so on; for code 0 the
// texts themselves. It also gathers the words that only these pages hold.
func (c *columnBuilder) emitTexts(codes []uint32, shapes []string) error {
	c.filters = filterBuilder{words: hasWordFilters(c.meta.kind)}
	for lo := 0; lo < len(codes); lo += PageRows {
		hi := min(lo+PageRows, len(codes))
		raw := c.textPage(codes[lo:hi], c.data.codes[lo:hi], shapes)
		if err := c.emit(columnKey(c.number, itemText, uint32(lo/PageRows)), c.compress(raw)); err != nil {
			return err
		}
		c.filters.endPage()
	}
	return nil
}

// textPage encodes one text page: a directory of (code, values, bytes) and
// the bytes of each group.
func (c *columnBuilder) textPage(codes, values []uint32, shapes []string) []byte {
	groups := map[uint32][]uint32{} // code -> values in row order
	for i, code := range codes {
		groups[code] = append(groups[code], values[i])
	}
	present := make([]uint32, 0, len(groups))
	for code := range groups {
		present = append(present, code)
	}
	slices.Sort(present)
	var directory, bodies []byte
	directory = binary.AppendUvarint(directory, uint64(len(present)))
	var last uint32
	for _, code := range present {
		before := len(bodies)
		if code == 0 {
			bodies = c.appendPlain(bodies, groups[code])
		} else {
			bodies = c.appendVariables(bodies, groups[code], shape.Variables(shapes[code-1]))
		}
		directory = binary.AppendUvarint(directory, uint64(code-last))
		directory = binary.AppendUvarint(directory, uint64(len(groups[code])))
		directory = binary.AppendUvarint(directory, uint64(len(bodies)-before))
		last = code
	}
	return append(directory, bodies...)
}

func (c *columnBuilder) appendPlain(dst []byte, values []uint32) []byte {
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i] = c.data.dict[value]
		c.filters.add(texts[i])
	}
	return column.AppendStrings(dst, texts)
}

func (c *columnBuilder) appendVariables(dst []byte, values []uint32, slots int) []byte {
	if slots == 0 {
		return dst
	}
	all := make([]string, 0, slots*len(values))
	for _, value := range values {
		_, all, _ = shape.Split(all, c.data.dict[value])
	}
	slot := make([]string, len(values))
	for s := range slots {
		for i := range slot {
			slot[i] = all[i*slots+s]
			c.filters.add(slot[i])
		}
		dst = column.AppendStrings(dst, slot)
	}
	return dst
}

// filterBuilder gathers the words of a column's text pages.
type filterBuilder struct {
	words  bool // whether the column has filters at all
	page   map[uint64]struct{}
	pages  [][]uint64 // sorted word hashes of each page
	edges  edges
	recent string // the last text added: repeats are common
}

func (f *filterBuilder) add(text string) {
	if !f.words || text == f.recent {
		return
	}
	f.recent = text
	if f.page == nil {
		f.page = map[uint64]struct{}{}
	}
	for start, end := index.NextWord(text, 0); start < len(text); start, end = index.NextWord(text, end) {
		word := index.Fold(text[start:end])
		f.page[wordHash(word)] = struct{}{}
		f.edges.add(word)
	}
}

func (f *filterBuilder) endPage() {
	hashes := make([]uint64, 0, len(f.page))
	for hash := range f.page {
		hashes = append(hashes, hash)
	}
	slices.Sort(hashes)
	f.pages = append(f.pages, hashes)
	clear(f.page)
	f.recent = ""
}

// wordHash is the hash of a folded word in filters.
func wordHash(word string) uint64 { return xxhash.Sum64String(word) }
