// Command heavy measures what heavy questions of one tenant cost another: it starts a
// node with a limit of its memory, sends records to two tenants, asks a small question
// of one of them alone, then while many heavy ones of the other run at once, and says
// how much memory the node took at most.
//
//	go run ./bench/heavy -stere ./stere -file records.ndjson -queries 64
package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"path/filepath"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stere-log/stere/bench/proc"
	"github.com/stere-log/stere/bench/tool"
)

const (
	secret      = "heavy-heavy-heavy-heavy-heavy-heavy"
	smallLines  = 20_000 // of the tenant with the small question
	quietAsks   = 40
	answerMax   = 1 << 30
	askTimeout  = 2 * time.Minute
	megabyte    = 1 << 20
	ratioWanted = 5.0
)

// heavy returns the questions that need much: of memory, of reading, of the root.
func heavy() []string {
	return []string{
		"* | stats count(), count_distinct(message) by (component, level)",
		"* | stats count(), p99(duration), median(duration), count_distinct(ip) by (_time:1m, component)",
		"* | top 1000 message",
		"/[a-f0-9]{8}.*[0-9]+/ | stats count() by (component)",
		"* | sort by message | limit 10000",
		"* | limit 100000 | eval x = concat(message, message) | sort by x | limit 100",
		"level:error | limit 50000 | union (level:warn | limit 50000) | stats count() by (message)",
		"* | patterns 1000",
	}
}

type options struct {
	stere, file, dir, memory string
	lines, queries           int
	time                     time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.stere, "stere", "./stere", "the program")
	flag.StringVar(&o.file, "file", "", "records, NDJSON")
	flag.StringVar(&o.dir, "dir", "", "an empty folder for the node; empty: a temporary one")
	flag.StringVar(&o.memory, "memory", "512MiB", "of the node")
	flag.IntVar(&o.lines, "lines", 2_000_000, "how many records at most")
	flag.IntVar(&o.queries, "queries", 64, "heavy questions at once")
	flag.DurationVar(&o.time, "time", 30*time.Second, "how long they are asked")
	flag.Parse()
	tool.Main("heavy", func(ctx context.Context, out io.Writer) error { return run(ctx, o, out) })
}

// node is the node that is asked.
type node struct{ url string }

// do makes a request and returns the status and how much came.
func (n node) do(ctx context.Context, tenant, path string, body []byte) (status int, answer []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+tool.Token(secret, "heavy", "tenant-admin", tenant))
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, nil, fmt.Errorf("ask: %w", err)
	}
	answer, err = io.ReadAll(io.LimitReader(response.Body, answerMax))
	return response.StatusCode, answer, errors.Join(err, response.Body.Close())
}

// ask asks a question and returns how long that took.
func (n node) ask(ctx context.Context, tenant, query string, limit int) (time.Duration, int, error) {
	body, err := json.Marshal(map[string]any{"query": query, "limit": limit})
	if err != nil {
		return 0, 0, fmt.Errorf("encode query: %w", err)
	}
	started := time.Now()
	status, _, err := n.do(ctx, tenant, "/logs/search", body)
	return time.Since(started), status, err
}

// send sends the first lines of a file.
func (n node) send(ctx context.Context, tenant, path string, most int) (sent int, err error) {
	return tool.SendLines(path, most, func(batch []byte) error {
		status, answer, err := n.do(ctx, tenant, "/logs", batch)
		if err == nil && status/100 != 2 {
			err = fmt.Errorf("send records: status %d: %.200s", status, answer)
		}
		return err
	})
}

// start starts the node.
func start(ctx context.Context, o options) (*proc.Process, node, error) {
	address, err := proc.FreeAddress()
	if err != nil {
		return nil, node{}, err
	}
	n := node{url: "http://" + address}
	process, err := proc.Start(ctx, proc.Config{
		Path: o.stere, Args: []string{"serve", "--data", filepath.Join(o.dir, "data"), "--listen", address, "--set", "memory=" + o.memory},
		Env: []string{"JWT_SECRET=" + secret}, LogPath: filepath.Join(o.dir, "node.log"),
		Ready: func(ctx context.Context) error {
			status, answer, err := n.do(ctx, "large", "/logs/search", []byte(`{"limit":1}`))
			if err == nil && status != http.StatusOK {
				err = fmt.Errorf("status %d: %.200s", status, answer)
			}
			return err
		},
	})
	return process, n, err
}

func run(ctx context.Context, o options, out io.Writer) (err error) {
	dir, remove, err := tool.Folder(o.dir, "heavy")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	o.dir = dir
	process, n, err := start(ctx, o)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, process.Stop()) }()
	large, err := n.send(ctx, "large", o.file, o.lines)
	if err != nil {
		return err
	}
	small, err := n.send(ctx, "small", o.file, smallLines)
	if err != nil {
		return err
	}
	fed, err := process.Usage()
	if err != nil {
		return err
	}
	if err := process.ResetPeak(); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d records of the large tenant, %d of the small one; the node took %d MiB at most while they came\n", large, small, fed.PeakRSSBytes/megabyte)
	quiet, err := n.small(ctx, func(asked int) bool { return asked < quietAsks })
	if err != nil {
		return err
	}
	counts, busy, err := n.busy(ctx, o)
	if err != nil {
		return err
	}
	used, err := process.Usage()
	if err != nil {
		return err
	}
	ratio := busy.Seconds() / quiet.Seconds()
	fmt.Fprintf(out, "small question: p50 %.1f ms alone, %.1f ms among %d heavy ones: %.1fx, wanted %.0fx\n", ms(quiet), ms(busy), o.queries, ratio, ratioWanted)
	fmt.Fprintf(out, "heavy questions by status: %v; the node is alive: %v, took %d MiB at most and %.0f s of processors\n", counts, process.Alive(), used.PeakRSSBytes/megabyte, used.CPUSeconds-fed.CPUSeconds)
	if !process.Alive() {
		return errors.New("the node did not survive")
	}
	return nil
}

// busy asks heavy questions without a pause and small ones among them.
func (n node) busy(ctx context.Context, o options) (counts map[int]int, p50 time.Duration, err error) {
	heavyCtx, stop := context.WithTimeout(ctx, o.time)
	defer stop()
	var mu sync.Mutex
	counts = map[int]int{}
	var next atomic.Int64
	var asking sync.WaitGroup
	for range o.queries {
		asking.Go(func() {
			for heavyCtx.Err() == nil {
				questions := heavy()
				_, status, err := n.ask(heavyCtx, "large", questions[int(next.Add(1))%len(questions)], 10_000)
				if err != nil {
					status = 0 // cut off at the end
				}
				mu.Lock()
				counts[status]++
				mu.Unlock()
			}
		})
	}
	p50, err = n.small(heavyCtx, func(int) bool { return heavyCtx.Err() == nil })
	stop()
	asking.Wait()
	return counts, p50, err
}

// small asks the small question again and again and returns the middle of how long
// that took.
func (n node) small(ctx context.Context, more func(asked int) bool) (time.Duration, error) {
	var took []time.Duration
	for more(len(took)) {
		d, status, err := n.ask(ctx, "small", "level:error", 20)
		if ctx.Err() != nil {
			break
		}
		if err != nil {
			return 0, err
		}
		if status != http.StatusOK {
			return 0, fmt.Errorf("the small question: status %d", status)
		}
		took = append(took, d)
	}
	if len(took) == 0 {
		return 0, errors.New("the small question was never answered")
	}
	slices.Sort(took)
	return took[len(took)/2], nil
}

// ms returns milliseconds.
func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
