package query

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/exec"
	"github.com/stere-log/stere/storage/part"
)

// source is what a query reads: the parts that are here, the leaves that read
// the rest, and what neither can read.
type source struct {
	views  []View
	parts  []part.Part
	leaves []leafShards

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

// source returns what a tenant has.
func (e *Engine) source(ctx context.Context, tenant model.TenantID) (*source, error) {
	if err := tenant.Validate(); err != nil {
		return nil, &RequestError{Field: "tenant", Message: err.Error()}
	}
	views, err := e.shards.Views(ctx, tenant)
	if err != nil {
		return nil, fmt.Errorf("view shards of tenant %s: %w", tenant, err)
	}
	return newSource(views), nil
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
	asked.shards = l.shards
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
	missing, body, err := decodeLeafAnswer(answer)
	if err != nil {
		return nil, err
	}
	s.lacks(missing)
	return body, nil
}
