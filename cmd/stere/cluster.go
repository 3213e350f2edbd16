package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strconv"
	"time"

	"github.com/alecthomas/kong"
	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/client"
	"github.com/stere-log/stere/cluster/link"
	"github.com/stere-log/stere/internal/plain"
	"github.com/stere-log/stere/query/syntax"
)

// clusterCommand is what an operator does with a cluster.
type clusterCommand struct {
	Status   clusterStatusCommand `cmd:"" help:"Show nodes, shards, moves and problems."`
	Drain    drainCommand         `cmd:"" help:"Make everything leave a node."`
	Remove   removeCommand        `cmd:"" help:"Say that a node will never come back."`
	Move     moveCommand          `cmd:"" help:"Put a replica of a shard on another node."`
	Pause    pauseCommand         `cmd:"" help:"Move nothing for balance until resumed."`
	Resume   resumeCommand        `cmd:"" help:"Let moves for balance go on."`
	Replicas replicasCommand      `cmd:"" help:"Say how many replicas of a shard are wanted."`
	Shards   shardsCommand        `cmd:"" help:"Add shards."`
	Heal     healCommand          `cmd:"" help:"Show, run and switch what the cluster does by itself."`
	Secret   secretCommand        `cmd:"" help:"Make the secret that all nodes of a new cluster share."`
}

// Help tells how nodes are named.
func (clusterCommand) Help() string {
	return `Any node of the cluster can be asked; NODE is the name of a node or its id.

Examples:
  stere cluster status
  stere cluster drain db3 --wait && stere cluster remove db3`
}

// clusterAttempts is how often a cluster that is busy or without a leader is
// asked.
const clusterAttempts = 4

// watchFlag is a flag that may have an interval.
type watchFlag struct {
	on    bool
	every time.Duration
}

const watchEvery = 2 * time.Second

// Decode implements kong.MapperValue.
func (w *watchFlag) Decode(ctx *kong.DecodeContext) error {
	w.on, w.every = true, watchEvery
	if ctx.Scan.Peek().Type != kong.FlagValueToken {
		return nil
	}
	text := ctx.Scan.Pop().String()
	every, err := syntax.ParseDuration(text)
	if err == nil && every <= 0 {
		err = syntax.ErrDuration
	}
	if w.every = every; err != nil {
		return fmt.Errorf("%q: %w", text, err)
	}
	return nil
}

// IsBool implements kong.BoolMapperValue: the value may be left out.
func (w *watchFlag) IsBool() bool { return true }

type clusterStatusCommand struct {
	remoteFlags
	Watch  watchFlag `help:"Show it again and again, every 2 seconds or as said: --watch=10s."`
	JSON   bool      `name:"json" help:"As JSON, as GET /admin/cluster has it; with --watch one line each time."`
	Shards bool      `help:"Every shard and replica, not only those with a problem."`
	Color  string    `enum:"auto,always,never" default:"auto" help:"auto, always or never."`
}

// Help teaches by example.
func (clusterStatusCommand) Help() string {
	return `Shows how the cluster is, as the node that is asked sees it.

Examples:
  stere cluster status
  stere cluster status --shards
  stere cluster status --watch
  stere cluster status --json | jq '.nodes[] | select(.life != "alive") | .name'`
}

// Run shows the cluster once, or until the program is interrupted.
func (c *clusterStatusCommand) Run(p *program) error {
	node, _, err := p.connect(c.remoteFlags, clusterAttempts)
	if err != nil {
		return err
	}
	defer node.Close()
	if !c.Watch.on {
		return c.show(p, node, false)
	}
	for {
		err := c.show(p, node, true)
		switch {
		case p.ctx.Err() != nil:
			return nil // how watching ends
		case err != nil && !passes(err):
			return err
		case err != nil:
			fmt.Fprintf(p.stderr, "stere: %v\n", err)
		}
		if p.pause(c.Watch.every) != nil {
			return nil
		}
	}
}

// passes reports whether an error may be over the next time.
func passes(err error) bool {
	var answer *client.Error
	return errors.Is(err, client.ErrUnreachable) || errors.As(err, &answer) && answer.Status >= 500
}

// pause waits, unless the program is interrupted first.
func (p *program) pause(d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-p.ctx.Done():
		return p.ctx.Err()
	}
}

