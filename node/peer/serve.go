package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/heal"
	"github.com/stere-log/stere/cluster/link"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage"
)

// Limits of the bodies of calls.
const (
	appendMax  = 64 << 20
	leafMax    = 16 << 20
	commandMax = catalogue.CommandMax
	smallMax   = 1 << 20
)

// handler answers one kind of call.
type handler struct {
	method  string
	bodyMax int64
	serve   func(ctx context.Context, node Node, call *link.Call, body []byte) (link.Reply, error)
}

// handlers are all calls.
func handlers() map[string]handler {
	return map[string]handler{
		pathAppend:    {"POST", appendMax, serveAppend},
		pathRead:      {"POST", smallMax, serveRead},
		pathLeaf:      {"POST", leafMax, serveLeaf},
		pathFollow:    {"POST", leafMax, serveFollow},
		pathReport:    {"GET", 0, serveReport},
		pathCatalogue: {"POST", commandMax, serveCatalogue},
		pathTransfer:  {"POST", 0, serveTransfer},
		pathJoin:      {"POST", smallMax, serveJoin},
		pathRelease:   {"POST", 0, serveRelease},
		pathPromise:   {"POST", 0, servePromise},
		pathFlush:     {"POST", 0, serveFlush},
		pathMaintain:  {"POST", smallMax, serveMaintain},
		pathSegment:   {"GET", 0, serveSegment},
		pathLimit:     {"POST", smallMax, serveLimit},
		pathDelete:    {"POST", smallMax, serveDelete},
		pathErased:    {"POST", smallMax, serveErased},
		pathSeal:      {"POST", 0, serveSeal},
	}
}

// Serve returns the handler of node calls that answers for a node.
func Serve(node Node) link.Handler {
	table := handlers()
	return func(ctx context.Context, call *link.Call) link.Reply {
		h, ok := table[call.Path]
		if !ok || h.method != call.Method {
			return link.Reply{Status: 404}
		}
		reply, err := h.answer(ctx, node, call)
		if err != nil {
			return link.Reply{Status: statusError, Body: encodeError(err)}
		}
		return reply
	}
}

func (h handler) answer(ctx context.Context, node Node, call *link.Call) (link.Reply, error) {
	var body []byte
	if h.bodyMax > 0 {
		if call.Size > h.bodyMax {
			return link.Reply{}, fmt.Errorf("%w: the call has %d bytes, want at most %d", ErrRefused, call.Size, h.bodyMax)
		}
		var err error
		if call.Size >= 0 {
			body = make([]byte, call.Size)
			_, err = io.ReadFull(call.Body, body)
		} else {
			body, err = io.ReadAll(io.LimitReader(call.Body, h.bodyMax+1))
		}
		if int64(len(body)) > h.bodyMax {
			return link.Reply{}, fmt.Errorf("%w: the call has more than %d bytes", ErrRefused, h.bodyMax)
		}
		if err != nil {
			return link.Reply{}, fmt.Errorf("%w: read call: %w", ErrUnavailable, err)
		}
	}
	return h.serve(ctx, node, call, body)
}

func shardOf(call *link.Call) (model.ShardID, error) {
	n, err := number(call.Query("shard"), 32)
	return model.ShardID(n), err
}

func serveAppend(ctx context.Context, node Node, call *link.Call, body []byte) (link.Reply, error) {
	shard, err := shardOf(call)
	if err != nil {
		return link.Reply{}, err
	}
	a, err := parseAppend(body)
	if err != nil {
		return link.Reply{}, err
	}
	results, err := node.Append(ctx, shard, a)
	return link.Reply{Body: appendResults(nil, results)}, err
}

func serveRead(ctx context.Context, node Node, _ *link.Call, body []byte) (link.Reply, error) {
	numbers, ok := parseNumbers(body)
	if !ok {
		return link.Reply{}, fmt.Errorf("%w: not a list of groups", ErrRefused)
	}
	groups := make([]uint32, len(numbers))
	for i, n := range numbers {
		groups[i] = uint32(n)
	}
	indexes, err := node.ReadIndexes(ctx, groups)
	return link.Reply{Body: appendNumbers(nil, indexes)}, err
}

func serveLeaf(ctx context.Context, node Node, _ *link.Call, body []byte) (link.Reply, error) {
	answer, err := node.Leaf(ctx, body)
	return link.Reply{Body: answer}, err
}

func serveFollow(ctx context.Context, node Node, _ *link.Call, body []byte) (link.Reply, error) {
	answer, err := node.Follow(ctx, body)
	return link.Reply{Body: answer}, err
}

func serveReport(ctx context.Context, node Node, call *link.Call, _ []byte) (link.Reply, error) {
	var only []model.ShardID
	if call.Query("shard") != "" {
		shard, err := shardOf(call)
		if err != nil {
			return link.Reply{}, err
		}
		only = append(only, shard)
	}
	report, err := node.Report(ctx, only...)
	return asJSON(report, err)
}

