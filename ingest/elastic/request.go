package elastic

import (
	"fmt"
	"strings"
	"sync"
	"time"
	"unsafe"

	"github.com/valyala/fastjson"

	"github.com/stere-log/stere/ingest/pipeline"
	"github.com/stere-log/stere/model"
)

// MemoryMax bounds what the records and items of one request may take beside
// its body.
const MemoryMax = 192 << 20

// DefaultIndex is the index of actions that name none.
const DefaultIndex = "logs"

// fieldIndex holds the index of a record.
const fieldIndex = "_index"

// action is what is to be done with a source.
type action uint8

const (
	actionCreate action = iota
	actionIndex
	actionUpdate
	actionDelete
)

// actionNames are the keys of action lines, by action.
func actionNames() [4]string { return [4]string{"create", "index", "update", "delete"} }

// String returns the action's key.
func (a action) String() string { return actionNames()[a] }

// item is one action of a request.
type item struct {
	action action
	index  string
	id     string // as the client gave it, may be empty
	record int    // in Request.Records, noRecord for none
	reason string // why there is no record, "" for a delete
	kind   string // of that error
}

const noRecord = -1

// Request is a decoded body.
type Request struct {
	Records []model.Record

	items    []item
	refused  int
	redacted int
	memory   *pipeline.Memory
}

// Rejected returns how many sources could not be stored.
func (r *Request) Rejected() int { return r.refused }

// Redacted returns in how many records something was redacted.
func (r *Request) Redacted() int { return r.redacted }

// RefuseAll makes the answer refuse every record, with an error of a kind, in a way that
// clients do not send them again: an answer of 200 with a status of 400 for each. One of
// 413 for the request has some of them try it for ever. The records are gone from the
// Request.
func (r *Request) RefuseAll(kind, reason string) {
	for i := range r.items {
		if it := &r.items[i]; it.record != noRecord {
			it.record, it.kind, it.reason = noRecord, kind, reason
			r.refused++
		}
	}
	r.Records = r.Records[:0]
}

// Actions returns how many actions the body had.
func (r *Request) Actions() int { return len(r.items) }

// Named reports whether the client named every document: then the same body
// again is the same request again.
func (r *Request) Named() bool {
	for i := range r.items {
		if r.items[i].id == "" {
			return false
		}
	}
	return len(r.items) > 0
}

// Decoder decodes bodies and keeps parsers between them; it is safe for
// concurrent use. Create it with NewDecoder.
type Decoder struct {
	parsers  *pipeline.Pool
	memories sync.Pool // of *Request: what released ones were made of
}

// NewDecoder returns a Decoder with these limits.
func NewDecoder(cfg pipeline.Config) *Decoder { return &Decoder{parsers: pipeline.NewPool(cfg)} }

// Decode decodes one body with a Decoder of its own.
func Decode(body []byte, defaultIndex string, now time.Time, cfg pipeline.Config) (Request, error) {
	return NewDecoder(cfg).Decode("", body, defaultIndex, now)
}

// Decode decodes the body of a tenant's _bulk request. DefaultIndex is the index in its
// path, "" for none. The error is an *Error, and then nothing may be stored.
func (d *Decoder) Decode(tenant model.TenantID, body []byte, defaultIndex string, now time.Time) (Request, error) {
	p := d.parsers.Get(tenant)
	kept, ok := d.memories.Get().(*Request)
	if !ok {
		kept = &Request{memory: new(pipeline.Memory)}
	}
	p.Memory = kept.memory
	p.Begin(now, len(body))
	defer d.parsers.Put(p)
	if defaultIndex == "" {
		defaultIndex = DefaultIndex
	}
	s := scanner{
		parser: p,
		text:   unsafe.String(unsafe.SliceData(body), len(body)),
		index:  strings.ToValidUTF8(strings.Clone(defaultIndex), "\uFFFD"),
		out:    *kept,
	}
	if err := s.run(); err != nil {
		return Request{}, err
	}
	s.out.redacted = p.Redactions()
	return s.out, nil
}

// recordsKeptMax is for how many records and actions the memory of a released
// request is kept.
const recordsKeptMax = 1 << 16

// Release takes back what a request is made of, for the next one. The caller
// must be done with all of it. What is never released is collected.
func (d *Decoder) Release(r Request) {
	if r.memory == nil || cap(r.Records) > recordsKeptMax || cap(r.items) > recordsKeptMax {
		return
	}
	r.memory.Reset()
	clear(r.Records)
	clear(r.items)
	d.memories.Put(&Request{Records: r.Records[:0], items: r.items[:0], memory: r.memory})
}

// scanner walks over the lines of one body.
type scanner struct {
	parser *pipeline.Parser
	json   fastjson.Parser
	text   string
	at     int
	line   int
	index  string
	out    Request
	memory int

	// The last action line and what it said: shippers repeat it.
	lastLine string
	lastItem item
	extra    [2]model.Field
}

func (s *scanner) run() error {
	for {
		line, ok := s.next()
		if !ok {
			break
		}
		it, err := s.parseAction(line)
		if err != nil {
			return err
		}
		switch it.action {
		case actionDelete:
		default:
			s.source(&it)
		}
		s.out.items = append(s.out.items, it)
		if s.memory += itemBytes; s.memory > MemoryMax {
			return &Error{Status: 413, Type: "content_too_long_exception", Reason: "request holds too many records, send fewer at once"}
		}
	}
	if len(s.out.items) == 0 {
		return &Error{Status: 400, Type: "parse_exception", Reason: "request body is required"}
	}
	return nil
}

