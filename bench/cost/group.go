package cost

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	v1 "github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/bench/faults/lab"
	"github.com/stere-log/stere/bench/faults/ledger"
	"github.com/stere-log/stere/bench/proc"
)

// group is the processes of one cluster.
type group struct {
	dir      string
	network  *lab.Network
	replicas int
	nodes    []*member
	// replicated is the time from when all nodes served until every shard had all
	// replicas, level that until their leaders lay level; 0: they do not.
	replicated, level time.Duration
}

// member is one process.
type member struct {
	host    *lab.Host
	dir     string
	api     *ledger.API
	process *proc.Process
}

// newGroup starts a cluster and waits until it has all replicas. What it
// returns with an error has to be ended, too.
func newGroup(ctx context.Context, cfg Config, l *lab.Lab, network *lab.Network, replicas, shards int) (*group, error) {
	g := &group{dir: filepath.Join(cfg.WorkDir, fmt.Sprintf("replicas-%d-shards-%d", replicas, shards)), network: network, replicas: replicas}
	if err := errors.Join(os.RemoveAll(g.dir), os.MkdirAll(g.dir, 0o755), newSecret(filepath.Join(g.dir, "secret"))); err != nil {
		return g, err
	}
	seed := ""
	for i, host := range network.Hosts[:nodes] {
		m := &member{host: host, dir: filepath.Join(g.dir, "n"+strconv.Itoa(i+1)), api: ledger.NewAPI(requestTime, host.Dial)}
		ports := [3]string{"7100", "7101", "7102"}
		for p := range ports {
			if host.Namespace == "" {
				var err error
				if ports[p], err = proc.FreePort(host.Address); err != nil {
					return g, err
				}
			}
			ports[p] = net.JoinHostPort(host.Address, ports[p])
		}
		m.api.SetBase("http://" + ports[0])
		args := []string{"serve", "--data", m.dir, "--listen", ports[0], "--node", filepath.Base(m.dir), "--zone", "zone-" + filepath.Base(m.dir),
			"--cluster-listen", ports[1], "--gossip-listen", ports[2], "--advertise", host.Address,
			"--replicas", strconv.Itoa(replicas), "--cluster-secret-file", filepath.Join(g.dir, "secret"), "--set", "shards=" + strconv.Itoa(shards)}
		if i == 0 {
			args, seed = append(args, "--bootstrap"), ports[2]
		} else {
			args = append(args, "--join", seed)
		}
		process, err := proc.Launch(proc.Config{
			Path: cfg.Path, Args: args, LogPath: m.dir + ".log", Ready: m.api.Ready,
			Within: func(start func() error) error { return lab.Inside(host.Namespace, start) },
		})
		if err != nil {
			return g, err
		}
		m.process = process
		g.nodes = append(g.nodes, m)
		if err := l.Process(process.PID()); err != nil {
			return g, err
		}
		if err := process.AwaitReady(ctx); err != nil {
			return g, fmt.Errorf("start node %d: %w", i+1, err)
		}
		if err := m.api.TakeKey(m.dir); err != nil {
			return g, err
		}
	}
	return g, g.awaitWhole(ctx)
}

// awaitWhole waits until every shard has a leader and all its replicas, and for
// a while until the nodes lead about as many each: nodes whose disks are too full
// are given none.
func (g *group) awaitWhole(ctx context.Context) error {
	began := time.Now()
	if err := until(ctx, wholeTime, func(ctx context.Context) error {
		_, err := g.whole(ctx)
		return err
	}); err != nil {
		return fmt.Errorf("the cluster does not become whole: %w", err)
	}
	g.replicated = time.Since(began)
	err := until(ctx, levelTime, func(ctx context.Context) error {
		level, err := g.whole(ctx)
		if err == nil && !level {
			err = errors.New("some nodes lead more shards than others")
		}
		return err
	})
	if err == nil {
		g.level = time.Since(began)
	}
	return ctx.Err()
}

// until looks each second until something is so.
func until(ctx context.Context, limit time.Duration, is func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	for {
		err := is(ctx)
		if err == nil {
			return nil
		}
		if pause(ctx, lookEvery) != nil {
			return err
		}
	}
}

