package node

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/oklog/run"

	"github.com/stere-log/stere/node/replica"
	"github.com/stere-log/stere/raft"
)

// Run serves until the context ends or something fails, and closes the node.
// A clean end returns nil: requests under way have been answered by then, and
// what was acknowledged is durable anyway. After ErrFatal the process must
// end; some of its goroutines may hang on a broken disk.
func (n *Node) Run(ctx context.Context) error {
	done := make(chan error, 1)
	go func() { done <- n.runActors(ctx) }()
	select {
	case err := <-done:
		if fatal := n.Failed(); fatal != nil {
			return fatal
		}
		return errors.Join(err, n.Close())
	case <-n.failed:
	}
	select {
	case <-done:
	case <-time.After(failureGrace): // a hung disk does not come back
	}
	return n.Failed()
}

// runActors runs the node's long-lived goroutines. When one ends, all are
// interrupted in the order in which they are added: first the outside is
// closed and waited for, then the inside.
func (n *Node) runActors(asked context.Context) error {
	ctx, cancel := context.WithCancel(asked)
	defer cancel()
	var group run.Group
	group.Add(func() error { return n.api.Serve(n.listener) }, func(error) { n.shutdown() })
	inside, stop := context.WithCancel(context.WithoutCancel(ctx))
	group.Add(func() error {
		select {
		case <-ctx.Done():
		case <-n.failed:
		}
		return nil
	}, func(error) { cancel() })
	group.Add(func() error { return n.members.Serve(calls{n}) }, func(error) { n.stopServing() })
	group.Add(func() error { return n.becomeReady(inside) }, func(error) { stop() })
	group.Add(func() error { return n.watchDisk(inside) }, func(error) { stop() })
	group.Add(func() error { return n.shed(inside) }, func(error) { stop() })
	group.Add(func() error { return n.saveCatalogue(inside) }, func(error) { stop() })
	group.Add(func() error { return n.members.Run(inside) }, func(error) { stop() })
	group.Add(func() error { return n.learner.Run(inside) }, func(error) { stop() })
	group.Add(func() error { return n.limits.Run(inside, n.ready) }, func(error) { stop() })
	group.Add(func() error { return n.eraser.Run(inside) }, func(error) { stop() })
	group.Add(func() error { return n.keeper.Run(inside) }, func(error) { stop() })
	group.Add(func() error { return n.watcher.Run(inside) }, func(error) { stop() })
	if n.cfg.Auth != nil {
		group.Add(func() error { return n.cfg.Auth.Run(inside) }, func(error) { stop() })
		group.Add(func() error { return n.noteUses(inside) }, func(error) { stop() })
	}
	group.Add(func() error { return n.heal(inside) }, func(error) { stop() })
	group.Add(func() error { return n.runReplicas(inside) }, func(error) { stop() })
	if err := group.Run(); err != nil && asked.Err() == nil {
		return fmt.Errorf("run node: %w", err)
	}
	return nil
}

// shutdown hands over what this node leads and lets requests under way finish.
// After a failure there is nothing to wait for.
func (n *Node) shutdown() {
	timeout := n.cfg.ShutdownTimeout
	if n.Failed() != nil {
		timeout = failureGrace / 2
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	n.tails.Close()
	if n.Failed() == nil {
		n.handOver(ctx)
	}
	err := n.api.Shutdown(ctx)
	if n.Failed() == nil && n.isReady() {
		// Requests that took all the time there was must not cost what was counted.
		closing, cancel := context.WithTimeout(context.WithoutCancel(ctx), countsGrace)
		n.limits.Close(closing)
		cancel()
	}
	if err := errors.Join(err, n.writer.Close(ctx)); err != nil {
		n.logger.Warn("requests were cut off", "error", err)
	}
}

// handOver lets other voters lead what this node leads, so that nobody has to
// wait for an election.
func (n *Node) handOver(ctx context.Context) {
	ctx, cancel := context.WithTimeout(ctx, handOverTimeout)
	defer cancel()
	var shards sync.WaitGroup
	if n.members.Leads() && len(n.members.CatalogueMembers()) > 1 {
		shards.Go(func() {
			if err := n.members.TransferCatalogue(ctx, ""); err != nil {
				n.logger.Debug("the catalogue was not handed over", "error", err)
			}
		})
	}
	for _, one := range n.replicas.All() {
		if _, leads := one.Group.Leader(); leads && voters(one.Group) > 1 {
			shards.Go(func() {
				if err := one.Group.Transfer(ctx, ""); err != nil {
					n.logger.Warn("a shard was not handed over", "shard", one.Shard(), "error", err)
				}
			})
		}
	}
	shards.Wait()
}

func voters(group *raft.Group) (count int) {
	for _, member := range group.Members() {
		if member.Voter {
			count++
		}
	}
	return count
}

// stopServing tells the others that this node goes, and hears them no more.
func (n *Node) stopServing() {
	ctx, cancel := context.WithTimeout(context.Background(), failureGrace/2)
	defer cancel()
	if n.Failed() == nil {
		if err := n.members.Leave(ctx); err != nil {
			n.logger.Debug("the others were not told that this node goes", "error", err)
		}
	}
	if err := n.members.StopServing(); err != nil {
		n.logger.Warn("the cluster port was not closed well", "error", err)
	}
}

// saveCatalogue saves the catalogue as often as an idle shard is sealed: its
// entries must not keep old files of the log.
func (n *Node) saveCatalogue(ctx context.Context) error {
	saved := int64(0)
	return every(ctx, saveInterval, func() {
		if logged := n.logged.Load(); logged-saved >= replica.DefaultIdleBytes {
			saved = logged
			if err := n.members.Save(); err != nil {
				n.logger.Warn("the catalogue was not saved", "error", err)
			}
		}
	})
}

// every does something at each interval until the context ends.
func every(ctx context.Context, interval time.Duration, do func()) error {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			do()
		}
	}
}

