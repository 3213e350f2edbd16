package segment

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/shape"
	"github.com/stere-log/stere/storage/column"
	"github.com/stere-log/stere/storage/part"
)

// patternColumn is the patterns of a column of messages. Those of shapes come
// from the dictionary; only texts without a shape are read.
type patternColumn struct {
	*columnReader
	naming *part.Naming // nil: patterns
	exact  bool         // names of texts without a shape are too many to be kept, and none is left out
	known  *patterns    // those of the dictionary, of one who is exact: they are too many, too
}

var _ part.Column = patternColumn{}

// Patterns implements part.Part.
func (s *Segment) Patterns(naming *part.Naming) part.Column {
	for _, source := range s.named[model.FieldMessage] {
		if c := source.(*columnReader); c.meta.kind == model.String {
			return patternColumn{columnReader: c, naming: naming}
		}
	}
	return nil
}

// Distinct implements part.Column.
func (c patternColumn) Distinct() uint32 { return c.meta.count }

// Texts implements part.Texts: patterns are few.
func (c patternColumn) Texts() bool { return false }

// patterns are the distinct patterns of a column's dictionary.
type patterns struct {
	dict   []string
	ofCode []uint32 // code -> number in dict, or referring; of a text without a shape none
}

// referring is instead of the number of a pattern where the values of other fields
// decide.
const referring = ^uint32(0)

// whole reports whether outlines of whole messages are named, and shapes refer to other
// fields.
func (c patternColumn) whole() bool { return c.meta.refers && c.naming != nil }

// patterns returns the patterns of the dictionary.
func (c patternColumn) patterns() (*patterns, error) {
	if c.known != nil {
		return c.known, nil
	}
	return cached(c.segment, c.patternsKey(0), c.namePatterns)
}

// namePatterns makes the patterns of the dictionary, and says what they take.
func (c patternColumn) namePatterns() (*patterns, int64, error) {
	ofShape, ofText := c.namers()
	entries, err := c.dict()
	if err != nil {
		return nil, 0, err
	}
	base := c.meta.codeBase()
	p := &patterns{ofCode: make([]uint32, uint32(len(entries))+base)}
	numbers := make(map[string]uint32, len(entries)+1)
	if rare, err := c.rare(); err != nil {
		return nil, 0, err
	} else if rare {
		numbers[shape.RarePattern] = 0
		p.dict = append(p.dict, shape.RarePattern)
	}
	for i, entry := range entries {
		if c.whole() && strings.IndexByte(entry, shape.Reference) >= 0 {
			p.ofCode[uint32(i)+base] = referring
			continue
		}
		text := ""
		if c.meta.text {
			text = ofShape(entry)
		} else {
			text = ofText(entry, nil)
		}
		number, known := numbers[text]
		if !known {
			number = uint32(len(p.dict))
			numbers[text] = number
			p.dict = append(p.dict, text)
		}
		p.ofCode[uint32(i)+base] = number
	}
	return p, textBytes(p.dict) + 4*int64(len(p.ofCode)), nil
}

// patternsKey is where patterns of the column are kept.
func (c patternColumn) patternsKey(item uint32) cacheKey {
	key := c.segment.cacheKey(cachedPatterns, c.number, item)
	if c.naming != nil {
		key.text = c.naming.Key
	}
	return key
}

// namers returns what makes patterns of shapes and of texts without one.
func (c patternColumn) namers() (ofShape func(string) string, ofText func(string, []string) string) {
	if c.naming == nil {
		return shape.Pattern, shape.MessagePattern
	}
	name := c.naming.Start()
	ofShape = func(entry string) string { return name(shape.Outline(entry)) }
	if c.naming.Texts {
		return ofShape, func(text string, _ []string) string { return name(text[:min(len(text), shape.MessageMax)]) }
	}
	return ofShape, func(text string, _ []string) string { return name(shape.MessageOutline(text)) }
}

