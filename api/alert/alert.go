package alert

import (
	"context"
	"slices"
	"time"

	"github.com/stere-log/stere/api/admin"
	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/triage"
	"github.com/stere-log/stere/webhook"
)

// Rule is a rule as it is kept.
type Rule struct {
	triage.Rule
	Revision int
	By       string
	Changed  int64
	Earlier  []Revision
	State    triage.State
}

// Revision is a rule as it was.
type Revision struct {
	Revision int
	By       string
	Changed  int64
	Rule     triage.Rule
}

// Trial is what a rule would have done.
type Trial struct {
	triage.Trial
	From, To int64
	Every    time.Duration
	Partial  string
}

// Webhook is a webhook and how its deliveries go.
type Webhook struct {
	webhook.Endpoint
	Queue webhook.Queue
}

// Registered is a registered service and how it is.
type Registered struct {
	triage.Registered
	Health triage.Health
}

// Desk has everything that is kept of a tenant, on every node. Errors that are for who
// asks are those of package admin.
type Desk interface {
	Rules(tenant model.TenantID) []Rule
	Rule(tenant model.TenantID, id string) (Rule, error)
	// PutRule saves a rule; fresh: only if there is none.
	PutRule(ctx context.Context, tenant model.TenantID, r *triage.Rule, by string, fresh bool) (Rule, error)
	DropRule(ctx context.Context, tenant model.TenantID, id string) error
	Try(ctx context.Context, tenant model.TenantID, r *triage.Rule, from, to int64) (Trial, error)
	// Acknowledge says that somebody looks after alerts that fire, and how many they are.
	Acknowledge(ctx context.Context, tenant model.TenantID, rule string, group map[string]string, by string) (int, error)

	Silences(tenant model.TenantID) []triage.Silence
	PutSilence(ctx context.Context, tenant model.TenantID, s triage.Silence) (triage.Silence, error)
	DropSilence(ctx context.Context, tenant model.TenantID, id string) error

	Incidents(tenant model.TenantID) []triage.Incident // the newest first
	OpenIncident(ctx context.Context, tenant model.TenantID, i triage.Incident) (triage.Incident, error)
	ChangeIncident(ctx context.Context, tenant model.TenantID, id string, change func(*triage.Incident) error) (before, after triage.Incident, err error)
	// DropIncident forgets an incident with all that is in it.
	DropIncident(ctx context.Context, tenant model.TenantID, id string) (triage.Incident, error)
	// Evidence returns some records that satisfy a query.
	Evidence(ctx context.Context, tenant model.TenantID, query string, from, to int64) ([]triage.Evidence, error)

	Webhooks(tenant model.TenantID) []Webhook
	// Hooks reports whether webhooks of a tenant are told anything: neither the operator
	// nor what is agreed with the tenant has switched them off.
	Hooks(tenant model.TenantID) bool
	Webhook(tenant model.TenantID, id string) (Webhook, error)
	ChangeWebhook(ctx context.Context, tenant model.TenantID, id string, change func(e *webhook.Endpoint, there bool) error) (Webhook, error)
	DropWebhook(ctx context.Context, tenant model.TenantID, id string) error
	Deliveries(tenant model.TenantID, id string) ([]webhook.Delivery, error) // the newest first
	Redeliver(ctx context.Context, tenant model.TenantID, id, delivery string) (webhook.Delivery, error)
	TestWebhook(ctx context.Context, tenant model.TenantID, id, by string) (webhook.Result, error)

	Services(tenant model.TenantID) []Registered
	PutService(ctx context.Context, tenant model.TenantID, s triage.Registered) (Registered, error)
	DropService(ctx context.Context, tenant model.TenantID, name string) (Registered, error)
}

// Service answers people.
type Service struct {
	Desk Desk
	Now  func() time.Time
}

// length reads a length of time of a request, such as 2h or 7d.
func length(field, text string, usual, most time.Duration) (time.Duration, error) {
	if text == "" {
		return usual, nil
	}
	var d triage.Duration
	if err := d.UnmarshalText([]byte(text)); err != nil || time.Duration(d) <= 0 || time.Duration(d) > most {
		return 0, admin.Fault(admin.Invalid, field, "%.40q, want a length of time such as 90s, 2h or 7d, at most %s", text, triage.Duration(most))
	}
	return time.Duration(d), nil
}

// invalid is an error of a value that a package below has found.
func invalid(err error) error {
	var all admin.Faults
	for _, f := range triage.Faults(err) {
		all = append(all, v1.Detail{Field: f.Field, Message: f.Message, Line: f.Line, Column: f.Column, Expected: f.Expected, Suggestion: f.Suggestion})
	}
	if all == nil {
		return nil
	}
	return all
}

// choice returns a parameter that has one of some values, or none.
func choice(r admin.Request, name string, values ...string) (string, error) {
	text := r.Param(name)
	if text == "" || slices.Contains(values, text) {
		return text, nil
	}
	var c triage.Checks
	c.OneOf(name, text, values)
	return "", invalid(c.Err())
}
