package v1

import (
	"encoding/json"
	"time"
)

// Headers with a meaning of their own.
const (
	HeaderAPIKey         = "X-API-Key" // #nosec G101 -- the default name of a header, see API_KEY_HEADER
	HeaderIdempotencyKey = "Idempotency-Key"
	HeaderRequestID      = "X-Request-ID"
	HeaderResponseTime   = "X-Response-Time"
	HeaderErrorID        = "X-Error-ID"
	HeaderReplayed       = "Idempotency-Replayed" // "true" where an earlier answer is repeated
)

// IdempotencyKeyBytesMax bounds an idempotency key.
const IdempotencyKeyBytesMax = 256

// Envelope wraps every successful answer whose data is T.
type Envelope[T any] struct {
	Success    bool        `json:"success"`
	Data       T           `json:"data"`
	Pagination *Pagination `json:"pagination,omitempty"`
	Timestamp  time.Time   `json:"timestamp"`
}

// ErrorEnvelope wraps every error.
type ErrorEnvelope struct {
	Success bool  `json:"success"`
	Error   Error `json:"error"`
}

// Error says what went wrong and what to do about it.
type Error struct {
	Code       string   `json:"code"`
	Message    string   `json:"message"`
	Help       string   `json:"help,omitempty"`
	ErrorID    string   `json:"errorId"`
	Timestamp  string   `json:"timestamp"`
	RetryAfter int      `json:"retryAfter,omitempty"` // seconds
	Limit      *int64   `json:"limit,omitempty"`      // that the request is over
	Remaining  *int64   `json:"remaining,omitempty"`  // of it
	Details    []Detail `json:"details,omitempty"`
}

// Detail points at one fault of a request.
type Detail struct {
	Field      string   `json:"field,omitempty"`
	Message    string   `json:"message"`
	Line       int      `json:"line,omitempty"`   // 1-based line of the body or query
	Column     int      `json:"column,omitempty"` // 1-based column of the body or query
	Expected   []string `json:"expected,omitempty"`
	Suggestion string   `json:"suggestion,omitempty"`
}

// Stored is the answer to a write of one record. The fields below LogID repeat
// those of the record.
type Stored struct {
	LogID     string `json:"logId"`
	Message   string `json:"message,omitempty"`
	Level     string `json:"level,omitempty"`
	Severity  string `json:"severity,omitempty"`
	Component string `json:"component,omitempty"`
	Category  string `json:"category,omitempty"` // what it is about, by its words if it did not come with one
}

// Written is the answer to a write of several records.
type Written struct {
	Accepted int        `json:"accepted"`
	Rejected int        `json:"rejected"`
	Errors   []Rejected `json:"errors"`
}

// Rejected names one line that was not stored and why.
type Rejected struct {
	Line    int    `json:"line"`
	Field   string `json:"field,omitempty"`
	Message string `json:"message"`
}

// Pagination says where an answer stands in the whole.
type Pagination struct {
	Page       int        `json:"page,omitempty"`
	Limit      int        `json:"limit"`
	Total      uint64     `json:"total"`
	TotalPages uint64     `json:"totalPages,omitempty"`
	NextCursor string     `json:"nextCursor,omitempty"`
	HasMore    bool       `json:"hasMore"`
	SearchMeta SearchMeta `json:"searchMeta"`
}

// SearchMeta says how an answer was found.
type SearchMeta struct {
	ExecutionTime float64                 `json:"executionTime"` // milliseconds
	TotalMatches  uint64                  `json:"totalMatches"`
	Relation      string                  `json:"relation"` // "eq" or "gte"
	Complete      bool                    `json:"complete"`
	Reason        string                  `json:"reason,omitempty"`      // why it is not complete
	Approximate   []string                `json:"approximate,omitempty"` // columns that are estimates
	Facets        map[string][]FacetValue `json:"facets,omitempty"`
	Explain       *Explain                `json:"explain,omitempty"`
	Hints         []string                `json:"hints,omitempty"` // why perhaps nothing was found
}

// Explain says how a search was answered and what it cost, on all nodes.
type Explain struct {
	Plan      []ExplainStep `json:"plan"`
	Estimated ExplainCost   `json:"estimated"` // before anything was read
	Actual    ExplainCost   `json:"actual"`
}

// ExplainStep is a condition, an order or a pipe: of conditions By is "index",
// "index and text" or "scan", of pipes "records" or "root".
type ExplainStep struct {
	Step string `json:"step"`
	What string `json:"what"`
	By   string `json:"by"`
}

