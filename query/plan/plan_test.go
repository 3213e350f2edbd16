package plan

import (
	"errors"
	"math"
	"slices"
	"testing"
	"time"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/syntax"
)

// now is what "now" means in these tests.
var now = time.Date(2024, 3, 10, 12, 0, 0, 0, time.UTC)

func newPlan(t *testing.T, text string, options Options) (*Plan, error) {
	t.Helper()
	query, err := syntax.Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	options.Now = now
	return New(query, options)
}

// holds evaluates an expression on a single value of a field.
func holds(t *testing.T, e index.Expr, field string, kind model.Kind, text string) bool {
	t.Helper()
	switch e := e.(type) {
	case index.All:
		return true
	case index.AllOf:
		return !slices.ContainsFunc(e.Of, func(o index.Expr) bool { return !holds(t, o, field, kind, text) })
	case index.AnyOf:
		return slices.ContainsFunc(e.Of, func(o index.Expr) bool { return holds(t, o, field, kind, text) })
	case index.Not:
		return !holds(t, e.Of, field, kind, text)
	case index.Leaf:
		return (e.Field == "" || e.Field == field) && e.Pred.Match(kind, text)
	}
	t.Fatalf("cannot evaluate %T", e)
	return false
}

// TestMeaning checks conditions on single values.
func TestMeaning(t *testing.T) {
	for _, c := range []struct {
		text, field string
		match, not  []string
	}{
		{"f:404", "f", []string{"404", "404.0", "4.04e2", "code 404 x"}, []string{"4040", "x404"}},
		{`f:"404"`, "f", []string{"404", "code 404 x"}, []string{"404e0", "4.04e2"}},
		{"f:-5", "f", []string{"-5", "-5.0", "x -5"}, []string{"5", "-55"}},
		{"f:=404", "f", []string{"404"}, []string{"404.0", "code 404"}},
		{"f:foo-b*", "f", []string{"foo-bar", "x FOO-B y", "foo-b"}, []string{"xfoo-bar", "foo-c", "foo b"}},
		{"f:/api/*", "f", []string{"GET /api/v1", "/api/"}, []string{"/ap", "api"}},
		{"f:Foo*", "f", []string{"fooBar", "x foo"}, []string{"xfoo"}},
		{"f:*", "f", []string{"", "x"}, nil},
		{`f:""`, "f", []string{""}, []string{"x", " "}},
		{"f:!=x", "f", []string{"X", "x y", ""}, []string{"x"}},
		{"f>5", "f", []string{"6", "5.1", "1e3"}, []string{"5", "-7", "x", ""}},
		{`f>"5"`, "f", []string{"6", "x", "51"}, []string{"5", "10"}},
		{"f<=b", "f", []string{"a", "b", "5"}, []string{"ba", "c"}},
		{"f:[1 TO 5}", "f", []string{"1", "4.9"}, []string{"0", "5", "x"}},
		{"f:{1 TO *]", "f", []string{"2", "1e9"}, []string{"1", "x"}},
		{"f:{* TO 5}", "f", []string{"-9", "4"}, []string{"5", "x"}},
		{`f:["1" TO 5]`, "f", []string{"1", "12", "5"}, []string{"6", "0"}},
		{"f:[a TO b}", "f", []string{"a", "az"}, []string{"b", "A"}},
		{"f:[* TO *]", "f", []string{"a", "5"}, nil},
		{"/^a (\\w+) b$/", "message", []string{"a x b"}, []string{"a x bc", "xa x b"}},
		{"/ two words?| three /", "message", []string{"x two word", "x three y"}, []string{"two words"}},
		{"f:/(?i) foo /", "f", []string{"a Foo b"}, []string{"foo"}},
		{"level:warning", "level", []string{"warn", "warning"}, []string{"error"}},
		{"severity:WARN", "level", []string{"warn"}, []string{"error", "info"}},
		{"level:odd", "level", []string{"odd", "very odd"}, []string{"info"}},
		{"level:=fatal", "level", []string{"critical", "fatal"}, []string{"error"}},
		{"level:!=fatal", "level", []string{"error"}, []string{"critical"}},
		{"level>=warn", "level", []string{"warn", "error", "critical"}, []string{"info", "zzz"}},
		{"level<info", "level", []string{"trace", "debug"}, []string{"info", "a"}},
		{"level>5", "level", []string{"6"}, []string{"4", "warn"}},
		{"level:{info TO error]", "level", []string{"warn", "error"}, []string{"info", "critical"}},
		{"level:[* TO warn}", "level", []string{"trace", "info"}, []string{"warn"}},
		{"level:err*", "level", []string{"error"}, []string{"warn"}},
	} {
		p, err := newPlan(t, c.text, Options{})
		if err != nil {
			t.Errorf("%s: %v", c.text, err)
			continue
		}
		for _, text := range c.match {
			if !holds(t, p.Expr, c.field, model.String, text) {
				t.Errorf("%s does not find %q", c.text, text)
			}
		}
		for _, text := range c.not {
			if holds(t, p.Expr, c.field, model.String, text) {
				t.Errorf("%s finds %q", c.text, text)
			}
		}
	}
	if p, err := newPlan(t, "f:*", Options{}); err != nil || holds(t, p.Expr, "f", model.Null, "") {
		t.Errorf("f:* finds null, %v", err)
	}
}

