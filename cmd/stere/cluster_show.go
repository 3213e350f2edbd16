package main

import (
	"bytes"
	"cmp"
	"fmt"
	"io"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/internal/plain"
)

// The colours of a terminal that tables use.
const (
	colorPlain  = ""
	colorBold   = "\x1b[1m"
	colorDim    = "\x1b[2m"
	colorRed    = "\x1b[31m"
	colorGreen  = "\x1b[32m"
	colorYellow = "\x1b[33m"
)

// What a table shows at most, so that it fits a screen.
const (
	plannedShown   = 10
	shardsShown    = 40 // with a problem
	moveBarWidth   = 16
	clockSkewShown = 5 // milliseconds
)

// cell is one field of a table.
type cell struct {
	text  string
	color string
	right bool // numbers stand to the right
}

// oneLine makes a text safe for a line of a terminal.
func oneLine(text string) string {
	return strings.Join(strings.Fields(plain.Text(text)), " ")
}

func textCell(s string) cell               { return cell{text: cmp.Or(oneLine(s), "-")} }
func numberCell(format string, v any) cell { return cell{text: fmt.Sprintf(format, v), right: true} }
func amountCell(n int64) cell              { return cell{text: humanBytes(float64(n)), right: true} }

// counted writes a number of things.
func counted(n int, thing string) string {
	if n != 1 {
		thing += "s"
	}
	return fmt.Sprintf("%d %s", n, thing)
}

// grouped writes a number with a comma before every three digits.
func grouped(n int64) string {
	digits := strconv.FormatInt(n, 10)
	for at := len(digits) - 3; at > 0 && digits[at-1] != '-'; at -= 3 {
		digits = digits[:at] + "," + digits[at:]
	}
	return digits
}

// table is rows of cells that are shown as columns.
type table struct {
	rows  [][]cell
	named bool // the first row are the names of columns
	color bool
}

func (t *table) add(row ...cell) { t.rows = append(t.rows, row) }

// head adds the names of the columns; those of numbers begin with ">".
func (t *table) head(names ...string) {
	row := make([]cell, len(names))
	for i, name := range names {
		name, right := strings.CutPrefix(name, ">")
		row[i] = cell{text: name, color: colorDim, right: right}
	}
	t.named = true
	t.add(row...)
}

// widths returns how wide each column is, 0 for one that is empty.
func (t *table) widths() (widths []int) {
	for n, row := range t.rows {
		for i, c := range row {
			if i == len(widths) {
				widths = append(widths, 0)
			}
			if (n > 0 || !t.named) && c.text != "" && c.text != "-" {
				widths[i] = max(widths[i], len([]rune(c.text)))
			}
		}
	}
	if t.named {
		for i, c := range t.rows[0] {
			if widths[i] > 0 {
				widths[i] = max(widths[i], len(c.text))
			}
		}
	}
	return widths
}

// render returns the table, every line with an indent. Empty columns are left
// out.
func (t *table) render(indent string) []byte {
	var b bytes.Buffer
	widths := t.widths()
	for _, row := range t.rows {
		var parts []string
		for i, c := range row {
			if widths[i] == 0 {
				continue
			}
			space := strings.Repeat(" ", max(widths[i]-len([]rune(c.text)), 0))
			shown := c.text
			if t.color && c.color != colorPlain && shown != "" {
				shown = c.color + shown + "\x1b[0m"
			}
			if c.right {
				parts = append(parts, space+shown)
			} else {
				parts = append(parts, shown+space)
			}
		}
		b.WriteString(strings.TrimRight(indent+strings.Join(parts, "  "), " ") + "\n")
	}
	return b.Bytes()
}

// clusterView shows a cluster to people.
type clusterView struct {
	status    v1.ClusterStatus
	now       time.Time
	allShards bool
	color     bool

	names map[string]string
	b     bytes.Buffer
}

// namesOf returns the names of nodes by id.
func namesOf(status v1.ClusterStatus) map[string]string {
	names := map[string]string{}
	for _, node := range status.Nodes {
		names[node.ID] = oneLine(cmp.Or(node.Name, node.ID))
	}
	return names
}

