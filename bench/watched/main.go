// Command watched measures what it costs that a tenant is watched while records come in:
// a node learns patterns and looks at all rules of the start, with insights among them, and
// tells a webhook; or nothing of it. Both take the same records at the same pace, in turns,
// each time on a new folder.
//
//	go run ./bench/watched -file mix.ndjson -lines 600000 -time 2m
//
// It starts itself as the node, so that both are one program. The times of the records
// are replaced by the time at which they are sent: rules look at what comes now.
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
	"runtime/pprof"
	"slices"
	"strings"
	"sync/atomic"
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
	never     = -1
	answerMax = 1 << 20
	allowed   = 15 // percent
)

type options struct {
	file, serve, listen string
	profile             string
	watched             bool
	lines, turns        int
	length              time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.file, "file", "", "records as NDJSON")
	flag.IntVar(&o.lines, "lines", 600_000, "records of a turn; of a shorter file again from its beginning")
	flag.DurationVar(&o.length, "time", 2*time.Minute, "of a turn: patterns are learned after a minute, rules are looked at every minute")
	flag.IntVar(&o.turns, "turns", 2, "watched ones, and as many others")
	flag.StringVar(&o.profile, "profile", "", "a file: what the last watched node used processors for")
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
	file, err := os.Create(o.profile)
	if err != nil {
		return fmt.Errorf("make a profile: %w", err)
	}
	if err := pprof.StartCPUProfile(file); err != nil {
		return errors.Join(err, file.Close())
	}
	err = n.Run(ctx)
	pprof.StopCPUProfile()
	return errors.Join(err, file.Close())
}

// turn is what one took.
type turn struct {
	processors float64
	peak       int64
	told       int64 // deliveries that came
}

// run measures turns and prints them.
func (o *options) run(ctx context.Context, out io.Writer) error {
	lines, err := o.read()
	if err != nil {
		return err
	}
	fmt.Fprintf(out, "%d records in %s, each turn\n\n| | processor s | peak RSS MB | deliveries |\n|---|---:|---:|---:|\n", o.lines, o.length)
	all := map[bool][]float64{}
	for i := range 2 * o.turns {
		watched := i%2 == 1
		t, err := o.measure(ctx, lines, watched)
		if err != nil {
			return err
		}
		all[watched] = append(all[watched], t.processors)
		fmt.Fprintf(out, "| %s | %.2f | %.0f | %d |\n", map[bool]string{true: "watched", false: "not watched"}[watched], t.processors, float64(t.peak)/1e6, t.told)
	}
	more := 100 * (middle(all[true])/middle(all[false]) - 1)
	fmt.Fprintf(out, "\nMedians: %.2f and %.2f s, %.1f %% more; at most %d %% are allowed.\n", middle(all[true]), middle(all[false]), more, allowed)
	return nil
}

func middle(values []float64) float64 {
	slices.SortFunc(values, cmp.Compare)
	n := len(values)
	return (values[(n-1)/2] + values[n/2]) / 2
}

// read reads the records of a turn.
func (o *options) read() (lines [][]byte, err error) {
	if o.lines < batches || o.turns < 1 || o.length < time.Second {
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

// measure starts a node, sends it the records at a pace, and returns what it took.
func (o *options) measure(ctx context.Context, lines [][]byte, watched bool) (t turn, err error) {
	dir, err := os.MkdirTemp("", "stere-watched-")
	if err != nil {
		return t, fmt.Errorf("make a folder: %w", err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	self, err := os.Executable()
	if err != nil {
		return t, fmt.Errorf("find this program: %w", err)
	}
	address, err := proc.FreeAddress()
	if err != nil {
		return t, err
	}
	url := "http://" + address
	args := []string{"-serve", dir, "-listen", address, fmt.Sprintf("-watched=%t", watched)}
	if watched && o.profile != "" {
		args = append(args, "-profile", o.profile)
	}
	process, err := proc.Start(ctx, proc.Config{
		Path: self, Args: args,
		Ready: func(ctx context.Context) error { return post(ctx, url+"/logs/search", []byte(`{"limit":1}`)) },
	})
	if err != nil {
		return t, err
	}
	defer func() { err = errors.Join(err, process.Stop()) }()
	var told atomic.Int64
	receiver := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { told.Add(1) }))
	defer receiver.Close()
	if watched {
		if err := post(ctx, url+"/integration/webhooks", fmt.Appendf(nil, `{"webhookId":"all","url":%q,"secret":"a secret of this measurement"}`, receiver.URL)); err != nil {
			return t, err
		}
	}
	before, err := process.Usage()
	if err != nil {
		return t, err
	}
	if err := o.send(ctx, url+"/logs", lines); err != nil {
		return t, err
	}
	after, err := process.Usage()
	t.processors, t.peak, t.told = after.CPUSeconds-before.CPUSeconds, after.PeakRSSBytes, told.Load()
	return t, err
}

// send sends the records, evenly over the time.
func (o *options) send(ctx context.Context, url string, lines [][]byte) error {
	began, steps := time.Now(), int(o.length.Seconds()*batches)
	sent := 0
	var body bytes.Buffer
	for step := range steps {
		select {
		case <-time.After(time.Until(began.Add(time.Duration(step) * time.Second / batches))):
		case <-ctx.Done():
			return ctx.Err()
		}
		body.Reset()
		now := time.Now().UTC().Format(time.RFC3339Nano)
		for until := o.lines * (step + 1) / steps; sent < until; sent++ {
			body.WriteString(at(lines[sent%len(lines)], now))
			body.WriteByte('\n')
		}
		if err := post(ctx, url, body.Bytes()); err != nil {
			return err
		}
	}
	return nil
}

// at returns a record with another time.
func at(line []byte, now string) string {
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
