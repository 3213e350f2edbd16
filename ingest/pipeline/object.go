package pipeline

import (
	"fmt"

	"github.com/stere-log/stere/model"
)

// object reads the object at p.s[i] and appends its leaves. It returns the
// offset after it, or -1 with p.fault set.
func (p *Parser) object(i int, parent *name, depth int) int {
	if i >= len(p.s) || p.s[i] != '{' {
		return p.syntax(i, "want an object")
	}
	if depth > p.cfg.MaxDepth {
		return p.over(i, parent.path, fmt.Sprintf("nested deeper than %d levels", p.cfg.MaxDepth))
	}
	s := p.s
	i = space(s, i+1)
	if i < len(s) && s[i] == '}' {
		return i + 1 // callers see to empty objects inside a record
	}
	var last *name
	for {
		n, end := p.key(i, parent, last)
		if end < 0 {
			return -1
		}
		last = n
		i = space(s, end)
		if i >= len(s) || s[i] != ':' {
			return p.syntax(i, "want ':' after a key")
		}
		if i = p.value(space(s, i+1), n, depth); i < 0 {
			return -1
		}
		i = space(s, i)
		if i >= len(s) {
			return p.syntax(i, "want ',' or '}'")
		}
		switch s[i] {
		case ',':
			i = space(s, i+1)
		case '}':
			return i + 1
		default:
			return p.syntax(i, "want ',' or '}'")
		}
	}
}

// key reads the key at s[i]: first it tries those that came here before.
func (p *Parser) key(i int, parent, last *name) (*name, int) {
	s := p.s
	if i >= len(s) || s[i] != '"' {
		return nil, p.syntax(i, "want a key")
	}
	guess := &parent.first
	if last != nil {
		guess = &last.next
	}
	if n := guess.find(s, i+1); n != nil {
		return n, i + 1 + len(n.key) + 1
	}
	key, end, plain := p.str(i + 1)
	if end < 0 {
		return nil, -1
	}
	if len(key) > p.cfg.MaxNameBytes {
		return nil, p.over(i, key, fmt.Sprintf("field name has %d bytes, limit %d", len(key), p.cfg.MaxNameBytes))
	}
	n := p.child(parent, key, plain)
	if n.tooLong {
		return nil, p.over(i, n.path, fmt.Sprintf("field path has %d bytes, limit %d", len(n.path), p.cfg.MaxNameBytes))
	}
	guess.note(n)
	return n, end
}

// value reads the value at s[i] of the name n.
func (p *Parser) value(i int, n *name, depth int) int {
	s := p.s
	if i >= len(s) {
		return p.syntax(i, "want a value")
	}
	switch c := s[i]; {
	case c == '"':
		text, end, _ := p.str(i + 1)
		if end < 0 {
			return -1
		}
		return p.leaf(n, model.String, text, i, end)
	case c == '-' || c >= '0' && c <= '9':
		end := p.number(i)
		if end < 0 {
			return -1
		}
		return p.leaf(n, model.Number, s[i:end], i, end)
	case c == '{':
		if next := space(s, i+1); next < len(s) && s[next] == '}' {
			return p.leaf(n, model.JSON, "{}", i, next+1)
		}
		if n.verbatim {
			return p.verbatim(i, n, depth)
		}
		p.becomeObject(n)
		return p.object(i, n, depth+1)
	case c == '[':
		return p.verbatim(i, n, depth)
	case c == 't' && hasAt(s, i, "true"):
		return p.leaf(n, model.Bool, "true", i, i+4)
	case c == 'f' && hasAt(s, i, "false"):
		return p.leaf(n, model.Bool, "false", i, i+5)
	case c == 'n' && hasAt(s, i, "null"):
		return p.leaf(n, model.Null, "", i, i+4)
	}
	return p.syntax(i, "want a value")
}

// leaf appends a field, or replaces the value that the same name had before in
// this record. It returns end.
func (p *Parser) leaf(n *name, kind model.Kind, text string, at, end int) int {
	if n.serial == p.serial {
		if n.index != asObject && p.fields[n.index].Kind != removed {
			p.fields[n.index].Kind, p.fields[n.index].Text = kind, text
			return end
		}
		p.removeUnder(n)
	}
	if p.live >= p.cfg.MaxFields || len(p.fields) > p.cfg.MaxFields*2 {
		return p.over(at, n.path, fmt.Sprintf("more than %d fields", p.cfg.MaxFields))
	}
	n.serial, n.index = p.serial, int32(len(p.fields))
	p.fields = append(p.fields, model.Field{Name: n.path, Kind: kind, Text: text})
	p.named = append(p.named, n)
	p.live++
	if n.slot != slotNone && p.slots[n.slot] == 0 {
		p.slots[n.slot] = n.index + 1
	}
	return end
}

// becomeObject says that the name is an object in this record, and removes what
// it was before.
func (p *Parser) becomeObject(n *name) {
	if n.serial == p.serial {
		if n.index != asObject {
			if f := &p.fields[n.index]; f.Kind != removed {
				f.Kind = removed
				p.live--
				p.dropSlots()
			}
		} else {
			p.removeUnder(n)
		}
	}
	n.serial, n.index = p.serial, asObject
}

// verbatim keeps the array or object at s[i] as JSON.
func (p *Parser) verbatim(i int, n *name, depth int) int {
	end, asSent := p.check(i, depth+1, n)
	if end < 0 {
		return -1
	}
	text := p.s[i:end]
	if !asSent {
		text = p.compact(text)
	}
	return p.leaf(n, model.JSON, text, i, end)
}