// named returns the name of a node, its id if it has none, "-" for none.
func named(names map[string]string, id string) string {
	return cmp.Or(names[id], oneLine(id), "-")
}

// nodeOf finds a node by id or name.
func nodeOf(status v1.ClusterStatus, node string) (v1.ClusterNode, bool) {
	for _, by := range []func(v1.ClusterNode) string{func(n v1.ClusterNode) string { return n.ID }, func(n v1.ClusterNode) string { return n.Name }} {
		if i := slices.IndexFunc(status.Nodes, func(n v1.ClusterNode) bool { return by(n) == node }); i >= 0 {
			return status.Nodes[i], true
		}
	}
	return v1.ClusterNode{}, false
}

func (v *clusterView) paint(color, text string) string {
	if !v.color || color == colorPlain {
		return text
	}
	return color + text + "\x1b[0m"
}

func (v *clusterView) heading(format string, args ...any) {
	v.b.WriteString("\n" + v.paint(colorBold, fmt.Sprintf(format, args...)) + "\n")
}

// render returns the whole view.
func (v *clusterView) render() []byte {
	v.names = namesOf(v.status)
	v.summary()
	v.nodes()
	v.shards()
	v.tenants()
	v.moves()
	v.problems()
	return v.b.Bytes()
}

func (v *clusterView) summary() {
	s := v.status
	voters := make([]string, len(s.Catalogue.Voters))
	for i, id := range s.Catalogue.Voters {
		voters[i] = named(v.names, id)
	}
	leader := cell{text: "led by " + named(v.names, s.Catalogue.Leader) + ", voters " + strings.Join(voters, " ")}
	if s.Catalogue.Leader == "" {
		leader = cell{text: "no leader, voters " + strings.Join(voters, " "), color: colorRed}
	}
	decided := "by the number of nodes"
	if s.Settings.ReplicasByHand {
		decided = "chosen by hand"
	}
	t := table{color: v.color}
	t.add(cell{text: "Cluster"}, textCell(s.ClusterID+", as "+named(v.names, s.Node)+" sees it"))
	t.add(cell{text: "Catalogue"}, leader)
	t.add(cell{text: "Replicas"}, textCell(fmt.Sprintf("%d wanted, %s", s.Settings.Replicas, decided)))
	if s.Settings.Paused {
		t.add(cell{text: "Balance"}, cell{text: "paused, go on with: stere cluster resume", color: colorYellow})
	}
	v.b.Write(t.render(""))
}

func (v *clusterView) nodes() {
	alive := 0
	t := table{color: v.color}
	t.head("NAME", "ID", "ZONE", "STATE", ">FOR", "DISK", ">LOAD", ">LEADERS", ">REPLICAS", ">DATA", ">CLOCK", "VERSION")
	for _, n := range v.status.Nodes {
		if n.Life == v1.LifeAlive {
			alive++
		}
		name := n.Name
		if n.ID == v.status.Node {
			name += " *"
		}
		load, clock := cell{}, cell{}
		if n.Life != v1.LifeDead && n.Life != v1.LifeLeft {
			load = numberCell("%.2f", n.Load)
		}
		if math.Abs(n.ClockSkew) >= clockSkewShown {
			clock = numberCell("%+.0f ms", n.ClockSkew)
		}
		t.add(textCell(name), textCell(n.ID), textCell(n.Zone), nodeState(n), cell{text: v.age(n.Since), right: true}, disk(n.Disk), load,
			numberCell("%d", n.Leaders), numberCell("%d", n.Replicas), amountCell(n.Bytes), clock, textCell(n.Version))
	}
	v.heading("%s, %d alive", counted(len(v.status.Nodes), "node"), alive)
	v.b.Write(t.render("  "))
}

// nodeState says what is of a node, and what is wanted where that is not just
// that it works.
func nodeState(n v1.ClusterNode) cell {
	state := cell{text: oneLine(n.Life), color: map[string]string{v1.LifeAlive: colorGreen, v1.LifeSuspect: colorYellow}[n.Life]}
	if n.Life == v1.LifeDead || n.Life == v1.LifeLeft {
		state.color = colorRed
	}
	if n.State != v1.NodeActive {
		state.text += ", " + oneLine(n.State)
		if n.Life == v1.LifeAlive {
			state.color = colorYellow
		}
	}
	if n.State == v1.NodeGone {
		state.color = colorDim
	}
	return state
}

