package yamlcheck

import (
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// TestCheck: what would take the decoder long is refused, with its line, whichever
// document it is in.
func TestCheck(t *testing.T) {
	bomb := "a: &a [x, x]\n"
	for _, name := range []string{"b", "c", "d", "e"} {
		bomb += name + ": &" + name + " [*" + string(name[0]-1) + ", *" + string(name[0]-1) + "]\n"
	}
	for text, want := range map[string]string{
		bomb:                         "line 1: anchors",
		"a: 1\nb: *a":                "",
		"a: 1\nb: 2\na: 3":           `line 3: the key "a" is there already, in line 1`,
		"a: 1\n---\nb: {c: 1, c: 2}": `line 3: the key "c"`,
		"{" + strings.Repeat("a,", 100_000) + "a}":          "line 1: a mapping has 100001 keys",
		"[" + strings.Repeat("a,", 100_000) + "a]":          "more than 20000 values",
		strings.Repeat("[", 200) + strings.Repeat("]", 200): "nested more than 64 deep",
		strings.Repeat("[", 20_000):                         "", // the library refuses it
		"a: [1, 2]\nb: {c: d}\n":                            "", "": "", "\t": "", "{": "",
	} {
		err := Check([]byte(text))
		if (err == nil) != (want == "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.40q: %v, want %q", text, err, want)
		}
	}
}

// TestUnreadable: the line is the one in a file, of what is being read where it ends too soon.
func TestUnreadable(t *testing.T) {
	for text, want := range map[string]struct {
		line int
		why  string
	}{
		"id: a\nname: [x\nwhen: {query: x}\n":  {2, "in what begins here it did not find expected ',' or ']'"},
		"title: b\na:\n  s:\n   a: b\n  - c\n": {3, "in what begins here it did not find expected key"},
		"a: 1\nb: c: d\n":                      {2, "mapping values are not allowed in this context"},
		"a: 1\nb: \"x\n":                       {2, "found unexpected end of stream"},
		"a: 1\nb: @x\n":                        {2, "found character that cannot start any token"},
	} {
		var into any
		err := yaml.Unmarshal([]byte(text), &into)
		if err == nil {
			t.Fatalf("%q is YAML", text)
		}
		if line, why := Unreadable(err); line != want.line || why != want.why {
			t.Errorf("%q: line %d, %q (%v)", text, line, why, err)
		}
	}
}

// FuzzCheck: what passes is decoded without one error more than there are values.
func FuzzCheck(f *testing.F) {
	f.Add([]byte("a: &x 1\nb: *x"))
	f.Add([]byte("{a, a, a}"))
	f.Add([]byte("? [a]\n: b\n? [a]\n: c\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		if Check(text) != nil {
			return
		}
		var into struct{ A, B string }
		if err := yaml.Unmarshal(text, &into); err != nil && len(err.Error()) > 200*len(text)+1000 {
			t.Errorf("%d bytes make an error of %d", len(text), len(err.Error()))
		}
	})
}
