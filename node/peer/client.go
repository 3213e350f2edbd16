package peer

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strconv"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/heal"
	"github.com/stere-log/stere/cluster/link"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage"
)

// Client asks other nodes. It may be used from any goroutine.
type Client struct {
	// Caller makes the calls, and Bulk those that may take long (Append and
	// Segment), so that the others do not wait for them; nil: Caller makes all.
	Caller, Bulk *link.Caller
	// Long makes the calls that wait for something to happen (Follow); nil: Caller.
	Long *link.Caller
}

// bulk is the client that makes all calls with Bulk.
func (c Client) bulk() Client {
	if c.Bulk != nil {
		c.Caller = c.Bulk
	}
	return c
}

// do makes a call and returns the answer, or the error that it says.
func (c Client) do(ctx context.Context, node, method, path string, body []byte) ([]byte, error) {
	status, answer, err := c.Caller.Do(ctx, node, method, path, body)
	if err == nil {
		err = statusErr(status, answer)
	} else {
		err = callError(err)
	}
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", node, err)
	}
	return answer, nil
}

func statusErr(status int, answer []byte) error {
	switch status {
	case 200:
		return nil
	case statusError:
		return decodeError(answer)
	}
	return fmt.Errorf("%w: status %d", ErrUncertain, status)
}

// Append asks a node to store a block.
func (c Client) Append(ctx context.Context, node string, shard model.ShardID, a storage.Append) ([]storage.BatchResult, error) {
	message := appendMessage(make([]byte, 0, 128+len(a.Tenant)+len(a.Batches)*40+len(a.Block)), a)
	answer, err := c.bulk().do(ctx, node, "POST", fmt.Sprintf("%s?shard=%d", pathAppend, shard), message)
	if err != nil {
		return nil, err
	}
	results, err := parseResults(answer)
	if err == nil && len(results) != len(a.Batches) {
		err = fmt.Errorf("%w: %d results for %d batches", ErrUncertain, len(results), len(a.Batches))
	}
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", node, err)
	}
	return results, nil
}

// ReadIndexes asks the leader of groups how far they have come.
func (c Client) ReadIndexes(ctx context.Context, node string, groups []uint32) ([]uint64, error) {
	answer, err := c.do(ctx, node, "POST", pathRead, appendNumbers(nil, groups))
	if err != nil {
		return nil, err
	}
	indexes, ok := parseNumbers(answer)
	if !ok || len(indexes) != len(groups) {
		return nil, fmt.Errorf("node %s: %w: its answer cannot be read", node, ErrUnavailable)
	}
	return indexes, nil
}

// Leaf asks a node to answer a share of a query.
func (c Client) Leaf(ctx context.Context, node string, request []byte) ([]byte, error) {
	return c.do(ctx, node, "POST", pathLeaf, request)
}

// Follow asks a node what came to a shard.
func (c Client) Follow(ctx context.Context, node string, request []byte) ([]byte, error) {
	if c.Long != nil {
		c.Caller = c.Long
	}
	return c.do(ctx, node, "POST", pathFollow, request)
}

// Report asks a node how it is.
func (c Client) Report(ctx context.Context, node string) (report heal.Report, err error) {
	err = c.json(ctx, node, "GET", pathReport, nil, &report)
	return report, err
}

// ReplicaReport asks a node how its replica of a shard is; false if it has none.
// A node of an older version tells of all that it has.
func (c Client) ReplicaReport(ctx context.Context, node string, shard model.ShardID) (heal.ReplicaReport, bool, error) {
	var report heal.Report
	err := c.json(ctx, node, "GET", fmt.Sprintf("%s?shard=%d", pathReport, shard), nil, &report)
	for _, one := range report.Replicas {
		if err == nil && one.Shard == uint32(shard) {
			return one, true, nil
		}
	}
	return heal.ReplicaReport{}, false, err
}

// ProposeCatalogue asks a node to change the catalogue.
func (c Client) ProposeCatalogue(ctx context.Context, node string, command []byte) ([]byte, error) {
	return c.do(ctx, node, "POST", pathCatalogue, command)
}

// Transfer asks a node to let another one lead.
func (c Client) Transfer(ctx context.Context, node string, shard model.ShardID, to string) error {
	_, err := c.do(ctx, node, "POST", fmt.Sprintf("%s?shard=%d&to=%s", pathTransfer, shard, url.QueryEscape(to)), nil)
	return err
}