func (c *clusterStatusCommand) show(p *program, node *client.Client, again bool) error {
	status, err := node.Cluster(p.ctx)
	if err != nil {
		return err
	}
	terminal := isTerminal(p.stdout)
	var text []byte
	if c.JSON {
		if text, err = json.Marshal(status); err == nil && !again {
			text, err = json.MarshalIndent(status, "", "  ")
		}
		text = append(plain.JSON(text), '\n')
	} else {
		view := &clusterView{status: status, now: time.Now(), allShards: c.Shards, color: c.Color == "always" || c.Color == "auto" && terminal && p.getenv("NO_COLOR") == ""}
		text = view.render()
		switch {
		case again && terminal:
			text = append([]byte("\x1b[H\x1b[2J"), text...)
		case again:
			text = append(text, '\n')
		}
	}
	if err != nil {
		return err
	}
	_, err = p.stdout.Write(text)
	return err
}

// nodeArg is the argument that names a node.
type nodeArg struct {
	Node string `arg:"" name:"node" help:"The name or id of a node."`
}

type drainCommand struct {
	remoteFlags
	nodeArg
	Undo  bool          `help:"Take it back: the node takes replicas again."`
	Wait  bool          `help:"Show progress until the node is empty."`
	Every time.Duration `default:"2s" help:"How often to look, with --wait." placeholder:"DURATION"`
}

// Help teaches by example.
func (drainCommand) Help() string {
	return `Every replica moves from the node to others; then it can be removed without loss. Until then it serves as before. What is moved stays moved with --undo.

Examples:
  stere cluster drain db3
  stere cluster drain db3 --wait && stere cluster remove db3
  stere cluster drain db3 --undo`
}

// Run drains a node, and waits until it is empty if that is wanted.
func (c *drainCommand) Run(p *program) error {
	if c.Undo && c.Wait {
		return usageError{errors.New("--undo and --wait exclude each other: taking it back is done at once")}
	}
	if c.Every <= 0 {
		return usageError{fmt.Errorf("--every is %v, want more than 0", c.Every)}
	}
	node, _, err := p.connect(c.remoteFlags, clusterAttempts)
	if err != nil {
		return err
	}
	defer node.Close()
	if c.Undo {
		changed, err := node.Undrain(p.ctx, c.Node)
		if err == nil {
			fmt.Fprintf(p.stdout, "%s takes replicas again.\n", changed.Name)
		}
		return err
	}
	changed, err := node.Drain(p.ctx, c.Node)
	if err != nil {
		return err
	}
	if c.Wait {
		return c.wait(p, node, changed)
	}
	fmt.Fprintf(p.stdout, "%s drains: its replicas move to other nodes.\nWatch it: stere cluster status --watch. To wait until it is empty: stere cluster drain %s --wait\n", changed.Name, changed.Name)
	return nil
}

// wait shows what is left on a node until nothing is.
func (c *drainCommand) wait(p *program, node *client.Client, drained v1.NodeChange) error {
	show := drainProgress{out: p.stderr, draws: isTerminal(p.stderr), name: drained.Name, started: time.Now()}
	defer show.end()
	for {
		status, err := node.Cluster(p.ctx)
		if err != nil && !passes(err) {
			return err
		}
		if err != nil {
			show.note(err.Error())
		} else {
			at, ok := nodeOf(status, drained.ID)
			empty := at.State == v1.NodeDraining && at.Replicas == 0
			votes := slices.Contains(status.Catalogue.Voters, drained.ID) // until others have its vote it is not removed
			switch {
			case !ok || at.State == v1.NodeGone || empty && !votes:
				show.end()
				fmt.Fprintf(p.stdout, "%s is empty. To remove it: stere cluster remove %s\n", drained.Name, drained.Name)
				return nil
			case at.State == v1.NodeActive:
				return fmt.Errorf("%s is no longer to drain: somebody has taken it back", drained.Name)
			case empty:
				show.note(drained.Name + ": no replicas left, it still votes in the catalogue")
			default:
				show.update(status, at, time.Now())
			}
		}
		if err := p.pause(c.Every); err != nil {
			return err
		}
	}
}

type removeCommand struct {
	remoteFlags
	nodeArg
	Force bool `help:"Also if the node has replicas: what only it has is lost."`
}

// Help teaches by example.
func (removeCommand) Help() string {
	return `Says that a node will never come back, for good: its id stays refused. Without
--force that is done only if nothing is lost by it, and otherwise told what would be.

Examples:
  stere cluster remove db3
  stere cluster remove db3 --force`
}

