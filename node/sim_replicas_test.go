package node_test

import (
	"context"
	"fmt"
	"hash/crc64"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/node/replicas"
)

// dayKey is a tenant's day, in Unix days.
type dayKey struct {
	tenant model.TenantID
	day    int64
}

// hashes sums up what a replica has, whatever the order: day by day of each
// tenant.
func hashes(one *replicas.One) (map[dayKey]uint64, error) {
	table := crc64.MakeTable(crc64.ECMA)
	sums := map[dayKey]uint64{}
	for _, tenant := range tenants {
		view, err := one.View(tenant)
		if err != nil {
			return nil, err
		}
		defer view.Release()
		for _, p := range view.Parts {
			all := index.DocSetRange(0, p.Rows())
			ids, err := p.IDs(all)
			if err != nil {
				return nil, err
			}
			records, err := p.Records(context.Background(), all)
			if err != nil {
				return nil, err
			}
			for i := range records {
				message, _ := records[i].Get("message")
				text := fmt.Sprint(ids[i], records[i].Time, message.Text)
				sums[dayKey{tenant, records[i].Time / int64(24*time.Hour)}] += crc64.Checksum([]byte(text), table)
			}
		}
	}
	return sums, nil
}

// replicasAgree reports whether all replicas of every shard have the same, and
// why not.
func (w *world) replicasAgree() string {
	type copyOf struct {
		at      string
		applied uint64
		sums    map[dayKey]uint64
	}
	copies := map[uint32][]copyOf{}
	var state *catalogue.State
	for _, m := range w.machines {
		n := m.current().node
		if s := n.Cluster().State(); state == nil || s.Index > state.Index {
			state = s
		}
		for _, one := range n.Replicas() {
			applied := one.Group.Applied()
			sums, err := hashes(one)
			if err != nil {
				return fmt.Sprintf("the replica of shard %d on %s cannot be read: %v", one.Shard(), m.ip, err)
			}
			number := uint32(one.Shard())
			copies[number] = append(copies[number], copyOf{m.ip, applied, sums})
		}
	}
	active := 0
	for _, n := range state.Nodes {
		if n.State == catalogue.Active {
			active++
		}
	}
	for id, tenant := range state.Tenants {
		if tenant.Writes != 0 && active >= state.Settings.Replicas { // else the new ones lack replicas
			return fmt.Sprintf("tenant %s does not write yet to all of its shards: %+v", id, tenant)
		}
	}
	for _, number := range slices.Sorted(maps.Keys(copies)) {
		all := copies[number]
		if wanted := state.Wanted(state.Shards[number]); active >= wanted && len(all) < wanted {
			return fmt.Sprintf("shard %d has %d replicas, %d are wanted on %d nodes", number, len(all), wanted, active)
		}
		if len(all) < len(state.Shards[number].Replicas) {
			return fmt.Sprintf("shard %d has %d replicas, the catalogue %d", number, len(all), len(state.Shards[number].Replicas))
		}
		for _, c := range all[1:] {
			if c.applied != all[0].applied {
				return fmt.Sprintf("shard %d: %s has applied %d, %s %d", number, all[0].at, all[0].applied, c.at, c.applied)
			}
			if !maps.Equal(c.sums, all[0].sums) {
				return fmt.Sprintf("shard %d differs at index %d: %s has %s, %s has %s", number, c.applied, all[0].at, show(all[0].sums), c.at, show(c.sums))
			}
		}
	}
	return ""
}

func show(sums map[dayKey]uint64) string {
	var b strings.Builder
	for key, sum := range sums {
		fmt.Fprintf(&b, "%s/%d:%x ", key.tenant, key.day, sum)
	}
	return b.String()
}
