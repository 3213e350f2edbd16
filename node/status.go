package node

import (
	"fmt"

	"github.com/VictoriaMetrics/metrics"

	"github.com/stere-log/stere/api"
	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/node/replica"
)

// Status says how the node is, for GET /health.
func (n *Node) Status() api.Status {
	st := api.Status{State: v1.Healthy, Ready: n.isReady() && n.Failed() == nil, Checks: map[string]v1.Check{}}
	note := func(name, state, message string, details map[string]any) {
		st.Checks[name] = v1.Check{Status: state, Message: message, Details: details}
		if state == v1.Unhealthy || state == v1.Degraded && st.State == v1.Healthy {
			st.State = state
		}
	}
	switch err := n.Failed(); {
	case err != nil:
		note("node", v1.Unhealthy, err.Error(), nil)
	case !n.isReady():
		note("node", v1.Unhealthy, "the log is being replayed", nil)
	default:
		note("node", v1.Healthy, "", map[string]any{"id": n.identity.Node, "shards": len(n.shards)})
	}
	disk := map[string]any{"freeBytes": n.disk.free.Load(), "reserveBytes": n.disk.floor.Load()}
	if n.disk.full.Load() {
		note("disk", v1.Degraded, "nearly full: records are refused", disk)
	} else {
		note("disk", v1.Healthy, "", disk)
	}
	state, message, details := n.shardsStatus()
	note("shards", state, message, details)
	return st
}

// shardsStatus sums up the shards.
func (n *Node) shardsStatus() (state, message string, details map[string]any) {
	state = v1.Healthy
	var sum replica.Status
	for _, one := range n.shards {
		s := one.replica.Status()
		sum.HeadRows += s.HeadRows + s.FrozenRows
		sum.Segments += s.Segments
		sum.SegmentRows += s.SegmentRows
		sum.SegmentBytes += s.SegmentBytes
		sum.LogBytes += s.LogBytes
		switch {
		case !s.Leader && n.isReady():
			state, message = v1.Degraded, fmt.Sprintf("shard %d has no leader here", s.Shard)
		case s.SealError != nil:
			state, message = v1.Degraded, fmt.Sprintf("shard %d is not sealed: %v", s.Shard, s.SealError)
		case s.FailedParts > 0:
			state, message = v1.Degraded, fmt.Sprintf("%d segments of shard %d cannot be read", s.FailedParts, s.Shard)
		case s.Quarantined > 0:
			state, message = v1.Degraded, fmt.Sprintf("%d blocks of shard %d were put aside", s.Quarantined, s.Shard)
		}
	}
	return state, message, map[string]any{
		"headRecords": sum.HeadRows, "segments": sum.Segments, "sealedRecords": sum.SegmentRows,
		"segmentBytes": sum.SegmentBytes, "logBytes": sum.LogBytes,
	}
}

// register adds the node's figures to the set; they are read when asked for.
func (n *Node) register(set *metrics.Set) {
	for _, one := range n.shards {
		for name, read := range map[string]func(replica.Status) float64{
			"stere_storage_head_records":       func(s replica.Status) float64 { return float64(s.HeadRows + s.FrozenRows) },
			"stere_storage_head_bytes":         func(s replica.Status) float64 { return float64(s.HeadBytes + s.FrozenBytes) },
			"stere_storage_segments":           func(s replica.Status) float64 { return float64(s.Segments) },
			"stere_storage_segment_records":    func(s replica.Status) float64 { return float64(s.SegmentRows) },
			"stere_storage_segment_bytes":      func(s replica.Status) float64 { return float64(s.SegmentBytes) },
			"stere_storage_failed_segments":    func(s replica.Status) float64 { return float64(s.FailedParts) },
			"stere_storage_quarantined_blocks": func(s replica.Status) float64 { return float64(s.Quarantined) },
			"stere_storage_idempotency_keys":   func(s replica.Status) float64 { return float64(s.DedupKeys) },
			"stere_storage_pending_seals":      func(s replica.Status) float64 { return float64(s.Pending) },
			"stere_raft_applied_index":         func(s replica.Status) float64 { return float64(s.Applied) },
			"stere_raft_sealed_index":          func(s replica.Status) float64 { return float64(s.Sealed) },
			"stere_raft_log_bytes":             func(s replica.Status) float64 { return float64(s.LogBytes) },
		} {
			set.NewGauge(fmt.Sprintf(`%s{shard="%d"}`, name, one.replica.Shard()), func() float64 { return read(one.replica.Status()) })
		}
	}
	set.NewGauge("stere_disk_free_bytes", func() float64 { return float64(n.disk.free.Load()) })
	set.NewGauge("stere_disk_reserve_bytes", func() float64 { return float64(n.disk.floor.Load()) })
	set.NewGauge("stere_storage_disk_bytes", func() float64 { return float64(n.store.Stats().DiskBytes) })
	set.NewGauge("stere_storage_compactions_total", func() float64 { return float64(n.store.Stats().Compactions) })
	set.NewGauge("stere_storage_damaged_total", func() float64 { return float64(n.store.Stats().Damaged) })
	set.NewGauge("stere_storage_ahead_bytes", func() float64 { return float64(n.store.Stats().AheadBytes) })
	set.NewGauge("stere_storage_cache_bytes", func() float64 { _, _, bytes := n.cache.Stats(); return float64(bytes) })
	set.NewGauge("stere_ingest_bytes_in_flight", func() float64 { return float64(n.writer.Stats().InFlightBytes) })
	set.NewGauge("stere_node_ready", func() float64 {
		if n.isReady() {
			return 1
		}
		return 0
	})
}