func serveCatalogue(ctx context.Context, node Node, _ *link.Call, body []byte) (link.Reply, error) {
	result, err := node.ProposeCatalogue(ctx, body)
	return link.Reply{Body: result}, err
}

func serveTransfer(ctx context.Context, node Node, call *link.Call, _ []byte) (link.Reply, error) {
	shard, err := shardOf(call)
	if err != nil {
		return link.Reply{}, err
	}
	return link.Reply{}, node.Transfer(ctx, shard, call.Query("to"))
}

// serveJoin is for the node that asks and no other, and by a name that is its own.
func serveJoin(ctx context.Context, node Node, call *link.Call, body []byte) (link.Reply, error) {
	var who catalogue.Node
	if err := json.Unmarshal(body, &who); err != nil {
		return link.Reply{}, fmt.Errorf("%w: not a node: %w", ErrRefused, err)
	}
	if who.ID != call.NodeID {
		return link.Reply{}, fmt.Errorf("%w: node %s asks for another one, %s", ErrRefused, call.NodeID, who.ID)
	}
	if !call.Named(who.Name) {
		return link.Reply{}, fmt.Errorf("%w: the certificate of node %s does not name it, %s", ErrRefused, who.ID, who.Name)
	}
	return asJSON(node.Join(ctx, who))
}

// serveRelease is for the node that asks and no other.
func serveRelease(ctx context.Context, node Node, call *link.Call, _ []byte) (link.Reply, error) {
	return link.Reply{}, node.Release(ctx, call.NodeID)
}

func servePromise(ctx context.Context, node Node, call *link.Call, _ []byte) (link.Reply, error) {
	return link.Reply{}, node.Promise(ctx, call.Query("candidate"))
}

func serveFlush(ctx context.Context, node Node, _ *link.Call, _ []byte) (link.Reply, error) {
	return link.Reply{}, node.Flush(ctx)
}

func serveMaintain(ctx context.Context, node Node, _ *link.Call, body []byte) (link.Reply, error) {
	var maintenance heal.Maintenance
	if err := json.Unmarshal(body, &maintenance); err != nil {
		return link.Reply{}, fmt.Errorf("%w: no maintenance: %w", ErrRefused, err)
	}
	return asJSON(node.Maintain(ctx, maintenance))
}

func serveLimit(ctx context.Context, node Node, _ *link.Call, body []byte) (link.Reply, error) {
	answer, err := node.Limit(ctx, body)
	return link.Reply{Body: answer}, err
}

func serveSegment(ctx context.Context, node Node, call *link.Call, _ []byte) (link.Reply, error) {
	shard, err := shardOf(call)
	sequence, err1 := number(call.Query("sequence"), 64)
	ordinal, err2 := number(call.Query("ordinal"), 32)
	offset, err3 := number(call.Query("offset"), 63)
	if err := errors.Join(err, err1, err2, err3); err != nil {
		return link.Reply{}, err
	}
	stream, err := node.Segment(ctx, shard, storage.SegmentID{Sequence: sequence, Ordinal: uint32(ordinal)}, int64(offset))
	if err != nil {
		return link.Reply{}, err
	}
	return link.Reply{Stream: stream, Size: -1}, nil
}

func serveDelete(ctx context.Context, node Node, call *link.Call, body []byte) (link.Reply, error) {
	shard, err := shardOf(call)
	if err != nil {
		return link.Reply{}, err
	}
	d, err := storage.ParseDeletion(body)
	if err != nil {
		return link.Reply{}, fmt.Errorf("%w: %w", ErrRefused, err)
	}
	index, err := node.Delete(ctx, shard, d)
	return asJSON(index, err)
}

func serveErased(ctx context.Context, node Node, call *link.Call, body []byte) (link.Reply, error) {
	shard, err := shardOf(call)
	if err != nil {
		return link.Reply{}, err
	}
	var of Erasure
	if err := json.Unmarshal(body, &of); err != nil {
		return link.Reply{}, fmt.Errorf("%w: not a deletion: %w", ErrRefused, err)
	}
	erased, err := node.Erased(ctx, shard, of)
	return asJSON(erased, err)
}

func serveSeal(ctx context.Context, node Node, _ *link.Call, _ []byte) (link.Reply, error) {
	return link.Reply{}, node.Seal(ctx)
}

func asJSON[T any](answer T, err error) (link.Reply, error) {
	if err != nil {
		return link.Reply{}, err
	}
	body, err := json.Marshal(answer)
	if err != nil {
		return link.Reply{}, fmt.Errorf("%w: %w", ErrUnavailable, err)
	}
	return link.Reply{Body: body}, nil
}
