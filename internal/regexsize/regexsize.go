// Package regexsize says of regular expressions from others how large they become, before
// somebody compiles them: "(?:…){1000}" of a thousand bytes has a million instructions.
//
// AtMost is the only function; it is a pure one.
package regexsize

import "regexp/syntax"

// AtMost returns how many instructions an expression takes, or some more. The parser has
// bounded its depth, and sees to it that nothing is repeated more than a thousand times.
func AtMost(e *syntax.Regexp) int { return 2 + atMost(e) } // a program has two of its own

func atMost(e *syntax.Regexp) int {
	if e.Op == syntax.OpCharClass {
		return 1
	}
	sum := 2 + len(e.Rune)
	for _, sub := range e.Sub {
		sum += atMost(sub)
	}
	if e.Op == syntax.OpRepeat && e.Max != 0 {
		sum *= max(1, e.Min, e.Max)
	}
	return sum
}
