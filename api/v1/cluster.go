package v1

import "time"

// ClusterStatus is the data of GET /admin/cluster: what the cluster agrees on,
// and how its nodes and replicas are as far as the node that answers could find
// out. Nodes are named by id everywhere but in ClusterNode.Name.
type ClusterStatus struct {
	ClusterID string           `json:"clusterId"`
	Node      string           `json:"node"` // that answers
	Catalogue ClusterCatalogue `json:"catalogue"`
	Settings  ClusterSettings  `json:"settings"`
	Nodes     []ClusterNode    `json:"nodes"`   // by name
	Shards    []ClusterShard   `json:"shards"`  // by number
	Tenants   []ClusterTenant  `json:"tenants"` // that have been given shards, or send most; the largest first
	Moves     []ClusterMove    `json:"moves"`   // in progress first, then what is planned, the soonest first
	Problems  []string         `json:"problems"`
}

// ClusterCatalogue is who keeps what all nodes agree on.
type ClusterCatalogue struct {
	Leader string   `json:"leader,omitempty"` // "" if none is known
	Voters []string `json:"voters"`
}

// ClusterSettings are what an operator has decided.
type ClusterSettings struct {
	Replicas       int  `json:"replicas"`       // wanted of a shard
	ReplicasByHand bool `json:"replicasByHand"` // else the number of nodes decides
	Paused         bool `json:"paused"`         // nothing is moved for balance
}

// What the cluster wants of a node, and what is known of its life.
const (
	NodeActive   = "active"
	NodeDraining = "draining" // everything is to leave it
	NodeGone     = "gone"     // will never come back

	LifeAlive   = "alive"
	LifeSuspect = "suspect" // does not answer this node, but may still be alive
	LifeDead    = "dead"
	LifeLeft    = "left" // was stopped on purpose
)

// ClusterNode is one node. Leaders, Replicas and Bytes count its replicas of
// shards as they are to be; what it must say itself is missing while it is dead.
type ClusterNode struct {
	ID         string         `json:"id"`
	Name       string         `json:"name"`
	Zone       string         `json:"zone,omitempty"`
	State      string         `json:"state"`
	Life       string         `json:"life"`
	Since      time.Time      `json:"since,omitzero"`       // when the newer of State and Life began
	Address    string         `json:"address,omitempty"`    // of the cluster port
	APIAddress string         `json:"apiAddress,omitempty"` // of the HTTP interface
	Version    string         `json:"version,omitempty"`    // of the program
	Formats    ClusterFormats `json:"formats,omitzero"`
	Disk       ClusterDisk    `json:"disk,omitzero"`
	Load       float64        `json:"load"` // share of its processors that is busy
	Leaders    int            `json:"leaders"`
	Replicas   int            `json:"replicas"`
	Bytes      int64          `json:"bytes"`     // of its replicas on disk
	ClockSkew  float64        `json:"clockSkew"` // milliseconds that its clock is ahead of the answering node's
	Problems   []string       `json:"problems,omitempty"`
}

// ClusterFormats are the versions of the formats that a node reads, both
// included.
type ClusterFormats struct {
	Min int `json:"min"`
	Max int `json:"max"`
}

// ClusterDisk is the disk under a data folder, in bytes.
type ClusterDisk struct {
	Total   int64 `json:"total"`
	Free    int64 `json:"free"`
	Reserve int64 `json:"reserve"`        // below it records are refused
	Full    bool  `json:"full,omitempty"` // records are refused
}

// ClusterShard is one shard. Bytes, Records and WriteRate are those of its
// leader, or of the most complete replica if there is none.
type ClusterShard struct {
	Number    uint32           `json:"number"`
	Leader    string           `json:"leader,omitempty"` // "" if none is known
	Term      uint64           `json:"term"`
	Replicas  []ClusterReplica `json:"replicas"`
	Bytes     int64            `json:"bytes"` // on disk, of one replica
	Records   int64            `json:"records"`
	WriteRate float64          `json:"writeRate"` // bytes a second
	Problem   string           `json:"problem,omitempty"`
}

// The roles of a replica.
const (
	RoleJoining = "joining" // is being made, does not vote yet
	RoleVoter   = "voter"
	RoleLeaving = "leaving" // goes as soon as it is no longer needed
)

// LagUnknown is the lag of a replica of which it is not known.
const LagUnknown = -1

