package segment

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"testing"

	"github.com/stere-log/stere/index"
)

// TestLiteralsInShapes checks expressions whose literal is in shapes, in
// variables, in references and in both of two.
func TestLiteralsInShapes(t *testing.T) {
	var lines, other []string
	for i := range 3000 {
		field := fmt.Sprintf("field position %d", i)
		line := []string{
			"move position=%d end", "position none, 1position%d here", "the position: %d stop", "at position%d= x", "position\n%d end",
			"position of position=%d", "a1position=%d position", "no place %d end", "Position=%d END", "position \x11%d end", "to " + field + "=%d",
		}[i%11]
		lines, other = append(lines, fmt.Sprintf(line, i)), append(other, field)
	}
	var preds []index.Predicate
	for _, text := range []string{
		`position[ =:][0-9]*7`, `position=7\b`, `position none`, `^move position`, `(?i)POSITION=7`, `position.*position`, `(position|place)=1`,
		`position=\d+ end$`, `position7`, `sition=[0-9]+ (end|stop)`, "position\n", `.*position=1.*e`, `position.[0-9]+ e`, `(?s)position.[0-9]+ e`,
		`position: 1?`, `position\b.*77 e`, `(position){2}`, `\x11[0-9]+ end`, `position[^a-z]+$`, `d position 1.*=`, `position 4[0-9]*=`, `position$`, `tionx`,
	} {
		preds = append(preds, index.Regex{Re: regexp.MustCompile(text)})
	}
	compareMatches(t, lines, other, preds...)
	compareMatches(t, lines, nil, preds...)
}

// TestRelaxed says which shapes an expression cannot match.
func TestRelaxed(t *testing.T) {
	for _, test := range []struct {
		expression, literal, name string
		want                      bool
	}{
		{`position[ =:][0-9]*7`, "position", "at position \x11 end", true},
		{`position[ =:][0-9]*7`, "position", "at position=77 end", true},
		{`position[ =:][0-9]*7`, "position", "at position of \x11", false},
		{`position[ =:][0-9]*7`, "position", "\x11 position: none", false},
		{`position[ =:][0-9]*7`, "position", "at position \x134\x13 end", true},
		{`[0-9] position end`, " position end", "at \x11 position end", true},
		{`[0-9] position end`, " position end", "at position end \x11", false},
		{`error.*error`, "error", "an error \x11", false},
		{`error.*error`, "error", "an error \x11 error", true},
		{`(?i)x error`, "error", "X error", true},
	} {
		parsed, err := syntax.Parse(test.expression, syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		prog, err := syntax.Compile(parsed.Simplify())
		if err != nil {
			t.Fatal(err)
		}
		if got := newRelaxed(prog, test.literal).mayMatch(test.name); got != test.want {
			t.Errorf("%s in %q: %v, want %v", test.expression, test.name, got, test.want)
		}
	}
}
