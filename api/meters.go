package api

import (
	"bytes"
	"context"
	"fmt"
	"math"
	"strings"
	"sync"
	"time"

	"github.com/VictoriaMetrics/metrics"

	"github.com/stere-log/stere/api/alert"
	"github.com/stere-log/stere/insight"
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
	writes   tally // requests that brought records
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
	if writes(path) {
		m.mu.today.writes.add(elapsed)
	}
	t := tallyOf(m.mu.today.requests, method)
	t.add(elapsed)
	if t.Subcategories == nil {
		t.Subcategories = map[string]*tally{}
	}
	tallyOf(t.Subcategories, fmt.Sprint(status)).add(elapsed)
}

// writes reports whether requests of a route bring records.
func writes(path string) bool {
	return path == "/logs" || path == "/integration/cross-service" || strings.HasSuffix(path, "/_bulk")
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

// mean returns the mean of the values, 0 of none.
func (t *tally) mean() float64 {
	if t.Count == 0 {
		return 0
	}
	return t.TotalValue / float64(t.Count)
}

// json returns the days as GET /metrics has them. The maps are copies.
func (m *meters) json() map[string]any {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn()
	processing := func(d daily) map[string]any {
		return map[string]any{"accepted": d.accepted, "rejected": d.rejected, "requests": d.writes.Count, "averageMs": d.writes.mean(), "maxMs": d.writes.MaxValue}
	}
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

// systemMetrics is how the node itself does: its disk now, its requests today; and of the
// tenant that asks how much is stored, how good findings are, how what is connected is,
// and what users do.
type systemMetrics struct {
	StorageUsage struct {
		Bytes       uint64 `json:"bytes"`                 // of this node, all tenants
		FreeBytes   uint64 `json:"freeBytes"`             // of its disk
		TenantBytes *int64 `json:"tenantBytes,omitempty"` // of the tenant's segments, each once; absent where usage is not kept
	} `json:"storageUsage"`
	RequestVolume uint64  `json:"requestVolume"`
	SuccessRate   float64 `json:"successRate"`  // percent of requests that were answered with a status below 400
	ErrorRate     float64 `json:"errorRate"`    // percent of requests
	ResponseTime  float64 `json:"responseTime"` // mean, milliseconds
	LogProcessing struct {
		Accepted  uint64  `json:"accepted"` // records
		Rejected  uint64  `json:"rejected"`
		AverageMs float64 `json:"averageMs"` // of a request that brings records, until they are stored
		MaxMs     float64 `json:"maxMs"`
	} `json:"logProcessing"`
	PatternAccuracy *patternAccuracy          `json:"patternAccuracy,omitempty"`
	Integration     *alert.IntegrationMetrics `json:"integration,omitempty"`
	UserActivity    *userActivity             `json:"userActivity,omitempty"`
}

// patternAccuracy is how often findings were right, as people of the tenant say.
type patternAccuracy struct {
	TruePositives  int                 `json:"truePositives"`
	FalsePositives int                 `json:"falsePositives"`
	Precision      *float64            `json:"precision"` // null without verdicts
	Rules          []insight.Precision `json:"rules"`
}

func accuracyOf(verdicts []insight.Verdict) *patternAccuracy {
	a := &patternAccuracy{Rules: insight.Precisions(verdicts)}
	for _, p := range a.Rules {
		a.TruePositives, a.FalsePositives = a.TruePositives+p.True, a.FalsePositives+p.False
	}
	if n := a.TruePositives + a.FalsePositives; n > 0 {
		share := math.Round(10_000*float64(a.TruePositives)/float64(n)) / 10_000
		a.Precision = &share
	}
	return a
}

// userActivity is what users do; GET /analytics/users says more.
type userActivity struct {
	UniqueUsers int64          `json:"uniqueUsers"`
	Records     int64          `json:"records"` // that name users
	BusiestHour *string        `json:"busiestHour"`
	Users       []insight.User `json:"users"`
}

// activeUsers is how many users a summary shows.
const activeUsers = 5

// systemOf returns how the node does, with what the tenant of a request may know of itself.
func (r *request) systemOf(ctx context.Context, service *insight.Service, scope insight.Scope, zone *time.Location) (*systemMetrics, error) {
	s := r.system()
	users, err := service.Users(ctx, insight.UsersRequest{Scope: scope, Limit: activeUsers, Zone: zone})
	if err != nil {
		return nil, err
	}
	s.UserActivity = &userActivity{UniqueUsers: users.UniqueUsers, Records: users.Records, Users: users.Users}
	most := int64(0)
	for i := range users.Hours {
		if h := &users.Hours[i]; h.Records > most {
			most, s.UserActivity.BusiestHour = h.Records, &h.Hour
		}
	}
	return s, nil
}

// system is all of it but what users do, which has to be looked for.
func (r *request) system() *systemMetrics {
	s := r.server.meters.system()
	if r.server.cfg.Book != nil {
		stored := r.server.cfg.Book.Now(r.principal.Tenant).Stored
		s.StorageUsage.TenantBytes = &stored
	}
	if r.principal.Restriction == "" { // else it tells of records that one does not see
		if r.server.cfg.Judge != nil {
			s.PatternAccuracy = accuracyOf(r.server.cfg.Judge.Verdicts(r.principal.Tenant))
		}
		if r.server.alert != nil {
			m := r.server.alert.Metrics(r.principal.Tenant)
			s.Integration = &m
		}
	}
	return s
}

// system returns how the node does.
func (m *meters) system() *systemMetrics {
	var s systemMetrics
	s.StorageUsage.Bytes = uint64(m.set.GetOrCreateGauge("stere_storage_disk_bytes", nil).Get())
	s.StorageUsage.FreeBytes = uint64(m.set.GetOrCreateGauge("stere_disk_free_bytes", nil).Get())
	m.mu.Lock()
	defer m.mu.Unlock()
	m.turn()
	s.LogProcessing.Accepted, s.LogProcessing.Rejected = m.mu.today.accepted, m.mu.today.rejected
	s.LogProcessing.AverageMs, s.LogProcessing.MaxMs = m.mu.today.writes.mean(), m.mu.today.writes.MaxValue
	var errors, done uint64
	var total float64
	for _, t := range m.mu.today.requests {
		s.RequestVolume += t.Count
		total += t.TotalValue
		for status, of := range t.Subcategories {
			if status < "400" {
				done += of.Count
			}
		}
	}
	for _, t := range m.mu.today.errors {
		errors += t.Count
	}
	if s.RequestVolume > 0 {
		s.SuccessRate = float64(done) * 100 / float64(s.RequestVolume)
		s.ErrorRate = float64(errors) * 100 / float64(s.RequestVolume)
		s.ResponseTime = total / float64(s.RequestVolume)
	}
	return &s
}

// prometheus returns the whole set, and the process's, as text.
func (m *meters) prometheus() []byte {
	var out bytes.Buffer
	m.set.WritePrometheus(&out)
	metrics.WriteProcessMetrics(&out)
	return out.Bytes()
}
