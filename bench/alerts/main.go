// Command alerts shows that rules fire once, and that every alert is told, while the node
// that looks at them is killed again and again: it starts a cluster of processes, lets
// records come that a rule fires of, kills the leader of the catalogue with SIGKILL while
// it looks, while it tells, or at any time, and compares what two receivers were told with
// what was written. One of them takes everything, the other fails, hangs and breaks off.
//
//	go run ./bench/alerts -changes 100 -seed 1
//
// It ends with 1 if an alert was lost, fired twice, came out of its order, or was signed
// wrong. What is delivered again has the id that it had: that is allowed, and counted.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"math/rand/v2"
	"path/filepath"
	"strings"
	"time"

	"github.com/stere-log/stere/bench/tool"
)

const (
	every = 10 * time.Second // between looks of the rule, and how long its window is
	late  = 15 * time.Second // how long it waits for records
	rule  = `{"id":"alarm","every":"10s","late":"15s","keep":"0s","event":"alert","when":{"query":"component:alarm","over":"10s","by":["alarm"]},"actions":[{"notify":true},{"incident":"alarm"}]}`
)

type options struct {
	stere, work string
	nodes       int
	changes     int
	seed        uint64
	patience    time.Duration
	verbose     bool
}

func main() {
	var o options
	flag.StringVar(&o.stere, "stere", "", "the program; it is built if none is given")
	flag.StringVar(&o.work, "work", "", "folder for data and logs; a temporary one, which is removed, if none is given")
	flag.IntVar(&o.nodes, "nodes", 3, "processes of the cluster")
	flag.IntVar(&o.changes, "changes", 100, "how often the leader is killed and another one leads")
	flag.Uint64Var(&o.seed, "seed", 1, "decides moments, records and what the receiver does that fails")
	flag.DurationVar(&o.patience, "patience", 10*time.Minute, "how long is waited in the end for what was not told yet")
	flag.BoolVar(&o.verbose, "verbose", false, "say of each change when and whom")
	flag.Parse()
	tool.Main("alerts", o.run)
}

// run makes the changes and judges.
func (o *options) run(ctx context.Context, out io.Writer) (err error) {
	if o.nodes < 3 || o.changes < 1 {
		return errors.New("want at least 3 nodes and a change; see -help")
	}
	work, remove, err := tool.Folder(o.work, "alerts")
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, remove()) }()
	if o.stere == "" {
		if o.stere, err = tool.BuildStere(ctx, work); err != nil {
			return err
		}
	}
	random := rand.New(rand.NewPCG(o.seed, 7))
	steady, rough := newReceiver(nil), newReceiver(rand.New(rand.NewPCG(o.seed, 8)))
	defer steady.Close()
	defer rough.Close()
	c := &cluster{stere: o.stere, work: work}
	defer func() { err = errors.Join(err, c.stop()) }()
	if err := c.start(ctx, o.nodes); err != nil {
		return err
	}
	for id, r := range map[string]*receiver{"steady": steady, "rough": rough} {
		body := fmt.Sprintf(`{"webhookId":%q,"url":%q,"events":["alert"],"secret":%q}`, id, r.URL, secret)
		if _, err := c.any().Call(ctx, "POST", "/integration/webhooks", []byte(body)); err != nil {
			return err
		}
	}
	if _, err := c.any().Call(ctx, "POST", "/triage/rules", []byte(rule)); err != nil {
		return err
	}
	w := &writer{cluster: c, random: random}
	moments := map[string]int{}
	began := time.Now()
	for change := range o.changes {
		moment, err := o.change(ctx, c, w, random, steady, rough)
		if err != nil {
			return fmt.Errorf("change %d: %w", change+1, err)
		}
		moments[moment]++
		if o.verbose {
			fmt.Fprintf(out, "%s change %d: killed %s\n", time.Since(began).Round(time.Second), change+1, moment)
		}
	}
	return o.judge(ctx, out, c, w, moments, steady, rough)
}

