package regexsize_test

import (
	"math/rand/v2"
	"regexp/syntax"
	"strings"
	"testing"

	"github.com/stere-log/stere/internal/regexsize"
)

func atMost(t *testing.T, expression string) (int, *syntax.Regexp) {
	t.Helper()
	tree, err := syntax.Parse(expression, syntax.Perl)
	if err != nil {
		t.Fatal(err)
	}
	return regexsize.AtMost(tree), tree
}

// TestAtMost compares what expressions seem to take before they are compiled with what
// they do take: never less.
func TestAtMost(t *testing.T) {
	random := rand.New(rand.NewPCG(9, 4))
	var expression func(depth int) string
	expression = func(depth int) string {
		if depth == 0 {
			return []string{"a", "abc", "[a-f]", `\w`, "(?i:k)", ".", "^", `\b`, "ä", ""}[random.IntN(10)]
		}
		sub := expression(depth - 1)
		switch random.IntN(5) {
		case 0:
			return "(" + sub + ")"
		case 1:
			return "(?:" + sub + ")" + []string{"*", "+", "?", "{3}", "{2,5}", "{4,}", "{0,3}", "{0}", "{1}"}[random.IntN(9)]
		case 2:
			return "(?:" + sub + "|" + expression(depth-1) + ")"
		}
		return sub + expression(depth-1)
	}
	for range 2000 {
		text := expression(random.IntN(6))
		bound, tree := atMost(t, text)
		program, err := syntax.Compile(tree.Simplify())
		if err != nil {
			t.Fatal(err)
		}
		if size := len(program.Inst); bound < size {
			t.Errorf("%s: %d instructions, thought to be %d", text, size, bound)
		}
	}
}

// TestAtMostIsClose looks at what people write, and at what is written to harm.
func TestAtMostIsClose(t *testing.T) {
	for expression, size := range map[string][2]int{
		`[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}`:                       {40, 150},
		`user=(?P<user>\S+) from (\d{1,3}\.){3}\d{1,3}`:         {40, 150},
		"(?:" + strings.Repeat("a", 1000) + "){1000}":           {1_000_000, 1_010_000},
		"(?:" + strings.Repeat("(?:ab|cd){10}", 70) + "){90}":   {300_000, 1_500_000},
		strings.Repeat(`(?:\w{9}){99}`, 70):                     {60_000, 300_000},
		"(?:" + strings.Repeat("[a-z][0-9]", 100) + "){1000}a*": {200_000, 205_000},
	} {
		if bound, _ := atMost(t, expression); bound < size[0] || bound > size[1] {
			t.Errorf("%.60s: thought to be %d, want %v", expression, bound, size)
		}
	}
}
