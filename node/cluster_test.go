package node_test

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/heal"
	"github.com/stere-log/stere/node"
	"github.com/stere-log/stere/node/nodetest"
)

// startThree starts a cluster of three nodes of which the first has all shards.
func startThree(t *testing.T) []*nodetest.Running {
	t.Helper()
	return startCluster(t, node.Config{})
}

// startCluster is startThree with settings that all nodes have.
func startCluster(t *testing.T, cfg node.Config) []*nodetest.Running {
	t.Helper()
	secret := []byte("a secret that only this test knows, long enough")
	var all []*nodetest.Running
	for i := range 3 {
		cfg.Cluster = node.ClusterConfig{Name: fmt.Sprintf("n%d", i), Listen: "127.0.0.1:0", Gossip: "127.0.0.1:0", Secret: secret}
		if cfg.Cluster.Bootstrap = i == 0; i > 0 {
			cfg.Cluster.Join = []string{all[0].Node.GossipAddr()}
		}
		all = append(all, nodetest.Start(t, cfg))
	}
	return all
}

// replicate gives every shard a replica on every node.
func replicate(t *testing.T, all []*nodetest.Running) {
	t.Helper()
	cluster := all[0].Node.Cluster()
	for number, shard := range cluster.State().Shards {
		replicas := shard.Replicas
		for _, one := range all {
			if _, ok := shard.On(one.Node.ID()); !ok {
				replicas = append(replicas, catalogue.Replica{Node: one.Node.ID(), Role: catalogue.Joining})
			}
		}
		if _, err := cluster.Propose(t.Context(), catalogue.SetReplicas{Shard: number, Replicas: replicas}); err != nil {
			t.Fatal(err)
		}
	}
	nodetest.Eventually(t, "every replica votes", func() bool {
		for _, shard := range cluster.State().Shards {
			for _, r := range shard.Replicas {
				if r.Role != catalogue.Voter {
					return false
				}
			}
		}
		return true
	})
}

func TestEveryNodeTakesAndFindsEverything(t *testing.T) {
	all := startThree(t)
	count := 0
	check := func(when string) {
		t.Helper()
		for i, one := range all {
			if got := len(search(t, one.Node, "default", "line")); got != count {
				t.Errorf("%s: node %d finds %d records, want %d", when, i, got, count)
			}
		}
	}
	put := func(times int) {
		t.Helper()
		for i := range times {
			if _, err := write(all[i%3].Node, "default", "", fmt.Sprintf("line %d", count)); err != nil {
				t.Fatal(err)
			}
			count++
		}
	}
	put(30)
	check("one replica each")
	if err := all[1].Node.FlushAll(t.Context()); err != nil {
		t.Fatal(err)
	}
	put(10)
	replicate(t, all)
	check("three replicas")
	put(10)
	check("written to three replicas")
	written, told := int64(0), int64(0)
	for _, report := range all[1].Node.Cluster().Reports(t.Context()) {
		for _, r := range report.Replicas {
			if told += r.Tenants["default"]; r.Leads {
				written += r.Written
			}
		}
	}
	if written == 0 || told == 0 {
		t.Errorf("leaders report %d bytes written, %d of them of the tenant", written, told)
	}
	var reports map[string]heal.Report
	nodetest.Eventually(t, "all replicas are complete", func() bool {
		reports = all[2].Node.Cluster().Reports(t.Context())
		for _, report := range reports {
			for _, r := range report.Replicas {
				if !r.Complete {
					return false
				}
			}
		}
		return len(reports) == 3
	})
	all[0].Stop()
	all = all[1:]
	check("without the node that began")
	if _, err := write(all[0].Node, "default", "", "line at last"); err != nil {
		t.Fatal(err)
	}
	count++
	check("written without it")
}

