package catalogue

import (
	"fmt"
	"testing"
)

// big returns a cluster of a thousand nodes and a hundred thousand replicas,
// some of them with a reason.
func big(b *testing.B) *State {
	const nodes, shards = 1000, 33334
	s := apply(b, newState(), Init{Cluster: clusterID, Node: node(nodeA), Shards: shards, Time: 1})
	for i := range nodes {
		n := node(id(i + 100))
		n.Name, n.State = fmt.Sprintf("node-%d.rack-%d.example", i, i/20), Active
		s.Nodes[n.ID] = n
	}
	for i := range uint32(shards) {
		shard := Shard{Number: i, Created: 1790000000000000000}
		for k := range 3 {
			r := Replica{Node: id((int(i)*7+k*13)%nodes + 100), Role: Voter, Since: 1790000000000000000}
			if i%10 == 0 {
				r.Source, r.Reason = id(100), "node node-17.rack-3.example is 12 % above its goal"
			}
			shard.Replicas = append(shard.Replicas, r)
		}
		s.putShard(shard)
	}
	for range ActionsMax {
		s = apply(b, s, PutAction{Action{Name: "balance", Target: "shard 1234", Reason: "node node-17.rack-3.example is 12 % above its goal", Outcome: ActionDone, Ended: 1790000000000000000}})
	}
	return s
}

func BenchmarkSave(b *testing.B) {
	s := big(b)
	b.ResetTimer()
	for range b.N {
		data, err := encodeSaved(s, samplePosition)
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(len(data)), "bytes")
	}
}

func BenchmarkLoad(b *testing.B) {
	s := big(b)
	pos := samplePosition
	pos.Index = s.Index
	data, err := encodeSaved(s, pos)
	if err != nil {
		b.Fatal(err)
	}
	b.ResetTimer()
	for range b.N {
		if _, _, err := decodeSaved(data); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkApply(b *testing.B) {
	s := big(b)
	for _, bench := range []struct {
		name string
		c    Command
	}{
		{"replicas", SetReplicas{Shard: 77, Replicas: append(s.Shards[77].Replicas, Replica{Node: nodeA, Role: Joining})}},
		{"node", PutNode{Node: node(nodeA)}},
		{"action", PutAction{Action{Name: "balance", Outcome: ActionDone}}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			encoded := Encode(bench.c)
			for range b.N {
				if _, err := s.applyEncoded(s.Index+1, encoded); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
