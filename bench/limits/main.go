// Command limits measures how exactly a limit of requests holds over the nodes of a
// cluster: it starts nodes, lets clients ask for more than they may, and counts what was
// let through, as a share of the limit.
//
//	go run ./bench/limits -stere ./stere
//
// Clients ask in four ways: at all nodes evenly; at one node, which for most of them is
// not the one that counts; at another node each second; and at all nodes but one, which
// is killed in the middle; before that at all nodes as soon as each of them answers. Each
// way has clients of its own.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/stere-log/stere/bench/local"
	"github.com/stere-log/stere/bench/proc"
	"github.com/stere-log/stere/bench/tool"
)

const (
	secret     = "limits-limits-limits-limits-limits"
	askTimeout = 10 * time.Second
	allowed    = 5 // percent
)

type options struct {
	stere, dir                  string
	nodes, limit, over, clients int
	window                      time.Duration
	windows                     int
	askers                      int
}

func main() {
	var o options
	flag.StringVar(&o.stere, "stere", "./stere", "the program")
	flag.StringVar(&o.dir, "dir", "", "an empty folder for the nodes; empty: a temporary one")
	flag.IntVar(&o.nodes, "nodes", 3, "nodes: 3 or 5")
	flag.IntVar(&o.limit, "limit", 200, "requests in a window that a client may make")
	flag.DurationVar(&o.window, "window", 10*time.Second, "the window, of whole seconds")
	flag.IntVar(&o.windows, "windows", 3, "windows that clients ask in each way")
	flag.IntVar(&o.over, "over", 3, "how many times as many requests they make")
	flag.IntVar(&o.clients, "clients", 4, "that ask in each way")
	flag.IntVar(&o.askers, "askers", 8, "requests of a client that are under way at most")
	flag.Parse()
	if o.nodes != 3 && o.nodes != 5 || o.limit < 1 || o.over < 2 || o.clients < 1 || o.windows < 1 || o.askers < 1 || o.window < time.Second || o.window%time.Second != 0 {
		fmt.Fprintln(os.Stderr, "limits: want 3 or 5 nodes, a window of seconds, at least twice as many requests as the limit, and all else above 0; see -help")
		os.Exit(2)
	}
	tool.Main("limits", o.run)
}

// urlOf is where a member answers.
func urlOf(m *local.Member) string { return "http://" + m.HTTP }

// start starts the nodes of a new cluster and waits until each of them answers.
func (o *options) start(ctx context.Context, asks *http.Client) (*local.Cluster, error) {
	c, err := local.New(ctx, o.stere, o.dir, o.nodes)
	if err != nil {
		return nil, err
	}
	var seeds []string
	for _, m := range c.Members {
		seeds = append(seeds, m.Gossip)
	}
	for _, m := range c.Members {
		if err := c.Launch(m, proc.Config{
			Args: []string{
				"--join", strings.Join(seeds, ","), "--bootstrap-expect", fmt.Sprint(o.nodes),
				"--set", "rate-limit-enabled=true", "--set", fmt.Sprintf("rate-limit-requests=%d", o.limit),
				"--set", fmt.Sprintf("rate-limit-window=%d", o.window/time.Second), "--set", "rate-limit-address=1000000000",
			},
			Env: []string{"JWT_SECRET=" + secret},
			Ready: func(ctx context.Context) error {
				status, err := ask(ctx, asks, urlOf(m), tool.Token(secret, "first", "reader", "default"))
				if err == nil && status != http.StatusOK && status != http.StatusTooManyRequests {
					err = fmt.Errorf("status %d", status)
				}
				return err
			},
		}); err != nil {
			return nil, errors.Join(err, c.Stop((*proc.Process).Stop))
		}
	}
	for _, m := range c.Members {
		if err := m.Process.AwaitReady(ctx); err != nil {
			return nil, errors.Join(err, c.Stop((*proc.Process).Stop))
		}
	}
	return c, nil
}

// ask makes a request that is limited and costs little, and returns its status.
func ask(ctx context.Context, asks *http.Client, url, token string) (int, error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url+"/logs?limit=1", http.NoBody)
	if err != nil {
		return 0, fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := asks.Do(request)
	if err != nil {
		return 0, fmt.Errorf("ask: %w", err)
	}
	_, err = io.Copy(io.Discard, response.Body)
	return response.StatusCode, errors.Join(err, response.Body.Close())
}

