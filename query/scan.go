package query

import (
	"context"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"maps"
	"slices"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/admit"
	"github.com/stere-log/stere/query/exec"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/query/syntax"
)

// A scan reads so many records at once: many enough that finding the place again
// costs little of it, and as many as those before say that scanBytes hold. Of
// the first ones nothing is known.
const (
	scanRecords = 32 << 10
	scanFirst   = 1 << 10
	scanBytes   = 16 << 20
)

// scanSkipped is how many pages without a record of the scan are read before it
// is looked whether somebody still waits for it.
const scanSkipped = 64

// Marks say how far each shard is part of something; a shard without a mark is
// no part of it.
type Marks map[model.ShardID]model.Mark

// Has reports whether a record is part of it.
func (m Marks) Has(id model.RecordID) bool {
	mark, ok := m[id.Shard]
	return ok && id.Mark().Compare(mark) <= 0
}

// Append appends the marks in the form that TakeMarks takes.
func (m Marks) Append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(m)))
	for _, shard := range slices.Sorted(maps.Keys(m)) {
		dst = exec.AppendMark(binary.AppendUvarint(dst, uint64(shard)), m[shard])
	}
	return dst
}

// ScanRequest asks for all records that satisfy a request, in the order of time.
// The request's limit, cursor, sort keys and facets do not count.
type ScanRequest struct {
	Request
	Desc  bool // newest first
	Now   int64
	Until Marks          // what the shards had when the scan began
	After *exec.Position // the record before the first
	Left  int            // records that may come; 0 for all
}

// scanVersion is the form of tokens; others are refused.
const scanVersion = 1

// hash returns the hash of what must not change when a scan goes on. Bounds on
// time are in the token.
func (r *ScanRequest) hash() (uint64, error) {
	request := r.Request
	request.Sort = []SortKey{{Field: plan.FieldTime, Desc: r.Desc}}
	return request.hash()
}

// Token returns a text with which the same scan can go on after any of its records.
func (r *ScanRequest) Token() (string, error) {
	hash, err := r.hash()
	if err != nil {
		return "", err
	}
	dst := binary.LittleEndian.AppendUint64([]byte{scanVersion}, hash)
	for _, at := range [...]int64{r.Now, r.From, r.To} {
		dst = binary.AppendVarint(dst, at)
	}
	return base64.RawURLEncoding.EncodeToString(sealed(r.Until.Append(dst))), nil
}

// Resume makes the request that of the scan with a token, or returns ErrCursor.
func (r *ScanRequest) Resume(token string) error {
	data, err := base64.RawURLEncoding.DecodeString(token)
	if err != nil {
		return ErrCursor
	}
	in, err := openedAs(scanVersion, data, CursorMax, ErrCursor)
	if err != nil {
		return ErrCursor
	}
	hash, err := r.hash()
	if err != nil {
		return err
	}
	if known := in.Take(8); len(known) != 8 || binary.LittleEndian.Uint64(known) != hash {
		return ErrCursor
	}
	r.Now, r.From, r.To, r.Until = in.Varint(), in.Varint(), in.Varint(), Marks{}
	for n := in.Bounded(leafShardsMax); n > 0 && !in.Failed(); n-- {
		shard := model.ShardID(in.Uint32())
		r.Until[shard] = exec.TakeMark(&in)
	}
	if !in.Done() {
		return ErrCursor
	}
	return nil
}

// Scan reads any number of records, page by page. Nothing is held between pages,
// and what is stored meanwhile changes nothing: a scan that goes on elsewhere
// from a position gives what this one would have given. It is used from one
// goroutine at a time.
type Scan struct {
	engine  *Engine
	request ScanRequest
	setting setting
	plan    *plan.Plan
	size    int // records of the next page
	done    bool
}

// Scan begins a scan, or goes on with one. The text may have the pipe fields and
// a limit.
func (e *Engine) Scan(request ScanRequest) (*Scan, error) {
	request.Sort = []SortKey{{Field: plan.FieldTime, Desc: request.Desc}}
	request.Cursor, request.Facets, request.Limit = "", nil, 0
	if err := e.check(&request.Request); err != nil {
		return nil, err
	}
	if err := flat(request.Text); err != nil {
		return nil, err
	}
	in := setting{now: request.Now}
	var err error
	if in.joins, err = e.lookups(&request.Request); err != nil {
		return nil, err
	}
	p, err := makePlan(&request.Request, in)
	switch {
	case err != nil:
		return nil, err
	case len(p.Rest) > 0 && p.Records() || p.Dedup:
		return nil, &RequestError{Field: "query", Message: "has pipes that need all records at once: ask for a table, or for one page"}
	case p.Table != nil:
		return nil, &RequestError{Field: "query", Message: "makes a table, which cannot be scanned"}
	case !p.ByTime() || p.Offset > 0:
		return nil, &RequestError{Field: "query", Message: "sorts or has an offset: a scan is in the order of time, give order=asc or desc"}
	}
	if p.Sort[0].Desc != request.Desc {
		request.Desc, request.Sort[0].Desc = p.Sort[0].Desc, p.Sort[0].Desc
	}
	if p.Limit != plan.Unlimited && request.After != nil && request.Left == 0 {
		return nil, &RequestError{Field: "limit", Message: "is in the query: to go on after a record, say with limit how many more are wanted"}
	}
	s := &Scan{engine: e, request: request, setting: in, plan: p, size: scanFirst}
	if p.Limit != plan.Unlimited && request.After == nil && (request.Left == 0 || p.Limit < request.Left) {
		s.request.Left, s.done = p.Limit, p.Limit == 0
	}
	return s, nil
}

