package node

import (
	"fmt"
	"io"

	"github.com/VictoriaMetrics/metrics"

	"github.com/stere-log/stere/node/replica"
)

// replicaMetrics are the figures of each replica.
func replicaMetrics() []struct {
	name string
	read func(replica.Status) float64
} {
	return []struct {
		name string
		read func(replica.Status) float64
	}{
		{"stere_raft_applied_index", func(s replica.Status) float64 { return float64(s.Applied) }},
		{"stere_raft_leads", func(s replica.Status) float64 { return flag(s.Leader) }},
		{"stere_raft_log_bytes", func(s replica.Status) float64 { return float64(s.LogBytes) }},
		{"stere_raft_sealed_index", func(s replica.Status) float64 { return float64(s.Sealed) }},
		{"stere_storage_failed_segments", func(s replica.Status) float64 { return float64(s.FailedParts) }},
		{"stere_storage_head_bytes", func(s replica.Status) float64 { return float64(s.HeadBytes + s.FrozenBytes) }},
		{"stere_storage_head_records", func(s replica.Status) float64 { return float64(s.HeadRows + s.FrozenRows) }},
		{"stere_storage_idempotency_keys", func(s replica.Status) float64 { return float64(s.DedupKeys) }},
		{"stere_storage_carried_keys", func(s replica.Status) float64 { return float64(s.CarriedKeys) }},
		{"stere_storage_missing_segments", func(s replica.Status) float64 { return float64(s.Missing) }},
		{"stere_storage_missing_bytes", func(s replica.Status) float64 { return float64(s.MissingBytes) }},
		{"stere_storage_pending_seals", func(s replica.Status) float64 { return float64(s.Pending) }},
		{"stere_storage_quarantined_blocks", func(s replica.Status) float64 { return float64(s.Quarantined) }},
		{"stere_storage_segment_bytes", func(s replica.Status) float64 { return float64(s.SegmentBytes) }},
		{"stere_storage_segment_records", func(s replica.Status) float64 { return float64(s.SegmentRows) }},
		{"stere_storage_segments", func(s replica.Status) float64 { return float64(s.Segments) }},
	}
}

func flag(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// register adds the node's figures to the set; they are read when asked for.
func (n *Node) register(set *metrics.Set) {
	set.RegisterMetricsWriter(n.writeReplicas)
	for name, read := range map[string]func() float64{
		"stere_disk_free_bytes":            func() float64 { return float64(n.disk.free.Load()) },
		"stere_disk_reserve_bytes":         func() float64 { return float64(n.disk.floor.Load()) },
		"stere_storage_disk_bytes":         func() float64 { return float64(n.store.Stats().DiskBytes) },
		"stere_storage_compactions_total":  func() float64 { return float64(n.store.Stats().Compactions) },
		"stere_storage_damaged_total":      func() float64 { return float64(n.store.Stats().Damaged) },
		"stere_storage_ahead_bytes":        func() float64 { return float64(n.store.Stats().AheadBytes) },
		"stere_storage_cache_bytes":        func() float64 { _, _, bytes := n.cache.Stats(); return float64(bytes) },
		"stere_ingest_bytes_in_flight":     func() float64 { return float64(n.writer.Stats().InFlightBytes) },
		"stere_tail_open":                  func() float64 { return float64(n.tails.Stats().Tails) },
		"stere_tail_followers":             func() float64 { return float64(n.tails.Stats().Followers) },
		"stere_tail_opened_total":          func() float64 { return float64(n.tails.Stats().Opened) },
		"stere_tail_refused_total":         func() float64 { return float64(n.tails.Stats().Refused) },
		"stere_tail_records_shown_total":   func() float64 { return float64(n.tails.Stats().Shown) },
		"stere_tail_records_dropped_total": func() float64 { return float64(n.tails.Stats().Dropped) },
		"stere_node_ready":                 func() float64 { return flag(n.isReady()) },
		"stere_cluster_leads_catalogue":    func() float64 { return flag(n.members.Leads()) },
		"stere_cluster_nodes":              func() float64 { return float64(len(n.members.State().Nodes)) },
		"stere_cluster_catalogue_index":    func() float64 { return float64(n.members.State().Index) },
		"stere_log_proposed_bytes_total":   func() float64 { return float64(n.logged.Load()) },
		"stere_query_running":              func() float64 { running, _, _ := n.engine.Waiting(); return float64(running) },
		"stere_query_waiting":              func() float64 { _, waiting, _ := n.engine.Waiting(); return float64(waiting) },
		"stere_query_refused_total":        func() float64 { _, _, refused := n.engine.Waiting(); return float64(refused) },
	} {
		set.NewGauge(name, read)
	}
}

// writeReplicas writes the figures of the replicas that are here now.
func (n *Node) writeReplicas(w io.Writer) {
	all := n.replicas.All()
	states := make([]replica.Status, len(all))
	for i, one := range all {
		states[i] = one.Status()
	}
	for _, m := range replicaMetrics() {
		for i, one := range all {
			metrics.WriteGaugeFloat64(w, fmt.Sprintf(`%s{shard="%d"}`, m.name, one.Shard()), m.read(states[i]))
		}
	}
}
