package segment

import (
	"cmp"
	"encoding/binary"
	"maps"
	"slices"
	"strings"

	"github.com/stere-log/stere/model/shape"
)

// Which values a message may refer to. Short ones would occur by chance, and
// a field of few values costs nothing as static text.
const (
	referenceMin      = 4         // bytes of a value
	referenceMax      = 4 << 10   // bytes of a value
	referenceDistinct = 16        // distinct values of the field
	referenceTries    = 64        // rows of a schema after which a field is judged
	referenceShare    = 32        // one in so many must have hit
	cutsMax           = 32        // references in a message
	referenceColumns  = 256       // fields of a schema that are tried
	referenceTrials   = 1 << 20   // fields, and pieces of molds, of all schemas that are remembered
	referenceKept     = 256 << 20 // bytes of columns that are kept for messages
)

// cut is a stretch of a message that repeats the value of a column.
type cut struct {
	start, end int
	column     uint32
}

// referrer finds what messages repeat of the other fields of their record. It
// is asked for rows in ascending order.
type referrer struct {
	builder *builder
	columns []referred
	of      map[uint32]*tries // by schema
	trying  int               // trials and pieces of molds in of
	kept    int               // bytes of columns
	list    []cut
	values  []candidate
}

// referred is a column that may be referred to.
type referred struct {
	number uint32
	data   columnData
	at     int // first row not before the row at hand
}

// tries are what is known of the messages of a schema.
type tries struct {
	columns []*trial
	molds   []*mold // of messages that came lately, the last one first

	tested, fitted int // how often a mold was tried, and fitted
}

// trial tells how often a column's value was in the messages of a schema.
type trial struct {
	column      *referred
	tries, hits int
}

type candidate struct {
	value string
	trial *trial
}

// keep offers a column to the messages that come later.
func (r *referrer) keep(number uint32, data columnData) {
	if len(data.dict) < referenceDistinct {
		return
	}
	bytes := 8*len(data.rows) + 16*len(data.dict)
	for _, value := range data.dict {
		bytes += len(value)
	}
	if r.kept+bytes <= referenceKept {
		r.kept += bytes
		r.columns = append(r.columns, referred{number: number, data: data})
	}
}

// forget lets go of the columns, once the column that refers to them is split: it is the last
// one. Nobody refers to a column without it.
func (r *referrer) forget() {
	if r != nil {
		r.columns, r.of = nil, nil
	}
}

// tries returns what is known of the schema of a row.
func (r *referrer) tries(row uint32) *tries {
	schema := r.builder.schemas.of[row]
	t, ok := r.of[schema]
	if !ok {
		t = &tries{}
		for _, number := range r.builder.schemas.columns(schema) {
			i, found := slices.BinarySearchFunc(r.columns, number, func(c referred, n uint32) int { return cmp.Compare(c.number, n) })
			if found && len(t.columns) < referenceColumns {
				t.columns = append(t.columns, &trial{column: &r.columns[i]})
			}
		}
		r.hold(len(t.columns))
		r.of[schema] = t
	}
	return t
}

// hold counts what is kept of schemas and drops it when it is too much.
func (r *referrer) hold(count int) {
	if r.trying += count; r.trying > referenceTrials {
		clear(r.of) // schemas that hardly repeat have nothing to learn from
		r.trying = count
	}
}

// inVain reports whether the column has turned out not to be repeated.
func (t *trial) inVain() bool { return t.tries >= referenceTries && t.hits*referenceShare < t.tries }

// value returns the column's value of the row.
func (c *referred) value(row uint32) string {
	rows := c.data.rows
	if c.at < len(rows) && rows[c.at] < row {
		// rows mostly come one after the other
		if c.at++; c.at < len(rows) && rows[c.at] < row {
			skip, _ := slices.BinarySearch(rows[c.at:], row)
			c.at += skip
		}
	}
	if c.at == len(rows) || rows[c.at] != row {
		return ""
	}
	return c.data.dict[c.data.codes[c.at]]
}

// cuts returns where the message repeats other fields, in order and apart.
func (r *referrer) cuts(of *tries, row uint32, message string) []cut {
	r.list, r.values = r.list[:0], r.values[:0]
	if len(message) < referenceMin || len(message) > shape.MessageMax {
		return nil
	}
	for _, t := range of.columns {
		if t.inVain() {
			continue
		}
		if value := t.column.value(row); len(value) >= referenceMin && len(value) <= min(referenceMax, len(message)) {
			r.values = append(r.values, candidate{value, t})
		}
	}
	// Long values first: they may hold short ones.
	slices.SortStableFunc(r.values, func(a, b candidate) int { return cmp.Compare(len(b.value), len(a.value)) })
	for _, c := range r.values {
		c.trial.tries++
		if r.cutAll(message, c) {
			c.trial.hits++
		}
	}
	slices.SortFunc(r.list, func(a, b cut) int { return cmp.Compare(a.start, b.start) })
	return r.list
}

// cutAll cuts out every occurrence of a value and reports whether there was
// one.
func (r *referrer) cutAll(message string, c candidate) bool {
	hit := false
	for from := 0; from+len(c.value) <= len(message) && len(r.list) < cutsMax; {
		i := strings.Index(message[from:], c.value)
		if i < 0 {
			break
		}
		start, end := from+i, from+i+len(c.value)
		from = end
		if !shape.Border(message, start) || !shape.Border(message, end) || r.taken(start, end) || !referable(c.value) {
			from = start + 1
			continue
		}
		r.list = append(r.list, cut{start, end, c.trial.column.number})
		hit = true
	}
	return hit
}

func (r *referrer) taken(start, end int) bool {
	for _, other := range r.list {
		if start < other.end && other.start < end {
			return true
		}
	}
	return false
}

// referable reports whether a value may be referred to: searches rely on a
// letter or digit in it and on no space at its ends.
func referable(value string) bool {
	if isSpace(value[0]) || isSpace(value[len(value)-1]) {
		return false
	}
	for i := 0; i < len(value); i++ {
		if c := value[i]; c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
			return true
		}
	}
	return false
}

// isSpace reports whether c is white space, or part of a rune that may be.
func isSpace(c byte) bool { return c <= ' ' || c >= 0x7f }

// emitReferences writes which shapes refer to which columns.
func (c *columnBuilder) emitReferences(shapes []string) error {
	codes := map[uint32][]uint32{}
	for i, name := range shapes {
		numbers, err := shape.References(name)
		if err != nil {
			return err
		}
		for _, number := range numbers {
			if list := codes[number]; len(list) == 0 || list[len(list)-1] != uint32(i)+1 {
				codes[number] = append(list, uint32(i)+1)
			}
		}
	}
	if len(codes) == 0 {
		return nil
	}
	c.meta.refers = true
	raw := binary.AppendUvarint(nil, uint64(len(codes)))
	for _, number := range slices.Sorted(maps.Keys(codes)) {
		raw = binary.AppendUvarint(raw, uint64(number))
		raw = binary.AppendUvarint(raw, uint64(len(codes[number])))
		var last uint32
		for _, code := range codes[number] {
			raw = binary.AppendUvarint(raw, uint64(code-last))
			last = code
		}
	}
	return c.emit(columnKey(c.number, itemRefs, 0), c.compress(raw))
}
