package query

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/meaning/classifier"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/pattern"
	"github.com/stere-log/stere/query/admit"
	"github.com/stere-log/stere/query/exec"
	"github.com/stere-log/stere/query/learned"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/storage/part"
)

// Shards gives access to what is stored. The node implements it.
type Shards interface {
	// Views returns what the tenant has in each shard at one moment; of shards
	// that other nodes read, how to ask them.
	Views(ctx context.Context, tenant model.TenantID) ([]View, error)
}

// Patterns is implemented by Shards that have learned patterns. Without it, and for a
// tenant of which nothing was learned, a pattern is the outline of its messages.
type Patterns interface {
	// Patterns returns what was learned of a tenant's messages, nil if nothing was.
	Patterns(tenant model.TenantID) *pattern.Set
}

// Models is implemented by Shards of which people have taught what they mean. Without it,
// and for a tenant without a model, records have no labels but those they came with.
type Models interface {
	// Model returns what labels a tenant's records, nil if nothing does.
	Model(tenant model.TenantID) *classifier.Model
}

// View is what a tenant has in a shard. Parts can be read until Release, which
// is called once and may be nil.
type View struct {
	Shard   model.ShardID
	Parts   []part.Part
	Release func()
	// Leaf reads the shard on another node; it is nil for one that is read here,
	// and there are no Parts with it. Views with equal leaves are read by one
	// call, so leaves must be comparable, as pointers are.
	Leaf Leaf
	// Key returns bytes that change when what the tenant has in the shard between
	// two times changes; ok is false, and Key may be nil, where that is not known.
	Key func(from, to int64) (key []byte, ok bool)
	// Damaged reports whether something of Parts has turned out to be damaged since the
	// view was made: the next view of the shard is without it. It may be nil.
	Damaged func() bool
	// Missing says what of the shard cannot be read, if anything; every answer
	// from the view is partial then.
	Missing string
}

// Leaf reads shards on another node: package query makes the request and reads
// the answer, whoever implements it carries the bytes. It may ask several nodes
// that have the shards, one after the other or at once, as the answers of all
// are good. It is safe for concurrent use.
type Leaf interface {
	// Ask returns what Engine.Leaf returned to the request on a node that has the
	// shards of all views with this leaf. It returns soon after the end of the
	// context. An answer has at most LeafAnswerMax bytes.
	Ask(ctx context.Context, request []byte) (answer []byte, err error)
}

// Local returns this node's own views of some of a tenant's shards, with no
// Leaf in them. An error says that another node should be asked.
type Local func(ctx context.Context, tenant model.TenantID, shards []model.ShardID) ([]View, error)

// Audience is who an answer is for: a tenant, or, with a restriction, those of its
// records alone that satisfy it. It is a part of every question, and of every plan
// that is made of one.
type Audience struct {
	Tenant      model.TenantID
	Restriction string // a condition, without pipes and queries inside; "" for none
	Role        string // of who asks, for its Budget; no part of what an answer is
}

// Request asks for a page of records, or for a table if the text says so.
type Request struct {
	Audience
	Text      string   // "" for all records
	Filters   []Filter // all must hold
	From, To  int64    // Unix nanoseconds, half open; zero has no bound
	Limit     int      // records or rows; zero for the default
	Cursor    string   // NextCursor of the page before; "" for the first
	Sort      []SortKey
	Facets    []string      // fields whose most frequent values are wanted
	Highlight bool          // Hit.Highlights are wanted
	Explain   bool          // Result.Explain is wanted
	Tagged    bool          // Result.Tag is wanted
	Known     []string      // tags; an answer with one of them need not be made again
	Whole     bool          // of a table all rows, whatever the limit
	Uncounted bool          // it does not matter how many records there are besides those of the page
	Groups    int           // of a table at most; zero for what the engine allows
	Time      time.Duration // that it may run at most; zero for what the engine allows

	Who string // asks; for those who look at what runs

	memory int           // bytes that it may take
	turn   *admit.Ticket // does pieces of its work in turn
	usage  *exec.Usage   // with Explain
}

// Filter holds for records whose field has one of the values, exactly; for the
// level, synonyms count as the value.
type Filter struct {
	Field  string
	Values []string
}

// SortKey orders records by a field. The text can sort too, and wins.
type SortKey struct {
	Field string
	Desc  bool
}

// Result is a page of records (Hits), or of a table (Columns and Rows).
type Result struct {
	Table bool

	Hits []Hit

	Columns     []Column
	Rows        [][]any  // string, int64, float64, json.Number, bool or nil
	Approximate []string // columns that are estimates

	Limit      int    // that was applied
	NextCursor string // "" if this is the last page
	HasMore    bool
	Total      uint64 // records that match, on all pages
	TotalExact bool   // else there are at least Total
	Facets     map[string][]FacetValue
	Complete   bool
	Reason     string // why the answer is not complete
	Elapsed    time.Duration
	Explain    *Explanation // if asked for
	Tag        string       // changes with the answer; "" if that cannot be told, or is not asked for
	Unchanged  bool         // the tag is among those known: there is nothing else in the result
}

