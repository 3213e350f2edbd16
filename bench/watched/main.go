// Command watched measures what it costs that a tenant is watched while records come in:
// a node learns patterns and looks at all rules of the start, with insights among them, and
// tells a webhook; another does nothing of it. Both take the same records at the same pace,
// side by side, so that whatever else the machine does troubles both, and what they use
// processors for is compared.
//
//	go run ./bench/watched -file mix.ndjson -rate 2500,10000,0 -before 500000 -json watched.json
//
// A part of what it costs is done once in a while, however many records come, so each rate
// has a figure of its own; at rate 0 records come as fast as both nodes take them.
//
// A turn begins with records of the hour before, all at once, and with a while of records
// that come at the pace: what is looked at for the first time, and whole windows of rules,
// are no part of what is measured. Then come five minutes: everything that is done at
// intervals, patterns and attackers the most seldom, is done in them, once at least. The
// times of the records are replaced: rules look at what comes now.
//
// It starts itself as the nodes, so that both are one program; their processor time is that
// of their processes, without who sends and who is told. Both collect their heaps as the
// runtime does by itself, not as `stere serve` has it collected: what they take at their peak
// is to be compared, and is not what that takes.
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
	"strconv"
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
	rates               []int
	before, lines       int
	turns               int
	report              string
	warm, length        time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.file, "file", "", "records as NDJSON")
	flag.Func("rate", "records in a second, to each node; 0: as many as both take; several with commas between them (default 2500)", o.parseRates)
	flag.StringVar(&o.report, "json", "", "file for the report as JSON")
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

// parseRates reads rates.
func (o *options) parseRates(text string) error {
	o.rates = nil
	for one := range strings.SplitSeq(text, ",") {
		rate, err := strconv.Atoi(one)
		if err != nil || rate != 0 && rate < batches {
			return fmt.Errorf("rate %q: want 0, or %d or more", one, batches)
		}
		o.rates = append(o.rates, rate)
	}
	return nil
}

// side is one of the two nodes.
type side struct {
	url     string
	process *proc.Process
	before  proc.Usage
}

// run measures turns at each rate and writes the report.
func (o *options) run(ctx context.Context, out io.Writer) error {
	lines, err := o.read()
	if err != nil {
		return err
	}
	commit, err := tool.Commit(ctx)
	if err != nil {
		commit = "" // it is not measured where the source is
	}
	report := &Report{Commit: commit, Before: o.before, WarmSeconds: o.warm.Seconds(), Seconds: o.length.Seconds(), AllowedPercent: allowed}
	for i, rate := range o.rates {
		at := AtRate{Rate: rate}
		for turn := range o.turns {
			one, err := o.measure(ctx, lines, rate, i == len(o.rates)-1 && turn == o.turns-1)
			if err != nil {
				return err
			}
			at.Turns = append(at.Turns, one)
		}
		at.MorePercent = at.more()
		report.Rates = append(report.Rates, at)
	}
	return tool.WriteReport(report, o.report, out)
}

// read reads the records.
func (o *options) read() (lines [][]byte, err error) {
	if len(o.rates) == 0 {
		o.rates = []int{2500}
	}
	if o.lines < 1 || o.turns < 1 || o.before < 0 || o.length < time.Second {
		return nil, errors.New("want lines, turns and a time; see -help")
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

// measure starts both nodes, sends them the records, and returns what they took.
func (o *options) measure(ctx context.Context, lines [][]byte, rate int, last bool) (turn Turn, err error) {
	dir, err := os.MkdirTemp("", "stere-watched-")
	if err != nil {
		return turn, fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	var told atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { told.Add(1) }))
	defer receiver.Close()
	c := &sender{lines: lines}
	for _, watched := range []bool{false, true} {
		s, err := o.start(ctx, dir, watched, last)
		if err != nil {
			return turn, err
		}
		defer func() { err = errors.Join(err, s.process.Stop()) }()
		c.sides = append(c.sides, s)
	}
	hook := fmt.Appendf(nil, `{"webhookId":"all","url":%q,"secret":"a secret of this measurement"}`, receiver.URL)
	if err := post(ctx, c.sides[1].url+"/integration/webhooks", hook); err != nil {
		return turn, err
	}
	if err := errors.Join(c.fill(ctx, o.before), c.pace(ctx, rate, o.warm)); err != nil {
		return turn, err
	}
	before, sent, began := told.Load(), c.sent, time.Now()
	for _, s := range c.sides {
		if s.before, err = s.process.Usage(); err != nil {
			return turn, err
		}
		if o.profile != "" && last {
			if err := syscall.Kill(s.process.PID(), syscall.SIGUSR1); err != nil {
				return turn, fmt.Errorf("begin a profile: %w", err)
			}
		}
	}
	if err := c.pace(ctx, rate, o.length); err != nil {
		return turn, err
	}
	turn = Turn{Records: c.sent - sent, Seconds: time.Since(began).Seconds(), Deliveries: told.Load() - before}
	for i, into := range []*Node{&turn.NotWatched, &turn.Watched} {
		after, err := c.sides[i].process.Usage()
		if err != nil {
			return turn, err
		}
		*into = Node{CPUSeconds: after.CPUSeconds - c.sides[i].before.CPUSeconds, PeakRSSBytes: after.PeakRSSBytes}
	}
	return turn, nil
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
	s := &side{url: "http://" + address}
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

// pace sends records of now at a pace for a while; at rate 0, as fast as they are taken.
func (c *sender) pace(ctx context.Context, rate int, length time.Duration) error {
	began := time.Now()
	for step := 0; rate == 0 && time.Since(began) < length || rate > 0 && step < int(length.Seconds()*batches); step++ {
		n := batchMax
		if rate > 0 {
			n = rate*(step+1)/batches - rate*step/batches
			select {
			case <-time.After(time.Until(began.Add(time.Duration(step) * time.Second / batches))):
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		now := time.Now().UTC()
		if err := c.send(ctx, n, func(int) time.Time { return now }); err != nil {
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
