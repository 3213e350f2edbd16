package query

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/admit"
	"github.com/stere-log/stere/query/exec"
)

// Leaf answers a request that another node made from a query: it runs the query
// over the shards that the request names, which local gives, and returns what
// they amount to. The answer is for the engine that made the request. An error
// says that this node has no answer; another may have one.
func (e *Engine) Leaf(ctx context.Context, local Local, request []byte) (answer []byte, err error) {
	asked, err := decodeLeafRequest(request)
	if err != nil {
		return nil, err
	}
	job := admit.Job{Tenant: asked.Tenant, Text: asked.Text}
	err = admitted(ctx, e.leaves, job, func(ctx context.Context, ticket *admit.Ticket) error {
		asked.memory, asked.turn = ticket.Memory(), ticket
		answer, err = e.leaf(ctx, local, asked)
		return err
	})
	return answer, err
}

// leaf is Leaf once there is a place for it.
func (e *Engine) leaf(ctx context.Context, local Local, request *leafRequest) ([]byte, error) {
	views, err := local(ctx, request.Tenant, request.shards)
	if err != nil {
		return nil, fmt.Errorf("view %s of tenant %s: %w", shardNames(request.shards), request.Tenant, err)
	}
	from := newSource(views)
	defer from.release()
	if err := from.covers(request.shards); err != nil {
		return nil, err
	}
	from.learn(request.learnt, request.mentions(), e.places())
	if from.places != "" && from.places != request.places {
		if mentionsOf(request.Restriction).derived.Located() {
			return nil, fmt.Errorf("read %s of tenant %s: what may be seen depends on places of addresses, and this node has other geoip files than the one that was asked", shardNames(request.shards), request.Tenant)
		}
		from.lacks(shardNames(request.shards) + ": the node that reads them has other geoip files than the one that was asked")
	}
	if request.Explain || request.limits.Read > 0 {
		request.usage = &exec.Usage{}
		from.count(request.usage)
	}
	body, err := e.leafBody(ctx, from, request)
	if err != nil {
		return nil, fmt.Errorf("read %s of tenant %s: %w", shardNames(request.shards), request.Tenant, err)
	}
	answer := encodeLeafAnswer(from.reason(), request.usage, body)
	if len(answer) > LeafAnswerMax {
		return nil, fmt.Errorf("%w: it has %d bytes, the most is %d", ErrLeafAnswer, len(answer), LeafAnswerMax)
	}
	return answer, nil
}

// leafBody runs a request.
func (e *Engine) leafBody(ctx context.Context, from *source, request *leafRequest) ([]byte, error) {
	if request.sets == nil {
		request.sets = [][]string{} // the root has run them
	}
	p, err := makePlan(&request.Request, request.setting)
	if err != nil {
		return nil, err
	}
	limits := e.leafLimits(request.memory, request.limits)
	limits.Usage = request.usage
	if request.turn != nil {
		limits.Turn = request.turn.Do
	}
	switch request.kind {
	case leafTable:
		request.usage.Estimate(from.parts, p, nil)
	case leafPage:
		request.usage.Estimate(from.parts, p, &request.page)
	}
	switch {
	case request.kind == leafFetch:
		return exec.FetchAnswer(ctx, from.parts, p, request.ids, limits)
	case (request.kind == leafTable) != (p.Table != nil):
		return nil, fmt.Errorf("%w: a text of another kind", ErrLeafRequest)
	case request.kind == leafTable:
		return exec.TableAnswer(ctx, from.parts, p, limits)
	case request.page.After != nil && len(request.page.After.Values) != exec.SortsOf(p):
		return nil, fmt.Errorf("%w: a position of another order", ErrLeafRequest)
	}
	return exec.RecordsAnswer(ctx, from.parts, p, request.page, limits)
}

// leafLimits returns the limits of a leaf call: those of the root, but not more
// than this node allows.
func (e *Engine) leafLimits(memory int, asked exec.Limits) exec.Limits {
	own := e.config.limits(memory)
	own.Workers = e.workers()
	own.Time = min(own.Time, asked.Time)
	own.CountTime = min(own.CountTime, asked.CountTime)
	own.CountLarge = min(own.CountLarge, asked.CountLarge)
	own.CountBrief = min(own.CountBrief, asked.CountBrief)
	own.Groups = min(own.Groups, asked.Groups)
	own.Distinct = min(own.Distinct, asked.Distinct)
	own.Values = min(own.Values, asked.Values)
	own.MemoryBytes = min(own.MemoryBytes, asked.MemoryBytes)
	own.Read = asked.Read
	return own
}

// covers checks that the views are of exactly the shards and local.
func (s *source) covers(shards []model.ShardID) error {
	for _, view := range s.views {
		if view.Leaf != nil || !slices.Contains(shards, view.Shard) {
			return fmt.Errorf("view shards: shard %d is not asked for, or not here", view.Shard)
		}
	}
	for _, shard := range shards {
		if !slices.ContainsFunc(s.views, func(v View) bool { return v.Shard == shard }) {
			return fmt.Errorf("view shards: shard %d is not here", shard)
		}
	}
	return nil
}

// namesMax is how many shards a reason names.
const namesMax = 16

// shardNames returns how reasons call shards: "shard 3", "shards 1, 2".
func shardNames(shards []model.ShardID) string {
	if len(shards) == 1 {
		return fmt.Sprintf("shard %d", shards[0])
	}
	names := make([]string, 0, namesMax+1)
	for i, shard := range shards {
		if i == namesMax {
			names = append(names, fmt.Sprintf("and %d more", len(shards)-namesMax))
			break
		}
		names = append(names, fmt.Sprint(shard))
	}
	return "shards " + strings.Join(names, ", ")
}
