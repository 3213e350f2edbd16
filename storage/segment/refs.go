package segment

import (
	"context"
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/internal/wire"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/shape"
	"github.com/stere-log/stere/storage/part"
)

// reference tells which shapes of a column refer to another column: there the
// other column's value stands in the text.
type reference struct {
	column *columnReader
	codes  []uint32 // ascending
}

// references returns what the column's shapes refer to.
func (c *columnReader) references() ([]reference, error) {
	if !c.meta.refers {
		return nil, nil
	}
	s := c.segment
	return cached(s, s.cacheKey(itemRefs, c.number, 0), func() ([]reference, int64, error) {
		raw, err := s.frame(columnKey(c.number, itemRefs, 0))
		if err != nil {
			return nil, 0, err
		}
		r := wire.NewReader(raw)
		var refs []reference
		for range r.Bounded(c.number) {
			number := r.Bounded(c.number)
			n := r.Bounded(c.meta.dict)
			if number >= c.number || r.Failed() {
				r.Fail()
				break
			}
			ref := reference{column: s.columns[number].(*columnReader)}
			last := uint32(0)
			for range n {
				step := r.Bounded(c.meta.dict - last)
				if last += step; step == 0 {
					r.Fail()
					break
				}
				ref.codes = append(ref.codes, last)
			}
			refs = append(refs, ref)
		}
		if !r.Done() {
			return nil, 0, fmt.Errorf("references of %q: %w", c.meta.path, ErrCorrupt)
		}
		return refs, 4*int64(len(raw)) + 64*int64(len(refs)), nil
	})
}

// rowsByReference returns the rows of within whose text refers to a value in
// which the probe finds what it looks for.
func (c *columnReader) rowsByReference(ctx context.Context, p *probe, within *index.DocSet) (*index.DocSet, error) {
	return c.eachReference(ctx, within, func(ref reference, left *index.DocSet) (*index.DocSet, error) {
		return ref.column.leaf(ctx, p, left)
	})
}

// eachReference joins what find returns for each reference, as far as the
// shape of the row has it.
func (c *columnReader) eachReference(ctx context.Context, within *index.DocSet, find func(ref reference, left *index.DocSet) (*index.DocSet, error)) (*index.DocSet, error) {
	found := index.NewDocSet()
	refs, err := c.references()
	if err != nil {
		return nil, err
	}
	for _, ref := range refs {
		rows, err := find(ref, within)
		if err != nil {
			return nil, err
		}
		if rows.IsEmpty() {
			continue
		}
		if rows, err = c.rowsOfCodes(ctx, ref.codes, rows); err != nil {
			return nil, err
		}
		found.Or(rows)
	}
	return found, nil
}

// mayReach reports whether the phrase may reach into a variable, or into a value that texts
// refer to. One of its words is there then, and each of them there or in a shape: of most
// phrases that somebody watches for, filters and dictionaries say that none is.
func (c *columnReader) mayReach(p *probe) (bool, error) {
	if strings.ContainsFunc(p.pred.(index.Phrase).Folded(), betweenWords) {
		return true, nil
	}
	reaches := false
	for i, word := range p.hints.Words {
		beside, err := c.mayHaveBeside(p, i)
		if err != nil {
			return false, err
		}
		if !beside && len(c.entriesWith(p, word)) == 0 {
			return false, nil
		}
		reaches = reaches || beside
	}
	return reaches, nil
}

// betweenWords reports whether a rune of a phrase is no part of a word, and more than a space.
func betweenWords(r rune) bool { return r != ' ' && !index.IsWordRune(r) }

// mayHaveBeside reports whether a variable of the column, or a value that its texts refer to,
// may have the i-th word of the hint.
func (c *columnReader) mayHaveBeside(p *probe, i int) (bool, error) {
	word := p.hints.Words[i]
	pages, err := c.pagesWithWord(word, p.along, variableWords)
	if err != nil || len(pages) > 0 {
		return true, err
	}
	refs, err := c.references()
	if err != nil {
		return false, err
	}
	for _, ref := range refs {
		other := ref.column
		if len(other.entriesWith(p, word)) > 0 {
			return true, nil
		}
		if !other.meta.text {
			continue
		}
		for _, source := range []wordSource{plainWords, longWords} {
			if pages, err := other.pagesWithWord(word, p.along, source); err != nil || len(pages) > 0 {
				return true, err
			}
		}
		if may, err := other.mayHaveBeside(p, i); err != nil || may {
			return true, err
		}
	}
	return false, nil
}

