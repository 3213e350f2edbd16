package scale

import (
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/stere-log/stere/bench/chart"
	"github.com/stere-log/stere/bench/machine"
)

// Report is the result of a run.
type Report struct {
	Time      time.Time       `json:"time"`
	Commit    string          `json:"commit,omitempty"`
	Machine   machine.Machine `json:"machine"`
	Seed      uint64          `json:"seed"`
	Sizes     []Size          `json:"sizes"`
	Estimates []Estimate      `json:"estimates"`
}

// Size is a cluster, and what happened to it.
type Size struct {
	Nodes    int `json:"nodes"`
	Zones    int `json:"zones"`
	Shards   int `json:"shards"`
	Replicas int `json:"replicas"`
	Tenants  int `json:"tenants"`
	// TenantShardsMicros is how long it takes to choose the shard of a new
	// tenant among all.
	TenantShardsMicros float64 `json:"tenantShardsMicros"`
	Steps              []Step  `json:"steps"`
}

// Step is an event, and how the cluster came to rest after it.
type Step struct {
	Event string `json:"event"`
	// The first plan covers everything that is to be done. It is made some times
	// over, and the fastest counts; the plans of later rounds are made once.
	FirstPlanMS      float64 `json:"firstPlanMs"`
	FirstPlanMoves   int     `json:"firstPlanMoves"`
	FirstPlanAllocMB float64 `json:"firstPlanAllocMb"`
	// PlanMSMax is the longest of all plans, one in each round.
	PlanMSMax  float64 `json:"planMsMax"`
	Rounds     int     `json:"rounds"`
	Copies     int     `json:"copies"`
	Transfers  int     `json:"transfers"`
	MovedBytes int64   `json:"movedBytes"`
	// BoundBytes have to be moved whoever plans: what is lost, or what is
	// outside of the band.
	BoundBytes int64 `json:"boundBytes"`
	// ZonesWorse are moves after which a shard's replicas shared a zone more
	// than before, as they must when a zone is lost and too few are left;
	// FewerHealthy moves that left fewer healthy replicas.
	ZonesWorse   int `json:"zonesWorse"`
	FewerHealthy int `json:"fewerHealthy"`
	// Left are moves that are planned but can never begin.
	Left         int     `json:"left"`
	LoadLeast    float64 `json:"loadLeast"` // of a node, as a share of the mean
	LoadMost     float64 `json:"loadMost"`
	LeadersLeast int     `json:"leadersLeast"` // of a node
	LeadersMost  int     `json:"leadersMost"`
}

// Ratio is how much was moved for each byte that had to be.
func (s Step) Ratio() float64 {
	if s.BoundBytes == 0 {
		return 0
	}
	return float64(s.MovedBytes) / float64(s.BoundBytes)
}

// What a run must not exceed.
const (
	planMSMost = 5000.0
	ratioMost  = 1.1
)

// faults are what is wrong with a step.
func (s Step) faults() (faults []string) {
	if s.PlanMSMax > planMSMost {
		faults = append(faults, fmt.Sprintf("a plan took %.0f ms", s.PlanMSMax))
	}
	if s.Ratio() > ratioMost && s.Event != unbalancedEvent {
		faults = append(faults, fmt.Sprintf("%.3f of the bytes that had to be moved", s.Ratio()))
	}
	if s.ZonesWorse+s.FewerHealthy+s.Left > 0 {
		faults = append(faults, fmt.Sprintf("%d moves made the zones worse, %d left fewer healthy replicas, %d cannot begin", s.ZonesWorse, s.FewerHealthy, s.Left))
	}
	return faults
}

// Failed reports whether anything was not as it must be.
func (r *Report) Failed() bool {
	for _, size := range r.Sizes {
		for _, s := range size.Steps {
			if len(s.faults()) > 0 {
				return true
			}
		}
	}
	return false
}

// WriteTable writes the report for people.
func (r *Report) WriteTable(w io.Writer) error {
	if _, err := io.WriteString(w, r.Markdown()); err != nil {
		return fmt.Errorf("write table: %w", err)
	}
	for _, size := range r.Sizes {
		for _, s := range size.Steps {
			for _, fault := range s.faults() {
				fmt.Fprintf(w, "\nFAULT: %d nodes, %s: %s\n", size.Nodes, s.Event, fault)
			}
		}
	}
	return nil
}