// TestReplicaThatIsReadIsNotRestarted: what is opened anew knows nothing of those who read
// what was before, and may remove segments that they read. So it stays, and serves on.
func TestReplicaThatIsReadIsNotRestarted(t *testing.T) {
	n := nodetest.Start(t, node.Config{Shards: 1}).Node
	if _, err := write(n, "default", "", "one", "two"); err != nil {
		t.Fatal(err)
	}
	one := n.Replicas()[0]
	view, err := one.View("default")
	if err != nil {
		t.Fatal(err)
	}
	ended, end := context.WithCancel(t.Context())
	end()
	if err := n.Restart(ended, one.Shard()); !errors.Is(err, context.Canceled) {
		t.Fatalf("of a replica that is read: %v", err)
	}
	if now := n.Replicas(); len(now) != 1 || now[0] != one {
		t.Fatalf("there are %v, want the replica that there was", now)
	}
	if _, err := write(n, "default", "", "three"); err != nil {
		t.Fatal(err)
	}
	view.Release()
	if err := n.Restart(t.Context(), one.Shard()); err != nil {
		t.Fatal(err)
	}
	if now := n.Replicas(); len(now) != 1 || now[0] == one {
		t.Fatalf("there are %v, want another one", now)
	}
	if found := search(t, n, "default", "*"); len(found) != 3 {
		t.Errorf("%d lines are found as soon as it is opened, want 3", len(found))
	}
}

// TestMaintenance: on a cluster that is written to, replicas are opened anew one after the other,
// a node is flushed and its caches are dropped: nothing is missing, and the history says so.
func TestMaintenance(t *testing.T) {
	all := startCluster(t, node.Config{Shards: 2, Healing: heal.Config{
		Cooldowns: map[string]time.Duration{heal.RestartComponent: 0, heal.FlushNode: 0, heal.DropCache: 0},
	}})
	replicate(t, all)
	const each = 20
	lines := 0
	add := func(n *node.Node) {
		t.Helper()
		var texts []string
		for range each {
			lines++
			texts = append(texts, fmt.Sprint("line ", lines))
		}
		nodetest.Eventually(t, "lines are taken", func() bool {
			_, err := write(n, "default", fmt.Sprint("key ", lines), texts...)
			return err == nil
		})
	}
	whole := func(n *node.Node) {
		t.Helper()
		if got := search(t, n, "default", "*"); len(got) != lines {
			t.Fatalf("%d lines, want %d", len(got), lines)
		}
	}
	add(all[0].Node)
	for i, one := range all {
		for _, r := range one.Node.Replicas() {
			// It is refused while the replica that was opened before is not yet seen to be healthy.
			var made []catalogue.Action
			nodetest.Eventually(t, "a restart is safe", func() (ok bool) {
				var err error
				made, err = all[(i+1)%len(all)].Node.Healer().Execute(t.Context(), heal.Request{
					Action: heal.RestartComponent, Target: fmt.Sprintf("replica of shard %d on %s", r.Shard(), one.Node.ID()), By: "test",
				})
				return err == nil
			})
			if len(made) != 1 || made[0].Outcome != catalogue.ActionDone {
				t.Fatalf("%+v", made)
			}
			for _, now := range one.Node.Replicas() {
				if now.Shard() == r.Shard() && now.Replica == r.Replica {
					t.Fatal("the replica is the one that it was")
				}
			}
			add(one.Node)
			whole(one.Node)
		}
		for _, name := range []string{heal.FlushNode, heal.DropCache} {
			made, err := all[0].Node.Healer().Execute(t.Context(), heal.Request{Action: name, Target: "node " + one.Node.ID(), By: "test"})
			if err != nil || len(made) != 1 || made[0].Outcome != catalogue.ActionDone || made[0].Detail == "" {
				t.Fatalf("%s: %+v, %v", name, made, err)
			}
		}
		if n := one.Node.CacheBytes(); n != 0 {
			t.Errorf("caches that were dropped have %d bytes", n)
		}
		whole(one.Node)
	}
}
