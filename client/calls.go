package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/stere-log/stere/api/v1"
)

// flushTimeout bounds Flush: it seals and merges everything.
const flushTimeout = 30 * time.Minute

// WriteOptions say how a body of records is sent.
type WriteOptions struct {
	Key         string // Idempotency-Key; "" makes a new one
	ContentType string // default application/x-ndjson
	Encoding    string // of the body: "", gzip, zstd, snappy or deflate
}

// Write sends a body of records and returns what became of them. It retries
// until the node has answered; the key makes that safe.
func (c *Client) Write(ctx context.Context, body []byte, opts WriteOptions) (v1.Written, error) {
	_, answer, err := c.do(ctx, call{
		method: "POST", path: "/logs", body: body, encoding: opts.Encoding,
		contentType: cmp.Or(opts.ContentType, "application/x-ndjson"),
		key:         cmp.Or(opts.Key, NewIdempotencyKey()),
	})
	if err != nil {
		return v1.Written{}, fmt.Errorf("write records: %w", err)
	}
	// One object is answered in another form than several.
	var envelope v1.Envelope[struct {
		v1.Written
		v1.Stored
	}]
	if err := json.Unmarshal(answer, &envelope); err != nil {
		return v1.Written{}, fmt.Errorf("write records: %w: %w", ErrAnswer, err)
	}
	if envelope.Data.LogID != "" {
		return v1.Written{Accepted: 1}, nil
	}
	return envelope.Data.Written, nil
}

// Found is the answer to a search: records, or a table if the query has
// statistics.
type Found struct {
	Records    []json.RawMessage
	Table      *v1.Table
	Pagination v1.Pagination
}

// Search runs a search.
func (c *Client) Search(ctx context.Context, request v1.SearchRequest) (*Found, error) {
	body, err := json.Marshal(request)
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	_, answer, err := c.do(ctx, call{method: "POST", path: "/logs/search", body: body, contentType: "application/json"})
	envelope, err := decode[json.RawMessage](answer, err)
	if err != nil {
		return nil, fmt.Errorf("search: %w", err)
	}
	found := &Found{}
	if envelope.Pagination != nil {
		found.Pagination = *envelope.Pagination
	}
	if strings.HasPrefix(string(envelope.Data), "{") {
		found.Table = &v1.Table{}
		err = json.Unmarshal(envelope.Data, found.Table)
	} else {
		err = json.Unmarshal(envelope.Data, &found.Records)
	}
	if err != nil {
		return nil, fmt.Errorf("search: %w: %w", ErrAnswer, err)
	}
	return found, nil
}

// SavedQuery returns a query that the tenant has given a name.
func (c *Client) SavedQuery(ctx context.Context, name string) (v1.SavedQuery, error) {
	_, answer, err := c.do(ctx, call{method: "GET", path: "/queries/" + url.PathEscape(name)})
	envelope, err := decode[v1.SavedQuery](answer, err)
	if err != nil {
		return v1.SavedQuery{}, fmt.Errorf("get saved query: %w", err)
	}
	return envelope.Data, nil
}

// Get returns a record.
func (c *Client) Get(ctx context.Context, id string) (json.RawMessage, error) {
	_, answer, err := c.do(ctx, call{method: "GET", path: "/logs/" + url.PathEscape(id)})
	envelope, err := decode[json.RawMessage](answer, err)
	if err != nil {
		return nil, fmt.Errorf("get record: %w", err)
	}
	return envelope.Data, nil
}

// Context returns the records of the same source around a record.
func (c *Client) Context(ctx context.Context, id string, before, after int) (v1.Context, error) {
	path := "/logs/" + url.PathEscape(id) + "/context?before=" + strconv.Itoa(before) + "&after=" + strconv.Itoa(after)
	_, answer, err := c.do(ctx, call{method: "GET", path: path})
	envelope, err := decode[v1.Context](answer, err)
	if err != nil {
		return v1.Context{}, fmt.Errorf("get context: %w", err)
	}
	return envelope.Data, nil
}

// Flush seals and merges what the node has and returns when it is settled.
func (c *Client) Flush(ctx context.Context) error {
	if _, _, err := c.do(ctx, call{method: "POST", path: "/admin/flush", timeout: flushTimeout}); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	return nil
}

// Health returns how the node is. An unhealthy node is an answer, not an error.
func (c *Client) Health(ctx context.Context) (v1.Health, error) {
	var health v1.Health
	_, answer, err := c.do(ctx, call{method: "GET", path: "/health", once: true})
	var failed *Error
	if err != nil && !errors.As(err, &failed) {
		return health, fmt.Errorf("get health: %w", err)
	}
	if err := json.Unmarshal(answer, &health); err != nil || health.Status == "" {
		return health, fmt.Errorf("get health: %w", ErrAnswer)
	}
	return health, nil
}

// Ready reports whether the node takes and finds records.
func (c *Client) Ready(ctx context.Context) error {
	if _, _, err := c.do(ctx, call{method: "GET", path: "/health/ready", once: true}); err != nil {
		return fmt.Errorf("get readiness: %w", err)
	}
	return nil
}

// Metrics returns the node's metrics as Prometheus text.
func (c *Client) Metrics(ctx context.Context) (string, error) {
	_, answer, err := c.do(ctx, call{method: "GET", path: "/metrics?format=prometheus"})
	if err != nil {
		return "", fmt.Errorf("get metrics: %w", err)
	}
	return string(answer), nil
}

// adminKeyBytesMax bounds the key file.
const adminKeyBytesMax = 1 << 10

// DiscoverKey returns the API key that a program on this machine uses: the
// variable STERE_API_KEY, else the file that the node wrote into its data
// folder. No key is no error: the node may do without.
func DiscoverKey(dataDir string, getenv func(string) string) (string, error) {
	if key := getenv("STERE_API_KEY"); key != "" {
		return key, nil
	}
	text, err := os.ReadFile(KeyPath(dataDir))
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read API key: %w", err)
	}
	if len(text) > adminKeyBytesMax {
		return "", fmt.Errorf("read API key: %s has %d bytes, want at most %d", KeyPath(dataDir), len(text), adminKeyBytesMax)
	}
	return strings.TrimSpace(string(text)), nil
}

// Call makes any call with a body of JSON or YAML, none if it is nil, and returns the
// data of the answer. What makes something is not repeated by itself.
func (c *Client) Call(ctx context.Context, method, path string, body []byte) (json.RawMessage, error) {
	in := call{method: method, path: path, once: method == "POST", body: body}
	if body != nil {
		in.contentType = "application/json"
	}
	_, answer, err := c.do(ctx, in)
	if err == nil {
		var envelope v1.Envelope[json.RawMessage]
		if envelope, err = decode[json.RawMessage](answer, nil); err == nil {
			return envelope.Data, nil
		}
	}
	return nil, fmt.Errorf("%s %s: %w", method, path, err)
}
