package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stere-log/stere/api"
	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/ingest"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
)

// noRecords is a node that neither takes nor has records.
type noRecords struct{}

func (noRecords) Filled(model.ShardID) (float64, bool)       { return 0, false }
func (noRecords) KeyShardsOf(model.TenantID) []model.ShardID { return nil }

func (noRecords) ShardsOf(model.TenantID) []model.ShardID { return nil }
func (noRecords) Append(context.Context, model.ShardID, ingest.Append) (ingest.Ack, error) {
	return ingest.Ack{}, ingest.ErrUnavailable
}
func (noRecords) Views(context.Context, model.TenantID) ([]query.View, error) { return nil, nil }

// paperCluster is a cluster that is only written down: changes are noted, and
// a node that drains loses a replica every time somebody looks.
type paperCluster struct {
	mu      sync.Mutex
	status  v1.ClusterStatus
	healing v1.SelfHealing
	result  v1.HealingResult
	refuse  error
	calls   []string
	looked  func(times int) // after each look
	looks   int
}

func (c *paperCluster) note(format string, args ...any) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.calls = append(c.calls, fmt.Sprintf(format, args...))
	return c.refuse
}

func (c *paperCluster) last() string {
	c.mu.Lock()
	defer c.mu.Unlock()
	calls := strings.Join(c.calls, "; ")
	c.calls = nil
	return calls
}

func (c *paperCluster) node(id string) *v1.ClusterNode {
	for i := range c.status.Nodes {
		if c.status.Nodes[i].ID == id {
			return &c.status.Nodes[i]
		}
	}
	return nil
}

func (c *paperCluster) Known() (known api.Known) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, n := range c.status.Nodes {
		known.Nodes = append(known.Nodes, api.KnownNode{ID: n.ID, Name: n.Name})
	}
	for _, s := range c.status.Shards {
		known.Shards = append(known.Shards, s.Number)
	}
	for _, a := range c.healing.Actions {
		known.Actions = append(known.Actions, a.ID)
	}
	return known
}

func (c *paperCluster) Status(context.Context) (v1.ClusterStatus, error) {
	c.mu.Lock()
	c.looks++
	status, times, looked := c.status, c.looks, c.looked
	status.Nodes = append([]v1.ClusterNode(nil), c.status.Nodes...)
	for i := range c.status.Nodes {
		if n := &c.status.Nodes[i]; n.State == v1.NodeDraining && n.Replicas > 0 {
			n.Replicas--
		} else if n.State == v1.NodeDraining {
			c.status.Catalogue.Voters = slices.DeleteFunc(slices.Clone(c.status.Catalogue.Voters), func(id string) bool { return id == n.ID })
		}
	}
	c.mu.Unlock()
	if looked != nil {
		looked(times)
	}
	return status, nil
}

func (c *paperCluster) setState(id, state string) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.refuse == nil {
		c.node(id).State = state
	}
}

func (c *paperCluster) Drain(_ context.Context, id, by string) error {
	c.setState(id, v1.NodeDraining)
	return c.note("drain %s %s", id, by)
}

func (c *paperCluster) Undrain(_ context.Context, id, by string) error {
	c.setState(id, v1.NodeActive)
	return c.note("undrain %s %s", id, by)
}

func (c *paperCluster) Remove(_ context.Context, id string, force bool, by string) error {
	if err := c.note("remove %s %v %s", id, force, by); !force {
		return err
	}
	return nil
}

func (c *paperCluster) Move(_ context.Context, shard uint32, from, to, by string) error {
	return c.note("move %d %s %s %s", shard, from, to, by)
}

func (c *paperCluster) SetPaused(_ context.Context, paused bool, by string) error {
	return c.note("paused %v %s", paused, by)
}

func (c *paperCluster) SetReplicas(_ context.Context, tenant model.TenantID, n int, by string) error {
	return c.note("replicas %s%d %s", tenant, n, by)
}