func disk(d v1.ClusterDisk) cell {
	if d.Total <= 0 {
		return cell{}
	}
	used := float64(d.Total-d.Free) / float64(d.Total)
	c := cell{text: fmt.Sprintf("%2.0f%% of %s", used*100, humanBytes(float64(d.Total)))}
	switch {
	case d.Full:
		c.text, c.color = c.text+", refuses records", colorRed
	case used >= 0.85:
		c.color = colorYellow
	}
	return c
}

// age writes how long ago a time was.
func (v *clusterView) age(since time.Time) string {
	if since.IsZero() {
		return ""
	}
	return span(v.now.Sub(since))
}

// span writes a duration with one unit, or two where the second tells.
func span(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 10*time.Minute:
		return fmt.Sprintf("%dm%02ds", int(d.Minutes()), int(d.Seconds())%60)
	case d < time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 24*time.Hour:
		return fmt.Sprintf("%dh%02dm", int(d.Hours()), int(d.Minutes())%60)
	}
	return fmt.Sprintf("%dd", int(d.Hours())/24)
}

func (v *clusterView) shards() {
	lives := map[string]string{}
	for _, n := range v.status.Nodes {
		lives[n.ID] = n.Life
	}
	var bytes, records int64
	rate, fine, left := 0.0, 0, 0
	t := table{color: v.color}
	t.head(">SHARD", "LEADER", "REPLICAS", ">DATA", ">RECORDS", ">WRITES", "PROBLEM")
	for _, s := range v.status.Shards {
		bytes, records, rate = bytes+s.Bytes, records+s.Records, rate+s.WriteRate
		replicas := make([]string, len(s.Replicas))
		problem := s.Problem
		if short := len(s.Replicas); problem == "" && short < v.status.Settings.Replicas {
			problem = fmt.Sprintf("%s of %d", counted(short, "replica"), v.status.Settings.Replicas)
		}
		ok := s.Leader != "" && problem == ""
		for i, r := range s.Replicas {
			state := replicaState(r, lives[r.Node])
			ok = ok && state == ""
			if replicas[i] = named(v.names, r.Node); state != "" {
				replicas[i] += " (" + state + ")"
			}
		}
		if ok {
			fine++
		}
		if !v.allShards && (ok || len(t.rows) > shardsShown) {
			left += map[bool]int{true: 0, false: 1}[ok]
			continue
		}
		leader := textCell(named(v.names, s.Leader))
		if s.Leader == "" {
			leader = cell{text: "none", color: colorRed}
		}
		t.add(numberCell("%d", s.Number), leader, cell{text: strings.Join(replicas, ", ")}, amountCell(s.Bytes), cell{text: grouped(s.Records), right: true},
			cell{text: humanBytes(s.WriteRate) + "/s", right: true}, cell{text: oneLine(problem), color: colorRed})
	}
	v.heading("%s, %d fine: %s, %s records, %s/s written", counted(len(v.status.Shards), "shard"), fine, humanBytes(float64(bytes)), grouped(records), humanBytes(rate))
	if len(t.rows) > 1 {
		v.b.Write(t.render("  "))
	}
	if left > 0 {
		fmt.Fprintf(&v.b, "  and %d more that are not fine, see --shards\n", left)
	}
}

// replicaState says what is not as it should be with a replica, "" for nothing.
func replicaState(r v1.ClusterReplica, life string) string {
	var parts []string
	if r.Role != v1.RoleVoter {
		parts = append(parts, oneLine(r.Role))
	}
	if life != v1.LifeAlive {
		parts = append(parts, cmp.Or(oneLine(life), "unknown node"))
	}
	if r.MissingSegments > 0 {
		parts = append(parts, fmt.Sprintf("%s, %s missing", counted(r.MissingSegments, "segment"), humanBytes(float64(r.MissingBytes))))
	}
	if !r.Complete && r.MissingSegments == 0 && life == v1.LifeAlive {
		parts = append(parts, "incomplete")
		if r.Lag > 0 {
			parts = append(parts, fmt.Sprintf("%d entries behind", r.Lag))
		}
	}
	if r.Rotten > 0 {
		parts = append(parts, counted(r.Rotten, "rotten segment"))
	}
	return strings.Join(parts, ", ")
}

