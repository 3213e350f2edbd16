package syntax

import (
	"slices"
	"strconv"
	"strings"
	"time"
)

// funcNames are the aggregates there are; some pNN stand for all percentiles.
var funcNames = []string{
	"count", "count_if", "sum", "avg", "min", "max", "median", "stddev", "first", "last", "values", "rate",
	"count_distinct", "count_distinct_exact", "count_distinct_approx", "p50", "p90", "p95", "p99", "p99.9",
}

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
			return nil, NewError(p.text, agg.Pos, "two columns have the name %q", agg.Name()).Suggest(agg.call() + " as another_name")
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
		return NewError(p.text, agg.Pos, "there is no aggregate %q", word).Expect(funcNames...).Suggest(suggest(word, meantFuncs, funcNames))
	}
	var err error
	if agg.Func == "count_if" {
		err = p.condition(&agg)
	} else {
		err = p.argument(&agg)
	}
	if err != nil {
		return err
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

// argument reads the field of an aggregate in parentheses; those that count
// records have none.
func (p *parser) argument(agg *Agg) error {
	records := agg.Func == "count" || agg.Func == "rate"
	if p.takeMark("(") {
		if p.takeMark("*") && !records {
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
	if agg.Field == "" && !records {
		return NewError(p.text, agg.Pos, "%s needs a field", agg.Func).Expect(agg.Func + "(field)")
	}
	return nil
}

// condition reads the condition of count_if in parentheses.
func (p *parser) condition(agg *Agg) error {
	open := Pos(p.pos)
	if !p.takeMark("(") || p.has(")") {
		return NewError(p.text, agg.Pos, "count_if needs a condition").Expect("count_if(level>=error)")
	}
	if err := p.deeper(); err != nil {
		return err
	}
	defer func() { p.depth-- }()
	var err error
	if agg.Where, err = p.or(scope{}); err != nil {
		return err
	}
	if !p.takeMark(")") {
		return NewError(p.text, open, "this parenthesis is never closed").Expect(")")
	}
	return nil
}

// isFunc reports whether there is such an aggregate.
func isFunc(name string) bool {
	if _, ok := Percentile(name); ok {
		return true
	}
	return slices.Contains(funcNames, name)
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
	err := p.list(func() error {
		key, err := p.key()
		stats.By = append(stats.By, key)
		return err
	})
	if err != nil {
		return err
	}
	if open && !p.takeMark(")") {
		return p.fail("this parenthesis is never closed").Expect(")", ",")
	}
	return nil
}

// key reads one field or bucket: name, duration:100, _time:1d tz "Europe/Berlin",
// bucket(_time, 1m), bucket(1m).
func (p *parser) key() (Key, error) {
	at := Pos(p.pos)
	quoted := p.has(`"`)
	name, err := p.name("a field")
	if err != nil {
		return Key{}, err
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
		if err = p.bucket(&key); err != nil {
			return Key{}, err
		}
		if !p.takeMark(")") {
			return Key{}, p.fail("this parenthesis is never closed").Expect(")")
		}
	case p.takeMark(":"):
		err = p.bucket(&key)
	}
	return key, err
}

// IsTime reports whether a name is that of the record's time.
func IsTime(field string) bool { return field == "_time" || field == "timestamp" }

// bucket reads the width of the buckets of a key: of times a duration or months,
// a zone and an offset, of numbers a number.
func (p *parser) bucket(key *Key) error {
	at := Pos(p.pos)
	if !IsTime(key.Field) {
		word := p.pipeWord()
		if _, err := ParseDuration(word); err == nil {
			return NewError(p.text, key.Pos, "only _time can be cut into buckets of a duration").Suggest("_time:" + word)
		}
		if !isWidth(word) {
			return NewError(p.text, at, "the width of a bucket is missing").Expect("a number above 0, such as 100 or 0.5")
		}
		key.Width = word
		return nil
	}
	word := p.pipeWord()
	if months, ok := strings.CutSuffix(word, "mo"); ok {
		n, err := strconv.Atoi(months)
		if err != nil || n < 1 || n > monthsMax {
			return NewError(p.text, at, "a number of months is missing").Expect("1mo", "3mo", "12mo")
		}
		key.Months = n
	} else {
		d, err := ParseDuration(word)
		if err != nil || d <= 0 {
			return NewError(p.text, at, "a duration is missing").Expect("30s", "5m", "1h", "1d", "1mo")
		}
		key.Bucket = d
	}
	return p.zone(key)
}

// monthsMax is how many months a bucket has at most.
const monthsMax = 1200

// isWidth reports whether a word is the width of a bucket of numbers.
func isWidth(word string) bool {
	v, err := strconv.ParseFloat(word, 64)
	return err == nil && v > 0 && len(word) <= widthMax && strings.Trim(word, "0123456789.") == ""
}

// widthMax is how many characters a width has at most.
const widthMax = 18

// zone reads the zone and the offset of buckets of times, in either order.
func (p *parser) zone(key *Key) error {
	for {
		switch {
		case key.Zone == "" && p.takeWord("tz"):
			at := Pos(p.pos)
			name, err := p.name("a time zone")
			if err != nil {
				return err
			}
			if _, err := LoadZone(name.Text); err != nil {
				return NewError(p.text, at, "there is no time zone %q", name.Text).Expect(`"Europe/Berlin"`, `"UTC"`, `"+05:30"`)
			}
			key.Zone = name.Text
		case key.Offset == 0 && p.takeWord("offset"):
			at := Pos(p.pos)
			d, err := ParseDuration(p.pipeWord())
			if err != nil || d <= 0 {
				return NewError(p.text, at, "a duration is missing").Expect("6h", "30m")
			}
			if d >= key.Bucket && key.Bucket > 0 || d >= monthLeast*24*time.Hour {
				return NewError(p.text, at, "the offset must be less than the bucket")
			}
			key.Offset = d
		default:
			return nil
		}
	}
}

// monthLeast is how many days a month has at least.
const monthLeast = 28

// LoadZone returns a time zone by its name in the time zone database, or one at
// a fixed distance to UTC (+05:30).
func LoadZone(name string) (*time.Location, error) {
	if t, err := time.Parse("-07:00", name); err == nil {
		_, seconds := t.Zone()
		return time.FixedZone(name, seconds), nil
	}
	if name == "" || strings.EqualFold(name, "local") {
		return nil, ErrZone // it would be another one on every node
	}
	return time.LoadLocation(name)
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

// What the pipes that make a table of records take without a number.
const (
	topDefault      = 10
	facetsDefault   = 5
	patternsDefault = 20
	bucketsDefault  = 20 // of numbers
	timesDefault    = 60 // of times
)

// count reads a number of rows if one stands here.
func (p *parser) count(fallback int) (int, error) {
	start := p.pos
	word := p.pipeWord()
	p.pos = start
	if word == "" || strings.Trim(word, "0123456789") != "" {
		return fallback, nil
	}
	return p.number(1)
}

// fieldSet reads names of fields, each once.
func (p *parser) fieldSet() (names []Name, err error) {
	err = p.list(func() error {
		name, err := p.name("a field")
		if err != nil {
			return err
		}
		for _, known := range names {
			if known.Text == name.Text {
				return NewError(p.text, name.Pos, "the field %q is there twice", name.Text)
			}
		}
		names = append(names, name)
		return nil
	})
	return names, err
}

// top reads what follows top or rare.
func (p *parser) top(at Pos, rare bool) (Pipe, error) {
	n, err := p.count(topDefault)
	if err != nil {
		return nil, err
	}
	p.takeWord("by")
	names, err := p.fieldSet()
	if at := Pos(p.pos); err == nil && !p.end() {
		if n, fail := strconv.Atoi(p.pipeWord()); fail == nil {
			right := (&Top{Rare: rare, N: n, Fields: names}).appendTo(nil)
			return nil, NewError(p.text, at, "how many stands in front of the fields").Suggest(string(right))
		}
		p.pos = int(at)
	}
	return &Top{Pos: at, Rare: rare, N: n, Fields: names}, err
}

// histogram reads a field and how it is cut.
func (p *parser) histogram(at Pos) (Pipe, error) {
	name, err := p.name("a field")
	if err != nil {
		return nil, err
	}
	h := &Histogram{Pos: at, Key: Key{Pos: name.Pos, Field: name.Text}, Buckets: bucketsDefault}
	if IsTime(name.Text) {
		h.Buckets = timesDefault
	}
	switch {
	case p.takeWord("by"), p.takeMark(":"):
		err = p.bucket(&h.Key)
		h.Buckets = 0
	case p.takeWord("buckets"):
		start := Pos(p.pos)
		if h.Buckets, err = p.number(1); err == nil && h.Buckets > BucketMax {
			err = NewError(p.text, start, "a histogram has at most %d buckets", BucketMax)
		}
	}
	return h, err
}

// facets reads how many values of which fields.
func (p *parser) facets(at Pos) (Pipe, error) {
	f := &Facets{Pos: at}
	var err error
	if f.N, err = p.count(facetsDefault); err != nil {
		return nil, err
	}
	if p.takeWord("of") {
		f.Of, err = p.fieldSet()
	}
	return f, err
}

// patterns reads how many patterns.
func (p *parser) patterns(at Pos) (Pipe, error) {
	n, err := p.count(patternsDefault)
	return &Patterns{Pos: at, N: n}, err
}
