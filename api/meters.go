package api

import (
	"bytes"
	"fmt"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"
)

// meters counts requests: in the node's metrics set, for Prometheus, and by
// UTC day, for the JSON form of GET /metrics.
type meters struct {
	set *metrics.Set
	now func() time.Time

	acceptedRecords, rejectedRecords, bodyBytes *metrics.Counter

	mu struct {
		sync.Mutex
		day       int64 // Unix day of today
		today     daily
		yesterday daily
	}
}

// daily is what happened on one day. Its keys are methods and the codes of the
// error table, so it stays small.
type daily struct {
	requests map[string]*tally
	errors   map[string]*tally
	accepted uint64
	rejected uint64
}

// tally is what the JSON metrics say of one method or error.
type tally struct {
	Count         uint64            `json:"count"`
	TotalValue    float64           `json:"totalValue"` // milliseconds
	MinValue      float64           `json:"minValue"`
	MaxValue      float64           `json:"maxValue"`
	Subcategories map[string]*tally `json:"subcategories,omitempty"`
}

func newDaily() daily {
	return daily{requests: map[string]*tally{}, errors: map[string]*tally{}}
}

func newMeters(set *metrics.Set, now func() time.Time) *meters {
	m := &meters{
		set: set, now: now,
		acceptedRecords: set.GetOrCreateCounter("stere_api_records_accepted_total"),
		rejectedRecords: set.GetOrCreateCounter("stere_api_records_rejected_total"),
		bodyBytes:       set.GetOrCreateCounter("stere_api_body_bytes_total"),
	}
	m.mu.today, m.mu.yesterday = newDaily(), newDaily()
	m.mu.day = now().Unix() / 86400
	return m
}

// conditional counts an answer with a tag, and whether the client had it.
func (m *meters) conditional(hit bool) {
	m.set.GetOrCreateCounter(fmt.Sprintf(`stere_api_tagged_answers_total{unchanged="%t"}`, hit)).Inc()
}

// knownMethod keeps invented methods out of names and maps.
func knownMethod(method string) string {
	switch method {
	case "GET", "POST", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH":
		return method
	}
	return "other"
}

// request counts a request of a route.
func (m *meters) request(path, method string, status int, elapsed time.Duration) {
	method = knownMethod(method)
	m.set.GetOrCreateCounter(fmt.Sprintf(`stere_http_requests_total{path=%q,method=%q,status="%d"}`, path, method, status)).Inc()
	m.set.GetOrCreateHistogram(fmt.Sprintf(`stere_http_request_duration_seconds{path=%q,method=%q}`, path, method)).Update(elapsed.Seconds())
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn()
	t := tallyOf(m.mu.today.requests, method)
	t.add(elapsed)
	if t.Subcategories == nil {
		t.Subcategories = map[string]*tally{}
	}
	tallyOf(t.Subcategories, fmt.Sprint(status)).add(elapsed)
}

// failure counts an error of the error table.
func (m *meters) failure(code string) {
	m.set.GetOrCreateCounter(fmt.Sprintf(`stere_http_errors_total{code=%q}`, code)).Inc()
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn()
	tallyOf(m.mu.today.errors, code).Count++
}

// written counts the records of one write.
func (m *meters) written(accepted, rejected int) {
	m.acceptedRecords.Add(accepted)
	m.rejectedRecords.Add(rejected)
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn()
	m.mu.today.accepted += uint64(accepted)
	m.mu.today.rejected += uint64(rejected)
}

// turn starts a new day; m.mu is held.
func (m *meters) turn() {
	day := m.now().Unix() / 86400
	if day <= m.mu.day {
		return
	}
	m.mu.yesterday = newDaily()
	if day == m.mu.day+1 {
		m.mu.yesterday = m.mu.today
	}
	m.mu.day, m.mu.today = day, newDaily()
}

func tallyOf(of map[string]*tally, key string) *tally {
	if of[key] == nil {
		of[key] = &tally{}
	}
	return of[key]
}

func (t *tally) add(elapsed time.Duration) {
	ms := elapsed.Seconds() * 1000
	if t.Count == 0 || ms < t.MinValue {
		t.MinValue = ms
	}
	t.MaxValue = max(t.MaxValue, ms)
	t.TotalValue += ms
	t.Count++
}

// json returns the days as GET /metrics has them. The maps are copies.
func (m *meters) json() map[string]any {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn()
	processing := func(d daily) map[string]any { return map[string]any{"accepted": d.accepted, "rejected": d.rejected} }
	return map[string]any{
		"requests":      map[string]any{"today": cloneTallies(m.mu.today.requests), "yesterday": cloneTallies(m.mu.yesterday.requests)},
		"errors":        map[string]any{"today": cloneTallies(m.mu.today.errors), "yesterday": cloneTallies(m.mu.yesterday.errors)},
		"logProcessing": map[string]any{"today": processing(m.mu.today), "yesterday": processing(m.mu.yesterday)},
	}
}

func cloneTallies(of map[string]*tally) map[string]*tally {
	out := map[string]*tally{}
	for key, t := range of {
		clone := *t
		if t.Subcategories != nil {
			clone.Subcategories = cloneTallies(t.Subcategories)
		}
		out[key] = &clone
	}
	return out
}

// prometheus returns the whole set, and the process's, as text.
// systemMetrics is how the node itself does: its disk now, its requests today.
type systemMetrics struct {
	StorageUsage struct {
		Bytes uint64 `json:"bytes"` // of this node, all tenants
	} `json:"storageUsage"`
	RequestVolume uint64  `json:"requestVolume"`
	ErrorRate     float64 `json:"errorRate"`    // percent of requests
	ResponseTime  float64 `json:"responseTime"` // mean, milliseconds
}

// system returns how the node does.
func (m *meters) system() *systemMetrics {
	var s systemMetrics
	s.StorageUsage.Bytes = uint64(m.set.GetOrCreateGauge("stere_storage_disk_bytes", nil).Get())
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn()
	var errors uint64
	var total float64
	for _, t := range m.mu.today.requests {
		s.RequestVolume += t.Count
		total += t.TotalValue
	}
	for _, t := range m.mu.today.errors {
		errors += t.Count
	}
	if s.RequestVolume > 0 {
		s.ErrorRate = float64(errors) * 100 / float64(s.RequestVolume)
		s.ResponseTime = total / float64(s.RequestVolume)
	}
	return &s
}

func (m *meters) prometheus() []byte {
	var out bytes.Buffer
	m.set.WritePrometheus(&out)
	metrics.WriteProcessMetrics(&out)
	return out.Bytes()
}
