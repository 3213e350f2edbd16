package syntax

import (
	"regexp"
	"strconv"
	"strings"
	"time"
)

// Limits of pipes.
const (
	PatternMax = 1 << 10   // bytes of a pattern of extract
	ContextMax = 1_000     // N of context
	millionth  = 1_000_000 // what Sample.Millionths counts
)

// Where keeps what an expression is true for.
type Where struct {
	Pos  Pos
	Cond Expr
}

// Eval sets fields to what expressions give.
type Eval struct {
	Pos Pos
	Set []Assign
}

// Assign is a field and what it is set to.
type Assign struct {
	Name Name
	To   Expr
}

// Rename gives fields other names.
type Rename struct {
	Pos   Pos
	Pairs []RenamePair
}

// RenamePair is a name and the one that comes instead.
type RenamePair struct{ From, To Name }

// Drop takes fields away, and what is nested in them.
type Drop struct {
	Pos   Pos
	Names []Name
}

// Extract takes fields out of a text: by a pattern such as "<ip> - <user>", or
// by the named groups of a regular expression.
type Extract struct {
	Pos     Pos
	Start   Pos // of the pattern
	Pattern string
	Regex   bool
	From    Name // no text for the message
}

// extracted finds the names in a pattern of extract, of either kind.
var extracted = regexp.MustCompile(`<(\pL[^<>]*)>`)

// Names returns the fields that it takes out.
func (p *Extract) Names() (names []string) {
	for _, name := range extracted.FindAllStringSubmatch(p.Pattern, -1) {
		names = append(names, name[1])
	}
	return names
}

// formats are those of which parse takes fields out.
var formats = []string{"json", "logfmt"}

// ParseFormat takes the fields out of a text in a format.
type ParseFormat struct {
	Pos    Pos
	Format string // json or logfmt
	From   Name   // no text for the message
}

// Dedup keeps the first of those that are equal in some fields.
type Dedup struct {
	Pos Pos
	By  []Name
}

// Fill sets fields that are missing; without any, it adds the rows of empty
// time buckets.
type Fill struct {
	Pos Pos
	Set []Assign
}

// Sample keeps one record of so many, or so many millionths of all.
type Sample struct {
	Pos        Pos
	OneIn      int // 0 if Millionths say it
	Millionths int
}

// Union adds what another query finds.
type Union struct {
	Pos Pos
	Sub *Subquery
}

// Join adds the columns of another query's rows that are equal in some fields.
type Join struct {
	Pos   Pos
	Inner bool // what has no such row is left out
	By    []Name
	Sub   *Subquery
}

// Lookup adds the columns of the row of a lookup table whose key is equal to a field.
type Lookup struct {
	Pos   Pos
	Table Name
	On    Name
	As    Name // is put before the columns, with a dot; no text for nothing
}

// Context adds the records around each.
type Context struct {
	Pos Pos
	N   int // on each side
}

// Compare adds the values of the same table as of some time before.
type Compare struct {
	Pos Pos
	Ago time.Duration
}

// Timeline says for each value of a field when and where it occurs.
type Timeline struct {
	Pos Pos
	By  Name
}

// At implements Pipe.
func (p *Where) At() Pos { return p.Pos }

// At implements Pipe.
func (p *Eval) At() Pos { return p.Pos }

// At implements Pipe.
func (p *Rename) At() Pos { return p.Pos }

// At implements Pipe.
func (p *Drop) At() Pos { return p.Pos }

// At implements Pipe.
func (p *Extract) At() Pos { return p.Pos }

// At implements Pipe.
func (p *ParseFormat) At() Pos { return p.Pos }

// At implements Pipe.
func (p *Dedup) At() Pos { return p.Pos }

// At implements Pipe.
func (p *Fill) At() Pos { return p.Pos }

// At implements Pipe.
func (p *Sample) At() Pos { return p.Pos }

// At implements Pipe.
func (p *Union) At() Pos { return p.Pos }

// At implements Pipe.
func (p *Join) At() Pos { return p.Pos }

// At implements Pipe.
func (p *Lookup) At() Pos { return p.Pos }

// At implements Pipe.
func (p *Context) At() Pos { return p.Pos }