// wordProbe is the probe of one word of the hint.
func (p *probe) wordProbe(i int) *probe {
	word := p.hints.Words[i]
	pred := index.Word{Folded: word}
	return &probe{pred: pred, hints: pred.Hints(), entries: p.perWord[i], perWord: p.perWord[i : i+1], narrowed: true, exact: true, along: p.along}
}

// referenceText returns the values that the groups' shapes refer to: for each
// column the rows' values, in the order of rows.
type referenceTexts struct {
	rows   map[uint32][]uint32 // column -> rows that need its value, ascending
	values map[uint32][]string
	next   map[uint32]int
}

// need notes that a row's text refers to columns.
func (t *referenceTexts) need(columns []uint32, row uint32) {
	if t.rows == nil {
		t.rows = map[uint32][]uint32{}
	}
	for i, number := range columns {
		if !slices.Contains(columns[:i], number) {
			t.rows[number] = append(t.rows[number], row)
		}
	}
}

// read gets the values, those of columns that are known from these.
func (t *referenceTexts) read(ctx context.Context, c *columnReader, known []*part.Values) error {
	t.values, t.next = make(map[uint32][]string, len(t.rows)), make(map[uint32]int, len(t.rows))
	for number, rows := range t.rows {
		if number >= c.number {
			return fmt.Errorf("%w: a reference to column %d", ErrCorrupt, number)
		}
		var values part.Values
		if int(number) < len(known) && known[number] != nil {
			values = *known[number]
		} else {
			var err error
			if values, err = c.segment.columns[number].(*columnReader).Gather(ctx, index.DocSetOf(rows...)); err != nil {
				return err
			}
		}
		texts := make([]string, 0, len(rows))
		for i, row := range values.Rows {
			if len(texts) < len(rows) && row == rows[len(texts)] {
				texts = append(texts, values.Dict[values.Codes[i]])
			}
		}
		if len(texts) != len(rows) {
			return fmt.Errorf("%w: %d values of column %d for %d references", ErrCorrupt, len(texts), number, len(rows))
		}
		t.values[number] = texts
	}
	return nil
}

// take appends the next row's values of the columns to dst.
func (t *referenceTexts) take(dst []string, columns []uint32) []string {
	for i, number := range columns {
		at := t.next[number]
		if slices.Contains(columns[:i], number) {
			at-- // this row's value was taken already
		} else {
			t.next[number] = at + 1
		}
		dst = append(dst, t.values[number][at])
	}
	return dst
}

// rowsTouching returns the rows of within whose text refers to a value that a
// regular expression's literal may lie in or reach into. Such a value holds a
// piece of a word of the literal, or the literal starts or ends beside words.
func (c *columnReader) rowsTouching(ctx context.Context, literal string, within *index.DocSet) (*index.DocSet, error) {
	ends := strings.Trim(literal, " ") // no value starts or ends with a space
	first, _ := utf8.DecodeRuneInString(ends)
	last, _ := utf8.DecodeLastRuneInString(ends)
	open := !index.IsWordRune(first) || !index.IsWordRune(last)
	pieces := strings.FieldsFunc(literal, func(r rune) bool { return !index.IsWordRune(r) })
	return c.eachReference(ctx, within, func(ref reference, left *index.DocSet) (*index.DocSet, error) {
		if open {
			return left, nil
		}
		found := index.NewDocSet()
		for _, piece := range pieces {
			rows, err := ref.column.rowsContaining(ctx, piece, left)
			if err != nil {
				return nil, err
			}
			found.Or(rows)
		}
		return found, nil
	})
}

// rowsContaining returns rows of within, among them all whose value contains
// a text that is a piece of one word.
func (c *columnReader) rowsContaining(ctx context.Context, piece string, within *index.DocSet) (*index.DocSet, error) {
	if c.meta.kind == model.Number && !numberWord(index.Fold(piece)) {
		return index.NewDocSet(), nil
	}
	var codes []uint32
	err := c.entriesContaining(piece, func(entry uint32, _ string) { codes = append(codes, entry+c.meta.codeBase()) })
	if err != nil {
		return nil, err
	}
	found, err := c.rowsOfCodes(ctx, codes, within)
	if err != nil || !c.meta.text {
		return found, err
	}
	return c.rowsWithLoosePiece(ctx, piece, codes, found, within)
}

