package sigma_test

import (
	"strings"
	"testing"

	"github.com/stere-log/stere/detect/sigma"
	"github.com/stere-log/stere/query/syntax"
)

// FuzzTranslate: what is translated is a query of bounded length without pipes, whatever
// the rule says; what its values say does not become a part of the condition.
func FuzzTranslate(f *testing.F) {
	for _, text := range []string{
		"title: t\ndetection:\n  a:\n    x|re: 'a\\/b'\n  condition: not 1 of them",
		"title: t\ndetection:\n  a:\n    x|re: 'a\\'\n  condition: a",
		"title: t\ndetection:\n  a:\n    'x\" OR *|contains': ['\") | delete', 2, null]\n  condition: a",
		"title: t\ndetection:\n  a: [x, {y|cidr: 10.0.0.0/8}]\n  condition: all of a* and (a)",
		"title: t\ndetection: &a\n  a: *a\n  condition: a",
		"title: t\ndetection:\n  a|b: \xff\n  condition: a",
		strings.Repeat("[", 300),
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		rule, err := sigma.Translate(text, sigma.Options{Prefix: "p."})
		if err != nil {
			if len(err.Error()) > 2*sigma.RuleMax {
				t.Errorf("an error of %d bytes", len(err.Error()))
			}
			return
		}
		parsed, err := syntax.Parse(rule.Query)
		if err != nil || len(parsed.Pipes) > 0 || len(rule.Query) > syntax.TextMax {
			t.Errorf("%q makes %q: %v", text, rule.Query, err)
		}
	})
}
