package segment

import (
	"encoding/binary"
	"maps"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/shape"
	"github.com/stere-log/stere/storage/column"
)

// textSource is the values of a text column.
type textSource struct {
	rows   []uint32          // output rows, ascending
	shapes map[string]uint64 // shape -> about how many rows have it
	next   func() (string, error)
}

// texts returns the column as a source of texts. Values of another kind than
// string have no shape.
func (d *columnData) texts(kind model.Kind) textSource {
	src := textSource{rows: d.rows, shapes: map[string]uint64{}}
	if kind == model.String {
		rowsOf := make([]uint64, len(d.dict))
		for _, value := range d.codes {
			rowsOf[value]++
		}
		var counter shapeCounter
		for value, text := range d.dict {
			counter.add(src.shapes, text, rowsOf[value])
		}
	}
	at := 0
	src.next = func() (string, error) {
		at++
		return d.dict[d.codes[at-1]], nil
	}
	return src
}

// shapeCounter counts rows by shape; it keeps scratch space.
type shapeCounter struct {
	shape []byte
	vars  []string
}

func (c *shapeCounter) add(into map[string]uint64, text string, rows uint64) {
	var ok bool
	if c.shape, c.vars, ok = shape.Append(c.shape[:0], c.vars[:0], text); ok {
		if count, known := into[string(c.shape)]; known {
			into[string(c.shape)] = count + rows
		} else {
			into[string(c.shape)] = rows
		}
	}
}

// buildText emits the column as shapes and variables, page after page. Shapes
// of fewer than shapeRows rows are not worth an entry.
func (c *columnBuilder) buildText(src textSource) error {
	c.meta.text = true
	c.filters = filterBuilder{words: hasWordFilters(c.meta.kind)}
	e := textEncoder{columnBuilder: c, codeOf: map[string]uint32{}}
	for name, rows := range src.shapes {
		if rows >= shapeRows {
			e.shapes = append(e.shapes, name)
		}
	}
	slices.Sort(e.shapes)
	for i, name := range e.shapes {
		e.codeOf[name] = uint32(i) + 1
	}
	codes := make([]uint32, len(src.rows))
	texts := make([]string, 0, PageRows)
	var plains [][]byte
	for lo := 0; lo < len(codes); lo += PageRows {
		page := codes[lo:min(lo+PageRows, len(codes))]
		texts = texts[:0]
		for range page {
			text, err := src.next()
			if err != nil {
				return err
			}
			texts = append(texts, text)
		}
		variables, plain := e.page(texts, page)
		plains = append(plains, plain)
		c.filters.endPage()
		if variables == nil {
			continue
		}
		if err := c.emit(columnKey(c.number, itemText, uint32(lo/PageRows)), c.compress(variables)); err != nil {
			return err
		}
	}
	for page, plain := range plains {
		if plain == nil {
			continue
		}
		if err := c.emit(columnKey(c.number, itemPlain, uint32(page)), plain); err != nil {
			return err
		}
	}
	if err := c.emitCoded(codes, e.shapes); err != nil {
		return err
	}
	return c.buildFilters()
}

// textEncoder encodes the pages of a text column.
type textEncoder struct {
	*columnBuilder
	shapes []string
	codeOf map[string]uint32

	shape []byte
	vars  []string
	first []int // of each text: its first variable in vars
}

// page encodes one text page and fills in its codes. It returns a directory
// of (code, values, bytes) with the bytes of each group, and the compressed
// texts of code 0.
func (e *textEncoder) page(texts []string, codes []uint32) (variables, plain []byte) {
	e.vars, e.first = e.vars[:0], e.first[:0]
	groups := map[uint32][]int{} // code -> numbers of its texts
	for i, text := range texts {
		e.first = append(e.first, len(e.vars))
		codes[i] = 0
		if len(e.shapes) > 0 {
			var ok bool
			if e.shape, e.vars, ok = shape.Append(e.shape[:0], e.vars, text); ok {
				codes[i] = e.codeOf[string(e.shape)]
			}
		}
		groups[codes[i]] = append(groups[codes[i]], i)
	}
	if numbers, ok := groups[0]; ok {
		rest := make([]string, len(numbers))
		for i, number := range numbers {
			rest[i] = texts[number]
			e.filters.add(rest[i], plainWords)
		}
		plain = e.compress(column.AppendStrings(nil, rest))
		delete(groups, 0)
	}
	if len(groups) == 0 {
		return nil, plain
	}
	var directory, bodies []byte
	directory = binary.AppendUvarint(directory, uint64(len(groups)))
	var last uint32
	for _, code := range slices.Sorted(maps.Keys(groups)) {
		before := len(bodies)
		bodies = e.appendVariables(bodies, groups[code], shape.Variables(e.shapes[code-1]))
		directory = binary.AppendUvarint(directory, uint64(code-last))
		directory = binary.AppendUvarint(directory, uint64(len(groups[code])))
		directory = binary.AppendUvarint(directory, uint64(len(bodies)-before))
		last = code
	}
	return append(directory, bodies...), plain
}

