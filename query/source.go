package query

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/stere-log/stere/meaning"
	"github.com/stere-log/stere/meaning/classifier"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/pattern"
	"github.com/stere-log/stere/query/derived"
	"github.com/stere-log/stere/query/exec"
	"github.com/stere-log/stere/query/learned"
	"github.com/stere-log/stere/storage/part"
)

// source is what a query reads: the parts that are here, the leaves that read
// the rest, and what neither can read.
type source struct {
	views  []View
	parts  []part.Part
	leaves []leafShards
	learnt learnt
	places string      // the version of where addresses are, for requests to which that matters
	usage  *exec.Usage // nil: what it costs is not counted

	mu struct {
		sync.Mutex
		missing []string // of views, then of each leaf
	}
}

// leafShards are the shards that one leaf reads.
type leafShards struct {
	leaf   Leaf
	shards []model.ShardID
}

// newSource sorts views into what is here and what is not.
func newSource(views []View) *source {
	s := &source{views: views}
	byLeaf := map[Leaf]int{}
	for _, view := range views {
		if view.Missing != "" {
			s.mu.missing = append(s.mu.missing, view.Missing)
		}
		if view.Leaf == nil {
			s.parts = append(s.parts, view.Parts...)
			continue
		}
		i, known := byLeaf[view.Leaf]
		if !known {
			i = len(s.leaves)
			byLeaf[view.Leaf] = i
			s.leaves = append(s.leaves, leafShards{leaf: view.Leaf})
		}
		s.leaves[i].shards = append(s.leaves[i].shards, view.Shard)
	}
	for _, l := range s.leaves {
		slices.Sort(l.shards)
	}
	return s
}

// learn gives the records of the source the fields that are named, here and, with the
// same patterns, the same model and the same words, in its leaves.
func (s *source) learn(of learnt, named mentions, places derived.Places) {
	s.learnt, s.parts, s.places = of, named.with(s.parts, of, places), named.located(places)
}

// places is what is known of where addresses are, nil if nothing is.
func (e *Engine) places() derived.Places {
	if e.config.Places == nil {
		return nil
	}
	return e.config.Places()
}

// placesUnknown is the version of where addresses are on a node that does not know.
const placesUnknown = "none"

// located returns the version of what is known of where addresses are, "" for requests to
// which that does not matter.
func (m mentions) located(places derived.Places) string {
	switch {
	case !m.derived.Located():
		return ""
	case places == nil:
		return placesUnknown
	}
	return places.Version()
}

// learnt is what was learned of a tenant's messages and what it has taught, as far as a
// request mentions it.
type learnt struct {
	patterns *pattern.Set
	model    *classifier.Model
	words    *meaning.Lexicon // nil: categories are decided by the built-in ones alone
}

// learnt returns what was learned of a tenant's messages and what it has taught.
func (e *Engine) learnt(tenant model.TenantID, named mentions) (of learnt) {
	if known, ok := e.shards.(Patterns); ok && named.learned.Patterns() {
		of.patterns = known.Patterns(tenant)
	}
	if known, ok := e.shards.(Models); ok && named.learned.Labels() {
		of.model = known.Model(tenant)
	}
	if e.config.Words != nil && named.derived.Categorized() {
		of.words = e.config.Words(tenant)
	}
	return of
}

// mentions is how texts may name fields that records do not come with: those of patterns
// and those that are made of other fields.
type mentions struct {
	learned learned.Mentions
	derived derived.Mentions
}

// mentionsOf returns those of texts.
func mentionsOf(texts ...string) (found mentions) {
	for _, text := range texts {
		found.learned |= learned.MentionsOf(text)
		found.derived.Add(text)
	}
	return found
}

// with returns parts whose records have the fields that are named.
func (m mentions) with(parts []part.Part, of learnt, places derived.Places) []part.Part {
	return learned.With(derived.With(parts, m.derived, places, of.words), of.patterns, of.model, m.learned)
}

// mentions returns those of the request.
func (r *Request) mentions() mentions {
	texts := append([]string{r.Text, r.Restriction}, r.Facets...)
	for _, filter := range r.Filters {
		texts = append(texts, filter.Field)
	}
	for _, key := range r.Sort {
		texts = append(texts, key.Field)
	}
	return mentionsOf(texts...)
}

// mentions is that of the request of which this is a share.
func (q *leafRequest) mentions() mentions {
	asked := q.Request
	asked.Facets = q.page.Facets
	return asked.mentions()
}