// ExplainCost is what reading costs, or is thought to.
type ExplainCost struct {
	Rows        uint64 `json:"rows"`  // in the time that is asked for
	Bytes       uint64 `json:"bytes"` // read from the store
	Reads       uint64 `json:"reads,omitempty"`
	Segments    uint64 `json:"segments,omitempty"` // with such rows
	Blocks      uint64 `json:"blocks,omitempty"`
	LeftOut     uint64 `json:"leftOut,omitempty"`    // segments and blocks without
	Remembered  uint64 `json:"remembered,omitempty"` // segments whose share of a table was known
	CacheHits   uint64 `json:"cacheHits,omitempty"`
	CacheMisses uint64 `json:"cacheMisses,omitempty"`
	Nodes       uint64 `json:"nodes,omitempty"` // answers of other nodes
}

// FacetValue is one value of a field and how often it occurs.
type FacetValue struct {
	Value any    `json:"value"` // a string, number, boolean or null
	Count uint64 `json:"count"`
}

// Table is the data of a query with statistics.
type Table struct {
	Columns []Column            `json:"columns"`
	Rows    [][]json.RawMessage `json:"rows"`
}

// Column names a column of a table; its type is "string", "int", "float",
// "time" or "bool".
type Column struct {
	Name string `json:"name"`
	Type string `json:"type"`
}

// Context is the data of GET /logs/{id}/context, in time order.
type Context struct {
	Before []json.RawMessage `json:"before"`
	Record json.RawMessage   `json:"record"`
	After  []json.RawMessage `json:"after"`
	Source map[string]string `json:"source,omitempty"` // the values that say "same source"

	Complete bool   `json:"complete"`
	Reason   string `json:"reason,omitempty"` // why it is not complete
}

// The states of a node and its parts.
const (
	Healthy   = "healthy"
	Degraded  = "degraded"
	Unhealthy = "unhealthy"
)

// Health is the answer of GET /health. Without credentials only Status and
// Timestamp are set.
type Health struct {
	Status    string           `json:"status"`
	Timestamp string           `json:"timestamp"`
	Service   *HealthService   `json:"service,omitempty"`
	Token     *HealthToken     `json:"token,omitempty"`
	Checks    map[string]Check `json:"checks,omitempty"`
	Metadata  *HealthMetadata  `json:"metadata,omitempty"`
}

// HealthService names the node.
type HealthService struct {
	Name        string `json:"name"`
	Version     string `json:"version"`
	Environment string `json:"environment"`
	Uptime      Uptime `json:"uptime"`
}

// Uptime says for how long the node runs.
type Uptime struct {
	Milliseconds int64  `json:"milliseconds"`
	Seconds      int64  `json:"seconds"`
	Human        string `json:"human"`
}

// HealthToken says what the credentials of the request are worth.
type HealthToken struct {
	Valid   bool   `json:"valid"`
	Error   string `json:"error,omitempty"`
	Name    string `json:"name,omitempty"`
	Tenant  string `json:"tenant,omitempty"`
	Role    string `json:"role,omitempty"`
	Method  string `json:"method,omitempty"`
	Expires string `json:"expires,omitempty"`
}

// Check is the state of one part of the node.
type Check struct {
	Status  string         `json:"status"`
	Message string         `json:"message,omitempty"`
	Details map[string]any `json:"details,omitempty"`
}

// HealthMetadata names the request.
type HealthMetadata struct {
	RequestID   string `json:"requestId"`
	RespondedAt string `json:"respondedAt"`
}

// The states of a query.
const (
	QueryRunning = "running"
	QueryWaiting = "waiting"
)

// Queries is what a node is asked at the moment.
type Queries struct {
	Queries []Query `json:"queries"`
	Leaves  []Query `json:"leaves"` // shares of queries that other nodes were asked
}

// Query is a query that runs or waits.
type Query struct {
	ID          string    `json:"id"`
	Tenant      string    `json:"tenant"`
	By          string    `json:"by,omitempty"`
	Query       string    `json:"query"`
	State       string    `json:"state"`
	Since       time.Time `json:"since"`
	Elapsed     int64     `json:"elapsed"`               // milliseconds
	MemoryLimit int       `json:"memoryLimit,omitempty"` // bytes for groups and values
}

// Completion is what could stand at a place of a query.
type Completion struct {
	From    int      `json:"from"` // first byte of what a choice replaces
	To      int      `json:"to"`
	Choices []Choice `json:"choices"` // the likeliest first
}

// Choice is one of several.
type Choice struct {
	Text  string `json:"text"`
	Kind  string `json:"kind"`            // word, field, value, pipe, aggregate
	Count uint64 `json:"count,omitempty"` // records that have it, of those that were looked at
}