// looseMax is up to how many texts without a shape in a segment are looked at.
// Where there are more, all have the pattern shape.RarePattern: hardly any two
// of them are alike.
const looseMax = 2 << 10

// loosePiece is how many of them are in memory at once.
const loosePiece = 16 << 10

// rare reports whether the texts without a shape have the rare pattern, which is
// the first of the dictionary then.
func (c patternColumn) rare() (bool, error) {
	if !c.meta.text || c.naming != nil {
		return false, nil
	}
	counts, err := c.counts()
	return err == nil && counts[0] > looseMax, err
}

// loosePatterns are the patterns of texts without a shape.
type loosePatterns struct {
	dict    []string
	bytes   int64    // what the dictionary takes, about
	rows    []uint32 // ascending
	numbers []uint32 // in dict, of each row
}

// Gather implements part.Column.
func (c patternColumn) Gather(ctx context.Context, rows *index.DocSet) (part.Values, error) {
	if rows == nil {
		rows = index.DocSetRange(0, c.segment.meta.Rows)
	}
	present, places, err := c.places(rows)
	if err != nil {
		return part.Values{}, err
	}
	known, err := c.patterns()
	if err != nil {
		return part.Values{}, err
	}
	rare, err := c.rare()
	if err != nil {
		return part.Values{}, err
	}
	out := part.Values{Rows: present, Codes: make([]uint32, 0, len(places)), Dict: known.dict}
	var without, refer, referCodes []uint32 // numbers in out, and what else decides there
	err = c.eachCodePage(ctx, places, func(page uint32, from, to int, codes *column.CodePage) error {
		out.Codes = codes.AppendAt(out.Codes, places[from:to], page*PageRows)
		for n := from; n < to; n++ {
			code := out.Codes[n]
			switch {
			case code == 0 && c.meta.text && !rare:
				without = append(without, uint32(n))
			case known.ofCode[code] == referring:
				refer, referCodes = append(refer, uint32(n)), append(referCodes, code)
			default:
				out.Codes[n] = known.ofCode[code]
			}
		}
		return ctx.Err()
	})
	if err != nil {
		return part.Values{}, err
	}
	if len(without) > 0 {
		loose, err := c.loose(ctx, present, without)
		if err != nil {
			return part.Values{}, err
		}
		loose.putInto(&out, without)
	}
	if len(refer) > 0 {
		named, err := c.nameReferring(ctx, rowsAt(present, refer), referCodes)
		if err != nil {
			return part.Values{}, err
		}
		named.putInto(&out, refer)
	}
	return out, nil
}

// rowsAt returns the rows at some places.
func rowsAt(present, places []uint32) []uint32 {
	rows := make([]uint32, len(places))
	for i, n := range places {
		rows[i] = present[n]
	}
	return rows
}

// putInto gives the values at some places these patterns.
func (l *loosePatterns) putInto(out *part.Values, places []uint32) {
	out.Dict = slices.Clone(out.Dict)
	numbers := make(map[string]uint32, len(out.Dict))
	for number, text := range out.Dict {
		numbers[text] = uint32(number)
	}
	to := make([]uint32, len(l.dict))
	for i, text := range l.dict {
		number, ok := numbers[text]
		if !ok {
			number = uint32(len(out.Dict))
			out.Dict = append(out.Dict, text)
		}
		to[i] = number
	}
	at := 0
	for _, n := range places {
		for l.rows[at] < out.Rows[n] {
			at++
		}
		out.Codes[n] = to[l.numbers[at]]
	}
}

// someShare is which share of the texts without a shape, one in so many, is read by
// itself when it is asked for; of few names it is all but that share. Where there can be
// as many patterns as texts, someMax is of how many: of so few, patterns that take
// looseBytesMax would have to be of 2 KiB each.
const (
	someShare = 4
	someMax   = 4 << 10
)