func (c *paperCluster) SetShards(_ context.Context, n int, by string) error {
	return c.note("shards %d %s", n, by)
}

func (c *paperCluster) Healing(context.Context) (v1.SelfHealing, error) { return c.healing, nil }

func (c *paperCluster) Heal(_ context.Context, r v1.HealingRequest, by string) (v1.HealingResult, error) {
	text, err := json.Marshal(r)
	if err != nil {
		return v1.HealingResult{}, err
	}
	return c.result, c.note("heal %s %s", text, by)
}

const nodeA, nodeB, nodeC = "00000000000000a1", "00000000000000b2", "00000000000000c3"

// newPaperCluster returns a cluster with a bit of everything: db1 is fine, db2
// is draining, db3 is dead; shard 7 is only on db2, shard 9 lacks a replica.
func newPaperCluster(now time.Time) *paperCluster {
	on := func(node string) v1.ClusterReplica {
		return v1.ClusterReplica{Node: node, Role: v1.RoleVoter, Complete: true}
	}
	c := &paperCluster{}
	c.status = v1.ClusterStatus{
		ClusterID: "c1c1c1c1c1c1c1c1", Node: nodeA, Catalogue: v1.ClusterCatalogue{Leader: nodeA, Voters: []string{nodeA, nodeB, nodeC}},
		Settings: v1.ClusterSettings{Replicas: 3, ReplicasByHand: true, Paused: true},
		Nodes: []v1.ClusterNode{
			{ID: nodeA, Name: "db1", Zone: "east", State: v1.NodeActive, Life: v1.LifeAlive, Since: now.Add(-50 * time.Hour), Disk: v1.ClusterDisk{Total: 1e12, Free: 6e11}, Load: 0.25, Leaders: 2, Replicas: 2, Bytes: 3e9, Version: "v1.2.3"},
			{ID: nodeB, Name: "db2", Zone: "west", State: v1.NodeActive, Life: v1.LifeAlive, Since: now.Add(-125 * time.Second), Disk: v1.ClusterDisk{Total: 1e12, Free: 0, Full: true}, Leaders: 1, Replicas: 3, Bytes: 5e9, ClockSkew: -40, Problems: []string{"the disk is full\x1b[31m", "it is slow"}},
			{ID: nodeC, Name: "db3", State: v1.NodeActive, Life: v1.LifeDead, Since: now.Add(-5 * time.Second), Replicas: 1},
		},
		Shards: []v1.ClusterShard{
			{Number: 3, Leader: nodeA, Term: 4, Replicas: []v1.ClusterReplica{on(nodeA), on(nodeB)}, Bytes: 1e9, Records: 1000, WriteRate: 2e6},
			{Number: 7, Leader: nodeB, Term: 1, Replicas: []v1.ClusterReplica{on(nodeB)}, Bytes: 2e9, Records: 2000, Problem: "1 replica of 3"},
			{Number: 9, Leader: "", Replicas: []v1.ClusterReplica{on(nodeB), {Node: nodeC, Role: v1.RoleVoter, Lag: v1.LagUnknown}, {Node: nodeA, Role: v1.RoleJoining, MissingSegments: 3, MissingBytes: 4e8, Rotten: 1}}, Bytes: 2e9},
		},
		Moves: []v1.ClusterMove{
			{Kind: "move replica", State: v1.MoveRunning, Shard: 9, From: nodeB, To: nodeA, Bytes: 4e9, Done: 1e9, ETA: 75, Reason: "db2 is to become empty", By: "admin-key"},
			{Kind: "transfer leadership", State: v1.MovePlanned, Shard: 3, From: nodeA, To: nodeB, WaitsFor: "waits for other moves", Reason: "leaders"},
		},
		Problems: []string{"shard 9 has no leader", "node " + nodeB + " (db2): it is slow"},
	}
	c.healing = v1.SelfHealing{
		Status: v1.HealingPaused, TotalExecutions: 7, SuccessfulExecutions: 6,
		Actions: []v1.HealingAction{
			{ID: "replace-node", Name: "Replace a dead node", Description: "makes the replicas of a dead node anew", Enabled: true, Cooldown: 300, Executions: 6, InCooldown: true, LastAt: now.Add(-100 * time.Second), NextPossible: now.Add(200 * time.Second)},
			{ID: "balance", Name: "Balance", Cooldown: 60},
		},
		RecentHistory: []v1.HealingEvent{{Number: 5, ActionID: "replace-node", ExecutedAt: now.Add(-100 * time.Second), Reason: "db3 is dead", Success: false, Error: "no room", Result: v1.HealingOutcome{Outcome: "failed", Target: "db3"}}},
		Plan:          c.status.Moves[1:], Problems: []string{"2 nodes cannot hold 3 replicas"},
	}
	c.result = v1.HealingResult{Success: true, Detail: "2 moves", Plan: c.status.Moves[1:]}
	return c
}

