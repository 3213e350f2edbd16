package node

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/oklog/run"
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
func (n *Node) runActors(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
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
	group.Add(func() error { return n.replay(inside) }, func(error) { stop() })
	group.Add(func() error { return n.disk.run(inside) }, func(error) { stop() })
	for _, one := range n.shards {
		group.Add(func() error { return one.replica.Run(inside) }, func(error) { stop() })
	}
	if err := group.Run(); err != nil && ctx.Err() == nil {
		return fmt.Errorf("run node: %w", err)
	}
	return nil
}

// shutdown lets requests under way finish. After a failure there is nothing
// to wait for.
func (n *Node) shutdown() {
	timeout := n.cfg.ShutdownTimeout
	if n.Failed() != nil {
		timeout = failureGrace / 2
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	if err := errors.Join(n.api.Shutdown(ctx), n.writer.Close(ctx)); err != nil {
		n.logger.Warn("requests were cut off", "error", err)
	}
}

// replay waits until every shard has a leader and has applied what was
// committed before the start; then the node is ready.
func (n *Node) replay(ctx context.Context) error {
	began := time.Now()
	for number, one := range n.shards {
		if err := errors.Join(one.group.WaitLeader(ctx), ctx.Err()); err != nil {
			return n.unlessStopped(ctx, fmt.Errorf("wait for a leader of shard %d: %w", number, err))
		}
		if err := one.group.Barrier(ctx); err != nil {
			return n.unlessStopped(ctx, fmt.Errorf("replay shard %d: %w", number, err))
		}
	}
	close(n.ready)
	n.logger.Info("the node is ready", "node", n.identity.Node, "shards", len(n.shards), "replay", time.Since(began).Round(time.Millisecond), "address", n.listener.Addr().String())
	<-ctx.Done()
	return nil
}

func (n *Node) unlessStopped(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return nil
	}
	return err
}