// source returns what a tenant has, with the fields that the request names besides
// those that records come with.
func (e *Engine) source(ctx context.Context, tenant model.TenantID, named mentions) (*source, error) {
	if err := tenant.Validate(); err != nil {
		return nil, &RequestError{Field: "tenant", Message: err.Error()}
	}
	views, err := e.shards.Views(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("view shards of tenant %s: %w", tenant, err)
	}
	from := newSource(views)
	from.learn(e.learnt(tenant, named), named, e.places())
	return from, nil
}

// damageTries is how often a question is asked again that has met damage.
const damageTries = 3

// over runs a question over what a tenant has. When that meets damage the question is
// asked again: what is damaged is known then, and is read on another node, or missing.
func (e *Engine) over(ctx context.Context, tenant model.TenantID, named mentions, ask func(from *source) error) error {
	once := func() (damaged bool, err error) {
		from, err := e.source(ctx, tenant, named)
		if err != nil {
			return false, err
		}
		defer from.release()
		err = ask(from)
		return err != nil && from.damaged(), err
	}
	damaged, err := once()
	for tries := 0; damaged && tries < damageTries && ctx.Err() == nil; tries++ {
		damaged, err = once()
	}
	return err
}

// damaged reports whether something here has turned out to be damaged.
func (s *source) damaged() bool {
	return slices.ContainsFunc(s.views, func(view View) bool { return view.Damaged != nil && view.Damaged() })
}

// count lets what reading costs be counted.
func (s *source) count(usage *exec.Usage) {
	s.usage, s.parts = usage, usage.Metered(s.parts)
}

// release releases all views.
func (s *source) release() {
	for _, view := range s.views {
		if view.Release != nil {
			view.Release()
		}
	}
}

// lacks notes what cannot be read.
func (s *source) lacks(missing string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if missing != "" && !slices.Contains(s.mu.missing, missing) {
		s.mu.missing = append(s.mu.missing, missing)
	}
}

// reason says what cannot be read; "" if there is nothing.
func (s *source) reason() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return exec.JoinReasons(s.mu.missing)
}

// outcome puts what cannot be read before what else makes an answer partial.
func (s *source) outcome(complete bool, reason string) (bool, string) {
	missing := s.reason()
	switch {
	case missing == "":
		return complete, reason
	case reason == "":
		return false, missing
	}
	return false, missing + "; " + reason
}

// all returns the source of a run that asks every leaf the request.
func (s *source) all(request *leafRequest) exec.Source {
	from := exec.Source{Parts: s.parts}
	for _, l := range s.leaves {
		from.Remotes = append(from.Remotes, s.remote(l, request))
	}
	return from
}

// of is all with only that leaf which reads a shard.
func (s *source) of(shard model.ShardID, request *leafRequest) exec.Source {
	from := exec.Source{Parts: s.parts}
	for _, l := range s.leaves {
		if slices.Contains(l.shards, shard) {
			from.Remotes = append(from.Remotes, s.remote(l, request))
		}
	}
	return from
}

// remote returns how a run asks one leaf.
func (s *source) remote(l leafShards, request *leafRequest) exec.Remote {
	asked := *request
	asked.shards, asked.learnt, asked.places = l.shards, s.learnt, s.places
	return exec.Remote{
		Name:   shardNames(l.shards),
		Has:    func(shard model.ShardID) bool { return slices.Contains(l.shards, shard) },
		Answer: func(ctx context.Context) ([]byte, error) { return s.ask(ctx, l.leaf, asked) },
		Fetch: func(ctx context.Context, ids []model.RecordID) ([]byte, error) {
			fetch := asked
			fetch.kind, fetch.ids, fetch.page = leafFetch, ids, exec.Page{}
			return s.ask(ctx, l.leaf, fetch)
		},
	}
}

// leafShare is the share of the time that is left, 1 of so many, in which a leaf
// ends its answer and sends it.
const leafShare = 10

// ask asks a leaf, which gets most of the time that is left.
func (s *source) ask(ctx context.Context, leaf Leaf, request leafRequest) ([]byte, error) {
	if deadline, ok := ctx.Deadline(); ok {
		left := time.Until(deadline)
		request.limits.Time = min(request.limits.Time, left-left/leafShare)
	}
	data, err := request.encode()
	if err != nil {
		return nil, err
	}
	answer, err := leaf.Ask(ctx, data)
	if err != nil {
		return nil, err
	}
	missing, body, err := decodeLeafAnswer(answer, s.usage)
	if err != nil {
		return nil, err
	}
	s.lacks(missing)
	return body, nil
}
