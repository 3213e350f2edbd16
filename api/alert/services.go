package alert

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/stere-log/stere/api/admin"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/triage"
)

// serviceRequest registers a service.
type serviceRequest struct {
	Name         string   `json:"serviceName"`
	URL          string   `json:"serviceUrl"`
	APIKey       string   `json:"apiKey"`
	Version      string   `json:"version"`
	Capabilities []string `json:"capabilities"`
	Health       string   `json:"healthEndpoint"`
}

// check reports everything that is wrong with it, but for where the URL leads.
func (r *serviceRequest) check() error {
	var c triage.Checks
	c.Add(!triage.ValidID(r.Name), "serviceName", "%.80q, want 1 to 64 of a-z, 0-9, '.', '_' and '-'", r.Name)
	c.Add(r.URL == "" || len(r.URL) > 2048, "serviceUrl", "%d bytes, want 1 to 2048, such as https://auth.example", len(r.URL))
	c.Add(len(r.Health) > 512 || !strings.HasPrefix(r.Health, "/"), "healthEndpoint", "%.80q, want a path such as /health, at most 512 bytes", r.Health)
	c.Add(len(r.APIKey) > 512, "apiKey", "%d bytes, want at most 512", len(r.APIKey))
	c.Add(len(r.Version) > 64, "version", "%d bytes, want at most 64", len(r.Version))
	c.Add(len(r.Capabilities) > 32, "capabilities", "%d, want at most 32", len(r.Capabilities))
	for i, capability := range r.Capabilities {
		c.Add(!triage.ValidID(capability), fmt.Sprintf("capabilities[%d]", i), "%.64q, want for example logging or health-check", capability)
	}
	return invalid(c.Err())
}

// serviceBody is a service in answers: its key is not in it.
type serviceBody struct {
	Name         string      `json:"serviceName"`
	URL          string      `json:"serviceUrl"`
	Version      string      `json:"version,omitempty"`
	Capabilities []string    `json:"capabilities"`
	HealthPath   string      `json:"healthEndpoint"`
	Created      *time.Time  `json:"registeredAt"`
	By           string      `json:"registeredBy,omitempty"`
	Status       string      `json:"status"` // active, unreachable or unknown
	Health       *healthBody `json:"lastHealthCheck,omitempty"`
}

type healthBody struct {
	Healthy  bool        `json:"healthy"`
	Status   int         `json:"status,omitempty"`
	Error    string      `json:"error,omitempty"`
	Since    *time.Time  `json:"since"`
	At       *time.Time  `json:"timestamp"`
	P50      float64     `json:"p50Ms"`
	P95      float64     `json:"p95Ms"`
	Last     float64     `json:"responseTime"` // ms
	Uptime   float64     `json:"uptimePercent"`
	Checks   int         `json:"checks"`
	Timeouts int         `json:"timeouts"`
	Days     []dayUptime `json:"days,omitempty"`
}

type dayUptime struct {
	Day    string  `json:"day"`
	Uptime float64 `json:"uptimePercent"`
	Checks int     `json:"checks"`
}

func shownHealth(h *triage.Health, whole bool) *healthBody {
	if h.Last == 0 {
		return nil
	}
	uptime, checks := h.Uptime()
	out := &healthBody{Healthy: h.Up, Status: h.Status, Error: h.Error, Since: admin.At(h.Since), At: admin.At(h.Last), P50: h.Percentile(50), P95: h.Percentile(95),
		Uptime: rounded(uptime), Checks: checks, Timeouts: h.Timeouts}
	if n := len(h.Samples); n > 0 {
		out.Last = h.Samples[n-1]
	}
	for _, d := range h.Days {
		if whole && d.Total > 0 {
			out.Days = append(out.Days, dayUptime{admin.At(d.Day).Format(time.DateOnly), rounded(100 * float64(d.Up) / float64(d.Total)), d.Total})
		}
	}
	return out
}

func rounded(v float64) float64 { return float64(int64(v*100+0.5)) / 100 }

func shownService(s *Registered, whole bool) serviceBody {
	out := serviceBody{Name: s.Registered.Name, URL: s.URL, Version: s.Version, Capabilities: s.Capabilities, HealthPath: s.Registered.Health, Created: admin.At(s.Created), By: s.By,
		Status: "unknown", Health: shownHealth(&s.Health, whole)}
	if out.Capabilities == nil {
		out.Capabilities = []string{}
	}
	switch {
	case s.Health.Down():
		out.Status = "unreachable"
	case s.Health.Last != 0:
		out.Status = "active"
	}
	return out
}

// Statuses returns how the registered services of a tenant are: active, unreachable or
// unknown.
func (s *Service) Statuses(of model.TenantID) map[string]string {
	found := map[string]string{}
	for _, one := range s.Desk.Services(of) {
		found[one.Registered.Name] = shownService(&one, false).Status
	}
	return found
}

// RegisterService makes a service known, and looks whether it answers.
func (s *Service) RegisterService(ctx context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	var asked serviceRequest
	if err := admin.Decode(r.Body, &asked); err != nil {
		return admin.Answer{}, err
	}
	if asked.Health == "" {
		asked.Health = "/health"
	}
	if err := asked.check(); err != nil {
		return admin.Answer{}, err
	}
	registered, err := s.Desk.PutService(ctx, of, triage.Registered{Name: asked.Name, URL: asked.URL, APIKey: asked.APIKey, Version: asked.Version, Capabilities: asked.Capabilities,
		Health: asked.Health, Created: s.Now().UnixNano(), By: admin.Author(r.Principal)})
	if err != nil {
		return admin.Answer{}, err
	}
	return admin.Answer{Status: http.StatusCreated, Body: shownService(&registered, true)}, nil
}

