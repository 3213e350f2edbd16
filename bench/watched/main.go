// Command watched measures what it costs that a tenant is watched while records come in:
// a node learns patterns and looks at all rules of the start, with insights among them, and
// tells a webhook; another does nothing of it. Both take the same records at the same pace,
// side by side, so that whatever else the machine does troubles both, and what they use
// processors for is compared.
//
//	go run ./bench/watched -file mix.ndjson -rate 2500 -before 500000
//
// A turn begins with records of the hour before, all at once, and with a while of records
// that come at the pace: what is looked at for the first time, and whole windows of rules,
// are no part of what is measured. Then come five minutes: everything that is done at
// intervals, patterns and attackers the most seldom, is done in them, once at least. The
// times of the records are replaced: rules look at what comes now.
//
// It starts itself as the nodes, so that both are one program; their processor time is that
// of their processes, without who sends and who is told.
package main

import (
	"bufio"
	"bytes"
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/signal"
	"path/filepath"
	"runtime/pprof"
	"slices"
	"strings"
	"sync/atomic"
	"syscall"
	"time"

	"github.com/stere-log/stere/bench/proc"
	"github.com/stere-log/stere/bench/tool"
	"github.com/stere-log/stere/internal/outward"
	"github.com/stere-log/stere/node"
	"github.com/stere-log/stere/node/alert"
)

const (
	lineMax   = 1 << 20
	batches   = 5 // in a second
	batchMax  = 2000
	never     = -1
	answerMax = 1 << 20
	allowed   = 15 // percent
	history   = time.Hour
)

type options struct {
	file, serve, listen string
	profile             string
	watched             bool
	rate, before, lines int
	turns               int
	warm, length        time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.file, "file", "", "records as NDJSON")
	flag.IntVar(&o.rate, "rate", 2500, "records in a second, to each node")
	flag.IntVar(&o.before, "before", 1_000_000, "records of the hour before")
	flag.IntVar(&o.lines, "lines", 500_000, "different records at most; then they come again")
	flag.DurationVar(&o.warm, "warm", 6*time.Minute, "how long records come before it is measured: in that time all is looked at for the first time")
	flag.DurationVar(&o.length, "time", 5*time.Minute, "how long it is measured: in five minutes everything is looked at")
	flag.IntVar(&o.turns, "turns", 1, "each on new folders")
	flag.StringVar(&o.profile, "profile", "", "a folder: what both nodes used processors for in the last turn")
	flag.StringVar(&o.serve, "serve", "", "a folder: be the node")
	flag.StringVar(&o.listen, "listen", "", "where the node listens")
	flag.BoolVar(&o.watched, "watched", false, "the node is a watched one")
	flag.Parse()
	run := o.run
	if o.serve != "" {
		run = func(ctx context.Context, _ io.Writer) error { return o.beNode(ctx) }
	}
	tool.Main("watched", run)
}

// beNode runs a node until the context ends.
func (o *options) beNode(ctx context.Context) error {
	cfg := node.Config{DataDir: o.serve, Listen: o.listen, LearnInterval: never, Alerts: alert.Settings{Interval: never}}
	if o.watched {
		cfg.LearnInterval, cfg.Alerts = 0, alert.Settings{Reach: outward.Loopback}
	}
	n, err := node.New(ctx, cfg)
	if err != nil {
		return err
	}
	if o.profile == "" {
		return n.Run(ctx)
	}
	done := make(chan error, 1)
	inner, cancel := context.WithCancel(ctx)
	go func() { done <- profileFrom(inner, o.profile) }()
	err = n.Run(ctx)
	cancel()
	return errors.Join(err, <-done)
}