// serveCluster serves the interface of a cluster for a terminal.
func (m *terminal) serveCluster(cluster api.Cluster) {
	m.t.Helper()
	writer := ingest.NewWriter(noRecords{}, ingest.Config{})
	server, err := api.New(api.Config{
		Writer: writer, Engine: query.New(noRecords{}, query.Config{}), Cluster: cluster,
		Status: func() api.Status { return api.Status{State: v1.Healthy, Ready: true} },
	})
	if err != nil {
		m.t.Fatal(err)
	}
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		m.t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- server.Serve(ln) }()
	m.t.Cleanup(func() {
		ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
		defer cancel()
		if err := server.Shutdown(ctx); err != nil {
			m.t.Error(err)
		}
		if err := <-done; err != nil {
			m.t.Error(err)
		}
		if err := writer.Close(ctx); err != nil {
			m.t.Error(err)
		}
	})
	m.env = append(m.env, "STERE_URL=http://"+ln.Addr().String())
}

// TestClusterView compares the whole view with what it should be.
func TestClusterView(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	cluster := newPaperCluster(now)
	got := string((&clusterView{status: cluster.status, now: now}).render())
	want := `Cluster    c1c1c1c1c1c1c1c1, as db1 sees it
Catalogue  led by db1, voters db1 db2 db3
Replicas   3 wanted, chosen by hand
Balance    paused, go on with: stere cluster resume

3 nodes, 2 alive
  NAME   ID                ZONE  STATE    FOR  DISK                             LOAD  LEADERS  REPLICAS    DATA   CLOCK  VERSION
  db1 *  00000000000000a1  east  alive     2d  40% of 1.0 TB                    0.25        2         2  3.0 GB          v1.2.3
  db2    00000000000000b2  west  alive  2m05s  100% of 1.0 TB, refuses records  0.00        1         3  5.0 GB  -40 ms  -
  db3    00000000000000c3  -     dead      5s                                               0         1     0 B          -

3 shards, 0 fine: 5.0 GB, 3,000 records, 2.0 MB/s written
  SHARD  LEADER  REPLICAS                                                                       DATA  RECORDS  WRITES  PROBLEM
      3  db1     db1, db2                                                                        1.0 GB    1,000  2.0 MB/s  2 replicas of 3
      7  db2     db2                                                                          2.0 GB     2,000   0 B/s  1 replica of 3
      9  none    db2, db3 (dead), db1 (joining, 3 segments, 400.0 MB missing, 1 rotten segment)  2.0 GB        0   0 B/s

1 move in progress, 1 planned
  move replica         shard 9  db2 → db1  [████············]  25%  4.0 GB  ETA 1m15s  db2 is to become empty (by admin-key)
  transfer leadership  shard 3  db1 → db2  waits for other moves                       leaders

3 problems
  ! shard 9 has no leader
  ! node 00000000000000b2 (db2): it is slow
  ! db2: the disk is full·[31m
`
	if squeezed(got) != squeezed(want) {
		t.Errorf("the view is\n%s\nwant\n%s", got, want)
	}
	all := string((&clusterView{status: cluster.status, now: now, allShards: true, color: true}).render())
	for _, text := range []string{"db1, db2 ", "\x1b[31mdead\x1b[0m", "\x1b[32malive\x1b[0m", "\x1b[31m! shard 9 has no leader\x1b[0m"} {
		if !strings.Contains(all, text) {
			t.Errorf("no %q in\n%s", text, all)
		}
	}
	if strings.Count(all, "\x1b[31m") != strings.Count(strings.ReplaceAll(all, "full\x1b", ""), "\x1b[31m") {
		t.Error("what a node says reaches the terminal as a colour")
	}
	none := string((&clusterView{now: now}).render())
	if !strings.Contains(none, "No problems.") || !strings.Contains(none, "no leader") {
		t.Errorf("the view of nothing is\n%s", none)
	}
}

