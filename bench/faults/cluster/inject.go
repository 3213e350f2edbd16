package cluster

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stere-log/stere/bench/faults/lab"
)

const (
	// leaderShare is the share of the rounds whose victims are the nodes that
	// lead most shards.
	leaderShare = 0.6
	// cutWait is how long after a disk has died answers are no promises: those to
	// syncs under way when it died.
	cutWait = 500 * time.Millisecond
	// The links of Slow.
	slowDelay = 200 * time.Millisecond
	slowLoss  = 0.1
	// flapEvery is how long a node is cut off and back each time.
	flapEvery = time.Second
	// fillMax is how often a full disk is filled again.
	fillMax = 100
)

// possible says with lab.ErrSkip that the fault cannot be made here.
func (r *round) possible() error {
	switch {
	case slices.Contains(needsDisk(), r.kind) && r.crew.noImages != "":
		return fmt.Errorf("%w: %s", lab.ErrSkip, strings.TrimPrefix(r.crew.noImages, lab.ErrSkip.Error()+": "))
	case r.kind == AddNode && len(r.crew.free) == 0 || r.kind == Replace && len(r.crew.free) == 0:
		return fmt.Errorf("%w: no host is free", lab.ErrSkip)
	case r.kind == Upgrade && r.cfg.OldPath == "":
		return fmt.Errorf("%w: there is no older program", lab.ErrSkip)
	}
	return nil
}

// fault makes the fault and ends it, as far as links, disks and signals go.
// Nodes that are down start again afterwards.
func (r *round) fault(ctx context.Context) error {
	half := len(r.crew.nodes()) / 2
	switch r.kind {
	case Kill:
		return r.killed(ctx, r.victims(1))
	case KillMajority:
		return r.killed(ctx, r.victims(half+1))
	case KillAll:
		return r.killed(ctx, r.victims(len(r.crew.nodes())))
	case Term:
		return r.rolled(ctx)
	case Upgrade:
		return r.upgraded(ctx)
	case PowerLoss:
		return r.unpowered(ctx, r.victims(1))
	case PowerLossAll:
		return r.unpowered(ctx, r.victims(len(r.crew.nodes())))
	case Stop:
		return r.stopped(ctx, r.victims(1)[0])
	case Partition:
		return r.parted(ctx, r.victims(1))
	case PartitionSplit:
		return r.parted(ctx, r.victims(max(half, 1)))
	case Bridge:
		return r.bridged(ctx, r.victims(2))
	case OneWay:
		return r.oneWay(ctx, r.victims(1)[0])
	case Flap:
		return r.flapped(ctx, r.victims(1))
	case Slow:
		return r.slowed(ctx, r.victims(1)[0])
	case DiskFull:
		return r.filled(ctx, r.victims(1)[0])
	case DiskDead:
		return r.diskDied(ctx, r.victims(1)[0])
	case Freeze:
		return r.frozen(ctx, r.victims(1)[0])
	case Clock:
		return r.shifted(ctx, r.victims(1)[0])
	case BitRot:
		return r.rotted(ctx, r.victims(1)[0])
	case Replace:
		return r.replaced(ctx, r.victims(1)[0])
	case AddNode:
		return r.added(ctx)
	}
	return fmt.Errorf("%w: fault %s is not known", lab.ErrSkip, r.kind)
}

// victims draws nodes: at random, or those that lead most shards.
func (r *round) victims(n int) []*node {
	nodes := slices.Clone(r.crew.nodes())
	r.rng.Shuffle(len(nodes), func(i, j int) { nodes[i], nodes[j] = nodes[j], nodes[i] })
	leads := r.status.leads()
	if r.rng.Float64() < leaderShare {
		slices.SortStableFunc(nodes, func(a, b *node) int { return leads[b.name] - leads[a.name] })
	}
	nodes = nodes[:min(n, len(nodes))]
	for _, v := range nodes {
		r.report.Victims = append(r.report.Victims, v.name)
		r.report.Led += leads[v.name]
	}
	return nodes
}

// each does something to all nodes at once.
func each(nodes []*node, do func(n *node) error) error {
	var wait sync.WaitGroup
	wrong := make([]error, len(nodes))
	for i, n := range nodes {
		wait.Go(func() { wrong[i] = do(n) })
	}
	wait.Wait()
	return errors.Join(wrong...)
}

func (r *round) killed(ctx context.Context, victims []*node) error {
	r.mayEnd = victims
	r.expect(r.crew.names(victims...))
	if err := each(victims, (*node).end); err != nil {
		return err
	}
	r.hold(ctx)
	return nil
}

// rolled stops and starts one node after the other, each when all are healthy.
func (r *round) rolled(ctx context.Context) error {
	nodes := r.victims(len(r.crew.nodes()))
	for i, n := range nodes {
		r.expect(r.crew.names(n))
		if err := n.process.Stop(); err != nil {
			v := &r.report.Violations
			v.Note(&v.NotAlive, 1, "%s does not obey: %v", n.name, err)
		}
		n.path = r.cfg.Path
		if err := r.crew.start(ctx, n, false); err != nil {
			return err
		}
		if i < len(nodes)-1 {
			if err := r.heal(ctx); err != nil {
				return err
			}
		}
	}
	return nil
}

