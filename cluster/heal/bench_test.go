package heal

import (
	"fmt"
	"testing"
	"time"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/gossip"
	"github.com/stere-log/stere/cluster/placement"
)

// BenchmarkObserve looks at clusters at rest, apart from asking them: what the
// leader of the catalogue does every two seconds. A hundred replicas a node.
func BenchmarkObserve(b *testing.B) {
	for _, nodes := range []int{10, 100, 1000} {
		b.Run(fmt.Sprintf("nodes=%d", nodes), func(b *testing.B) {
			state, members, reports := atRest(nodes)
			w := watch{nodes: map[string]*watched{}}
			now := time.Unix(1000000, 0)
			b.ReportAllocs()
			for b.Loop() {
				now = now.Add(2 * time.Second)
				w.hear(now, state, members, reports)
				p := w.observe(now, state, members, nil)
				w.translate(p)
				p.plan = placement.Plan(p.given, placement.Limits{})
				p.voting()
			}
		})
	}
}

func atRest(nodes int) (*catalogue.State, map[string]gossip.Member, map[string]Report) {
	state := &catalogue.State{Cluster: "c", Settings: catalogue.Settings{Replicas: 3, CatalogueVoters: 5}, Nodes: map[string]catalogue.Node{}, Shards: map[uint32]catalogue.Shard{}}
	members, reports := map[string]gossip.Member{}, map[string]Report{}
	id := func(n int) string { return fmt.Sprintf("%016x", n%nodes) }
	for n := range nodes {
		state.Nodes[id(n)] = catalogue.Node{ID: id(n), State: catalogue.Active, Zone: fmt.Sprint("z", n%5)}
		members[id(n)] = gossip.Member{ID: id(n), State: gossip.Alive, Since: time.Unix(1, 0)}
		reports[id(n)] = Report{Node: id(n), Disk: Disk{Total: 1 << 44, Free: 1 << 43}}
	}
	for number := range uint32(nodes * 100 / 3) {
		shard := catalogue.Shard{Number: number}
		for k := range 3 {
			node := id(int(number) + k)
			shard.Replicas = append(shard.Replicas, catalogue.Replica{Node: node, Role: catalogue.Voter})
			r := reports[node]
			r.Replicas = append(r.Replicas, ReplicaReport{Shard: number, Leader: id(int(number)), Leads: k == 0, Term: 1, Complete: true, Bytes: 64 << 30})
			reports[node] = r
		}
		state.Shards[number] = shard
	}
	return state, members, reports
}
