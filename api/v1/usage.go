package v1

import (
	"encoding/json"
	"time"
)

// UsageFigures are what was used and what that costs.
type UsageFigures struct {
	Lines       int64   `json:"lines"`
	BytesIn     int64   `json:"bytesIn"`     // of bodies, decompressed
	BytesStored int64   `json:"bytesStored"` // of segments, each once
	Queries     int64   `json:"queries"`
	BytesRead   int64   `json:"bytesRead"` // of answers
	Cost        float64 `json:"cost"`
}

// Share is how much of a tenant's limits is used.
type Share struct {
	Used    int64 `json:"used"`
	Limit   int64 `json:"limit"`
	Percent int64 `json:"percent"`
	Near    bool  `json:"near,omitempty"` // the limit is near
	Over    bool  `json:"over,omitempty"` // it is reached
}

// UsageDay is what a tenant used on a day.
type UsageDay struct {
	Tenant string `json:"tenantId"`
	Day    string `json:"day"`
	UsageFigures
}

// UsageSum is what a tenant used on all days; what is stored is that of the last.
type UsageSum struct {
	Tenant string `json:"tenantId"`
	Days   int    `json:"days"`
	UsageFigures
	// Quotas are what it has used of its limits today, by the name of the term.
	Quotas map[string]Share `json:"quotas,omitempty"`
}

// Usage is the answer of GET /admin/usage.
type Usage struct {
	From     string     `json:"from"`
	To       string     `json:"to"`
	Currency string     `json:"currency,omitempty"`
	Tenants  []UsageSum `json:"tenants"`
	Days     []UsageDay `json:"days"`
}

// AuditEntry is an entry of the audit trail.
type AuditEntry struct {
	Time    time.Time       `json:"time"`
	Hash    string          `json:"hash"`
	Entry   json.RawMessage `json:"entry"`
	Corrupt string          `json:"corrupt,omitempty"` // what is wrong with it by itself
}

// Audit is the answer of GET /admin/audit.
type Audit struct {
	Entries []AuditEntry `json:"entries"`
	Next    string       `json:"nextCursor,omitempty"`
}

// AuditHead is the newest entry of a chain.
type AuditHead struct {
	Chain string `json:"chain"`
	Seq   uint64 `json:"seq"`
	Hash  string `json:"hash"`
}
