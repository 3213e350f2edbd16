package node_test

import (
	"context"
	"math/rand/v2"
	"time"
)

// callTimeout is how long a client waits for an answer.
const callTimeout = 10 * time.Second

// client writes and asks until the context ends.
type client struct {
	w      *world
	rng    *rand.Rand
	number int
	n      int // attempts so far
}

func (c *client) run(ctx context.Context) {
	for ctx.Err() == nil && !c.w.t.Failed() {
		c.pause(ctx, c.w.tuning.think)
		switch c.rng.IntN(20) {
		case 0:
			c.readSlowly(ctx, c.anyone())
		case 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11:
			c.write(ctx)
		default:
			c.ask(c.anyone(), question{tenant: tenants[c.rng.IntN(len(tenants))], client: c.rng.IntN(2*c.w.tuning.clients) - c.w.tuning.clients, count: c.rng.IntN(3) == 0})
		}
	}
}

func (c *client) pause(ctx context.Context, most time.Duration) {
	timer := time.NewTimer(time.Duration(c.rng.Int64N(int64(most))))
	defer timer.Stop()
	select {
	case <-timer.C:
	case <-ctx.Done():
	}
}

// anyone returns a node that runs, nil if it looked where none does.
func (c *client) anyone() *process {
	return c.w.machines[c.rng.IntN(len(c.w.machines))].current()
}

// write sends a new request, with a key until it is acknowledged or patience
// ends. Some are sent again without need.
func (c *client) write(ctx context.Context) {
	a := c.w.ledger.begin(c.rng, c.number, c.n)
	c.n++
	for range between(c.rng, 1, 6) {
		if c.send(c.anyone(), a) {
			if a.request.Key != "" && c.rng.IntN(4) == 0 {
				c.send(c.anyone(), a)
			}
			return
		}
		if a.request.Key == "" {
			return
		}
		c.pause(ctx, time.Second)
		if ctx.Err() != nil {
			return
		}
	}
}

// send sends a request once.
func (c *client) send(to *process, a *attempt) bool {
	if to == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	request := a.request
	request.Records = append(request.Records[:0:0], request.Records...)
	result, err := to.node.Writer().Write(ctx, request)
	if err != nil {
		c.w.ledger.count("failed writes")
		if !unavailable(err) && !c.w.ledger.mayFail(to) {
			c.w.t.Errorf("write at %s: %v", to.machine.ip, err)
		}
		return false
	}
	c.w.ledger.ack(to, a, result)
	return true
}

// ask asks once and checks the answer. It reports whether there is one, and it
// is complete.
func (c *client) ask(whom *process, q question) bool {
	if whom == nil {
		return false
	}
	ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
	defer cancel()
	q.client = max(q.client, -1)
	q.began = c.w.ledger.now()
	answer, err := whom.node.Engine().Search(ctx, q.request())
	if err != nil {
		c.w.ledger.count("failed questions")
		if !unavailable(err) && !c.w.ledger.mayFail(whom) {
			c.w.t.Errorf("ask %s: %v", whom.machine.ip, err)
		}
		return false
	}
	return c.w.ledger.check(whom, q, answer)
}