// loose returns the patterns of at least those rows among present that have no shape.
// Where few are asked for, as of errors, and for the first time, only they are read.
func (c patternColumn) loose(ctx context.Context, present, without []uint32) (*loosePatterns, error) {
	if c.exact {
		return c.readLoose(ctx, index.DocSetOf(rowsAt(present, without)...))
	}
	counts, err := c.counts()
	if err != nil {
		return nil, err
	}
	const all, first = 1, 2 // items of the key: those of all rows, and from which page on some were read
	many, most := counts[0] > someMax, counts[0]/someShare
	if c.naming != nil && c.naming.Few {
		many, most = false, counts[0]-most
	}
	if !c.meta.text || many || int64(len(without)) > most || c.segment.cache.holds(c.patternsKey(all)) ||
		c.segment.cache.readings.again(c.patternsKey(first+present[without[0]]/PageRows)) {
		return c.allLoose(ctx)
	}
	return c.readLoose(ctx, index.DocSetOf(rowsAt(present, without)...))
}

// allLoose returns the patterns of all rows without a shape.
func (c patternColumn) allLoose(ctx context.Context) (*loosePatterns, error) {
	return cached(c.segment, c.patternsKey(1), func() (*loosePatterns, int64, error) {
		rows, err := c.codeRows(ctx, 0)
		if err != nil {
			return nil, 0, err
		}
		loose := &loosePatterns{}
		numbers := map[string]uint32{}
		for left := rows.ToArray(); len(left) > 0; {
			n := min(len(left), loosePiece)
			piece, err := c.readLoose(ctx, index.DocSetOf(left[:n]...))
			if err != nil {
				return nil, 0, err
			}
			loose.add(piece, numbers)
			left = left[n:]
		}
		return loose, textBytes(loose.dict) + 8*int64(len(loose.rows)), nil
	})
}

// looseBytesMax is how much the patterns of texts without a shape in a segment may
// take. What comes beyond has the pattern shape.RarePattern: a pattern for each text
// says no more.
const looseBytesMax = 8 << 20

// add appends the patterns of later rows; numbers are those of dict.
func (l *loosePatterns) add(piece *loosePatterns, numbers map[string]uint32) {
	to := make([]uint32, len(piece.dict))
	for i, text := range piece.dict {
		number, known := numbers[text]
		if !known && l.bytes > looseBytesMax {
			text = shape.RarePattern
			number, known = numbers[text]
		}
		if !known {
			number = uint32(len(l.dict))
			numbers[text] = number
			l.dict = append(l.dict, text)
			l.bytes += textBytes([]string{text})
		}
		to[i] = number
	}
	l.rows = append(l.rows, piece.rows...)
	for _, number := range piece.numbers {
		l.numbers = append(l.numbers, to[number])
	}
}