// Run removes a node, or says what that would cost.
func (c *removeCommand) Run(p *program) error {
	node, _, err := p.connect(c.remoteFlags, clusterAttempts)
	if err != nil {
		return err
	}
	defer node.Close()
	before, looked := node.Cluster(p.ctx) // afterwards it has nothing any more
	changed, err := node.RemoveNode(p.ctx, c.Node, c.Force)
	var answer *client.Error
	if errors.As(err, &answer) && answer.Status == 409 && !c.Force && looked == nil {
		if at, ok := nodeOf(before, c.Node); ok {
			fmt.Fprint(p.stderr, costOf(before, at))
		}
		return err
	}
	if err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "%s is removed for good. Stop it if it still runs, and do not start it again with this data folder.\n", changed.Name)
	if lost := lostWith(before, changed.ID); looked == nil && len(lost) > 0 {
		fmt.Fprintf(p.stdout, "Lost with it: %s.\n", shardList(lost))
	}
	return nil
}

type moveCommand struct {
	remoteFlags
	Shard uint32 `arg:"" help:"The number of the shard."`
	From  string `required:"" help:"The node that has the replica." placeholder:"NODE"`
	To    string `required:"" help:"The node that is to have it." placeholder:"NODE"`
}

// Help teaches by example.
func (moveCommand) Help() string {
	return `The new replica is made first; the old one goes when the new one is complete.
stere cluster status --shards shows who has what.

Examples:
  stere cluster move 7 --from db1 --to db4`
}

// Run moves a replica.
func (c *moveCommand) Run(p *program) error {
	node, _, err := p.connect(c.remoteFlags, clusterAttempts)
	if err != nil {
		return err
	}
	defer node.Close()
	if err := node.MoveReplica(p.ctx, v1.MoveRequest{Shard: c.Shard, From: c.From, To: c.To}); err != nil {
		return err
	}
	fmt.Fprintf(p.stdout, "Shard %d moves from %s to %s.\nWatch it: stere cluster status --watch\n", c.Shard, c.From, c.To)
	return nil
}

type pauseCommand struct{ remoteFlags }

// Help says what goes on.
func (pauseCommand) Help() string {
	return `Nothing is moved for balance any more, for example during maintenance. Repairs go on;
to stop those too: stere cluster heal disable all.

Examples:
  stere cluster pause`
}

// Run pauses.
func (c *pauseCommand) Run(p *program) error {
	paused := true
	return p.setCluster(c.remoteFlags, v1.ClusterSettingsRequest{Paused: &paused}, "Nothing is moved for balance until: stere cluster resume")
}

type resumeCommand struct{ remoteFlags }

// Help teaches by example.
func (resumeCommand) Help() string {
	return `Takes stere cluster pause back.

Examples:
  stere cluster resume`
}

// Run resumes.
func (c *resumeCommand) Run(p *program) error {
	paused := false
	return p.setCluster(c.remoteFlags, v1.ClusterSettingsRequest{Paused: &paused}, "Moves for balance go on.")
}

type replicasCommand struct {
	remoteFlags
	Count  string `arg:"" name:"n" help:"1, 3 or 5, or auto to let the number of nodes decide."`
	Tenant string `help:"Of this tenant's records, at least; auto: as many as others have." placeholder:"NAME"`
}

// Help teaches by example.
func (replicasCommand) Help() string {
	return `With 3 replicas one node may fail without loss and without interruption, with 5 two.
Replicas are made or removed one after the other; stere cluster status shows how far
that is. A tenant can be given more than others have: every shard that may have its records
gets as many, also for others that share it. Fewer it has only in shards that it alone was
given.

Examples:
  stere cluster replicas 3
  stere cluster replicas auto
  stere cluster replicas 5 --tenant payments`
}

// Run sets the number of replicas.
func (c *replicasCommand) Run(p *program) error {
	n, err := strconv.Atoi(c.Count)
	done := fmt.Sprintf("%d replicas of every shard are wanted.", n)
	switch {
	case c.Count == "auto":
		n, done = 0, "The number of nodes decides how many replicas are wanted."
	case err != nil || n != 1 && n != 3 && n != 5:
		return usageError{fmt.Errorf("%q replicas, want 1, 3, 5 or auto", c.Count)}
	}
	if c.Tenant != "" {
		done = fmt.Sprintf("%d replicas of every shard with records of %s are wanted, at least.", n, c.Tenant)
		if n == 0 {
			done = fmt.Sprintf("Shards with records of %s have as many replicas as others.", c.Tenant)
		}
	}
	return p.setCluster(c.remoteFlags, v1.ClusterSettingsRequest{Replicas: &n, Tenant: c.Tenant}, done)
}