func TestNumbers(t *testing.T) {
	for n, want := range map[int64]string{0: "0", 999: "999", 1000: "1,000", 1234567: "1,234,567", -1000: "-1,000", -999: "-999"} {
		if got := grouped(n); got != want {
			t.Errorf("%d is %s, want %s", n, got, want)
		}
	}
	for d, want := range map[time.Duration]string{-time.Second: "0s", 59 * time.Second: "59s", 61 * time.Second: "1m01s", 11 * time.Minute: "11m", 90 * time.Minute: "1h30m", 49 * time.Hour: "2d"} {
		if got := span(d); got != want {
			t.Errorf("%v is %s, want %s", d, got, want)
		}
	}
}

// squeezed makes every run of blanks one, so that only what is shown counts.
func squeezed(text string) string {
	var lines []string
	for line := range strings.SplitSeq(text, "\n") {
		lines = append(lines, strings.Join(strings.Fields(line), " "))
	}
	return strings.Join(lines, "\n")
}

func TestClusterCommands(t *testing.T) {
	cluster := newPaperCluster(time.Now())
	m := newTerminal(t)
	m.serveCluster(cluster)
	const by = "anonymous"
	for _, test := range []struct {
		args  string
		code  int
		calls string
		texts []string
	}{
		{"status", exitOK, "", []string{"3 nodes, 2 alive", "3 shards, 0 fine", "1 replica of 3", "3 problems"}},
		{"status --shards", exitOK, "", []string{"db1, db2"}},
		{"status --watch=soon", exitUsage, "", []string{"not a duration"}},
		{"status --json", exitOK, "", []string{`"clusterId": "c1c1c1c1c1c1c1c1"`, `"missingSegments": 3`}},
		{"drain db1", exitOK, "drain " + nodeA + " " + by, []string{"db1 drains", "--wait"}},
		{"drain --undo db1", exitOK, "undrain " + nodeA + " " + by, []string{"db1 takes replicas again"}},
		{"drain --undo --wait db1", exitUsage, "", []string{"exclude each other"}},
		{"drain db1 --every=0s", exitUsage, "", []string{"--every"}},
		{"drain db7", exitError, "", []string{`the cluster has no node "db7", did you mean "db1"?`}},
		{"move 9 --from db1 --to " + nodeB, exitOK, "move 9 " + nodeA + " " + nodeB + " " + by, []string{"Shard 9 moves"}},
		{"move 9 --from db1", exitUsage, "", []string{"--to"}},
		{"move 8 --from db1 --to db2", exitError, "", []string{"no shard 8", "nearest is 7"}},
		{"pause", exitOK, "paused true " + by, []string{"stere cluster resume"}},
		{"resume", exitOK, "paused false " + by, []string{"go on"}},
		{"replicas 5", exitOK, "replicas 5 " + by, []string{"5 replicas"}},
		{"replicas auto", exitOK, "replicas 0 " + by, []string{"number of nodes decides"}},
		{"replicas 2", exitUsage, "", []string{"want 1, 3, 5 or auto"}},
		{"heal", exitOK, "", []string{"Self-healing is paused: 1 of 2 actions on, 7 taken, 6 with success", "replace-node  waits", "balance       off", "failed", "db3 no room", "db3 is dead", "db1 → db2", "2 nodes cannot hold 3 replicas"}},
		{"heal list --json", exitOK, "", []string{`"actionsConfigured": 2`}},
		{"heal run balance --dry-run --reason test", exitOK, `heal {"action":"execute","actionId":"balance","reason":"test","dryRun":true} ` + by, []string{"balance would do this: 2 moves", "shard 3"}},
		{"heal run --dry-run", exitOK, `heal {"action":"execute","actionId":"","dryRun":true} ` + by, []string{"all that is planned would do this"}},
		{"heal run", exitUsage, "", []string{"no action is named"}},
		{"heal run balanc", exitError, "", []string{`did you mean "balance"?`}},
		{"heal disable all", exitOK, `heal {"action":"toggle","actionId":"all","enabled":false} ` + by, []string{"Everything that the cluster does by itself is off."}},
		{"heal enable balance", exitOK, `heal {"action":"toggle","actionId":"balance","enabled":true} ` + by, []string{"balance is on."}},
		{"remove db2", exitOK, "remove " + nodeB + " false " + by, []string{"db2 is removed"}},
		{"remove db2 --force", exitOK, "remove " + nodeB + " true " + by, []string{"Lost with it: shard 7 (2.0 GB, 2,000 records), shard 9"}},
	} {
		m.want(test.code, append([]string{"cluster"}, strings.Fields(test.args)...), test.texts...)
		if calls := cluster.last(); calls != test.calls {
			t.Errorf("stere cluster %s asked %q, want %q", test.args, calls, test.calls)
		}
	}
	cluster.result = v1.HealingResult{Error: "there is nothing to balance"}
	m.want(exitError, []string{"cluster", "heal", "run", "balance"}, "balance: there is nothing to balance")
	cluster.refuse = fmt.Errorf("%w: db2 is alive", api.ErrRefused)
	m.want(exitError, []string{"cluster", "remove", "db2"}, "db2 is alive and has 3 replicas, 5.0 GB", "Of 1 of these shards", "shard 7 (2.0 GB, 2,000 records), shard 9 (2.0 GB, 0 records): without db2 that is lost",
		"stere cluster drain db2 --wait, then stere cluster remove db2", "(409 REFUSED)")
	m.want(exitError, []string{"cluster", "remove", "db3"}, "start db3 again", "Of 1 of these", "stere cluster remove db3 --force")
	m.want(exitError, []string{"cluster", "pause"}, "the cluster refuses this: db2 is alive")
	for _, command := range []string{"status", "drain", "remove", "move", "pause", "resume", "replicas", "heal list", "heal run", "heal enable", "heal disable", "secret"} {
		m.want(exitOK, append(append([]string{"cluster"}, strings.Fields(command)...), "--help"), "Examples:")
	}
	alone := newTerminal(t)
	alone.serve()
	alone.want(exitOK, []string{"cluster", "status"}, "1 node, 1 alive", "2 shards, 2 fine")
	alone.want(exitUnreachable, []string{"cluster", "status", "--url", "http://127.0.0.1:1"}, "Is a node running there?")
	if code := run(t.Context(), []string{"cluster", "status"}, strings.NewReader(""), &bytes.Buffer{}, &bytes.Buffer{}, append(alone.env, "STERE_API_KEY=wrong")); code != exitCredentials {
		t.Errorf("with a wrong key the exit code is %d", code)
	}
}

