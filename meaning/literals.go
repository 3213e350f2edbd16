package meaning

// literals finds which of many texts occur in another one, in one pass over its bytes: an
// automaton (Aho and Corasick) with a row for each state. It never changes.
type literals struct {
	class [256]uint8 // of bytes; those that are in no literal are one
	width int
	next  []uint16 // state*width + class -> state
	found []uint64 // by state: groups of the literals that end here
}

// newLiterals returns an automaton for groups of literals in lower case, at most 64. A
// text is expected in lower case, too.
func newLiterals(groups [][]string) *literals {
	l := &literals{width: 1}
	for _, group := range groups {
		for _, text := range group {
			for i := 0; i < len(text); i++ {
				if l.class[text[i]] == 0 {
					l.class[text[i]] = uint8(l.width)
					l.width++
				}
			}
		}
	}
	add := func() uint16 {
		l.next = append(l.next, make([]uint16, l.width)...)
		l.found = append(l.found, 0)
		return uint16(len(l.found) - 1)
	}
	add()
	for group, texts := range groups {
		for _, text := range texts {
			state := uint16(0)
			for i := 0; i < len(text); i++ {
				at := int(state)*l.width + int(l.class[text[i]])
				if l.next[at] == 0 {
					to := add()
					l.next[at] = to
				}
				state = l.next[at]
			}
			l.found[state] |= 1 << group
		}
	}
	// What follows where no literal goes on is what would follow the longest end of what
	// was read that begins a literal.
	fail := make([]uint16, len(l.found))
	var queue []uint16
	for _, to := range l.next[:l.width] {
		if to != 0 {
			queue = append(queue, to)
		}
	}
	for len(queue) > 0 {
		state := queue[0]
		queue = queue[1:]
		l.found[state] |= l.found[fail[state]]
		for class := range l.width {
			at := int(state)*l.width + class
			other := l.next[int(fail[state])*l.width+class]
			if to := l.next[at]; to != 0 {
				fail[to] = other
				queue = append(queue, to)
			} else {
				l.next[at] = other
			}
		}
	}
	return l
}

// in returns the groups of which a literal occurs in a text.
func (l *literals) in(text []byte) (groups uint64) {
	state := 0
	for _, c := range text {
		state = int(l.next[state*l.width+int(l.class[c])])
		groups |= l.found[state]
	}
	return groups
}
