package bench

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	v1 "github.com/stere-log/stere/api/v1"
)

// KeyVariable is the environment variable with the API key of a Stere that was
// not started here.
const KeyVariable = "STERE_API_KEY"

// rowsMax bounds the rows that a table answer may have.
const rowsMax = 10_000

// tokenSecret signs the tokens of tenants other than the default one, for
// servers that were started here.
const tokenSecret = "a secret of no worth, for servers on loopback alone"

// tokenLife is far longer than any run.
const tokenLife = 100 * time.Hour

// stere is the target "stere": NDJSON to POST /logs, questions to POST
// /logs/search.
type stere struct{ server }

func newStere(s server) *stere {
	t := &stere{server: s}
	t.args = func(dir, address string) []string { return []string{"serve", "--data", dir, "--listen", address} }
	t.ready = t.isReady
	t.version = []string{"version"}
	t.env = []string{"JWT_SECRET=" + tokenSecret}
	return t
}

func (t *stere) isReady(ctx context.Context) error {
	if _, _, err := t.http.do(ctx, http.MethodGet, "/health/ready", "", nil); err != nil {
		return err
	}
	key := os.Getenv(KeyVariable)
	if t.Owned() {
		text, err := os.ReadFile(filepath.Join(t.dir, "admin-key"))
		if err != nil {
			return fmt.Errorf("read admin key: %w", err)
		}
		key = strings.TrimSpace(string(text))
	}
	t.http.header.Set(v1.HeaderAPIKey, key)
	return nil
}

// Ingest implements Target.
func (t *stere) Ingest(ctx context.Context, b Batch) (Receipt, error) {
	answer, _, err := t.as(b.Tenant).do(ctx, http.MethodPost, "/logs", "application/x-ndjson", b.Text)
	if err != nil {
		return Receipt{}, err
	}
	var written v1.Envelope[struct {
		v1.Written
		LogID string `json:"logId"`
	}]
	if err := json.Unmarshal(answer, &written); err != nil {
		return Receipt{}, fmt.Errorf("read answer to a write: %w", err)
	}
	r := Receipt{Accepted: written.Data.Accepted, Rejected: written.Data.Rejected}
	if written.Data.LogID != "" {
		r.Accepted = 1
	}
	if len(written.Data.Errors) > 0 {
		r.Reason = written.Data.Errors[0].Message
	}
	return r, nil
}

// as is the caller that speaks for a tenant: with a token instead of the key.
func (t *stere) as(tenant int) *caller {
	if tenant == 0 {
		return t.http
	}
	encode := base64.RawURLEncoding.EncodeToString
	claims := fmt.Sprintf(`{"sub":"bench","role":"user","tenant":"t%d","exp":%d}`, tenant, time.Now().Add(tokenLife).Unix())
	text := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode([]byte(claims))
	mac := hmac.New(sha256.New, []byte(tokenSecret))
	mac.Write([]byte(text))
	c := t.http.with("Authorization", "Bearer "+text+"."+encode(mac.Sum(nil)))
	c.header.Del(v1.HeaderAPIKey) // it would decide alone
	return c
}

// Settle implements Target.
func (t *stere) Settle(ctx context.Context) error {
	_, _, err := t.http.do(ctx, http.MethodPost, "/admin/flush", "", nil)
	return err
}

// Ask implements Target.
func (t *stere) Ask(ctx context.Context, q Question) (Answer, error) {
	request := map[string]any{"query": stereQuery(q), "limit": rowsMax}
	if q.Kind == Newest {
		request["limit"] = q.Limit
	}
	if q.To != 0 {
		// Both ends are included.
		request["filters"] = map[string]any{"timeRange": map[string]string{"start": formatTime(q.From), "end": formatTime(q.To - 1)}}
	}
	body, err := json.Marshal(request)
	if err != nil {
		return Answer{}, fmt.Errorf("encode search: %w", err)
	}
	text, elapsed, err := t.as(q.Tenant).do(ctx, http.MethodPost, "/logs/search", "application/json", body)
	if err != nil {
		return Answer{}, err
	}
	a := Answer{Elapsed: elapsed}
	if q.Kind == Newest {
		a.Hits, err = stereHits(text)
		return a, err
	}
	return a, stereTable(q, text, &a)
}

