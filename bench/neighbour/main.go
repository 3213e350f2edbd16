// Command neighbour measures what the flood of one tenant costs another: it starts a
// node, lets tenant b write and ask at a steady pace, alone and while tenant a sends
// ten times as many requests as it may, in turns, and says how long b's requests took.
// The time of a request begins when it is due, so that one which waits counts its wait.
//
//	go run ./bench/neighbour -stere ./stere
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stere-log/stere/bench/proc"
	"github.com/stere-log/stere/bench/tool"
)

const (
	secret      = "neighbour-neighbour-neighbour-neighbour"
	askTimeout  = time.Minute
	answerMax   = 64 << 20
	flooders    = 64 // requests of a that are under way at most
	askers      = 64 // of b
	ratioWanted = 1.5
	percent     = 99
)

type options struct {
	stere, dir   string
	limit, over  int
	lines        int
	pace, length time.Duration
	turns        int
}

func main() {
	var o options
	flag.StringVar(&o.stere, "stere", "./stere", "the program")
	flag.StringVar(&o.dir, "dir", "", "an empty folder for the node; empty: a temporary one")
	flag.IntVar(&o.limit, "limit", 600, "requests in a minute that tenant a may make")
	flag.IntVar(&o.over, "over", 10, "how many times as many it makes")
	flag.IntVar(&o.lines, "lines", 500, "records of each of them")
	flag.DurationVar(&o.pace, "pace", 50*time.Millisecond, "between two writes, and two questions, of tenant b")
	flag.DurationVar(&o.length, "time", 10*time.Second, "of a turn")
	flag.IntVar(&o.turns, "turns", 4, "quiet ones, and as many with the flood")
	flag.Parse()
	if o.limit < 1 || o.over < 1 || o.lines < 1 || o.pace <= 0 || o.length <= 0 || o.turns < 1 {
		fmt.Fprintln(os.Stderr, "neighbour: want a limit, lines, a pace, a time and turns above 0; see -help")
		os.Exit(2)
	}
	tool.Main("neighbour", o.run)
}

// node is the node that is asked.
type node struct {
	url  string
	http *http.Client
}

// do makes a request and returns the status and the answer.
func (n node) do(ctx context.Context, token, path string, body []byte) (status int, answer []byte, err error) {
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, n.url+path, bytes.NewReader(body))
	if err != nil {
		return 0, nil, fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := n.http.Do(request)
	if err != nil {
		return 0, nil, fmt.Errorf("ask: %w", err)
	}
	answer, err = io.ReadAll(io.LimitReader(response.Body, answerMax))
	return response.StatusCode, answer, errors.Join(err, response.Body.Close())
}

// records returns lines like those of a service.
func records(random *rand.Rand, count int) []byte {
	var text bytes.Buffer
	for range count {
		fmt.Fprintf(&text, `{"message":"request %x of user %d took %d ms","level":%q,"component":%q,"status":%d}`+"\n", random.Uint64(), random.IntN(10_000),
			random.IntN(2000), []string{"info", "info", "info", "warn", "error"}[random.IntN(5)], []string{"web", "shop", "pay", "mail"}[random.IntN(4)], 200+random.IntN(300))
	}
	return text.Bytes()
}

// start starts the node and agrees with both tenants.
func (o *options) start(ctx context.Context) (*proc.Process, node, error) {
	address, err := proc.FreeAddress()
	if err != nil {
		return nil, node{}, err
	}
	n := node{url: "http://" + address, http: &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: flooders + 2*askers}}}
	admin := tool.Token(secret, "neighbour", "platform-admin", "default")
	process, err := proc.Start(ctx, proc.Config{
		Path: o.stere, Args: []string{"serve", "--data", filepath.Join(o.dir, "data"), "--listen", address},
		Env: []string{"JWT_SECRET=" + secret}, LogPath: filepath.Join(o.dir, "node.log"),
		Ready: func(ctx context.Context) error {
			status, answer, err := n.do(ctx, admin, "/logs/search", []byte(`{"limit":1}`))
			if err == nil && status != http.StatusOK {
				err = fmt.Errorf("status %d: %.200s", status, answer)
			}
			return err
		},
	})
	if err != nil {
		return nil, n, err
	}
	for tenant, limit := range map[string]int{"a": o.limit, "b": 1_000_000} {
		body := fmt.Sprintf(`{"tenantId":%q,"plan":"premium","config":{"maxRequestsPerMinute":%d,"maxLogsPerDay":1000000000,"maxBytesPerDay":1000000000000}}`, tenant, limit)
		status, answer, err := n.do(ctx, admin, "/admin/tenants", []byte(body))
		if err == nil && status != http.StatusCreated {
			err = fmt.Errorf("agree with tenant %s: status %d: %.200s", tenant, status, answer)
		}
		if err != nil {
			return nil, n, errors.Join(err, process.Stop())
		}
	}
	return process, n, nil
}

