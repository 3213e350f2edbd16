package syntax

import (
	"fmt"
	"strconv"
	"strings"
	"unicode"
)

// pipeNames are the pipes there are.
var pipeNames = []string{
	"stats", "top", "rare", "histogram", "facets", "patterns", "fields", "sort", "limit", "offset", "where", "eval", "rename", "drop",
	"extract", "parse", "dedup", "fill", "sample", "join", "lookup", "union", "context", "compare", "timeline",
}

// meant maps names of pipes in other languages to ours.
var meant = map[string]string{
	"filter": "where", "extend": "eval", "let": "eval", "math": "eval", "format": "eval", "distinct": "dedup", "uniq": "dedup", "unique": "dedup",
	"rex": "extract", "grok": "extract", "unpack_json": "parse json", "unpack_logfmt": "parse logfmt", "json": "parse json", "logfmt": "parse logfmt",
	"spath": "parse json", "append": "union", "enrich": "lookup", "delete": "drop", "remove": "drop", "mv": "rename", "fillnull": "fill",
	"make-series": "fill", "transaction": "timeline", "stream_context": "context", "copy": "eval", "hist": "histogram",
	"timechart": "histogram _time", "shapes": "patterns", "cluster": "patterns",
	"head": "limit", "take": "limit", "tail": "sort by _time desc", "order": "sort", "select": "fields", "project": "fields",
	"keep": "fields", "table": "fields", "summarize": "stats", "group": "stats", "skip": "offset", "count": "stats count()",
}

// meantFuncs maps names of aggregates in other languages to ours.
var meantFuncs = map[string]string{
	"mean": "avg", "average": "avg", "distinct": "count_distinct", "dc": "count_distinct", "uniq": "count_distinct", "unique": "count_distinct",
	"count_uniq": "count_distinct", "dc_approx": "count_distinct_approx", "stdev": "stddev", "stdevp": "stddev", "std": "stddev",
	"countif": "count_if", "percentile": "p95", "quantile": "p95", "perc95": "p95", "perc99": "p99", "p999": "p99.9", "p9999": "p99.99", "earliest": "first", "latest": "last", "list": "values", "minimum": "min", "maximum": "max", "total": "sum",
}

// suggest returns what was perhaps meant by a name that is none of names.
func suggest(name string, meant map[string]string, names []string) string {
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
		pipe, err = p.top(at, false)
	case "rare":
		pipe, err = p.top(at, true)
	case "histogram":
		pipe, err = p.histogram(at)
	case "facets":
		pipe, err = p.facets(at)
	case "patterns":
		pipe, err = p.patterns(at)
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
		if pipe, err = p.rowPipe(strings.ToLower(name), at); pipe != nil || err != nil {
			break
		}
		return nil, NewError(p.text, at, "there is no pipe %q", name).Expect(pipeNames...).Suggest(suggest(name, meant, pipeNames))
	}
	if err != nil {
		return nil, err
	}
	if !p.end() && !p.has("|") && (p.inside == 0 || !p.has(")")) {
		return nil, p.fail("%s ends here", strings.ToLower(name)).Expect(goesOn(pipe)...).Expect("|", "the end")
	}
	return pipe, nil
}

// goesOn returns the keywords with which a pipe that was read could go on.
func goesOn(pipe Pipe) []string {
	switch pipe := pipe.(type) {
	case *Extract:
		if pipe.From.Text == "" {
			return []string{"from"}
		}
	case *ParseFormat:
		if pipe.From.Text == "" {
			return []string{"from"}
		}
	case *Lookup:
		if pipe.As.Text == "" {
			return []string{"as"}
		}
	case *Facets:
		if len(pipe.Of) == 0 {
			return []string{"of"}
		}
	case *Histogram:
		if pipe.Buckets == bucketsDefault || pipe.Buckets == timesDefault {
			return []string{"by", "buckets"}
		}
	}
	return nil
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
	if text == "" || pipeKeyword(text) && !nameToo(text) {
		return Name{}, NewError(p.text, at, "%s is missing", what).Expect(what)
	}
	return Name{Pos: at, Text: text}, nil
}

// unsigned refuses a name that begins with a sign, as other languages write what is
// done the other way round here: as a name it would be of a field that nothing has.
func (p *parser) unsigned(meant string) error {
	if !p.has("-") && !p.has("+") {
		return nil
	}
	start := p.pos
	name := strings.TrimSpace(strings.TrimLeft(p.pipeWord(), "+-"))
	if name == "" {
		name = p.pipeWord()
	}
	p.pos = start
	fault := p.fail("a name that begins with a sign is quoted").Expect("a field")
	if name == "" || p.has("+") {
		return fault
	}
	return fault.Suggest(fmt.Sprintf(meant, name))
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

func (p *parser) fields(at Pos) (Pipe, error) {
	fields := &Fields{Pos: at}
	err := p.list(func() error {
		if err := p.unsigned("drop %s"); err != nil {
			return err
		}
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
		if err := p.unsigned("sort by %s desc"); err != nil {
			return err
		}
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