// upgraded makes the older program of all nodes, which they have begun with or
// are given first, the present one. Between two nodes both serve together.
func (r *round) upgraded(ctx context.Context) error {
	if err := r.rolled(ctx); err != nil {
		return err
	}
	r.last = true // the next life begins with the older program
	return nil
}

// unpowered cuts the disks of nodes, ends the processes, and brings the disks
// back as they are after the cut.
func (r *round) unpowered(ctx context.Context, victims []*node) error {
	r.mayEnd = victims
	r.expect(r.crew.names(victims...))
	r.ledger.SetCut(true)
	err := each(victims, func(n *node) error { return n.disk.Cut() })
	err = errors.Join(err, each(victims, (*node).end))
	r.ledger.SetCut(false)
	if err != nil {
		return err
	}
	r.hold(ctx)
	return each(victims, func(n *node) error { return n.disk.Remount() })
}

func (r *round) stopped(ctx context.Context, victim *node) error {
	r.expect(r.crew.names(victim))
	if err := victim.process.Pause(); err != nil {
		return err
	}
	r.hold(ctx)
	return victim.process.Continue()
}

// part cuts nodes off from the others; they reach each other.
func (r *round) part(victims []*node) error {
	groups := make([]int, len(r.net.Hosts))
	for i, host := range r.net.Hosts {
		if slices.ContainsFunc(victims, func(n *node) bool { return n.host == host }) {
			groups[i] = 1
		}
	}
	return r.net.Partition(groups)
}

func namesOf(nodes []*node) (names []string) {
	for _, n := range nodes {
		names = append(names, n.name)
	}
	return names
}

func (r *round) parted(ctx context.Context, victims []*node) error {
	if err := r.part(victims); err != nil {
		return err
	}
	r.expect(namesOf(victims), r.crew.names(victims...))
	r.hold(ctx)
	return nil
}

func (r *round) hostOf(n *node) int { return slices.Index(r.net.Hosts, n.host) }

func (r *round) bridged(ctx context.Context, pair []*node) error {
	r.expect() // who does not reach a leader need not find a way around
	a, b := r.hostOf(pair[0]), r.hostOf(pair[1])
	if err := errors.Join(r.net.Block(a, b), r.net.Block(b, a)); err != nil {
		return err
	}
	r.hold(ctx)
	return nil
}

func (r *round) oneWay(ctx context.Context, victim *node) error {
	deaf := r.rng.IntN(2) == 0
	r.expect(r.crew.names(victim))
	v := r.hostOf(victim)
	for i := range r.net.Hosts {
		from, to := v, i
		if deaf {
			from, to = i, v
		}
		if i == v {
			continue
		}
		if err := r.net.Block(from, to); err != nil {
			return err
		}
	}
	if deaf {
		r.note("it hears nobody")
	} else {
		r.note("nobody hears it")
	}
	r.hold(ctx)
	return nil
}

func (r *round) note(format string, args ...any) {
	r.report.Notes = append(r.report.Notes, fmt.Sprintf(format, args...))
}

func (r *round) flapped(ctx context.Context, victims []*node) error {
	r.expect()
	lasts := r.between(r.cfg.FaultMin, r.cfg.FaultMax)
	for began := time.Now(); time.Since(began) < lasts && ctx.Err() == nil; {
		if err := r.part(victims); err != nil {
			return err
		}
		pause(ctx, flapEvery)
		if err := r.net.Heal(); err != nil {
			return err
		}
		pause(ctx, flapEvery)
	}
	return nil
}

func (r *round) slowed(ctx context.Context, victim *node) error {
	r.expect()
	if err := r.net.Slow(r.hostOf(victim), slowDelay, slowLoss); err != nil {
		return err
	}
	r.hold(ctx)
	return nil
}

// filled takes all space of a node again and again; it must live through that.
func (r *round) filled(ctx context.Context, victim *node) error {
	r.expect(r.crew.names(victim))
	filler := ""
	lasts := r.between(r.cfg.FaultMin, r.cfg.FaultMax)
	for began, n := time.Now(), 0; time.Since(began) < lasts && n < fillMax && ctx.Err() == nil; n++ {
		path, err := victim.disk.Fill()
		if err != nil {
			return err
		}
		filler = path
		pause(ctx, lasts/fillMax)
	}
	if err := os.Remove(filler); err != nil {
		return fmt.Errorf("free the disk: %w", err)
	}
	return nil
}

// diskDied lets every access of a node fail. The node may end: its disk is
// mounted again and it is started afterwards.
func (r *round) diskDied(ctx context.Context, victim *node) error {
	r.mayEnd = []*node{victim}
	r.expect(r.crew.names(victim))
	r.ledger.SetCut(true)
	err := victim.disk.Cut()
	pause(ctx, cutWait)
	r.ledger.SetCut(false)
	if err != nil {
		return err
	}
	r.hold(ctx)
	if victim.alive() {
		r.note("it lives on")
	}
	if err := victim.end(); err != nil {
		return err
	}
	return victim.disk.Remount()
}

func (r *round) frozen(ctx context.Context, victim *node) error {
	r.mayEnd = []*node{victim}
	r.expect(r.crew.names(victim))
	if err := victim.disk.Freeze(); err != nil {
		return err
	}
	r.hold(ctx)
	return victim.disk.Thaw()
}