// TestDrainWaits waits for a node that becomes empty, for one that is taken
// back, and until it is interrupted.
func TestDrainWaits(t *testing.T) {
	m := newTerminal(t)
	cluster := newPaperCluster(time.Now())
	m.serveCluster(cluster)
	m.want(exitOK, []string{"cluster", "drain", "db2", "--wait", "--every", "1ms"}, "db2: 3 replicas, 5.0 GB left", "db2: 1 replica,", "db2: no replicas left, it still votes", "db2 is empty. To remove it: stere cluster remove db2")
	cluster.looked = func(times int) { cluster.setState(nodeA, v1.NodeActive) }
	m.want(exitError, []string{"cluster", "drain", "db1", "--wait", "--every", "1ms"}, "db1: 2 replicas", "somebody has taken it back")

	ctx, cancel := context.WithCancel(t.Context())
	cluster.looked = func(times int) { cancel() }
	cluster.node(nodeB).State, cluster.node(nodeB).Replicas = v1.NodeActive, 1000
	var errs bytes.Buffer
	if code := run(ctx, []string{"cluster", "drain", "db2", "--wait"}, strings.NewReader(""), &errs, &errs, m.env); code != exitError || !strings.Contains(errs.String(), "interrupted") {
		t.Errorf("interrupted, the exit code is %d: %s", code, errs.String())
	}
}

