package expr_test

import (
	"math"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/expr"
	"github.com/stere-log/stere/query/syntax"
)

// row is a row of a map.
type row map[string]expr.Value

func (r row) Get(name string) expr.Value { return r[name] }

var now = time.Date(2024, 1, 31, 10, 0, 0, 0, time.UTC).UnixNano()

// values are what names mean in the tests.
func values() row {
	return row{
		"n": expr.OfInt(7), "half": expr.OfAny(0.5), "big": expr.OfInt(math.MaxInt64), "least": expr.OfInt(math.MinInt64),
		"digits": expr.OfField(model.Number, "1.50"), "text": expr.OfText("Größe"), "number": expr.OfText("42"), "yes": expr.OfBool(true),
		"t": expr.OfTime(now), "level": expr.OfText("error"), "array": expr.OfField(model.JSON, `["a",1]`), "empty": expr.OfText(""),
		"huge": expr.OfField(model.Number, "1e400"),
	}
}

// compile compiles an expression.
func compile(text string) (*expr.Expr, error) {
	query, err := syntax.Parse("* | eval x = " + text)
	if err != nil {
		return nil, err
	}
	eval, ok := query.Pipes[0].(*syntax.Eval)
	if !ok || len(query.Pipes) > 1 || len(eval.Set) > 1 {
		return nil, syntax.NewError(text, 0, "more than an expression")
	}
	return expr.Compile(text, eval.Set[0].To, now, func(ref syntax.Ref) (string, error) { return ref.Name, nil })
}