type shardsCommand struct {
	remoteFlags
	Count int `arg:"" name:"n" help:"How many shards there are to be; not fewer than there are."`
}

// Help teaches by example.
func (shardsCommand) Help() string {
	return `New shards are empty and get their replicas first. No record moves: a tenant that sends
more than its shards should take is given some of them, and writes to these as well as
soon as every node asks them. Shards cannot be taken away again.

Examples:
  stere cluster shards 32`
}

// Run adds shards.
func (c *shardsCommand) Run(p *program) error {
	if c.Count < 1 {
		return usageError{fmt.Errorf("%d shards, want at least as many as there are", c.Count)}
	}
	return p.setCluster(c.remoteFlags, v1.ClusterSettingsRequest{Shards: &c.Count}, fmt.Sprintf("There are %d shards. The new ones get their replicas: stere cluster status --watch", c.Count))
}

// setCluster changes settings of the cluster and says what is done then.
func (p *program) setCluster(flags remoteFlags, settings v1.ClusterSettingsRequest, done string) error {
	node, _, err := p.connect(flags, clusterAttempts)
	if err != nil {
		return err
	}
	defer node.Close()
	if err := node.SetCluster(p.ctx, settings); err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, done)
	return nil
}

// healCommand is what an operator does with what the cluster does by itself.
type healCommand struct {
	List    healListCommand    `cmd:"" default:"withargs" help:"Show actions, what was done and what is planned (the default)."`
	Take    healRunCommand     `cmd:"" name:"run" help:"Take an action now."`
	Enable  healEnableCommand  `cmd:"" help:"Switch an action on."`
	Disable healDisableCommand `cmd:"" help:"Switch an action off."`
}

type healListCommand struct {
	remoteFlags
	JSON bool `name:"json" help:"As JSON, as GET /admin/self-healing has it."`
}

// Help teaches by example.
func (healListCommand) Help() string {
	return `Examples:
  stere cluster heal
  stere cluster heal list --json`
}

// Run shows what the cluster does by itself.
func (c *healListCommand) Run(p *program) error {
	node, _, err := p.connect(c.remoteFlags, clusterAttempts)
	if err != nil {
		return err
	}
	defer node.Close()
	healing, err := node.SelfHealing(p.ctx)
	if err != nil {
		return err
	}
	if c.JSON {
		text, err := json.MarshalIndent(healing, "", "  ")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(p.stdout, "%s\n", plain.JSON(text))
		return err
	}
	names, err := p.nodeNames(p.ctx, node)
	if err != nil {
		return err
	}
	_, err = p.stdout.Write(renderHealing(healing, names, time.Now(), isTerminal(p.stdout) && p.getenv("NO_COLOR") == ""))
	return err
}

// nodeNames returns the names of nodes by id.
func (p *program) nodeNames(ctx context.Context, node *client.Client) (map[string]string, error) {
	status, err := node.Cluster(ctx)
	return namesOf(status), err
}

// actionArg is the argument that names an action.
type actionArg struct {
	Action string `arg:"" help:"The id of an action, see stere cluster heal."`
}

type healRunCommand struct {
	remoteFlags
	Action string `arg:"" optional:"" help:"The id of an action, see stere cluster heal; without one, with --dry-run, all that is planned."`
	Target string `help:"One of what is planned, for example 'shard 3 from db1 to db2' (default: all of the action)." placeholder:"TARGET"`
	Reason string `help:"For the history." placeholder:"TEXT"`
	DryRun bool   `help:"Only say what would be done."`
}

// Help teaches by example.
func (healRunCommand) Help() string {
	return `Takes an action although it is switched off or cools down. What is not safe is refused.
flush, drop-cache and restart-component are done to the node that is named, only if they are
switched on and have cooled down, and are over when the command ends.

Examples:
  stere cluster heal run --dry-run
  stere cluster heal run move-replica --reason 'new nodes'
  stere cluster heal run move-replica --target 'shard 3 from db1 to db4'
  stere cluster heal run drop-cache --target 'node db2'
  stere cluster heal run restart-component --target 'replica of shard 3 on db2'`
}

