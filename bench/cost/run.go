package cost

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stere-log/stere/bench/faults/lab"
	"github.com/stere-log/stere/bench/machine"
)

// Defaults of Config.
const (
	DefaultLines      = 300_000
	DefaultBatchLines = 1_000
	DefaultWorkers    = 6
	DefaultShards     = 6
	DefaultIdleShards = 64
	DefaultIdle       = time.Minute
)

const (
	nodes       = 3
	lineBytes   = 1 << 20 // longest line of a corpus
	requestTime = 2 * time.Minute
	wholeTime   = 6 * time.Minute // until a new cluster has all replicas
	levelTime   = time.Minute     // after that until leaders lie level
	lookEvery   = time.Second
	calmTime    = 20 * time.Second
	shardsMax   = 256
)

// Config says what to measure. Zero values mean the defaults.
type Config struct {
	Path    string // the stere program
	Corpus  string // an NDJSON file; without one only an idle cluster is measured
	WorkDir string // receives data folders and logs
	// Lines is how many lines are sent, in batches of BatchLines by Workers.
	Lines, BatchLines, Workers int
	// Shards is the number of shards of the loaded clusters, IdleShards that of
	// the idle one.
	Shards, IdleShards int
	// Idle is how long the idle cluster is watched.
	Idle     time.Duration
	Journals string // as of lab.Open
	Commit   string
	Note     string
	Progress io.Writer // nil discards
}

// Validate lists all faults.
func (c Config) Validate() error {
	var faults []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	fault(c.Path == "", "no program")
	fault(c.WorkDir == "", "no work folder")
	fault(c.Lines < 0 || c.BatchLines < 0 || c.Workers < 0 || c.Idle < 0, "a number is negative")
	fault(c.Shards < 0 || c.Shards > shardsMax || c.IdleShards < 0 || c.IdleShards > shardsMax, "%d and %d shards, want at most %d", c.Shards, c.IdleShards, shardsMax)
	return errors.Join(faults...)
}

func (c Config) withDefaults() Config {
	for field, fallback := range map[*int]int{&c.Lines: DefaultLines, &c.BatchLines: DefaultBatchLines, &c.Workers: DefaultWorkers, &c.Shards: DefaultShards, &c.IdleShards: DefaultIdleShards} {
		*field = cmp.Or(*field, fallback)
	}
	c.Idle = cmp.Or(c.Idle, DefaultIdle)
	if c.Progress == nil {
		c.Progress = io.Discard
	}
	return c
}

// Run measures.
func Run(ctx context.Context, cfg Config) (report *Report, err error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("cost config: %w", err)
	}
	cfg = cfg.withDefaults()
	var batches corpus
	var text int64
	if cfg.Corpus != "" {
		if batches, text, err = readCorpus(cfg); err != nil {
			return nil, err
		}
	}
	l, _, err := lab.Open(cfg.Journals)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, l.Close()) }()
	network, _, err := l.NewNetwork(nodes, "", 1)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, network.Close()) }()
	report = &Report{
		Time: time.Now().UTC(), Commit: cfg.Commit, Machine: machine.Describe(), Note: cfg.Note,
		Network: network.Kind, Nodes: nodes, Lines: batches.lines, TextBytes: text, BatchLines: cfg.BatchLines, Workers: cfg.Workers,
	}
	for _, replicas := range []int{1, 3} {
		if cfg.Corpus == "" {
			break
		}
		report.Corpus = filepath.Base(cfg.Corpus)
		load, err := runLoad(ctx, cfg, l, network, replicas, batches)
		if err != nil {
			return report, fmt.Errorf("%d replicas: %w", replicas, err)
		}
		report.Loads = append(report.Loads, load)
		fmt.Fprintf(cfg.Progress, "%d replicas: %.0f lines/s, %.2f CPU s for each million lines\n", replicas, load.LinesPerSecond, load.CPUPerMillion)
	}
	if report.Idle, err = runIdle(ctx, cfg, l, network); err != nil {
		return report, fmt.Errorf("idle cluster: %w", err)
	}
	return report, nil
}

// corpus is the batches that are sent.
type corpus struct {
	batches [][]byte
	counts  []int
	lines   int
}

