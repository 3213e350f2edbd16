// Package render writes records as JSON, with their fields as they were sent.
//
// The main type is Encoder; it is used from one goroutine at a time.
package render

import (
	"math/bits"
	"strings"
	"unicode/utf8"

	"github.com/stere-log/stere/ingest/timestamp"
	"github.com/stere-log/stere/model"
)

// Encoder renders records as JSON: the fields as they went in, paths
// turned back into nested objects, and what Stere adds. It keeps its scratch
// space between records; it is not safe for concurrent use.
//
// What Stere adds: "id" (unless the record has its own), "_id" (always Stere's
// record id), "timestamp" and, where there is a level, "severity" as its
// synonym. A field whose place is taken by a value or by what Stere adds
// ("a": 1 beside "a.b": 2) is rendered under its dotted path.
type Encoder struct {
	nodes []node
	room  []node   // of a tree that is not kept
	kept  []layout // trees of records, by a hash of their names; none: they are made anew
}

// layout is the tree of all records with these fields in this order.
type layout struct {
	names []string
	nodes []node
	left  int // so many records of others it outlasts
}

// Trees that an encoder of many records keeps: as many as many sources send, and how many
// records of others one outlasts.
const (
	layoutsKept   = 256
	layoutsMisses = 16
)

// Lasting returns an encoder for many records: it makes the tree of those that have the
// same fields once.
func Lasting() *Encoder { return &Encoder{kept: make([]layout, layoutsKept)} }

// tree sets the nodes to those of fields.
func (e *Encoder) tree(fields []model.Field) {
	if len(e.kept) == 0 {
		e.room = build(e.room, len(fields), func(i int) string { return fields[i].Name })
		e.nodes = e.room
		return
	}
	hash := uint32(len(fields))
	for i := range fields {
		if name := fields[i].Name; name != "" {
			hash = hash*31 + uint32(len(name))<<8 + uint32(name[len(name)-1])
		}
	}
	l := &e.kept[hash%layoutsKept]
	if l.of(fields) {
		l.left, e.nodes = layoutsMisses, l.nodes
		return
	}
	if l.left--; l.left > 0 {
		e.room = build(e.room, len(fields), func(i int) string { return fields[i].Name })
		e.nodes = e.room
		return
	}
	// Names are copied: they may be of a page that is to go.
	l.names = l.names[:0]
	for i := range fields {
		l.names = append(l.names, strings.Clone(fields[i].Name))
	}
	l.nodes = build(l.nodes, len(l.names), func(i int) string { return l.names[i] })
	for i := range l.nodes[1:] {
		n := &l.nodes[1+i]
		n.quoted = string(append(AppendString(nil, n.key), ':'))
	}
	l.left, e.nodes = layoutsMisses, l.nodes
}

// of reports whether it is the layout of fields.
func (l *layout) of(fields []model.Field) bool {
	if len(l.nodes) == 0 || len(l.names) != len(fields) {
		return false
	}
	for i := range fields {
		if fields[i].Name != l.names[i] {
			return false
		}
	}
	return true
}

// build makes the tree of some names.
func build(nodes []node, n int, name func(i int) string) []node {
	e := Encoder{nodes: append(nodes[:0], node{field: -1})}
	for i := range n {
		e.place(name(i), int32(i))
	}
	return e.nodes
}

// node is one key of the tree that the paths of a record make. Node 0 is the
// root; links are positions in Encoder.nodes, 0 for none.
type node struct {
	key               string
	quoted            string // the key with quotes and colon, of trees that are kept
	field             int32  // of the record, -1 for none
	first, last, next int32  // first and last child, next sibling
}