// What an item and a record take; both count twice because slices grow by
// doubling. An item comes back in the answer.
const (
	replyBytes  = 192
	itemBytes   = 2*int(unsafe.Sizeof(item{})) + replyBytes
	recordBytes = 2 * int(unsafe.Sizeof(model.Record{}))
	fieldBytes  = int(unsafe.Sizeof(model.Field{}))
)

// next returns the next line that is not blank.
func (s *scanner) next() (string, bool) {
	for s.at < len(s.text) {
		line := s.text[s.at:]
		if i := strings.IndexByte(line, '\n'); i >= 0 {
			line = line[:i]
		}
		s.at += len(line) + 1
		s.line++
		if s.line == 1 {
			line = strings.TrimPrefix(line, "\xef\xbb\xbf")
		}
		if line = strings.Trim(line, " \t\r"); line != "" {
			return line, true
		}
	}
	return "", false
}

// source reads the source line of an action.
func (s *scanner) source(it *item) {
	line, ok := s.next()
	if !ok {
		s.refuse(it, "the source is missing")
		return
	}
	text, at := line, 0
	if it.action == actionUpdate {
		start, end, found := pipeline.Member(line, 0, "doc")
		if !found {
			start, end, found = pipeline.Member(line, 0, "upsert")
		}
		if !found {
			s.refuse(it, "script or doc is missing")
			return
		}
		text, at = line[:end], start
	}
	s.extra[0] = model.Field{Name: fieldIndex, Kind: model.String, Text: it.index}
	s.parser.Extra = s.extra[:1]
	if it.id != "" {
		s.extra[1] = model.Field{Name: model.OriginalPrefix + model.FieldID, Kind: model.String, Text: it.id}
		s.parser.Extra = s.extra[:2]
	}
	rec, end, fault := s.parser.Parse(text, at)
	switch {
	case fault != nil:
		s.refuse(it, fault.Error())
	case end != len(text):
		s.refuse(it, "not JSON: more follows the source object")
	default:
		it.record = len(s.out.Records)
		s.out.Records = append(s.out.Records, rec)
		s.memory += recordBytes + len(rec.Fields)*fieldBytes
	}
}

// refuse says why an action's source is not stored.
func (s *scanner) refuse(it *item, reason string) {
	it.reason = fmt.Sprintf("[line %d] %s", s.line, reason)
	s.out.refused++
	s.memory += len(it.reason)
}

// parseAction reads an action line.
func (s *scanner) parseAction(line string) (item, error) {
	if line == s.lastLine && line != "" {
		return s.lastItem, nil
	}
	if depthOver(line, actionDepthMax) {
		return item{}, s.malformed("expected an action but found too deep an object")
	}
	v, err := s.json.Parse(line)
	if err != nil {
		return item{}, s.malformed("expected START_OBJECT but found no JSON")
	}
	object, err := v.Object()
	if err != nil {
		return item{}, s.malformed("expected START_OBJECT but found [" + tokenOf(v) + "]")
	}
	if object.Len() != 1 {
		return item{}, s.malformed(fmt.Sprintf("expected one action but found [%d] keys", object.Len()))
	}
	it := item{record: noRecord, index: s.index}
	var fault error
	object.Visit(func(key []byte, v *fastjson.Value) { fault = s.readAction(&it, string(key), v) })
	if fault != nil {
		return item{}, fault
	}
	s.lastLine, s.lastItem = line, it
	return it, nil
}

// actionDepthMax bounds the nesting of action lines, which are parsed by
// recursion.
const actionDepthMax = 16

// depthOver reports whether brackets nest deeper than most, by a count that
// brackets in strings can only make larger.
func depthOver(line string, most int) bool {
	depth := 0
	for i := 0; i < len(line); i++ {
		switch line[i] {
		case '{', '[':
			if depth++; depth > most {
				return true
			}
		case '}', ']':
			depth--
		}
	}
	return false
}

// readAction reads {"create":{"_index":..,"_id":..}} from its key and value.
func (s *scanner) readAction(it *item, key string, v *fastjson.Value) error {
	found := false
	for i, name := range actionNames() {
		if key == name {
			it.action, found = action(i), true
		}
	}
	if !found {
		return s.malformed("expected one of [create, delete, index, update] but found [" + shorten(s.parser.Redacted(key)) + "]")
	}
	if v.Type() != fastjson.TypeObject {
		return s.malformed("expected START_OBJECT but found [" + tokenOf(v) + "]")
	}
	if name := text(v.Get(fieldIndex)); name != "" {
		it.index = name
	}
	it.id = text(v.Get(model.FieldID))
	return nil
}

// text returns a string or the digits of a number, as a copy.
func text(v *fastjson.Value) string {
	if v == nil {
		return ""
	}
	switch v.Type() {
	case fastjson.TypeString:
		return strings.ToValidUTF8(string(v.GetStringBytes()), "\uFFFD")
	case fastjson.TypeNumber:
		return v.String()
	}
	return ""
}

// tokenOf names a value as Elasticsearch does.
func tokenOf(v *fastjson.Value) string {
	switch v.Type() {
	case fastjson.TypeString:
		return "VALUE_STRING"
	case fastjson.TypeNumber:
		return "VALUE_NUMBER"
	case fastjson.TypeArray:
		return "START_ARRAY"
	case fastjson.TypeNull:
		return "VALUE_NULL"
	case fastjson.TypeTrue, fastjson.TypeFalse:
		return "VALUE_BOOLEAN"
	}
	return "START_OBJECT"
}

func (s *scanner) malformed(why string) error {
	return &Error{Status: 400, Type: "illegal_argument_exception", Reason: fmt.Sprintf("Malformed action/metadata line [%d], %s", s.line, why)}
}

func shorten(s string) string {
	return strings.ToValidUTF8(s[:min(len(s), 60)], "\uFFFD")
}
