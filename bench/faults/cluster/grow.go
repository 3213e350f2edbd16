package cluster

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/stere-log/stere/bench/proc"
)

// replaced ends a node for good with its data; an empty one joins, and takes
// the place of all its replicas.
func (r *round) replaced(ctx context.Context, victim *node) error {
	r.expect(r.crew.names(victim))
	return r.replace(ctx, victim)
}

// replace puts an empty node in the place of another one.
func (r *round) replace(ctx context.Context, victim *node) error {
	if len(r.crew.free) == 0 {
		return fmt.Errorf("%s cannot be replaced: no host is free", victim.name)
	}
	if err := victim.end(); err != nil {
		return err
	}
	if err := os.RemoveAll(victim.dir); err != nil {
		return fmt.Errorf("wipe %s: %w", victim.name, err)
	}
	fresh, err := r.crew.take()
	if err != nil {
		return err
	}
	r.note("%s takes its place", fresh.name)
	nodes := slices.Clone(r.crew.nodes())
	nodes[slices.Index(nodes, victim)] = fresh
	r.crew.setNodes(nodes)
	r.crew.free = append(r.crew.free, victim.host)
	began := time.Now()
	if err := r.crew.start(ctx, fresh, false); err != nil {
		return err
	}
	if err := r.remove(ctx, victim); err != nil {
		return err
	}
	return r.replicated(ctx, began)
}

// remove says to the cluster that a node will not come back: by itself it would
// wait for minutes.
func (r *round) remove(ctx context.Context, gone *node) (err error) {
	for began := time.Now(); time.Since(began) < r.cfg.HealTimeout && ctx.Err() == nil; pause(ctx, poll) {
		for _, n := range r.crew.nodes() {
			if _, err = n.api.Do(ctx, http.MethodDelete, "/admin/cluster/nodes/"+gone.name+"?force=true", nil, ""); err == nil {
				return nil
			}
		}
	}
	v := &r.report.Violations
	v.Note(&v.NotHealed, 1, "%s cannot be removed: %v", gone.name, err)
	return errors.Join(fmt.Errorf("remove %s: %w", gone.name, err), ctx.Err())
}

// replicated waits until all shards are whole on the members.
func (r *round) replicated(ctx context.Context, began time.Time) error {
	status, err := r.crew.await(ctx, r.cfg.HealTimeout)
	if errors.Is(err, errUnhealthy) && ctx.Err() == nil {
		v := &r.report.Violations
		v.Note(&v.NotHealed, 1, "a new node does not get what it needs: %v", err)
	}
	if err != nil {
		return err
	}
	r.status = status
	r.report.ReplicatedMS = milliseconds(time.Since(began))
	return nil
}

// added lets one more node join and waits until it has its share.
func (r *round) added(ctx context.Context) error {
	r.last = true
	r.expect(r.crew.names())
	fresh, err := r.crew.take()
	if err != nil {
		return err
	}
	r.report.Victims = []string{fresh.name}
	r.crew.setNodes(append(slices.Clone(r.crew.nodes()), fresh))
	began := time.Now()
	if err := r.crew.start(ctx, fresh, false); err != nil {
		return err
	}
	if err := r.replicated(ctx, began); err != nil {
		return err
	}
	for ; time.Since(began) < r.cfg.LevelTimeout && ctx.Err() == nil; pause(ctx, poll) {
		if status, err := r.crew.status(ctx); err == nil {
			r.status = status
			if leads, replicas := r.levels(); level(leads) && level(replicas) {
				break
			}
		}
	}
	leads, replicas := r.levels()
	r.note("after %v: leaders %v, replicas %v, %s", time.Since(began).Round(time.Second), leads, replicas, r.bytes())
	return nil
}

// levels counts leaders and replicas of each member.
func (r *round) levels() (leads, replicas []int) {
	of := r.status.leads()
	for _, n := range r.crew.nodes() {
		leads = append(leads, of[n.name])
		has := 0
		for _, s := range r.status.Shards {
			if s.has(n.name) {
				has++
			}
		}
		replicas = append(replicas, has)
	}
	return leads, replicas
}

func level(counts []int) bool { return slices.Max(counts)-slices.Min(counts) <= 1 }

// bytes says how much is on the disk of each member.
func (r *round) bytes() string {
	var sizes []string
	for _, n := range r.crew.nodes() {
		disk, err := proc.DiskOf(n.dir)
		if err != nil {
			return err.Error()
		}
		sizes = append(sizes, fmt.Sprintf("%.1f", float64(disk.Allocated-disk.Parts["store/BALLAST"])/(1<<20)))
	}
	return "MiB on disk [" + strings.Join(sizes, " ") + "]"
}
