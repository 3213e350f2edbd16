package syntax

import (
	"strconv"
	"strings"
	"time"
)

// funcNames are the aggregates there are; pNN stands for all percentiles.
var funcNames = []string{"count", "sum", "avg", "min", "max", "median", "count_distinct", "p50", "p90", "p95", "p99", "p99.9"}

// stats reads what follows the name of the pipe.
func (p *parser) stats(at Pos) (Pipe, error) {
	stats := &Stats{Pos: at}
	if p.takeWord("by") {
		if err := p.keys(stats); err != nil {
			return nil, err
		}
	}
	if err := p.list(func() error { return p.aggregate(stats) }); err != nil {
		return nil, err
	}
	if len(stats.By) == 0 && p.takeWord("by") {
		if err := p.keys(stats); err != nil {
			return nil, err
		}
	}
	names := map[string]bool{}
	for _, key := range stats.By {
		if names[key.Field] {
			return nil, NewError(p.text, key.Pos, "the records are grouped by %q twice", key.Field)
		}
		names[key.Field] = true
	}
	for _, agg := range stats.Aggs {
		if names[agg.Name()] {
			return nil, NewError(p.text, agg.Pos, "two columns have the name %q", agg.Name()).Suggest(agg.Func + "(" + agg.Field + ") as another_name")
		}
		names[agg.Name()] = true
	}
	return stats, nil
}

// aggregate reads one aggregate of stats.
func (p *parser) aggregate(stats *Stats) error {
	agg := Agg{Pos: Pos(p.pos)}
	word := p.pipeWord()
	agg.Func = strings.ToLower(word)
	if !isFunc(agg.Func) {
		if word == "" {
			return NewError(p.text, agg.Pos, "an aggregate is missing").Expect(funcNames...)
		}
		return NewError(p.text, agg.Pos, "there is no aggregate %q", word).Expect(funcNames...).Suggest(suggest(word, funcNames))
	}
	if p.takeMark("(") {
		if p.takeMark("*") && agg.Func != "count" {
			return p.fail("%s needs a field", agg.Func).Expect("a field")
		}
		if !p.has(")") {
			name, err := p.name("a field")
			if err != nil {
				return err
			}
			agg.Field = name.Text
		}
		if !p.takeMark(")") {
			return p.fail("this parenthesis is never closed").Expect(")")
		}
	}
	if agg.Field == "" && agg.Func != "count" {
		return NewError(p.text, agg.Pos, "%s needs a field", agg.Func).Expect(agg.Func + "(field)")
	}
	if p.takeWord("as") {
		name, err := p.name("a name")
		if err != nil {
			return err
		}
		agg.As = name.Text
	}
	stats.Aggs = append(stats.Aggs, agg)
	return nil
}

// isFunc reports whether there is such an aggregate.
func isFunc(name string) bool {
	switch name {
	case "count", "sum", "avg", "min", "max", "median", "count_distinct":
		return true
	}
	_, ok := Percentile(name)
	return ok
}

// percentileUnit is one percent in thousandths, the unit of Percentile.
const percentileUnit = 1000

// Percentile returns the percentile that a function name pNN asks for, in
// thousandths of a percent (p99.9 is 99900).
func Percentile(name string) (int64, bool) {
	if name == "median" {
		return 50 * percentileUnit, true
	}
	digits, ok := strings.CutPrefix(name, "p")
	whole, fraction, dotted := strings.Cut(digits, ".")
	if !ok || whole == "" || len(whole) > 3 || len(fraction) > 3 || dotted && fraction == "" ||
		strings.Trim(whole+fraction, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.ParseInt(whole+fraction+strings.Repeat("0", 3-len(fraction)), 10, 64)
	return n, err == nil && n <= 100*percentileUnit
}

// keys reads what stats groups by.
func (p *parser) keys(stats *Stats) error {
	open := p.takeMark("(")
	if err := p.list(func() error { return p.key(stats) }); err != nil {
		return err
	}
	if open && !p.takeMark(")") {
		return p.fail("this parenthesis is never closed").Expect(")", ",")
	}
	return nil
}

// key reads one field or bucket: name, _time:1m, bucket(_time, 1m), bucket(1m).
func (p *parser) key(stats *Stats) error {
	at := Pos(p.pos)
	quoted := p.has(`"`)
	name, err := p.name("a field")
	if err != nil {
		return err
	}
	key := Key{Pos: at, Field: name.Text}
	switch {
	case !quoted && strings.EqualFold(name.Text, "bucket") && p.takeMark("("):
		key.Field = "_time"
		start := p.pos
		if field := p.pipeWord(); p.takeMark(",") {
			key.Field = field
		} else {
			p.pos = start
		}
		if key.Bucket, err = p.duration(); err != nil {
			return err
		}
		if !p.takeMark(")") {
			return p.fail("this parenthesis is never closed").Expect(")")
		}
	case p.takeMark(":"):
		if key.Bucket, err = p.duration(); err != nil {
			return err
		}
	}
	if key.Bucket > 0 && key.Field != "_time" && key.Field != "timestamp" {
		return NewError(p.text, at, "only _time can be cut into buckets").Suggest("_time:" + FormatDuration(key.Bucket))
	}
	stats.By = append(stats.By, key)
	return nil
}

// duration reads a positive duration.
func (p *parser) duration() (time.Duration, error) {
	at := Pos(p.pos)
	d, err := ParseDuration(p.pipeWord())
	if err != nil || d <= 0 {
		return 0, NewError(p.text, at, "a duration is missing").Expect("30s", "5m", "1h", "1d")
	}
	return d, nil
}
