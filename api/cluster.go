package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/syntax"
	"github.com/valyala/fasthttp"
)

// Cluster is what an operator sees of a cluster and does to it. Nodes are named
// by their ids; by is who asks. Every method may be called on every node, from
// any goroutine: what only one node can do is passed on to it. Errors wrap one
// of those below, or are failures.
type Cluster interface {
	// Known returns what there is to name, from what this node knows itself.
	Known() Known
	// Status asks all nodes how they are. Those that do not answer in time are
	// shown by what is known of them.
	Status(ctx context.Context) (v1.ClusterStatus, error)
	// Drain makes everything leave a node; Undrain takes that back. Both are
	// done as soon as the cluster agrees on them, not when the last replica has
	// moved.
	Drain(ctx context.Context, node, by string) error
	Undrain(ctx context.Context, node, by string) error
	// Remove says that a node will never come back. One that has replicas is
	// refused without force; with it, what only that node had is lost. That of a
	// node that is alive may be refused even so.
	Remove(ctx context.Context, node string, force bool, by string) error
	// Move puts the replica of a shard on one node to another.
	Move(ctx context.Context, shard uint32, from, to, by string) error
	// SetPaused stops moves for balance, or lets them go on.
	SetPaused(ctx context.Context, paused bool, by string) error
	// SetReplicas says how many replicas of a shard are wanted: 1, 3 or 5, or 0
	// to let the number of nodes decide. With a tenant it is of what has that
	// tenant's records, at least, and 0 is as many as others have.
	SetReplicas(ctx context.Context, tenant model.TenantID, replicas int, by string) error
	// SetShards adds shards until there are so many. Fewer than there are is
	// refused.
	SetShards(ctx context.Context, shards int, by string) error
	// Healing says what the cluster does by itself. The counts of actions and
	// the length of the history are seen to here.
	Healing(ctx context.Context) (v1.SelfHealing, error)
	// Heal takes an action (v1.HealingExecute), or switches one or all of them
	// (v1.HealingToggle; v1.HealingAll). The id is a known one, or none in a dry
	// run of all that is planned; nodes in the target are ids.
	Heal(ctx context.Context, request v1.HealingRequest, by string) (v1.HealingResult, error)
}

// Known is what there is to name in a cluster.
type Known struct {
	Nodes   []KnownNode // those that are not gone
	Shards  []uint32
	Actions []string // ids of healing actions
}

// KnownNode is a node's id and what people call it.
type KnownNode struct{ ID, Name string }

// What the methods of Cluster may fail for; their texts reach the client.
var (
	// ErrRefused means that a rule speaks against a change, and the error says
	// which. Nothing was changed.
	ErrRefused = errors.New("the cluster refuses this")
	// ErrUnknown means that a node, shard or action is not there any more.
	ErrUnknown = errors.New("the cluster does not know this")
	// ErrLeaderless means that nobody can decide now, which mostly passes.
	// Nothing was changed.
	ErrLeaderless = errors.New("the cluster cannot decide anything now")
	// ErrUncertain means that a change may have been made or not.
	ErrUncertain = errors.New("the change may have been made")
)

// cluster returns the cluster of this node, or the error if it has none.
func (r *request) cluster() (Cluster, error) {
	if r.server.cfg.Cluster == nil {
		return nil, newProblem(kindNoCluster, "%s", kindNoCluster.text)
	}
	return r.server.cfg.Cluster, nil
}

// handleCluster is GET /admin/cluster.
func handleCluster(r *request) error {
	cluster, err := r.cluster()
	if err != nil {
		return err
	}
	ctx, cancel := r.work(r.server.cfg.RequestTimeout)
	defer cancel()
	status, err := cluster.Status(ctx)
	if err != nil {
		return fmt.Errorf("look at the cluster: %w", err)
	}
	status.Catalogue.Voters = listed(status.Catalogue.Voters)
	status.Tenants = listed(status.Tenants)
	status.Nodes, status.Shards, status.Moves, status.Problems = listed(status.Nodes), listed(status.Shards), listed(status.Moves), listed(status.Problems)
	for i := range status.Shards {
		status.Shards[i].Replicas = listed(status.Shards[i].Replicas)
	}
	r.sendData(fasthttp.StatusOK, status)
	return nil
}

