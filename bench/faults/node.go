package faults

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/stere-log/stere/bench/faults/lab"
	"github.com/stere-log/stere/bench/faults/ledger"
	"github.com/stere-log/stere/bench/proc"
)

// node is the process under test and its data folder.
type node struct {
	cfg     Config
	lab     *lab.Lab
	api     *ledger.API
	dir     string
	log     string
	process *proc.Process
	readies []time.Duration // from launch to ready, of every start
}

func newNode(cfg Config, l *lab.Lab, a *ledger.API, kind Kind, dir string) *node {
	return &node{cfg: cfg, lab: l, api: a, dir: dir, log: filepath.Join(cfg.WorkDir, string(kind)+".log")}
}

// launch starts the process and does not wait for it.
func (n *node) launch() error {
	address, err := proc.FreeAddress()
	if err != nil {
		return err
	}
	n.api.SetBase("http://" + address)
	n.process, err = proc.Launch(proc.Config{
		Path: n.cfg.Path, Args: append([]string{"serve", "--data", n.dir, "--listen", address}, n.cfg.Args...), Env: n.cfg.Env, LogPath: n.log,
		Ready:        n.ready,
		ReadyTimeout: n.cfg.ReadyTimeout,
	})
	if err != nil {
		return err
	}
	return n.lab.Process(n.process.PID())
}

// start starts the process and waits until it serves.
func (n *node) start(ctx context.Context) error {
	began := time.Now()
	if err := n.launch(); err != nil {
		return err
	}
	if err := n.process.AwaitReady(ctx); err != nil {
		return fmt.Errorf("start again: %w", err)
	}
	n.readies = append(n.readies, time.Since(began))
	return nil
}

func (n *node) kill() error {
	if n.process == nil {
		return nil
	}
	return n.process.Kill()
}

// ready reports whether the node serves, and takes its key.
func (n *node) ready(ctx context.Context) error {
	if err := n.api.Ready(ctx); err != nil {
		return err
	}
	return n.api.TakeKey(n.dir)
}