// Run takes an action.
func (c *healRunCommand) Run(p *program) error {
	if c.Action == "" && !c.DryRun {
		return usageError{errors.New("no action is named; stere cluster heal shows them, and --dry-run all that is planned")}
	}
	what := cmp.Or(c.Action, "all that is planned")
	node, _, err := p.connect(c.remoteFlags, clusterAttempts)
	if err != nil {
		return err
	}
	defer node.Close()
	result, err := node.Heal(p.ctx, v1.HealingRequest{Action: v1.HealingExecute, ActionID: c.Action, Target: c.Target, Reason: c.Reason, DryRun: c.DryRun})
	if err != nil {
		return err
	}
	if !result.Success {
		return fmt.Errorf("%s: %s", what, oneLine(result.Error))
	}
	head := what + " is begun"
	switch {
	case c.DryRun:
		head = what + " would do this"
	case len(result.Plan) == 0: // it is done, or there was nothing to do
		head = what
	}
	if result.Detail != "" {
		head += ": " + oneLine(result.Detail)
	}
	fmt.Fprintln(p.stdout, head)
	if len(result.Plan) == 0 {
		return nil
	}
	names, err := p.nodeNames(p.ctx, node)
	if err != nil {
		return err
	}
	t := table{}
	for _, move := range result.Plan {
		t.add(moveRow(move, names, time.Now())...)
	}
	_, err = p.stdout.Write(t.render(""))
	return err
}

type healEnableCommand struct {
	remoteFlags
	actionArg
}

// Help teaches by example.
func (healEnableCommand) Help() string {
	return `"all" is everything that the cluster does by itself.

Examples:
  stere cluster heal enable move-replica
  stere cluster heal enable all`
}

// Run switches an action on.
func (c *healEnableCommand) Run(p *program) error { return p.toggle(c.remoteFlags, c.Action, true) }

type healDisableCommand struct {
	remoteFlags
	actionArg
}

// Help teaches by example.
func (healDisableCommand) Help() string {
	return `"all" is everything that the cluster does by itself; it then waits for an operator even
if a node dies.

Examples:
  stere cluster heal disable move-replica
  stere cluster heal disable all`
}

// Run switches an action off.
func (c *healDisableCommand) Run(p *program) error { return p.toggle(c.remoteFlags, c.Action, false) }

// toggle switches an action, or all of them.
func (p *program) toggle(flags remoteFlags, action string, enabled bool) error {
	node, _, err := p.connect(flags, clusterAttempts)
	if err != nil {
		return err
	}
	defer node.Close()
	result, err := node.Heal(p.ctx, v1.HealingRequest{Action: v1.HealingToggle, ActionID: action, Enabled: &enabled})
	if err == nil && !result.Success {
		err = fmt.Errorf("%s: %s", action, oneLine(result.Error))
	}
	if err != nil {
		return err
	}
	what := action
	if action == v1.HealingAll {
		what = "Everything that the cluster does by itself"
	}
	fmt.Fprintf(p.stdout, "%s is %s.\n", what, map[bool]string{true: "on", false: "off"}[enabled])
	return nil
}

type secretCommand struct {
	Out string `help:"Write it to this new file, which only you can read, instead of printing it." placeholder:"FILE"`
}

// Help teaches by example.
func (secretCommand) Help() string {
	return `Makes a new random secret. All nodes of a cluster share one: it keeps strangers out
of the cluster port and of gossip, and encrypts both. Give every node the same file.

Examples:
  stere cluster secret --out /etc/stere/secret
  stere cluster secret | ssh db2 'umask 077 && cat > /etc/stere/secret'`
}

// Run prints a new secret, or writes it to a file that is not there yet.
func (c *secretCommand) Run(p *program) error {
	if c.Out == "" {
		_, err := fmt.Fprintf(p.stdout, "%s\n", link.NewSecret())
		return err
	}
	if _, err := link.CreateSecret(c.Out); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%s is there already and was left as it is: a cluster may need it; choose another --out, or remove it first", c.Out)
		}
		return err
	}
	fmt.Fprintf(p.stdout, "Wrote a new secret to %s.\nCopy the file to every node of the cluster and start each with --cluster-secret-file %s.\n", c.Out, c.Out)
	return nil
}