// listed makes no list an empty one, which JSON tells from nothing.
func listed[T any](list []T) []T {
	if list == nil {
		return []T{}
	}
	return list
}

// handleDrain is POST /admin/cluster/nodes/{node}/drain.
func handleDrain(r *request) error {
	return r.changeNode("drain", v1.NodeDraining, func(ctx context.Context, cluster Cluster, node string) error {
		return cluster.Drain(ctx, node, r.principal.Name)
	})
}

// handleUndrain is DELETE /admin/cluster/nodes/{node}/drain.
func handleUndrain(r *request) error {
	return r.changeNode("undrain", v1.NodeActive, func(ctx context.Context, cluster Cluster, node string) error {
		return cluster.Undrain(ctx, node, r.principal.Name)
	})
}

// handleRemoveNode is DELETE /admin/cluster/nodes/{node}.
func handleRemoveNode(r *request) error {
	force := false
	if text := string(r.ctx.QueryArgs().Peek("force")); text != "" {
		var err error
		if force, err = strconv.ParseBool(text); err != nil {
			return invalid("force", "%.50q is neither true nor false", text)
		}
	}
	return r.changeNode("remove", v1.NodeGone, func(ctx context.Context, cluster Cluster, node string) error {
		return cluster.Remove(ctx, node, force, r.principal.Name)
	})
}

// changeNode changes the node that the path names, and answers what is wanted
// of it now.
func (r *request) changeNode(what, state string, change func(context.Context, Cluster, string) error) error {
	cluster, err := r.cluster()
	if err != nil {
		return err
	}
	text, _ := r.ctx.UserValue("node").(string)
	if plain, err := url.PathUnescape(text); err == nil {
		text = plain
	}
	node, err := findNode(cluster.Known(), "node", text)
	if err != nil {
		return err
	}
	ctx, cancel := r.work(r.server.cfg.RequestTimeout)
	defer cancel()
	if err := change(ctx, cluster, node.ID); err != nil {
		return fmt.Errorf("%s node %s: %w", what, node.Name, err)
	}
	r.noteChange(what, "node", node.ID)
	r.sendData(fasthttp.StatusOK, v1.NodeChange{ID: node.ID, Name: node.Name, State: state})
	return nil
}

// noteChange writes to the node's log what an operator has changed.
func (r *request) noteChange(what string, args ...any) {
	args = append(args, "by", r.principal.Name, "request_id", r.id)
	r.server.cfg.Logger.Info("cluster: "+what, args...)
}

// readChange returns the cluster of this node and the body of a request that
// changes it, which counts until release.
func (r *request) readChange() (cluster Cluster, text []byte, release func(), err error) {
	if cluster, err = r.cluster(); err != nil {
		return nil, nil, nil, err
	}
	text, release, err = r.readBody(adminBodyBytesMax)
	return cluster, text, release, err
}

// handleMove is POST /admin/cluster/moves.
func handleMove(r *request) error {
	cluster, text, release, err := r.readChange()
	if err != nil {
		return err
	}
	defer release()
	move, err := decodeMove(text, cluster.Known())
	if err != nil {
		return err
	}
	ctx, cancel := r.work(r.server.cfg.RequestTimeout)
	defer cancel()
	if err := cluster.Move(ctx, move.Shard, move.From, move.To, r.principal.Name); err != nil {
		return fmt.Errorf("move shard %d: %w", move.Shard, err)
	}
	r.noteChange("move", "shard", move.Shard, "from", move.From, "to", move.To)
	r.sendData(fasthttp.StatusAccepted, move)
	return nil
}