// Append appends the record's JSON object to dst.
func (e *Encoder) Append(dst []byte, id model.RecordID, r *model.Record) []byte {
	e.tree(r.Fields)
	dst = append(dst, '{')
	if e.child(0, "id") == 0 {
		dst = append(dst, `"id":"`...)
		dst = append(id.Append(dst), `",`...)
	}
	dst = append(dst, `"timestamp":"`...)
	dst = append(timestamp.Append(dst, r.Time, r.TimeDigits), '"')
	var displaced []int32 // fields that could not stay in their place
	for n := e.nodes[0].first; n != 0; n = e.nodes[n].next {
		switch e.nodes[n].key {
		case model.FieldTimestamp, model.FieldID:
			displaced = append(displaced, n)
			continue
		}
		dst = append(dst, ',')
		dst, displaced = e.appendNode(dst, n, r, displaced)
	}
	if level, ok := r.Get(model.FieldLevel); ok && e.child(0, model.FieldSeverity) == 0 {
		dst = append(dst, `,"severity":`...)
		dst = AppendValue(dst, level)
	}
	dst = append(dst, `,"_id":"`...)
	dst = append(id.Append(dst), '"')
	for _, n := range displaced {
		dst = e.appendDisplaced(dst, n, r)
	}
	return append(dst, '}')
}

