package segment

import (
	"strings"

	"github.com/stere-log/stere/model/shape"
)

// How molds are tried.
const (
	moldsMax   = 8    // molds of a schema
	moldTests  = 1024 // after so many the molds of a schema are judged
	moldsWorth = 4    // of so many that are tried one must fit
)

// mold is the shape of a message in a form that can be tried on others: most messages
// are like one that came shortly before, and finding that costs less than looking for
// values and variables anew.
type mold struct {
	number uint32 // of the shape
	pieces []moldPiece
	refers [(referenceColumns + 63) / 64]uint64 // bits of the columns referred to, by their trials
}

// moldPiece is static text and what follows it.
type moldPiece struct {
	static string
	column *referred // whose value follows; nil: a variable, or at the last piece the end
}

// addOf splits the message of a row.
func (s *splitter) addOf(refs *referrer, row uint32, message string) unit {
	if len(message) < referenceMin || len(message) > shape.MessageMax {
		return s.add(message, nil, 1)
	}
	of := refs.tries(row)
	worth := of.tested < moldTests || of.fitted*moldsWorth >= of.tested
	if worth {
		for i, m := range of.molds {
			of.tested++
			if s.fits(m, row, message) && !refs.repeatsOther(of, m, row, message) {
				of.fitted++
				copy(of.molds[1:], of.molds[:i])
				of.molds[0] = m
				return s.use(m.number, 1)
			}
		}
	}
	cuts := refs.cuts(of, row, message)
	u := s.add(message, cuts, 1)
	if worth && u.shape != 0 && s.refers[u.shape-1] == (len(cuts) > 0) { // else it is not the shape with these cuts
		refs.keepMold(of, newMold(of, u.shape-1, message, cuts, s.found))
	}
	return u
}

// keepMold puts a mold before the others of its schema.
func (r *referrer) keepMold(of *tries, m *mold) {
	if len(of.molds) < moldsMax {
		of.molds = append(of.molds, nil)
	} else {
		r.trying -= len(of.molds[moldsMax-1].pieces)
	}
	copy(of.molds[1:], of.molds)
	of.molds[0] = m
	r.hold(len(m.pieces))
}

// newMold makes a mold of a message with its cuts and variables.
func newMold(of *tries, number uint32, message string, cuts []cut, variables []shape.Span) *mold {
	m := &mold{number: number, pieces: make([]moldPiece, 0, len(cuts)+len(variables)+1)}
	at := 0
	for len(cuts)+len(variables) > 0 {
		if len(cuts) == 0 || len(variables) > 0 && int(variables[0].Start) < cuts[0].start {
			m.pieces = append(m.pieces, moldPiece{static: message[at:variables[0].Start]})
			at, variables = int(variables[0].End), variables[1:]
			continue
		}
		for i, t := range of.columns {
			if t.column.number == cuts[0].column {
				m.pieces = append(m.pieces, moldPiece{message[at:cuts[0].start], t.column})
				m.refers[i/64] |= 1 << (i % 64)
			}
		}
		at, cuts = cuts[0].end, cuts[1:]
	}
	m.pieces = append(m.pieces, moldPiece{static: message[at:]})
	return m
}

// fits reports whether a message has the shape of a mold, and finds its variables.
func (s *splitter) fits(m *mold, row uint32, message string) bool {
	s.found = s.found[:0]
	at := 0
	for i := range m.pieces {
		p := &m.pieces[i]
		if !strings.HasPrefix(message[at:], p.static) {
			return false
		}
		at += len(p.static)
		if i == len(m.pieces)-1 {
			break
		}
		if p.column == nil {
			end := shape.VariableEnd(message, at)
			if end == at {
				return false
			}
			s.found = append(s.found, shape.Span{Start: uint16(at), End: uint16(end)})
			at = end
			continue
		}
		value := p.column.value(row)
		end := at + len(value)
		if len(value) < referenceMin || len(value) > referenceMax || !strings.HasPrefix(message[at:], value) ||
			!shape.Border(message, at) || !shape.Border(message, end) || !referable(value) {
			return false
		}
		at = end
	}
	return at == len(message)
}

// repeatsOther reports whether a message may repeat values of columns that a mold, which
// fits it, does not refer to. If not, what it repeats and does not repeat counts as it does
// when it is looked for.
func (r *referrer) repeatsOther(of *tries, m *mold, row uint32, message string) bool {
	for i, t := range of.columns {
		if m.refers[i/64]&(1<<(i%64)) != 0 || t.inVain() {
			continue
		}
		value := t.column.value(row)
		if len(value) < referenceMin || len(value) > min(referenceMax, len(message)) {
			continue
		}
		t.tries++
		if strings.Contains(message, value) {
			return true
		}
	}
	for i, t := range of.columns {
		if m.refers[i/64]&(1<<(i%64)) != 0 {
			t.tries++
			t.hits++
		}
	}
	return false
}
