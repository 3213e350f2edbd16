// Package limits lets the nodes of a cluster count together, and remember: it carries
// the questions of package limit over the cluster port, answers them for others, knows
// of daily limits what was used before, and gives what tenants use and the audit trail
// their place in a node.
//
// Parts is the main type, Peers what connects it with others; their methods are called
// from any goroutine.
package limits

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/stere-log/stere/api/limits"
	"github.com/stere-log/stere/cluster/gossip"
	"github.com/stere-log/stere/consumption"
	"github.com/stere-log/stere/limit"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/node/peer"
)

// version is that of questions.
const version = 1

// question is what travels: one of Ask and Known.
type question struct {
	V     int        `json:"v"`
	Ask   *limit.Ask `json:"ask,omitempty"`
	Known string     `json:"known,omitempty"` // a key
}

// Peers asks other nodes.
type Peers struct {
	Client  func() peer.Client
	Members func() []gossip.Member
	Cluster func() string // this node's
}

var _ limit.Peers = Peers{}

// Alive implements limit.Peers: nodes that are suspected are asked as well, so that
// the home of a key does not move for a moment.
func (p Peers) Alive() []string {
	var alive []string
	cluster := p.Cluster()
	for _, m := range p.Members() {
		if m.Self || m.State.Up() && m.Cluster == cluster {
			alive = append(alive, m.ID)
		}
	}
	return alive
}

func ask[T any](ctx context.Context, p Peers, node string, q question) (answer T, err error) {
	q.V = version
	text, err := json.Marshal(q)
	if err != nil {
		return answer, fmt.Errorf("ask for limits: %w", err)
	}
	text, err = p.Client().Limit(ctx, node, text)
	if err == nil {
		err = json.Unmarshal(text, &answer)
	}
	if err != nil {
		return answer, fmt.Errorf("ask for limits: %w", err)
	}
	return answer, nil
}

// Ask implements limit.Peers.
func (p Peers) Ask(ctx context.Context, node string, q limit.Ask) (limit.Answer, error) {
	return ask[limit.Answer](ctx, p, node, question{Ask: &q})
}

// Known implements limit.Peers.
func (p Peers) Known(ctx context.Context, node, key string) ([]limit.Count, error) {
	return ask[[]limit.Count](ctx, p, node, question{Known: key})
}

// Answer answers another node.
func Answer(ctx context.Context, limiter *limit.Limiter, text []byte) ([]byte, error) {
	var q question
	if err := json.Unmarshal(text, &q); err != nil || q.V != version {
		return nil, fmt.Errorf("%w: not a question about limits of version %d", peer.ErrRefused, version)
	}
	var answer any
	if q.Ask != nil {
		answer = limiter.Answer(ctx, *q.Ask)
	} else {
		answer = limiter.Known(q.Known)
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", peer.ErrUnavailable, err)
	}
	return text, nil
}

// Recall returns what was used of a daily limit before, as the book has it.
func Recall(book *consumption.Book) func(ctx context.Context, rule limit.Rule) (int64, error) {
	return func(ctx context.Context, rule limit.Rule) (int64, error) {
		lines, isLines := strings.CutPrefix(rule.Key, limits.LinesOfDay)
		bytes, isBytes := strings.CutPrefix(rule.Key, limits.BytesOfDay)
		switch {
		case isLines:
			amount, err := book.Today(ctx, model.TenantID(lines))
			return amount.Lines, err
		case isBytes:
			amount, err := book.Today(ctx, model.TenantID(bytes))
			return amount.BytesIn, err
		}
		return 0, nil
	}
}
