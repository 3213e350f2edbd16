package pipeline

import (
	"strings"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/redact"
)

// namesMax is how many field names a Parser remembers before it forgets them
// all. A record adds at most its fields and their parents.
const namesMax = 8192

// name is a key at a place: a node in the tree of all keys seen. Records of one
// source have the same keys in the same order, so a name remembers what came
// after it; the guess costs one comparison and saves building the path.
type name struct {
	key      string // unescaped
	path     string // model.JoinPath of the keys, own names moved
	prefix   string // path under which the members of an object go
	plain    bool   // key is written in JSON as it is
	tooLong  bool   // over Config.MaxNameBytes
	verbatim bool   // an object here is kept as JSON, see child
	slot     slot
	number   int         // of the names of the Parser
	says     redact.Name // what the name says of its values
	masked   bool        // a key of the path is redacted

	serial uint32 // the record in which the name last occurred
	index  int32  // its field in that record, asObject for an object

	first guess // which member comes first
	next  guess // which sibling comes next
	kids  map[string]*name
}

// guess is which two names came at a place, the last one first. Two, because
// sources that take turns, or a field that is not always there, make one wrong
// every other time.
type guess struct{ last, before *name }

// find returns the name that is written at s[i], after its quote, if it is one
// of the two.
func (g *guess) find(s string, i int) *name {
	if g.last != nil && g.last.isAt(s, i) {
		return g.last
	}
	if g.before != nil && g.before.isAt(s, i) {
		g.last, g.before = g.before, g.last
		return g.last
	}
	return nil
}

// note remembers a name that was none of the two.
func (g *guess) note(n *name) {
	if g.last != n {
		g.last, g.before = n, g.last
	}
}

// isAt reports whether the name's key is what is written at s[i], with the
// quote that ends it.
func (n *name) isAt(s string, i int) bool {
	end := i + len(n.key)
	return n.plain && end < len(s) && s[end] == '"' && s[i:end] == n.key
}

// asObject is the index of a name that was an object in the current record.
const asObject = -1

// child returns the name for a key, which is cloned if it is new.
func (p *Parser) child(parent *name, key string, plain bool) *name {
	if n := parent.kids[key]; n != nil {
		return n
	}
	key = strings.Clone(key)
	n := &name{key: key, plain: plain, number: p.names}
	shown := p.redactedKey(n, parent)
	switch {
	case parent == p.root && (key == model.FieldID || key == originalName):
		n.path = model.OriginalPrefix + key
	case parent == p.root && key == "":
		// The members of an object with an empty key would have the paths of
		// the root's members.
		n.verbatim = true
	default:
		n.path = model.JoinPath(parent.prefix, shown)
	}
	n.prefix = n.path
	if parent == p.root && key == model.FieldTimestamp {
		n.prefix = originalTimestamp
	}
	n.tooLong = len(strings.TrimPrefix(n.path, model.OriginalPrefix)) > p.nameBytesMax(n)
	n.says = p.saysOf(n.path)
	n.slot = p.slotOf(n.path)
	if parent.kids == nil {
		parent.kids = make(map[string]*name, 8)
	}
	parent.kids[key] = n
	p.names++
	return n
}

// forget drops the names if they have become too many.
func (p *Parser) forget() {
	if p.root == nil || p.names > namesMax {
		p.root, p.names = &name{}, 0
		p.hide.forget()
	}
}

// removeUnder removes the fields of an object that a later value replaces.
func (p *Parser) removeUnder(n *name) {
	for i := range p.fields {
		f := &p.fields[i]
		if f.Kind != removed && strings.HasPrefix(f.Name, n.prefix) && len(f.Name) > len(n.prefix) && f.Name[len(n.prefix)] == '.' {
			f.Kind = removed
			p.live--
		}
	}
	p.dropSlots()
}

// dropSlots empties the slots of removed fields.
func (p *Parser) dropSlots() {
	for i := range p.slots {
		if at := p.slots[i]; at > 0 && p.fields[at-1].Kind == removed {
			p.slots[i] = 0
		}
	}
}
