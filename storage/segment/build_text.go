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

// emitTexts writes the text pages, the variables apart from the texts without
// a shape, and gathers the words that only these pages hold.
func (c *columnBuilder) emitTexts(codes []uint32, shapes []string) error {
	c.filters = filterBuilder{words: hasWordFilters(c.meta.kind)}
	var plains [][]byte
	for lo := 0; lo < len(codes); lo += PageRows {
		hi := min(lo+PageRows, len(codes))
		variables, plain := c.textPage(codes[lo:hi], c.data.codes[lo:hi], shapes)
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
	return nil
}

// textPage encodes one text page: a directory of (code, values, bytes) and
// the bytes of each group; and the compressed texts of code 0.
func (c *columnBuilder) textPage(codes, values []uint32, shapes []string) (variables, plain []byte) {
	groups := map[uint32][]uint32{} // code -> values in row order
	for i, code := range codes {
		groups[code] = append(groups[code], values[i])
	}
	if rows, ok := groups[0]; ok {
		plain = c.compress(c.appendPlain(nil, rows))
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
		bodies = c.appendVariables(bodies, groups[code], shape.Variables(shapes[code-1]))
		directory = binary.AppendUvarint(directory, uint64(code-last))
		directory = binary.AppendUvarint(directory, uint64(len(groups[code])))
		directory = binary.AppendUvarint(directory, uint64(len(bodies)-before))
		last = code
	}
	return append(directory, bodies...), plain
}

func (c *columnBuilder) appendPlain(dst []byte, values []uint32) []byte {
	texts := make([]string, len(values))
	for i, value := range values {
		texts[i] = c.data.dict[value]
		c.filters.add(texts[i], plainWords)
	}
	return column.AppendStrings(dst, texts)
}

// appendVariables appends, for each variable of a shape, the length and the
// encoding of its values.
func (c *columnBuilder) appendVariables(dst []byte, values []uint32, slots int) []byte {
	if slots == 0 {
		return dst
	}
	all := make([]string, 0, slots*len(values))
	for _, value := range values {
		_, all, _ = shape.Split(all, c.data.dict[value])
	}
	slot := make([]string, len(values))
	var coded []byte
	for s := range slots {
		for i := range slot {
			slot[i] = all[i*slots+s]
			c.filters.add(slot[i], variableWords)
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
