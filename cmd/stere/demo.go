package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/auth"
	"github.com/stere-log/stere/client"
	"github.com/stere-log/stere/cluster/link"
	"github.com/stere-log/stere/sample"
)

const (
	demoBatchBytes = 1 << 20
	demoPorts      = 20 // ports tried after the wanted one
)

type demoCommand struct {
	Data   string `help:"Keep the data in this folder (default: a temporary one, removed at the end)." placeholder:"DIR"`
	Listen string `default:"127.0.0.1:7100" help:"The address; the next free port is taken if it is in use." placeholder:"ADDR"`
	Nodes  int    `default:"1" help:"How many nodes; more than one are a cluster, all in this process." placeholder:"N"`
	Exit   bool   `help:"Stop after showing, do not keep serving."`
}

// Help teaches by example.
func (demoCommand) Help() string {
	return `Starts a node, loads a sample of real logs, asks it a few questions and keeps
serving until Ctrl-C, so that you can ask your own. Its webhooks may lead to this
machine (webhook-reach is loopback).

Examples:
  stere demo
  stere demo --data ./demo-data --listen 127.0.0.1:7200
  stere demo --nodes 3
  stere demo --exit`
}

// Run shows Stere.
func (c *demoCommand) Run(p *program) (err error) {
	dir := c.Data
	if dir == "" {
		if dir, err = os.MkdirTemp("", "stere-demo-"); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	}
	listen, err := freeAddress(c.Listen)
	if err != nil {
		return usageError{err}
	}
	if listen != c.Listen {
		fmt.Fprintf(p.stdout, "%s is in use, taking %s.\n", c.Listen, listen)
	}
	warn := "warn"
	effective, err := p.resolve("", (&settingFlags{Data: &dir, Listen: &listen, LogLevel: &warn}).given())
	if err != nil {
		return err
	}
	effective.leaveCluster()
	effective.reachHere()
	nodes, err := c.start(p, effective, dir)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, nodes.Stop()) }()
	node := nodes[0]
	remote, err := client.New(client.Config{URL: node.url, APIKey: node.key, APIKeyHeader: effective.text("api-key-header")})
	if err != nil {
		return err
	}
	defer remote.Close()
	if len(nodes) == 1 {
		fmt.Fprintf(p.stdout, "A node is running on %s, its data is in %s.\n\n", node.url, dir)
	} else {
		fmt.Fprintf(p.stdout, "A cluster is running, its data is in %s; any node takes and finds everything:\n", dir)
		for i, one := range nodes {
			fmt.Fprintf(p.stdout, "  n%d  %s\n", i+1, one.url)
		}
		fmt.Fprintf(p.stdout, "Look at it with: %s cluster status --url %s --data %s --watch\n\n", programName(), node.url, node.data)
	}
	if err := p.loadSample(remote); err != nil {
		return err
	}
	if err := p.showDemo(remote); err != nil {
		return err
	}
	p.showCommands(node, node.data, effective)
	if c.Exit {
		return nil
	}
	fmt.Fprintln(p.stdout, "Serving until Ctrl-C.")
	return node.Wait()
}

// reachHere lets webhooks and services be on this machine, where who looks around has a
// receiver, unless it was said where they may be.
func (v values) reachHere() {
	if v["webhook-reach"].origin == "default" {
		v["webhook-reach"] = value{"loopback", "demo"}
	}
}

// start starts what the demo shows.
func (c *demoCommand) start(p *program, effective values, dir string) (demoNodes, error) {
	if c.Nodes < 1 || c.Nodes > demoNodesMax {
		return nil, usageError{fmt.Errorf("--nodes is %d, want 1 to %d", c.Nodes, demoNodesMax)}
	}
	if c.Nodes > 1 {
		return p.startDemo(effective, dir, c.Nodes)
	}
	node, err := p.startNode(effective)
	if err != nil {
		return nil, err
	}
	return demoNodes{node}, nil
}

// demoNodesMax is how many nodes a demo has at most: all are in one process.
const demoNodesMax = 9

// demoNodes are the nodes of a demo; the first one is talked to.
type demoNodes []*runningNode

// Stop ends all nodes, the first one last: it began the cluster.
func (d demoNodes) Stop() error {
	var errs []error
	for i := len(d) - 1; i >= 0; i-- {
		errs = append(errs, d[i].Stop())
	}
	return errors.Join(errs...)
}

