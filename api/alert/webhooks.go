package alert

import (
	"context"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/stere-log/stere/api/admin"
	"github.com/stere-log/stere/auth"
	"github.com/stere-log/stere/webhook"
)

// webhookRequest makes or changes a webhook; nil stays.
type webhookRequest struct {
	ID          string    `json:"webhookId"`
	URL         *string   `json:"url"`
	Description *string   `json:"description"`
	Events      *[]string `json:"events"`
	Severity    *string   `json:"severity"`
	Template    *string   `json:"template"`
	Key         *string   `json:"key"`
	Project     *string   `json:"project"`
	Active      *bool     `json:"active"`
	Secret      *string   `json:"secret"`
	Overlap     string    `json:"overlap"` // how long secrets before this one sign too
}

// hidden is a URL without what may be a secret: whoever knows all of it of some receivers
// can write to them.
func hidden(address string) string {
	u, err := url.Parse(address)
	if err != nil || u.Host == "" || strings.Trim(u.Path, "/") == "" && u.RawQuery == "" {
		return address
	}
	return u.Scheme + "://" + u.Host + "/..."
}

// manages reports whether who asks may change webhooks, and so sees whole URLs.
func manages(r admin.Request) bool { return r.Principal.Grants.Has(auth.Manage) }

// webhookBody is a webhook in answers: no secret is in it.
type webhookBody struct {
	ID          string     `json:"id"`
	URL         string     `json:"url"`
	Description string     `json:"description,omitempty"`
	Events      []string   `json:"events"`
	Severity    string     `json:"severity,omitempty"`
	Template    string     `json:"template"`
	Project     string     `json:"project,omitempty"`
	Active      bool       `json:"active"`
	Why         string     `json:"inactiveBecause,omitempty"`
	Signed      bool       `json:"signed"`
	Secrets     int        `json:"secrets"` // that sign at the moment
	Created     *time.Time `json:"createdAt"`
	By          string     `json:"createdBy,omitempty"`
	Last        *time.Time `json:"lastTriggered"`
	Total       uint64     `json:"totalTriggers"`
	Waiting     int        `json:"waiting"`
	Failed      uint64     `json:"failedAttempts"`
	Dead        uint64     `json:"deadLetters"`
	Dropped     uint64     `json:"dropped"`
	Circuit     string     `json:"circuit"` // closed or open
	NextTry     *time.Time `json:"nextAttempt,omitempty"`
	Error       string     `json:"lastError,omitempty"`
}

func (s *Service) shownWebhook(w *Webhook, whole bool) webhookBody {
	q := &w.Queue
	valid := len(w.Valid(s.Now().UnixNano()))
	out := webhookBody{ID: w.ID, URL: w.URL, Description: w.Description, Events: w.Events, Severity: w.Severity, Template: w.Template, Project: w.Project, Active: w.Active, Why: w.Why, Signed: valid > 0, Secrets: valid,
		Created: admin.At(w.Created), By: w.By, Last: admin.At(q.Last), Total: q.Delivered, Waiting: q.Waits(), Failed: q.Failed, Dead: q.Dead, Dropped: q.Dropped,
		Circuit: "closed", NextTry: admin.At(q.NextTry), Error: q.Error}
	if !w.Active {
		out.NextTry = nil
	}
	if out.Events == nil {
		out.Events = []string{}
	}
	if !whole {
		out.URL = hidden(w.URL)
	}
	if q.Open() {
		out.Circuit = "open"
	}
	return out
}

// change makes the changes of a request.
func (s *Service) change(e *webhook.Endpoint, asked *webhookRequest) error {
	set := func(field *string, value *string) {
		if value != nil {
			*field = *value
		}
	}
	if asked.URL != nil && asked.Key == nil && e.Key != "" && hidden(*asked.URL) != hidden(e.URL) { // else who changes it is told the key
		return admin.Fault(admin.Invalid, "key", "is for another host: give that of the new one with its URL, or \"\" for none")
	}
	set(&e.URL, asked.URL)
	set(&e.Description, asked.Description)
	set(&e.Severity, asked.Severity)
	set(&e.Template, asked.Template)
	set(&e.Key, asked.Key)
	set(&e.Project, asked.Project)
	if asked.Events != nil {
		e.Events = *asked.Events
	}
	if asked.Active != nil {
		e.Active, e.Why = *asked.Active, ""
	}
	overlap, err := length("overlap", asked.Overlap, webhook.OverlapDefault, webhook.OverlapMax)
	if err != nil {
		return err
	}
	switch {
	case asked.Secret != nil && *asked.Secret == "":
		e.Secrets = nil
	case asked.Secret != nil:
		e.Rotate(*asked.Secret, s.Now().UnixNano(), overlap)
	}
	return invalid(e.Check())
}

// Webhooks lists them.
func (s *Service) Webhooks(_ context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	list := []webhookBody{}
	for _, w := range s.Desk.Webhooks(of) {
		list = append(list, s.shownWebhook(&w, manages(r)))
	}
	return admin.OK(list)
}

// Webhook shows the one that the path names.
func (s *Service) Webhook(_ context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	w, err := s.Desk.Webhook(of, r.Name)
	if err != nil {
		return admin.Answer{}, err
	}
	return admin.OK(s.shownWebhook(&w, manages(r)))
}

