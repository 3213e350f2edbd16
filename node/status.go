package node

import (
	"fmt"

	"github.com/stere-log/stere/api"
	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/node/replica"
)

// documentsNearFull is the share of the room for documents from which on the node says so.
const documentsNearFull = 0.9

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
		note("node", v1.Healthy, "", map[string]any{"id": n.identity.Node, "shards": len(n.replicas.All())})
	}
	disk := map[string]any{"freeBytes": n.disk.free.Load(), "reserveBytes": n.disk.floor.Load()}
	if n.host.Hangs() {
		note("disk", v1.Degraded, "a write of the log does not come back", disk)
	} else if n.disk.full.Load() {
		note("disk", v1.Degraded, "nearly full: records are refused", disk)
	} else {
		note("disk", v1.Healthy, "", disk)
	}
	if why := n.members.Damaged(); why != nil {
		note("catalogue", v1.Degraded, "damaged, and fetched again from the other nodes: "+why.Error(), nil)
	} else if used := n.members.State().DocumentsUsed(); used >= documentsNearFull {
		note("catalogue", v1.Degraded, fmt.Sprintf("%.0f %% of the room for rules, alerts, incidents and deliveries is taken; when it is full nobody is told of alerts: remove incidents, rules and webhooks that are not needed", 100*min(used, 1)),
			map[string]any{"used": used})
	}
	state, message, details := n.shardsStatus()
	note("shards", state, message, details)
	return st
}

// shardsStatus sums up the shards.
func (n *Node) shardsStatus() (state, message string, details map[string]any) {
	state = v1.Healthy
	for id := range n.replicas.Lost() {
		if why := n.lost(id); why != nil {
			state, message = v1.Degraded, why.Error()
		}
	}
	var sum replica.Status
	for _, one := range n.replicas.All() {
		s := one.Status()
		leader, _ := one.Group.Leader()
		sum.HeadRows += s.HeadRows + s.FrozenRows
		sum.Segments += s.Segments
		sum.SegmentRows += s.SegmentRows
		sum.SegmentBytes += s.SegmentBytes
		sum.LogBytes += s.LogBytes
		switch {
		case leader == "" && n.isReady():
			state, message = v1.Degraded, fmt.Sprintf("shard %d has no leader that is known here", s.Shard)
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