// flood lets one client ask until the context ends, at a steady pace and at the node
// that at names for the number and the time of a request, and returns what was let
// through, and how many requests failed: one that the limit let through and that failed
// behind it has been counted there.
func (o *options) flood(ctx context.Context, asks *http.Client, name string, at func(i int, since time.Duration) string) (through []pass, failed int) {
	token := tool.Token(secret, name, "reader", "default")
	every := o.window / time.Duration(o.limit*o.over)
	began := time.Now()
	var mu sync.Mutex
	var all sync.WaitGroup
	room := make(chan struct{}, o.askers)
	for i := 0; ; i++ {
		timer := time.NewTimer(time.Until(began.Add(time.Duration(i) * every)))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			all.Wait()
			return through, failed
		}
		room <- struct{}{}
		all.Go(func() {
			defer func() { <-room }()
			sent := time.Since(began)
			status, err := ask(context.WithoutCancel(ctx), asks, at(i, sent), token)
			mu.Lock()
			defer mu.Unlock()
			if err == nil && status != http.StatusTooManyRequests {
				through = append(through, pass{sent: sent, answered: time.Since(began)})
			}
			if err != nil || status != http.StatusOK && status != http.StatusTooManyRequests {
				failed++
			}
		})
	}
}

// way is how clients choose nodes.
type way struct {
	name string
	at   func(members []*local.Member, i int, since time.Duration) string
	kill bool // the last node, in the middle
	// first is for one window, while nodes that have just found each other may not agree
	// yet on which of them counts.
	first bool
}

var ways = []way{
	{name: "all nodes of a new cluster", first: true, at: func(members []*local.Member, i int, _ time.Duration) string { return urlOf(members[i%len(members)]) }},
	{name: "all nodes", at: func(members []*local.Member, i int, _ time.Duration) string { return urlOf(members[i%len(members)]) }},
	{name: "one node", at: func(members []*local.Member, _ int, _ time.Duration) string { return urlOf(members[0]) }},
	{name: "another each second", at: func(members []*local.Member, _ int, since time.Duration) string {
		return urlOf(members[int(since/time.Second)%len(members)])
	}},
	{name: "all but one, which is killed", kill: true, at: func(members []*local.Member, i int, _ time.Duration) string {
		return urlOf(members[i%(len(members)-1)])
	}},
}

// measure lets clients ask in one way.
func (o *options) measure(ctx context.Context, asks *http.Client, members []*local.Member, w way, number int) (results []result, err error) {
	ctx, end := context.WithTimeout(ctx, o.window*time.Duration(o.windows))
	defer end()
	results = make([]result, o.clients)
	var all sync.WaitGroup
	for client := range o.clients {
		all.Go(func() {
			through, failed := o.flood(ctx, asks, fmt.Sprintf("client-%d-%d", number, client), func(i int, since time.Duration) string { return w.at(members, i, since) })
			results[client] = judge(through, o.limit, o.window, o.windows)
			results[client].failed = failed
		})
	}
	if w.kill {
		timer := time.NewTimer(o.window * time.Duration(o.windows) / 2)
		defer timer.Stop()
		select {
		case <-timer.C:
			err = members[len(members)-1].Process.Kill()
		case <-ctx.Done():
		}
	}
	all.Wait()
	return results, err
}

func (o *options) run(ctx context.Context, out io.Writer) (err error) {
	dir, remove, err := tool.Folder(o.dir, "limits")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	o.dir = dir
	asks := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: o.clients * o.askers, DialContext: (&net.Dialer{Timeout: askTimeout}).DialContext}}
	c, err := o.start(ctx, asks)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, c.Stop((*proc.Process).Stop)) }()
	fmt.Fprintf(out, "%d nodes; %d clients in each way, each of which may make %d requests in %s and makes %d times as many, for %d windows\n\n", o.nodes, o.clients, o.limit, o.window, o.over, o.windows)
	fmt.Fprintln(out, "| asked are | let through, least % | most % | in any window, most % | failed |\n|---|---:|---:|---:|---:|")
	worst := 0.0
	for number, w := range ways {
		asked := *o
		if w.first {
			asked.windows = 1
		}
		results, err := asked.measure(ctx, asks, c.Members, w, number)
		if err != nil {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("measure: %w", ctx.Err())
		}
		worst = max(worst, row(out, w.name, results))
	}
	fmt.Fprintf(out, "\nfarthest from the limit: %.1f %%; wanted: at most %d %%\n", worst, allowed)
	if worst > allowed {
		return fmt.Errorf("a limit was missed by %.1f %%", worst)
	}
	return nil
}