// noteUses makes it known now and then when API keys were used here.
func (n *Node) noteUses(ctx context.Context) error {
	return every(ctx, usesInterval, func() {
		uses := n.cfg.Auth.TakeUses()
		if len(uses) == 0 {
			return
		}
		if err := n.Directory().NoteUses(ctx, uses); err != nil {
			n.cfg.Auth.GiveBack(uses)
			n.logger.Debug("when keys were used is not known elsewhere yet", "error", err)
		}
	})
}

// heal looks after the cluster once this node is in it.
func (n *Node) heal(ctx context.Context) error {
	select {
	case <-n.members.Fresh():
		n.healer.Run(ctx)
	case <-ctx.Done():
	}
	return nil
}

// runReplicas runs the replicas and follows the catalogue.
func (n *Node) runReplicas(ctx context.Context) error {
	changed, stop := n.members.Watch()
	defer stop()
	return n.replicas.Run(ctx, n.members.State, changed, n.members.Fresh(), func() { close(n.opened) })
}

// becomeReady waits until this node is in its cluster and what it leads alone
// has applied what was committed before the start; then the node is ready. What
// it shares with others is read and written wherever it is led.
func (n *Node) becomeReady(ctx context.Context) error {
	began := time.Now()
	select {
	case <-n.opened:
	case <-ctx.Done():
		return nil
	}
	all := n.replicas.All()
	errs := make([]error, len(all))
	var shards sync.WaitGroup
	for i, one := range all {
		shards.Go(func() {
			if err := n.replay(ctx, one.Group); err != nil && n.replicas.Get(one.Shard()) == one {
				errs[i] = fmt.Errorf("replay shard %d: %w", one.Shard(), err)
			}
		})
	}
	shards.Wait()
	if err := errors.Join(errs...); err != nil {
		return n.unlessStopped(ctx, err)
	}
	close(n.ready)
	n.logger.Info("the node is ready", "node", n.identity.Node, "shards", len(n.replicas.All()), "replay", time.Since(began).Round(time.Millisecond), "address", n.listener.Addr().String())
	<-ctx.Done()
	return nil
}

// replay waits for the leader of a group, and if that is this node, until
// everything is applied. A group with other members may go without a leader.
func (n *Node) replay(ctx context.Context, group *raft.Group) error {
	members := group.Members()
	alone := len(members) == 1 && members[0].ID == n.identity.Node
	if !alone {
		patient, cancel := context.WithTimeout(ctx, leaderPatience)
		defer cancel()
		if group.WaitLeader(patient) != nil {
			return ctx.Err()
		}
	} else if err := group.WaitLeader(ctx); err != nil {
		return err
	}
	if _, leads := group.Leader(); !leads {
		return nil
	}
	err := group.Barrier(ctx)
	if errors.Is(err, raft.ErrNotLeader) || !alone && errors.Is(err, raft.ErrUncertain) {
		return nil // it has just lost the lead
	}
	return err
}

func (n *Node) unlessStopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