// tenantsListed is how many tenants are shown that wait for nothing.
const tenantsListed = 10

// tenants shows how the tenants lie that send most or are given shards.
func (v *clusterView) tenants() {
	if len(v.status.Tenants) == 0 {
		return
	}
	t := table{color: v.color}
	t.head("TENANT", ">A DAY", ">SHARDS", ">KEYED", ">REPLICAS", "TO COME")
	for i, one := range v.status.Tenants {
		coming := textCell("")
		switch {
		case one.WaitsFor != "":
			coming = cell{text: fmt.Sprintf("%d more: %s", one.Announced, oneLine(one.WaitsFor)), color: colorYellow}
		case one.Announced > 0:
			coming = textCell(fmt.Sprintf("%d more at once", one.Announced))
		case i >= tenantsListed && one.Replicas == 0:
			continue
		}
		replicas := textCell("")
		if one.Replicas != 0 {
			replicas = numberCell("%d", one.Replicas)
		}
		t.add(textCell(oneLine(one.Tenant)), amountCell(one.BytesPerDay), numberCell("%d", one.Shards), numberCell("%d", one.Keyed), replicas, coming)
	}
	v.heading("Tenants that send most")
	v.b.Write(t.render("  "))
}

func (v *clusterView) moves() {
	running, planned := 0, 0
	t := table{color: v.color}
	for _, m := range v.status.Moves {
		if m.State == v1.MoveRunning {
			running++
		} else if planned++; planned > plannedShown {
			continue
		}
		t.add(moveRow(m, v.names, v.now)...)
	}
	if len(t.rows) == 0 {
		return
	}
	v.heading("%s in progress, %d planned", counted(running, "move"), planned)
	v.b.Write(t.render("  "))
	if planned > plannedShown {
		fmt.Fprintf(&v.b, "  and %d more planned\n", planned-plannedShown)
	}
}

// moveRow shows a move: what, how far, and why.
func moveRow(m v1.ClusterMove, names map[string]string, now time.Time) []cell {
	way := named(names, m.From) + " → " + named(names, m.To)
	switch {
	case m.To == "":
		way = "from " + named(names, m.From)
	case m.From == "":
		way = "to " + named(names, m.To)
	}
	far, size, eta := cell{}, cell{}, cell{}
	switch {
	case m.State != v1.MoveRunning:
		far = cell{text: cmp.Or(oneLine(m.WaitsFor), "planned"), color: colorDim}
	case m.Bytes > 0:
		share := min(max(float64(m.Done)/float64(m.Bytes), 0), 1)
		far = cell{text: fmt.Sprintf("%s %3.0f%%", bar(share, moveBarWidth), share*100)}
	default:
		far = textCell("since " + span(now.Sub(m.Started)))
		if m.Started.IsZero() {
			far = textCell("in progress")
		}
	}
	if m.Bytes > 0 {
		size = amountCell(m.Bytes)
	}
	if m.ETA > 0 {
		eta = cell{text: "ETA " + span(time.Duration(m.ETA*float64(time.Second)))}
	}
	why := oneLine(m.Reason)
	if m.By != "" {
		why = strings.TrimSpace(why + " (by " + oneLine(m.By) + ")")
	}
	return []cell{textCell(m.Kind), {text: fmt.Sprintf("shard %d", m.Shard)}, {text: way}, far, size, eta, {text: why}}
}

// bar draws a share.
func bar(share float64, width int) string {
	full := int(min(max(share, 0), 1) * float64(width))
	return "[" + strings.Repeat("█", full) + strings.Repeat("·", width-full) + "]"
}

