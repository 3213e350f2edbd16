package plan

import (
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/query/syntax"
)

// time lowers conditions on the time.
func (l *lowering) time(m syntax.Match) (index.Expr, error) {
	times := index.Times{From: math.MinInt64, To: NoTo}
	low, err := l.span(m, m.Value)
	if err != nil {
		return nil, err
	}
	high, err := l.span(m, m.High)
	if err != nil {
		return nil, err
	}
	switch m.Op {
	case syntax.Exists:
		return index.All{}, nil
	case syntax.Contains, syntax.Equal:
		if first, last, ok := strings.Cut(m.Value.Text, rangeDots); ok {
			return l.time(syntax.Match{Pos: m.Pos, Field: m.Field, Op: syntax.Range, Value: timeBound(first), High: timeBound(last)})
		}
		if age, err := syntax.ParseDuration(m.Value.Text); err == nil {
			return index.Times{From: nano(l.now.Add(-age)), To: after(nano(l.now))}, nil
		}
		return index.Times{From: low.from, To: low.to}, nil
	case syntax.Less:
		times.To = low.from
	case syntax.LessEqual:
		times.To = low.end()
	case syntax.Greater:
		times.From = low.end()
	case syntax.GreaterEqual:
		times.From = low.from
	case syntax.Range:
		if !m.Value.Open {
			times.From = low.from
			if m.LowOpen {
				times.From = low.end()
			}
		}
		if !m.High.Open {
			times.To = high.end()
			if m.HighOpen {
				times.To = high.from
			}
		}
	default:
		return nil, syntax.NewError(l.text, m.Pos, "_time can only be compared").Expect(timeForms...)
	}
	return times, nil
}

// timeForms are the ways to write a time.
var timeForms = []string{"_time:15m", "_time:today", "_time:last 15m", "_time:>now-1h", "_time:2024-01-31", "_time:>=2024-01-31T10:00:00Z", "_time:[2024-01-01 TO 2024-01-31]"}

// span is the stretch of time that a text names: a day, a minute, a second.
type span struct {
	from, to int64
	instant  bool // written to the second or finer: compares as a point
}

// end returns the first time after the span, for comparisons.
func (s span) end() int64 {
	if s.instant {
		return after(s.from)
	}
	return s.to
}

// after returns the next nanosecond.
func after(t int64) int64 {
	if t == math.MaxInt64 {
		return t
	}
	return t + 1
}

// nano returns Unix nanoseconds, at the ends of the range where they do not fit.
func nano(t time.Time) int64 {
	switch {
	case t.Before(time.Unix(0, math.MinInt64)):
		return math.MinInt64
	case t.After(time.Unix(0, math.MaxInt64)):
		return math.MaxInt64
	}
	return t.UnixNano()
}

// span reads the time of a condition.
func (l *lowering) span(m syntax.Match, value syntax.Value) (span, error) {
	text := value.Text
	if text == "" || value.Open {
		return span{}, nil
	}
	if m.Op == syntax.Contains || m.Op == syntax.Equal {
		if strings.Contains(text, rangeDots) {
			return span{}, nil // each bound is read on its own
		}
		if _, err := syntax.ParseDuration(text); err == nil {
			return span{}, nil
		}
	}
	if s, ok := parseSpan(text, l.now); ok {
		return s, nil
	}
	return span{}, syntax.NewError(l.text, m.Pos, "%q is no time", text).Expect(timeForms...)
}

// rangeDots separate the bounds of a range.
const rangeDots = ".."

// timeBound is a bound of a range of times; nothing is no bound.
func timeBound(text string) syntax.Value {
	text = strings.TrimSpace(text)
	return syntax.Value{Text: text, Open: text == "" || text == "*"}
}

// layouts are the absolute forms; a form without a zone is UTC.
var layouts = []struct {
	layout  string
	instant bool
	next    func(time.Time) time.Time
}{
	{"2006", false, func(t time.Time) time.Time { return t.AddDate(1, 0, 0) }},
	{"2006-01", false, func(t time.Time) time.Time { return t.AddDate(0, 1, 0) }},
	{"2006-01-02", false, func(t time.Time) time.Time { return t.AddDate(0, 0, 1) }},
	{"2006-01-02T15", false, func(t time.Time) time.Time { return t.Add(time.Hour) }},
	{"2006-01-02T15:04", false, func(t time.Time) time.Time { return t.Add(time.Minute) }},
	{"2006-01-02T15:04Z07:00", false, func(t time.Time) time.Time { return t.Add(time.Minute) }},
	{"2006-01-02T15:04:05", true, nil},
	{"2006-01-02T15:04:05Z07:00", true, nil},
}

