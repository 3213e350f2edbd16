package pipeline

import "unicode/utf8"

// valid returns s with every byte that is not UTF-8 replaced by U+FFFD, as
// encoding/json does: one for each byte, so that the length still tells.
func (p *Parser) valid(s string) string {
	if utf8.ValidString(s) {
		return s
	}
	buf := p.arena.scratch[:0]
	for _, r := range s { // a bad byte reads as U+FFFD, one byte long
		buf = utf8.AppendRune(buf, r)
	}
	p.arena.scratch = buf
	return p.arena.text(unsafeString(buf))
}