func TestEval(t *testing.T) {
	for text, want := range map[string]string{
		"n + 1": "8", "n - 8": "-1", "n * 2": "14", "n / 2": "3.5", "n / 7": "1", "n % 4": "3", "-n % 4": "-3", "n / 0": "null", "n % 0": "null", "-n": "-7",
		"half + half": "1", "digits * 2": "3", "digits": "1.50", "number + 1": "43", "text + 1": "null", "none + 1": "null", "yes + 1": "null",
		"big + 1": "9223372036854776000", "big - 1": "9223372036854775806", "least - 1": "-9223372036854776000", "-least": "9223372036854776000", "least / -1": "9223372036854776000", "least % -1": "0",
		"big * 2": "18446744073709552000", "abs(least)": "9223372036854776000", "huge * 2": "null", "1e308 * 10": "null",
		"1 + 2 * 3": "7", "(1 + 2) * 3": "9", "10 - 4 - 3": "3", "2 - -2": "4", "5m": "300", "1500ms": "1.5",
		"n == 7.0": "true", `n == "7"`: "true", `digits == 1.5`: "true", "n = 8": "false", "n != 8": "true", "none == null": "true", "none != null": "false",
		"none == 5": "false", "none != 5": "true", "none < 5": "false", "not (none < 5)": "true", "null": "null", "empty == null": "false", `empty == ""`: "true",
		"text < 5": "false", "text > 5": "false", "text == 5": "false", `text > "A"`: "true", `"abc" < "abd"`: "true", "yes == true": "true", `yes == "true"`: "true",
		"yes and n > 5": "true", "none or yes": "true", "none and yes": "false", "not none": "true", "n or n": "false", "!yes": "false", "yes && !none || false": "true",
		`level >= "warn"`: "true", `level == "ERR"`: "true", `level < "fatal"`: "true", `"error" < "warn"`: "true", `level == "x"`: "false",
		"t + 5m": "2024-01-31T10:05:00Z", "t - 1h30m": "2024-01-31T08:30:00Z", "5 + t": "2024-01-31T10:00:05Z", "now() - t": "0", "now() + 1.5 - t": "1.5", "t * 2": "null",
		`t > "2024-01-31"`: "true", `t == "2024-01-31T10:00:00Z"`: "true", `t < "yesterday"`: "false", `t - "2024-01-31T09:59:59.5Z"`: "0.5", "t + 1e300": "null",
		"bucket(t, 1d)": "2024-01-31T00:00:00Z", "bucket(t, 1w)": "2024-01-29T00:00:00Z", "bucket(n, 5)": "5", "bucket(-n, 5)": "-10", "bucket(half, 0.2)": "0.4", "bucket(n, 0)": "null", "bucket(text, 5)": "null",
		`format_time(t, "%Y-%m-%d %H:%M:%S.%L %j %a %B %%")`: "2024-01-31 10:00:00.000 031 Wed January %", "format_time(t)": "2024-01-31T10:00:00Z", "format_time(n)": "null",
		"lower(text)": "größe", "upper(text)": "GRÖßE", "length(text)": "5", "length(n)": "1", "length(none)": "null", `trim(" a ")`: "a",
		"substr(text, 1)": "röße", "substr(text, 1, 2)": "rö", "substr(text, -2)": "ße", "substr(text, 9)": "", "substr(text, 0, -1)": "null", "substr(text, -9, 2)": "Gr", "substr(text, n, 1e99)": "",
		"concat(text, none, n, t)": "Größe72024-01-31T10:00:00Z", `replace(text, "ö", "oe")`: "Groeße", `replace(text, "", "x")`: "Größe",
		`split("a,b,c", ",")`: `["a","b","c"]`, `split("a,b,c", ",", 1)`: "b", `split("a,b,c", ",", -1)`: "c", `split("a", ",", 1)`: "null", `split("a", "")`: "null", `split("<a>", ",")`: `["<a>"]`,
		`contains(text, "öß")`: "true", `starts_with(text, "G")`: "true", `ends_with(text, "G")`: "false", `contains(none, "a")`: "null", `contains(array, "1")`: "true",
		`matches(text, "^G.*e$")`: "true", `matches(none, "x")`: "null", `matches(n, "\d")`: "true",
		`if(n > 5, "a", "b")`: "a", `if(n > 9, "a")`: "null", `case(n > 9, 1, n > 6, 2, 3)`: "2", `case(n > 9, 1, n > 8, 2)`: "null", "coalesce(none, null, n)": "7", "coalesce(none)": "null",
		"round(2.5)": "3", "round(-2.5)": "-3", "round(1.256, 2)": "1.26", "round(n, 3)": "7", "round(1.5, 99)": "null", "floor(-1.5)": "-2", "ceil(1.2)": "2", "abs(-1.5)": "1.5", "floor(text)": "null",
		"to_number(number)": "42", `to_number(" 1.50 ")`: "1.5", "to_number(yes)": "1", "to_number(t)": "1706695200", "to_number(text)": "null", "to_number(array)": "null", "to_string(n)": "7",
		"to_time(1706695200)": "2024-01-31T10:00:00Z", "to_time(1706695200000)": "2024-01-31T10:00:00Z", "to_time(1706695200.5)": "2024-01-31T10:00:00.5Z", `to_time("2024-01-31")`: "2024-01-31T00:00:00Z", "to_time(text)": "null",
		"`text`": "Größe", "array": `["a",1]`,
	} {
		e, err := compile(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		v := e.Eval(values())
		have := v.String()
		if v.Kind == expr.Null {
			have = "null"
		}
		if have != want {
			t.Errorf("%s: have %s, want %s", text, have, want)
		}
	}
}

func TestFaults(t *testing.T) {
	for text, want := range map[string]string{
		`matches(text, n)`: "must be a text", `matches(text, "(")`: "regular expression", `format_time(t, n)`: "must be a text", `format_time(t, "%Q")`: "says nothing", `format_time(t, "%")`: "says nothing",
	} {
		if _, err := compile(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: have error %v, want %s", text, err, want)
		}
	}
}

func TestLongTexts(t *testing.T) {
	long := row{"x": expr.OfText(strings.Repeat("x", expr.TextMax))}
	for text, kind := range map[string]expr.Kind{
		"x": expr.Text, "lower(x)": expr.Text, `concat(x, "y")`: expr.Null, `replace(x, "x", "yy")`: expr.Null, "length(x)": expr.Int, `split(x, "x")`: expr.Null,
	} {
		e, err := compile(text)
		if err != nil {
			t.Fatal(err)
		}
		if have := e.Eval(long).Kind; have != kind {
			t.Errorf("%s: kind %d, want %d", text, have, kind)
		}
	}
}

// TestValuesComeBack checks that values of fields are written as they were.
func TestValuesComeBack(t *testing.T) {
	for _, f := range []model.Field{
		{Kind: model.Number, Text: "1.50"}, {Kind: model.Number, Text: "-0"}, {Kind: model.Number, Text: "1e5"}, {Kind: model.Number, Text: "12345678901234567890"}, {Kind: model.Number, Text: "-5"},
		{Kind: model.String, Text: "5"}, {Kind: model.Bool, Text: "false"}, {Kind: model.JSON, Text: "[]"}, {Kind: model.Null},
	} {
		if kind, text := expr.OfField(f.Kind, f.Text).Field(); kind != f.Kind || text != f.Text {
			t.Errorf("%v %q came back as %v %q", f.Kind, f.Text, kind, text)
		}
	}
}

// FuzzEval compiles and evaluates any text as an expression.
func FuzzEval(f *testing.F) {
	for _, text := range []string{
		`case(n > 5 and text != "x", concat(text, n), none == null, -digits % 2)`, `substr(text, n - 9, 3)`, `format_time(t + 5m, "%H:%L")`, `split(array, ",", -1)`,
		`bucket(t, 1w) - now()`, `round(big / 3, 2) * least`, `matches(text, "(a|b)+") or to_time(number) > t`, `replace(text, "", huge)`,
	} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := compile(text)
		if err != nil {
			return
		}
		v := e.Eval(values())
		if len(v.Text) > expr.TextMax || v.Kind > expr.Time || v.Kind == expr.Float && (math.IsNaN(v.Float) || math.IsInf(v.Float, 0)) {
			t.Fatalf("%s is %+v", text, v)
		}
		again, err := compile(e.Text)
		if err != nil || again.Eval(values()) != v {
			t.Fatalf("%s, printed as %s: %+v and %v", text, e.Text, v, err)
		}
		if kind, out := v.Field(); v.Kind != expr.Null && v.Kind != expr.Time && expr.OfField(kind, out).String() != out {
			t.Fatalf("%s: %q is written as %v %q", text, v, kind, out)
		}
	})
}
