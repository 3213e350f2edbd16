package node

import (
	"fmt"
	"io"

	"github.com/VictoriaMetrics/metrics"

	"github.com/stere-log/stere/cluster/gossip"
	"github.com/stere-log/stere/node/replica"
	"github.com/stere-log/stere/redact"
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
		{"stere_storage_beside_bytes", func(s replica.Status) float64 { return float64(s.BesideBytes) }},
		{"stere_storage_failed_segments", func(s replica.Status) float64 { return float64(s.FailedParts) }},
		{"stere_storage_head_bytes", func(s replica.Status) float64 { return float64(s.HeadBytes + s.FrozenBytes) }},
		{"stere_storage_head_records", func(s replica.Status) float64 { return float64(s.HeadRows + s.FrozenRows) }},
		{"stere_storage_idempotency_keys", func(s replica.Status) float64 { return float64(s.DedupKeys) }},
		{"stere_storage_carried_keys", func(s replica.Status) float64 { return float64(s.CarriedKeys) }},
		{"stere_storage_merging", func(s replica.Status) float64 { return flag(s.Merging) }},
		{"stere_storage_missing_segments", func(s replica.Status) float64 { return float64(s.Missing) }},
		{"stere_storage_missing_bytes", func(s replica.Status) float64 { return float64(s.MissingBytes) }},
		{"stere_storage_pending_seals", func(s replica.Status) float64 { return float64(s.Pending) }},
		{"stere_storage_quarantined_blocks", func(s replica.Status) float64 { return float64(s.Quarantined) }},
		{"stere_storage_sealing", func(s replica.Status) float64 { return flag(s.Sealing) }},
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
	set.RegisterMetricsWriter(n.writeRedactions)
	set.RegisterMetricsWriter(n.writeLimits)
	set.RegisterMetricsWriter(n.writeAlerts)
	set.RegisterMetricsWriter(n.writeClocks)
	for name, read := range map[string]func() float64{
		"stere_disk_free_bytes":            func() float64 { return float64(n.disk.free.Load()) },
		"stere_disk_reserve_bytes":         func() float64 { return float64(n.disk.floor.Load()) },
		"stere_encryption_old_bytes":       func() float64 { old, _ := n.keeper.Figures(); return float64(old) },
		"stere_encryption_plain_bytes":     func() float64 { _, plain := n.keeper.Figures(); return float64(plain) },
		"stere_raft_damaged_logs":          n.damagedLogs,
		"stere_storage_disk_bytes":         func() float64 { return float64(n.store.Stats().DiskBytes) },
		"stere_storage_compactions_total":  func() float64 { return float64(n.store.Stats().Compactions) },
		"stere_storage_damaged_total":      func() float64 { return float64(n.store.Stats().Damaged) },
		"stere_storage_ahead_bytes":        func() float64 { return float64(n.store.Stats().AheadBytes) },
		"stere_storage_cache_hits_total":   func() float64 { hits, _, _ := n.cache.Stats(); return float64(hits) },
		"stere_storage_cache_misses_total": func() float64 { _, misses, _ := n.cache.Stats(); return float64(misses) },
		"stere_storage_cache_bytes":        func() float64 { _, _, bytes := n.cache.Stats(); return float64(bytes) },
		"stere_ingest_bytes_in_flight":     func() float64 { return float64(n.writer.Stats().InFlightBytes) },
		"stere_tail_open":                  func() float64 { return float64(n.tails.Stats().Tails) },
		"stere_tail_followers":             func() float64 { return float64(n.tails.Stats().Followers) },
		"stere_tail_opened_total":          func() float64 { return float64(n.tails.Stats().Opened) },
		"stere_tail_refused_total":         func() float64 { return float64(n.tails.Stats().Refused) },
		"stere_tail_records_shown_total":   func() float64 { return float64(n.tails.Stats().Shown) },
		"stere_tail_waiting_bytes":         func() float64 { return float64(n.tails.Stats().Waiting) },
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

// writeLimits writes how much is counted and kept, and how many tenants are near their
// limits; which, only an administrator is told.
func (n *Node) writeLimits(w io.Writer) {
	keys, asked, failed := n.limits.Limiter.Stats()
	metrics.WriteGaugeUint64(w, "stere_limit_keys", uint64(max(keys, 0)))
	metrics.WriteCounterUint64(w, "stere_limit_questions_total", uint64(max(asked, 0)))
	metrics.WriteCounterUint64(w, "stere_limit_unanswered_total", uint64(max(failed, 0)))
	if n.limits.Book != nil {
		near, over := uint64(0), uint64(0)
		for id := range n.members.State().Accounts {
			most := int64(0)
			for _, share := range n.limits.Gate.Shares(id) {
				most = max(most, share.Percent)
			}
			if most >= 100 {
				over++
			} else if most >= n.limits.Gate.WarnPercent {
				near++
			}
		}
		metrics.WriteGaugeUint64(w, `stere_quota_tenants{state="near"}`, near)
		metrics.WriteGaugeUint64(w, `stere_quota_tenants{state="over"}`, over)
	}
	if n.limits.Trail != nil {
		made, written, lost := n.limits.Trail.Stats()
		metrics.WriteCounterUint64(w, "stere_audit_entries_total", uint64(max(made, 0)))
		metrics.WriteCounterUint64(w, "stere_audit_written_total", uint64(max(written, 0)))
		metrics.WriteCounterUint64(w, "stere_audit_lost_total", uint64(max(lost, 0)))
	}
}

// writeClocks writes how far the nodes' clocks are off, as this node sees it.
func (n *Node) writeClocks(w io.Writer) {
	members := n.members.Members()
	skews := gossip.Skews(members)
	for _, member := range members {
		if skew, known := skews[member.ID]; known {
			metrics.WriteGaugeFloat64(w, fmt.Sprintf(`stere_cluster_clock_skew_seconds{node=%q,name=%q}`, member.ID, member.Name), skew.Seconds())
		}
	}
}

// writeRedactions writes what was redacted, by detector.
func (n *Node) writeRedactions(w io.Writer) {
	metrics.WriteCounterUint64(w, "stere_redaction_records_total", n.redactor.Records())
	metrics.WriteCounterUint64(w, "stere_redaction_tenant_findings_total", n.redactor.FoundByTenants())
	metrics.WriteCounterUint64(w, "stere_redaction_tenant_unread_total", n.redactor.Unread())
	for d, name := range n.redactor.Names() {
		metrics.WriteCounterUint64(w, fmt.Sprintf(`stere_redaction_findings_total{detector=%q}`, name), n.redactor.Found(redact.Detector(d)))
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

// writeAlerts writes what was looked at and told here.
func (n *Node) writeAlerts(w io.Writer) {
	c := n.watcher.Counts()
	active, unreachable, unknown := n.watcher.ServiceStates()
	for _, one := range []struct {
		name  string
		value float64
	}{
		{"stere_triage_evaluations_total", float64(c.Rules)},
		{"stere_triage_evaluation_errors_total", float64(c.RuleErrors)},
		{"stere_triage_evaluation_seconds_total", c.Evaluating.Seconds()},
		{"stere_triage_transitions_total", float64(c.Transitions)},
		{"stere_webhook_attempts_total", float64(c.Deliveries)},
		{"stere_webhook_failures_total", float64(c.DeliveryFailures)},
		{"stere_webhook_waiting", float64(n.watcher.Waiting())},
		{"stere_integration_probes_total", float64(c.Probes)},
		{`stere_integration_services{state="active"}`, float64(active)},
		{`stere_integration_services{state="unreachable"}`, float64(unreachable)},
		{`stere_integration_services{state="unknown"}`, float64(unknown)},
	} {
		fmt.Fprintf(w, "%s %g\n", one.name, one.value)
	}
}

// damagedLogs is how many groups are set aside because of damage to the log.
func (n *Node) damagedLogs() float64 {
	lost := len(n.replicas.Lost())
	if n.members.Damaged() != nil {
		lost++
	}
	return float64(lost)
}
