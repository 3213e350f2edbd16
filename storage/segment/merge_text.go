package segment

import (
	"fmt"
	"math"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
)

// textReaders returns the inputs as columns of segments if one of them is a
// text column: such columns are merged a page at a time, because their
// distinct values would not fit into memory. Else it returns nil.
func textReaders(inputs []columnInput) []*columnReader {
	readers := make([]*columnReader, len(inputs))
	text := false
	for i, in := range inputs {
		reader, ok := in.column.(*columnReader)
		if !ok {
			return nil
		}
		readers[i] = reader
		text = text || reader.meta.text
	}
	if !text {
		return nil
	}
	return readers
}

// mergeTexts returns a source that reads the columns side by side.
func (c *columnBuilder) mergeTexts(inputs []columnInput, readers []*columnReader) (textSource, error) {
	src := textSource{shapes: map[string]uint64{}}
	cursors := make([]textCursor, len(inputs))
	count := 0
	for i, in := range inputs {
		s := &c.sources[in.source]
		rows := s.rows
		if rows == nil {
			rows = index.DocSetRange(0, s.n)
		}
		present, places, err := readers[i].places(rows)
		if err != nil {
			return src, err
		}
		cursors[i] = textCursor{column: readers[i], places: places}
		s.eachOut(present, func(_ int, out uint32) { c.codes[out] = uint32(i) + 1 })
		count += len(present)
		if c.meta.kind == model.String {
			if err := readers[i].countShapes(src.shapes); err != nil {
				return src, err
			}
		}
	}
	src.rows = make([]uint32, 0, count)
	from := make([]uint32, 0, count)
	for row, input := range c.codes {
		if input != 0 {
			src.rows, from = append(src.rows, uint32(row)), append(from, input-1)
			c.codes[row] = 0
		}
	}
	if len(src.rows) != count {
		return src, fmt.Errorf("%w: %d values for %d rows", ErrCorrupt, count, len(src.rows))
	}
	at := 0
	src.next = func() (string, error) {
		at++
		return cursors[from[at-1]].next(c)
	}
	return src, nil
}

// textCursor reads values in order, a page at a time.
type textCursor struct {
	column *columnReader
	places []uint32 // not read yet
	codes  []uint32 // of the page at hand, not read yet
	dict   []string
}

func (t *textCursor) next(c *columnBuilder) (string, error) {
	if len(t.codes) == 0 {
		n := 0
		for page := t.places[0] / PageRows; n < len(t.places) && t.places[n]/PageRows == page; {
			n++
		}
		values, err := t.column.valuesAt(c.ctx, nil, t.places[:n])
		if err != nil {
			return "", err
		}
		t.places, t.codes, t.dict = t.places[n:], values.Codes, values.Dict
	}
	code := t.codes[0]
	t.codes = t.codes[1:]
	return t.dict[code], nil
}

// countShapes adds how many rows have each shape, or would have it: those of
// a value column and the texts of which there were too few for an entry.
func (c *columnReader) countShapes(into map[string]uint64) error {
	var counter shapeCounter
	counts, err := c.counts()
	if err != nil {
		return err
	}
	values, err := c.dict()
	if err != nil {
		return err
	}
	for i, value := range values {
		rows := uint64(max(0, counts[uint32(i)+c.meta.codeBase()]))
		if c.meta.text {
			into[value] += rows
		} else {
			counter.add(into, value, rows)
		}
	}
	if !c.meta.text || counts[0] == 0 {
		return nil
	}
	for page := range c.pages() {
		codes, err := c.codes(page)
		if err != nil {
			return err
		}
		var plain uint32
		for _, code := range codes {
			if code == 0 {
				plain++
			}
		}
		if plain == 0 {
			continue
		}
		texts, err := c.readPlain(page, plain)
		if err != nil {
			return err
		}
		for _, text := range texts {
			counter.add(into, text, 1)
		}
	}
	forgetRareShapes(into)
	return nil
}

// shapesMax is how many shapes a merge counts before it forgets the rare ones.
const shapesMax = 1 << 20

// forgetRareShapes keeps the count of shapes bounded.
func forgetRareShapes(into map[string]uint64) {
	for least := uint64(1); len(into) > shapesMax && least < math.MaxUint64/2; least *= 2 {
		for name, rows := range into {
			if rows <= least {
				delete(into, name)
			}
		}
	}
}