// profileFrom writes down what processors are used for from a signal on, until the context
// ends.
func profileFrom(ctx context.Context, path string) error {
	began := make(chan os.Signal, 1)
	signal.Notify(began, syscall.SIGUSR1)
	defer signal.Stop(began)
	select {
	case <-began:
	case <-ctx.Done():
		return nil
	}
	file, err := os.Create(path)
	if err != nil {
		return fmt.Errorf("make a profile: %w", err)
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return errors.Join(err, file.Close())
	}
	<-ctx.Done()
	pprof.StopCPUProfile()
	return file.Close()
}

// side is one of the two nodes.
type side struct {
	watched    bool
	url        string
	process    *proc.Process
	before     proc.Usage
	processors float64
	peak       int64
}

func (s *side) String() string {
	if s.watched {
		return "watched"
	}
	return "not watched"
}

// run measures turns and prints them.
func (o *options) run(ctx context.Context, out io.Writer) error {
	lines, err := o.read()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d records in a second for %s, after %d of the hour before and %s\n\n| | processor s | peak RSS MB | deliveries |\n|---|---:|---:|---:|\n", o.rate, o.length, o.before, o.warm)
	var all [2][]float64
	for turn := range o.turns {
		sides, told, err := o.measure(ctx, lines, turn == o.turns-1)
		if err != nil {
			return err
		}
		for i, s := range sides {
			all[i] = append(all[i], s.processors)
			fmt.Fprintf(out, "| %s | %.2f | %.0f | %d |\n", s, s.processors, float64(s.peak)/1e6, told*int64(i))
		}
	}
	less, more := middle(all[0]), middle(all[1])
	fmt.Fprintf(out, "\nMedians: %.2f and %.2f s, %.1f %% more; at most %d %% are allowed.\n", less, more, 100*(more/less-1), allowed)
	return nil
}

func middle(values []float64) float64 {
	slices.SortFunc(values, cmp.Compare)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// read reads the records.
func (o *options) read() (lines [][]byte, err error) {
	if o.rate < batches || o.lines < 1 || o.turns < 1 || o.before < 0 || o.length < time.Second {
		return nil, errors.New("want a rate, lines, turns and a time; see -help")
	}
	file, err := os.Open(o.file)
	if err != nil {
		return nil, fmt.Errorf("read records: %w", err)
	}
	defer file.Close()
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, lineMax)
	for len(lines) < o.lines && scanner.Scan() {
		lines = append(lines, bytes.Clone(scanner.Bytes()))
	}
	if len(lines) == 0 {
		return nil, fmt.Errorf("read records: %s has none: %w", o.file, cmp.Or(scanner.Err(), io.ErrUnexpectedEOF))
	}
	return lines, scanner.Err()
}

// measure starts both nodes, sends them the records, and returns what they took, the one
// that is not watched first, and how many deliveries came.
func (o *options) measure(ctx context.Context, lines [][]byte, last bool) (sides []*side, deliveries int64, err error) {
	dir, err := os.MkdirTemp("", "stere-watched-")
	if err != nil {
		return nil, 0, fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var told atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { told.Add(1) }))
	defer receiver.Close()
	for _, watched := range []bool{false, true} {
		s, err := o.start(ctx, dir, watched, last)
		if err != nil {
			return nil, 0, err
		}
		defer func() { err = errors.Join(err, s.process.Stop()) }()
		sides = append(sides, s)
	}
	hook := fmt.Appendf(nil, `{"webhookId":"all","url":%q,"secret":"a secret of this measurement"}`, receiver.URL)
	if err := post(ctx, sides[1].url+"/integration/webhooks", hook); err != nil {
		return nil, 0, err
	}
	c := &sender{lines: lines, sides: sides}
	if err := errors.Join(c.fill(ctx, o.before), c.pace(ctx, o.rate, o.warm)); err != nil {
		return nil, 0, err
	}
	before := told.Load()
	for _, s := range sides {
		if s.before, err = s.process.Usage(); err != nil {
			return nil, 0, err
		}
		if o.profile != "" && last {
			if err := syscall.Kill(s.process.PID(), syscall.SIGUSR1); err != nil {
				return nil, 0, fmt.Errorf("begin a profile: %w", err)
			}
		}
	}
	if err := c.pace(ctx, o.rate, o.length); err != nil {
		return nil, 0, err
	}
	for _, s := range sides {
		after, err := s.process.Usage()
		if err != nil {
			return nil, 0, err
		}
		s.processors, s.peak = after.CPUSeconds-s.before.CPUSeconds, after.PeakRSSBytes
	}
	return sides, told.Load() - before, nil
}