// change writes alarms, kills the leader at a moment, and waits until another one leads
// and the killed one is there again.
func (o *options) change(ctx context.Context, c *cluster, w *writer, random *rand.Rand, receivers ...*receiver) (moment string, err error) {
	if err := w.alarms(ctx, 1+random.IntN(3)); err != nil {
		return "", err
	}
	leader, err := c.leader(ctx, nil)
	if err != nil {
		return "", err
	}
	release := func() {}
	switch random.IntN(3) {
	case 0:
		moment = "while it looks"
		now := time.Now()
		due := now.Add(-late).Truncate(every).Add(every + late)
		wait(ctx, due.Sub(now)+time.Duration(random.IntN(1500))*time.Millisecond)
	case 1:
		moment = "while it tells"
		receiver := receivers[random.IntN(len(receivers))]
		var began <-chan struct{}
		began, release = receiver.hold(random.IntN(2) == 0)
		select {
		case <-ctx.Done():
		case <-began:
		case <-time.After(2 * every):
			moment = "at any time" // nothing was told
		}
	default:
		moment = "at any time"
		wait(ctx, time.Duration(random.IntN(5000))*time.Millisecond)
	}
	if fresh, err := c.leader(ctx, nil); err == nil {
		leader = fresh
	}
	err = leader.Process.Kill()
	release()
	if err != nil {
		return "", err
	}
	if _, err := c.leader(ctx, leader); err != nil {
		return "", err
	}
	if err := w.alarms(ctx, random.IntN(2)); err != nil { // while two are left
		return "", err
	}
	return moment, errors.Join(c.launch(ctx, leader), c.whole(ctx))
}

// judge waits until everything was told and compares.
func (o *options) judge(ctx context.Context, out io.Writer, c *cluster, w *writer, moments map[string]int, steady, rough *receiver) error {
	var fired struct{ Fired int }
	for until := time.Now().Add(o.patience); ; wait(ctx, time.Second) {
		missing := steady.missing(w.written) + rough.missing(w.written)
		if err := c.ask(ctx, "/triage/rules/alarm", &fired); err == nil && missing == 0 {
			break
		}
		if ctx.Err() != nil || time.Now().After(until) {
			break
		}
	}
	fmt.Fprintf(out, "%d processes, %d changes of the leader by SIGKILL:", o.nodes, o.changes)
	for _, m := range []string{"while it looks", "while it tells", "at any time"} {
		fmt.Fprintf(out, " %d %s;", moments[m], m)
	}
	fmt.Fprintf(out, " seed %d\n\n%d alarms were written in time, %d others too late for their window; the rule fired %d times.\n\n", o.seed, len(w.written), len(w.late), fired.Fired)
	fmt.Fprintln(out, "| receiver | requests | taken | again, with its id | lost | fired twice | out of order | signed wrong |\n|---|---:|---:|---:|---:|---:|---:|---:|")
	bad := 0
	for _, one := range []struct {
		name string
		r    *receiver
	}{{"steady", steady}, {"rough", rough}} {
		v := one.r.verdict(w.written)
		fmt.Fprintf(out, "| %s | %d | %d | %d | %d | %d | %d | %d |\n", one.name, v.requests, v.taken, v.again, len(v.lost), len(v.twice), v.disordered, v.forged)
		if len(v.lost)+len(v.twice) > 0 {
			fmt.Fprintf(out, "\n%s: lost %s; twice %s\n\n", one.name, strings.Join(v.lost, " "), strings.Join(v.twice, " "))
		}
		bad += len(v.lost) + len(v.twice) + v.disordered + v.forged
	}
	if missed := len(w.written) - fired.Fired; missed > 0 || -missed > len(w.late) {
		return fmt.Errorf("the rule fired %d times for %d alarms; logs are in %s", fired.Fired, len(w.written), filepath.Clean(c.work))
	}
	if bad > 0 {
		return fmt.Errorf("%d faults", bad)
	}
	return nil
}

func wait(ctx context.Context, d time.Duration) {
	select {
	case <-ctx.Done():
	case <-time.After(d):
	}
}

// ask asks any node and decodes what is in data.
func (c *cluster) ask(ctx context.Context, path string, into any) error {
	text, err := c.any().Call(ctx, "GET", path, nil)
	if err != nil {
		return err
	}
	return json.Unmarshal(text, into)
}
