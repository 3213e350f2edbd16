// Package part says what can be read of one immutable run of records, a head
// block or a sealed segment, and evaluates conditions over it. It does no I/O
// itself.
//
// Rows of a part are numbered from 0 in order of (time, record id). All
// methods are safe for concurrent use; what they return may be shared and must
// not be changed.
package part

import (
	"context"
	"errors"
	"slices"
	"sync/atomic"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
)

// Part is one immutable run of records of one tenant and shard.
type Part interface {
	// Rows returns the number of records.
	Rows() uint32
	// TimeRange returns the times of the first and the last record.
	TimeRange() (first, last int64)
	// RowsBetween returns the bounds lo <= row < hi of the records with
	// from <= time < to.
	RowsBetween(from, to int64) (lo, hi uint32, err error)
	// Eval returns exactly the rows of within that satisfy e. A nil within
	// means all rows.
	Eval(ctx context.Context, e index.Expr, within *index.DocSet) (*index.DocSet, error)
	// Times returns the times of the rows, in row order.
	Times(rows *index.DocSet) ([]int64, error)
	// TimeDigits returns the fraction digits of the rows' times
	// (model.Record.TimeDigits), in row order.
	TimeDigits(rows *index.DocSet) ([]uint8, error)
	// IDs returns the ids of the rows, in row order.
	IDs(rows *index.DocSet) ([]model.RecordID, error)
	// Records returns the rows as records, in row order, or ErrLarge if they take
	// more than the context is Bounded to.
	Records(ctx context.Context, rows *index.DocSet) ([]model.Record, error)
	// Columns returns the columns asked for by a query name: one per stored
	// path and kind, with disjoint rows. The message is a column too.
	Columns(queryName string) []Column
	// Patterns returns the patterns of the messages (shape.Pattern) as a column,
	// nil if there is no message; with a naming, what that makes of their outlines.
	// It is derived, and in no other list of columns.
	Patterns(naming *Naming) Column
	// AllColumns returns every column, ordered by path and kind.
	AllColumns() []Column
}

// Naming makes something else of the outlines of messages (shape.MessageOutline) than
// their patterns. These are outlines of whole messages, whatever a message repeats of other
// fields and however the part stores it: the same message has the same name in every part.
type Naming struct {
	// Key tells namings apart: two with the same key say the same.
	Key string
	// Start returns what names outlines, for one goroutine.
	Start func() func(outline string) string
	// Apart says that it does not matter whether variables with nothing but '.', ':' or
	// '-' between them are one or several.
	Apart bool
	// Texts says that a text, up to shape.MessageMax, has the name of its outline.
	Texts bool
	// Reduce, with Apart, returns what decides as much as an outline where that stands in
	// a message, so that there are fewer different ones; nil: the outline.
	Reduce func(outline string) string
	// Some says that names are wanted, and not which message has which: of many messages
	// of a part that a name has to be made for one by one, about so many of each shape get
	// theirs, and the others one of these; 0: all get theirs.
	Some int
	// Few says that many texts share a name, so that none of the names is left out for what
	// they take: who asks for those of some messages is told the same as who asks for all.
	Few bool
}

// Named is a condition on what a naming makes of messages, for the field of patterns.
type Named struct {
	Naming *Naming
	Of     index.Predicate
}

// Match implements index.Predicate.
func (p Named) Match(kind model.Kind, text string) bool { return p.Of.Match(kind, text) }

// Hints implements index.Predicate: nothing follows for the text of the message.
func (p Named) Hints() index.Hints { return index.Hints{} }

// Key implements Keyed.
func (p Named) Key() string {
	key, ok := appendPredicate(nil, index.Leaf{Pred: p.Of})
	if !ok {
		return ""
	}
	return "named " + p.Naming.Key + " " + string(key)
}

// Minutes is implemented by parts that have stored how many rows of each minute have which
// value of some fields.
type Minutes interface {
	// Minutes returns how many rows of each minute (UTC) satisfy a leaf, from the minute that
	// begins at first on; nil if that is not stored.
	Minutes(leaf index.Leaf) (first int64, counts []uint32, err error)
}

// Memo is implemented by parts that never change and keep what is computed of
// them while there is room.
type Memo interface {
	// Memo returns the value under a key, or makes, keeps and returns it. The
	// key must say everything that decides the value besides the part. The
	// value is shared: nobody may change it. What makes it may ask for others. With bytes below 0 it is returned
	// and not kept; else bytes is about what it takes.
	Memo(key string, make func() (value any, bytes int64, err error)) (any, error)
	// Identity returns a text that no other part of this process has, also none that is
	// gone: what is computed of several parts together is kept under those of all.
	Identity() string
	// Sealed reports whether it is a segment, not a block.
	Sealed() bool
}

// Kinds is implemented by parts that know of which kinds the values of a field may be
// without making them.
type Kinds interface {
	// MayHave reports whether a field may have values of a kind.
	MayHave(queryName string, kind model.Kind) bool
}

// MayHave reports whether a field of a part may have values of a kind.
func MayHave(p Part, queryName string, kind model.Kind) bool {
	if kinds, ok := p.(Kinds); ok {
		return kinds.MayHave(queryName, kind)
	}
	return slices.ContainsFunc(p.Columns(queryName), func(c Column) bool { return c.Kind() == kind })
}