// ClusterReplica is one node's copy of a shard.
type ClusterReplica struct {
	Node            string `json:"node"`
	Role            string `json:"role"`
	Complete        bool   `json:"complete"` // has everything, or nearly: it could lead
	MissingSegments int    `json:"missingSegments,omitempty"`
	MissingBytes    int64  `json:"missingBytes,omitempty"`
	Lag             int64  `json:"lag"` // log entries behind the leader, or LagUnknown
	Bytes           int64  `json:"bytes"`
	Rotten          int    `json:"rotten,omitempty"` // segments that were found damaged
}

// The states of a move.
const (
	MoveRunning = "running"
	MovePlanned = "planned"
)

// ClusterMove is a change of a shard's replicas or leader that is made or is to
// be made.
type ClusterMove struct {
	Kind     string    `json:"kind"` // in words, for example "move replica"
	State    string    `json:"state"`
	Shard    uint32    `json:"shard"`
	From     string    `json:"from,omitempty"`
	To       string    `json:"to,omitempty"`
	Bytes    int64     `json:"bytes,omitempty"` // that are sent in all
	Done     int64     `json:"done,omitempty"`  // of them
	ETA      float64   `json:"eta,omitempty"`   // seconds left; 0: not known
	Started  time.Time `json:"started,omitzero"`
	Reason   string    `json:"reason,omitempty"`
	By       string    `json:"by,omitempty"`       // who asked for it; "" the cluster itself
	WaitsFor string    `json:"waitsFor,omitempty"` // why it has not begun
}

// MoveRequest is the body of POST /admin/cluster/moves. Nodes are ids or names.
type MoveRequest struct {
	Shard uint32 `json:"shard"`
	From  string `json:"from"`
	To    string `json:"to"`
}

// ClusterSettingsRequest is the body of PUT /admin/cluster/settings. What is
// absent stays as it is.
type ClusterSettingsRequest struct {
	Paused   *bool `json:"paused,omitempty"`
	Replicas *int  `json:"replicas,omitempty"` // 1, 3 or 5; 0: the number of nodes decides
	Shards   *int  `json:"shards,omitempty"`   // not fewer than there are
	// Tenant is whose Replicas these are, at least; 0: as many as others have.
	Tenant string `json:"tenant,omitempty"`
}

// ClusterTenant is how a tenant lies in the shards.
type ClusterTenant struct {
	Tenant      string `json:"tenant"`
	Shards      int    `json:"shards"`             // that it writes to
	Keyed       int    `json:"keyed"`              // of them for requests with an idempotency key
	BytesPerDay int64  `json:"bytesPerDay"`        // before compression
	Replicas    int    `json:"replicas,omitempty"` // that were chosen for it
	// Announced are shards that it was given and does not write to yet, and
	// WaitsFor what for; without, it is about to.
	Announced int    `json:"announced,omitempty"`
	WaitsFor  string `json:"waitsFor,omitempty"`
}

// NodeChange is the data of an answer to a change of a node: what is wanted of
// it now.
type NodeChange struct {
	ID    string `json:"id"`
	Name  string `json:"name"`
	State string `json:"state"`
}

// What the cluster's care of itself is up to.
const (
	HealingActive = "active"
	HealingPaused = "paused" // repairs, but moves nothing for balance
	HealingOff    = "off"
)

// SelfHealing is the answer of GET /admin/self-healing, which has no envelope.
type SelfHealing struct {
	Status               string          `json:"status"`
	ActionsConfigured    int             `json:"actionsConfigured"`
	ActionsEnabled       int             `json:"actionsEnabled"`
	Actions              []HealingAction `json:"actions"`
	RecentHistory        []HealingEvent  `json:"recentHistory"` // newest first, at most HealingHistoryMax
	TotalExecutions      uint64          `json:"totalExecutions"`
	SuccessfulExecutions uint64          `json:"successfulExecutions"`
	Plan                 []ClusterMove   `json:"plan"` // what would be done next
	Observed             HealingObserved `json:"observed"`
	Problems             []string        `json:"problems"` // that it cannot mend
}

// HealingHistoryMax is how many events SelfHealing.RecentHistory has at most.
const HealingHistoryMax = 10

