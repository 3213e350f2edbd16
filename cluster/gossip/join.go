package gossip

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"strings"
	"time"
)

// JoinError returns why no seed has answered yet, or no longer: nil if one has,
// or if there are none.
func (g *Gossip) JoinError() error {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.mu.joinError
}

// join finds others, and those that come back, until gossip ends.
func (g *Gossip) join() {
	ticker := time.NewTicker(retryMin)
	defer ticker.Stop()
	wait, due := retryMin, time.Time{}
	for {
		if !time.Now().Before(due) {
			var pause time.Duration
			pause, wait = g.find(wait)
			due = time.Now().Add(pause)
		}
		g.welcome()
		select {
		case <-ticker.C:
		case <-g.ctx.Done():
			return
		}
	}
}

// find asks seeds while there are no other members; otherwise one of those that should be
// there and are not. It returns when to do so again, and how long to wait after a failure.
func (g *Gossip) find(wait time.Duration) (pause, next time.Duration) {
	g.mu.Lock()
	alone := g.others() == 0
	g.mu.Unlock()
	if !alone {
		g.setJoinError(nil)
		if absent := g.absent(); len(absent) > 0 {
			g.list.Join([]string{absent[rand.IntN(len(absent))]})
		}
		return healInterval, retryMin
	}
	g.setJoinError(g.ask(g.seeds()))
	switch {
	case g.JoinError() == nil:
		return healInterval, retryMin
	case len(g.config.Seeds) == 0:
		return healInterval, min(2*wait, retryMax)
	}
	return wait, min(2*wait, retryMax)
}

// welcome asks one of those that have left of late whether it is back. What is only
// restarted may have no seeds, and learns from who asks that it is thought to be away.
func (g *Gossip) welcome() {
	var left []string
	g.mu.Lock()
	now := g.config.Now()
	for _, m := range g.mu.members {
		if m.state == Left && now.Sub(m.since).Abs() < returnTime {
			left = append(left, m.address)
		}
	}
	g.mu.Unlock()
	if len(left) > 0 {
		g.list.Join([]string{left[rand.IntN(len(left))]})
	}
}

// found is the addresses that seeds have now.
type found struct {
	addresses []string
	failed    error
}

// seeds resolves the seeds, and knows members from before; this node is left out.
func (g *Gossip) seeds() found {
	f := found{}
	for _, seed := range g.config.Seeds {
		host, port, err := splitPort(seed)
		if err != nil {
			continue // Validate has seen it
		}
		ctx, cancel := context.WithTimeout(g.ctx, lookupTimeout)
		ips, err := g.lookup(ctx, host)
		cancel()
		if err != nil {
			f.failed = errors.Join(f.failed, fmt.Errorf("resolve seed %s: %w", seed, err))
			continue
		}
		for _, ip := range ips {
			if address := net.JoinHostPort(ip, strconv.Itoa(port)); address != g.Addr() {
				f.addresses = append(f.addresses, address)
			}
		}
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	for id, m := range g.mu.members {
		if id != g.config.NodeID && m.state == Dead {
			f.addresses = append(f.addresses, m.address)
		}
	}
	return f
}

// absent returns addresses at which there should be members that are not alive:
// those of the dead, and seeds that nobody has.
func (g *Gossip) absent() []string {
	f := g.seeds()
	g.mu.Lock()
	defer g.mu.Unlock()
	alive := map[string]bool{}
	for _, m := range g.mu.members {
		if m.state == Alive {
			alive[m.address] = true
		}
	}
	absent := f.addresses[:0]
	for _, address := range f.addresses {
		if !alive[address] {
			absent = append(absent, address)
		}
	}
	return absent
}

// ask joins through all addresses; one that answers is enough.
func (g *Gossip) ask(f found) error {
	if len(f.addresses) == 0 && f.failed == nil {
		return nil // no seeds, or this node is the only one
	}
	failed := f.failed
	for _, address := range f.addresses {
		if g.ctx.Err() != nil {
			return g.ctx.Err()
		}
		if _, err := g.list.Join([]string{address}); err != nil {
			failed = errors.Join(failed, fmt.Errorf("seed %s: %w", address, meaning(err)))
		}
	}
	g.mu.Lock()
	others := g.others()
	g.mu.Unlock()
	if others > 0 {
		return nil
	}
	if failed == nil {
		failed = errors.New("what answers is no other member of this cluster")
	}
	return fmt.Errorf("%w: %w", ErrNoAnswer, failed)
}

func (g *Gossip) setJoinError(err error) {
	g.mu.Lock()
	before, others := g.mu.joinError, g.others()
	g.mu.joinError = err
	early := !time.Now().After(g.patient) && !distrust(err)
	g.mu.Unlock()
	switch {
	case g.ctx.Err() != nil:
	case err != nil && early: // nodes that are started one after the other
		g.config.Logger.Debug("no seed answers yet", "error", err)
	case err != nil:
		g.notes.warn("join", "this node is alone: it goes on trying its seeds", "error", err)
	case before != nil && others > 0:
		g.config.Logger.Info("this node has found other members")
	}
}

// distrust reports whether somebody answers, and waiting does not help.
func distrust(err error) bool {
	return errors.Is(err, ErrOtherSecret) || errors.Is(err, ErrNeedsSecret) || errors.Is(err, ErrSpeaksPlain)
}

// meaning gives the library's errors about secrets, which are texts, a name.
func meaning(err error) error {
	text := err.Error()
	for part, means := range map[string]error{
		"no installed keys could decrypt":                            ErrOtherSecret,
		"remote state is encrypted and encryption is not configured": ErrNeedsSecret,
		"encryption is configured but remote state is not encrypted": ErrSpeaksPlain,
	} {
		if strings.Contains(text, part) {
			return fmt.Errorf("%w (%w)", means, err)
		}
	}
	return err
}
