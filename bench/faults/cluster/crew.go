package cluster

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"github.com/stere-log/stere/bench/faults/lab"
)

// poll is how often something is looked at that is waited for.
const poll = 50 * time.Millisecond

// crew is the nodes of one life of a cluster.
type crew struct {
	cfg        Config
	lab        *lab.Lab
	net        *lab.Network
	dir        string // of this life
	secret     string // path
	key        string // of the admin
	made       int    // nodes ever
	imagesWork bool
	noImages   string // why not
	free       []*lab.Host
	all        []*node // that ever were
	members    atomic.Pointer[[]*node]
	outlook    outlook
}

// nodes returns the members as they are now.
func (c *crew) nodes() []*node {
	if p := c.members.Load(); p != nil {
		return *p
	}
	return nil
}

func (c *crew) setNodes(nodes []*node) { c.members.Store(&nodes) }

// names returns the names of the members but those left out.
func (c *crew) names(without ...*node) (names []string) {
	for _, n := range c.nodes() {
		if !contains(without, n) {
			names = append(names, n.name)
		}
	}
	return names
}

func contains(nodes []*node, n *node) bool {
	for _, other := range nodes {
		if other == n {
			return true
		}
	}
	return false
}

// newCrew founds a cluster and waits until it is healthy.
func newCrew(ctx context.Context, cfg Config, l *lab.Lab, network *lab.Network, life int) (c *crew, err error) {
	c = &crew{cfg: cfg, lab: l, net: network, dir: filepath.Join(cfg.WorkDir, fmt.Sprintf("life-%d", life)), imagesWork: true}
	c.outlook.grace = cfg.Grace
	if err := network.Heal(); err != nil {
		return c, err
	}
	if err := errors.Join(os.RemoveAll(c.dir), os.MkdirAll(c.dir, 0o755)); err != nil {
		return c, fmt.Errorf("make folder for a life: %w", err)
	}
	c.secret = filepath.Join(c.dir, "secret")
	random := make([]byte, 32)
	rand.Read(random) // never fails
	if err := os.WriteFile(c.secret, base64.StdEncoding.AppendEncode(nil, random), 0o600); err != nil {
		return c, fmt.Errorf("make cluster secret: %w", err)
	}
	c.free = append(c.free, network.Hosts...)
	var nodes []*node
	for range cfg.Nodes {
		n, err := c.take()
		if err != nil {
			return c, err
		}
		nodes = append(nodes, n)
		c.setNodes(append([]*node(nil), nodes...))
		if err := c.start(ctx, n, len(nodes) == 1); err != nil {
			return c, err
		}
	}
	_, err = c.await(ctx, cfg.HealTimeout)
	return c, err
}

// take makes a node on the host that has been free for longest.
func (c *crew) take() (*node, error) {
	host := c.free[0]
	n, err := c.newNode(host)
	if err != nil {
		return nil, err
	}
	c.free = c.free[1:]
	c.all = append(c.all, n)
	return n, nil
}

// end ends all processes and takes the disks away. The data stays if keep says
// so.
func (c *crew) end(keep bool) error {
	var wrong []error
	for _, n := range c.all {
		if n.disk != nil {
			_ = n.disk.Thaw() // hardly ever frozen here, but then nothing could be ended
		}
		wrong = append(wrong, n.end())
		if n.disk != nil {
			wrong = append(wrong, n.disk.Remove(keep))
		}
	}
	if !keep {
		wrong = append(wrong, os.RemoveAll(c.dir))
	}
	return errors.Join(wrong...)
}

// status asks the members until one answers.
func (c *crew) status(ctx context.Context) (s status, err error) {
	for _, n := range c.nodes() {
		if !n.alive() {
			continue
		}
		s, err = askStatus(ctx, n.api)
		if err == nil {
			return s, nil
		}
	}
	return s, errors.Join(errors.New("no node says how the cluster is"), err)
}

// errUnhealthy says that the cluster did not become healthy.
var errUnhealthy = errors.New("the cluster does not become healthy")

// endedError is an errUnhealthy: a node ends whenever it is started.
type endedError struct{ node *node }

// Error implements error.
func (e endedError) Error() string {
	return fmt.Sprintf("%v: %s has ended %d times (see %s)", errUnhealthy, e.node.name, restartsMax, e.node.log)
}

// Unwrap makes it an errUnhealthy.
func (endedError) Unwrap() error { return errUnhealthy }

// restartsMax bounds how often a node is started that ends by itself while the
// cluster heals, restartPause is before each.
const (
	restartsMax  = 3
	restartPause = 500 * time.Millisecond
)

// await starts members that do not run and waits until all members serve, each
// says that the cluster is healthy, and each answers completely.
func (c *crew) await(ctx context.Context, limit time.Duration) (s status, err error) {
	restarts := map[*node]int{}
	reason := "it was not looked at"
	for began := time.Now(); time.Since(began) < limit && ctx.Err() == nil; pause(ctx, poll) {
		reason = ""
		for _, n := range c.nodes() {
			if n.alive() {
				continue
			}
			if restarts[n]++; restarts[n] > restartsMax {
				return s, endedError{n}
			}
			if restarts[n] > 1 {
				pause(ctx, restartPause)
			}
			if err := c.launch(n, false); err != nil {
				return s, err
			}
			reason = n.name + " starts"
		}
		for _, n := range c.nodes() {
			if why := c.lacks(ctx, n, &s); why != "" {
				reason = n.name + ": " + why
				break
			}
		}
		if reason == "" {
			return s, nil
		}
	}
	return s, errors.Join(fmt.Errorf("%w within %v: %s", errUnhealthy, limit, reason), ctx.Err())
}

// noRun is a run of which there are no records.
const noRun = "none"

// lacks says what is not healthy in the eyes of one node.
func (c *crew) lacks(ctx context.Context, n *node, s *status) string {
	if err := n.api.Ready(ctx); err != nil {
		return err.Error()
	}
	seen, err := askStatus(ctx, n.api)
	if err != nil {
		return err.Error()
	}
	names := map[string]bool{}
	for _, name := range c.names() {
		names[name] = true
	}
	*s = seen
	if why := seen.unhealthy(names, c.cfg.Replicas); why != "" {
		return why
	}
	_, whole, err := n.patient.Count(ctx, noRun)
	if err = errors.Join(err, whole.Err()); err != nil {
		return err.Error()
	}
	return ""
}

func pause(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
}
