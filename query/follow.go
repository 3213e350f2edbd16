package query

import (
	"context"
	"encoding/binary"
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/exec"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/query/syntax"
	"github.com/stere-log/stere/storage/part"
)

// Limits of one FollowQuery and its answer.
const (
	FollowFiltersMax = 1024     // filters of a question
	FollowRecordsMax = 8 << 10  // records of an answer
	FollowBytesMax   = 8 << 20  // of these records; the last one may be beyond
	followAnswerMax  = 64 << 20 // bytes of an answer on the wire
	followPlansMax   = 4096     // filters whose plans are kept
)

// Versions are of the form of follow calls, and of what they mean.
const (
	followVersion      = 2
	followVersionLater = 3 // of questions that name fields which nodes of the other do not make
)

// FollowFilter says which records a follower wants.
type FollowFilter struct {
	Text        string
	Restriction string // of the audience
	Now         int64  // what "now" means in it; zero where that does not matter
}

// FollowQuery asks for the records of a shard that came after a mark. Without
// filters only the mark up to which everything came is wanted.
type FollowQuery struct {
	Tenant  model.TenantID
	Shard   model.ShardID
	After   model.Mark
	Records int           // at most
	Bytes   int           // of these, about; 0 or too much: 8 MiB
	Wait    time.Duration // for the first one
	Partial bool          // wanted even of a node that lacks records
	Filters []FollowFilter
}

// Followed answers a FollowQuery: the records in the order in which they came,
// and the mark up to which these are all.
type Followed struct {
	Upto    model.Mark
	Records []exec.Followed
	// More says that there was no time, or no room, to look at everything that had
	// come.
	More bool
	// Missing is how many segments and blocks in which there may be more cannot be
	// read by who answers; zero if the question does not say Partial.
	Missing int
}

// FollowPlan checks that a text is one that can be followed, a filter and
// perhaps the fields to keep, and returns its plan for an audience and normal form.
func FollowPlan(text, restriction string, now int64) (*plan.Plan, FollowFilter, error) {
	parsed, err := syntax.Parse(text)
	if err != nil {
		return nil, FollowFilter{}, err
	}
	for _, pipe := range parsed.Pipes {
		if _, ok := pipe.(*syntax.Fields); !ok {
			return nil, FollowFilter{}, syntax.NewError(text, pipe.At(), "what is followed has no end, so there can be only a filter and fields").Expect("| fields ...")
		}
	}
	p, err := plan.New(parsed, plan.Options{Now: time.Unix(0, now), Restriction: restriction})
	if err != nil {
		return nil, FollowFilter{}, err
	}
	filter := FollowFilter{Text: text, Restriction: restriction}
	if p.From != math.MinInt64 || p.To != plan.NoTo || hasTimes(p.Expr) {
		filter.Now = now
	}
	return p, filter, nil
}

// hasTimes reports whether an expression depends on the time of records.
func hasTimes(e index.Expr) bool {
	switch e := e.(type) {
	case index.AllOf:
		return slices.ContainsFunc(e.Of, hasTimes)
	case index.AnyOf:
		return slices.ContainsFunc(e.Of, hasTimes)
	case index.Not:
		return hasTimes(e.Of)
	case index.Times:
		return true
	}
	return false
}

// Project keeps the fields of a record that a plan names.
func Project(record model.Record, p *plan.Plan) model.Record { return exec.Project(record, p.Fields) }

// followPlans keeps the plans of filters that are asked again and again.
type followPlans struct {
	mu sync.Mutex
	by map[FollowFilter]*plan.Plan
}

