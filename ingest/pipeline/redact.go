package pipeline

import (
	"math/bits"
	"strconv"
	"strings"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/redact"
)

// redaction is what a Parser keeps to redact its records.
type redaction struct {
	scanner *redact.Scanner // nil: nothing is redacted
	records int             // of the input in which something was redacted
	names   bool            // the record at hand has a name that was redacted
	// clean is the last value of each name in which nothing was found, if it is
	// short. Most short fields repeat.
	clean []string
	// seen are longer values of the input in which nothing was found, each at the place
	// of its hash. They repeat too, if not one after the other.
	seen   []cleanValue
	inSeen int
	// added is what names say that are in no text: those of Extra and _original.
	added map[string]redact.Name
}

// cleanValue is a value of a name that was clean.
type cleanValue struct {
	number int
	text   string
}

// How long values are that are remembered as clean.
const (
	cleanBytesMax = 64 // one of each name
	seenBytesMin  = 20 // many of all
	seenBytesMax  = 1 << 10
)

// seenMax is how many longer values are remembered, a power of two.
const seenMax = 1 << 9

// addedMax is how many names in no text are remembered.
const addedMax = 64

// use makes the rules those of a Redactor, nil for none, and reports whether they were
// others.
func (r *redaction) use(of *redact.Redactor) (changed bool) {
	var now *redact.Redactor
	if r.scanner != nil {
		now = r.scanner.Redactor
	}
	if of == now {
		return false
	}
	*r = redaction{clean: r.clean, seen: r.seen, inSeen: r.inSeen}
	r.forget()
	if of != nil {
		r.scanner = of.Scanner()
	}
	return true
}

func (r *redaction) begin(tenant model.TenantID) {
	if r.scanner != nil {
		r.records = 0
		r.scanner.For(string(tenant))
	}
}

// end lets go of the input and counts what was found in it.
func (r *redaction) end() {
	if r.scanner == nil {
		return
	}
	r.scanner.Flush(r.records)
	r.scanner.Forget()
	clear(r.clean)
	r.forgetSeen()
}

// forget drops what is known by the numbers of names.
func (r *redaction) forget() {
	clear(r.clean)
	r.clean = r.clean[:0]
	r.forgetSeen()
}

func (r *redaction) forgetSeen() {
	if r.inSeen > 0 {
		clear(r.seen)
		r.inSeen = 0
	}
}

// isClean reports whether a value is known to be clean under its name.
func (r *redaction) isClean(n *name, text string) bool {
	if n.number < len(r.clean) && r.clean[n.number] == text {
		return true
	}
	if r.inSeen == 0 || len(text) < seenBytesMin || len(text) > seenBytesMax {
		return false
	}
	at := &r.seen[seenAt(text)]
	return at.number == n.number && at.text == text
}

// seenAt returns the place of a value among those seen, from its length, its ends and its
// middle.
func seenAt(text string) uint64 {
	const mix = 0x9e3779b97f4a7c15
	h := uint64(len(text)) * mix
	for _, i := range [...]int{0, len(text)/2 - 4, len(text) - 8} {
		h = (bits.RotateLeft64(h, 23) ^ wordAt(text, i)) * mix
	}
	return h >> (64 - bits.Len(seenMax-1))
}

// noteClean remembers a value as clean.
func (r *redaction) noteClean(n *name, text string) {
	if len(text) >= seenBytesMin && len(text) <= seenBytesMax {
		if r.seen == nil {
			r.seen = make([]cleanValue, seenMax)
		}
		r.seen[seenAt(text)] = cleanValue{n.number, text}
		r.inSeen++
	}
	if len(text) > cleanBytesMax {
		return
	}
	for n.number >= len(r.clean) {
		r.clean = append(r.clean, "")
	}
	r.clean[n.number] = text
}

// Redactions returns how many records of the input had something redacted.
func (p *Parser) Redactions() int { return p.hide.records }

// Redacted returns a text from the input as a message may show it.
func (p *Parser) Redacted(text string) string {
	if p.hide.scanner != nil {
		text, _ = p.hide.scanner.Key(text)
	}
	return text
}

