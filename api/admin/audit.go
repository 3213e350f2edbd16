package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/audit"
	"github.com/stere-log/stere/query"
)

// How many entries of the audit trail an answer has.
const (
	auditDefault = 100
	auditMax     = 1000
)

// Audit shows entries of the audit trail, newest first: all to who administers the
// platform, to a tenant's administrator those of its tenant.
func (s *Service) Audit(ctx context.Context, r Request) (Answer, error) {
	if s.Search == nil {
		return Answer{}, Fault(Unknown, "", "this node keeps no audit trail")
	}
	asked := query.Request{Audience: query.Audience{Tenant: audit.Tenant}, Limit: auditDefault, Cursor: r.Param("cursor"), Who: r.Principal.Name}
	if !all(r.Principal) {
		asked.Restriction = fmt.Sprintf("%s:=%s", audit.FieldTenant, quoted(string(r.Principal.Tenant)))
	}
	for param, field := range map[string]string{"tenant": audit.FieldTenant, "actor": audit.FieldActor, "action": audit.FieldAction, "outcome": audit.FieldOutcome, "address": audit.FieldFrom, "chain": audit.FieldChain} {
		if value := r.Param(param); value != "" {
			asked.Filters = append(asked.Filters, query.Filter{Field: field, Values: strings.Split(value, ",")})
		}
	}
	for _, bound := range []struct {
		name string
		into *int64
	}{{"from", &asked.From}, {"to", &asked.To}} {
		text := r.Param(bound.name)
		if text == "" {
			continue
		}
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			at, err = time.Parse(time.DateOnly, text)
		}
		if err != nil {
			return Answer{}, Fault(Invalid, bound.name, "%.40q, want a time such as 2026-01-31T08:00:00Z", text)
		}
		*bound.into = at.UnixNano()
	}
	if text := r.Param("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > auditMax {
			return Answer{}, Fault(Invalid, "limit", "%.20q, want 1 to %d", text, auditMax)
		}
		asked.Limit = n
	}
	result, err := s.Search(ctx, asked)
	if err != nil {
		return Answer{}, err
	}
	if !result.Complete {
		return Answer{}, fmt.Errorf("read audit trail: %w: %s", query.ErrIncomplete, result.Reason)
	}
	answer := v1.Audit{Entries: []v1.AuditEntry{}, Next: result.NextCursor}
	for _, hit := range result.Hits {
		text, _ := hit.Record.Get(audit.FieldEntry)
		hash, _ := hit.Record.Get(audit.FieldHash)
		entry, err := audit.Parse(text.Text)
		one := v1.AuditEntry{Time: time.Unix(0, hit.Record.Time).UTC(), Hash: hash.Text}
		if _, right := entry.Text(); err != nil || right != hash.Text {
			one.Corrupt = "it does not have its hash"
		}
		if json.Valid([]byte(text.Text)) {
			one.Entry = json.RawMessage(text.Text)
		}
		answer.Entries = append(answer.Entries, one)
	}
	return OK(answer)
}

// quoted returns a text as the query language has it in quotes.
func quoted(text string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(text) + `"`
}

// AuditHeads shows the newest entry of every chain, to be noted elsewhere.
func (s *Service) AuditHeads(ctx context.Context, r Request) (Answer, error) {
	if s.Search == nil {
		return Answer{}, Fault(Unknown, "", "this node keeps no audit trail")
	}
	result, err := s.Search(ctx, query.Request{
		Audience: query.Audience{Tenant: audit.Tenant}, Whole: true, Who: r.Principal.Name,
		Text: "* | stats last(audit.seq) as seq, last(audit.hash) as hash by (audit.chain) | sort audit.chain",
	})
	if err != nil {
		return Answer{}, err
	}
	if !result.Complete {
		return Answer{}, fmt.Errorf("read audit trail: %w: %s", query.ErrIncomplete, result.Reason)
	}
	heads := []v1.AuditHead{}
	for _, row := range result.Rows {
		seq, _ := strconv.ParseUint(fmt.Sprint(row[1]), 10, 64)
		heads = append(heads, v1.AuditHead{Chain: fmt.Sprint(row[0]), Seq: seq, Hash: fmt.Sprint(row[2])})
	}
	return OK(heads)
}