// start starts a node.
func (o *options) start(ctx context.Context, dir string, watched, last bool) (*side, error) {
	self, err := os.Executable()
	if err != nil {
		return nil, fmt.Errorf("find this program: %w", err)
	}
	address, err := proc.FreeAddress()
	if err != nil {
		return nil, err
	}
	s := &side{watched: watched, url: "http://" + address}
	name := map[bool]string{true: "watched", false: "other"}[watched]
	args := []string{"-serve", filepath.Join(dir, name), "-listen", address, fmt.Sprintf("-watched=%t", watched)}
	if last && o.profile != "" {
		args = append(args, "-profile", filepath.Join(o.profile, name+".pprof"))
	}
	s.process, err = proc.Start(ctx, proc.Config{
		Path: self, Args: args,
		Ready: func(ctx context.Context) error { return post(ctx, s.url+"/logs/search", []byte(`{"limit":1}`)) },
	})
	return s, err
}

// sender sends both nodes the same records.
type sender struct {
	lines [][]byte
	sides []*side
	sent  int
}

// fill sends so many records of the hour before, evenly spread over it, as fast as they
// are taken.
func (c *sender) fill(ctx context.Context, all int) error {
	now := time.Now().UTC()
	for sent := 0; sent < all; {
		n := min(batchMax, all-sent)
		if err := c.send(ctx, n, func(i int) time.Time {
			return now.Add(time.Duration(float64(history) * (float64(sent+i)/float64(all) - 1)))
		}); err != nil {
			return err
		}
		sent += n
	}
	return nil
}

// pace sends records of now at a pace for a while.
func (c *sender) pace(ctx context.Context, rate int, length time.Duration) error {
	began, steps := time.Now(), int(length.Seconds()*batches)
	for step := range steps {
		select {
		case <-time.After(time.Until(began.Add(time.Duration(step) * time.Second / batches))):
		case <-ctx.Done():
			return ctx.Err()
		}
		now := time.Now().UTC()
		if err := c.send(ctx, rate*(step+1)/batches-rate*step/batches, func(int) time.Time { return now }); err != nil {
			return err
		}
	}
	return nil
}

// send sends the next records to both nodes.
func (c *sender) send(ctx context.Context, n int, at func(i int) time.Time) error {
	var body bytes.Buffer
	for i := range n {
		body.WriteString(dated(c.lines[c.sent%len(c.lines)], at(i).Format(time.RFC3339Nano)))
		body.WriteByte('\n')
		c.sent++
	}
	answers := make(chan error, len(c.sides))
	for _, s := range c.sides {
		go func() { answers <- post(ctx, s.url+"/logs", body.Bytes()) }()
	}
	var err error
	for range c.sides {
		err = errors.Join(err, <-answers)
	}
	return err
}

// dated returns a record with another time.
func dated(line []byte, now string) string {
	const name = `"timestamp":"`
	before, rest, ok := strings.Cut(string(line), name)
	if !ok {
		return string(line)
	}
	_, after, _ := strings.Cut(rest, `"`)
	return before + name + now + `"` + after
}

// post makes a request that has to succeed.
func post(ctx context.Context, url string, body []byte) (err error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	answer, err := io.ReadAll(io.LimitReader(response.Body, answerMax))
	if err = errors.Join(err, response.Body.Close()); err == nil && response.StatusCode >= http.StatusMultipleChoices {
		err = fmt.Errorf("status %d: %.300s", response.StatusCode, answer)
	}
	return err
}