// CreateWebhook makes one, in place of the one that has its id: its deliveries stay.
func (s *Service) CreateWebhook(ctx context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	var asked webhookRequest
	if err := admin.Decode(r.Body, &asked); err != nil {
		return admin.Answer{}, err
	}
	switch {
	case asked.ID == "":
		return admin.Answer{}, admin.Fault(admin.Invalid, "webhookId", "it is needed, beside url")
	case asked.URL == nil:
		return admin.Answer{}, admin.Fault(admin.Invalid, "url", "it is needed, beside webhookId")
	}
	w, err := s.Desk.ChangeWebhook(ctx, of, asked.ID, func(e *webhook.Endpoint, there bool) error {
		before := *e
		*e = webhook.Endpoint{ID: asked.ID, Template: webhook.Generic, Active: true, Created: s.Now().UnixNano(), By: admin.Author(r.Principal)}
		if there {
			e.Created, e.By, e.Secrets = before.Created, before.By, before.Secrets
		}
		return s.change(e, &asked)
	})
	if err != nil {
		return admin.Answer{}, err
	}
	return admin.Answer{Status: http.StatusCreated, Body: s.shownWebhook(&w, true), Noted: s.shownWebhook(&w, false)}, nil
}

// ChangeWebhook changes the one that the path names.
func (s *Service) ChangeWebhook(ctx context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	var asked webhookRequest
	if err := admin.Decode(r.Body, &asked); err != nil {
		return admin.Answer{}, err
	}
	before, err := s.Desk.Webhook(of, r.Name)
	if err != nil {
		return admin.Answer{}, err
	}
	w, err := s.Desk.ChangeWebhook(ctx, of, r.Name, func(e *webhook.Endpoint, there bool) error {
		if !there || asked.ID != "" && asked.ID != r.Name {
			return admin.Fault(admin.Unknown, "", "there is no webhook %.64q, or its id is to change, which stays", r.Name)
		}
		return s.change(e, &asked)
	})
	if err != nil {
		return admin.Answer{}, err
	}
	return admin.Answer{Status: http.StatusOK, Body: s.shownWebhook(&w, true), Before: s.shownWebhook(&before, false), Noted: s.shownWebhook(&w, false)}, nil
}

// DropWebhook forgets the one that the path names, and what waits for it.
func (s *Service) DropWebhook(ctx context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	before, err := s.Desk.Webhook(of, r.Name)
	if err != nil {
		return admin.Answer{}, err
	}
	if err := s.Desk.DropWebhook(ctx, of, r.Name); err != nil {
		return admin.Answer{}, err
	}
	return admin.Answer{Status: http.StatusOK, Body: s.shownWebhook(&before, true), Before: s.shownWebhook(&before, false), Gone: true}, nil
}

// deliveryBody is a delivery in answers.
type deliveryBody struct {
	ID       string         `json:"id"`
	State    string         `json:"state"`
	Event    string         `json:"event"`
	Title    string         `json:"title"`
	Rule     string         `json:"rule,omitempty"`
	Created  *time.Time     `json:"createdAt"`
	Ended    *time.Time     `json:"endedAt,omitempty"`
	Tries    int            `json:"attempts"`
	Attempts []attemptShown `json:"lastAttempts,omitempty"`
}

type attemptShown struct {
	At     *time.Time `json:"at"`
	Status int        `json:"status,omitempty"`
	Error  string     `json:"error,omitempty"`
	Note   string     `json:"note,omitempty"`
	Took   float64    `json:"tookMs"`
}

func shownDelivery(d *webhook.Delivery) deliveryBody {
	out := deliveryBody{ID: d.ID, State: d.State, Event: d.Event.Event, Title: d.Event.Title, Rule: d.Event.Rule, Created: admin.At(d.Created), Ended: admin.At(d.Ended), Tries: d.Tries}
	for _, a := range d.Attempts {
		out.Attempts = append(out.Attempts, shownAttempt(&a))
	}
	return out
}

func shownAttempt(a *webhook.Attempt) attemptShown {
	return attemptShown{admin.At(a.At), a.Status, a.Error, a.Note, float64(a.Took/1000) / 1000}
}

// Deliveries lists those of the webhook that the path names, the newest first.
func (s *Service) Deliveries(_ context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	found, err := s.Desk.Deliveries(of, r.Name)
	if err != nil {
		return admin.Answer{}, err
	}
	state, err := choice(r, "state", webhook.Waiting, webhook.Delivered, webhook.Dead)
	if err != nil {
		return admin.Answer{}, err
	}
	list := []deliveryBody{}
	for i := range found {
		if state == "" || state == found[i].State {
			list = append(list, shownDelivery(&found[i]))
		}
	}
	return admin.OK(list)
}

// Redeliver sends a delivery that has ended once more, with its id.
func (s *Service) Redeliver(ctx context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	var asked struct {
		Delivery string `json:"delivery"`
	}
	if err := admin.Decode(r.Body, &asked); err != nil {
		return admin.Answer{}, err
	}
	d, err := s.Desk.Redeliver(ctx, of, r.Name, asked.Delivery)
	if err != nil {
		return admin.Answer{}, err
	}
	return admin.Answer{Status: http.StatusAccepted, Body: shownDelivery(&d)}, nil
}

// TestWebhook sends something to the webhook that the path names and says what came of it.
func (s *Service) TestWebhook(ctx context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	result, err := s.Desk.TestWebhook(ctx, of, r.Name, admin.Author(r.Principal))
	if err != nil {
		return admin.Answer{}, err
	}
	return admin.OK(struct {
		Delivered bool `json:"delivered"`
		attemptShown
	}{result.Error == "", shownAttempt(&result.Attempt)})
}
