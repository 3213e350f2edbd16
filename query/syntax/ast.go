package syntax

import "time"

// Limits of a query text.
const (
	TextMax    = 64 << 10 // bytes
	DepthMax   = 64       // nested parentheses and negations
	RegexMax   = 1 << 10  // bytes of one regular expression
	RegexInst  = 10_000   // instructions of one compiled regular expression
	PipesMax   = 32       // pipes of one query
	ListMax    = 64       // aggregates, group keys, names or sort keys of a pipe
	ValuesMax  = 10_000   // values of in( ... ) and ip( ... )
	QueriesMax = 16       // queries inside a query
	NumberMax  = 1 << 30  // N of limit, offset and top
	BucketMax  = 10_000   // buckets of a histogram
)

// Pos is a byte offset into the query text.
type Pos int

// Query is a parsed query: a filter and what to do with what it finds.
type Query struct {
	Text   string // as parsed, for error messages
	Filter Node   // never nil
	Pipes  []Pipe
}

// Node is a condition: All, And, Or, Not, Match, In, Net or Versus.
type Node interface{ node() }

// All is '*' alone: every record.
type All struct{}

// And holds where all of two or more conditions hold.
type And struct{ Of []Node }

// Or holds where one of two or more conditions holds.
type Or struct{ Of []Node }

// Not holds where its condition does not.
type Not struct{ Of Node }

// Match is a condition on the values of one field, or of any if Field is "".
type Match struct {
	Pos      Pos
	Field    string
	Op       Op
	Value    Value // the value, or the lower bound of a Range; none for Exists
	High     Value // the upper bound of a Range
	LowOpen  bool  // the lower bound of a Range does not match itself
	HighOpen bool
}

// In holds where a value of the field is exactly one of Values, or of those
// that Sub finds.
type In struct {
	Pos    Pos
	Field  string
	Values []string
	Sub    *Subquery // nil if the values are written out
}

// Subquery is a query inside a query, in parentheses.
type Subquery struct {
	Pos   Pos // of its first character
	Text  string
	Query *Query // with positions in the text of the whole
}

// Net holds where a value of the field, or of any if Field is "", contains an
// IP address of one of the networks or ranges.
type Net struct {
	Pos   Pos
	Field string
	Of    []string
}

// Versus compares a field with another field of the same record. Op is Equal,
// Less, LessEqual, Greater or GreaterEqual.
type Versus struct {
	Pos   Pos
	Field string
	Op    Op
	Other string
}

func (All) node()    {}
func (And) node()    {}
func (Or) node()     {}
func (Not) node()    {}
func (Match) node()  {}
func (In) node()     {}
func (Net) node()    {}
func (Versus) node() {}

// Op says how a value is compared.
type Op uint8

// The operators.
const (
	Contains Op = iota + 1 // the word or phrase occurs
	Prefix                 // a word or phrase starts like this
	Exists                 // any value
	Equal                  // the whole value
	Less
	LessEqual
	Greater
	GreaterEqual
	Range
	Regex
	Case      // like Contains, but case counts
	Substring // the text occurs, also inside words
)

// Value is a value as typed.
type Value struct {
	Text string
	// Quoted tells a number in quotes, which is meant as text, from a bare
	// one. It is false for what does not read as a number.
	Quoted bool
	// Open is the bound '*' of a range: none.
	Open bool
}

// Pipe is one step after the filter: *Stats, *Top, *Histogram, *Facets,
// *Patterns, *Fields, *Sort, *Limit, *Offset, *Where, *Eval, *Rename, *Drop,
// *Extract, *ParseFormat, *Dedup, *Fill, *Sample, *Union, *Join, *Lookup, *Context,
// *Compare or *Timeline.
type Pipe interface {
	// At returns where the pipe's name stands.
	At() Pos
	appendTo(dst []byte) []byte
}

// Stats groups records and computes aggregates of each group.
type Stats struct {
	Pos  Pos
	Aggs []Agg
	By   []Key
}

// Agg is one aggregate.
type Agg struct {
	Pos   Pos
	Func  string // of funcNames, or pNN
	Field string // "" for count(), rate() and count_if
	Where Node   // of count_if, else nil
	As    string // "" for the aggregate's own text
}

// Name returns the name of the aggregate's column.
func (a Agg) Name() string {
	if a.As != "" {
		return a.As
	}
	return a.call()
}

// call returns the aggregate as a call.
func (a Agg) call() string {
	if a.Where != nil {
		return a.Func + "(" + Print(a.Where) + ")"
	}
	return a.Func + "(" + a.Field + ")"
}

// Key is what records are grouped by: a field's values, or numbers or times cut
// to buckets. At most one of Width, Bucket and Months is set.
type Key struct {
	Pos    Pos
	Field  string
	Width  string        // of numbers, as written
	Bucket time.Duration // of times
	Months int           // of times
	Zone   string        // in which days begin; "" for UTC
	Offset time.Duration // by which buckets begin later
}

// Cut reports whether the key cuts values to buckets.
func (k Key) Cut() bool { return k.Width != "" || k.Bucket > 0 || k.Months > 0 }

// Top keeps the most frequent values of some fields, or the least frequent.
type Top struct {
	Pos    Pos
	Rare   bool
	N      int
	Fields []Name
}

// Histogram counts how values spread over buckets.
type Histogram struct {
	Pos Pos
	Key Key
	// Buckets is about how many buckets are wanted where the key does not cut.
	Buckets int
}

// Facets counts the most frequent values of fields.
type Facets struct {
	Pos Pos
	N   int    // values of a field
	Of  []Name // none means all fields with few values
}

// Patterns counts the shapes of messages.
type Patterns struct {
	Pos Pos
	N   int
}

// Fields keeps only the named fields or columns, in this order.
type Fields struct {
	Pos   Pos
	Names []Name
}

// Name is a field or column name and where it stands.
type Name struct {
	Pos  Pos
	Text string
}

// Sort orders by fields or columns.
type Sort struct {
	Pos  Pos
	Keys []SortKey
}

// SortKey is one key of Sort.
type SortKey struct {
	Name Name
	Desc bool
}

// Limit keeps the first N.
type Limit struct {
	Pos Pos
	N   int
}

// Offset drops the first N.
type Offset struct {
	Pos Pos
	N   int
}

// At implements Pipe.
func (p *Stats) At() Pos { return p.Pos }

// At implements Pipe.
func (p *Top) At() Pos { return p.Pos }

// At implements Pipe.
func (p *Fields) At() Pos { return p.Pos }

// At implements Pipe.
func (p *Sort) At() Pos { return p.Pos }

// At implements Pipe.
func (p *Limit) At() Pos { return p.Pos }

// At implements Pipe.
func (p *Offset) At() Pos { return p.Pos }

// At implements Pipe.
func (p *Histogram) At() Pos { return p.Pos }

// At implements Pipe.
func (p *Facets) At() Pos { return p.Pos }

// At implements Pipe.
func (p *Patterns) At() Pos { return p.Pos }
