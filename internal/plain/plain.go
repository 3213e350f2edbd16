// Package plain makes texts of others safe to show: what a terminal would take for a
// command, or what changes how other texts look, is shown as something else.
//
// Foreign says which runes these are; Text, Line and JSON replace them.
package plain

import (
	"fmt"
	"strings"
)

// shown stands for a rune that is not shown.
const shown = '·'

// Foreign reports whether a rune can change what a terminal shows of others: control
// characters, and marks that turn the direction of writing.
func Foreign(r rune) bool {
	return r < ' ' || r >= 0x7f && r < 0xa0 || r == 0x61c || r == 0x200e || r == 0x200f || r >= 0x2028 && r <= 0x202e || r >= 0x2066 && r <= 0x2069
}

// Text returns a text of several lines without what is foreign but for their ends and tabs.
func Text(text string) string {
	return strings.Map(func(r rune) rune {
		if Foreign(r) && r != '\n' && r != '\t' {
			return shown
		}
		return r
	}, text)
}

// Line returns a text as a part of a line.
func Line(text string) string {
	return strings.Map(func(r rune) rune {
		if Foreign(r) {
			return shown
		}
		return r
	}, text)
}

// JSON returns JSON that means the same, with what is foreign written as \u and digits.
// Encoders leave marks and the second set of control characters as they are; outside of
// texts JSON has none of them.
func JSON(text []byte) []byte {
	var out strings.Builder
	for _, r := range string(text) {
		if Foreign(r) && r != '\n' && r != '\t' && r != '\r' {
			fmt.Fprintf(&out, `\u%04x`, r)
		} else {
			out.WriteRune(r)
		}
	}
	return []byte(out.String())
}