// decodeMove reads the body of a move and finds the nodes that it names.
func decodeMove(text []byte, known Known) (move v1.MoveRequest, err error) {
	m := readMembers(text, `{"shard":3,"from":"db1","to":"db2"}`)
	shard, from, to := m.whole("shard", 1<<32-1), m.string("from"), m.string("to")
	for _, name := range []string{"shard", "from", "to"} {
		m.want(name)
	}
	if err := m.end(); err != nil {
		return move, err
	}
	move.Shard = uint32(*shard)
	if !slices.Contains(known.Shards, move.Shard) {
		return move, unknownShard(known, move.Shard)
	}
	source, err := findNode(known, "from", from)
	if err != nil {
		return move, err
	}
	target, err := findNode(known, "to", to)
	if err != nil {
		return move, err
	}
	if source == target {
		return move, invalid("to", "%s is where the replica is", target.Name)
	}
	move.From, move.To = source.ID, target.ID
	return move, nil
}

// handleClusterSettings is PUT /admin/cluster/settings.
func handleClusterSettings(r *request) error {
	text, release, err := r.readBody(adminBodyBytesMax)
	if err != nil {
		return err
	}
	defer release()
	settings, err := decodeClusterSettings(text)
	if err != nil {
		return err
	}
	return r.changeSettings(settings)
}

// handleClusterShards is PUT and POST /admin/cluster/shards.
func handleClusterShards(r *request) error {
	text, release, err := r.readBody(adminBodyBytesMax)
	if err != nil {
		return err
	}
	defer release()
	m := readMembers(text, `{"shards":32}`)
	shards := m.shards()
	m.want("shards")
	if err := m.end(); err != nil {
		return err
	}
	return r.changeSettings(v1.ClusterSettingsRequest{Shards: shards})
}

// shards reads how many shards there are to be.
func (m *members) shards() *int {
	n := m.whole("shards", shardsMost)
	if n == nil {
		return nil
	}
	shards := int(*n)
	if shards == 0 {
		m.fault("shards", m.at("shards"), "is 0, want at least as many as there are")
	}
	return &shards
}

// shardsMost is the largest number of shards that is passed on to the cluster.
const shardsMost = 1 << 20

// handlePause is POST /admin/cluster/pause.
func handlePause(r *request) error {
	paused := true
	return r.changeSettings(v1.ClusterSettingsRequest{Paused: &paused})
}

// handleResume is POST /admin/cluster/resume.
func handleResume(r *request) error {
	paused := false
	return r.changeSettings(v1.ClusterSettingsRequest{Paused: &paused})
}

func decodeClusterSettings(text []byte) (settings v1.ClusterSettingsRequest, err error) {
	m := readMembers(text, `{"replicas":3} or {"replicas":5,"tenant":"acme"} or {"shards":32} or {"paused":true}`)
	settings.Shards = m.shards()
	settings.Paused = m.bool("paused")
	if n := m.whole("replicas", 1000); n != nil {
		replicas := int(*n)
		settings.Replicas = &replicas
		if replicas != 0 && replicas != 1 && replicas != 3 && replicas != 5 {
			m.fault("replicas", m.at("replicas"), "is %d, want 1, 3 or 5, or 0 to let the number of nodes decide", replicas)
		}
	}
	if settings.Tenant = m.string("tenant"); settings.Tenant != "" {
		m.want("replicas")
		if err := model.TenantID(settings.Tenant).Validate(); err != nil {
			m.fault("tenant", m.at("tenant"), "%v", err)
		}
	}
	if err := m.end(); err != nil {
		return settings, err
	}
	if settings == (v1.ClusterSettingsRequest{}) {
		return settings, invalid("body", "nothing is to be changed, want %s", m.example)
	}
	return settings, nil
}

// changeSettings changes what the request has and answers with it.
func (r *request) changeSettings(settings v1.ClusterSettingsRequest) error {
	cluster, err := r.cluster()
	if err != nil {
		return err
	}
	ctx, cancel := r.work(r.server.cfg.RequestTimeout)
	defer cancel()
	if settings.Replicas != nil {
		if err := cluster.SetReplicas(ctx, model.TenantID(settings.Tenant), *settings.Replicas, r.principal.Name); err != nil {
			return fmt.Errorf("set replicas to %d: %w", *settings.Replicas, err)
		}
		r.noteChange("replicas", "replicas", *settings.Replicas, "tenant", settings.Tenant)
	}
	if settings.Shards != nil {
		if err := cluster.SetShards(ctx, *settings.Shards, r.principal.Name); err != nil {
			if settings.Replicas != nil {
				err = fmt.Errorf("%w (the number of replicas was set)", err)
			}
			return fmt.Errorf("set shards to %d: %w", *settings.Shards, err)
		}
		r.noteChange("shards", "shards", *settings.Shards)
	}
	if settings.Paused != nil {
		if err := cluster.SetPaused(ctx, *settings.Paused, r.principal.Name); err != nil {
			if settings.Replicas != nil || settings.Shards != nil {
				err = fmt.Errorf("%w (the other settings were changed)", err)
			}
			return fmt.Errorf("set paused to %v: %w", *settings.Paused, err)
		}
		r.noteChange("paused", "paused", *settings.Paused)
	}
	r.sendData(fasthttp.StatusOK, settings)
	return nil
}