// Join asks a node to make another one a member.
func (c Client) Join(ctx context.Context, node string, who catalogue.Node) (joined Joined, err error) {
	err = c.json(ctx, node, "POST", pathJoin, who, &joined)
	return joined, err
}

// Release asks a node to take this one out of the catalogue's group.
func (c Client) Release(ctx context.Context, node string) error {
	_, err := c.do(ctx, node, "POST", pathRelease, nil)
	return err
}

// Promise asks a node to join the cluster of a candidate.
func (c Client) Promise(ctx context.Context, node, candidate string) error {
	_, err := c.do(ctx, node, "POST", pathPromise+"?candidate="+url.QueryEscape(candidate), nil)
	return err
}

// Flush asks a node to seal and merge.
func (c Client) Flush(ctx context.Context, node string) error {
	_, err := c.do(ctx, node, "POST", pathFlush, nil)
	return err
}

// Maintain asks a node to do maintenance, and returns what came of it.
func (c Client) Maintain(ctx context.Context, node string, maintenance heal.Maintenance) (done string, err error) {
	err = c.bulk().json(ctx, node, "POST", pathMaintain, maintenance, &done)
	return done, err
}

// Limit asks a node about what is counted.
func (c Client) Limit(ctx context.Context, node string, question []byte) ([]byte, error) {
	return c.do(ctx, node, "POST", pathLimit, question)
}

// Delete asks a node to propose a deletion.
func (c Client) Delete(ctx context.Context, node string, shard model.ShardID, d storage.Deletion) (index uint64, err error) {
	answer, err := c.do(ctx, node, "POST", fmt.Sprintf("%s?shard=%d", pathDelete, shard), storage.AppendDeletion(nil, d))
	if err != nil {
		return 0, err
	}
	if err := json.Unmarshal(answer, &index); err != nil {
		return 0, fmt.Errorf("node %s: %w: its answer cannot be read: %w", node, ErrUncertain, err)
	}
	return index, nil
}

// Erased asks a node how far a deletion has come on its replica of a shard.
func (c Client) Erased(ctx context.Context, node string, shard model.ShardID, of Erasure) (erased Erased, err error) {
	err = c.bulk().json(ctx, node, "POST", fmt.Sprintf("%s?shard=%d", pathErased, shard), of, &erased)
	return erased, err
}

// Seal asks a node to seal what it leads.
func (c Client) Seal(ctx context.Context, node string) error {
	_, err := c.bulk().do(ctx, node, "POST", pathSeal, nil)
	return err
}

// Segment asks a node for the bytes of a segment from an offset on.
func (c Client) Segment(ctx context.Context, node string, shard model.ShardID, id storage.SegmentID, offset int64) (io.ReadCloser, error) {
	path := fmt.Sprintf("%s?shard=%d&sequence=%d&ordinal=%d&offset=%d", pathSegment, shard, id.Sequence, id.Ordinal, offset)
	answer, err := c.bulk().Caller.Stream(ctx, node, "GET", path, nil, 0)
	if err != nil {
		return nil, fmt.Errorf("node %s: %w", node, callError(err))
	}
	if answer.Status == 200 {
		return answer, nil
	}
	text, err := io.ReadAll(io.LimitReader(answer, errorTextMax+2))
	return nil, fmt.Errorf("node %s: %w", node, errors.Join(statusErr(answer.Status, text), err, answer.Close()))
}

// json makes a call with JSON both ways.
func (c Client) json(ctx context.Context, node, method, path string, question, answer any) (err error) {
	var body []byte
	if question != nil {
		if body, err = json.Marshal(question); err != nil {
			return err
		}
	}
	text, err := c.do(ctx, node, method, path, body)
	if err != nil {
		return err
	}
	if err := json.Unmarshal(text, answer); err != nil {
		return fmt.Errorf("node %s: %w: its answer cannot be read: %w", node, ErrUncertain, err)
	}
	return nil
}

// number reads a number of a call's path.
func number(text string, bits int) (uint64, error) {
	n, err := strconv.ParseUint(text, 10, bits)
	if err != nil {
		return 0, fmt.Errorf("%w: %q is no number", ErrRefused, text[:min(len(text), 32)])
	}
	return n, nil
}
