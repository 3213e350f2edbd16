package pipeline

import (
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/stere-log/stere/ingest/timestamp"
	"github.com/stere-log/stere/model"
)

// removed marks a field that is not part of the record after all.
const removed model.Kind = 0

// Fault says why a record was refused.
type Fault struct {
	Field   string // path of the field, "" if it is the record
	Message string
	Offset  int  // where in the text
	Syntax  bool // the text is not JSON, so where the record ends is unknown
}

// Error implements error.
func (f *Fault) Error() string {
	if f.Field == "" {
		return f.Message
	}
	return f.Field + ": " + f.Message
}

// Parser turns JSON objects and lines into records. Use it from one goroutine
// at a time. Create it with New and call Begin before each input.
type Parser struct {
	cfg  Config
	now  time.Time
	root *name

	names  int    // in the tree under root
	serial uint32 // number of the current record

	// Extra are fields that every record gets besides its own, for what comes
	// with a record but is not in it. A record's own field of such a name and
	// another value is kept under "_original.".
	Extra []model.Field

	// Memory is what the records of the input are made of. Set it before Begin;
	// nil means memory of the input's own.
	Memory *Memory

	// Tenant is whose records they are: tokens of redacted values depend on it.
	// Set it before Begin.
	Tenant model.TenantID

	s      string // the text being parsed
	fields []model.Field
	named  []*name // the names of the fields that were in the text
	hide   redaction
	live   int // fields not removed
	slots  [slotCount]int32
	times  timestamp.Reader
	fault  *Fault
	arena  arena
}

// New returns a Parser.
func New(cfg Config) *Parser {
	p := &Parser{cfg: cfg.withDefaults()}
	p.hide.use(cfg.Redact)
	return p
}

// Config returns the limits in force, defaults filled in.
func (p *Parser) Config() Config { return p.cfg }

// Begin starts a new input: now is the time of receipt of its records, size
// its length in bytes, a hint for allocation.
func (p *Parser) Begin(now time.Time, size int) {
	p.now = now
	p.arena.begin(p.Memory, size)
	if p.cfg.RedactOf != nil && p.hide.use(p.cfg.RedactOf(p.Tenant)) {
		p.root, p.names = nil, 0 // what is known of names is what other rules say
	}
	p.hide.begin(p.Tenant)
}

// End lets go of the input, so that a Parser at rest does not keep it alive.
func (p *Parser) End() {
	p.s, p.fault, p.fields, p.Extra, p.Memory, p.Tenant = "", nil, nil, nil, nil, ""
	p.arena.end()
	p.hide.end()
}

// Parse reads the JSON object that starts at s[at] and returns the record and
// the offset after the object. On a fault, end is where the object ends, or,
// if the fault is of syntax, how far the text was read.
func (p *Parser) Parse(s string, at int) (rec model.Record, end int, fault *Fault) {
	p.forget()
	p.serial++
	if p.serial == 0 { // wrapped around: old marks must not count
		p.root, p.names, p.serial = &name{}, 0, 1
		p.hide.forget()
	}
	p.s, p.fault = s, nil
	p.fields, p.named, p.live = p.arena.room(), p.named[:0], 0
	clear(p.slots[:int(slotTimes)+len(p.cfg.TimeFields)])
	end = p.object(at, p.root, 1)
	if end < 0 {
		p.arena.wrote(p.fields)
		fault = p.fault
		if fault.Syntax {
			return model.Record{}, fault.Offset, fault
		}
		if end = Skip(s, at); end < 0 {
			fault.Syntax = true
			return model.Record{}, len(s), fault
		}
		return model.Record{}, end, fault
	}
	switch {
	case end-at > p.cfg.MaxLineBytes:
		p.arena.wrote(p.fields)
		return model.Record{}, end, &Fault{Message: fmt.Sprintf("record has %d bytes, limit %d", end-at, p.cfg.MaxLineBytes), Offset: at}
	case p.live == 0:
		p.arena.wrote(p.fields)
		return model.Record{}, end, &Fault{Message: "empty record", Offset: at}
	}
	return p.finish(), end, nil
}

// Text makes a record of a line of text: the line is the message, the time is
// that of receipt. The line must not be empty.
func (p *Parser) Text(line string) (model.Record, *Fault) {
	if len(line) > p.cfg.MaxLineBytes {
		return model.Record{}, &Fault{Field: model.FieldMessage, Message: fmt.Sprintf("line has %d bytes, limit %d", len(line), p.cfg.MaxLineBytes)}
	}
	line = p.redactedLine(p.valid(line))
	fields := append(p.arena.room(), model.Field{Name: model.FieldMessage, Kind: model.String, Text: line})
	return model.Record{Time: p.now.UnixNano(), TimeDigits: receiptDigits, Fields: p.arena.take(fields)}, nil
}

// syntax notes a fault of syntax and returns -1.
func (p *Parser) syntax(at int, want string) int {
	found := "end of input"
	if at < len(p.s) {
		found = quoteByte(p.s[at])
	}
	p.fault = &Fault{Message: "not JSON: " + want + ", found " + found, Offset: min(at, len(p.s)), Syntax: true}
	return -1
}

// over notes a record over a limit and returns -1.
func (p *Parser) over(at int, field, message string) int {
	p.fault = &Fault{Field: shorten(p.Redacted(field)), Message: message, Offset: at}
	return -1
}

func quoteByte(c byte) string {
	switch {
	case c == '\n':
		return "end of line"
	case c >= ' ' && c < utf8.RuneSelf:
		return "'" + string(rune(c)) + "'"
	}
	return fmt.Sprintf("byte 0x%02x", c)
}

// shownNameMax is how much of a field name a message shows.
const shownNameMax = 80

// shorten makes a name of any length and content fit for a message.
func shorten(name string) string {
	if len(name) > shownNameMax {
		name = name[:shownNameMax] + "..."
	}
	return strings.ToValidUTF8(name, "\uFFFD")
}