// pace calls do at a steady pace until the context ends, at most so many at once, and
// returns how long each took from when it was due, and how many there was no room for.
func pace(ctx context.Context, every time.Duration, most int, do func()) (took []time.Duration, left int) {
	var mu sync.Mutex
	var running sync.WaitGroup
	room := make(chan struct{}, most)
	began := time.Now()
	for i := 0; ; i++ {
		due := began.Add(time.Duration(i) * every)
		timer := time.NewTimer(time.Until(due))
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			running.Wait()
			return took, left
		}
		select {
		case room <- struct{}{}:
		default:
			left++
			continue
		}
		running.Go(func() {
			do()
			mu.Lock()
			took = append(took, time.Since(due))
			mu.Unlock()
			<-room
		})
	}
}

// turn is what was measured in one or several turns.
type turn struct {
	writes, questions []time.Duration
	statuses          map[int]int // of a's requests
	left              int         // requests of b that had no room
	failed            int
	processors        float64 // seconds that the node took
}

// measure lets b work for a while, beside a flood or not.
func (o *options) measure(ctx context.Context, n node, flood bool, into *turn, seed uint64) {
	ctx, stop := context.WithTimeout(ctx, o.length)
	defer stop()
	random := rand.New(rand.NewPCG(seed, 1))
	mine, theirs := records(random, 50), records(random, o.lines)
	var mu sync.Mutex
	var all sync.WaitGroup
	ask := func(path string, body []byte, took *[]time.Duration) {
		credentials := tool.Token(secret, "neighbour", "tenant-admin", "b")
		times, left := pace(ctx, o.pace, askers, func() {
			if status, _, err := n.do(context.WithoutCancel(ctx), credentials, path, body); err != nil || status != http.StatusOK {
				mu.Lock()
				into.failed++
				mu.Unlock()
			}
		})
		mu.Lock()
		defer mu.Unlock()
		*took = append(*took, times...)
		into.left += left
	}
	all.Go(func() { ask("/logs", mine, &into.writes) })
	all.Go(func() {
		ask("/logs/search", []byte(`{"query":"level:error component:pay","limit":20}`), &into.questions)
	})
	if flood {
		credentials := tool.Token(secret, "neighbour", "writer", "a")
		every := time.Minute / time.Duration(o.limit*o.over)
		_, _ = pace(ctx, every, flooders, func() {
			status, _, _ := n.do(context.WithoutCancel(ctx), credentials, "/logs", theirs) // 0 for what did not come off
			mu.Lock()
			into.statuses[status]++
			mu.Unlock()
		})
	}
	all.Wait()
}

func (o *options) run(ctx context.Context, out io.Writer) (err error) {
	dir, remove, err := tool.Folder(o.dir, "neighbour")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	o.dir = dir
	process, n, err := o.start(ctx)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, process.Stop()) }()
	quiet, busy := turn{statuses: map[int]int{}}, turn{statuses: map[int]int{}}
	// The first flood takes what a may have at once; from then on it is over its limit.
	o.measure(ctx, n, true, &turn{statuses: map[int]int{}}, 0)
	for i := range o.turns {
		for _, flood := range []bool{false, true} {
			into := &quiet
			if flood {
				into = &busy
			}
			before, err := process.Usage()
			if err != nil {
				return err
			}
			o.measure(ctx, n, flood, into, uint64(i))
			after, err := process.Usage()
			if err != nil {
				return err
			}
			into.processors += after.CPUSeconds - before.CPUSeconds
		}
		if ctx.Err() != nil {
			return fmt.Errorf("measure: %w", ctx.Err())
		}
	}
	return report(out, &quiet, &busy)
}

// report prints what b's requests took.
func report(out io.Writer, quiet, busy *turn) error {
	at := func(times []time.Duration, percent int) float64 {
		if len(times) == 0 {
			return 0
		}
		slices.Sort(times)
		return times[(len(times)*percent+99)/100-1].Seconds() * 1000
	}
	fmt.Fprintf(out, "| tenant b | quiet p50 ms | flood p50 ms | quiet p%[1]d ms | flood p%[1]d ms | ratio |\n|---|---:|---:|---:|---:|---:|\n", percent)
	worst := 0.0
	for _, row := range []struct {
		name  string
		q, of []time.Duration
	}{{"writes", quiet.writes, busy.writes}, {"questions", quiet.questions, busy.questions}} {
		ratio := at(row.of, percent) / max(at(row.q, percent), 1e-9)
		worst = max(worst, ratio)
		fmt.Fprintf(out, "| %s, %d and %d | %.1f | %.1f | %.1f | %.1f | %.2f |\n", row.name, len(row.q), len(row.of), at(row.q, 50), at(row.of, 50), at(row.q, percent), at(row.of, percent), ratio)
	}
	var statuses []string
	for status, count := range busy.statuses {
		statuses = append(statuses, fmt.Sprintf("%d: %d", status, count))
	}
	slices.Sort(statuses)
	fmt.Fprintf(out, "\nthe node took %.2f s of processors in quiet turns, %.2f s beside the flood\n", quiet.processors, busy.processors)
	fmt.Fprintf(out, "tenant a was answered %s; worst ratio %.2f, wanted at most %.1f\n", strings.Join(statuses, ", "), worst, ratioWanted)
	if n := quiet.failed + busy.failed + quiet.left + busy.left; n > 0 {
		return fmt.Errorf("%d requests of tenant b failed or had no room", n)
	}
	return nil
}
