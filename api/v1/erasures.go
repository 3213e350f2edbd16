package v1

import "time"

// Deletion is a deletion as GET /admin/deletions has it.
type Deletion struct {
	ID     string     `json:"id"`
	Kind   string     `json:"kind"` // query, retention or tenant
	Tenant string     `json:"tenant"`
	Query  string     `json:"query,omitempty"` // absent: everything
	From   *time.Time `json:"from,omitempty"`
	To     *time.Time `json:"to,omitempty"`
	Rule   string     `json:"rule,omitempty"`
	Reason string     `json:"reason,omitempty"`
	By     string     `json:"by,omitempty"`
	Status string     `json:"status"`           // planned, running, done, failed or cancelled
	Detail string     `json:"detail,omitempty"` // what is waited for, or what became of it
	Holds  []string   `json:"holds,omitempty"`  // that keep some of the records

	Created *time.Time `json:"createdAt,omitempty"`
	Begun   *time.Time `json:"begunAt,omitempty"`
	Ended   *time.Time `json:"endedAt,omitempty"`

	Records    uint64          `json:"records"` // removed so far
	Rewritten  uint64          `json:"segmentsRewritten"`
	Dropped    uint64          `json:"segmentsDropped"`
	Bytes      int64           `json:"bytesFreed"` // on one replica
	ShardsDone int             `json:"shardsDone"`
	Shards     []DeletionShard `json:"shards,omitempty"`
}

// DeletionShard says how far a deletion has come in a shard, and proves its end.
type DeletionShard struct {
	Shard     uint32 `json:"shard"`
	Index     uint64 `json:"index"`  // of the command in the log: what came before it goes
	Gone      bool   `json:"gone"`   // on every replica
	Before    uint64 `json:"before"` // records of the tenant when it began
	Left      uint64 `json:"left"`   // that should have gone and were found afterwards
	Replicas  int    `json:"replicasChecked"`
	Records   uint64 `json:"records"`
	Rewritten uint64 `json:"segmentsRewritten"`
	Dropped   uint64 `json:"segmentsDropped"`
	Bytes     int64  `json:"bytesFreed"`
}

// DeletionRequest is the body of POST /admin/deletions.
type DeletionRequest struct {
	Tenant string `json:"tenant,omitempty"` // default: that of who asks
	Query  string `json:"query,omitempty"`
	From   string `json:"from,omitempty"`
	To     string `json:"to,omitempty"`
	All    bool   `json:"all,omitempty"` // every record of the tenant is meant
	Reason string `json:"reason,omitempty"`
	DryRun bool   `json:"dryRun,omitempty"` // say only what would go
}

// DeletionEstimate is what a deletion would remove.
type DeletionEstimate struct {
	DryRun  bool           `json:"dryRun"`
	Tenant  string         `json:"tenant"`
	Query   string         `json:"query,omitempty"`
	From    *time.Time     `json:"from,omitempty"`
	To      *time.Time     `json:"to,omitempty"`
	Rule    string         `json:"rule,omitempty"`
	Records uint64         `json:"records"`
	Bytes   int64          `json:"bytes"` // about, on one replica
	Held    []DeletionHeld `json:"held,omitempty"`
}

// DeletionHeld is what a hold keeps of it, or why it is refused.
type DeletionHeld struct {
	Hold    string `json:"hold"`
	Reason  string `json:"reason"`
	Records uint64 `json:"records"`
}

// Hold is a legal hold as GET /admin/holds has it.
type Hold struct {
	ID      string     `json:"id"`
	Tenant  string     `json:"tenant"`
	Query   string     `json:"query,omitempty"`
	From    *time.Time `json:"from,omitempty"`
	To      *time.Time `json:"to,omitempty"`
	Reason  string     `json:"reason"`
	By      string     `json:"by,omitempty"`
	Created *time.Time `json:"createdAt,omitempty"`
}

// HoldRequest is the body of POST /admin/holds.
type HoldRequest struct {
	ID     string `json:"id"`
	Tenant string `json:"tenant"`
	Query  string `json:"query,omitempty"`
	From   string `json:"from,omitempty"`
	To     string `json:"to,omitempty"`
	Reason string `json:"reason"`
}

// Retention is how long a tenant's records are kept.
type Retention struct {
	Tenant string          `json:"tenant"`
	Rules  []RetentionRule `json:"rules"`
}

// RetentionRule says how long, or how much, is kept.
type RetentionRule struct {
	Name  string `json:"name"`
	Match string `json:"match,omitempty"` // which records it is about; absent: all
	Keep  string `json:"keep,omitempty"`  // 30d, 12h
	Bytes int64  `json:"bytes,omitempty"` // stored
}

// RetentionRequest is the body of PUT /admin/tenants/{tenant}/retention.
type RetentionRequest struct {
	Rules  []RetentionRule `json:"rules"`
	DryRun bool            `json:"dryRun,omitempty"`
}

// RetentionEstimate is what rules would remove now.
type RetentionEstimate struct {
	DryRun  bool               `json:"dryRun"`
	Tenant  string             `json:"tenant"`
	Removes []DeletionEstimate `json:"removes"`
}
