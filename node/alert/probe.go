package alert

import (
	"context"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/access"
	"github.com/stere-log/stere/triage"
)

const (
	probeEvery   = time.Minute
	probeTimeout = 5 * time.Second
	probesSaved  = 5 * time.Minute // how often it is written down that nothing has changed
	probersMax   = 8
)

// watched is what is known of a service, and when that was written down.
type watched struct {
	triage.Health
	saved int64
}

// health returns what is known of a tenant's services, by name.
func (w *Watcher) health(tenant model.TenantID) []triage.Health {
	state := w.State()
	w.mu.Lock()
	defer w.mu.Unlock()
	var out []triage.Health
	for _, name := range state.DocumentIDs(kindService, tenant) {
		h := triage.Health{Name: name}
		if newer := w.probes[target{tenant, name}]; newer != nil {
			h = newer.Health
		} else if _, err := read(state, kindProbes, tenant, name, &h); err != nil {
			continue
		}
		out = append(out, h)
	}
	return out
}

// ServiceStates returns how many services of all tenants are active, do not answer, and
// have not been looked at.
func (w *Watcher) ServiceStates() (active, unreachable, unknown int) {
	state := w.State()
	for _, tenant := range state.DocumentTenants(kindService) {
		known := 0
		for _, h := range w.health(tenant) {
			switch {
			case h.Last == 0:
				continue
			case h.Down():
				unreachable++
			default:
				active++
			}
			known++
		}
		unknown += len(state.DocumentIDs(kindService, tenant)) - known
	}
	return active, unreachable, unknown
}

// lookAtServices looks at services that are due, all at once, of which each takes
// bounded time.
func (w *Watcher) lookAtServices(ctx context.Context) {
	state := w.State()
	now := w.Now()
	w.mu.Lock()
	gone := func(at target) bool { return state.Document(kindService, at.tenant, at.id).Version == 0 }
	maps.DeleteFunc(w.probes, func(at target, _ *watched) bool { return gone(at) })
	maps.DeleteFunc(w.next, func(at target, _ time.Time) bool { return gone(at) })
	w.mu.Unlock()
	for _, tenant := range state.DocumentTenants(kindService) {
		if leaves(state, tenant) || w.NoServices || off(state, tenant, func(t *access.Terms) *bool { return t.Integrations }) {
			continue
		}
		for _, service := range all[triage.Registered](state, kindService, tenant) {
			at := target{tenant, service.Name}
			w.mu.Lock()
			due := service.Probed() && !w.busy["probe "+string(tenant)+" "+service.Name] && !now.Before(w.next[at]) && w.probers() < probersMax
			if due {
				w.busy["probe "+string(tenant)+" "+service.Name] = true
				w.next[at] = now.Add(probeEvery)
			}
			w.mu.Unlock()
			if !due {
				continue
			}
			w.sending.Go(func() {
				w.probe(ctx, tenant, &service)
				w.mu.Lock()
				defer w.mu.Unlock()
				delete(w.busy, "probe "+string(tenant)+" "+service.Name)
			})
		}
	}
}

// probers is how many services are being looked at; mu is held.
func (w *Watcher) probers() (n int) {
	for key := range w.busy {
		if strings.HasPrefix(key, "probe ") {
			n++
		}
	}
	return n
}

// Probe asks a service how it is.
func (w *Watcher) Probe(ctx context.Context, service *triage.Registered) (up bool, status int, why string, took time.Duration) {
	ctx, cancel := context.WithTimeout(ctx, probeTimeout)
	defer cancel()
	header := http.Header{"User-Agent": {"stere-probe"}}
	if service.APIKey != "" {
		header.Set("X-API-Key", service.APIKey)
	}
	began := time.Now()
	sent, err := w.Prober.Send(ctx, http.MethodGet, strings.TrimSuffix(service.URL, "/")+"/"+strings.TrimPrefix(service.Health, "/"), header, nil, 256)
	took = time.Since(began)
	switch {
	case err != nil && ctx.Err() != nil:
		return false, 0, fmt.Sprintf("no answer in %v", probeTimeout), took
	case err != nil:
		why = err.Error()
		return false, 0, why[:min(len(why), 300)], took
	case sent.Status >= 200 && sent.Status < 300:
		return true, sent.Status, "", took
	}
	return false, sent.Status, fmt.Sprintf("status %d", sent.Status), took
}

// probe looks at a service, and writes down what has changed.
func (w *Watcher) probe(ctx context.Context, tenant model.TenantID, service *triage.Registered) {
	up, status, why, took := w.Probe(ctx, service)
	if ctx.Err() != nil {
		return
	}
	w.counts.probes.Add(1)
	at := target{tenant, service.Name}
	now := w.Now().UnixNano()
	w.mu.Lock()
	known := w.probes[at]
	w.mu.Unlock()
	h := watched{Health: triage.Health{Name: service.Name}}
	if known != nil {
		h = *known
	} else if _, err := read(w.State(), kindProbes, tenant, service.Name, &h.Health); err != nil {
		w.Logger.Warn("what is known of a service cannot be read", "tenant", tenant, "service", service.Name, "error", err)
	}
	if !up && status == 0 {
		h.Timeouts++
	}
	changed := h.Note(now, up, status, why, took)
	if changed || now-h.saved >= int64(probesSaved) {
		_, err := edit(ctx, w.State, w.Propose, tenant, func(b *batch) error {
			if b.state.Document(kindService, tenant, service.Name).Version == 0 {
				return nil // it has gone
			}
			return b.put(kindProbes, service.Name, &h.Health)
		})
		if err == nil {
			h.saved = now
		}
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.probes[at] = &h
}