// At returns the request that goes on after what Next has returned so far.
func (s *Scan) At() ScanRequest { return s.request }

// Fields returns the fields that the text keeps, nil for all.
func (s *Scan) Fields() []string { return s.plan.Fields }

// Next returns the next records, none at the end. A part of the answer is an
// error: ErrIncomplete.
func (s *Scan) Next(ctx context.Context) (hits []Hit, err error) {
	for range scanSkipped {
		if s.done || len(hits) > 0 {
			return hits, nil
		}
		if hits, err = s.page(ctx); err != nil {
			return nil, err
		}
	}
	return hits, ctx.Err()
}

// page reads a page. Each one waits for a place among the queries, so that a
// scan of any length leaves room for others.
func (s *Scan) page(ctx context.Context) (hits []Hit, err error) {
	var found *exec.RecordsResult
	budget := s.engine.config.budget(s.request.Audience)
	job := admit.Job{Tenant: s.request.Tenant, Who: s.request.Who, Text: s.request.Text, AtOnce: budget.AtOnce}
	err = admitted(ctx, s.engine.gate, job, func(ctx context.Context, ticket *admit.Ticket) error {
		return s.engine.over(ctx, s.request.Tenant, s.request.mentions(), func(from *source) (err error) {
			found, err = s.pageIn(ctx, from, lesser(ticket.Memory(), budget.Memory), ticket)
			return err
		})
	})
	if err != nil {
		return nil, fmt.Errorf("scan tenant %s: %w", s.request.Tenant, err)
	}
	s.size = nextSize(found.Hits, s.size)
	after := s.request.After
	if n := len(found.Hits); n > 0 {
		last := found.Hits[n-1].Position
		after = &last
	}
	kept := found.Hits
	if s.request.Until != nil {
		kept = slices.DeleteFunc(kept, func(hit exec.Hit) bool { return !s.request.Until.Has(hit.ID) })
	}
	if hits, err = s.engine.shaped(kept, s.plan.Shape); err != nil {
		return nil, err
	}
	s.request.After = after
	s.done = !found.HasMore
	if s.request.Left > 0 {
		s.request.Left -= len(hits)
		s.done = s.done || s.request.Left == 0
	}
	return hits, nil
}

// pageIn reads a page of what there is.
func (s *Scan) pageIn(ctx context.Context, from *source, memory int, ticket *admit.Ticket) (*exec.RecordsResult, error) {
	size := s.size
	if s.request.Left > 0 {
		size = min(size, s.request.Left)
	}
	limits := s.engine.config.limits(memory)
	limits.Turn = ticket.Do
	page := exec.Page{Size: size, After: s.request.After, Bytes: min(s.engine.config.PageBytes, limits.MemoryBytes), Short: true}
	asked := &leafRequest{kind: leafPage, Request: s.request.Request, setting: s.setting, page: page, limits: limits}
	found, err := exec.Records(ctx, from.all(asked), s.plan, page, asked.limits)
	if err != nil {
		return nil, err
	}
	if complete, reason := from.outcome(found.Complete, found.Reason); !complete {
		return nil, fmt.Errorf("%w: %s", ErrIncomplete, reason)
	}
	return found, nil
}

// IsTable reports whether a text makes a table. What cannot be read makes none.
func IsTable(text string) bool {
	p, err := makePlan(&Request{Text: text}, setting{})
	return err == nil && p.Table != nil && !p.Dedup && !p.Records()
}

// nextSize returns how many records the page after one has.
func nextSize(hits []exec.Hit, size int) int {
	bytes := 0
	for i := range hits {
		bytes += exec.RecordBytes(&hits[i].Record)
	}
	if bytes == 0 {
		return size
	}
	return max(1, min(scanRecords, int(int64(scanBytes)*int64(len(hits))/int64(bytes))))
}

// flat checks that a text has no queries inside it: what these find would have
// to stay the same from page to page.
func flat(text string) error {
	parsed, err := syntax.Parse(text)
	if err != nil {
		return err
	}
	nested := len(plan.Subqueries(parsed)) > 0
	for _, pipe := range parsed.Pipes {
		if _, join := pipe.(*syntax.Join); join {
			nested = true
		}
	}
	if nested {
		return &RequestError{Field: "query", Message: "has a query inside it: ask for that first and write out what it finds"}
	}
	return nil
}