// whole reports whether all shards have what they should, else why not, and
// whether the nodes lead about as many each.
func (g *group) whole(ctx context.Context) (level bool, err error) {
	text, err := g.nodes[0].api.Do(ctx, http.MethodGet, "/admin/cluster", nil, "")
	if err != nil {
		return false, err
	}
	var answer v1.Envelope[v1.ClusterStatus]
	if err := json.Unmarshal(text, &answer); err != nil {
		return false, fmt.Errorf("read status: %w", err)
	}
	leads := map[string]int{}
	for _, s := range answer.Data.Shards {
		leads[s.Leader]++
		complete := 0
		for _, r := range s.Replicas {
			if r.Complete && r.Role == v1.RoleVoter {
				complete++
			}
		}
		if s.Leader == "" || complete != g.replicas || len(s.Replicas) != g.replicas {
			return false, fmt.Errorf("shard %d has %d of %d replicas", s.Number, complete, g.replicas)
		}
	}
	for _, n := range answer.Data.Nodes {
		if leads[n.ID]+2 < len(answer.Data.Shards)/nodes {
			return false, nil
		}
	}
	return true, nil
}

// end ends the processes; the data goes.
func (g *group) end() error {
	var wrong []error
	for _, m := range g.nodes {
		wrong = append(wrong, m.process.Stop())
	}
	if errors.Join(wrong...) == nil {
		wrong = append(wrong, os.RemoveAll(g.dir))
	}
	return errors.Join(wrong...)
}

// readings are sums over all nodes.
type readings struct {
	cpu       float64 // seconds
	rss       int64
	files     int
	committed int64 // bytes proposed to logs
	wire      int64 // bytes sent over links
	packets   int64 // sent over links
	switches  int64 // of threads that waited
}

func (r readings) minus(before readings) readings {
	return readings{r.cpu - before.cpu, r.rss - before.rss, r.files - before.files, r.committed - before.committed, r.wire - before.wire, r.packets - before.packets, r.switches - before.switches}
}

// read reads all nodes.
func (g *group) read(ctx context.Context) (sum readings, err error) {
	for _, m := range g.nodes {
		usage, err := m.process.Usage()
		if err != nil {
			return sum, err
		}
		pid := strconv.Itoa(m.process.PID())
		files, err := os.ReadDir(filepath.Join("/proc", pid, "fd"))
		if err != nil {
			return sum, fmt.Errorf("count open files: %w", err)
		}
		text, err := m.metrics(ctx)
		if err != nil {
			return sum, err
		}
		sum.cpu += usage.CPUSeconds
		sum.rss += usage.RSSBytes
		sum.files += len(files)
		switches, err := waits(pid)
		if err != nil {
			return sum, err
		}
		sum.switches += switches
		committed, err := metric(text, "stere_log_proposed_bytes_total")
		if err != nil {
			return sum, err
		}
		sum.committed += int64(committed)
		if m.host.Namespace == "" {
			continue // its link is that of all
		}
		devices, err := os.ReadFile(filepath.Join("/proc", pid, "net", "dev"))
		if err != nil {
			return sum, fmt.Errorf("read counters of links: %w", err)
		}
		bytes, packets := sent(devices)
		sum.wire += bytes
		sum.packets += packets
	}
	return sum, nil
}

// metric returns the value of a figure without labels.
func metric(text []byte, name string) (float64, error) {
	for line := range bytes.Lines(text) {
		if rest, ok := strings.CutPrefix(string(line), name+" "); ok {
			return strconv.ParseFloat(strings.TrimSpace(rest), 64)
		}
	}
	return 0, fmt.Errorf("the node has no figure %s", name)
}

// waits sums up how often the threads of a process have waited for something:
// what an idle process costs, whatever else the machine does.
func waits(pid string) (total int64, err error) {
	threads, err := filepath.Glob(filepath.Join("/proc", pid, "task", "*", "status"))
	if err != nil {
		return 0, fmt.Errorf("count waits: %w", err)
	}
	for _, thread := range threads {
		text, err := os.ReadFile(thread)
		if err != nil {
			continue // it has ended
		}
		for line := range strings.Lines(string(text)) {
			if rest, ok := strings.CutPrefix(line, "voluntary_ctxt_switches:"); ok {
				if n, err := strconv.ParseInt(strings.TrimSpace(rest), 10, 64); err == nil {
					total += n
				}
			}
		}
	}
	return total, nil
}

// sent sums up what has been sent over all links but the loopback, by the text
// of /proc/PID/net/dev.
func sent(devices []byte) (bytesSent, packets int64) {
	scanner := bufio.NewScanner(bytes.NewReader(devices))
	for scanner.Scan() {
		name, rest, ok := strings.Cut(scanner.Text(), ":")
		fields := strings.Fields(rest)
		if !ok || strings.TrimSpace(name) == "lo" || len(fields) < 10 {
			continue
		}
		b, err1 := strconv.ParseInt(fields[8], 10, 64)
		p, err2 := strconv.ParseInt(fields[9], 10, 64)
		if err1 == nil && err2 == nil {
			bytesSent += b
			packets += p
		}
	}
	return bytesSent, packets
}