// redactedLine redacts a line of text.
func (p *Parser) redactedLine(line string) string {
	if p.hide.scanner == nil {
		return line
	}
	out, changed := p.hide.scanner.Text(line)
	if changed {
		p.hide.records++
	}
	return out
}

// redactedKey returns a new name's key as paths have it.
func (p *Parser) redactedKey(n, parent *name) string {
	n.masked = parent.masked
	if p.hide.scanner == nil {
		return n.key
	}
	shown, changed := p.hide.scanner.Key(n.key)
	n.masked = n.masked || changed
	return shown
}

// nameBytesMax returns how long the path of a name may be. Markers make it
// longer, which is no reason to refuse a record.
func (p *Parser) nameBytesMax(n *name) int {
	if n.masked {
		return 2 * p.cfg.MaxNameBytes
	}
	return p.cfg.MaxNameBytes
}

// saysOf returns what a path says of its values.
func (p *Parser) saysOf(path string) redact.Name {
	if p.hide.scanner == nil {
		return redact.Name{}
	}
	return p.hide.scanner.NameOf(model.QueryName(path))
}

// saysOfAdded is saysOf for a field that was not in the text.
func (p *Parser) saysOfAdded(path string) redact.Name {
	if says, ok := p.hide.added[path]; ok {
		return says
	}
	says := p.saysOf(path)
	if p.hide.added == nil || len(p.hide.added) >= addedMax {
		p.hide.added = map[string]redact.Name{}
	}
	p.hide.added[path] = says
	return says
}

// redact takes out of the fields what must not be stored. A record is never
// refused for it, and keeps at least one field.
func (p *Parser) redact() {
	if p.hide.scanner == nil {
		return
	}
	changed := false
	p.hide.names = false
	for i := range p.fields {
		f := &p.fields[i]
		switch f.Kind {
		case removed, model.Bool, model.Null:
			p.hide.names = p.hide.names || i < len(p.named) && p.named[i].masked
			continue
		}
		if i >= len(p.named) {
			changed = p.redactField(f, p.saysOfAdded(f.Name)) || changed
			continue
		}
		n := p.named[i]
		p.hide.names = p.hide.names || n.masked
		if f.Kind == model.String && p.hide.isClean(n, f.Text) {
			continue
		}
		switch {
		case p.redactField(f, n.says):
			changed = true
		case f.Kind == model.String:
			p.hide.noteClean(n, f.Text)
		}
	}
	if p.hide.names {
		p.tellNamesApart()
	}
	if changed || p.hide.names {
		p.hide.records++
	}
}

// redactField redacts one field and reports whether anything was found.
func (p *Parser) redactField(f *model.Field, says redact.Name) bool {
	var out string
	var changed bool
	scanner := p.hide.scanner
	switch f.Kind {
	case model.Number:
		out, changed = scanner.Number(says, f.Text)
	case model.JSON:
		out, changed = scanner.JSON(says, model.QueryName(f.Name), f.Text)
	default:
		out, changed = scanner.Value(says, f.Text)
	}
	switch {
	case !changed:
	case says.Removes() && p.live > 1:
		f.Kind = removed
		p.live--
	case says.Removes():
		f.Kind, f.Text = model.String, ""
	case f.Kind == model.Number:
		f.Kind, f.Text = model.String, out
	default:
		f.Text = out
	}
	return changed
}

// tellNamesApart numbers names that have become the same by redaction: no two
// fields of a record have one name.
func (p *Parser) tellNamesApart() {
	seen := make(map[string]int, len(p.fields))
	for i := range p.fields {
		f := &p.fields[i]
		if f.Kind == removed {
			continue
		}
		seen[f.Name]++
		if count := seen[f.Name]; count > 1 {
			base := strings.Clone(f.Name)
			for ; seen[f.Name] > 0; count++ {
				f.Name = base + "~" + strconv.Itoa(count)
			}
			seen[f.Name]++
		}
	}
}
