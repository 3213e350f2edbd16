package webhook

import (
	"fmt"
	"net/mail"
	"slices"
	"strings"
	"time"
	"unicode"

	"github.com/stere-log/stere/triage"
)

// Limits of endpoints.
const (
	EndpointsMax    = 32 // of a tenant
	URLMax          = 2048
	SecretMin       = 16
	SecretMax       = 256
	SecretsMax      = 4 // that are valid at once
	OverlapDefault  = 24 * time.Hour
	OverlapMax      = 30 * 24 * time.Hour
	GiveUpAfter     = 24 * time.Hour
	descriptionsMax = 512
	keyMax          = 1024
)

// The templates.
const (
	Generic      = "generic"
	Slack        = "slack"
	Teams        = "teams"
	PagerDuty    = "pagerduty"
	Alertmanager = "alertmanager"
	Email        = "email"
	Ticket       = "ticket"
	Jira         = "jira"
	GitHub       = "github"
)

// Templates returns them.
func Templates() []string {
	return []string{Generic, Slack, Teams, PagerDuty, Alertmanager, Email, Ticket, Jira, GitHub}
}

// Secret signs deliveries.
type Secret struct {
	Text  string `json:"text"`
	Until int64  `json:"until,omitempty"` // Unix ns; 0: for good
}

// Endpoint is where deliveries go.
type Endpoint struct {
	ID          string   `json:"id"`
	URL         string   `json:"url"` // https, or mailto:
	Description string   `json:"description,omitempty"`
	Events      []string `json:"events,omitempty"`    // none: all
	Severity    string   `json:"severity,omitempty"`  // or worse; "": any
	Template    string   `json:"template"`            // one of Templates
	Key         string   `json:"key,omitempty"`       // PagerDuty's routing key; of tickets what goes into the header Authorization
	Project     string   `json:"project,omitempty"`   // Jira's key of it
	Active      bool     `json:"active"`              // deliveries go there
	Why         string   `json:"why,omitempty"`       // it is not active, if not by hand
	Secrets     []Secret `json:"secrets,omitempty"`   // the newest first
	Created     int64    `json:"created"`             // Unix ns
	By          string   `json:"createdBy,omitempty"` // who made it
}

// Check reports everything that is wrong with it, but for where the URL leads.
func (e *Endpoint) Check() error {
	var faults triage.Checks
	fault := faults.Add
	fault(!triage.ValidID(e.ID), "webhookId", "%.80q, want 1 to 64 of a-z, 0-9, '.', '_' and '-'", e.ID)
	fault(e.URL == "" || len(e.URL) > URLMax, "url", "%d bytes, want 1 to %d", len(e.URL), URLMax)
	fault(len(e.Description) > descriptionsMax, "description", "%d bytes, want at most %d", len(e.Description), descriptionsMax)
	faults.OneOf("template", e.Template, Templates())
	address, mails := strings.CutPrefix(e.URL, "mailto:")
	fault(mails != (e.Template == Email), "template", "%q does not go with this URL: e-mail goes to mailto:ops@example.com with the template email", e.Template)
	if mails {
		list, err := mail.ParseAddressList(address)
		fault(err != nil || len(list) > 10, "url", "want mailto: with 1 to 10 addresses between commas")
	}
	fault(e.Template == PagerDuty && e.Key == "", "key", "is missing: the integration key of the PagerDuty service")
	fault(len(e.Key) > keyMax || strings.ContainsFunc(e.Key, unicode.IsControl), "key", "%d bytes, want at most %d in one line", len(e.Key), keyMax)
	fault(e.Template == Jira && !triage.ValidID(strings.ToLower(e.Project)), "project", "%.80q, want the key of a project of Jira, such as OPS", e.Project)
	for i, event := range e.Events {
		faults.OneOf(fmt.Sprintf("events[%d]", i), event, triage.Events())
	}
	if e.Severity != "" {
		faults.OneOf("severity", e.Severity, triage.Severities())
	}
	for _, s := range e.Secrets {
		fault(len(s.Text) < SecretMin || len(s.Text) > SecretMax, "secret", "%d bytes, want %d to %d", len(s.Text), SecretMin, SecretMax)
	}
	return faults.Err()
}

// Wants reports whether it asks for such an event.
func (e *Endpoint) Wants(event, severity string) bool {
	if !e.Active || len(e.Events) > 0 && !slices.Contains(e.Events, event) {
		return false
	}
	order := triage.Severities()
	return e.Severity == "" || severity == "" || slices.Index(order, severity) <= slices.Index(order, e.Severity)
}

// Mended reports whether what was done to an endpoint since can be why it takes now what it
// did not take before.
func (e *Endpoint) Mended(before *Endpoint) bool {
	return e.URL != before.URL || e.Template != before.Template || e.Project != before.Project || e.Key != before.Key || !slices.Equal(e.Secrets, before.Secrets) || e.Active && !before.Active
}

// Rotate makes a secret the one that signs; those before sign too until their time.
func (e *Endpoint) Rotate(secret string, now int64, overlap time.Duration) {
	kept := []Secret{{Text: secret}}
	for _, old := range e.Secrets {
		until := now + int64(overlap)
		if old.Until != 0 {
			until = min(old.Until, until)
		}
		if until > now && len(kept) < SecretsMax {
			kept = append(kept, Secret{Text: old.Text, Until: until})
		}
	}
	e.Secrets = kept
}

// Valid returns the secrets that sign at a time, the newest first.
func (e *Endpoint) Valid(now int64) (texts []string) {
	for _, s := range e.Secrets {
		if s.Until == 0 || s.Until > now {
			texts = append(texts, s.Text)
		}
	}
	return texts
}