// Sealed reports whether a part is a segment.
func Sealed(p Part) bool {
	memo, ok := p.(Memo)
	return ok && memo.Sealed()
}

// Kept returns what is derived of all rows of a part, about so many bytes: kept from the
// last time where the part keeps such things. The key is as for Memo.
func Kept[T any](p Part, key string, make func() (value T, bytes int64, err error)) (T, error) {
	memo, ok := p.(Memo)
	if !ok {
		value, _, err := make()
		return value, err
	}
	value, err := memo.Memo(key, func() (any, int64, error) { return make() })
	if err != nil {
		var none T
		return none, err
	}
	return value.(T), nil
}

// Lasting ends a key of Memo under which something is kept that is worth more than what
// other keys have: it stands for the answers of many parts.
const Lasting = "\x00lasting"

// Telling is what was made of all rows of a part: row i has Dict[Of[i]-1], or nothing if
// Of[i] is 0.
type Telling struct {
	By   uint64 // the version of what made it
	Of   []uint32
	Dict []string
}

// Teller is implemented by parts beside which what was made of their rows is kept for
// later starts.
type Teller interface {
	// Told returns what is kept under a name and was made by a version, nil if nothing
	// is. After an error it has to be made anew, and may be told again.
	Told(ctx context.Context, name string, by uint64) (*Telling, error)
	// Tells reports whether Told would return something, unless that is damaged.
	Tells(name string, by uint64) bool
	// Tell keeps it in the place of what was kept under the name, unless it takes too much.
	Tell(ctx context.Context, name string, t *Telling) error
}

// Column is one field of one kind in one part.
type Column interface {
	// Path returns the stored field path.
	Path() string
	// Kind returns the kind of all its values.
	Kind() model.Kind
	// Count returns how many rows have the field.
	Count() uint32
	// Distinct returns how many distinct values there are, or more.
	Distinct() uint32
	// Gather returns the values of those of the rows that have the field. A
	// nil rows means all.
	Gather(ctx context.Context, rows *index.DocSet) (Values, error)
	// Counts returns how often each distinct value occurs among the rows, in
	// no order. A nil rows means all; where the column is a dictionary this
	// reads no row.
	Counts(ctx context.Context, rows *index.DocSet) ([]ValueCount, error)
}

// Gatherer is implemented by columns that can gather into memory that is used again.
type Gatherer interface {
	// GatherInto is Gather of all rows into a room, where the values are until another
	// column is gathered into it; the texts of the dictionary stay.
	GatherInto(ctx context.Context, room *Room) (Values, error)
}

// Room is memory that columns are gathered into, one after the other. The zero value is
// usable.
type Room struct {
	Of any // what columns of a part of one kind keep there; those of another make it anew
}

// Texts is implemented by columns that may put the values of rows together as they are
// read: those of many rows at once take much memory.
type Texts interface {
	// Texts reports whether this one does.
	Texts() bool
}

// MadeOfTexts reports whether the values of a column are put together as they are read.
func MadeOfTexts(c Column) bool {
	texts, ok := c.(Texts)
	return ok && texts.Texts()
}

// Values are the values of some rows of a column: row Rows[i] has the value
// Dict[Codes[i]]. Rows ascend. Dict may hold values that no row here has, and
// is free of repeats.
type Values struct {
	Rows  []uint32
	Codes []uint32
	Dict  []string
}

// ValueCount says how often a value occurs.
type ValueCount struct {
	Value string
	Count uint64
}

// Metered is implemented by parts that are read from a store and kept in a cache.
type Metered interface {
	// Metered returns the same part; what reading it costs is counted.
	Metered(meter *Meter) Part
	// Size returns about how many stored bytes the times, the ids and the fields
	// with these query names take; nil are all fields.
	Size(fields []string) int64
}

// Shared is implemented by parts that can be told that many questions are asked of them, one
// right after the other.
type Shared interface {
	// Share has what is read kept at once, until done is called: it is needed again. Words,
	// folded, are what several of the questions look for in any field.
	Share(ctx context.Context, words []string) (done func(), err error)
}

// Meter counts what reading parts costs. It is safe for concurrent use.
type Meter struct {
	Reads  atomic.Uint64 // values read from the store
	Bytes  atomic.Uint64 // of these
	Hits   atomic.Uint64 // looks into the cache that found something
	Misses atomic.Uint64
}

// Looked counts a look into the cache.
func (m *Meter) Looked(hit bool) {
	if hit {
		m.Hits.Add(1)
	} else {
		m.Misses.Add(1)
	}
}

// ErrLarge says that records would take more memory than they may.
var ErrLarge = errors.New("records take more memory than they may")

type boundKey struct{}

// Bounded returns a context in which all calls of Records together may take about
// so many bytes for what they return.
func Bounded(ctx context.Context, bytes int) context.Context {
	left := new(atomic.Int64)
	left.Store(int64(bytes))
	return context.WithValue(ctx, boundKey{}, left)
}

// Take counts bytes that Records takes; it returns ErrLarge if the context is
// Bounded and they are too many.
func Take(ctx context.Context, bytes int) error {
	if left, ok := ctx.Value(boundKey{}).(*atomic.Int64); ok && left.Add(-int64(bytes)) < 0 {
		return ErrLarge
	}
	return nil
}