// place adds a field to the tree.
func (e *Encoder) place(path string, field int32) {
	at := int32(0)
	if !strings.Contains(path, `\`) {
		for rest, more := path, true; more; {
			var key string
			key, rest, more = strings.Cut(rest, ".")
			at = e.descend(at, key)
		}
	} else {
		for _, key := range model.SplitPath(path) {
			at = e.descend(at, key)
		}
	}
	e.nodes[at].field = field
}

func (e *Encoder) child(of int32, key string) int32 {
	for n := e.nodes[of].first; n != 0; n = e.nodes[n].next {
		if e.nodes[n].key == key {
			return n
		}
	}
	return 0
}

func (e *Encoder) descend(from int32, key string) int32 {
	// Fields that were sent together mostly follow each other.
	if last := e.nodes[from].last; last != 0 && e.nodes[last].key == key {
		return last
	}
	if n := e.child(from, key); n != 0 {
		return n
	}
	n := int32(len(e.nodes))
	e.nodes = append(e.nodes, node{key: key, field: -1})
	if last := e.nodes[from].last; last != 0 {
		e.nodes[last].next = n
	} else {
		e.nodes[from].first = n
	}
	e.nodes[from].last = n
	return n
}

// appendNode appends "key":value. The children of a node that has a value of
// its own are put off: the caller renders them as displaced.
func (e *Encoder) appendNode(dst []byte, n int32, r *model.Record, displaced []int32) ([]byte, []int32) {
	if quoted := e.nodes[n].quoted; quoted != "" {
		dst = append(dst, quoted...)
	} else {
		dst = append(AppendString(dst, e.nodes[n].key), ':')
	}
	if field := e.nodes[n].field; field >= 0 {
		dst = AppendValue(dst, r.Fields[field])
		for c := e.nodes[n].first; c != 0; c = e.nodes[c].next {
			displaced = append(displaced, c)
		}
		return dst, displaced
	}
	dst = append(dst, '{')
	for c := e.nodes[n].first; c != 0; c = e.nodes[c].next {
		if c != e.nodes[n].first {
			dst = append(dst, ',')
		}
		dst, displaced = e.appendNode(dst, c, r, displaced)
	}
	return append(dst, '}'), displaced
}

// appendDisplaced appends every field of a subtree under its dotted path. An
// escaped path contains '\' only where a key does, so a name made here can
// meet a key of the root; then it gets marks until it is free.
func (e *Encoder) appendDisplaced(dst []byte, n int32, r *model.Record) []byte {
	if field := e.nodes[n].field; field >= 0 {
		name := r.Fields[field].Name
		if name == model.FieldTimestamp || name == model.FieldID || name == "id" {
			name = model.OriginalPrefix + name
		}
		for e.child(0, name) != 0 {
			name = `\` + name
		}
		dst = append(dst, ',')
		dst = append(AppendString(dst, name), ':')
		dst = AppendValue(dst, r.Fields[field])
	}
	for c := e.nodes[n].first; c != 0; c = e.nodes[c].next {
		dst = e.appendDisplaced(dst, c, r)
	}
	return dst
}

// AppendValue appends a field's value in its JSON type. A number's text that
// is none (a damaged record) becomes a string, so that the answer stays JSON.
func AppendValue(dst []byte, f model.Field) []byte {
	switch f.Kind {
	case model.Number:
		if IsNumber(f.Text) {
			return append(dst, f.Text...)
		}
	case model.Bool:
		if f.Text == "true" || f.Text == "false" {
			return append(dst, f.Text...)
		}
	case model.Null:
		return append(dst, "null"...)
	case model.JSON:
		if f.Text != "" {
			return append(dst, f.Text...)
		}
	}
	return AppendString(dst, f.Text)
}

// IsNumber reports whether s has the form of a JSON number.
func IsNumber(s string) bool {
	i := 0
	digits := func() bool {
		start := i
		for i < len(s) && s[i] >= '0' && s[i] <= '9' {
			i++
		}
		return i > start
	}
	if i < len(s) && s[i] == '-' {
		i++
	}
	if start := i; !digits() || s[start] == '0' && i > start+1 {
		return false
	}
	if i < len(s) && s[i] == '.' {
		if i++; !digits() {
			return false
		}
	}
	if i < len(s) && (s[i] == 'e' || s[i] == 'E') {
		i++
		if i < len(s) && (s[i] == '+' || s[i] == '-') {
			i++
		}
		if !digits() {
			return false
		}
	}
	return i == len(s)
}

const hexDigits = "0123456789abcdef"

// What is done to eight bytes at once: one in each, and the highest bit of each.
const (
	eachByte = 0x0101010101010101
	highBits = 0x8080808080808080
)

// plainRun returns how many bytes at the beginning of a text stand in a JSON string as
// they are, as far as eight of them can be looked at at once. A byte that does not has a
// highest bit: its own, or what borrows when a space is taken from less, or one from
// the nothing that '"' or '\\' become. A borrow can mark the bytes behind such a one,
// which is none of those before the first.
func plainRun(s string) int {
	i := 0
	for ; len(s)-i >= 8; i += 8 {
		b := s[i : i+8]
		x := uint64(b[0]) | uint64(b[1])<<8 | uint64(b[2])<<16 | uint64(b[3])<<24 | uint64(b[4])<<32 | uint64(b[5])<<40 | uint64(b[6])<<48 | uint64(b[7])<<56
		if odd := (x | (x - ' '*eachByte) | ((x ^ '"'*eachByte) - eachByte) | ((x ^ '\\'*eachByte) - eachByte)) & highBits; odd != 0 {
			return i + bits.TrailingZeros64(odd)/8
		}
	}
	return i
}

// AppendString appends a JSON string; bytes that are not UTF-8 become U+FFFD.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	start := 0
	for i := plainRun(s); i < len(s); {
		c := s[i]
		if c < utf8.RuneSelf {
			if c >= ' ' && c != '"' && c != '\\' {
				i++
				continue
			}
			dst = append(dst, s[start:i]...)
			switch c {
			case '"', '\\':
				dst = append(dst, '\\', c)
			case '\n':
				dst = append(dst, '\\', 'n')
			case '\r':
				dst = append(dst, '\\', 'r')
			case '\t':
				dst = append(dst, '\\', 't')
			default:
				dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
			}
			i++
			start = i
			i += plainRun(s[i:])
			continue
		}
		r, size := utf8.DecodeRuneInString(s[i:])
		if r == utf8.RuneError && size == 1 {
			dst = append(dst, s[start:i]...)
			dst = append(dst, "\ufffd"...)
			start = i + 1
		}
		i += size
	}
	dst = append(dst, s[start:]...)
	return append(dst, '"')
}