// startDemo starts the nodes of a demo, each with a folder of its own.
func (p *program) startDemo(effective values, dir string, count int) (nodes demoNodes, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, nodes.Stop())
		}
	}()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	secret := filepath.Join(dir, "cluster-secret")
	if _, err := os.Stat(secret); errors.Is(err, os.ErrNotExist) {
		if _, err := link.CreateSecret(secret); err != nil {
			return nil, err
		}
	}
	first, listen := "", effective.text("listen")
	configs := make([]values, count)
	for i := range count {
		own := maps.Clone(effective)
		set := func(key, text string) { own[key] = value{text, "demo"} }
		set("node", fmt.Sprintf("n%d", i+1))
		set("data", filepath.Join(dir, fmt.Sprintf("n%d", i+1)))
		set("cluster-secret-file", secret)
		set("log-level", "error") // they find each other while they start
		for _, key := range []string{"listen", "cluster-listen", "gossip-listen"} {
			wanted := "127.0.0.1:0"
			if key == "listen" {
				wanted = listen
			}
			address, err := freeAddress(wanted)
			if err != nil {
				return nodes, err
			}
			if key == "listen" {
				listen = nextPort(address)
			}
			set(key, address)
		}
		if i == 0 {
			first = own.text("gossip-listen")
			set("bootstrap", "true")
		} else {
			set("join", first)
		}
		configs[i] = own
	}
	// Together: what has been a cluster before needs a majority of its nodes.
	ctx, giveUp := context.WithCancel(p.ctx)
	together := *p
	together.ctx = ctx
	started, errs := make(demoNodes, count), make([]error, count)
	var starting sync.WaitGroup
	for i, own := range configs {
		starting.Go(func() {
			if started[i], errs[i] = together.startNode(own); errs[i] != nil {
				errs[i] = fmt.Errorf("start node %d: %w", i+1, errs[i])
				giveUp() // the others would wait for it
			}
		})
	}
	starting.Wait()
	nodes = slices.DeleteFunc(started, func(n *runningNode) bool { return n == nil })
	context.AfterFunc(p.ctx, giveUp)
	return nodes, errors.Join(errs...)
}

// nextPort returns the address with the port after its own.
func nextPort(address string) string {
	host, text, _ := net.SplitHostPort(address) // it is bound
	port, _ := strconv.Atoi(text)
	return net.JoinHostPort(host, strconv.Itoa(port+1))
}

// freeAddress returns the address, or the next one whose port is free.
func freeAddress(address string) (string, error) {
	if err := isAddress(address); err != nil {
		return "", err
	}
	host, portText, _ := net.SplitHostPort(address) // checked above
	var port int
	if _, err := fmt.Sscan(portText, &port); err != nil {
		return "", err
	}
	for i := range demoPorts {
		candidate := net.JoinHostPort(host, fmt.Sprint(port+i))
		ln, err := net.Listen("tcp", candidate)
		if errors.Is(err, syscall.EADDRINUSE) && port != 0 {
			continue
		}
		if err != nil {
			return "", err
		}
		bound := ln.Addr().String()
		return bound, ln.Close()
	}
	return "", fmt.Errorf("the %d ports from %s on are all in use", demoPorts, address)
}

// loadSample sends the sample with its times moved so that its newest record
// is of now.
func (p *program) loadSample(remote *client.Client) error {
	text, err := readSample()
	if err != nil {
		return err
	}
	newest, err := newestTime(text)
	if err != nil {
		return err
	}
	shift := time.Since(newest)
	progress := p.progressOf("Loading the sample", false, nil)
	sent := 0
	progress.share = func() float64 { return float64(sent) / float64(len(text)) }
	started := time.Now()
	total := 0
	for sent < len(text) {
		end := min(sent+demoBatchBytes, len(text))
		if i := bytes.IndexByte(text[end:], '\n'); i >= 0 {
			end += i + 1
		} else {
			end = len(text)
		}
		body, err := restamp(text[sent:end], shift)
		if err != nil {
			return err
		}
		written, err := remote.Write(p.ctx, body, client.WriteOptions{})
		if err != nil {
			return err
		}
		if written.Rejected > 0 {
			return fmt.Errorf("the node refused %d lines of the sample: %s", written.Rejected, written.Errors[0].Message)
		}
		sent = end
		total += written.Accepted
		progress.Add(int64(written.Accepted), int64(len(body)))
	}
	progress.Stop()
	fmt.Fprintf(p.stdout, "Loaded %d records (%s) in %.1f s; every one is on disk and searchable.\n\n", total, humanBytes(float64(len(text))), time.Since(started).Seconds())
	return nil
}

