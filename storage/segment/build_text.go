package segment

import (
	"cmp"
	"encoding/binary"
	"slices"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/shape"
)

// unit is a text that is split: a distinct value, or a row's value where it
// refers to other fields of the row.
type unit struct {
	shape uint32 // number in splitter.names + 1; 0 for a text without a shape
	first uint32 // its first variable, see splitter.span
}

// spanChunk is how many spans are in a chunk of a splitter's, at least
// shape.VariablesMax.
const spanChunk = 1 << 15

// splitter splits the texts of a column.
type splitter struct {
	data    *columnData
	units   []unit
	byRow   bool              // a unit is a row; else a distinct value
	spans   [][]shape.Span    // chunks: they are many, and chunks need not be moved to grow
	numbers map[string]uint32 // shape -> number
	names   []string
	rows    []uint32 // rows of each shape
	refers  []bool   // whether each shape refers to fields

	name  []byte
	found []shape.Span // of the text at hand
}

// text returns the value of the i-th row of the column.
func (s *splitter) text(i int) string { return s.data.dict[s.data.codes[i]] }

func (s *splitter) unit(i int) *unit {
	if s.byRow {
		return &s.units[i]
	}
	return &s.units[s.data.codes[i]]
}

// split finds the shapes of all values. Values of another kind than string
// have none.
func split(data *columnData, kind model.Kind, refs *referrer) *splitter {
	s := &splitter{data: data, byRow: refs != nil, numbers: map[string]uint32{}}
	if !s.byRow {
		s.units = make([]unit, len(data.dict))
		rowsOf := make([]uint32, len(data.dict))
		for _, code := range data.codes {
			rowsOf[code]++
		}
		for code, text := range data.dict {
			if kind == model.String {
				s.units[code] = s.add(text, nil, rowsOf[code])
			}
		}
		return s
	}
	s.units = make([]unit, len(data.rows))
	for i, row := range data.rows {
		s.units[i] = s.addOf(refs, row, s.text(i))
	}
	// A shape with references that few rows have is worth less than the plain
	// one, which they may share with others.
	for i := range s.units {
		if u := &s.units[i]; u.shape != 0 && s.refers[u.shape-1] && s.rows[u.shape-1] < shapeRows {
			s.rows[u.shape-1]--
			*u = s.add(s.text(i), nil, 1)
		}
	}
	return s
}

// add splits a text around the cuts, which are replaced by references.
func (s *splitter) add(text string, cuts []cut, rows uint32) unit {
	s.name, s.found = s.name[:0], s.found[:0]
	at, ok := 0, true
	for _, c := range cuts {
		if s.name, s.found, ok = shape.AppendSpans(s.name, s.found, text, at, c.start); !ok {
			return s.add(text, nil, rows)
		}
		s.name = shape.AppendReference(s.name, c.column)
		at = c.end
	}
	if s.name, s.found, ok = shape.AppendSpans(s.name, s.found, text, at, len(text)); !ok {
		if len(cuts) > 0 {
			return s.add(text, nil, rows)
		}
		return unit{}
	}
	number, known := s.numbers[string(s.name)]
	if !known {
		number = uint32(len(s.names))
		name := string(s.name)
		s.numbers[name] = number
		s.names = append(s.names, name)
		s.rows = append(s.rows, 0)
		s.refers = append(s.refers, len(cuts) > 0)
	}
	return s.use(number, rows)
}

// use notes that a text with the variables found has a shape.
func (s *splitter) use(number, rows uint32) unit {
	s.rows[number] += rows
	last := len(s.spans) - 1
	if last < 0 || len(s.spans[last])+len(s.found) > spanChunk {
		var chunk []shape.Span // the first one grows: most columns have few
		if last >= 0 {
			chunk = make([]shape.Span, 0, spanChunk)
		}
		s.spans = append(s.spans, chunk)
		last++
	}
	u := unit{number + 1, uint32(last*spanChunk + len(s.spans[last]))}
	s.spans[last] = append(s.spans[last], s.found...)
	return u
}

// span returns a variable of a text by its first one: those of a text are in one chunk.
func (s *splitter) span(first uint32, variable int) shape.Span {
	at := int(first) + variable
	return s.spans[at/spanChunk][at%spanChunk]
}

// longText is from how many bytes on a text without a shape is a long one. These are few
// and most of the bytes, and their words are others: apart from each other, fewer are
// unpacked to look for a word.
const longText = 2 << 10

