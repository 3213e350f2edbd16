package faults

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	v1 "github.com/stere-log/stere/api/v1"
)

const (
	answerBytesMax = 256 << 20
	errorTextMax   = 300
	pageRows       = 2_000
)

// errRefused says that the node answered, but not with success.
var errRefused = errors.New("refused")

// refusal is an answer other than success.
type refusal struct {
	status int
	text   string
}

// Error implements error.
func (r *refusal) Error() string { return fmt.Sprintf("status %d: %s", r.status, r.text) }

// Unwrap makes every refusal an errRefused.
func (r *refusal) Unwrap() error { return errRefused }

// proper reports whether the status tells a client to send the same again
// later, which is all that a fault of the machine may lead to.
func (r *refusal) proper() bool {
	return r.status == http.StatusTooManyRequests || r.status == http.StatusServiceUnavailable || r.status == http.StatusInsufficientStorage
}

// api is the HTTP interface of the node under test. The address changes with
// every start.
type api struct {
	client *http.Client
	mu     struct {
		sync.Mutex
		base, key string
	}
}

func newAPI(timeout time.Duration) *api {
	return &api{client: &http.Client{Timeout: timeout, Transport: &http.Transport{MaxIdleConnsPerHost: 16}}}
}

func (a *api) set(base string) {
	a.client.CloseIdleConnections()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mu.base = base
}

// do sends a request and returns the body of a successful answer.
func (a *api) do(ctx context.Context, method, path string, body []byte, idempotencyKey string) ([]byte, error) {
	a.mu.Lock()
	base, key := a.mu.base, a.mu.key
	a.mu.Unlock()
	req, err := http.NewRequestWithContext(ctx, method, base+path, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	req.Header.Set(v1.HeaderAPIKey, key)
	if idempotencyKey != "" {
		req.Header.Set(v1.HeaderIdempotencyKey, idempotencyKey)
		req.Header.Set("Content-Type", "application/x-ndjson")
	} else if body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	res, err := a.client.Do(req)
	if err != nil {
		return nil, fmt.Errorf("send request: %w", err)
	}
	defer res.Body.Close()
	text, err := io.ReadAll(io.LimitReader(res.Body, answerBytesMax))
	if err != nil {
		return nil, fmt.Errorf("read answer: %w", err)
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		return nil, &refusal{status: res.StatusCode, text: string(text[:min(len(text), errorTextMax)])}
	}
	return text, nil
}

// ready reports whether the node serves, and takes its admin key.
func (a *api) ready(ctx context.Context, dataDir string) error {
	if _, err := a.do(ctx, http.MethodGet, "/health/ready", nil, ""); err != nil {
		return err
	}
	key, err := os.ReadFile(filepath.Join(dataDir, "admin-key"))
	if err != nil {
		return fmt.Errorf("read admin key: %w", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mu.key = strings.TrimSpace(string(key))
	return nil
}

// write sends a batch; nil means acknowledged as a whole.
func (a *api) write(ctx context.Context, key string, body []byte, rows int) error {
	text, err := a.do(ctx, http.MethodPost, "/logs", body, key)
	if err != nil {
		return err
	}
	var answer v1.Envelope[struct {
		v1.Written
		LogID string `json:"logId"`
	}]
	if err := json.Unmarshal(text, &answer); err != nil {
		return fmt.Errorf("read answer to a write: %w", err)
	}
	if answer.Data.Accepted != rows && !(rows == 1 && answer.Data.LogID != "") {
		return fmt.Errorf("%w: %d of %d records accepted: %.300s", errRefused, answer.Data.Accepted, rows, text)
	}
	return nil
}

// count asks how many records of the run there are.
func (a *api) count(ctx context.Context, run string) (int64, error) {
	var answer v1.Envelope[v1.Table]
	if err := a.search(ctx, map[string]any{"query": runQuery(run) + " | stats count()"}, &answer); err != nil {
		return 0, err
	}
	if len(answer.Data.Rows) != 1 || len(answer.Data.Rows[0]) != 1 {
		return 0, errors.New("count: answer is not one number")
	}
	var n int64
	if err := json.Unmarshal(answer.Data.Rows[0][0], &n); err != nil {
		return 0, fmt.Errorf("count: %w", err)
	}
	return n, complete(answer.Pagination)
}

// each calls use for each record of the run at or after the time, page by
// page. It returns an error for a cursor that does not come to an end.
func (a *api) each(ctx context.Context, run string, from int64, most int64, use func(r *row)) error {
	request := map[string]any{"query": runQuery(run), "limit": pageRows}
	if from != 0 {
		request["filters"] = map[string]any{"timeRange": map[string]string{"start": time.Unix(0, from).UTC().Format(time.RFC3339Nano)}}
	}
	for got := int64(0); ; {
		var answer v1.Envelope[[]row]
		if err := a.search(ctx, request, &answer); err != nil {
			return err
		}
		if err := complete(answer.Pagination); err != nil {
			return err
		}
		for i := range answer.Data {
			use(&answer.Data[i])
		}
		got += int64(len(answer.Data))
		if answer.Pagination == nil || !answer.Pagination.HasMore {
			return nil
		}
		if got > most || len(answer.Data) == 0 || answer.Pagination.NextCursor == "" {
			return fmt.Errorf("paging does not end: %d records read, %d were sent", got, most)
		}
		request["cursor"] = answer.Pagination.NextCursor
	}
}

func (a *api) search(ctx context.Context, request map[string]any, into any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("encode search: %w", err)
	}
	text, err := a.do(ctx, http.MethodPost, "/logs/search", body, "")
	if err != nil {
		return fmt.Errorf("search: %w", err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("read answer to a search: %w", err)
	}
	return nil
}

func runQuery(run string) string { return `metadata.run:="` + run + `"` }

func complete(p *v1.Pagination) error {
	if p != nil && !p.SearchMeta.Complete {
		return fmt.Errorf("answer is not complete: %s", p.SearchMeta.Reason)
	}
	return nil
}
