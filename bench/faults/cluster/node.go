package cluster

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"github.com/stere-log/stere/bench/faults/lab"
	"github.com/stere-log/stere/bench/faults/ledger"
	"github.com/stere-log/stere/bench/proc"
)

// Ports of a node that has a host to itself.
const (
	portHTTP    = "7100"
	portCluster = "7101"
	portGossip  = "7102"
)

const (
	// askTimeout bounds a question: longer than a node waits for a leader before
	// it answers without one.
	askTimeout = 10 * time.Second
	// checkTimeout bounds a request of the comparison with the ledger.
	checkTimeout = 60 * time.Second
)

// node is one process of the cluster, its data folder and its host. Only name,
// the APIs and silent are used by other goroutines than the one of the run.
type node struct {
	name    string
	api     *ledger.API  // for writes and all else
	asked   *ledger.API  // for questions
	patient *ledger.API  // for comparing
	silent  atomic.Int64 // when a request had no answer, ns

	path    string // of the program
	host    *lab.Host
	ports   [3]string // http, cluster, gossip
	disk    *lab.Disk // nil: no image
	dir     string
	log     string
	scanned int64 // of the log
	process *proc.Process
	ready   []time.Duration // from launch to ready, of every start
}

func (c *crew) newNode(host *lab.Host) (n *node, err error) {
	c.made++
	n = &node{name: "n" + strconv.Itoa(c.made), path: c.cfg.program(), host: host, ports: [3]string{portHTTP, portCluster, portGossip}}
	if host.Namespace == "" {
		for i := range n.ports {
			if n.ports[i], err = proc.FreePort(host.Address); err != nil {
				return nil, err
			}
		}
	}
	n.log = filepath.Join(c.dir, n.name+".log")
	n.dir = filepath.Join(c.dir, n.name)
	if c.cfg.disks() && c.imagesWork {
		n.disk, err = c.lab.NewDisk(c.dir, n.name, c.cfg.ImageMB)
		switch {
		case errors.Is(err, lab.ErrSkip):
			c.imagesWork, c.noImages = false, err.Error()
		case err != nil:
			return nil, err
		default:
			n.dir = filepath.Join(n.disk.Mount, "data")
		}
	}
	n.api, n.asked, n.patient = ledger.NewAPI(c.cfg.RequestTimeout, host.Dial), ledger.NewAPI(askTimeout, host.Dial), ledger.NewAPI(checkTimeout, host.Dial)
	for _, a := range n.apis() {
		a.SetBase("http://" + n.address(0))
		a.SetKey(c.key)
	}
	return n, nil
}

func (n *node) apis() []*ledger.API { return []*ledger.API{n.api, n.asked, n.patient} }

func (n *node) address(port int) string { return net.JoinHostPort(n.host.Address, n.ports[port]) }

// args are the arguments of the process. The first node of a life founds the
// cluster; the data folder says whether that has been done.
func (c *crew) args(n *node, founds bool) []string {
	args := []string{"serve", "--data", n.dir, "--listen", n.address(0), "--node", n.name, "--zone", "zone-" + n.name,
		"--cluster-listen", n.address(1), "--gossip-listen", n.address(2), "--advertise", n.host.Address,
		"--replicas", strconv.Itoa(c.cfg.Replicas), "--cluster-secret-file", c.secret}
	if founds {
		args = append(args, "--bootstrap")
	} else {
		var seeds []string
		for _, other := range c.nodes() {
			if other != n {
				seeds = append(seeds, other.address(2))
			}
		}
		args = append(args, "--join", strings.Join(seeds, ","))
	}
	return append(args, c.cfg.Args...)
}

// launch starts the process and does not wait for it.
func (c *crew) launch(n *node, founds bool) (err error) {
	n.process, err = proc.Launch(proc.Config{
		Path: n.path, Args: c.args(n, founds), Env: c.cfg.Env, LogPath: n.log, ReadyTimeout: c.cfg.ReadyTimeout, StopTimeout: c.cfg.ReadyTimeout,
		Ready:  n.api.Ready,
		Within: func(start func() error) error { return lab.Inside(n.host.Namespace, start) },
	})
	if err != nil {
		return err
	}
	return c.lab.Process(n.process.PID())
}

// start starts the process and waits until it serves.
func (c *crew) start(ctx context.Context, n *node, founds bool) error {
	began := time.Now()
	if err := c.launch(n, founds); err != nil {
		return err
	}
	if founds {
		// Ready may need the others; the key is there as soon as it is made.
		if err := c.takeKey(ctx, n); err != nil {
			return err
		}
	}
	if err := n.process.AwaitReady(ctx); err != nil {
		return fmt.Errorf("start %s: %w", n.name, err)
	}
	n.ready = append(n.ready, time.Since(began))
	return nil
}

// takeKey waits for the admin key that the founding node makes.
func (c *crew) takeKey(ctx context.Context, n *node) error {
	path := filepath.Join(n.dir, "admin-key")
	for began := time.Now(); ; pause(ctx, poll) {
		key, err := os.ReadFile(path)
		if text := strings.TrimSpace(string(key)); err == nil && text != "" {
			c.key = text
			for _, a := range n.apis() {
				a.SetKey(text)
			}
			return nil
		}
		if !n.process.Alive() || time.Since(began) > c.cfg.ReadyTimeout || ctx.Err() != nil {
			return errors.Join(fmt.Errorf("start %s: it makes no admin key (see %s)", n.name, n.log), err, ctx.Err())
		}
	}
}

// end kills the process, if there is one, and waits for its end.
func (n *node) end() error {
	if n.process == nil {
		return nil
	}
	return n.process.Kill()
}

func (n *node) alive() bool { return n.process != nil && n.process.Alive() }

// lastLine returns the last line of the log.
func (n *node) lastLine() string {
	text, err := os.ReadFile(n.log)
	if err != nil {
		return err.Error()
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return lines[len(lines)-1]
}

// logMax bounds how much of a log is looked at after a round.
const logMax = 64 << 20

// crash returns the line of the log since the last call that says that the
// program crashed.
func (n *node) crash() (string, error) {
	file, err := os.Open(n.log)
	if errors.Is(err, os.ErrNotExist) {
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("read log: %w", err)
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return "", fmt.Errorf("read log: %w", err)
	}
	text := make([]byte, min(max(info.Size()-n.scanned, 0), logMax))
	got, err := file.ReadAt(text, n.scanned)
	if got < len(text) && err != nil {
		return "", fmt.Errorf("read log: %w", err)
	}
	n.scanned += int64(got)
	for line := range strings.Lines(string(text)) {
		for _, sign := range []string{"panic: ", "fatal error: ", "WARNING: DATA RACE", "[signal SIG"} {
			if strings.HasPrefix(line, sign) {
				return strings.TrimSpace(line), nil
			}
		}
	}
	return "", nil
}
