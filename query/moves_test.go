package query_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/syntax"
	"github.com/stere-log/stere/storage/part"
	"github.com/stere-log/stere/storage/segment/segmenttest"
)

// movingNodes is how many nodes a moving cluster has; the first one is asked.
const movingNodes = 3

// moving is shards whose replicas move between nodes while queries are asked: each
// time that somebody looks, and in different forms, as some nodes have sealed what
// others have in their head.
type moving struct {
	forms   []shardSet
	engines [movingNodes]*query.Engine

	mu struct {
		sync.Mutex
		random  *rand.Rand
		at      [][movingNodes]int // form of each shard's replica on each node, -1 for none
		moves   int
		refused int // leaf calls to nodes from which a shard had gone
	}
}

// newMoving puts each shard somewhere.
func newMoving(random *rand.Rand, config query.Config, forms ...shardSet) *moving {
	m := &moving{forms: forms}
	m.mu.random = random
	for i := range m.engines {
		m.engines[i] = query.New(nil, config)
	}
	for range forms[0] {
		at := [movingNodes]int{-1, -1, -1}
		at[random.IntN(movingNodes)] = random.IntN(len(forms))
		m.mu.at = append(m.mu.at, at)
	}
	return m
}

// move moves a shard: it comes to a node, and leaves one that has it. The lock is held.
func (m *moving) move() {
	random := m.mu.random
	at := &m.mu.at[random.IntN(len(m.mu.at))]
	at[random.IntN(movingNodes)] = random.IntN(len(m.forms))
	if leaves := random.IntN(movingNodes + 1); leaves < movingNodes {
		had := at[leaves]
		at[leaves] = -1
		if *at == [movingNodes]int{-1, -1, -1} { // the last replica stays
			at[leaves] = had
		}
	}
	m.mu.moves++
}

// here returns the views of shards on a node, or an error if one is not there.
func (m *moving) here(node int, shards []model.ShardID) (views []query.View, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	for _, shard := range shards {
		form := m.mu.at[shard][node]
		if form < 0 {
			m.mu.refused++
			return nil, fmt.Errorf("shard %d is not on node %d", shard, node)
		}
		views = append(views, query.View{Shard: shard, Parts: m.forms[form][shard]})
	}
	return views, nil
}

// Views implements query.Shards.
func (m *moving) Views(context.Context, model.TenantID) (views []query.View, err error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.move()
	var leaves [movingNodes]*movingLeaf
	for i := range m.mu.at {
		at := m.mu.at[i]
		node := m.mu.random.IntN(movingNodes)
		for at[node] < 0 {
			node = (node + 1) % movingNodes
		}
		view := query.View{Shard: model.ShardID(i)}
		if node == 0 {
			view.Parts = m.forms[at[0]][i]
		} else {
			if leaves[node] == nil {
				leaves[node] = &movingLeaf{m, node}
			}
			view.Leaf = leaves[node]
		}
		views = append(views, view)
	}
	return views, nil
}

// movingLeaf asks a node, and the others after it.
type movingLeaf struct {
	*moving
	node int
}

// Ask implements query.Leaf.
func (l *movingLeaf) Ask(ctx context.Context, request []byte) ([]byte, error) {
	var errs []error
	for i := range movingNodes {
		l.mu.Lock()
		l.move()
		l.mu.Unlock()
		node := (l.node + i) % movingNodes
		answer, err := l.engines[node].Leaf(ctx, func(_ context.Context, _ model.TenantID, shards []model.ShardID) ([]query.View, error) {
			return l.here(node, shards)
		}, request)
		if err == nil {
			return answer, nil
		}
		errs = append(errs, err)
	}
	return nil, errors.Join(errs...)
}

// TestChainsDuringMoves checks that random chains of pipes answer what a naive
// evaluator answers, as one page and as many, while shards move between three nodes
// before, between and during all pages. An answer that is not complete says so, and
// is asked for again.
func TestChainsDuringMoves(t *testing.T) {
	most := max(1, *seeds/5)
	if testing.Short() {
		most = min(most, 15)
	}
	now := time.Unix(0, day).Add(150 * time.Second)
	config := query.Config{Now: func() time.Time { return now }, Time: time.Hour, CountTime: time.Hour, CountBrief: time.Hour, Lookups: tables{}}
	moves, refused, incomplete := 0, 0, 0
	for seed := *first; seed < *first+most; seed++ {
		random := rand.New(rand.NewPCG(73, uint64(seed)))
		entries, heads := chainData(t, random)
		segments := make(shardSet, len(heads))
		for i, parts := range heads {
			if len(parts) > 0 {
				segments[i] = []part.Part{segmenttest.Seal(t, model.ShardID(i), parts)}
			}
		}
		config.Workers = 1 + random.IntN(3)
		shards := newMoving(rand.New(rand.NewPCG(74, uint64(seed))), config, heads, segments)
		engine := query.New(shards, config)
		for range 3 {
			text := newChainText(random).text()
			parsed, err := syntax.Parse(text)
			if err != nil {
				t.Fatalf("seed %d: %q: %v", seed, text, err)
			}
			want := (&naive{entries: entries, now: now.UnixNano()}).run(parsed)
			fault, again := sameWhileMoving(t, engine, text, want, 1+random.IntN(20))
			incomplete += again
			if fault != "" {
				t.Errorf("seed %d: %s\n%s", seed, text, fault)
			}
		}
		moves, refused = moves+shards.mu.moves, refused+shards.mu.refused
		if t.Failed() {
			return
		}
	}
	t.Logf("%d moves, %d calls to nodes from which a shard had gone, %d answers that were not complete", moves, refused, incomplete)
	if most >= 20 && (refused == 0 || moves < most) {
		t.Error("nothing moved while it was read: the test is broken")
	}
}

// sameWhileMoving compares an answer, as one page and as many, with what it should be;
// it returns what differs, and how many answers were not complete.
func sameWhileMoving(t *testing.T, engine *query.Engine, text string, want *naiveSet, page int) (fault string, incomplete int) {
	t.Helper()
	ask := func(request query.Request) (*query.Result, error) {
		for range 200 {
			result, err := engine.Search(t.Context(), request)
			if err != nil || result.Complete {
				return result, err
			}
			if result.Reason == "" {
				return nil, errors.New("an answer is not complete and does not say why")
			}
			incomplete++
		}
		return nil, errors.New("no answer is complete")
	}
	request := query.Request{Audience: query.Audience{Tenant: model.DefaultTenant}, Text: text, Limit: 10_000}
	whole, err := ask(request)
	if err != nil {
		return err.Error(), incomplete
	}
	if fault := sameRowsNaive(whole, want); fault != "" {
		return fault, incomplete
	}
	request.Limit = page
	var hits []query.Hit
	var rows [][]any
	for {
		page, err := ask(request)
		if err != nil {
			return err.Error(), incomplete
		}
		hits, rows = append(hits, page.Hits...), append(rows, page.Rows...)
		if request.Cursor = page.NextCursor; request.Cursor == "" {
			break
		}
	}
	whole.Hits, whole.Rows = hits, rows
	if fault := sameRowsNaive(whole, want); fault != "" {
		return "in pages: " + fault, incomplete
	}
	return "", incomplete
}