func (v *clusterView) problems() {
	all := slices.Clone(v.status.Problems)
	for _, n := range v.status.Nodes {
		for _, problem := range n.Problems {
			if !slices.ContainsFunc(v.status.Problems, func(told string) bool {
				return strings.HasPrefix(told, "node "+n.ID) && strings.HasSuffix(told, ": "+problem)
			}) {
				all = append(all, v.names[n.ID]+": "+problem)
			}
		}
	}
	if len(all) == 0 {
		v.b.WriteString("\n" + v.paint(colorGreen, "No problems.") + "\n")
		return
	}
	v.heading("%s", counted(len(all), "problem"))
	for _, problem := range all {
		v.b.WriteString("  " + v.paint(colorRed, "! "+oneLine(problem)) + "\n")
	}
}

// lostWith returns the shards of which only a node has everything, as far as
// nodes that are alive have said.
func lostWith(status v1.ClusterStatus, node string) (lost []v1.ClusterShard) {
	alive := map[string]bool{}
	for _, n := range status.Nodes {
		alive[n.ID] = n.Life == v1.LifeAlive && n.State != v1.NodeGone
	}
	for _, s := range status.Shards {
		has := slices.ContainsFunc(s.Replicas, func(r v1.ClusterReplica) bool { return r.Node == node })
		elsewhere := slices.ContainsFunc(s.Replicas, func(r v1.ClusterReplica) bool { return r.Node != node && r.Complete && alive[r.Node] })
		if has && !elsewhere {
			lost = append(lost, s)
		}
	}
	return lost
}

// shardList names shards and what is in them.
func shardList(shards []v1.ClusterShard) string {
	const most = 5
	var parts []string
	for _, s := range shards[:min(len(shards), most)] {
		parts = append(parts, fmt.Sprintf("shard %d (%s, %s records)", s.Number, humanBytes(float64(s.Bytes)), grouped(s.Records)))
	}
	if len(shards) > most {
		parts = append(parts, fmt.Sprintf("%d more shards", len(shards)-most))
	}
	return strings.Join(parts, ", ")
}

// costOf says what removing a node would cost, and how it costs nothing.
func costOf(status v1.ClusterStatus, node v1.ClusterNode) string {
	lost := lostWith(status, node.ID)
	var b strings.Builder
	fmt.Fprintf(&b, "%s is %s and has %s, %s.\n", oneLine(node.Name), oneLine(node.Life), counted(node.Replicas, "replica"), humanBytes(float64(node.Bytes)))
	if safe := node.Replicas - len(lost); safe > 0 {
		fmt.Fprintf(&b, "Of %d of these shards other nodes have everything: they get new replicas there.\n", safe)
	}
	if len(lost) > 0 {
		fmt.Fprintf(&b, "No other node that is alive has everything of %s: without %s that is lost.\n", shardList(lost), oneLine(node.Name))
	}
	if node.Life == v1.LifeAlive {
		fmt.Fprintf(&b, "Without loss: stere cluster drain %s --wait, then stere cluster remove %s.\n", oneLine(node.Name), oneLine(node.Name))
	} else {
		fmt.Fprintf(&b, "Without loss: start %s again, then stere cluster drain %s --wait.\n", oneLine(node.Name), oneLine(node.Name))
	}
	if len(lost) == 0 || node.Life != v1.LifeAlive {
		fmt.Fprintf(&b, "Whatever it costs: stere cluster remove %s --force\n", oneLine(node.Name))
	}
	return b.String()
}

// drainProgress shows how a node becomes empty: a bar on a terminal, elsewhere
// a line for every replica less.
type drainProgress struct {
	out     io.Writer
	draws   bool
	name    string
	started time.Time

	most  float64 // replicas at the most so far
	shown string  // the last line
	drawn bool    // a bar stands in the last line
}

