// Package local runs the processes of one cluster on this machine, for programs that measure or
// break one: their secret, their addresses, the arguments that make them a cluster.
//
// Main functions: New, Launch and Stop. A cluster has no lock; each program calls it from its one
// goroutine, and asks from others only what members are called and where they are.
package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"path/filepath"

	"github.com/stere-log/stere/bench/proc"
)

// Cluster is the processes of one cluster.
type Cluster struct {
	Members []*Member
	stere   string // the program
	secret  string // a file
}

// Member is a node of it.
type Member struct {
	Name                  string
	Dir                   string // its data folder
	HTTP, Cluster, Gossip string // loopback addresses
	Process               *proc.Process
}

// Alive reports whether the process runs.
func (m *Member) Alive() bool { return m.Process != nil && m.Process.Alive() }

// New makes the secret of a cluster of so many nodes in a folder, and chooses their addresses.
// No process runs yet.
func New(ctx context.Context, stere, dir string, nodes int) (*Cluster, error) {
	c := &Cluster{stere: stere, secret: filepath.Join(dir, "secret")}
	if out, err := exec.CommandContext(ctx, stere, "cluster", "secret", "--out", c.secret).CombinedOutput(); err != nil {
		return nil, fmt.Errorf("make a secret: %w: %s", err, bytes.TrimSpace(out))
	}
	for i := range nodes {
		m := &Member{Name: fmt.Sprintf("n%d", i+1)}
		m.Dir = filepath.Join(dir, m.Name)
		for _, address := range []*string{&m.HTTP, &m.Cluster, &m.Gossip} {
			var err error
			if *address, err = proc.FreeAddress(); err != nil {
				return nil, err
			}
		}
		c.Members = append(c.Members, m)
	}
	return c, nil
}

// Launch starts the process of a member, also again, and does not wait until it is ready. To the
// arguments those are added that make it a member; how the cluster begins the caller says.
func (c *Cluster) Launch(m *Member, cfg proc.Config) (err error) {
	cfg.Path, cfg.LogPath = c.stere, m.Dir+".log"
	cfg.Args = append([]string{
		"serve", "--data", m.Dir, "--listen", m.HTTP, "--node", m.Name,
		"--cluster-listen", m.Cluster, "--gossip-listen", m.Gossip, "--cluster-secret-file", c.secret,
	}, cfg.Args...)
	m.Process, err = proc.Launch(cfg)
	return err
}

// Stop ends the processes that run, in the way that is given.
func (c *Cluster) Stop(end func(*proc.Process) error) error {
	var faults []error
	for _, m := range c.Members {
		if m.Alive() {
			faults = append(faults, end(m.Process))
		}
	}
	return errors.Join(faults...)
}
