package cost

import (
	"fmt"
	"io"
	"text/tabwriter"
	"time"

	"github.com/stere-log/stere/bench/machine"
)

// Report is the result of a run.
type Report struct {
	Time       time.Time       `json:"time"`
	Commit     string          `json:"commit,omitempty"`
	Machine    machine.Machine `json:"machine"`
	Note       string          `json:"note,omitempty"`
	Corpus     string          `json:"corpus"`
	Network    string          `json:"network"` // as of lab.Network
	Nodes      int             `json:"nodes"`
	Lines      int             `json:"lines"`
	TextBytes  int64           `json:"textBytes"`
	BatchLines int             `json:"batchLines"`
	Workers    int             `json:"workers"`
	Loads      []Load          `json:"loads"`
	Idle       Idle            `json:"idle"`
}

// Load is a cluster that was sent the corpus.
type Load struct {
	Replicas       int     `json:"replicas"`
	Shards         int     `json:"shards"`
	Seconds        float64 `json:"seconds"`
	LinesPerSecond float64 `json:"linesPerSecond"`
	// CPUPerMillion is that of all nodes, in seconds for each million lines.
	CPUPerMillion float64 `json:"cpuSecondsPerMillionLines"`
	// CommittedBytes is what was proposed to the logs of shards: compressed
	// blocks, once each.
	CommittedBytes int64 `json:"committedBytes"`
	// WireBytes and WirePackets are what nodes sent each other, headers included.
	WireBytes   int64 `json:"wireBytes"`
	WirePackets int64 `json:"wirePackets"`
	// LimitBytes have to be sent whatever is done: each block to every replica
	// but the first, and where writers do not know who leads, to its leader from
	// the nodes that do not lead.
	LimitBytes int64 `json:"limitBytes"`
}

func (l *Load) limit() {
	carried := float64(nodes-1) / nodes
	l.LimitBytes = int64(float64(l.CommittedBytes) * (float64(l.Replicas-1) + carried))
}

// Idle is a cluster that was left alone; figures are those of one node.
type Idle struct {
	Shards           int     `json:"shards"`
	Replicas         int     `json:"replicas"`
	Seconds          float64 `json:"seconds"`
	CPUPercent       float64 `json:"cpuPercentOfACore"`
	BytesPerSecond   float64 `json:"sentBytesPerSecond"`
	PacketsPerSecond float64 `json:"sentPacketsPerSecond"`
	// WaitsPerSecond is how often threads had nothing to do and were woken.
	WaitsPerSecond float64 `json:"threadWaitsPerSecond"`
	// ReplicatedSeconds is the time from when all nodes served until every shard
	// had all replicas, LevelSeconds that until leaders lay level, 0 if they do not.
	ReplicatedSeconds float64 `json:"replicatedSeconds"`
	LevelSeconds      float64 `json:"leadersLevelSeconds"`
	RSSBytes          int64   `json:"rssBytes"`
	OpenFiles         int     `json:"openFiles"`
}

// Failed reports whether something is missing.
func (r *Report) Failed() bool { return r.Corpus != "" && len(r.Loads) != 2 || r.Idle.Seconds == 0 }

// WriteTable writes the report for people, as Markdown.
func (r *Report) WriteTable(w io.Writer) error {
	if r.Corpus != "" {
		if err := r.writeLoads(w); err != nil {
			return err
		}
	}
	i := r.Idle
	level := "not level yet"
	if i.LevelSeconds > 0 {
		level = fmt.Sprintf("level after %.0f s", i.LevelSeconds)
	}
	_, err := fmt.Fprintf(w, "\n%d shards: all of %d replicas after %.0f s, leaders %s\nidle, each node over %.0f s: %.1f %% of a core, %.0f waits of threads/s, %.0f bytes/s and %.0f packets/s sent, %.0f MB resident, %d open files\n",
		i.Shards, i.Replicas, i.ReplicatedSeconds, level, i.Seconds, i.CPUPercent, i.WaitsPerSecond, i.BytesPerSecond, i.PacketsPerSecond, float64(i.RSSBytes)/1e6, i.OpenFiles)
	if err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

func (r *Report) writeLoads(w io.Writer) error {
	fmt.Fprintf(w, "%d nodes on one machine of %d cores (%s), %d lines of %s, %d writers, network: %s\n\n", r.Nodes, r.Machine.Cores, r.Machine.CPU, r.Lines, r.Corpus, r.Workers, r.Network)
	out := tabwriter.NewWriter(w, 0, 0, 1, ' ', 0)
	fmt.Fprintln(out, "| replicas\t| lines/s\t| of one\t| CPU s per million lines\t| committed bytes per line\t| wire bytes per line\t| of the limit\t|")
	fmt.Fprintln(out, "|---\t|---:\t|---:\t|---:\t|---:\t|---:\t|---:\t|")
	for _, l := range r.Loads {
		lines := float64(max(r.Lines, 1))
		fmt.Fprintf(out, "| %d\t| %.0f\t| %.2f\t| %.2f\t| %.1f\t| %s\t| %s\t|\n", l.Replicas, l.LinesPerSecond, l.LinesPerSecond/r.Loads[0].LinesPerSecond, l.CPUPerMillion,
			float64(l.CommittedBytes)/lines, measured(l.WireBytes, "%.1f", float64(l.WireBytes)/lines), measured(min(l.WireBytes, l.LimitBytes), "%.2f", float64(l.WireBytes)/float64(max(l.LimitBytes, 1))))
	}
	if err := out.Flush(); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	return nil
}

// measured formats a figure, or says that there is none.
func measured(of int64, format string, value float64) string {
	if of <= 0 {
		return "-"
	}
	return fmt.Sprintf(format, value)
}