// TestStatusWatches looks again and again until it is interrupted.
func TestStatusWatches(t *testing.T) {
	for _, args := range [][]string{{"--watch=1ms"}, {"--watch=1ms", "--json"}} {
		m := newTerminal(t)
		cluster := newPaperCluster(time.Now())
		m.serveCluster(cluster)
		ctx, cancel := context.WithCancel(t.Context())
		cluster.looked = func(times int) {
			if times == 4 {
				cancel()
			}
		}
		var out, errs bytes.Buffer
		if code := run(ctx, append([]string{"cluster", "status"}, args...), strings.NewReader(""), &out, &errs, m.env); code != exitOK || errs.Len() > 0 {
			t.Errorf("%v: exit code %d: %s", args, code, errs.String())
		}
		if n := strings.Count(out.String(), "c1c1c1c1c1c1c1c1"); n != 3 && n != 4 {
			t.Errorf("%v: the status was shown %d times, want 3 or 4 before the interrupt", args, n)
		}
		if strings.Contains(out.String(), "\x1b") {
			t.Errorf("%v: codes of a terminal in a file", args)
		}
	}
}

// TestDrainBar looks at what a terminal is shown.
func TestDrainBar(t *testing.T) {
	var out bytes.Buffer
	start := time.Unix(1000, 0)
	d := drainProgress{out: &out, draws: true, name: "db2", started: start}
	node := v1.ClusterNode{ID: nodeB, Replicas: 4, Bytes: 8e9}
	d.update(v1.ClusterStatus{}, node, start)
	node.Replicas, node.Bytes = 2, 4e9
	d.update(v1.ClusterStatus{Moves: []v1.ClusterMove{
		{State: v1.MoveRunning, From: nodeB, Bytes: 100, Done: 100}, {State: v1.MovePlanned, From: nodeB, WaitsFor: "waits for its target"}, {State: v1.MoveRunning, From: nodeA, Bytes: 100, Done: 100},
	}}, node, start.Add(3*time.Minute))
	d.update(v1.ClusterStatus{Problems: []string{"node " + nodeA + ": its disk is full", "shard 3: node " + nodeB + " drains, but no node can take its replica"}}, node, start.Add(3*time.Minute))
	d.end()
	want := "\r\x1b[K[················]   0%  db2: 4 replicas, 8.0 GB left  ETA --" +
		"\r\x1b[K[████████████····]  75%  db2: 2 replicas, 4.0 GB left (a move waits for its target)  ETA 1m00s" +
		"\r\x1b[K[████████········]  50%  db2: 2 replicas, 4.0 GB left (shard 3: node " + nodeB + " drains, but no node can take its replica)  ETA 3m00s\n"
	if out.String() != want {
		t.Errorf("shown is\n%q, want\n%q", out.String(), want)
	}
}
