// Command tails measures how soon records are shown: it opens tails on a node,
// writes lines at a rate, and says how long after the acknowledgement each line
// came, and how many were left out.
//
//	go run ./bench/tails -url http://127.0.0.1:7100 -data stere-data -tails 200 -rate 20000 -time 10s
package main

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"os"
	"slices"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stere-log/stere/bench/tool"
	"github.com/stere-log/stere/client"
)

// batchLines is how many lines a request has.
const batchLines = 200

// patience is how long is waited for what has been acknowledged.
const patience = 10 * time.Second

type options struct {
	url, data            string
	tails, rate, writers int
	time                 time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.url, "url", client.URLDefault, "the node")
	flag.StringVar(&o.data, "data", "stere-data", "its data folder, for the key")
	flag.IntVar(&o.tails, "tails", 200, "tails, each with a filter of its own")
	flag.IntVar(&o.rate, "rate", 20_000, "lines a second; 0 opens tails and writes nothing")
	flag.IntVar(&o.writers, "writers", 4, "writers")
	flag.DurationVar(&o.time, "time", 10*time.Second, "how long")
	flag.Parse()
	if err := o.run(context.Background()); err != nil {
		fmt.Fprintln(os.Stderr, "tails:", err)
		os.Exit(1)
	}
}

// seen is when lines were acknowledged and shown, by batch.
type seen struct {
	mu    sync.Mutex
	acked map[int]time.Time
	shown map[int][]time.Time

	lines, dropped atomic.Int64
}

func (o *options) run(ctx context.Context) error {
	node, err := tool.OpenNode(o.url, o.data)
	if err != nil {
		return err
	}
	defer node.Close()
	s := &seen{acked: map[int]time.Time{}, shown: map[int][]time.Time{}}
	looking, stop := context.WithCancel(ctx)
	var tails, open sync.WaitGroup
	open.Add(o.tails)
	for i := range o.tails {
		tails.Go(func() {
			opened := sync.OnceFunc(open.Done)
			defer opened()
			err := node.Tail(looking, client.TailRequest{Query: fmt.Sprintf("component:svc%d", i)}, func(e client.Event) error {
				opened()
				s.take(e)
				return nil
			})
			if looking.Err() == nil {
				fmt.Fprintln(os.Stderr, "tails:", err)
			}
		})
	}
	open.Wait()
	began := time.Now()
	sent := o.write(ctx, node, s)
	took := time.Since(began)
	for until := time.Now().Add(patience); s.lines.Load()+s.dropped.Load() < sent && time.Now().Before(until); {
		time.Sleep(time.Millisecond)
	}
	stop()
	tails.Wait()
	s.report(sent, took)
	return nil
}

// write writes at the rate and returns how many lines were acknowledged.
func (o *options) write(ctx context.Context, node *client.Client, s *seen) int64 {
	var writers sync.WaitGroup
	var next, lines atomic.Int64
	if o.rate == 0 {
		return 0
	}
	every := time.Duration(batchLines) * time.Second / time.Duration(o.rate)
	began := time.Now()
	for range o.writers {
		writers.Go(func() {
			for {
				n := int(next.Add(1))
				due := time.Duration(n) * every
				if due > o.time {
					return
				}
				time.Sleep(due - time.Since(began))
				var body bytes.Buffer
				for i := range batchLines {
					fmt.Fprintf(&body, `{"component":"svc%d","level":"info","batch":%d,"message":"GET /cart/%d answered 200 in %d ms"}`+"\n", (n*batchLines+i)%o.tails, n, i, i*7%90)
				}
				if _, err := node.Write(ctx, body.Bytes(), client.WriteOptions{}); err != nil {
					fmt.Fprintln(os.Stderr, "tails: write:", err)
					continue
				}
				at := time.Now()
				lines.Add(batchLines)
				s.mu.Lock()
				s.acked[n] = at
				s.mu.Unlock()
			}
		})
	}
	writers.Wait()
	return lines.Load()
}

// take notes when a line was shown.
func (s *seen) take(e client.Event) {
	at := time.Now()
	if e.Type == "dropped" {
		_, rest, _ := bytes.Cut(e.Data, []byte(`"dropped":`))
		text, _, _ := bytes.Cut(rest, []byte(","))
		n, _ := strconv.ParseInt(string(text), 10, 64)
		s.dropped.Add(n)
	}
	_, rest, ok := bytes.Cut(e.Data, []byte(`"batch":`))
	if e.Type != "" || !ok {
		return
	}
	text, _, _ := bytes.Cut(rest, []byte(","))
	n, err := strconv.Atoi(string(text))
	if err != nil {
		return
	}
	s.mu.Lock()
	s.shown[n] = append(s.shown[n], at)
	s.mu.Unlock()
	s.lines.Add(1)
}

// report prints what was measured.
func (s *seen) report(sent int64, took time.Duration) {
	var waits []time.Duration
	for n, times := range s.shown {
		for _, at := range times {
			if acked, ok := s.acked[n]; ok {
				waits = append(waits, max(0, at.Sub(acked)))
			}
		}
	}
	slices.Sort(waits)
	fmt.Printf("%d lines acknowledged in %v, %d shown, %d left out\n", sent, took.Round(time.Millisecond), len(waits), s.dropped.Load())
	if len(waits) == 0 {
		return
	}
	for _, share := range []float64{0.5, 0.9, 0.99, 1} {
		fmt.Printf("acknowledged to shown p%v: %v\n", share*100, waits[int(float64(len(waits)-1)*share)].Round(10*time.Microsecond))
	}
}