// HealingAction is something that the cluster can do by itself.
type HealingAction struct {
	ID            string    `json:"id"`
	Name          string    `json:"name"`
	Description   string    `json:"description,omitempty"`
	Enabled       bool      `json:"enabled"`
	Cooldown      float64   `json:"cooldown"`      // seconds from one to the next
	TriggersCount int       `json:"triggersCount"` // conditions that set it off
	Executions    uint64    `json:"executions"`
	InCooldown    bool      `json:"inCooldown"`
	LastAt        time.Time `json:"lastAt,omitzero"`
	NextPossible  time.Time `json:"nextPossible,omitzero"` // in cooldown: when it ends
	Custom        bool      `json:"custom"`                // not part of the program
}

// HealingEvent is something that was done.
type HealingEvent struct {
	Number     uint64         `json:"number"`
	ActionID   string         `json:"actionId"`
	ActionName string         `json:"actionName"`
	ExecutedAt time.Time      `json:"executedAt"`
	Reason     string         `json:"reason"`
	By         string         `json:"by,omitempty"` // who asked for it; "" the cluster itself
	Result     HealingOutcome `json:"result"`
	Success    bool           `json:"success"`
	Error      string         `json:"error,omitempty"`
}

// HealingOutcome is what came of it.
type HealingOutcome struct {
	Outcome string    `json:"outcome"` // planned, running, done, failed or cancelled
	Target  string    `json:"target,omitempty"`
	Detail  string    `json:"detail,omitempty"`
	Bytes   int64     `json:"bytes,omitempty"`
	DryRun  bool      `json:"dryRun,omitempty"`
	Ended   time.Time `json:"ended,omitzero"`
}

// HealingObserved is what the last look at the cluster saw.
type HealingObserved struct {
	At                 time.Time `json:"at,omitzero"`
	Leader             string    `json:"leader,omitempty"` // node that looks after the cluster
	NodesAlive         int       `json:"nodesAlive"`
	NodesSuspect       int       `json:"nodesSuspect"`
	NodesDead          int       `json:"nodesDead"`
	NodesDraining      int       `json:"nodesDraining"`
	NodesWanted        int       `json:"nodesWanted"`  // that are needed for what the cluster has
	WantedReason       string    `json:"wantedReason"` // what asks for so many
	DisksFull          int       `json:"disksFull"`
	Shards             int       `json:"shards"`
	ShardsLeaderless   int       `json:"shardsLeaderless"`
	ShardsShort        int       `json:"shardsShort"` // with fewer complete replicas than are wanted
	ReplicasIncomplete int       `json:"replicasIncomplete"`
	SegmentsRotten     int       `json:"segmentsRotten"`
}

// The actions of a HealingRequest.
const (
	HealingExecute = "execute"
	HealingToggle  = "toggle"
	HealingAdd     = "add"    // refused: actions are part of the program
	HealingRemove  = "remove" // refused likewise
)

// HealingAll as the ActionID of HealingToggle is everything that the cluster
// does by itself.
const HealingAll = "all"

// The names of maintenance, which needs a target, and one that is another name of the last.
const (
	HealingFlush          = "flush"
	HealingDropCache      = "drop-cache"
	HealingRestart        = "restart-component"
	HealingRestartService = "restart-service"
)

// HealingRequest is the body of POST /admin/self-healing/actions.
type HealingRequest struct {
	Action   string   `json:"action"`
	ActionID string   `json:"actionId"`           // may be left out in a dry run: all that is planned
	Target   string   `json:"target,omitempty"`   // execute: one of what is planned, as its history names it; default all
	Reason   string   `json:"reason,omitempty"`   // for the history
	DryRun   bool     `json:"dryRun,omitempty"`   // execute: only say what would be done
	Enabled  *bool    `json:"enabled,omitempty"`  // toggle
	Cooldown *float64 `json:"cooldown,omitempty"` // toggle: seconds; 0: the action's default
}

// HealingResult is the answer to it, without envelope.
type HealingResult struct {
	Success  bool          `json:"success"`
	ActionID string        `json:"actionId,omitempty"`
	Enabled  *bool         `json:"enabled,omitempty"`
	DryRun   bool          `json:"dryRun,omitempty"`
	Number   uint64        `json:"number,omitempty"` // in the history
	Detail   string        `json:"detail,omitempty"` // what was done, or would be
	Plan     []ClusterMove `json:"plan,omitempty"`   // what is moved, or would be
	Error    string        `json:"error,omitempty"`
}