// wholeNames names messages whose shapes refer to other columns by the outlines of the
// whole messages. What such an outline is follows from the shape and the outlines of the
// values, of which there are few: no variable is read.
type wholeNames struct {
	column  patternColumn
	name    func(outline string) string
	shapes  map[uint32]*wholeShape   // by code
	texts   map[uint32]patternColumn // by number: columns of texts that are referred to
	values  []shape.Value            // different ones
	numbers map[string]uint32        // of these, by outline and tail
	names   map[string]uint32
	found   loosePatterns
	open    []uint32 // rows whose message has to be read
	room    []byte
}

// wholeShape is a shape with what its messages are named.
type wholeShape struct {
	textShape
	made map[string]uint32 // by numbers of outlines: number of the name, or referring
}

// nameReferring names the messages in rows, which ascend and have these codes: all of
// them, or as many of each code as the naming wants, all over the rows.
func (c patternColumn) nameReferring(ctx context.Context, rows, codes []uint32) (*loosePatterns, error) {
	if c.naming.Some == 0 {
		return c.nameWhole(ctx, rows, codes)
	}
	of := map[uint32]int{}
	for _, code := range codes {
		of[code]++
	}
	met, last := make(map[uint32]int, len(of)), make(map[uint32]uint32, len(of))
	var some, someCodes []uint32
	for i, code := range codes {
		if met[code]%(of[code]/c.naming.Some+1) == 0 {
			some, someCodes = append(some, rows[i]), append(someCodes, code)
		}
		met[code]++
	}
	named, err := c.nameWhole(ctx, some, someCodes)
	if err != nil {
		return nil, err
	}
	all := &loosePatterns{dict: named.dict, rows: rows, numbers: make([]uint32, len(rows))}
	at := 0
	for i, row := range rows {
		if at < len(named.rows) && named.rows[at] == row {
			last[codes[i]] = named.numbers[at]
			at++
		}
		all.numbers[i] = last[codes[i]]
	}
	return all, nil
}

// nameWhole names the messages in rows, which ascend and have these codes.
func (c patternColumn) nameWhole(ctx context.Context, rows, codes []uint32) (*loosePatterns, error) {
	w := &wholeNames{
		column: c, name: c.naming.Start(), shapes: map[uint32]*wholeShape{}, texts: map[uint32]patternColumn{}, numbers: map[string]uint32{}, names: map[string]uint32{},
	}
	for len(rows) > 0 {
		n := min(len(rows), loosePiece)
		if err := w.add(ctx, rows[:n], codes[:n]); err != nil {
			return nil, err
		}
		rows, codes = rows[n:], codes[n:]
	}
	if len(w.open) == 0 {
		return &w.found, nil
	}
	named := &loosePatterns{dict: w.found.dict}
	for open, at := w.open, 0; ; {
		n := min(len(open), loosePiece)
		read, err := c.readLoose(ctx, index.DocSetOf(open[:n]...))
		if err != nil {
			return nil, err
		}
		for i, row := range read.rows {
			for ; at < len(w.found.rows) && w.found.rows[at] < row; at++ {
				named.rows, named.numbers = append(named.rows, w.found.rows[at]), append(named.numbers, w.found.numbers[at])
			}
			named.rows, named.numbers = append(named.rows, row), append(named.numbers, w.number(named, read.dict[read.numbers[i]]))
		}
		if open = open[n:]; len(open) == 0 {
			named.rows, named.numbers = append(named.rows, w.found.rows[at:]...), append(named.numbers, w.found.numbers[at:]...)
			return named, nil
		}
	}
}

// number returns that of a name.
func (w *wholeNames) number(in *loosePatterns, name string) uint32 {
	number, known := w.names[name]
	if !known {
		number = uint32(len(in.dict))
		w.names[name] = number
		in.dict = append(in.dict, name)
	}
	return number
}

// outlinesOf are the values of a column that rows refer to, one after the other.
type outlinesOf struct {
	values part.Values
	at     int
	number []uint32 // by number of the value: of its outline and 1, 0 for one not met yet
	named  bool     // the values are outlines already
}

// outlineNaming names texts by their outlines.
var outlineNaming = &part.Naming{Key: "outline", Start: func() func(string) string {
	return func(outline string) string { return outline }
}}

