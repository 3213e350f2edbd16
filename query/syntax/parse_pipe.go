package syntax

import (
	"strconv"
	"strings"
	"time"
	"unicode"
)

// pipeNames are the pipes there are.
var pipeNames = []string{"stats", "top", "fields", "sort", "limit", "offset"}

// funcNames are the aggregates there are; pNN stands for all percentiles.
var funcNames = []string{"count", "sum", "avg", "min", "max", "median", "count_distinct", "p50", "p90", "p95", "p99", "p99.9"}

// meant maps names from other languages to ours.
var meant = map[string]string{
	"where": "the condition before the first |", "filter": "the condition before the first |",
	"head": "limit", "take": "limit", "tail": "sort by _time desc", "order": "sort", "select": "fields", "project": "fields",
	"keep": "fields", "table": "fields", "summarize": "stats", "group": "stats", "skip": "offset", "count": "stats count()",
	"mean": "avg", "average": "avg", "distinct": "count_distinct", "dc": "count_distinct", "uniq": "count_distinct",
	"count_uniq": "count_distinct", "unique": "count_distinct", "minimum": "min", "maximum": "max", "total": "sum",
}

// suggest returns what was perhaps meant by a name that is none of names.
func suggest(name string, names []string) string {
	if s, ok := meant[strings.ToLower(name)]; ok {
		return s
	}
	return Nearest(name, names)
}

// pipe reads one pipe after its bar.
func (p *parser) pipe() (Pipe, error) {
	p.space()
	at := Pos(p.pos)
	name := p.pipeWord()
	var pipe Pipe
	var err error
	switch strings.ToLower(name) {
	case "stats":
		pipe, err = p.stats(at)
	case "top":
		pipe, err = p.top(at)
	case "fields":
		pipe, err = p.fields(at)
	case "sort":
		pipe, err = p.sort(at)
	case "limit":
		n, fail := p.number(0)
		pipe, err = &Limit{Pos: at, N: n}, fail
	case "offset":
		n, fail := p.number(0)
		pipe, err = &Offset{Pos: at, N: n}, fail
	case "":
		return nil, NewError(p.text, at, "a pipe is missing").Expect(pipeNames...)
	default:
		return nil, NewError(p.text, at, "there is no pipe %q", name).Expect(pipeNames...).Suggest(suggest(name, pipeNames))
	}
	if err != nil {
		return nil, err
	}
	if !p.end() && !p.has("|") && !(p.queries > 0 && p.has(")")) {
		return nil, p.fail("%s ends here", strings.ToLower(name)).Expect("|", "the end")
	}
	return pipe, nil
}

// pipeWord reads a bare word of a pipe and the white space after it.
func (p *parser) pipeWord() string {
	rest := p.rest()
	n := strings.IndexFunc(rest, func(r rune) bool {
		return unicode.IsSpace(r) || strings.ContainsRune(`(),|":=<>`, r)
	})
	if n < 0 {
		n = len(rest)
	}
	p.pos += n
	p.space()
	return rest[:n]
}

// takeWord reads the keyword if it stands here, in any case.
func (p *parser) takeWord(keyword string) bool {
	start := p.pos
	if strings.EqualFold(p.pipeWord(), keyword) {
		return true
	}
	p.pos = start
	return false
}

// takeMark reads a mark and the white space after it.
func (p *parser) takeMark(mark string) bool {
	if p.take(mark) {
		p.space()
		return true
	}
	return false
}

// name reads a field name, bare or quoted.
func (p *parser) name(what string) (Name, error) {
	at := Pos(p.pos)
	if p.has(`"`) {
		text, err := p.quotedText()
		if err == nil && text == "" {
			err = NewError(p.text, at, "a name is empty").Expect(what)
		}
		p.space()
		return Name{Pos: at, Text: text}, err
	}
	text := p.pipeWord()
	if text == "" || pipeKeyword(text) && !strings.EqualFold(text, "bucket") {
		return Name{}, NewError(p.text, at, "%s is missing", what).Expect(what)
	}
	return Name{Pos: at, Text: text}, nil
}

// column reads a field name or the text of an aggregate.
func (p *parser) column() (Name, error) {
	name, err := p.name("a field")
	if err != nil || !p.takeMark("(") {
		return name, err
	}
	argument := Name{}
	if !p.has(")") {
		if argument, err = p.name("a field"); err != nil {
			return name, err
		}
	}
	if !p.takeMark(")") {
		return name, p.fail("this parenthesis is never closed").Expect(")")
	}
	name.Text += "(" + argument.Text + ")"
	return name, nil
}

// number reads a count; low is the least that is allowed.
func (p *parser) number(low int) (int, error) {
	at := Pos(p.pos)
	word := p.pipeWord()
	n, err := strconv.Atoi(word)
	if err != nil || n < low || n > NumberMax {
		return 0, NewError(p.text, at, "a number from %d to %d is missing", low, NumberMax).Expect("a number")
	}
	return n, nil
}

// list reads items between commas.
func (p *parser) list(item func() error) error {
	for n := 1; ; n++ {
		if n > ListMax {
			return p.fail("the list is longer than %d", ListMax)
		}
		if err := item(); err != nil {
			return err
		}
		if !p.takeMark(",") {
			return nil
		}
	}
}

func (p *parser) top(at Pos) (Pipe, error) {
	top := &Top{Pos: at, N: 10}
	start := p.pos
	if word := p.pipeWord(); word != "" && strings.Trim(word, "0123456789") == "" {
		p.pos = start
		n, err := p.number(1)
		if err != nil {
			return nil, err
		}
		top.N = n
	} else {
		p.pos = start
	}
	p.takeWord("by")
	name, err := p.name("a field")
	top.Field = name.Text
	return top, err
}

func (p *parser) fields(at Pos) (Pipe, error) {
	fields := &Fields{Pos: at}
	err := p.list(func() error {
		name, err := p.column()
		fields.Names = append(fields.Names, name)
		return err
	})
	return fields, err
}

func (p *parser) sort(at Pos) (Pipe, error) {
	sort := &Sort{Pos: at}
	p.takeWord("by")
	open := p.takeMark("(")
	err := p.list(func() error {
		name, err := p.column()
		if err != nil {
			return err
		}
		key := SortKey{Name: name, Desc: p.takeWord("desc")}
		if !key.Desc {
			p.takeWord("asc")
		}
		sort.Keys = append(sort.Keys, key)
		return nil
	})
	if err != nil {
		return nil, err
	}
	if open && !p.takeMark(")") {
		return nil, p.fail("this parenthesis is never closed").Expect(")", ",")
	}
	return sort, nil
}

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
