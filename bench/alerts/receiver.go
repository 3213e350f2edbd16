package main

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"slices"
	"sync"
	"time"
)

const (
	secret  = "a secret of this measurement"
	bodyMax = 1 << 20
	hangs   = 20 * time.Second // longer than an attempt may take
)

// told is a delivery that was taken.
type told struct {
	id     string
	until  time.Time // the end of the window that it is of
	status string
	alarms []string
	again  int // times more that it came
}

// receiver is a webhook's receiver. One with a random fails now and then.
type receiver struct {
	*httptest.Server
	random *rand.Rand

	mu       sync.Mutex
	requests int
	forged   int
	told     []*told
	held     *held // of the next request
}

// held is a request that is kept waiting while the node that makes it is killed.
type held struct {
	began, end chan struct{}
	take       bool // it is taken all the same
}

func newReceiver(random *rand.Rand) *receiver {
	r := &receiver{random: random}
	r.Server = httptest.NewServer(r)
	return r
}

// hold keeps the next request waiting: began is closed when it is there, release lets it go.
func (r *receiver) hold(take bool) (began <-chan struct{}, release func()) {
	h := &held{make(chan struct{}), make(chan struct{}), take}
	r.mu.Lock()
	defer r.mu.Unlock()
	r.held = h
	return h.began, func() {
		close(h.end)
		r.mu.Lock()
		defer r.mu.Unlock()
		if r.held == h {
			r.held = nil
		}
	}
}

// ServeHTTP implements http.Handler.
func (r *receiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	body, err := io.ReadAll(io.LimitReader(req.Body, bodyMax))
	if err != nil {
		return // it was cut off
	}
	r.mu.Lock()
	r.requests++
	h := r.held
	r.held = nil
	chance := 1.0
	if r.random != nil {
		chance = r.random.Float64()
	}
	r.mu.Unlock()
	if h != nil {
		close(h.began)
		<-h.end
		if h.take {
			r.take(req.Header, body)
		}
		return
	}
	switch {
	case chance < 0.15:
		w.WriteHeader(http.StatusInternalServerError)
	case chance < 0.25:
		panic(http.ErrAbortHandler)
	case chance < 0.28:
		select {
		case <-req.Context().Done():
		case <-time.After(hangs):
		}
	default:
		r.take(req.Header, body)
	}
}

// take writes down what was delivered.
func (r *receiver) take(header http.Header, body []byte) {
	var event struct {
		Data struct {
			Status string
			Until  time.Time
			Alerts []struct{ Labels struct{ Alarm string } }
		}
	}
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write(body)
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := json.Unmarshal(body, &event); err != nil || header.Get("X-Signature-SHA256") != "sha256="+hex.EncodeToString(mac.Sum(nil)) {
		r.forged++
		return
	}
	id := header.Get("webhook-id")
	if at := slices.IndexFunc(r.told, func(t *told) bool { return t.id == id }); at >= 0 {
		r.told[at].again++
		return
	}
	one := &told{id: id, until: event.Data.Until, status: event.Data.Status}
	for _, a := range event.Data.Alerts {
		one.alarms = append(one.alarms, a.Labels.Alarm)
	}
	r.told = append(r.told, one)
}

// verdict is what is wrong with what a receiver was told.
type verdict struct {
	requests, taken, again int
	lost, twice            []string
	disordered, forged     int
}

// verdict compares what was told with what was written. An alarm fires once, and that it
// is over is told once; windows are told in their order.
func (r *receiver) verdict(written []string) verdict {
	r.mu.Lock()
	defer r.mu.Unlock()
	v := verdict{requests: r.requests, taken: len(r.told), forged: r.forged}
	fired := map[string]int{}
	var last time.Time
	for _, t := range r.told {
		v.again += t.again
		if t.until.Before(last) {
			v.disordered++
		}
		last = t.until
		for _, alarm := range t.alarms {
			fired[t.status+" "+alarm]++
		}
	}
	for _, alarm := range written {
		for _, status := range []string{"firing", "resolved"} {
			switch n := fired[status+" "+alarm]; {
			case n == 0:
				v.lost = append(v.lost, status+":"+alarm)
			case n > 1:
				v.twice = append(v.twice, status+":"+alarm)
			}
		}
	}
	return v
}

// missing returns how much of what was written it was not told yet.
func (r *receiver) missing(written []string) int { return len(r.verdict(written).lost) }