// longShapeRows is how many rows a shape of so many bytes has at least.
const longShapeRows = 64

// buildText emits the column as shapes and variables, page after page. Shapes
// of fewer than shapeRows rows are not worth an entry.
func (c *columnBuilder) buildText(data *columnData, refs *referrer) error {
	c.meta.text = true
	c.filters = filterBuilder{words: hasWordFilters(c.meta.kind)}
	e := textEncoder{columnBuilder: c, splitter: split(data, c.meta.kind, refs), textRoom: &c.textRoom}
	refs.forget()
	e.rankShapes()
	codes := make([]uint32, len(data.rows))
	var plains, longs [][]byte
	var cut longBuilder
	for lo := 0; lo < len(codes); lo += PageRows {
		variables, plain, long := e.page(lo, codes[lo:min(lo+PageRows, len(codes))], &cut)
		plains, longs = append(plains, plain), append(longs, long)
		c.filters.endPage()
		cut.endPage()
		if variables == nil {
			continue
		}
		if err := c.emit(columnKey(c.number, itemText, uint32(lo/PageRows)), c.compress(variables)); err != nil {
			return err
		}
	}
	if err := c.emitPages(itemPlain, plains); err != nil {
		return err
	}
	if err := c.emitCoded(codes, e.shapes); err != nil {
		return err
	}
	if refs != nil {
		c.beGuide(codes)
	}
	if err := c.emitReferences(e.shapes); err != nil {
		return err
	}
	if err := c.emitPages(itemLong, longs); err != nil {
		return err
	}
	if err := c.emitLong(&cut); err != nil {
		return err
	}
	return c.buildFilters()
}

// emitPages emits those values of an item of the pages that there are.
func (c *columnBuilder) emitPages(item byte, values [][]byte) error {
	for page, value := range values {
		if value == nil {
			continue
		}
		if err := c.emit(columnKey(c.number, item, uint32(page)), value); err != nil {
			return err
		}
	}
	return nil
}

// textEncoder encodes the pages of a text column.
type textEncoder struct {
	*columnBuilder
	*splitter
	shapes    []string // sorted: the dictionary
	codeOf    []uint32 // number of a shape -> code, 0 for a rare one
	variables []int    // of each code

	*textRoom
}

// textRoom is memory that text columns use one after the other.
type textRoom struct {
	texts    []splitText
	slot     []string
	rowTimes []int64
	coded    []byte
	clocked  []byte

	counts    []uint32 // of the codes on a page; then where the rows of each end
	order     []uint32 // rows of the column, by code
	directory []byte
	bodies    []byte
}

// splitText is a text with a shape.
type splitText struct {
	text  string
	first uint32 // its first variable
}

// clockWorth is how many bytes a variable must take to be tried as a clock.
const clockWorth = 16

// rankShapes makes the dictionary. The names of other shapes are not needed any more:
// they may be most.
func (e *textEncoder) rankShapes() {
	var ranked []uint32 // numbers of those in the dictionary
	for number, name := range e.names {
		if e.rows[number] >= e.worth(name) {
			ranked = append(ranked, uint32(number))
		}
	}
	slices.SortFunc(ranked, func(x, y uint32) int { return cmp.Compare(e.names[x], e.names[y]) })
	e.shapes = make([]string, len(ranked))
	e.codeOf = make([]uint32, len(e.names))
	e.variables = make([]int, len(ranked)+1)
	for i, number := range ranked {
		e.shapes[i] = e.names[number]
		e.codeOf[number] = uint32(i) + 1
		e.variables[i+1] = shape.Variables(e.names[number])
	}
	e.numbers, e.names = nil, nil
}

// worth is how many rows a shape has at least. A long one of few rows has many variables of
// few values each: pieces of its texts, which repeat each other and others, take less.
func (e *textEncoder) worth(name string) uint32 {
	if len(name) >= longText && e.filters.words && e.builder.meta.cutsLong() {
		return longShapeRows
	}
	return shapeRows
}