// Services lists them.
func (s *Service) Services(_ context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	whole, err := choice(r, "includeHealth", "true", "false")
	if err != nil {
		return admin.Answer{}, err
	}
	list := map[string]serviceBody{}
	healthy := 0
	for _, one := range s.Desk.Services(of) {
		list[one.Registered.Name] = shownService(&one, whole == "true")
		if one.Health.Last != 0 && one.Health.Up {
			healthy++
		}
	}
	return admin.OK(map[string]any{"services": list, "count": len(list), "healthy": healthy})
}

// DropService forgets the one that the path names.
func (s *Service) DropService(ctx context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	gone, err := s.Desk.DropService(ctx, of, r.Name)
	if err != nil {
		return admin.Answer{}, err
	}
	return admin.Answer{Status: http.StatusOK, Body: shownService(&gone, false), Before: shownService(&gone, false), Gone: true}, nil
}

// IntegrationMetrics are figures of what is connected.
type IntegrationMetrics struct {
	Services struct {
		Total     int `json:"totalServices"`
		Active    int `json:"activeServices"`
		Unhealthy int `json:"unhealthyServices"`
		Unknown   int `json:"unknownServices"` // that nobody has looked at
	} `json:"serviceRegistry"`
	Webhooks struct {
		Total    int    `json:"totalWebhooks"`
		Active   int    `json:"activeWebhooks"`
		Triggers uint64 `json:"totalTriggers"`
		Failed   uint64 `json:"failedAttempts"`
		Waiting  int    `json:"waiting"`
		Dead     uint64 `json:"deadLetters"`
		Dropped  uint64 `json:"dropped"`
	} `json:"webhooks"`
	ServiceHealth map[string]ServiceMetrics `json:"serviceHealth"`
}

// ServiceMetrics are figures of a registered service.
type ServiceMetrics struct {
	Status   string  `json:"status"`
	Uptime   float64 `json:"uptimePercent"`
	P50      float64 `json:"p50Ms"`
	P95      float64 `json:"p95Ms"`
	Timeouts int     `json:"timeouts"`
}

// Metrics returns the figures of a tenant.
func (s *Service) Metrics(of model.TenantID) IntegrationMetrics {
	m := IntegrationMetrics{ServiceHealth: map[string]ServiceMetrics{}}
	for _, one := range s.Desk.Services(of) {
		shown := shownService(&one, false)
		m.Services.Total++
		switch shown.Status {
		case "active":
			m.Services.Active++
		case "unreachable":
			m.Services.Unhealthy++
		default:
			m.Services.Unknown++
		}
		figures := ServiceMetrics{Status: shown.Status}
		if h := shown.Health; h != nil {
			figures.Uptime, figures.P50, figures.P95, figures.Timeouts = h.Uptime, h.P50, h.P95, h.Timeouts
		}
		m.ServiceHealth[shown.Name] = figures
	}
	for _, w := range s.Desk.Webhooks(of) {
		m.Webhooks.Total++
		if w.Active {
			m.Webhooks.Active++
		}
		m.Webhooks.Triggers, m.Webhooks.Failed, m.Webhooks.Waiting = m.Webhooks.Triggers+w.Queue.Delivered, m.Webhooks.Failed+w.Queue.Failed, m.Webhooks.Waiting+w.Queue.Waits()
		m.Webhooks.Dead, m.Webhooks.Dropped = m.Webhooks.Dead+w.Queue.Dead, m.Webhooks.Dropped+w.Queue.Dropped
	}
	return m
}

// IntegrationMetrics answers the figures of what is connected.
func (s *Service) IntegrationMetrics(_ context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	return admin.OK(s.Metrics(of))
}

// IntegrationHealth says how all that is connected is. A service that is down does not
// make this node ill: the status of the answer is 200.
func (s *Service) IntegrationHealth(_ context.Context, r admin.Request) (admin.Answer, error) {
	return admin.OK(s.health(r.Principal.Tenant))
}

// OpenHealth is IntegrationHealth for who shows no credentials: nothing is named.
func (s *Service) OpenHealth(of model.TenantID) any {
	whole := s.health(of)
	return map[string]any{"status": whole["status"], "timestamp": whole["timestamp"]}
}

func (s *Service) health(of model.TenantID) map[string]any {
	services, issues := map[string]*healthBody{}, []string{}
	down, known := 0, 0
	for _, one := range s.Desk.Services(of) {
		services[one.Registered.Name] = shownHealth(&one.Health, true)
		if one.Health.Last != 0 {
			known++
		}
		if one.Health.Down() {
			down++
			issues = append(issues, "service "+one.Registered.Name+": "+one.Health.Error)
		}
	}
	hooks, active, waiting := s.Desk.Webhooks(of), 0, 0
	for _, w := range hooks {
		waiting += w.Queue.Waits()
		switch {
		case w.Active && w.Queue.Open():
			issues = append(issues, "webhook "+w.ID+": "+w.Queue.Error)
		case !w.Active && w.Why != "":
			issues = append(issues, "webhook "+w.ID+" is not active: "+w.Why)
		}
		if w.Active {
			active++
		}
	}
	status := "healthy"
	switch {
	case known > 0 && down*2 > known:
		status = "unhealthy"
	case len(issues) > 0:
		status = "degraded"
	}
	return map[string]any{"status": status, "timestamp": s.Now().UTC(), "services": services, "issues": issues,
		"webhooks": map[string]int{"registered": len(hooks), "active": active, "waiting": waiting}}
}
