package cluster

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/stere-log/stere/bench/faults/ledger"
)

// round is one fault under way.
type round struct {
	*life
	kind   Kind
	rng    *rand.Rand
	report *RoundReport
	last   bool // the cluster is not what it was: its life ends
	mayEnd []*node
}

// do loads the cluster, makes the fault, ends it, waits until everything is
// healthy and compares.
func (r *round) do(ctx context.Context) (err error) {
	if err := r.possible(); err != nil {
		return err
	}
	if r.status, err = r.crew.status(ctx); err != nil {
		return err
	}
	r.border = append(r.border, time.Now().UnixNano())
	r.expect(r.crew.names())
	r.load.meter.begin()
	pause(ctx, r.between(r.cfg.UptimeMin, r.cfg.UptimeMax))
	r.report.RateBefore = r.load.meter.read().rate
	r.drain() // answers before the fault: any violation counts, the number does not
	r.report.Answers = Answers{}

	r.load.meter.begin()
	began := time.Now()
	err = r.fault(ctx)
	r.expectOthers()
	r.report.FaultMS = milliseconds(time.Since(began))
	if err = errors.Join(err, r.net.Heal()); err != nil {
		return err
	}
	err = r.heal(ctx)
	r.reading()
	if err != nil {
		return err
	}
	r.drain()
	if err := r.check(ctx); err != nil {
		return err
	}
	return r.crashes()
}

// between draws a time.
func (r *round) between(least, most time.Duration) time.Duration {
	return least + time.Duration(r.rng.Int64N(int64(most-least)+1))
}

// hold lets the fault last.
func (r *round) hold(ctx context.Context) { pause(ctx, r.between(r.cfg.FaultMin, r.cfg.FaultMax)) }

// expect says that the nodes of each group reach each other and nobody else.
func (r *round) expect(groups ...[]string) { r.crew.outlook.set(sights(r.status.Shards, groups...)) }

// expectOthers says what stays promised while victims come back.
func (r *round) expectOthers() {
	var others []string
	for _, name := range r.crew.names() {
		if !slices.Contains(r.report.Victims, name) {
			others = append(others, name)
		}
	}
	of := sights(r.status.Shards, others)
	maps.DeleteFunc(of, func(_ string, p promise) bool { return p != complete })
	r.crew.outlook.set(of)
}

// drain takes what askers have counted.
func (r *round) drain() {
	count, wrong := r.load.asked.take()
	r.report.Answers.add(count)
	r.report.Violations.Add(wrong)
}

// heal waits until the cluster is healthy again.
func (r *round) heal(ctx context.Context) error {
	began := time.Now()
	for _, n := range r.crew.nodes() {
		if !n.alive() && !contains(r.mayEnd, n) {
			v := &r.report.Violations
			v.Note(&v.NotAlive, 1, "%s has ended by itself (see %s)", n.name, n.log)
		}
	}
	status, err := r.crew.await(ctx, r.cfg.HealTimeout)
	var ended endedError
	if r.kind == BitRot && errors.As(err, &ended) && contains(r.mayEnd, ended.node) {
		r.report.Refused++
		r.note("%s does not start (%s)", ended.node.name, ended.node.lastLine())
		if err := r.replace(ctx, ended.node); err != nil {
			return err
		}
		status, err = r.crew.await(ctx, r.cfg.HealTimeout)
	}
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if errors.Is(err, errUnhealthy) {
		v := &r.report.Violations
		v.Note(&v.NotHealed, 1, "%v", err)
		r.drain()
		return errors.Join(err, r.crashes())
	}
	if err != nil {
		return err
	}
	r.status = status
	r.report.HealthyMS = milliseconds(time.Since(began))
	r.expect(r.crew.names())
	return nil
}

// reading enters what the meter showed since the fault.
func (r *round) reading() {
	reading := r.load.meter.read()
	r.report.GapMS, r.report.RateDuring, r.report.RateWorst = milliseconds(reading.gap), reading.rate, reading.worst
}

// check compares the nodes with the ledger while writers and askers wait: the
// count through each node and the records of the last two rounds through one, or
// all records through each.
func (r *round) check(ctx context.Context) error {
	v := &r.report.Violations
	began := time.Now()
	defer func() { r.held += time.Since(began) }()
	before := r.ledger.Tally()
	if !r.load.hold(ctx, r.cfg.ResumeTimeout) {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		v.Note(&v.NotResumed, 1, "a healthy cluster does not acknowledge: %d requests in %v", r.ledger.Tally().Acks-before.Acks, r.cfg.ResumeTimeout)
		return fmt.Errorf("writes do not resume within %v", r.cfg.ResumeTimeout)
	}
	defer r.load.release()
	r.enterRefusals(v)
	from, full := int64(0), r.run.rounds%r.cfg.FullEvery == 0 || len(r.plan) == 0 || r.last
	if !full {
		from = r.border[max(len(r.border)-2, 0)]
	}
	one := r.rng.IntN(len(r.crew.nodes()))
	for i, n := range r.crew.nodes() {
		ok, err := r.ledger.CheckCount(ctx, n.patient)
		if err != nil {
			r.enterFailure(v, err)
			return fmt.Errorf("count through %s: %w", n.name, err)
		}
		if ok && !full && i != one {
			continue
		}
		if !ok {
			from = 0 // the full check finds out what is wrong
		}
		if err := r.compare(ctx, n, from, ok); err != nil {
			return err
		}
	}
	if v.Sum() > 0 {
		return errors.New("violated, this life ends here")
	}
	return nil
}

// compare reads records back through one node.
func (r *round) compare(ctx context.Context, n *node, from int64, counted bool) error {
	var v ledger.Violations
	read, err := r.ledger.Check(ctx, n.patient, from, &v)
	r.life.report.Read += read
	if !counted && err == nil && v.Sum() == 0 {
		v.Note(&v.Wrong, 1, "the count is wrong and the records are right")
	}
	for i, example := range v.Examples {
		v.Examples[i] = "through " + n.name + ": " + example
	}
	if err != nil {
		r.enterFailure(&v, err)
	}
	r.report.Violations.Add(v)
	if err != nil {
		return fmt.Errorf("read back through %s: %w", n.name, err)
	}
	return nil
}

// enterFailure enters that a healthy cluster did not answer as it should.
func (*round) enterFailure(v *ledger.Violations, err error) {
	if errors.Is(err, ledger.ErrIncomplete) {
		v.Note(&v.Incomplete, 1, "a healthy cluster's %v", err)
	} else {
		v.Note(&v.NotAnswered, 1, "a healthy cluster does not answer: %v", err)
	}
}

// enterRefusals enters refusals by which a client would drop its batch.
func (r *round) enterRefusals(v *ledger.Violations) {
	sums := r.ledger.Tally()
	if n := sums.Improper - r.improper; n > 0 {
		v.Note(&v.Improper, n, "%d writes refused in a way that makes a client drop them, the last with %v", n, sums.ImproperLast)
	}
	r.improper = sums.Improper
}

// crashes looks into the logs for a program that crashed.
func (r *round) crashes() error {
	v := &r.report.Violations
	for _, n := range r.crew.all {
		line, err := n.crash()
		if err != nil {
			return err
		}
		if line != "" {
			v.Note(&v.NotAlive, 1, "%s has crashed: %s (see %s)", n.name, line, n.log)
		}
	}
	return nil
}