// update shows how much is left.
func (d *drainProgress) update(status v1.ClusterStatus, node v1.ClusterNode, now time.Time) {
	left, wait := float64(node.Replicas), ""
	for _, m := range status.Moves {
		switch {
		case m.From != node.ID:
		case m.State == v1.MoveRunning && m.Bytes > 0:
			left -= min(float64(m.Done)/float64(m.Bytes), 1)
		case wait == "" && m.WaitsFor != "":
			wait = "a move " + oneLine(m.WaitsFor)
		}
	}
	for _, problem := range status.Problems { // what holds it up, if nothing moves
		if wait == "" && strings.Contains(problem, node.ID) {
			wait = oneLine(problem)
		}
	}
	d.most = max(d.most, float64(node.Replicas), 1)
	share := min(max(1-left/d.most, 0), 1)
	line := fmt.Sprintf("%s: %s, %s left", d.name, counted(node.Replicas, "replica"), humanBytes(float64(node.Bytes)))
	if wait != "" {
		line += " (" + wait + ")"
	}
	if !d.draws {
		d.note(line)
		return
	}
	eta := "--"
	if share > 0.01 {
		eta = span(time.Duration(float64(now.Sub(d.started)) * (1 - share) / share))
	}
	fmt.Fprintf(d.out, "\r\x1b[K%s %3.0f%%  %s  ETA %s", bar(share, moveBarWidth), share*100, line, eta)
	d.drawn = true
}

// note shows a line, unless it was the last one.
func (d *drainProgress) note(line string) {
	if line != d.shown {
		d.end()
		fmt.Fprintln(d.out, line)
		d.shown = line
	}
}

// end ends the line of the bar.
func (d *drainProgress) end() {
	if d.drawn {
		fmt.Fprintln(d.out)
		d.drawn = false
	}
}

// renderHealing shows what the cluster does by itself.
func renderHealing(h v1.SelfHealing, names map[string]string, now time.Time, color bool) []byte {
	v := clusterView{now: now, color: color, names: names}
	v.b.WriteString("Self-healing is " + v.paint(map[string]string{v1.HealingActive: colorGreen, v1.HealingPaused: colorYellow, v1.HealingOff: colorRed}[h.Status], oneLine(h.Status)))
	fmt.Fprintf(&v.b, ": %d of %d actions on, %d taken, %d with success\n", h.ActionsEnabled, h.ActionsConfigured, h.TotalExecutions, h.SuccessfulExecutions)
	t := table{color: color}
	t.head("ACTION", "STATE", ">COOLDOWN", ">TAKEN", "LAST", "WHAT IT DOES")
	for _, a := range h.Actions {
		state := cell{text: "on", color: colorGreen}
		if !a.Enabled {
			state = cell{text: "off", color: colorYellow}
		} else if a.InCooldown {
			state = cell{text: "waits " + span(a.NextPossible.Sub(now)), color: colorDim}
		}
		last := ""
		if !a.LastAt.IsZero() {
			last = span(now.Sub(a.LastAt)) + " ago"
		}
		t.add(textCell(a.ID), state, cell{text: span(time.Duration(a.Cooldown * float64(time.Second))), right: true}, numberCell("%d", a.Executions), cell{text: last}, textCell(cmp.Or(a.Description, a.Name)))
	}
	v.heading("%s", counted(len(h.Actions), "action"))
	v.b.Write(t.render("  "))
	if len(h.RecentHistory) > 0 {
		t = table{color: color}
		for _, e := range h.RecentHistory {
			outcome := cell{text: oneLine(e.Result.Outcome), color: map[bool]string{true: colorGreen, false: colorRed}[e.Success]}
			if e.Result.DryRun {
				outcome.text += ", dry run"
			}
			detail := strings.TrimSpace(strings.Join([]string{e.Result.Target, cmp.Or(e.Result.Detail, e.Error)}, " "))
			why := e.Reason
			if e.By != "" {
				why = strings.TrimSpace(why + " (by " + e.By + ")")
			}
			t.add(cell{text: span(now.Sub(e.ExecutedAt)) + " ago", right: true}, textCell(cmp.Or(e.ActionID, e.ActionName)), outcome, textCell(detail), textCell(why))
		}
		v.heading("The last %d", len(h.RecentHistory))
		v.b.Write(t.render("  "))
	}
	v.status.Moves, v.status.Problems = h.Plan, h.Problems
	v.moves()
	v.problems()
	return v.b.Bytes()
}
