package webhook

import (
	"fmt"
	"net/http"
	"slices"
	"time"
)

// Limits of queues.
const (
	WaitingMax  = 96 // deliveries of an endpoint that wait
	KeptMax     = 24 // that are remembered after their end
	AttemptsMax = 5  // of a delivery that are remembered, OpenAfter at least
	backoffMin  = 5 * time.Second
	backoffMax  = 6 * time.Hour
	// OpenAfter is how many failures one after the other open the circuit: then the
	// endpoint is tried seldom, whatever waits.
	OpenAfter = 5
	openMin   = 5 * time.Minute
	// refusedMax is how long is waited at most where others may come behind what is refused.
	refusedMax = 10 * time.Minute
)

// The states of a delivery.
const (
	Waiting   = "waiting"
	Delivered = "delivered"
	Dead      = "dead" // given up
)

// Attempt is one try.
type Attempt struct {
	At     int64  `json:"at"`
	Status int    `json:"status,omitempty"`
	Error  string `json:"error,omitempty"`
	Note   string `json:"note,omitempty"` // what was not as it should be though it was taken
	Took   int64  `json:"took"`           // ns
}

// Delivery is an event on its way to an endpoint.
type Delivery struct {
	ID       string    `json:"id"` // the same at every attempt
	Endpoint string    `json:"endpoint"`
	Number   uint64    `json:"number"` // place in the order of the endpoint
	Event    Event     `json:"event"`
	State    string    `json:"state"`
	Created  int64     `json:"created"`
	Ended    int64     `json:"ended,omitempty"`
	Tries    int       `json:"tries"`
	Attempts []Attempt `json:"attempts,omitempty"` // the newest last
}

// Queue is what is known of the deliveries of an endpoint: those with numbers from First
// to before Next wait, in this order.
type Queue struct {
	First     uint64 `json:"first"`
	Next      uint64 `json:"next"`
	NextTry   int64  `json:"nextTry,omitempty"`  // not before this time, see Due
	Failures  int    `json:"failures,omitempty"` // one after the other
	Delivered uint64 `json:"delivered"`
	Failed    uint64 `json:"failed"`  // attempts
	Dropped   uint64 `json:"dropped"` // for which there was no place
	Dead      uint64 `json:"dead"`
	Last      int64  `json:"last,omitempty"` // when one was delivered last
	Error     string `json:"error,omitempty"`
}

// DeliveryKey is the key of a delivery, in the order of numbers.
func DeliveryKey(endpoint string, number uint64) string {
	return fmt.Sprintf("%s:%016d", endpoint, number)
}

// Waits returns how many wait.
func (q *Queue) Waits() int { return int(q.Next - q.First) }

// Open reports whether the circuit is open.
func (q *Queue) Open() bool { return q.Failures >= OpenAfter }

// Add makes a delivery that waits behind the others, nil if there is no place for one.
func (q *Queue) Add(id, endpoint string, event Event, now int64) *Delivery {
	if q.Next == 0 {
		q.First, q.Next = 1, 1
	}
	if q.Waits() >= WaitingMax {
		q.Dropped++
		return nil
	}
	d := &Delivery{ID: id, Endpoint: endpoint, Number: q.Next, Event: event, State: Waiting, Created: now}
	q.Next++
	return d
}

// Backoff is how long is waited after so many failures, with a share of chance between 0
// and 1 so that those who failed together do not come together.
func Backoff(failures int, chance float64) time.Duration {
	wait := backoffMin << min(max(failures-1, 0), 20)
	if failures >= OpenAfter {
		wait = max(wait, openMin)
	}
	wait = min(wait, backoffMax)
	return wait*3/4 + time.Duration(chance*float64(wait)/2)
}

// Due is when the first delivery that waits is tried next: at the queue's time, or when its
// own time is over, so that what waited behind one that was given up is tried once at least.
func (q *Queue) Due(first *Delivery) int64 {
	return min(q.NextTry, first.Created+int64(GiveUpAfter))
}

// Note writes down an attempt at the first delivery that waits, and whether it is over
// with it. After is when the other side asks to be tried again, 0 if it does not say.
func (q *Queue) Note(d *Delivery, a Attempt, after time.Duration, chance float64) {
	d.Tries++
	d.Attempts = append(d.Attempts[max(0, len(d.Attempts)-AttemptsMax+1):len(d.Attempts):len(d.Attempts)], a)
	if a.Error == "" {
		d.State, d.Ended = Delivered, a.At
		q.Delivered++
		q.Failures, q.NextTry, q.Error, q.Last = 0, 0, "", a.At
		q.First = d.Number + 1
		return
	}
	q.Failed++
	q.Failures++
	q.Error = a.Error
	q.NextTry = a.At + int64(max(Backoff(q.Failures, chance), min(after, backoffMax)))
	end := d.Created + int64(GiveUpAfter)
	switch {
	case a.At >= end:
		q.GiveUp(d, a.At)
	case d.refused() && d.Tries == q.Failures && q.Delivered > 0 && q.Waits() > 1:
		q.GiveUp(d, a.At)
		q.NextTry = a.At + int64(max(backoffMin, min(after, backoffMax)))
	default:
		q.NextTry = min(q.NextTry, end) // the last try is when its time is over
		if a.refuses() && after == 0 {
			q.NextTry = min(q.NextTry, a.At+int64(refusedMax))
		}
	}
}

// refused reports whether nothing else was said of the delivery in the last OpenAfter attempts
// than that it is not taken. Where the one before was taken, it holds up for nothing what waits
// behind it and is given up. If the next one is refused as well, or none was ever taken, it is
// the receiver that has to be mended, and what waits is kept.
func (d *Delivery) refused() bool {
	last := d.Attempts[max(0, len(d.Attempts)-OpenAfter):]
	return len(last) == OpenAfter && !slices.ContainsFunc(last, func(a Attempt) bool { return !a.refuses() })
}

// refuses reports whether the receiver said that it does not take what was sent, rather than
// that it takes nothing now.
func (a *Attempt) refuses() bool {
	return slices.Contains([]int{http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnprocessableEntity}, a.Status)
}

// GiveUp ends a delivery that was not taken.
func (q *Queue) GiveUp(d *Delivery, now int64) {
	d.State, d.Ended = Dead, now
	q.Dead++
	q.First = d.Number + 1
}
