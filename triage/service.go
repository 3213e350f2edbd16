package triage

import (
	"slices"
	"time"
)

const (
	samplesMax = 60 // response times that are kept
	daysMax    = 30 // of uptime
	day        = int64(24 * time.Hour)
)

// Registered is a service that a tenant has made known.
type Registered struct {
	Name         string   `json:"serviceName"`
	URL          string   `json:"serviceUrl"`
	APIKey       string   `json:"apiKey,omitempty"`
	Version      string   `json:"version,omitempty"`
	Capabilities []string `json:"capabilities"`
	Health       string   `json:"healthEndpoint"`
	Created      int64    `json:"registeredAt"`
	By           string   `json:"registeredBy,omitempty"`
}

// Probed reports whether it is looked whether the service answers: it is, unless it lists
// what it can and that is not among it.
func (s *Registered) Probed() bool {
	return len(s.Capabilities) == 0 || slices.Contains(s.Capabilities, "health-check")
}

// Logs reports whether the service may be the source of records between services.
func (s *Registered) Logs() bool {
	return len(s.Capabilities) == 0 || slices.Contains(s.Capabilities, "logging")
}

// DayUp is how often a service answered on a day.
type DayUp struct {
	Day   int64 `json:"day"` // Unix ns of its begin
	Up    int   `json:"up"`
	Total int   `json:"total"`
}

// Health is what is known of a service's answers.
type Health struct {
	Name     string    `json:"name"`
	Up       bool      `json:"up"`
	Since    int64     `json:"since"` // Unix ns
	Last     int64     `json:"last"`
	Status   int       `json:"status,omitempty"`
	Error    string    `json:"error,omitempty"`
	Timeouts int       `json:"timeouts,omitempty"`
	Samples  []float64 `json:"samples,omitempty"` // ms, the newest last
	Days     []DayUp   `json:"days,omitempty"`    // the newest last
}

// Down reports whether the service was looked at and does not answer.
func (h *Health) Down() bool { return h.Last != 0 && !h.Up }

// Uptime is the share of looks that found the service up, in percent.
func (h *Health) Uptime() (percent float64, looks int) {
	up := 0
	for _, d := range h.Days {
		up += d.Up
		looks += d.Total
	}
	if looks == 0 {
		return 0, 0
	}
	return 100 * float64(up) / float64(looks), looks
}

// Percentile returns a response time below which so many percent are.
func (h *Health) Percentile(p int) float64 {
	if len(h.Samples) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(h.Samples))
	return sorted[min(len(sorted)-1, (len(sorted)*p+99)/100-1)]
}

// Note writes down a look, and reports whether the service has come or gone.
func (h *Health) Note(now int64, up bool, status int, why string, took time.Duration) (changed bool) {
	if changed = h.Last == 0 || h.Up != up; changed {
		h.Up, h.Since = up, now
	}
	h.Last, h.Status, h.Error = now, status, why
	if up {
		h.Samples = append(h.Samples[max(0, len(h.Samples)-samplesMax+1):len(h.Samples):len(h.Samples)], float64(took.Microseconds())/1000)
	}
	today := now - now%day
	if n := len(h.Days); n == 0 || h.Days[n-1].Day < today {
		h.Days = append(h.Days[max(0, n-daysMax+1):n:n], DayUp{Day: today})
	} else {
		h.Days = slices.Clone(h.Days)
	}
	last := &h.Days[len(h.Days)-1]
	last.Total++
	if up {
		last.Up++
	}
	return changed
}