// stereQuery renders the question in Stere's language. The conditions are on
// the message alone, as bare words would search every field.
func stereQuery(q Question) string {
	where := stereCondition(q.Where)
	switch q.Kind {
	case Newest:
		return where
	case Count:
		return where + " | stats count()"
	case CountBy:
		return where + " | stats count() by (" + q.GroupBy + ")"
	case PerStep:
		return where + " | stats count() by (_time:" + stepText(q.Step) + ")"
	case Top:
		return where + " | top " + strconv.Itoa(q.Limit) + " " + q.GroupBy
	case Distinct:
		return where + " | stats count_distinct(" + q.Field + ")"
	}
	return where + " | stats p99(" + q.Field + ") by (" + q.GroupBy + ")"
}

func stereCondition(c Condition) string {
	switch c := c.(type) {
	case Equals:
		return c.Field + ":=" + strconv.Quote(c.Value)
	case Word:
		return "message:" + c.Text
	case Phrase:
		return "message:" + strconv.Quote(c.Text)
	case Prefix:
		return "message:" + c.Text + "*"
	case Pattern:
		return "message:/" + c.Regexp.String() + "/"
	case All:
		return "(" + join(c.Of, " AND ", stereCondition) + ")"
	case Any:
		return "(" + join(c.Of, " OR ", stereCondition) + ")"
	case None:
		return "NOT " + stereCondition(c.Of)
	}
	return "*"
}

func join(conditions []Condition, separator string, render func(Condition) string) string {
	parts := make([]string, len(conditions))
	for i, c := range conditions {
		parts[i] = render(c)
	}
	return strings.Join(parts, separator)
}

func stereHits(text []byte) ([]Hit, error) {
	var answer v1.Envelope[[]struct{ Timestamp, Message string }]
	if err := json.Unmarshal(text, &answer); err != nil {
		return nil, fmt.Errorf("read records: %w", err)
	}
	if err := stereComplete(answer.Pagination); err != nil {
		return nil, err
	}
	hits := make([]Hit, len(answer.Data))
	for i, d := range answer.Data {
		ns, err := parseTime(d.Timestamp)
		if err != nil {
			return nil, err
		}
		hits[i] = Hit{Time: ns, Message: d.Message}
	}
	return hits, nil
}

func stereComplete(p *v1.Pagination) error {
	if p != nil && !p.SearchMeta.Complete {
		return fmt.Errorf("answer is not complete: %s", p.SearchMeta.Reason)
	}
	return nil
}

func stereTable(q Question, text []byte, a *Answer) error {
	var answer v1.Envelope[v1.Table]
	if err := json.Unmarshal(text, &answer); err != nil {
		return fmt.Errorf("read table: %w", err)
	}
	if err := stereComplete(answer.Pagination); err != nil {
		return err
	}
	if answer.Pagination != nil && answer.Pagination.HasMore {
		return errors.New("table has more rows than asked for")
	}
	if q.Kind == Count || q.Kind == Distinct {
		if len(answer.Data.Rows) != 1 || len(answer.Data.Rows[0]) != 1 {
			return fmt.Errorf("want one number, have %.300s", text)
		}
		return unmarshal(answer.Data.Rows[0][0], &a.Count)
	}
	a.Groups = map[string]float64{}
	for _, row := range answer.Data.Rows {
		if q.Kind == Top && len(row) == 3 {
			row = row[:2] // the third is the share
		}
		if len(row) != 2 {
			return fmt.Errorf("row has %d values, want 2", len(row))
		}
		var group *string
		var value *float64
		if err := errors.Join(unmarshal(row[0], &group), unmarshal(row[1], &value)); err != nil {
			return err
		}
		if err := a.addGroup(q, group, value); err != nil {
			return err
		}
	}
	return nil
}

// addGroup adds a group to the answer. A group without a value has no number
// to take a percentile of.
func (a *Answer) addGroup(q Question, group *string, value *float64) error {
	if value == nil {
		return nil
	}
	key := ""
	if group != nil {
		key = *group
	}
	if q.Kind == PerStep {
		ns, err := parseTime(key)
		if err != nil {
			return err
		}
		key = strconv.FormatInt(ns/int64(time.Second), 10)
	}
	a.Groups[key] = *value
	return nil
}

func unmarshal(text []byte, into any) error {
	if err := json.Unmarshal(text, into); err != nil {
		return fmt.Errorf("read value %.100s: %w", text, err)
	}
	return nil
}