// readCorpus reads the first lines of a file into batches.
func readCorpus(cfg Config) (c corpus, text int64, err error) {
	file, err := os.Open(cfg.Corpus)
	if err != nil {
		return c, 0, fmt.Errorf("open corpus: %w", err)
	}
	defer file.Close()
	scanner := bufio.NewScanner(file)
	scanner.Buffer(make([]byte, 64<<10), lineBytes)
	var batch bytes.Buffer
	count := 0
	cut := func() {
		if count > 0 {
			c.batches, c.counts = append(c.batches, bytes.Clone(batch.Bytes())), append(c.counts, count)
			batch.Reset()
			count = 0
		}
	}
	for c.lines < cfg.Lines && scanner.Scan() {
		batch.Write(scanner.Bytes())
		batch.WriteByte('\n')
		text += int64(len(scanner.Bytes())) + 1
		c.lines++
		if count++; count == cfg.BatchLines {
			cut()
		}
	}
	cut()
	if err := scanner.Err(); err != nil {
		return c, 0, fmt.Errorf("read corpus: %w", err)
	}
	if c.lines == 0 {
		return c, 0, fmt.Errorf("corpus %s has no lines", cfg.Corpus)
	}
	return c, text, nil
}

// runLoad sends the corpus to a new cluster.
func runLoad(ctx context.Context, cfg Config, l *lab.Lab, network *lab.Network, replicas int, c corpus) (load Load, err error) {
	g, err := newGroup(ctx, cfg, l, network, replicas, cfg.Shards)
	defer func() { err = errors.Join(err, g.end()) }()
	if err != nil {
		return load, err
	}
	before, err := g.read(ctx)
	if err != nil {
		return load, err
	}
	began := time.Now()
	if err := g.send(ctx, cfg.Workers, c); err != nil {
		return load, err
	}
	took := time.Since(began)
	after, err := g.read(ctx)
	if err != nil {
		return load, err
	}
	used := after.minus(before)
	load = Load{
		Replicas: replicas, Shards: cfg.Shards, Seconds: took.Seconds(), LinesPerSecond: float64(c.lines) / took.Seconds(),
		CPUPerMillion: used.cpu / float64(c.lines) * 1e6, CommittedBytes: used.committed, WireBytes: used.wire, WirePackets: used.packets,
	}
	load.limit()
	return load, nil
}

// send sends all batches, each through the next node.
func (g *group) send(ctx context.Context, workers int, c corpus) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	var next atomic.Int64
	var wait sync.WaitGroup
	for range workers {
		wait.Go(func() {
			for ctx.Err() == nil {
				i := int(next.Add(1) - 1)
				if i >= len(c.batches) {
					return
				}
				if err := g.nodes[i%len(g.nodes)].api.Write(ctx, "cost-"+strconv.Itoa(i), c.batches[i], c.counts[i]); err != nil {
					cancel(fmt.Errorf("send batch %d: %w", i, err))
				}
			}
		})
	}
	wait.Wait()
	return context.Cause(ctx)
}

// runIdle watches a cluster of many shards that has nothing to do.
func runIdle(ctx context.Context, cfg Config, l *lab.Lab, network *lab.Network) (idle Idle, err error) {
	g, err := newGroup(ctx, cfg, l, network, nodes, cfg.IdleShards)
	defer func() { err = errors.Join(err, g.end()) }()
	if err != nil {
		return idle, err
	}
	if err := pause(ctx, calmTime); err != nil {
		return idle, err
	}
	before, err := g.read(ctx)
	if err != nil {
		return idle, err
	}
	began := time.Now()
	if err := pause(ctx, cfg.Idle); err != nil {
		return idle, err
	}
	after, err := g.read(ctx)
	if err != nil {
		return idle, err
	}
	seconds, used := time.Since(began).Seconds(), after.minus(before)
	return Idle{
		Shards: cfg.IdleShards, Replicas: nodes, Seconds: seconds, CPUPercent: 100 * used.cpu / seconds / nodes,
		BytesPerSecond: float64(used.wire) / seconds / nodes, PacketsPerSecond: float64(used.packets) / seconds / nodes,
		WaitsPerSecond: float64(used.switches) / seconds / nodes, ReplicatedSeconds: g.replicated.Seconds(), LevelSeconds: g.level.Seconds(),
		RSSBytes: after.rss / nodes, OpenFiles: after.files / nodes,
	}, nil
}

func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// newSecret writes a cluster's secret.
func newSecret(path string) error {
	random := make([]byte, 32)
	_, _ = rand.Read(random) // never fails
	if err := os.WriteFile(path, base64.StdEncoding.AppendEncode(nil, random), 0o600); err != nil {
		return fmt.Errorf("make cluster secret: %w", err)
	}
	return nil
}

// metrics reads the figures of a node.
func (m *member) metrics(ctx context.Context) ([]byte, error) {
	return m.api.Do(ctx, http.MethodGet, "/metrics?format=prometheus", nil, "")
}