// handleHealing is GET /admin/self-healing.
func handleHealing(r *request) error {
	cluster, err := r.cluster()
	if err != nil {
		return err
	}
	ctx, cancel := r.work(r.server.cfg.RequestTimeout)
	defer cancel()
	healing, err := cluster.Healing(ctx)
	if err != nil {
		return fmt.Errorf("look at self-healing: %w", err)
	}
	healing.Actions, healing.RecentHistory = listed(healing.Actions), listed(healing.RecentHistory)
	healing.Plan, healing.Problems = listed(healing.Plan), listed(healing.Problems)
	healing.RecentHistory = healing.RecentHistory[:min(len(healing.RecentHistory), v1.HealingHistoryMax)]
	healing.ActionsConfigured, healing.ActionsEnabled = len(healing.Actions), 0
	for _, action := range healing.Actions {
		if action.Enabled {
			healing.ActionsEnabled++
		}
	}
	r.sendJSON(fasthttp.StatusOK, healing)
	return nil
}

// handleHealingAction is POST /admin/self-healing/actions. As in every answer
// of this path, what did not come to success is 400.
func handleHealingAction(r *request) error {
	cluster, text, release, err := r.readChange()
	if err != nil {
		return err
	}
	defer release()
	action, err := decodeHealing(text, cluster.Known())
	if err != nil {
		return err
	}
	ctx, cancel := r.work(r.server.cfg.RequestTimeout)
	defer cancel()
	result, err := cluster.Heal(ctx, action, r.principal.Name)
	if err != nil {
		return fmt.Errorf("%s %s: %w", action.Action, action.ActionID, err)
	}
	result.ActionID, result.DryRun = action.ActionID, action.DryRun
	r.noteChange("healing "+action.Action, "action", action.ActionID, "target", action.Target, "dry_run", action.DryRun, "enabled", action.Enabled, "success", result.Success)
	status := fasthttp.StatusOK
	if !result.Success {
		status, result.Error = fasthttp.StatusBadRequest, cmp.Or(result.Error, "the action came to no success")
	}
	r.sendJSON(status, result)
	return nil
}

// cooldownMax bounds a cooldown in seconds.
const cooldownMax = 30 * 86400

