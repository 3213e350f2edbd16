package syntax

import (
	"errors"
	"fmt"
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
		if have := allOf(fault); have != c[1] {
			t.Errorf("%q:\nhave %s\nwant %s", c[0], have, c[1])
		}
	}
}

// allOf returns everything that an error says.
func allOf(e *Error) string {
	text := fmt.Sprintf("query line %d column %d: %s", e.Line, e.Column, e.Message)
	if len(e.Expected) > 0 {
		text += "; expected " + strings.Join(e.Expected, ", ")
	}
	if e.Suggestion != "" {
		text += "; did you mean " + e.Suggestion + "?"
	}
	return text
}

func TestErrorText(t *testing.T) {
	for text, want := range map[string]string{
		"* | stats cuont()": `query line 1 column 11: there is no aggregate "cuont"; did you mean count?`,
		"* | parse xml":     `query line 1 column 11: there is no format "xml"; expected json, logfmt`,
		"* | limit x":       `query line 1 column 11: a number from 0 to 1073741824 is missing; expected a number`,
	} {
		if _, err := Parse(text); err == nil || err.Error() != want {
			t.Errorf("%q:\nhave %v\nwant %s", text, err, want)
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
func stripped(q *Query) *Query {
	return strip(reflect.ValueOf(q)).Interface().(*Query)
}

// strip copies a tree without its positions and the texts of queries.
func strip(v reflect.Value) reflect.Value {
	c := reflect.New(v.Type()).Elem()
	switch {
	case v.Type() == reflect.TypeFor[Pos]():
	case (v.Kind() == reflect.Pointer || v.Kind() == reflect.Interface) && v.IsNil():
	case v.Kind() == reflect.Pointer:
		c.Set(reflect.New(v.Type().Elem()))
		c.Elem().Set(strip(v.Elem()))
	case v.Kind() == reflect.Interface:
		c.Set(strip(v.Elem()))
	case v.Kind() == reflect.Slice:
		for i := range v.Len() {
			c.Set(reflect.Append(c, strip(v.Index(i))))
		}
	case v.Kind() == reflect.Struct:
		for i := range v.NumField() {
			c.Field(i).Set(strip(v.Field(i)))
		}
		if v.Type() == reflect.TypeFor[Query]() {
			c.FieldByName("Text").SetString("")
		}
		if v.Type() == reflect.TypeFor[Subquery]() {
			c.FieldByName("Text").SetString("")
		}
	default:
		c.Set(v)
	}
	return c
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