// parseSpan reads now, now-1h, -1h, today, an absolute time or Unix time.
func parseSpan(text string, now time.Time) (span, bool) {
	if offset, ok := strings.CutPrefix(strings.ToLower(text), "now"); ok || strings.HasPrefix(text, "-") {
		if !ok {
			offset = text
		}
		return relative(offset, now)
	}
	if s, ok := calendar(strings.ToLower(text), now.UTC()); ok {
		return s, true
	}
	normal := strings.Replace(strings.ToUpper(text), " ", "T", 1)
	for _, form := range layouts {
		t, err := time.Parse(form.layout, normal)
		if err != nil {
			continue
		}
		next := t.Add(1)
		switch {
		case !form.instant:
			next = form.next(t)
		case !strings.ContainsAny(normal, ".,"):
			next = t.Add(time.Second)
		}
		return span{from: nano(t), to: nano(next), instant: form.instant}, true
	}
	return unixSpan(text)
}

// units are the stretches of the calendar: where the one begins that holds a
// time, and the one so many further.
var units = map[string]struct {
	start func(time.Time) time.Time
	step  func(t time.Time, n int) time.Time
}{
	"minute": {func(t time.Time) time.Time { return t.Truncate(time.Minute) }, func(t time.Time, n int) time.Time { return t.Add(time.Duration(n) * time.Minute) }},
	"hour":   {func(t time.Time) time.Time { return t.Truncate(time.Hour) }, func(t time.Time, n int) time.Time { return t.Add(time.Duration(n) * time.Hour) }},
	"day":    {startOfDay, func(t time.Time, n int) time.Time { return t.AddDate(0, 0, n) }},
	"week":   {startOfWeek, func(t time.Time, n int) time.Time { return t.AddDate(0, 0, 7*n) }},
	"month":  {func(t time.Time) time.Time { return startOfDay(t).AddDate(0, 0, 1-t.Day()) }, func(t time.Time, n int) time.Time { return t.AddDate(0, n, 0) }},
	"year":   {func(t time.Time) time.Time { return startOfDay(t).AddDate(0, 0, 1-t.YearDay()) }, func(t time.Time, n int) time.Time { return t.AddDate(n, 0, 0) }},
}

// startOfDay returns midnight.
func startOfDay(t time.Time) time.Time {
	year, month, day := t.Date()
	return time.Date(year, month, day, 0, 0, 0, 0, t.Location())
}

// startOfWeek returns midnight of Monday.
func startOfWeek(t time.Time) time.Time {
	return startOfDay(t).AddDate(0, 0, -(int(t.Weekday())+6)%7)
}

// calendar reads today, yesterday, this week, previous month, last 15m.
func calendar(text string, now time.Time) (span, bool) {
	first, second, _ := strings.Cut(text, " ")
	second = strings.TrimSpace(second)
	switch {
	case text == "today":
		first, second = "this", "day"
	case text == "yesterday":
		first, second = "previous", "day"
	case first == "last":
		if age, err := syntax.ParseDuration(second); err == nil {
			return span{from: nano(now.Add(-age)), to: after(nano(now))}, true
		}
		first = "previous"
	}
	unit, known := units[second]
	if !known || first != "this" && first != "previous" {
		return span{}, false
	}
	from := unit.start(now)
	if first == "previous" {
		from = unit.step(from, -1)
	}
	return span{from: nano(from), to: nano(unit.step(from, 1))}, true
}

// relative reads what follows now.
func relative(offset string, now time.Time) (span, bool) {
	t := now
	if offset != "" {
		d, err := syntax.ParseDuration(offset[1:])
		switch {
		case err != nil:
			return span{}, false
		case offset[0] == '-':
			t = now.Add(-d)
		case offset[0] == '+':
			t = now.Add(d)
		default:
			return span{}, false
		}
	}
	return span{from: nano(t), to: after(nano(t)), instant: true}, true
}

// unixSpan reads seconds, milli-, micro- or nanoseconds since 1970 by the
// number of digits.
func unixSpan(text string) (span, bool) {
	n, err := strconv.ParseInt(text, 10, 64)
	if err != nil || strings.Trim(text, "0123456789") != "" {
		return span{}, false
	}
	unit := int64(1)
	switch digits := len(text); {
	case digits < 9:
		return span{}, false
	case digits <= 10:
		unit = 1_000_000_000
	case digits <= 13:
		unit = 1_000_000
	case digits <= 16:
		unit = 1_000
	}
	if n > math.MaxInt64/unit {
		return span{}, false
	}
	return span{from: n * unit, to: after(n*unit + unit - 1), instant: true}, true
}
