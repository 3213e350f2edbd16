package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
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

// ErrRefused says that the node answered, but not with success.
var ErrRefused = errors.New("refused")

// Refusal is an answer other than success.
type Refusal struct {
	Status int
	Text   string
}

// Error implements error.
func (r *Refusal) Error() string { return fmt.Sprintf("status %d: %s", r.Status, r.Text) }

// Unwrap makes every refusal an ErrRefused.
func (r *Refusal) Unwrap() error { return ErrRefused }

// Proper reports whether the status tells a client to send the same again
// later, which is all that a fault of the machine may lead to.
func (r *Refusal) Proper() bool {
	return r.Status == http.StatusTooManyRequests || r.Status == http.StatusServiceUnavailable || r.Status == http.StatusInsufficientStorage
}

// Dial makes connections, where it is not the usual way.
type Dial func(ctx context.Context, network, address string) (net.Conn, error)

// API is the HTTP interface of the node under test. The address changes with
// every start.
type API struct {
	client *http.Client
	mu     struct {
		sync.Mutex
		base, key string
	}
}

// NewAPI returns an API without an address. Dial may be nil.
func NewAPI(timeout time.Duration, dial Dial) *API {
	return &API{client: &http.Client{Timeout: timeout, Transport: &http.Transport{MaxIdleConnsPerHost: 16, DialContext: dial}}}
}

// SetBase says where the node is, and forgets connections to it.
func (a *API) SetBase(base string) {
	a.client.CloseIdleConnections()
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mu.base = base
}

// SetKey says which key requests carry.
func (a *API) SetKey(key string) {
	a.mu.Lock()
	defer a.mu.Unlock()
	a.mu.key = key
}

// Do sends a request and returns the body of a successful answer. Answers
// other than success are a *Refusal.
func (a *API) Do(ctx context.Context, method, path string, body []byte, idempotencyKey string) ([]byte, error) {
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
		return nil, &Refusal{Status: res.StatusCode, Text: string(text[:min(len(text), errorTextMax)])}
	}
	return text, nil
}

// Ready reports whether the node serves.
func (a *API) Ready(ctx context.Context) error {
	_, err := a.Do(ctx, http.MethodGet, "/health/ready", nil, "")
	return err
}

// TakeKey takes the admin key that the node keeps in its data folder.
func (a *API) TakeKey(dataDir string) error {
	key, err := os.ReadFile(filepath.Join(dataDir, "admin-key"))
	if err != nil {
		return fmt.Errorf("read admin key: %w", err)
	}
	a.SetKey(strings.TrimSpace(string(key)))
	return nil
}

// Write sends a batch; nil means acknowledged as a whole.
func (a *API) Write(ctx context.Context, key string, body []byte, rows int) error {
	text, err := a.Do(ctx, http.MethodPost, "/logs", body, key)
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
		return fmt.Errorf("%w: %d of %d records accepted: %.300s", ErrRefused, answer.Data.Accepted, rows, text)
	}
	return nil
}

// Count asks how many records of the run there are.
func (a *API) Count(ctx context.Context, run string) (int64, Wholeness, error) {
	var answer v1.Envelope[v1.Table]
	if err := a.search(ctx, map[string]any{"query": runQuery(run) + " | stats count()"}, &answer); err != nil {
		return 0, Wholeness{}, err
	}
	whole := wholeness(answer.Pagination)
	if len(answer.Data.Rows) == 0 && !whole.Complete {
		return 0, whole, nil
	}
	if len(answer.Data.Rows) != 1 || len(answer.Data.Rows[0]) != 1 {
		return 0, whole, errors.New("count: answer is not one number")
	}
	var n int64
	if err := json.Unmarshal(answer.Data.Rows[0][0], &n); err != nil {
		return 0, whole, fmt.Errorf("count: %w", err)
	}
	return n, whole, nil
}

// Batch asks for the records of one batch.
func (a *API) Batch(ctx context.Context, run string, b *Batch) ([]Row, Wholeness, error) {
	var answer v1.Envelope[[]Row]
	request := map[string]any{"query": runQuery(run) + ` metadata.batch:="` + b.ID.String() + `"`, "limit": b.Rows + 1}
	if err := a.search(ctx, request, &answer); err != nil {
		return nil, Wholeness{}, err
	}
	return answer.Data, wholeness(answer.Pagination), nil
}

// Each calls use for each record of the run at or after the time, page by
// page. It returns an error for a cursor that does not come to an end.
func (a *API) Each(ctx context.Context, run string, from int64, most int64, use func(r *Row)) error {
	request := map[string]any{"query": runQuery(run), "limit": pageRows}
	if from != 0 {
		request["filters"] = map[string]any{"timeRange": map[string]string{"start": time.Unix(0, from).UTC().Format(time.RFC3339Nano)}}
	}
	for got := int64(0); ; {
		var answer v1.Envelope[[]Row]
		if err := a.search(ctx, request, &answer); err != nil {
			return err
		}
		if err := wholeness(answer.Pagination).Err(); err != nil {
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

func (a *API) search(ctx context.Context, request map[string]any, into any) error {
	body, err := json.Marshal(request)
	if err != nil {
		return fmt.Errorf("encode search: %w", err)
	}
	text, err := a.Do(ctx, http.MethodPost, "/logs/search", body, "")
	if err != nil {
		return fmt.Errorf("search: %w", err)
	}
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("read answer to a search: %w", err)
	}
	return nil
}

func runQuery(run string) string { return `metadata.run:="` + run + `"` }

// Wholeness is what an answer says of itself.
type Wholeness struct {
	Complete bool
	Reason   string // why it is not
}

// ErrIncomplete says that an answer says of itself that it is not complete.
var ErrIncomplete = errors.New("answer is not complete")

// Err is nil for a complete answer, and else an ErrIncomplete.
func (w Wholeness) Err() error {
	if w.Complete {
		return nil
	}
	return fmt.Errorf("%w: %s", ErrIncomplete, w.Reason)
}

func wholeness(p *v1.Pagination) Wholeness {
	if p == nil {
		return Wholeness{Complete: true}
	}
	return Wholeness{Complete: p.SearchMeta.Complete, Reason: p.SearchMeta.Reason}
}
