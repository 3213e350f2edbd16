package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"time"

	"github.com/stere-log/stere/bench/local"
	"github.com/stere-log/stere/bench/proc"
	"github.com/stere-log/stere/client"
)

const (
	settleMax = 2 * time.Minute  // until another node leads, and all are whole again
	tryMax    = 10 * time.Second // for one question: the node may be killed meanwhile
)

// member is a process of the cluster.
type member struct {
	*local.Member
	client *client.Client
}

// cluster is processes on this machine.
type cluster struct {
	stere, work string
	processes   *local.Cluster
	members     []*member
}

// start starts the cluster and waits until every node votes.
func (c *cluster) start(ctx context.Context, nodes int) (err error) {
	if c.processes, err = local.New(ctx, c.stere, c.work, nodes); err != nil {
		return err
	}
	for _, one := range c.processes.Members {
		m := &member{Member: one}
		c.members = append(c.members, m)
		if err := c.launch(ctx, m); err != nil {
			return err
		}
	}
	return c.whole(ctx)
}

// launch starts a process and waits until it serves.
func (c *cluster) launch(ctx context.Context, m *member) error {
	args := []string{"--replicas", "3", "--set", "webhook-reach=loopback", "--set", "memory=256MiB"}
	if first := c.members[0]; m == first {
		args = append(args, "--bootstrap")
	} else {
		args = append(args, "--join", first.Gossip)
	}
	if err := c.processes.Launch(m.Member, proc.Config{Args: args, ReadyTimeout: settleMax, Ready: func(ctx context.Context) error {
		if m.client != nil {
			return m.client.Ready(ctx)
		}
		key, err := client.DiscoverKey(m.Dir, os.Getenv)
		if err != nil || key == "" {
			return errors.Join(err, errors.New("there is no admin key yet"))
		}
		if m.client, err = client.New(client.Config{URL: "http://" + m.HTTP, APIKey: key}); err != nil {
			return err
		}
		return m.client.Ready(ctx)
	}}); err != nil {
		return err
	}
	return m.Process.AwaitReady(ctx)
}

// stop ends all processes.
func (c *cluster) stop() error {
	if c.processes == nil {
		return nil
	}
	return c.processes.Stop((*proc.Process).Kill)
}

// any returns a client of a node that lives.
func (c *cluster) any() *client.Client {
	var alive []*member
	for _, m := range c.members {
		if m.Alive() {
			alive = append(alive, m)
		}
	}
	return alive[rand.IntN(len(alive))].client
}

// until tries until it succeeds or there is no more time.
func until(ctx context.Context, what string, try func(ctx context.Context) error) error {
	for end := time.Now().Add(settleMax); ; wait(ctx, 100*time.Millisecond) {
		once, cancel := context.WithTimeout(ctx, tryMax)
		err := try(once)
		cancel()
		if err == nil {
			return nil
		}
		if ctx.Err() != nil || time.Now().After(end) {
			return fmt.Errorf("%s: %w", what, errors.Join(ctx.Err(), err))
		}
	}
}

// leader waits until a node other than one leads the catalogue, and returns it.
func (c *cluster) leader(ctx context.Context, other *member) (found *member, err error) {
	return found, until(ctx, "a node leads", func(ctx context.Context) error {
		status, err := c.any().Cluster(ctx)
		if err != nil {
			return err
		}
		for _, n := range status.Nodes {
			for _, m := range c.members {
				if n.ID == status.Catalogue.Leader && n.Name == m.Name && m != other && m.Alive() {
					found = m
					return nil
				}
			}
		}
		return fmt.Errorf("the catalogue is led by %q", status.Catalogue.Leader)
	})
}

// whole waits until every node votes in the catalogue and lives.
func (c *cluster) whole(ctx context.Context) error {
	return until(ctx, "every node votes", func(ctx context.Context) error {
		status, err := c.any().Cluster(ctx)
		if err != nil {
			return err
		}
		if voters := len(status.Catalogue.Voters); voters != len(c.members) {
			return fmt.Errorf("%d vote", voters)
		}
		for _, n := range status.Nodes {
			if n.Life != "alive" {
				return fmt.Errorf("node %s is %s", n.Name, n.Life)
			}
		}
		return nil
	})
}

// writer writes alarms: records that the rule fires of, each once.
type writer struct {
	cluster *cluster
	random  *rand.Rand
	n       int
	written []string // in time
	late    []string // acknowledged so late that their window may have been looked at
}

// alarms writes some.
func (w *writer) alarms(ctx context.Context, n int) error {
	for range n {
		w.n++
		name := fmt.Sprintf("a%d", w.n)
		at := time.Now()
		line := fmt.Sprintf(`{"message":"alarm %s","component":"alarm","alarm":%q,"timestamp":%q}`, name, name, at.UTC().Format(time.RFC3339Nano))
		key := client.NewIdempotencyKey()
		if err := until(ctx, "write an alarm", func(ctx context.Context) error {
			_, err := w.cluster.any().Write(ctx, []byte(line), client.WriteOptions{Key: key})
			return err
		}); err != nil {
			return err
		}
		if time.Now().Before(at.Truncate(every).Add(every + late - time.Second)) {
			w.written = append(w.written, name)
		} else {
			w.late = append(w.late, name)
		}
	}
	return nil
}