// page encodes the text page that starts with row lo of the column and fills
// in its codes. It returns a directory of (code, values, bytes) with the bytes
// of each group, until the next page, and the compressed texts of code 0, those
// that are long apart, or in cut.
func (e *textEncoder) page(lo int, codes []uint32, cut *longBuilder) (variables, plain, long []byte) {
	e.counts = slices.Grow(e.counts[:0], len(e.variables))[:len(e.variables)]
	clear(e.counts)
	var rest, apart []string
	var places []int64 // of long ones among all of code 0
	for i := range codes {
		codes[i] = 0
		if u := e.unit(lo + i); u.shape != 0 {
			codes[i] = e.codeOf[u.shape-1]
		}
		e.counts[codes[i]]++
		if codes[i] != 0 {
			continue
		}
		text := e.text(lo + i)
		if len(text) >= longText && e.filters.words {
			places = append(places, int64(e.counts[0])-1)
			if e.builder.meta.cutsLong() {
				cut.add(text, places[len(places)-1])
			} else {
				apart = append(apart, text)
				e.filters.add(text, longWords)
			}
			continue
		}
		rest = append(rest, text)
		e.filters.add(text, plainWords)
	}
	if e.counts[0] > 0 {
		coded := binary.AppendUvarint(nil, uint64(len(places)))
		if len(places) > 0 {
			coded = e.encoder.AppendInts(coded, places)
		}
		if len(apart) > 0 {
			long = e.compressTexts(nil, apart)
		}
		plain = e.compressTexts(coded, rest)
	}
	return e.groups(lo, codes), plain, long
}

// groups returns the directory and the groups of a page, nil if all its codes are 0.
func (e *textEncoder) groups(lo int, codes []uint32) []byte {
	some, at := 0, uint32(0)
	for code, count := range e.counts[1:] {
		e.counts[code+1] = at // where its rows begin
		if at += count; count > 0 {
			some++
		}
	}
	if some == 0 {
		return nil
	}
	e.order = slices.Grow(e.order[:0], int(at))[:at]
	for i, code := range codes {
		if code != 0 {
			e.order[e.counts[code]] = uint32(lo + i)
			e.counts[code]++ // in the end where its rows end
		}
	}
	e.directory = binary.AppendUvarint(e.directory[:0], uint64(some))
	e.bodies = e.bodies[:0]
	last, from := 0, uint32(0)
	for code, end := range e.counts[1:] {
		if code++; end == from {
			continue
		}
		before := len(e.bodies)
		e.bodies = e.appendVariables(e.bodies, e.order[from:end], e.variables[code])
		e.directory = binary.AppendUvarint(e.directory, uint64(code-last))
		e.directory = binary.AppendUvarint(e.directory, uint64(end-from))
		e.directory = binary.AppendUvarint(e.directory, uint64(len(e.bodies)-before))
		last, from = code, end
	}
	e.directory = append(e.directory, e.bodies...)
	return e.directory
}

// compressTexts returns a frame of texts, behind what is in front of them.
func (e *textEncoder) compressTexts(front []byte, texts []string) []byte {
	e.raw = e.encoder.AppendStrings(append(e.raw[:0], front...), texts)
	e.check(e.raw[len(front):], texts)
	return e.compress(e.raw)
}

// appendVariables appends, for each variable of a shape, the length and the
// encoding of its values in the given rows.
func (e *textEncoder) appendVariables(dst []byte, rows []uint32, slots int) []byte {
	if slots == 0 {
		return dst
	}
	// A text is far from the one before: it is looked for once, not for each slot.
	e.texts = slices.Grow(e.texts[:0], len(rows))
	for _, i := range rows {
		e.texts = append(e.texts, splitText{e.text(int(i)), e.unit(int(i)).first})
	}
	for s := range slots {
		e.slot = slices.Grow(e.slot[:0], len(rows))
		for i := range e.texts {
			t := &e.texts[i]
			span := e.span(t.first, s)
			e.slot = append(e.slot, t.text[span.Start:span.End])
		}
		e.coded = e.encoder.AppendStrings(e.coded[:0], e.slot)
		for _, value := range e.encoder.Different() {
			e.filters.add(value, variableWords)
		}
		e.check(e.coded, e.slot)
		if _, ok := clockOf(e.slot[0]); ok && len(e.coded) > clockWorth {
			e.rowTimes = e.rowTimes[:0]
			for _, i := range rows {
				e.rowTimes = append(e.rowTimes, e.builder.times[e.data.rows[i]])
			}
			if e.clocked, ok = appendClock(e.clocked[:0], e.slot, e.rowTimes); ok && len(e.clocked) < len(e.coded) {
				e.coded, e.clocked = e.clocked, e.coded
			}
		}
		dst = binary.AppendUvarint(dst, uint64(len(e.coded)))
		dst = append(dst, e.coded...)
	}
	return dst
}