// TestBounds checks which conditions on time bound the scan.
func TestBounds(t *testing.T) {
	at := func(text string) int64 {
		v, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			t.Fatal(err)
		}
		return v.UnixNano()
	}
	hour := int64(time.Hour)
	for _, c := range []struct {
		text     string
		options  Options
		from, to int64
	}{
		{"a", Options{}, math.MinInt64, NoTo},
		{"a", Options{From: 5, To: 9}, 5, 9},
		{"a _time:1h", Options{}, now.UnixNano() - hour, now.UnixNano() + 1},
		{"_time>now-1h (b _time<now+1h)", Options{}, now.UnixNano() - hour + 1, now.UnixNano() + hour},
		{"_time>=-1h", Options{From: 5}, now.UnixNano() - hour, NoTo},
		{"_time:2024", Options{}, at("2024-01-01T00:00:00Z"), at("2025-01-01T00:00:00Z")},
		{"_time:2024-02", Options{}, at("2024-02-01T00:00:00Z"), at("2024-03-01T00:00:00Z")},
		{"_time:2024-02-29", Options{}, at("2024-02-29T00:00:00Z"), at("2024-03-01T00:00:00Z")},
		{"_time:2024-02-29T10", Options{}, at("2024-02-29T10:00:00Z"), at("2024-02-29T11:00:00Z")},
		{"_time:2024-02-29T10:11:12+02:00", Options{}, at("2024-02-29T08:11:12Z"), at("2024-02-29T08:11:13Z")},
		{"_time:2024-02-29T10:11:12.5Z", Options{}, at("2024-02-29T10:11:12.5Z"), at("2024-02-29T10:11:12.500000001Z")},
		{`_time:"2024-02-29 10:11:12"`, Options{}, at("2024-02-29T10:11:12Z"), at("2024-02-29T10:11:13Z")},
		{"_time>2024-02-29", Options{}, at("2024-03-01T00:00:00Z"), NoTo},
		{"_time<=2024-02-29", Options{}, math.MinInt64, at("2024-03-01T00:00:00Z")},
		{"_time<=2024-02-29T00:00:00Z", Options{}, math.MinInt64, at("2024-02-29T00:00:00.000000001Z")},
		{"_time:[2024-02-01 TO 2024-02-29]", Options{}, at("2024-02-01T00:00:00Z"), at("2024-03-01T00:00:00Z")},
		{"_time>=1700000000", Options{}, 1700000000e9, NoTo},
		{"_time>=1700000000123", Options{}, 1700000000123e6, NoTo},
		{"_time>=1700000000123456", Options{}, 1700000000123456e3, NoTo},
		{"_time>=1700000000123456789", Options{}, 1700000000123456789, NoTo},
		{"_time<1500", Options{}, math.MinInt64, math.MinInt64},
		{"_time<2500", Options{}, math.MinInt64, NoTo},
		{"_time:*", Options{}, math.MinInt64, NoTo},
		{"a OR _time>2024", Options{}, math.MinInt64, NoTo},
		{"NOT _time>2024", Options{}, math.MinInt64, NoTo},
	} {
		p, err := newPlan(t, c.text, c.options)
		if err != nil || p.From != c.from || p.To != c.to {
			t.Errorf("%s: have %d to %d, want %d to %d, %v", c.text, p.From, p.To, c.from, c.to, err)
		}
	}
}