func (f *followPlans) get(filter FollowFilter) (*plan.Plan, error) {
	f.mu.Lock()
	p := f.by[filter]
	f.mu.Unlock()
	if p != nil {
		return p, nil
	}
	p, _, err := FollowPlan(filter.Text, filter.Restriction, filter.Now)
	if err != nil {
		return nil, err
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.by == nil || len(f.by) >= followPlansMax {
		f.by = map[FollowFilter]*plan.Plan{}
	}
	f.by[filter] = p
	return p, nil
}

// Follow answers a question over the parts of a view that has everything between
// the question's mark and another one, with what it finds in about so much time;
// zero has no limit.
func (e *Engine) Follow(ctx context.Context, q *FollowQuery, parts []part.Part, after, upto model.Mark, most time.Duration) (followed *Followed, err error) {
	filters := make([]*plan.Plan, len(q.Filters))
	for i, filter := range q.Filters {
		if filters[i], err = e.plans.get(filter); err != nil {
			return nil, err
		}
	}
	named := q.mentions()
	parts = named.with(parts, e.learnt(q.Tenant, named), e.places())
	followed = &Followed{}
	err = exec.Guard(func() (err error) {
		limits := exec.FollowLimits{Records: max(1, min(q.Records, FollowRecordsMax)), Bytes: FollowBytesMax, Time: most}
		if q.Bytes > 0 {
			limits.Bytes = min(limits.Bytes, q.Bytes)
		}
		followed.Records, followed.Upto, err = exec.Follow(ctx, parts, filters, after, upto, limits)
		followed.More = followed.Upto.Compare(upto) < 0
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("follow shard %d of tenant %s: %w", q.Shard, q.Tenant, err)
	}
	return followed, nil
}

// mentions is how the filters may name fields that records do not come with.
func (q *FollowQuery) mentions() mentions {
	var texts []string
	for _, f := range q.Filters {
		texts = append(texts, f.Text, f.Restriction)
	}
	return mentionsOf(texts...)
}

// Encode returns the bytes of a question.
func (q *FollowQuery) Encode() []byte {
	dst := appendText([]byte{q.mentions().version(followVersion, followVersionLater)}, string(q.Tenant))
	dst = exec.AppendMark(binary.AppendUvarint(dst, uint64(q.Shard)), q.After)
	dst = binary.AppendUvarint(binary.AppendUvarint(dst, uint64(q.Records)), uint64(max(0, q.Wait.Milliseconds())))
	dst = appendFlag(binary.AppendUvarint(dst, uint64(q.Bytes)), q.Partial)
	dst = binary.AppendUvarint(dst, uint64(len(q.Filters)))
	for _, filter := range q.Filters {
		dst = binary.AppendVarint(appendText(appendText(dst, filter.Text), filter.Restriction), filter.Now)
	}
	return sealed(dst)
}

// followWaitMax is the longest that a question may wait, in milliseconds.
const followWaitMax = 60_000

// DecodeFollowQuery reads a question and checks it.
func DecodeFollowQuery(data []byte) (*FollowQuery, error) {
	r, err := opened(followVersion, followVersionLater, data, LeafRequestMax, ErrLeafRequest)
	if err != nil {
		return nil, err
	}
	q := &FollowQuery{Tenant: model.TenantID(r.String()), Shard: model.ShardID(r.Uint32()), After: exec.TakeMark(&r)}
	q.Records, q.Wait = int(r.Bounded(FollowRecordsMax)), time.Duration(r.Bounded(followWaitMax))*time.Millisecond
	q.Bytes, q.Partial = int(r.Bounded(FollowBytesMax)), takeFlag(&r)
	q.Filters = takeList(&r, FollowFiltersMax, func() FollowFilter { return FollowFilter{Text: r.String(), Restriction: r.String(), Now: r.Varint()} })
	if !r.Done() {
		return nil, fmt.Errorf("%w: it does not read as one", ErrLeafRequest)
	}
	if err := q.Tenant.Validate(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrLeafRequest, err)
	}
	return q, nil
}

// Encode returns the bytes of an answer.
func (f *Followed) Encode() []byte {
	dst := appendFlag(exec.AppendMark([]byte{followVersion}, f.Upto), f.More)
	return sealed(exec.AppendFollowed(binary.AppendUvarint(dst, uint64(f.Missing)), f.Records))
}

// DecodeFollowed reads the answer to a question.
func DecodeFollowed(q *FollowQuery, data []byte) (*Followed, error) {
	r, err := openedAs(followVersion, data, followAnswerMax, ErrLeafAnswer)
	if err != nil {
		return nil, err
	}
	f := &Followed{Upto: exec.TakeMark(&r), More: takeFlag(&r), Missing: int(r.Bounded(math.MaxInt32))}
	f.Records = exec.TakeFollowed(&r, q.Shard, len(q.Filters))
	if !r.Done() {
		return nil, fmt.Errorf("%w: it does not read as one", ErrLeafAnswer)
	}
	last := q.After
	for i := range f.Records {
		if mark := f.Records[i].ID.Mark(); mark.Compare(last) <= 0 || mark.Compare(f.Upto) > 0 {
			return nil, fmt.Errorf("%w: its records are out of order", ErrLeafAnswer)
		} else {
			last = mark
		}
	}
	if f.Upto.Compare(q.After) < 0 {
		return nil, fmt.Errorf("%w: it goes back", ErrLeafAnswer)
	}
	return f, nil
}
