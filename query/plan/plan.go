package plan

import (
	"math"
	"time"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/rows"
	"github.com/stere-log/stere/query/syntax"
)

// FieldTime is the name of the record's time; model.FieldTimestamp is a
// synonym of it.
const FieldTime = "_time"

// Unlimited is the Limit of a plan without one.
const Unlimited = -1

// NoTo is the To of a plan without an upper bound on time.
const NoTo = math.MaxInt64

// Plan is what to look for and what to make of it.
type Plan struct {
	Expr     index.Expr
	From, To int64 // From <= time < To in Unix nanoseconds; NoTo has no bound
	// Cheap says that Expr costs little over all rows: no text is read for it.
	Cheap bool
	// Lights are the conditions whose matches can be shown in a record.
	Lights []index.Leaf

	// Of records, when Table is nil:
	Sort   []SortKey // none means newest first
	Fields []string  // query names to keep; none means all
	Offset int
	Limit  int // or Unlimited

	// Table says what parts amount to, if not a page of records.
	Table *Table
	// Dedup says that Table finds, in its only column, the first record of each
	// group, and that these records are the answer.
	Dedup bool

	// Filter says by what ops of the rows that Expr finds some are left out; nil
	// if by none. Virtual are the fields of Sort and Table that are computed.
	Filter  *Program
	Virtual map[string]*Program
	// Whole does what Filter does, and makes the virtual fields that it names of the rows
	// that stay; nil if Filter is, or there are none.
	Whole *Program
	Shape []rows.Op // what is done to the records of an answer
	Rest  []Stage   // what is done at the root to what the parts amount to

	Columns []string // of the table that the answer is
	Open    bool     // it can have others
	Key     string   // tells plans with the same Expr apart that filter or compute differently
	// Volatile says that Key does not tell all: there are sets, or the time.
	Volatile bool
	records  bool
}

// SortKey orders records by a field.
type SortKey struct {
	Field string // query name, FieldTime or model.FieldID
	Desc  bool
}

// Step is one thing done to a table's rows; exactly one part is set.
type Step struct {
	Sort   []ColumnSort
	Keep   []int // columns
	Offset int
	Limit  int // or Unlimited
}

// ColumnSort orders rows by a column.
type ColumnSort struct {
	Column int
	Desc   bool
}

// Filter is a condition from outside the text: one of the values, exactly.
// For the level, synonyms count as the value.
type Filter struct {
	Field  string
	Values []string
}

// Options are what a plan depends on besides the text.
type Options struct {
	Now      time.Time // what "now" in the text means
	From, To int64     // half open; a zero To has no bound
	Filters  []Filter
	Sort     []SortKey  // unless the text sorts
	Sets     [][]string // what the Subqueries find
	// Restriction is a condition on everything that is found, whatever the query
	// says; "" for none.
	Restriction string
	// Joins are what the queries of the text's joins found and its lookup tables, in order; nil while
	// that is not known.
	Joins []*rows.JoinSet
	Shift time.Duration // how much earlier everything is looked for
}

// New returns the plan of a query. An error is a *syntax.Error of the query, or
// ErrRestriction.
func New(query *syntax.Query, options Options) (*Plan, error) {
	p := &Plan{From: math.MinInt64, To: NoTo, Limit: Unlimited, Sort: normalSort(options.Sort)}
	if options.From != 0 {
		p.From = options.From
	}
	if options.To != 0 {
		p.To = options.To
	}
	l := &lowering{text: query.Text, now: options.Now, sets: options.Sets}
	all, err := l.conjunction(query.Filter, p)
	if err != nil {
		return nil, err
	}
	for _, filter := range options.Filters {
		all = append(all, FilterExpr(filter))
	}
	p.Expr = conjunction(all)
	p.Cheap = cheap(p.Expr)
	p.Lights = l.lights
	p.shift(options.Shift, options.Now.UnixNano())
	// Behind the shift, which is the query's: what may be seen stays where it is.
	if err := p.restrict(options); err != nil {
		return nil, err
	}
	return p, p.pipes(query, options, l)
}

// ByTime reports whether records are ordered by time alone.
func (p *Plan) ByTime() bool {
	return len(p.Sort) == 0 || len(p.Sort) == 1 && p.Sort[0].Field == FieldTime
}

// QueryName returns the name under which a field is kept: synonyms are gone.
func QueryName(field string) string {
	switch field {
	case model.FieldSeverity:
		return model.FieldLevel
	case model.FieldTimestamp:
		return FieldTime
	}
	return field
}

// normalSort replaces synonyms in sort keys.
func normalSort(keys []SortKey) []SortKey {
	var normal []SortKey
	for _, key := range keys {
		normal = append(normal, SortKey{Field: QueryName(key.Field), Desc: key.Desc})
	}
	return normal
}

// FilterExpr lowers a filter.
func FilterExpr(filter Filter) index.Expr {
	field := QueryName(filter.Field)
	var any index.AnyOf
	for _, value := range filter.Values {
		if field == FieldTime {
			if at, ok := parseSpan(value, time.Unix(0, 0)); ok { // no "now" in values
				any.Of = append(any.Of, index.Times{From: at.from, To: at.to})
			}
			continue
		}
		if field == model.FieldID {
			id, err := model.ParseRecordID(value)
			if err == nil {
				any.Of = append(any.Of, index.IDs{Of: []model.RecordID{id}})
			}
			continue
		}
		any.Of = append(any.Of, equal(field, value))
	}
	if len(any.Of) == 1 {
		return any.Of[0]
	}
	return any
}

// conjunction returns the smallest expression for all of a list.
func conjunction(of []index.Expr) index.Expr {
	switch len(of) {
	case 0:
		return index.All{}
	case 1:
		return of[0]
	}
	return index.AllOf{Of: of}
}

// cheap reports whether bitmaps alone answer the expression. Words can be in
// texts that have to be read, and a message is such a text.
func cheap(e index.Expr) bool {
	list := func(of []index.Expr) bool {
		for _, operand := range of {
			if !cheap(operand) {
				return false
			}
		}
		return true
	}
	switch e := e.(type) {
	case index.AllOf:
		return list(e.Of)
	case index.AnyOf:
		return list(e.Of)
	case index.Not:
		return cheap(e.Of)
	case index.Versus:
		return false
	case index.Leaf:
		switch e.Pred.(type) {
		case index.Word, index.Equal, Element:
			return e.Field != "" && e.Field != model.FieldMessage
		case index.Exists:
			return true
		}
		return false
	}
	return true
}
