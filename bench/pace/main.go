// Command pace measures how long acknowledgements take while a node builds
// segments: it writes the lines of a file at a steady rate, watches what the node
// builds meanwhile, and tells requests beside a merge, beside a seal, and beside
// neither apart. The time of a request begins when it is due, so that one which
// waits for others counts its wait.
//
//	go run ./bench/pace -url http://127.0.0.1:7100 -data stere-data -rate 50000 big.ndjson
package main

import (
	"bufio"
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stere-log/stere/bench/tool"
	"github.com/stere-log/stere/client"
)

const (
	lineMax = 4 << 20               // bytes of a line of the file
	look    = 20 * time.Millisecond // how often the node is asked what it builds
	waiting = 64                    // requests that may wait for a writer
)

type options struct {
	url, data            string
	rate, batch, writers int
	time                 time.Duration
	corpus               string
}

func main() {
	var o options
	flag.StringVar(&o.url, "url", client.URLDefault, "the node")
	flag.StringVar(&o.data, "data", "stere-data", "its data folder, for the key")
	flag.IntVar(&o.rate, "rate", 50_000, "lines a second")
	flag.IntVar(&o.batch, "lines", 500, "lines of a request")
	flag.IntVar(&o.writers, "writers", 16, "requests under way at most")
	flag.DurationVar(&o.time, "time", 2*time.Minute, "how long; the file may end before")
	flag.Parse()
	o.corpus = flag.Arg(0)
	if o.corpus == "" || o.rate <= 0 || o.batch <= 0 || o.writers <= 0 {
		fmt.Fprintln(os.Stderr, "pace: want one NDJSON file, and a rate, lines and writers above 0; see -help")
		os.Exit(2)
	}
	if err := o.run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "pace:", err)
		os.Exit(1)
	}
}

// request is a request that was answered.
type request struct{ due, answered time.Time }

// span is a stretch of time in which the node built something.
type span struct {
	begin, end     time.Time
	merges, builds bool
}

func (o *options) run(ctx context.Context) error {
	node, err := tool.OpenNode(o.url, o.data)
	if err != nil {
		return err
	}
	defer node.Close()
	file, err := os.Open(o.corpus)
	if err != nil {
		return fmt.Errorf("open corpus: %w", err)
	}
	defer file.Close()

	watching, stop := context.WithCancel(ctx)
	var spans []span
	var watcher sync.WaitGroup
	watcher.Go(func() { spans, err = watch(watching, node) })
	began := time.Now()
	requests, sendErr := o.write(ctx, node, file)
	took := time.Since(began)
	stop()
	watcher.Wait()
	if sendErr != nil {
		return sendErr
	}
	if err != nil {
		return err
	}
	report(os.Stdout, requests, spans, len(requests)*o.batch, took)
	return nil
}

// write sends the lines at the rate and returns the requests.
func (o *options) write(ctx context.Context, node *client.Client, file io.Reader) ([]request, error) {
	type body struct {
		due  time.Time
		text []byte
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	bodies := make(chan body, waiting)
	answered := make([][]request, o.writers)
	var writers sync.WaitGroup
	for i := range o.writers {
		writers.Go(func() {
			for b := range bodies {
				if _, err := node.Write(ctx, b.text, client.WriteOptions{}); err != nil {
					cancel(err)
					return
				}
				answered[i] = append(answered[i], request{b.due, time.Now()})
			}
		})
	}
	lines := bufio.NewScanner(file)
	lines.Buffer(nil, lineMax)
	every := time.Duration(o.batch) * time.Second / time.Duration(o.rate)
	began := time.Now()
	for n := 0; time.Duration(n)*every < o.time; n++ {
		var text bytes.Buffer
		count := 0
		for count < o.batch && lines.Scan() {
			text.Write(lines.Bytes())
			text.WriteByte('\n')
			count++
		}
		if count < o.batch {
			break
		}
		due := began.Add(time.Duration(n) * every)
		time.Sleep(time.Until(due))
		select {
		case bodies <- body{due, text.Bytes()}:
		case <-ctx.Done():
		}
		if ctx.Err() != nil {
			break
		}
	}
	close(bodies)
	writers.Wait()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("read corpus: %w", err)
	}
	return slices.Concat(answered...), nil
}

// watch asks the node again and again what it builds, until the context ends.
func watch(ctx context.Context, node *client.Client) ([]span, error) {
	var spans []span
	for begin := time.Now(); ; {
		text, err := node.Metrics(ctx)
		end := time.Now()
		if ctx.Err() != nil {
			return spans, nil
		}
		if err != nil {
			return nil, err
		}
		merges, builds := building(text)
		spans = append(spans, span{begin, end, merges, merges || builds})
		begin = end
		select {
		case <-time.After(look):
		case <-ctx.Done():
		}
	}
}

// building reads from a node's metrics whether it merges, and whether it seals.
func building(metrics string) (merges, seals bool) {
	for line := range strings.Lines(metrics) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		name, _, _ = strings.Cut(name, "{")
		if value == "0" {
			continue
		}
		merges = merges || name == "stere_storage_merging"
		seals = seals || name == "stere_storage_sealing"
	}
	return merges, seals
}

// report prints what the requests of each kind took.
func report(w io.Writer, requests []request, spans []span, lines int, took time.Duration) {
	kinds := map[string][]time.Duration{}
	var merging, total time.Duration
	for _, s := range spans {
		total += s.end.Sub(s.begin)
		if s.merges {
			merging += s.end.Sub(s.begin)
		}
	}
	for _, r := range requests {
		kind := "neither"
		for _, s := range spans {
			if s.end.Before(r.due) || s.begin.After(r.answered) {
				continue
			}
			if s.merges {
				kind = "a merge"
				break
			}
			if s.builds {
				kind = "a seal"
			}
		}
		kinds[kind] = append(kinds[kind], r.answered.Sub(r.due))
	}
	fmt.Fprintf(w, "%d lines in %v, %.0f a second; merging %.0f %% of the time\n\n", lines, took.Round(time.Millisecond),
		float64(lines)/took.Seconds(), 100*merging.Seconds()/max(total.Seconds(), 1e-9))
	fmt.Fprintf(w, "| beside | requests | p50 ms | p99 ms | max ms |\n|---|---:|---:|---:|---:|\n")
	for _, kind := range []string{"neither", "a seal", "a merge"} {
		times := kinds[kind]
		if len(times) == 0 {
			fmt.Fprintf(w, "| %s | 0 | - | - | - |\n", kind)
			continue
		}
		slices.Sort(times)
		at := func(percent int) float64 {
			return times[(len(times)*percent+99)/100-1].Seconds() * 1000
		}
		fmt.Fprintf(w, "| %s | %d | %.1f | %.1f | %.1f |\n", kind, len(times), at(50), at(99), at(100))
	}
}
