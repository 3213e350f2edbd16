package segment

import (
	"regexp/syntax"

	"github.com/stere-log/stere/model/shape"
)

// relaxed tells which shapes an expression may match with all occurrences of
// a literal of it in the static text. It runs the expression over the shape,
// in which a variable stands for any text without the literal.
type relaxed struct {
	prog    *syntax.Prog
	literal []bool // instructions that take the literal: no variable passes them
	now     threads
	next    threads
}

// threads are the instructions at which a run of the expression may be.
type threads struct {
	at      []uint32 // those that take a rune
	seen    []bool
	matched bool
}

// relaxedMax is up to how many instructions of an expression are run over
// shapes.
const relaxedMax = 1 << 10

// newRelaxed returns nil for an expression that is too long.
func newRelaxed(prog *syntax.Prog, literal string) *relaxed {
	if len(prog.Inst) > relaxedMax {
		return nil
	}
	n := len(prog.Inst)
	m := &relaxed{prog: prog, literal: make([]bool, n), now: threads{seen: make([]bool, n)}, next: threads{seen: make([]bool, n)}}
	for start := range prog.Inst {
		if chain := takes(prog, uint32(start), literal); chain != nil {
			for _, at := range chain {
				m.literal[at] = true
			}
		}
	}
	return m
}

// takes returns the instructions that take the text from at on, one rune each,
// or nil.
func takes(prog *syntax.Prog, at uint32, text string) (chain []uint32) {
	for _, r := range text {
		inst := &prog.Inst[at]
		if inst.Op != syntax.InstRune1 || inst.Rune[0] != r {
			return nil
		}
		chain = append(chain, at)
		at = inst.Out
	}
	return chain
}

// mayMatch reports whether the expression may match a text of the shape.
func (m *relaxed) mayMatch(name string) bool {
	m.now.clear()
	for _, r := range shape.Literal(name, shape.Placeholder) {
		m.now.add(m.prog, uint32(m.prog.Start)) // a match may begin anywhere
		if r == shape.Placeholder {
			m.passVariable()
		} else {
			m.passRune(r)
		}
		if m.now.matched {
			return true
		}
	}
	m.now.add(m.prog, uint32(m.prog.Start))
	return m.now.matched
}

// passRune goes on from where the rune leads.
func (m *relaxed) passRune(r rune) {
	m.next.clear()
	m.next.matched = m.now.matched
	for _, at := range m.now.at {
		if inst := &m.prog.Inst[at]; inst.MatchRune(r) {
			m.next.add(m.prog, inst.Out)
		}
	}
	m.now, m.next = m.next, m.now
}

// passVariable goes on from wherever some text leads.
func (m *relaxed) passVariable() {
	for i := 0; i < len(m.now.at); i++ { // it grows
		if at := m.now.at[i]; !m.literal[at] {
			m.now.add(m.prog, m.prog.Inst[at].Out)
		}
	}
}

func (t *threads) clear() {
	t.at, t.matched = t.at[:0], false
	clear(t.seen)
}

// add adds an instruction, or those that take a rune after it. Assertions hold:
// what is beside them is not known.
func (t *threads) add(prog *syntax.Prog, at uint32) {
	if t.seen[at] {
		return
	}
	t.seen[at] = true
	switch inst := &prog.Inst[at]; inst.Op {
	case syntax.InstAlt, syntax.InstAltMatch:
		t.add(prog, inst.Out)
		t.add(prog, inst.Arg)
	case syntax.InstCapture, syntax.InstNop, syntax.InstEmptyWidth:
		t.add(prog, inst.Out)
	case syntax.InstMatch:
		t.matched = true
	case syntax.InstRune, syntax.InstRune1, syntax.InstRuneAny, syntax.InstRuneAnyNotNL:
		t.at = append(t.at, at)
	}
}