// readLoose reads texts without a shape and makes their patterns, in which the
// values of columns that shapes refer to are stars.
func (c patternColumn) readLoose(ctx context.Context, rows *index.DocSet) (*loosePatterns, error) {
	texts, err := c.gatherPiece(ctx, rows)
	if err != nil {
		return nil, err
	}
	var refs []reference
	if c.naming == nil {
		if refs, err = c.references(); err != nil {
			return nil, err
		}
	}
	beside := make([]part.Values, len(refs))
	for i, ref := range refs {
		if beside[i], err = ref.column.Gather(ctx, rows); err != nil {
			return nil, err
		}
	}
	if c.naming != nil && !c.naming.Texts {
		return c.nameLoose(texts), nil
	}
	_, ofText := c.namers()
	loose := &loosePatterns{rows: texts.Rows, numbers: make([]uint32, len(texts.Rows))}
	numbers := map[string]uint32{}
	at := make([]int, len(refs))
	var values []string
	for n, row := range texts.Rows {
		values = values[:0]
		for i := range beside {
			b := &beside[i]
			for at[i] < len(b.Rows) && b.Rows[at[i]] < row {
				at[i]++
			}
			if at[i] < len(b.Rows) && b.Rows[at[i]] == row {
				if value := b.Dict[b.Codes[at[i]]]; len(value) >= referenceMin && referable(value) {
					values = append(values, value)
				}
			}
		}
		slices.SortStableFunc(values, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
		text := ofText(texts.Dict[texts.Codes[n]], values)
		number, known := numbers[text]
		if !known {
			number = uint32(len(loose.dict))
			numbers[text] = number
			loose.dict = append(loose.dict, text)
		}
		loose.numbers[n] = number
	}
	return loose, nil
}

// nameLoose names texts by their outlines, of which each is named once: most texts share
// theirs with others.
func (c patternColumn) nameLoose(texts part.Values) *loosePatterns {
	loose := &loosePatterns{rows: texts.Rows, numbers: make([]uint32, len(texts.Rows))}
	name := c.naming.Start()
	ofOutline, ofName := map[string]uint32{}, map[string]uint32{}
	var outline []byte
	for n, code := range texts.Codes {
		outline = shape.AppendMessageOutline(outline[:0], texts.Dict[code])
		number, known := ofOutline[string(outline)]
		if !known {
			whole := string(outline)
			text := name(whole)
			if number, known = ofName[text]; !known {
				number = uint32(len(loose.dict))
				ofName[text] = number
				loose.dict = append(loose.dict, text)
			}
			ofOutline[whole] = number
		}
		loose.numbers[n] = number
	}
	return loose
}

// gatherPiece returns the texts of rows.
func (c patternColumn) gatherPiece(ctx context.Context, rows *index.DocSet) (part.Values, error) {
	texts, err := c.columnReader.Gather(ctx, rows)
	if err == nil && len(texts.Rows) != int(rows.GetCardinality()) {
		err = fmt.Errorf("texts of %q without a shape: %w", c.meta.path, ErrCorrupt)
	}
	return texts, err
}

// Counts implements part.Column. Of all rows no page of codes is read.
func (c patternColumn) Counts(ctx context.Context, rows *index.DocSet) ([]part.ValueCount, error) {
	if c.whole() || rows != nil && rows.GetCardinality() < uint64(c.segment.meta.Rows) {
		values, err := c.Gather(ctx, rows)
		if err != nil {
			return nil, err
		}
		counts := make([]uint64, len(values.Dict))
		for _, code := range values.Codes {
			counts[code]++
		}
		return valueCounts(values.Dict, counts), nil
	}
	known, err := c.patterns()
	if err != nil {
		return nil, err
	}
	ofCode, err := c.counts()
	if err != nil {
		return nil, err
	}
	rare, err := c.rare()
	if err != nil {
		return nil, err
	}
	dict, counts := known.dict, make([]uint64, len(known.dict))
	for code, n := range ofCode {
		if code > 0 || !c.meta.text || rare {
			counts[known.ofCode[code]] += uint64(n)
		}
	}
	if !c.meta.text || ofCode[0] == 0 || rare {
		return valueCounts(dict, counts), nil
	}
	loose, err := c.allLoose(ctx)
	if err != nil {
		return nil, err
	}
	numbers := make(map[string]int, len(dict))
	for number, text := range dict {
		numbers[text] = number
	}
	dict = slices.Clone(dict)
	to := make([]int, len(loose.dict))
	for i, text := range loose.dict {
		number, ok := numbers[text]
		if !ok {
			number = len(dict)
			dict, counts = append(dict, text), append(counts, 0)
		}
		to[i] = number
	}
	for _, number := range loose.numbers {
		counts[to[number]]++
	}
	return valueCounts(dict, counts), nil
}

// valueCounts returns the values that occur.
func valueCounts(dict []string, counts []uint64) (out []part.ValueCount) {
	for number, n := range counts {
		if n > 0 {
			out = append(out, part.ValueCount{Value: dict[number], Count: n})
		}
	}
	return out
}
