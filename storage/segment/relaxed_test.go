package segment

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
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
			"preposition=%d", "é1position=%d", "1position2=%d é", "positioné %d", "a \x11position %d", "no \x11\x12 preposition %d",
		}[i%17]
		lines, other = append(lines, fmt.Sprintf(line, i)), append(other, field)
	}
	var preds []index.Predicate
	for _, text := range []string{
		`position[ =:][0-9]*7`, `position=7\b`, `position none`, `^move position`, `(?i)POSITION=7`, `position.*position`, `(position|place)=1`,
		`position=\d+ end$`, `position7`, `sition=[0-9]+ (end|stop)`, "position\n", `.*position=1.*e`, `position.[0-9]+ e`, `(?s)position.[0-9]+ e`,
		`position: 1?`, `position\b.*77 e`, `(position){2}`, `\x11[0-9]+ end`, `position[^a-z]+$`, `d position 1.*=`, `position 4[0-9]*=`, `position$`, `tionx`,
		`[ =]position[ =]`, `^position[ =:]`, `( position)+`, `(position)[=:]+[0-9]`, `[0-9é]position=`, `(?m)^position$`, `(?m)position$`, `[^a-z]position `,
		`1(position)=7`, `[ \x11](position) `, `(e)(position)=`, `\x12 preposition 1`, `o position[ é]`, `position[é ]`, `position(=|:)`,
	} {
		preds = append(preds, index.Regex{Re: regexp.MustCompile(text)})
	}
	compareMatches(t, lines, other, preds...)
	compareMatches(t, lines, nil, preds...)
}

// TestLiterals says what of an expression every match contains, and where words begin and end
// with it.
func TestLiterals(t *testing.T) {
	for _, test := range []struct {
		expression string
		want       []literal
	}{
		{`position[ =:][0-9]*7`, []literal{{"position", false, true}}},
		{`[ =]position\b`, []literal{{"position", true, false}}},
		{`^position$`, []literal{{"position", true, true}}},
		{`(?m)^position of$`, []literal{{"position of", true, true}}},
		{`[0-9]+position[a-z]*=`, []literal{{"position", false, false}}},
		{`(position)[=:]+(free)`, []literal{{"position", false, true}, {"free", true, false}}},
		{`(position )+free`, []literal{{"position ", false, false}, {"free", true, false}}},
		{`[ é]position[^a]`, []literal{{"position", false, false}}},
		{`(?i: )position(?i:=)`, []literal{{"position", false, false}}},
		{`[ =]*position[ =]?`, []literal{{"position", false, false}}},
	} {
		have := newRegexHint(regexp.MustCompile(test.expression)).literals
		if !slices.Equal(have, test.want) {
			t.Errorf("%s: %v, want %v", test.expression, have, test.want)
		}
	}
}

// TestPhraseReadsNoCodes checks that codes of messages are not read for a phrase whose words
// are in shapes alone, and in none beside each other.
func TestPhraseReadsNoCodes(t *testing.T) {
	for _, test := range []struct {
		lines, other []string
		reads        bool
	}{
		{append(numbered("alpha beta %d", 3000), numbered("beta gamma %d", 3000)...), nil, false},
		{append(numbered("alpha beta %d", 3000), numbered("beta gamma1 %d", 3000)...), numbered("delta %d", 6000), false},
		{append(numbered("alpha %d", 3000), numbered("beta %d gamma", 3000)...), append(numbered("gamma %d", 3000), numbered("delta %d", 3000)...), false},
		{numbered("alpha is gamma %d", 3000), numbered("gamma %d", 3000), true},
	} {
		s := compareMatches(t, test.lines, test.other, index.NewPhrase("beta gamma"), index.NewPhrase("alpha gamma"))
		codes, get := 0, s.get
		s.cache.Clear()
		s.get = func(key []byte, use func([]byte) error) error {
			if key[0] == sectionColumn && key[5] == itemCodes {
				codes++
			}
			return get(key, use)
		}
		if _, err := s.Eval(t.Context(), index.Leaf{Field: "message", Pred: index.NewPhrase("alpha gamma")}, nil); err != nil {
			t.Fatal(err)
		}
		if codes > 0 != test.reads {
			t.Errorf("lines like %q: %d pages of codes read", test.lines[0], codes)
		}
	}
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