func readSample() ([]byte, error) {
	reader, err := sample.Open()
	if err != nil {
		return nil, err
	}
	text := bytes.NewBuffer(make([]byte, 0, sample.Bytes+bytes.MinRead))
	_, err = text.ReadFrom(reader)
	if err = errors.Join(err, reader.Close()); err != nil {
		return nil, fmt.Errorf("read the sample: %w", err)
	}
	return text.Bytes(), nil
}

// stampMark is where a line of the sample has its time.
const stampMark = `"timestamp":"`

// stampOf finds the time of a line of the sample.
func stampOf(line []byte) (start, end int, at time.Time, err error) {
	if start = bytes.Index(line, []byte(stampMark)); start >= 0 {
		start += len(stampMark)
		if length := bytes.IndexByte(line[start:], '"'); length >= 0 {
			end = start + length
			at, err = time.Parse(time.RFC3339Nano, string(line[start:end]))
			return start, end, at, err
		}
	}
	return 0, 0, at, fmt.Errorf("a line of the sample has no timestamp: %.80q", line)
}

// newestTime returns the time of the last line: the sample is in time order.
func newestTime(text []byte) (time.Time, error) {
	text = bytes.TrimRight(text, "\n")
	_, _, at, err := stampOf(text[bytes.LastIndexByte(text, '\n')+1:])
	return at, err
}

// restamp returns the lines with their times moved.
func restamp(lines []byte, shift time.Duration) ([]byte, error) {
	out := make([]byte, 0, len(lines)+len(lines)/8)
	for line := range bytes.Lines(lines) {
		start, end, at, err := stampOf(line)
		if err != nil {
			return nil, err
		}
		out = append(out, line[:start]...)
		out = at.Add(shift).UTC().AppendFormat(out, "2006-01-02T15:04:05.000Z")
		out = append(out, line[end:]...)
	}
	return out, nil
}

// showDemo asks what people ask first.
func (p *program) showDemo(remote *client.Client) error {
	color := isTerminal(p.stdout) && p.getenv("NO_COLOR") == ""
	show := &shower{out: p.stdout, form: "table", color: color}
	for _, question := range []struct {
		title, text string
		limit       int
		bars        bool
	}{
		{"The newest errors", "level>=error", 5, false},
		{"How many records of each level", "* | stats count() by (level)", 10, false},
		{"Records over time", "* | stats count() by (_time:BUCKET)", 40, true},
		{"The busiest components", "* | top 5 component", 5, false},
	} {
		if question.bars {
			bucket, err := p.demoBucket(remote)
			if err != nil {
				return err
			}
			question.text = strings.Replace(question.text, "BUCKET", bucket, 1)
		}
		found, err := remote.Search(p.ctx, v1.SearchRequest{Query: question.text, Limit: question.limit})
		if err != nil {
			return fmt.Errorf("ask %q: %w", question.text, err)
		}
		fmt.Fprintf(p.stdout, "%s:  stere query '%s'  (%.1f ms)\n", question.title, question.text, found.Pagination.SearchMeta.ExecutionTime)
		switch {
		case found.Table == nil:
			for i, record := range found.Records {
				found.Records[i] = firstLine(record)
			}
			err = show.records(found.Records)
		case question.bars:
			err = drawBars(p.stdout, found.Table)
		default:
			err = show.table(found.Table)
		}
		if err != nil {
			return err
		}
		fmt.Fprintln(p.stdout)
	}
	return nil
}

// firstLine cuts a message of several lines, a stack trace, to its first.
func firstLine(record json.RawMessage) json.RawMessage {
	var all map[string]any
	if json.Unmarshal(record, &all) != nil {
		return record
	}
	message, _ := all["message"].(string)
	line, _, more := strings.Cut(message, "\n")
	if runes := []rune(line); len(runes) > 100 {
		line, more = string(runes[:100]), true
	}
	if more {
		all["message"] = line + " …"
	}
	if text, err := json.Marshal(all); err == nil {
		return text
	}
	return record
}