// decodeHealing reads the body of a healing action and finds what it names.
func decodeHealing(text []byte, known Known) (v1.HealingRequest, error) {
	m := readMembers(text, `{"action":"execute","actionId":"ID","dryRun":true}`)
	out := v1.HealingRequest{
		Action: m.string("action"), ActionID: m.string("actionId"), Target: m.string("target"), Reason: m.string("reason"),
		Enabled: m.bool("enabled"), Cooldown: m.number("cooldown", cooldownMax),
	}
	if out.ActionID == v1.HealingRestartService {
		out.ActionID = v1.HealingRestart
	}
	dry := m.bool("dryRun")
	out.DryRun = dry != nil && *dry
	m.take("actionConfig") // of HealingAdd
	m.want("action")
	actions := []string{v1.HealingExecute, v1.HealingToggle, v1.HealingAdd, v1.HealingRemove}
	switch out.Action {
	case v1.HealingExecute:
		if !out.DryRun {
			m.want("actionId")
		}
		if example := maintained(out.ActionID); example != "" && out.Target == "" {
			m.fault("target", -1, "is missing, want of %s for example %q", out.ActionID, example)
		}
	case v1.HealingToggle:
		m.want("actionId")
		if !m.has("enabled") && !m.has("cooldown") {
			m.fault("enabled", -1, "is missing, want true or false, or a cooldown in seconds")
		}
		if out.DryRun {
			m.fault("dryRun", m.at("dryRun"), "is for %q alone", v1.HealingExecute)
		}
	case v1.HealingAdd, v1.HealingRemove, "":
	default:
		detail := m.fault("action", m.at("action"), "is %q, want %s", shortened(out.Action), strings.Join(actions, ", "))
		detail.Expected, detail.Suggestion = actions, syntax.Nearest(shortened(out.Action), actions)
	}
	if err := m.end(); err != nil {
		return out, err
	}
	if out.Action == v1.HealingAdd || out.Action == v1.HealingRemove {
		return out, newProblem(kindRefused, "actions are part of the program: none can be added or removed; %q with \"enabled\":false switches one off", v1.HealingToggle)
	}
	all := out.ActionID == v1.HealingAll && out.Action == v1.HealingToggle || out.ActionID == "" && out.DryRun
	if !all && !slices.Contains(known.Actions, out.ActionID) {
		return out, unknownName("actionId", "healing action", out.ActionID, known.Actions)
	}
	out.Target = withIDs(out.Target, known)
	return out, nil
}

// maintained returns an example of what maintenance is done to, "" for other actions, which
// are done to all that is planned unless a target is given.
func maintained(action string) string {
	switch action {
	case v1.HealingFlush, v1.HealingDropCache:
		return "node db1"
	case v1.HealingRestart:
		return "replica of shard 3 on db1"
	}
	return ""
}

// withIDs puts ids for the names of nodes in a target such as "shard 3 from db1
// to db2".
func withIDs(target string, known Known) string {
	words := strings.Fields(target)
	for i, word := range words {
		switch word {
		case "shard", "leader", "replica", "of", "node", "from", "to", "on":
			continue
		}
		if node, err := findNode(known, "target", word); err == nil {
			words[i] = node.ID
		}
	}
	return strings.Join(words, " ")
}

// findNode finds a node by its id or name.
func findNode(known Known, field, text string) (KnownNode, error) {
	names := make([]string, 0, len(known.Nodes))
	for _, node := range known.Nodes {
		if node.ID == text {
			return node, nil
		}
		names = append(names, node.Name)
	}
	if i := slices.Index(names, text); i >= 0 {
		return known.Nodes[i], nil
	}
	return KnownNode{}, unknownName(field, "node", text, names)
}

// namesShown is how many names an error lists.
const namesShown = 12

// unknownName says that there is no such name, and what there is.
func unknownName(field, kind, text string, names []string) error {
	p := newProblem(kindNotFound, "the cluster has no %s %q", kind, shortened(text))
	near := syntax.Nearest(shortened(text), names)
	switch {
	case near != "":
		p.message += fmt.Sprintf(", did you mean %q?", near)
	case len(names) > 0:
		sorted := slices.Clone(names)
		slices.Sort(sorted)
		p.message += ", there are " + strings.Join(sorted[:min(len(sorted), namesShown)], ", ")
		if len(sorted) > namesShown {
			p.message += fmt.Sprintf(" and %d more", len(sorted)-namesShown)
		}
	}
	p.details = []v1.Detail{{Field: field, Message: "is not known", Suggestion: near}}
	return p
}

// unknownShard says that there is no such shard, and which is nearest.
func unknownShard(known Known, number uint32) error {
	p := newProblem(kindNotFound, "the cluster has no shard %d", number)
	detail := v1.Detail{Field: "shard", Message: "is not known"}
	if len(known.Shards) > 0 {
		distance := func(n uint32) uint32 { return max(n, number) - min(n, number) }
		near := slices.MinFunc(known.Shards, func(a, b uint32) int { return int(int64(distance(a)) - int64(distance(b))) })
		p.message += fmt.Sprintf(": its shards are %d to %d, the nearest is %d", slices.Min(known.Shards), slices.Max(known.Shards), near)
		detail.Suggestion = strconv.FormatUint(uint64(near), 10)
	}
	p.details = []v1.Detail{detail}
	return p
}
