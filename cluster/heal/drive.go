package heal

import (
	"context"
	"fmt"
	"time"

	"github.com/stere-log/stere/cluster/catalogue"
)

// Group is what a Driver does to the Raft group of a shard. Its errors are
// those of raft.Group.
type Group interface {
	// Leads reports whether this node leads the group.
	Leads() bool
	// Members are those of the group, with a change that may not be committed.
	Members() []Member
	// Confirm returns when all of the members that were seen is committed, and
	// this node leads; an error says that it is not known.
	Confirm(ctx context.Context) error
	// Change changes the members.
	Change(ctx context.Context, change Change, node string) error
	// Transfer lets another voter lead; "" means any.
	Transfer(ctx context.Context, to string) error
}

// DriverConfig says what a Driver drives. All but the last two must be given.
type DriverConfig struct {
	// Self is the id of this node.
	Self  string
	Shard uint32
	Group Group
	// State is what the cluster agrees on, as far as this node knows.
	State func() *catalogue.State
	// Complete says whether the replicas of members are complete, of those that
	// have said so within the last seconds. It is only asked on the leader.
	Complete func(ctx context.Context, nodes []string) map[string]bool
	// Propose changes the catalogue, as Cluster.Propose does.
	Propose func(ctx context.Context, command catalogue.Command) (*catalogue.State, error)
	// Interval is the time between two looks. Default 1 s.
	Interval time.Duration
	// Took is told of every step that was tried. Default: nobody.
	Took func(step Step, err error)
}

// Driver brings the members of one shard's group to what the catalogue says,
// while this node leads it. Every node runs one for each of its replicas.
type Driver struct {
	cfg    DriverConfig
	newest *catalogue.State // of what was proposed here, newer than what this node knows at times
}

const (
	driveInterval = time.Second
	stepTimeout   = 10 * time.Second
	stepsMax      = 16 // in a row without a pause
)

// NewDriver returns a driver that does nothing before Run or Step.
func NewDriver(cfg DriverConfig) *Driver {
	if cfg.Interval <= 0 {
		cfg.Interval = driveInterval
	}
	if cfg.Took == nil {
		cfg.Took = func(Step, error) {}
	}
	return &Driver{cfg: cfg}
}

// Run takes steps until the context ends. A step that failed is looked at anew
// after the interval.
func (d *Driver) Run(ctx context.Context) {
	ticker := time.NewTicker(d.cfg.Interval)
	defer ticker.Stop()
	for {
		for range stepsMax {
			if took, err := d.Step(ctx); !took || err != nil {
				break
			}
		}
		select {
		case <-ticker.C:
		case <-ctx.Done():
			return
		}
	}
}

// Step takes at most one step and reports whether it tried one. It is not to
// be called while Run runs.
func (d *Driver) Step(ctx context.Context) (took bool, err error) {
	if !d.cfg.Group.Leads() {
		return false, nil
	}
	state := d.cfg.State()
	if d.newest != nil && d.newest.Index > state.Index {
		state = d.newest
	} else {
		d.newest = nil
	}
	shard, ok := state.Shards[d.cfg.Shard]
	if !ok {
		return false, nil
	}
	ctx, cancel := context.WithTimeout(ctx, stepTimeout)
	defer cancel()
	s := Sight{Self: d.cfg.Self, Shard: shard, Wanted: state.Wanted(shard), Nodes: state.Nodes, Members: d.cfg.Group.Members()}
	if agrees(s) {
		return false, nil
	}
	nodes := make([]string, 0, len(s.Members))
	for _, m := range s.Members {
		nodes = append(nodes, m.Node)
	}
	s.Complete = d.cfg.Complete(ctx, nodes)
	step, ok := Follow(s)
	if !ok {
		return false, nil
	}
	err = d.take(ctx, step)
	if err != nil {
		err = fmt.Errorf("%s of shard %d, node %q: %w", step.Kind, d.cfg.Shard, step.Node, err)
	}
	d.cfg.Took(step, err)
	return true, err
}

// agrees reports whether the members are what the catalogue says: nothing is
// to be done, and nobody is to be asked.
func agrees(s Sight) bool {
	if len(s.Members) != len(s.Shard.Replicas) {
		return false
	}
	for _, m := range s.Members {
		if r, ok := s.Shard.On(m.Node); !ok || r.Role != catalogue.Voter || !m.Voter {
			return false
		}
	}
	return true
}

func (d *Driver) take(ctx context.Context, step Step) error {
	switch step.Kind {
	case StepTransfer:
		return d.cfg.Group.Transfer(ctx, step.Node)
	case StepRecord:
		// What is written down is true for good: not what a leader believes
		// that is none any more, nor what the next one may undo.
		if err := d.cfg.Group.Confirm(ctx); err != nil {
			return err
		}
		state, err := d.cfg.Propose(ctx, step.Record)
		if state != nil {
			d.newest = state
		}
		return err
	}
	return d.cfg.Group.Change(ctx, Change(step.Kind), step.Node)
}
