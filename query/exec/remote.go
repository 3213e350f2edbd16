package exec

import (
	"context"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/part"
)

// Source is what an answer is made from: parts, which are read here, and what
// others read.
type Source struct {
	Parts   []part.Part
	Remotes []Remote
}

// Remote is a share of the data that is read elsewhere, with the same plan,
// page and limits. Its functions return soon after the end of the context, with
// an error. One that fails is missing in the answer, which says so.
type Remote struct {
	// Name begins the reasons of partial answers: "shard 3".
	Name string
	// Has reports whether a shard is part of the share.
	Has func(shard model.ShardID) bool
	// Answer returns what RecordsAnswer or TableAnswer returned there.
	Answer func(ctx context.Context) ([]byte, error)
	// Fetch returns what FetchAnswer returned there for at most FetchMax ids.
	Fetch func(ctx context.Context, ids []model.RecordID) ([]byte, error)
}

// remotesAtOnce is how many remotes are asked at once.
const remotesAtOnce = 64

// asking is a round of questions to all remotes that is under way.
type asking struct {
	run    *run
	done   sync.WaitGroup
	next   atomic.Int64
	mu     sync.Mutex
	failed error // of the program or the caller's context
}

// ask begins to call do for every remote. An error of do makes the remote a
// missing one.
func (r *run) ask(ctx context.Context, do func(ctx context.Context, i int) error) *asking {
	a := &asking{run: r}
	for range min(len(r.far), remotesAtOnce) {
		a.done.Go(func() {
			for i := int(a.next.Add(1)) - 1; i < len(r.far); i = int(a.next.Add(1)) - 1 {
				err := ctx.Err()
				if err == nil {
					a.stop(Guard(func() error {
						err = do(ctx, i)
						return nil
					}))
				}
				if err != nil {
					a.fail(ctx, i, err)
				}
			}
		})
	}
	return a
}

// fail notes that a remote gave no answer.
func (a *asking) fail(ctx context.Context, i int, err error) {
	switch outer := a.run.outer.Err(); {
	case outer != nil:
		a.stop(outer)
	case ctx.Err() != nil:
		a.run.missing(i, a.run.far[i].Name+" gave no answer in time")
	default:
		a.run.missing(i, fmt.Sprintf("%s gave no answer: %s", a.run.far[i].Name, cut(err.Error())))
	}
}

// stop notes what ends the whole run.
func (a *asking) stop(err error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.failed == nil {
		a.failed = err
	}
}

// wait waits for all remotes. Its error is a panic or the end of the caller's
// context.
func (a *asking) wait() error {
	a.done.Wait()
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.failed
}

// end ends the run and with it the questions that are not needed any more.
func (a *asking) end() {
	a.run.cancel()
	a.done.Wait()
}

// missing notes why a remote is missing; its first reason stays.
func (r *run) missing(i int, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.mu.failed == nil {
		r.mu.failed = map[int]string{}
	}
	if r.mu.failed[i] == "" {
		r.mu.failed[i] = reason
	}
}

// causeMax is how much of an error of another node is shown.
const causeMax = 256

// cut returns the beginning of a text.
func cut(text string) string {
	if len(text) > causeMax {
		return text[:causeMax] + "..."
	}
	return text
}

// limited notes why the answer of a remote is partial.
func (r *run) limited(i int, reason string) {
	if reason != "" {
		r.partial(r.far[i].Name + ": " + reason)
	}
}

// takeFrom asks a remote for its share of a table and adds it.
func (g *groups) takeFrom(ctx context.Context, i int) error {
	answer, err := g.far[i].Answer(ctx)
	if err != nil {
		return err
	}
	found, err := g.decode(answer)
	if err != nil {
		return err
	}
	g.limited(i, found.reason)
	found.reason = ""
	g.add(found)
	return nil
}

// takeFrom asks a remote for what it has of a page and adds it.
func (s *search) takeFrom(ctx context.Context, i int) error {
	answer, err := s.far[i].Answer(ctx)
	if err != nil {
		return err
	}
	found, err := s.decode(answer)
	if err != nil {
		return err
	}
	s.limited(i, found.reason)
	s.facets.addFound(found.facets)
	all := make([]candidate, len(found.at))
	for n := range found.at {
		all[n] = candidate{Position: found.at[n], part: len(s.parts) + i, row: uint32(n)}
	}
	s.mu.Lock()
	s.answers[i] = found
	s.mu.total += found.total
	s.mu.atLeast = s.mu.atLeast || !found.exact
	s.mu.Unlock()
	s.found.offer(all)
	return nil
}

// fetchShare is the part of the time limit that is left at least for reading
// the records of a page.
const fetchShare = 10

// fetchFar puts the records of candidates that are elsewhere into their places:
// those that came with an answer, and others by asking for them. Where there is
// none, the hit is left out.
func (s *search) fetchFar(found []candidate, hits []Hit) ([]Hit, error) {
	if len(s.far) == 0 {
		return hits, nil
	}
	byRemote := make([][]int, len(s.far))
	lost := make([]bool, len(found))
	for n, c := range found {
		i := c.part - len(s.parts)
		if i < 0 {
			continue
		}
		hits[n] = Hit{ID: c.ID, Position: c.Position}
		if came := s.answers[i].hits; int(c.row) < len(came) {
			hits[n].Record = came[c.row]
			continue
		}
		lost[n] = true
		byRemote[i] = append(byRemote[i], n)
	}
	ctx, cancel := context.WithTimeout(s.outer, s.fetchTime())
	defer cancel()
	asked := s.ask(ctx, func(ctx context.Context, i int) error {
		var ids []model.RecordID
		for _, n := range byRemote[i] {
			ids = append(ids, found[n].ID)
		}
		records, err := fetchAll(ctx, s.far[i], ids)
		for _, n := range byRemote[i] {
			if record, ok := records[found[n].ID]; ok {
				hits[n].Record, lost[n] = record, false
			}
		}
		if gone := len(ids) - len(records); err == nil && gone > 0 {
			err = fmt.Errorf("%d records of the page are gone", gone)
		}
		return err
	})
	if err := asked.wait(); err != nil {
		return nil, err
	}
	kept := hits[:0]
	for n := range hits {
		if !lost[n] {
			kept = append(kept, hits[n])
		}
	}
	return kept, nil
}

// fetchTime returns how long reading the records of a page may take: what is
// left of the time limit, or fetchShare if that is over.
func (s *search) fetchTime() time.Duration {
	left := s.limits.Time / fetchShare
	if deadline, ok := s.ctx.Deadline(); ok {
		left = max(left, time.Until(deadline))
	}
	return left
}

// findFar asks all remotes for a record; nil if none has it.
func (r *run) findFar(id model.RecordID) (found *model.Record, err error) {
	var mu sync.Mutex
	asked := r.ask(r.ctx, func(ctx context.Context, i int) error {
		records, err := fetchAll(ctx, r.far[i], []model.RecordID{id})
		if err != nil {
			return err
		}
		if record, ok := records[id]; ok {
			mu.Lock()
			defer mu.Unlock()
			found = &record
			r.cancel()
		}
		return nil
	})
	defer asked.end()
	if err := asked.wait(); err != nil && found == nil {
		return nil, err
	}
	return found, nil
}