func TestFaults(t *testing.T) {
	for _, text := range []string{
		"_id:x", "_id>1-1-1", "_time:someday", "_time:last", "_time:last fortnight", "_time:2024-01-01..never", "a in (b | fields c)", "_time:/x/", "_time>now-5", "_time>now*1h", "_time:12", "_time:99999999999999999999",
		"* | stats count() | sort by nope", "* | stats count() by (a) | patterns", "* | limit 1 | patterns", "* | stats count() | stats count_if(nope:x)",
		"* | stats count() | facets of nope", "* | limit 1 | top _pattern", "* | eval a = _pattern", "* | histogram _time | fill", "* | histogram a | stats count_if(_pattern:x)",
		"* | union (a in (b | limit 1) | stats count())",
	} {
		_, err := newPlan(t, text, Options{})
		var fault *syntax.Error
		if !errors.As(err, &fault) || fault.Column == 1 && text[0] == '*' {
			t.Errorf("%s: have error %v", text, err)
		}
	}
}

func TestRegexWords(t *testing.T) {
	for expression, want := range map[string][]string{
		`connection`:                   nil,
		`connection reset by peer`:     {"by", "reset"},
		`^Connection reset`:            {"connection"},
		`^only$`:                       {"only"},
		`a (b c d) e`:                  {"c"},
		`( x y z )+`:                   {"x", "y", "z"},
		`( x | y )`:                    nil,
		`( x y )*`:                     nil,
		`( x y )?`:                     nil,
		`(?i) x y `:                    nil,
		`user=\w+ failed: (\d+) times`: {"failed"},
		`(`:                            nil,
	} {
		if have := regexWords(expression); !slices.Equal(have, want) {
			t.Errorf("%s: have %q, want %q", expression, have, want)
		}
	}
}

func TestFilterExpr(t *testing.T) {
	for _, c := range []struct {
		filter     Filter
		field      string
		match, not []string
	}{
		{Filter{"severity", []string{"warning", "x"}}, "level", []string{"warn", "warning", "x"}, []string{"error", "X"}},
		{Filter{"f", []string{"a b", "c"}}, "f", []string{"a b", "c"}, []string{"a", "A b"}},
		{Filter{"f", nil}, "f", nil, []string{"a"}},
		{Filter{"_id", []string{"nonsense"}}, "_id", nil, []string{"nonsense"}},
	} {
		e := FilterExpr(c.filter)
		for _, text := range c.match {
			if !holds(t, e, c.field, model.String, text) {
				t.Errorf("%v does not find %q", c.filter, text)
			}
		}
		for _, text := range c.not {
			if holds(t, e, c.field, model.String, text) {
				t.Errorf("%v finds %q", c.filter, text)
			}
		}
	}
}

func TestCheap(t *testing.T) {
	for text, want := range map[string]bool{"a": false, "level:warn -f:*": true, "level:warn -a": false, `f:="a"`: true, `message:="a"`: false, "a*": false, "f>5": false, "/a/": false, `"a b"`: false, "*": true} {
		if p, err := newPlan(t, text, Options{}); err != nil || p.Cheap != want {
			t.Errorf("%s: cheap is %v, want %v, %v", text, p.Cheap, want, err)
		}
	}
}

// TestColumnNames checks that a column is found by its own name before one of which
// that is a synonym, wherever they stand.
func TestColumnNames(t *testing.T) {
	columns := []string{"severity", "level", "count()", "timestamp"}
	for name, want := range map[string]int{"level": 1, "severity": 0, "count": 2, "count()": 2, "_time": 3} {
		if got, err := find(name, syntax.Name{Text: name}, columns); err != nil || got != want {
			t.Errorf("%s is column %d (%v), want %d", name, got, err, want)
		}
	}
	if got, err := find("level", syntax.Name{Text: "level"}, columns[:1]); err != nil || got != 0 {
		t.Errorf("level is column %d (%v) where only severity is", got, err)
	}
}
