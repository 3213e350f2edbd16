package syntax

import (
	"errors"
	"os"
	"reflect"
	"strings"
	"testing"
	"time"
)

// cases reads a file of "text => result" lines.
func cases(t testing.TB, name string) (pairs [][2]string) {
	t.Helper()
	data, err := os.ReadFile("testdata/" + name)
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(data)) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") {
			continue
		}
		text, result, ok := strings.Cut(line, " => ")
		if !ok {
			result = text
		}
		pairs = append(pairs, [2]string{text, result})
	}
	return pairs
}

func TestValid(t *testing.T) {
	for _, c := range cases(t, "valid.txt") {
		query, err := Parse(c[0])
		if err != nil {
			t.Errorf("%q: %v", c[0], err)
			continue
		}
		if have := query.String(); have != c[1] {
			t.Errorf("%q: have %q, want %q", c[0], have, c[1])
		}
		roundTrip(t, query)
	}
}

func TestInvalid(t *testing.T) {
	for _, c := range cases(t, "invalid.txt") {
		query, err := Parse(c[0])
		if err == nil {
			t.Errorf("%q: parsed as %q", c[0], query)
			continue
		}
		var fault *Error
		if !errors.As(err, &fault) {
			t.Errorf("%q: error of type %T", c[0], err)
		}
		if err.Error() != c[1] {
			t.Errorf("%q:\nhave %s\nwant %s", c[0], err, c[1])
		}
	}
}

func TestLimits(t *testing.T) {
	for name, text := range map[string]string{
		"long":    strings.Repeat("a ", TextMax/2+1),
		"deep":    strings.Repeat("(", DepthMax+1) + "a" + strings.Repeat(")", DepthMax+1),
		"negated": strings.Repeat("!", DepthMax+1) + "a",
		"utf8":    "a\xff",
		"regex":   "/" + strings.Repeat("a", RegexMax+1) + "/",
		"bigger":  "/((a{30}){30}){30}/",
		"pipes":   "a" + strings.Repeat("|limit 1", PipesMax+1),
		"list":    "a | fields " + strings.Repeat("a,", ListMax) + "a",
		"values":  "a in (" + strings.Repeat("b,", ValuesMax) + "b)",
		"queries": strings.Repeat("a in (b | fields c) ", QueriesMax+1),
		"nested":  strings.Repeat("a in (", DepthMax+1) + "b" + strings.Repeat(" | fields c)", DepthMax+1),
	} {
		if _, err := Parse(text); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := Parse(strings.Repeat("(", DepthMax) + "a" + strings.Repeat(")", DepthMax)); err != nil {
		t.Errorf("deepest: %v", err)
	}
}

func TestCaret(t *testing.T) {
	text := "a\nlevel:error AND grün )"
	_, err := Parse(text)
	var fault *Error
	if !errors.As(err, &fault) {
		t.Fatalf("have %v, want *Error", err)
	}
	want := "level:error AND grün )\n                     ^"
	if have := fault.Caret(text); have != want || fault.Line != 2 || fault.Column != 22 {
		t.Errorf("line %d column %d\n%s\nwant\n%s", fault.Line, fault.Column, have, want)
	}
}

func TestDuration(t *testing.T) {
	for text, want := range map[string]time.Duration{"90s": 90 * time.Second, "1h30m": 90 * time.Minute, "2w": 14 * 24 * time.Hour, "5us": 5 * time.Microsecond} {
		have, err := ParseDuration(text)
		if err != nil || have != want {
			t.Errorf("%s: have %v, %v", text, have, err)
		}
		if again, err := ParseDuration(FormatDuration(have)); err != nil || again != have {
			t.Errorf("%s: printed as %s", text, FormatDuration(have))
		}
	}
	for _, text := range []string{"", "5", "m", "5y", "-5m", "99999999999w", "9223372036854775807ns1ns"} {
		if d, err := ParseDuration(text); err == nil {
			t.Errorf("%s: read as %v", text, d)
		}
	}
}

// roundTrip checks that a printed query reads as the same tree.
func roundTrip(t *testing.T, query *Query) {
	t.Helper()
	printed := query.String()
	if len(printed) > TextMax {
		return // field:(a b c) prints the field several times
	}
	again, err := Parse(printed)
	if err != nil {
		t.Fatalf("%q printed as %q: %v", query.Text, printed, err)
	}
	if !reflect.DeepEqual(stripped(query), stripped(again)) {
		t.Fatalf("%q printed as %q, which reads as %q", query.Text, printed, again)
	}
}

// stripped returns the query without texts and positions.
func stripped(q *Query) Query {
	strip := Query{Filter: stripNode(q.Filter)}
	for _, pipe := range q.Pipes {
		switch p := pipe.(type) {
		case *Stats:
			c := Stats{}
			for _, agg := range p.Aggs {
				agg.Pos = 0
				if agg.Where != nil {
					agg.Where = stripNode(agg.Where)
				}
				c.Aggs = append(c.Aggs, agg)
			}
			for _, key := range p.By {
				key.Pos = 0
				c.By = append(c.By, key)
			}
			pipe = &c
		case *Top:
			pipe = &Top{N: p.N, Rare: p.Rare, Fields: stripNames(p.Fields)}
		case *Histogram:
			c := Histogram{Key: p.Key, Buckets: p.Buckets}
			c.Key.Pos = 0
			pipe = &c
		case *Facets:
			pipe = &Facets{N: p.N, Of: stripNames(p.Of)}
		case *Patterns:
			pipe = &Patterns{N: p.N}
		case *Fields:
			pipe = &Fields{Names: stripNames(p.Names)}
		case *Sort:
			c := Sort{}
			for _, key := range p.Keys {
				c.Keys = append(c.Keys, SortKey{Name: Name{Text: key.Name.Text}, Desc: key.Desc})
			}
			pipe = &c
		case *Limit:
			pipe = &Limit{N: p.N}
		case *Offset:
			pipe = &Offset{N: p.N}
		}
		strip.Pipes = append(strip.Pipes, pipe)
	}
	return strip
}

func stripNames(names []Name) (stripped []Name) {
	for _, name := range names {
		stripped = append(stripped, Name{Text: name.Text})
	}
	return stripped
}

func stripNode(node Node) Node {
	list := func(of []Node) (stripped []Node) {
		for _, n := range of {
			stripped = append(stripped, stripNode(n))
		}
		return stripped
	}
	switch n := node.(type) {
	case And:
		return And{Of: list(n.Of)}
	case Or:
		return Or{Of: list(n.Of)}
	case Not:
		return Not{Of: stripNode(n.Of)}
	case Match:
		n.Pos = 0
		return n
	case In:
		n.Pos = 0
		if n.Sub != nil {
			query := stripped(n.Sub.Query)
			n.Sub = &Subquery{Query: &query}
		}
		return n
	case Net:
		n.Pos = 0
		return n
	case Versus:
		n.Pos = 0
		return n
	}
	return node
}

func FuzzParse(f *testing.F) {
	for _, name := range []string{"valid.txt", "invalid.txt"} {
		for _, c := range cases(f, name) {
			f.Add(c[0])
		}
	}
	f.Fuzz(func(t *testing.T, text string) {
		query, err := Parse(text)
		if err != nil {
			var fault *Error
			if !errors.As(err, &fault) {
				t.Fatalf("error of type %T", err)
			}
			if fault.Line < 1 || fault.Column < 1 {
				t.Fatalf("%q: line %d column %d", text, fault.Line, fault.Column)
			}
			fault.Caret(text)
			return
		}
		roundTrip(t, query)
	})
}