// demoBucket returns the width of about twenty bars over the whole sample.
func (p *program) demoBucket(remote *client.Client) (string, error) {
	var times [2]time.Time
	for i, order := range []string{"asc", "desc"} {
		found, err := remote.Search(p.ctx, v1.SearchRequest{Limit: 1, Sort: v1.SortKeys{{Field: "timestamp", Order: order}}})
		if err != nil {
			return "", err
		}
		var record struct{ Timestamp time.Time }
		if len(found.Records) == 0 {
			return "1m", nil
		}
		if err := json.Unmarshal(found.Records[0], &record); err != nil {
			return "", err
		}
		times[i] = record.Timestamp
	}
	span := times[1].Sub(times[0])
	for _, step := range []struct {
		text string
		size time.Duration
	}{{"1s", time.Second}, {"5s", 5 * time.Second}, {"10s", 10 * time.Second}, {"30s", 30 * time.Second}, {"1m", time.Minute}, {"5m", 5 * time.Minute}, {"15m", 15 * time.Minute}, {"1h", time.Hour}, {"6h", 6 * time.Hour}} {
		if span/step.size <= 24 {
			return step.text, nil
		}
	}
	return "1d", nil
}

// barWidth is the width of the longest bar.
const barWidth = 60

// drawBars draws a table of time and count.
func drawBars(out io.Writer, t *v1.Table) error {
	buffered := bufio.NewWriter(out)
	var most float64
	counts := make([]float64, len(t.Rows))
	for i, row := range t.Rows {
		if len(row) != 2 || json.Unmarshal(row[1], &counts[i]) != nil {
			return fmt.Errorf("%w: want rows of a time and a count", client.ErrAnswer)
		}
		most = max(most, counts[i])
	}
	for i, row := range t.Rows {
		length := 0
		if most > 0 {
			length = int(counts[i] / most * barWidth)
		}
		stamp := cellText(row[0])
		if at, err := time.Parse(time.RFC3339Nano, stamp); err == nil {
			stamp = at.UTC().Format("01-02 15:04:05")
		}
		fmt.Fprintf(buffered, "%s  %7.0f  %s\n", stamp, counts[i], strings.Repeat("█", length))
	}
	return buffered.Flush()
}

// showCommands prints what to type next.
func (p *program) showCommands(node *runningNode, dir string, effective values) {
	if absolute, err := filepath.Abs(dir); err == nil {
		dir = absolute
	}
	header := "-H \"" + effective.text("api-key-header") + ": $(cat " + client.KeyPath(dir) + ")\""
	fmt.Fprintf(p.stdout, `Ask it yourself, in another terminal:
  curl -s %[1]s '%[2]s/logs?level=error&limit=5'
  curl -s %[1]s %[2]s/logs/search -d '{"query":"* | stats count() by (level)"}'
  curl -s %[1]s %[2]s/logs/search -d '{"query":"* | stats count() by (_time:1m)"}'
  curl -s %[1]s %[2]s/logs/search -d '{"query":"* | top 5 component"}'
  curl -s %[1]s %[2]s/logs -d '{"message":"hello","level":"info"}'
  %[4]s query --url %[2]s --data %[3]s 'timeout AND level:error'
`, header, node.url, dir, programName())
}

// programName returns what to type to run this program: in a fresh clone there
// is no stere on the path.
func programName() string {
	if path, err := os.Executable(); err == nil && strings.Contains(path, "go-build") {
		return "go run ./cmd/stere"
	}
	return "stere"
}

// runningNode is a node in this process.
type runningNode struct {
	url, key   string
	data       string // folder
	keyCreated bool
	adminKey   *auth.AdminKey // nil without authentication
	cancel     context.CancelFunc
	cached     func() int64 // bytes that caches hold
	rest       func() int64 // gives up what they need not keep
	done       chan error   // one value: how the node ended
	ended      bool
	err        error
}

// Wait waits until the node ends, by itself or by the program's context.
func (n *runningNode) Wait() error {
	if !n.ended {
		n.err, n.ended = <-n.done, true
	}
	return n.err
}

// Stop ends the node and waits for it.
func (n *runningNode) Stop() error {
	n.cancel()
	return n.Wait()
}