// Hit is a record found.
type Hit struct {
	ID         model.RecordID
	Record     model.Record
	Highlights []exec.Highlight
}

// Column describes a column: its type is string, int, float, time or bool.
type Column = exec.Column

// FacetValue says how many of the records found have a value.
type FacetValue = exec.FacetValue

// ContextResult is a record and those around it from the same source.
type ContextResult struct {
	Before   []Hit // in time order
	Hit      Hit
	After    []Hit    // in time order
	Source   []Filter // what "the same source" means here
	Complete bool
	Reason   string
	Elapsed  time.Duration
}

// Engine answers queries. It is safe for concurrent use.
type Engine struct {
	shards Shards
	config Config
	plans  followPlans
	gate   *admit.Gate // of queries
	leaves *admit.Gate // of leaf calls, which must not wait for queries that wait for leaf calls
}

// New returns an engine. The configuration must be valid.
func New(shards Shards, config Config) *Engine {
	config = config.withDefaults()
	limits := admit.Config{AtOnce: config.AtOnce, Waiting: config.Waiting, MemoryBytes: config.MemoryBytes, Turns: admit.NewTurns(0, time.Now)}
	return &Engine{shards: shards, config: config, gate: admit.New(limits), leaves: admit.New(limits)}
}

// admitted runs a job when a gate lets it in, with its ticket.
func admitted(ctx context.Context, gate *admit.Gate, job admit.Job, run func(ctx context.Context, ticket *admit.Ticket) error) error {
	ctx, ticket, err := gate.Enter(ctx, job)
	if err != nil {
		return err
	}
	defer ticket.Leave()
	err = exec.Guard(func() error { return run(ctx, ticket) })
	if err != nil && errors.Is(context.Cause(ctx), admit.ErrKilled) {
		return admit.ErrKilled
	}
	return err
}

// Queries returns the queries that run on this node or wait, and the leaf calls
// of other nodes' queries.
func (e *Engine) Queries() (queries, leaves []admit.Query) {
	return e.gate.Queries(), e.leaves.Queries()
}

// Kill ends a query; it reports whether there is one with that id.
func (e *Engine) Kill(id string) bool { return e.gate.Kill(id) }

// Waiting says how many queries run, wait, and were refused.
func (e *Engine) Waiting() (running, waiting int, refused uint64) { return e.gate.Counts() }

var (
	// ErrNotFound says that the tenant has no record with the id.
	ErrNotFound = errors.New("record not found")

	// ErrRestriction says that an audience has a restriction that is none.
	ErrRestriction = plan.ErrRestriction

	// ErrIncomplete says that the record was not found, but that part of the
	// tenant's data cannot be read.
	ErrIncomplete = errors.New("part of the data cannot be read")

	// ErrLeafVersion says that another node speaks of leaves in a version that is
	// not known here, as in the middle of an update.
	ErrLeafVersion = errors.New("unknown version of leaf calls")

	// ErrLeafRequest says that the request of a leaf call is damaged or asks for
	// more than a request may.
	ErrLeafRequest = errors.New("invalid leaf request")

	// ErrLeafAnswer says that the answer to a leaf call is damaged or too large.
	ErrLeafAnswer = errors.New("invalid leaf answer")

	// ErrCursor says that a cursor is damaged or belongs to another query.
	ErrCursor = errors.New("invalid cursor: it is damaged or belongs to another query")
)

// RequestError says what is wrong with a request besides its text; faults of
// the text are of type *syntax.Error.
type RequestError struct {
	Field   string // of Request, in lower case
	Message string
}

// Error implements error.
func (e *RequestError) Error() string { return "request " + e.Field + ": " + e.Message }

// ErrCondition says that a text is no condition by which records can be deleted.
var ErrCondition = errors.New("not a condition by which records can be deleted")

// Condition returns what a text means by which records are deleted: a condition without
// pipes, queries inside and what was learned, which is not the same for ever. It depends
// on the text and now, in Unix ns, alone.
func Condition(text string, now int64) (index.Expr, error) {
	if learned.MentionsOf(text) != 0 {
		return nil, fmt.Errorf("%w: patterns and labels change as more is learned; _pattern, the shape, stays", ErrCondition)
	}
	e, err := plan.OnRecords(text, time.Unix(0, now))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrCondition, err)
	}
	return e, nil
}

// CheckRestriction reports why a text cannot restrict an audience; the error is
// ErrRestriction.
func CheckRestriction(text string) error { return plan.CheckRestriction(text) }
