package pipeline

import (
	"strings"

	"github.com/stere-log/stere/ingest/timestamp"
	"github.com/stere-log/stere/model"
)

// receiptDigits are the fraction digits of a time of receipt.
const receiptDigits = timestamp.DigitsMax

// finish finds time and level of the fields in p.fields and makes the record.
func (p *Parser) finish() model.Record {
	rec := model.Record{Time: p.now.UnixNano(), TimeDigits: receiptDigits}
	p.findTime(&rec)
	p.findLevel()
	p.addExtra()
	p.redact()
	rec.Fields = withoutRemoved(p.arena.take(p.fields), p.live)
	return rec
}

// withoutRemoved returns the fields that are live. Mostly only the first one is
// not, the timestamp, and nothing has to move.
func withoutRemoved(fields []model.Field, live int) []model.Field {
	for len(fields) > live && fields[0].Kind == removed {
		fields = fields[1:]
	}
	if len(fields) == live {
		return fields
	}
	n := 0
	for i := range fields {
		if fields[i].Kind != removed {
			fields[n] = fields[i]
			n++
		}
	}
	return fields[:n:n]
}

// findTime takes the record's time from the first time field that holds one.
func (p *Parser) findTime(rec *model.Record) {
	found := false
	canonical := false // "timestamp" is what Time and TimeDigits give back
	for i, name := range p.cfg.TimeFields {
		s := slotTimes + slot(i)
		if name == model.FieldTimestamp {
			s = slotTimestamp
		}
		f := p.at(s)
		if f == nil {
			continue
		}
		t, ok := p.timeOf(f, s == slotTimestamp || name == "@timestamp")
		if !ok {
			continue
		}
		rec.Time, rec.TimeDigits, found = t.Nanos, t.Digits, true
		canonical = s == slotTimestamp && t.Canonical && f.Kind == model.String
		break
	}
	f := p.at(slotTimestamp)
	switch {
	case f == nil:
	case found && canonical:
		f.Kind = removed
		p.live--
	default:
		f.Name = originalTimestamp
	}
}

// epochMin is the least epoch, in nanoseconds, that a number means in a field
// that need not be a timestamp: "time": 12.5 is a duration, not 1970.
const epochMin = 100_000_000 * 1_000_000_000

// timeOf reads the value of a time field. Sure says that the field's name
// leaves no doubt that it is one.
func (p *Parser) timeOf(f *model.Field, sure bool) (timestamp.Time, bool) {
	var t timestamp.Time
	var ok bool
	switch f.Kind {
	case model.Number:
		t, ok = timestamp.ParseNumber(f.Text)
		return t, ok && (sure || t.Nanos >= epochMin)
	case model.String:
		if t, ok = p.times.Parse(f.Text, p.now); !ok || sure || t.Nanos >= epochMin {
			return t, ok
		}
		_, isNumber := timestamp.ParseNumber(f.Text)
		return t, !isNumber
	}
	return t, false
}

// findLevel normalises the level.
func (p *Parser) findLevel() {
	level, severity := p.at(slotLevel), p.at(slotSeverity)
	word := levelOf(level)
	if word == model.LevelNone {
		word = levelOf(severity)
	}
	for s := slotSeverityNumber; s <= slotSeverityText && word == model.LevelNone; s++ {
		if f := p.at(s); f != nil {
			word = otherLevelOf(f, s)
		}
	}
	if word == model.LevelNone {
		p.keepUnknownLevel(level, severity)
		return
	}
	text := word.String()
	// place is where "level" goes: where one of its sources was.
	place := level
	if place == nil {
		place = severity
	}
	var originals [2]model.Field
	count := 0
	if level != nil && !isText(level, text) {
		originals[count] = model.Field{Name: originalLevel, Kind: level.Kind, Text: level.Text}
		count++
	}
	if severity != nil && !isText(severity, text) {
		originals[count] = model.Field{Name: originalSeverity, Kind: severity.Kind, Text: severity.Text}
		count++
	}
	if severity != nil && severity != place {
		severity.Kind = removed
		p.live--
	}
	if level == nil {
		p.moveLevelObject()
	}
	if place == nil {
		p.add(model.Field{Name: model.FieldLevel, Kind: model.String, Text: text})
	} else {
		*place = model.Field{Name: model.FieldLevel, Kind: model.String, Text: text}
	}
	for _, f := range originals[:count] {
		p.add(f)
	}
}

// keepUnknownLevel stores a level that is no known word as it was sent.
func (p *Parser) keepUnknownLevel(level, severity *model.Field) {
	switch {
	case severity == nil:
	case level == nil:
		p.moveLevelObject()
		severity.Name = model.FieldLevel
	case severity.Kind == level.Kind && severity.Text == level.Text:
		severity.Kind = removed
		p.live--
	default:
		severity.Name = originalSeverity
	}
}

// moveLevelObject makes room for "level" in a record that has an object of
// that name.
func (p *Parser) moveLevelObject() {
	n := p.root.kids[model.FieldLevel]
	if n == nil || n.serial != p.serial || n.index != asObject {
		return
	}
	for i := range p.fields {
		if f := &p.fields[i]; strings.HasPrefix(f.Name, model.FieldLevel+".") {
			f.Name = model.OriginalPrefix + f.Name
		}
	}
}

// addExtra appends Parser.Extra.
func (p *Parser) addExtra() {
	own := len(p.fields)
next:
	for _, extra := range p.Extra {
		for i := range p.fields[:own] {
			f := &p.fields[i]
			if f.Name != extra.Name || f.Kind == removed {
				continue
			}
			if f.Kind == extra.Kind && f.Text == extra.Text {
				continue next
			}
			f.Name = model.OriginalPrefix + f.Name
		}
		p.add(extra)
	}
}

// add appends a field of our own, which no limit refuses.
func (p *Parser) add(f model.Field) {
	p.fields = append(p.fields, f)
	p.live++
}

func isText(f *model.Field, text string) bool { return f.Kind == model.String && f.Text == text }