// At implements Pipe.
func (p *Compare) At() Pos { return p.Pos }

// At implements Pipe.
func (p *Timeline) At() Pos { return p.Pos }

func (p *Where) appendTo(dst []byte) []byte {
	return appendExpr(append(dst, "where "...), p.Cond, levelNone)
}

func (p *Eval) appendTo(dst []byte) []byte { return appendSet(append(dst, "eval "...), p.Set) }

// appendSet prints assignments.
func appendSet(dst []byte, set []Assign) []byte {
	for i, a := range set {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(appendName(dst, a.Name.Text), " = "...)
		dst = appendExpr(dst, a.To, levelNone)
	}
	return dst
}

func (p *Rename) appendTo(dst []byte) []byte {
	dst = append(dst, "rename "...)
	for i, pair := range p.Pairs {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = append(appendName(dst, pair.From.Text), " as "...)
		dst = appendName(dst, pair.To.Text)
	}
	return dst
}

// appendNames prints a list of names.
func appendNames(dst []byte, names []Name) []byte {
	for i, name := range names {
		if i > 0 {
			dst = append(dst, ", "...)
		}
		dst = appendName(dst, name.Text)
	}
	return dst
}

func (p *Drop) appendTo(dst []byte) []byte { return appendNames(append(dst, "drop "...), p.Names) }

func (p *Extract) appendTo(dst []byte) []byte {
	dst = append(dst, "extract "...)
	if p.Regex {
		dst = appendRegex(dst, p.Pattern)
	} else {
		dst = appendQuoted(dst, p.Pattern)
	}
	return appendFrom(dst, p.From)
}

// appendFrom prints where a text is taken from.
func appendFrom(dst []byte, from Name) []byte {
	if from.Text == "" {
		return dst
	}
	return appendName(append(dst, " from "...), from.Text)
}

func (p *ParseFormat) appendTo(dst []byte) []byte {
	return appendFrom(append(append(dst, "parse "...), p.Format...), p.From)
}

func (p *Dedup) appendTo(dst []byte) []byte { return appendNames(append(dst, "dedup by "...), p.By) }

func (p *Fill) appendTo(dst []byte) []byte {
	if dst = append(dst, "fill"...); len(p.Set) == 0 {
		return dst
	}
	return appendSet(append(dst, ' '), p.Set)
}

func (p *Sample) appendTo(dst []byte) []byte {
	dst = append(dst, "sample "...)
	if p.OneIn > 0 {
		return strconv.AppendInt(dst, int64(p.OneIn), 10)
	}
	whole, rest := p.Millionths/(millionth/100), p.Millionths%(millionth/100)
	dst = strconv.AppendInt(dst, int64(whole), 10)
	if rest > 0 {
		digits := strconv.Itoa(rest + millionth/100)[1:]
		dst = append(append(dst, '.'), strings.TrimRight(digits, "0")...)
	}
	return append(dst, '%')
}

func (p *Union) appendTo(dst []byte) []byte {
	return append(append(append(dst, "union ("...), p.Sub.Query.String()...), ')')
}

func (p *Join) appendTo(dst []byte) []byte {
	dst = append(dst, "join "...)
	if p.Inner {
		dst = append(dst, "inner "...)
	}
	dst = append(appendNames(append(dst, "by "...), p.By), " ("...)
	return append(append(dst, p.Sub.Query.String()...), ')')
}

func (p *Lookup) appendTo(dst []byte) []byte {
	dst = appendName(append(dst, "lookup "...), p.Table.Text)
	dst = appendName(append(dst, " on "...), p.On.Text)
	if p.As.Text != "" {
		dst = appendName(append(dst, " as "...), p.As.Text)
	}
	return dst
}

func (p *Context) appendTo(dst []byte) []byte {
	return strconv.AppendInt(append(dst, "context "...), int64(p.N), 10)
}

func (p *Compare) appendTo(dst []byte) []byte {
	return append(append(dst, "compare "...), FormatDuration(p.Ago)...)
}

func (p *Timeline) appendTo(dst []byte) []byte {
	return appendName(append(dst, "timeline by "...), p.By.Text)
}