// Markdown is the report as the tables of docs/scale.md.
func (r *Report) Markdown() string {
	var b strings.Builder
	m := r.Machine
	fmt.Fprintf(&b, "%d cores of %s, %.0f GiB, %s, commit %.12s, %s.\n\n", m.Cores, m.CPU, float64(m.MemoryBytes)/(1<<30), m.Go, r.Commit, r.Time.Format("2 January 2006"))
	fmt.Fprintln(&b, "| nodes, replicas, tenants | event | first plan, ms | MB allocated | slowest plan, ms | rounds | copies | TB moved | / lower bound | zones worse | fewer healthy | load of a node / mean | leaders of a node |")
	fmt.Fprintln(&b, "|---|---|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
	for _, size := range r.Sizes {
		what := fmt.Sprintf("%s, %s, %s", thousands(size.Nodes), thousands(size.Replicas), thousands(size.Tenants))
		for _, s := range size.Steps {
			fmt.Fprintf(&b, "| %s | %s | %.1f | %.1f | %.1f | %d | %s | %.2f | %.3f | %d | %d | %.2f to %.2f | %d to %d |\n", what, s.Event, s.FirstPlanMS, s.FirstPlanAllocMB, s.PlanMSMax, s.Rounds,
				thousands(s.Copies), float64(s.MovedBytes)/1e12, s.Ratio(), s.ZonesWorse, s.FewerHealthy, s.LoadLeast, s.LoadMost, s.LeadersLeast, s.LeadersMost)
			what = ""
		}
	}
	if n := len(r.Sizes); n > 0 {
		last := r.Sizes[n-1]
		fmt.Fprintf(&b, "\nTo choose the shard of a new tenant among %s takes %.1f µs.\n", thousands(last.Shards), last.TenantShardsMicros)
	}
	fmt.Fprintln(&b, "\n| nodes | shards | tenants | catalogue, MB | in memory, MB | gossip at rest, KB/s | news of every node, every s | groups per node | idle, % of a core | catalogue leader, heartbeats/s | and % of a core | widest query, calls | shards per call |")
	fmt.Fprintln(&b, "|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|---:|")
	for _, e := range r.Estimates {
		fmt.Fprintf(&b, "| %s | %s | %s | %.1f | %.1f | %.1f | %.1f | %.0f | %.1f to %.1f | %s | %.0f to %.0f | %s | %.0f |\n", thousands(e.Nodes), thousands(e.Shards), thousands(e.Tenants), e.CatalogueMB, e.CatalogueMemoryMB,
			e.GossipKBPerSecond, e.HintSeconds, e.GroupsPerNode, e.IdleLowPercent, e.IdleHighPercent, thousands(int(e.HeartbeatsPerSecond)), e.LeaderLowPercent, e.LeaderHighPercent, thousands(e.FanOutMost), e.ShardsPerCall)
	}
	return b.String()
}

// thousands writes a number with commas.
func thousands(n int) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0; i -= 3 {
		text = text[:i] + "," + text[i:]
	}
	return text
}

// Chart draws the report: by the number of nodes how long the first plan takes,
// how much is moved and in how many rounds.
func (r *Report) Chart() chart.Chart {
	c := chart.Chart{Title: "Plans for clusters of 100 replicas and 1,000 tenants a node", XLabel: "nodes"}
	for _, p := range []struct {
		title string
		log   bool
		value func(Step) float64
	}{
		{"first plan, ms", true, func(s Step) float64 { return s.FirstPlanMS }},
		{"bytes moved / lower bound", false, Step.Ratio},
		{"rounds of copies", true, func(s Step) float64 { return float64(s.Rounds) }},
	} {
		panel := chart.Panel{Title: p.title, Log: p.log}
		for i, name := range []string{"", "a node dies", "1 % join", "a zone is lost"} {
			if name == "" {
				continue // how the cluster began
			}
			series := chart.Series{Name: name}
			for _, size := range r.Sizes {
				if i < len(size.Steps) {
					series.Points = append(series.Points, chart.Point{X: float64(size.Nodes), Y: p.value(size.Steps[i])})
				}
			}
			panel.Series = append(panel.Series, series)
		}
		c.Panels = append(c.Panels, panel)
	}
	return c
}
