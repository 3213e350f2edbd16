package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"

	"github.com/stere-log/stere/client"
)

// ask makes a call and decodes what comes back.
func ask[T any](ctx context.Context, c *client.Client, method, path string, body any) (out T, err error) {
	var text []byte
	switch b := body.(type) {
	case nil:
	case []byte:
		text = b
	default:
		if text, err = json.Marshal(b); err != nil {
			return out, fmt.Errorf("%s %s: %w", method, path, err)
		}
	}
	data, err := c.Call(ctx, method, path, text)
	if err == nil {
		err = json.Unmarshal(data, &out)
	}
	return out, err
}

// askList lists all things of a kind.
func askList[T any](w World, r Remote, path string, rows func(out io.Writer, list []T)) error {
	return run(w, r, func(ctx context.Context, c *client.Client) ([]T, error) {
		return ask[[]T](ctx, c, "GET", path, nil)
	}, rows)
}

// askOne makes or changes a thing, and shows it as it is in a list.
func askOne[T any](w World, r Remote, method, path string, body any, rows func(out io.Writer, list []T)) error {
	return run(w, r, func(ctx context.Context, c *client.Client) (T, error) {
		return ask[T](ctx, c, method, path, body)
	}, func(out io.Writer, one T) { rows(out, []T{one}) })
}

// askJSON shows a thing as JSON.
func askJSON(w World, r Remote, path string) error {
	r.JSON = true
	return run(w, r, func(ctx context.Context, c *client.Client) (json.RawMessage, error) {
		return ask[json.RawMessage](ctx, c, "GET", path, nil)
	}, func(io.Writer, json.RawMessage) {})
}

// askDrop forgets the thing of a name below a path.
func askDrop(w World, r Remote, below, name string) error {
	return run(w, r, func(ctx context.Context, c *client.Client) (json.RawMessage, error) {
		return ask[json.RawMessage](ctx, c, "DELETE", below+url.PathEscape(name), nil)
	}, func(out io.Writer, _ json.RawMessage) { row(out, "dropped", name) })
}
