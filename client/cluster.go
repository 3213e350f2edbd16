package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"strconv"

	"github.com/stere-log/stere/api/v1"
)

// The methods of this file need the admin permission. Nodes are ids or names.
// What a rule of the cluster speaks against is an *Error with the status 409,
// and an unknown node, shard or action one with 404.

// Cluster returns how the cluster is.
func (c *Client) Cluster(ctx context.Context) (v1.ClusterStatus, error) {
	_, answer, err := c.do(ctx, call{method: "GET", path: "/admin/cluster"})
	envelope, err := decode[v1.ClusterStatus](answer, err)
	if err != nil {
		return v1.ClusterStatus{}, fmt.Errorf("get cluster: %w", err)
	}
	return envelope.Data, nil
}

// Drain makes everything leave a node. It returns when the cluster has agreed
// on that; Cluster shows what is still there.
func (c *Client) Drain(ctx context.Context, node string) (v1.NodeChange, error) {
	return c.changeNode(ctx, "drain", "POST", node, "/drain")
}

// Undrain takes Drain back.
func (c *Client) Undrain(ctx context.Context, node string) (v1.NodeChange, error) {
	return c.changeNode(ctx, "undrain", "DELETE", node, "/drain")
}

// RemoveNode says that a node will never come back. Without force it is
// refused while the node has replicas.
func (c *Client) RemoveNode(ctx context.Context, node string, force bool) (v1.NodeChange, error) {
	return c.changeNode(ctx, "remove", "DELETE", node, "?force="+strconv.FormatBool(force))
}

func (c *Client) changeNode(ctx context.Context, what, method, node, rest string) (v1.NodeChange, error) {
	if node == "" {
		return v1.NodeChange{}, fmt.Errorf("%s node: %w", what, errors.New("no node is named"))
	}
	_, answer, err := c.do(ctx, call{method: method, path: "/admin/cluster/nodes/" + url.PathEscape(node) + rest})
	envelope, err := decode[v1.NodeChange](answer, err)
	if err != nil {
		return v1.NodeChange{}, fmt.Errorf("%s node %s: %w", what, node, err)
	}
	return envelope.Data, nil
}

// MoveReplica puts the replica of a shard on one node to another, and returns
// when the cluster has agreed on that. It is not repeated by itself.
func (c *Client) MoveReplica(ctx context.Context, move v1.MoveRequest) error {
	if err := c.sendJSON(ctx, call{method: "POST", path: "/admin/cluster/moves", once: true}, move); err != nil {
		return fmt.Errorf("move shard %d: %w", move.Shard, err)
	}
	return nil
}

// SetCluster changes settings of the cluster.
func (c *Client) SetCluster(ctx context.Context, settings v1.ClusterSettingsRequest) error {
	if err := c.sendJSON(ctx, call{method: "PUT", path: "/admin/cluster/settings"}, settings); err != nil {
		return fmt.Errorf("set cluster: %w", err)
	}
	return nil
}

// SelfHealing returns what the cluster does by itself.
func (c *Client) SelfHealing(ctx context.Context) (v1.SelfHealing, error) {
	var healing v1.SelfHealing
	_, answer, err := c.do(ctx, call{method: "GET", path: "/admin/self-healing"})
	if err != nil {
		return healing, fmt.Errorf("get self-healing: %w", err)
	}
	if err := json.Unmarshal(answer, &healing); err != nil {
		return healing, fmt.Errorf("get self-healing: %w: %w", ErrAnswer, err)
	}
	return healing, nil
}

// Heal takes an action, or switches one or all of them. An action that failed
// is a result without success, not an error. It is not repeated by itself.
func (c *Client) Heal(ctx context.Context, request v1.HealingRequest) (v1.HealingResult, error) {
	var result v1.HealingResult
	body, err := json.Marshal(request)
	if err != nil {
		return result, fmt.Errorf("%s %s: %w", request.Action, request.ActionID, err)
	}
	_, answer, err := c.do(ctx, call{method: "POST", path: "/admin/self-healing/actions", body: body, contentType: "application/json", once: true})
	var failed *Error
	if errors.As(err, &failed) && failed.Status == 400 && json.Unmarshal(answer, &result) == nil && result.Error != "" {
		return result, nil
	}
	if err != nil {
		return result, fmt.Errorf("%s %s: %w", request.Action, request.ActionID, err)
	}
	if err := json.Unmarshal(answer, &result); err != nil {
		return result, fmt.Errorf("%s %s: %w: %w", request.Action, request.ActionID, ErrAnswer, err)
	}
	return result, nil
}

// sendJSON makes a call with a JSON body, of whose answer only the success
// counts.
func (c *Client) sendJSON(ctx context.Context, in call, body any) (err error) {
	if in.body, err = json.Marshal(body); err != nil {
		return err
	}
	in.contentType = "application/json"
	_, _, err = c.do(ctx, in)
	return err
}