// outlinesIn returns what rows have in a column that shapes refer to. Of texts these are
// outlines: they follow from shapes, without a look at variables.
func (w *wholeNames) outlinesIn(ctx context.Context, number uint32, rows []uint32) (*outlinesOf, error) {
	if number >= w.column.number {
		return nil, fmt.Errorf("%w: a reference to column %d", ErrCorrupt, number)
	}
	source := w.column.segment.columns[number].(*columnReader)
	of := &outlinesOf{named: source.meta.text}
	var err error
	if of.named {
		texts, known := w.texts[number]
		if !known {
			texts = patternColumn{columnReader: source, naming: outlineNaming, exact: true}
			if texts.known, _, err = texts.namePatterns(); err != nil {
				return nil, err
			}
			w.texts[number] = texts
		}
		of.values, err = texts.Gather(ctx, index.DocSetOf(rows...))
	} else {
		of.values, err = source.Gather(ctx, index.DocSetOf(rows...))
	}
	of.number = make([]uint32, len(of.values.Dict))
	return of, err
}

// add names the messages in some rows.
func (w *wholeNames) add(ctx context.Context, rows, codes []uint32) error {
	var needed referenceTexts
	shapes := make([]*wholeShape, len(codes))
	for i, code := range codes {
		if i > 0 && code == codes[i-1] {
			shapes[i] = shapes[i-1]
		} else if err := w.shape(code, &shapes[i]); err != nil {
			return err
		}
		needed.need(shapes[i].refs, rows[i])
	}
	of := make([]*outlinesOf, w.column.number)
	for number, rows := range needed.rows {
		outlines, err := w.outlinesIn(ctx, number, rows)
		if err != nil {
			return err
		}
		of[number] = outlines
	}
	var key []byte
	for i, form := range shapes {
		key = key[:0]
		for _, number := range form.refs {
			outline, err := w.outline(of[number], rows[i])
			if err != nil {
				return err
			}
			key = binary.LittleEndian.AppendUint32(key, outline)
		}
		name, known := form.made[string(key)]
		if !known {
			name = w.make(form.name, key)
			form.made[string(key)] = name
		}
		if name == referring {
			w.open = append(w.open, rows[i])
			continue
		}
		w.found.rows, w.found.numbers = append(w.found.rows, rows[i]), append(w.found.numbers, name)
	}
	return ctx.Err()
}

// shape finds the shape of a code.
func (w *wholeNames) shape(code uint32, form **wholeShape) error {
	if *form = w.shapes[code]; *form != nil {
		return nil
	}
	names, err := w.column.shapesOf([]uint32{code})
	if err != nil {
		return err
	}
	text, err := w.column.textShape(names[0])
	*form = &wholeShape{textShape: text, made: map[string]uint32{}}
	w.shapes[code] = *form
	return err
}

// outline returns the number of the outline of a row's value.
func (w *wholeNames) outline(of *outlinesOf, row uint32) (uint32, error) {
	for of.at < len(of.values.Rows) && of.values.Rows[of.at] < row {
		of.at++
	}
	if of.at == len(of.values.Rows) || of.values.Rows[of.at] != row {
		return 0, fmt.Errorf("%w: no value for a reference", ErrCorrupt)
	}
	number := &of.number[of.values.Codes[of.at]]
	if *number == 0 {
		value := of.values.Dict[of.values.Codes[of.at]]
		if of.named {
			w.room = append(w.room[:0], value...)
		} else {
			w.room = shape.AppendMessageOutline(w.room[:0], value)
		}
		if reduce := w.column.naming.Reduce; reduce != nil {
			w.room = append(w.room[:0], reduce(string(w.room))...)
		}
		found := shape.Value{}
		if !w.column.naming.Apart && !of.named { // else nobody asks for it, or it is not known
			found.Tail = shape.TailOf(value)
		}
		w.room = append(w.room, found.Tail)
		known, ok := w.numbers[string(w.room)]
		if !ok {
			key := string(w.room)
			found.Outline, known = key[:len(key)-1], uint32(len(w.values))
			w.values, w.numbers[key] = append(w.values, found), known
		}
		*number = known + 1
	}
	return *number - 1, nil
}

// make names a shape with the outlines of values.
func (w *wholeNames) make(name string, numbers []byte) uint32 {
	values := make([]shape.Value, 0, len(numbers)/4)
	for ; len(numbers) > 0; numbers = numbers[4:] {
		values = append(values, w.values[binary.LittleEndian.Uint32(numbers)])
	}
	outline, sure := shape.WholeOutline(name, values)
	if !sure && !w.column.naming.Apart {
		return referring
	}
	return w.number(&w.found, w.name(outline))
}
