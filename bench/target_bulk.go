package bench

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"

	v1 "github.com/stere-log/stere/api/v1"
)

// bulk is the target "bulk": any server that understands Elasticsearch's
// _bulk. There is no common language to ask questions in.
type bulk struct{ server }

// bulkAction goes before every line.
const bulkAction = `{"create":{"_index":"bench"}}` + "\n"

func newBulk(s server) *bulk {
	t := &bulk{server: s}
	if key := os.Getenv(KeyVariable); key != "" {
		t.http.header.Set(v1.HeaderAPIKey, key)
	}
	t.ready = func(ctx context.Context) error {
		_, _, err := t.http.do(ctx, http.MethodPost, "/_bulk", "application/x-ndjson", []byte("\n"))
		if status, ok := err.(*statusError); ok && status.status < http.StatusInternalServerError && status.status != http.StatusUnauthorized {
			return nil // an empty request may be refused: someone is there
		}
		return err
	}
	return t
}

// Ingest implements Target.
func (t *bulk) Ingest(ctx context.Context, b Batch) (Receipt, error) {
	body := make([]byte, 0, len(b.Text)+b.Lines*len(bulkAction))
	for line := range bytes.Lines(b.Text) {
		body = append(append(body, bulkAction...), line...)
	}
	text, _, err := t.http.do(ctx, http.MethodPost, "/_bulk", "application/x-ndjson", body)
	if err != nil {
		return Receipt{}, err
	}
	var answer struct {
		Errors bool
		Items  []map[string]struct{ Status int }
	}
	if err := json.Unmarshal(text, &answer); err != nil {
		return Receipt{}, fmt.Errorf("read answer to a bulk request: %w", err)
	}
	// The items are looked at too: there are servers that refuse some of them
	// and say errors:false.
	r := Receipt{Accepted: len(answer.Items)}
	for i, item := range answer.Items {
		for _, result := range item {
			if result.Status >= http.StatusMultipleChoices {
				r.Accepted--
				r.Rejected++
				r.Reason = fmt.Sprintf("item %d has status %d", i, result.Status)
			}
		}
	}
	if answer.Errors && r.Rejected == 0 || len(answer.Items) != b.Lines {
		return r, fmt.Errorf("%d items for %d lines, errors %v", len(answer.Items), b.Lines, answer.Errors)
	}
	return r, nil
}

// Settle implements Target.
func (t *bulk) Settle(context.Context) error { return nil }

// Ask implements Target.
func (t *bulk) Ask(context.Context, Question) (Answer, error) { return Answer{}, ErrNotAsked }