// appendVariables appends, for each variable of a shape, the length and the
// encoding of its values in the given texts.
func (e *textEncoder) appendVariables(dst []byte, numbers []int, slots int) []byte {
	slot := make([]string, len(numbers))
	var coded []byte
	for s := range slots {
		for i, number := range numbers {
			slot[i] = e.vars[e.first[number]+s]
			e.filters.add(slot[i], variableWords)
		}
		coded = column.AppendStrings(coded[:0], slot)
		dst = binary.AppendUvarint(dst, uint64(len(coded)))
		dst = append(dst, coded...)
	}
	return dst
}

// wordSource tells where on a text page a word is.
type wordSource uint8

const (
	variableWords wordSource = iota // in a variable
	plainWords                      // in a text without a shape
	wordSources
)

// filterBuilder gathers the words of a column's text pages.
type filterBuilder struct {
	words  bool // whether the column has filters at all
	page   map[uint64]struct{}
	pages  [][]uint64 // sorted word hashes of each page
	edges  [wordSources]edges
	recent string // the last text added: repeats are common
}

func (f *filterBuilder) add(text string, source wordSource) {
	if !f.words || text == f.recent {
		return
	}
	f.recent = text
	if f.page == nil {
		f.page = map[uint64]struct{}{}
	}
	for start, end := index.NextWord(text, 0); start < len(text); start, end = index.NextWord(text, end) {
		word := index.Fold(text[start:end])
		f.page[wordHash(word, source)] = struct{}{}
		f.edges[source].add(word)
		if piece, ok := headPiece(word); ok {
			f.page[pieceHash(piece, headSalt, source)] = struct{}{}
		}
		if piece, ok := tailPiece(word); ok {
			f.page[pieceHash(piece, tailSalt, source)] = struct{}{}
		}
	}
}

func (f *filterBuilder) endPage() {
	f.pages = append(f.pages, slices.Sorted(maps.Keys(f.page)))
	clear(f.page)
	f.recent = ""
}

// Salts set apart what shares a filter.
const (
	plainSalt = 0x9e3779b97f4a7c15 // words of texts without a shape
	headSalt  = 0xc2b2ae3d27d4eb4f // first bytes of words
	tailSalt  = 0x165667b19e3779f9 // last bytes of words
)

// wordHash is the hash of a folded word in filters.
func wordHash(word string, source wordSource) uint64 { return pieceHash(word, 0, source) }

func pieceHash(piece string, salt uint64, source wordSource) uint64 {
	hash := xxhash.Sum64String(piece) ^ salt
	if source == plainWords {
		hash ^= plainSalt
	}
	return hash
}

// pieceBytes is the length of the first and last pieces of words in filters.
// Pieces with digits are too many to be worth it.
const pieceBytes = 4

// headPiece returns the piece that every word that starts so has in filters.
func headPiece(prefix string) (string, bool) {
	if len(prefix) < pieceBytes || hasDigit(prefix[:pieceBytes]) {
		return "", false
	}
	return prefix[:pieceBytes], true
}

// tailPiece returns the piece that every word that ends so has in filters.
func tailPiece(suffix string) (string, bool) {
	at := len(suffix) - pieceBytes
	if at < 0 || hasDigit(suffix[at:]) {
		return "", false
	}
	return suffix[at:], true
}

func hasDigit(s string) bool {
	for i := 0; i < len(s); i++ {
		if s[i] >= '0' && s[i] <= '9' {
			return true
		}
	}
	return false
}
