// Package models is what people do with the models of their tenant over HTTP: they label
// records, train models from labels and feedback, look at how good they are, and say
// which one labels records.
//
// Service is the main type; a Desk has what is kept, on every node. Package api routes,
// authenticates and authorises. A Service is safe for concurrent use and keeps nothing.
package models

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/stere-log/stere/api/admin"
	"github.com/stere-log/stere/insight"
	"github.com/stere-log/stere/meaning/classifier"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/syntax"
)

// Limits of what is kept of a tenant.
const (
	ModelsMax = 8
	LabelsMax = 2000
	noteMax   = 500
)

// Model is a model as it is kept.
type Model struct {
	ID         string            `json:"id"`
	Created    time.Time         `json:"createdAt"`
	By         string            `json:"createdBy,omitempty"`
	Note       string            `json:"note,omitempty"`
	Sources    Sources           `json:"sources"`
	Report     classifier.Report `json:"report"`
	Classifier *classifier.Model `json:"classifier,omitempty"`
}

// Sources says what the examples of a model were.
type Sources struct {
	Labels   int `json:"labels"`   // of records and texts, one by one
	Feedback int `json:"feedback"` // verdicts on findings
	Field    int `json:"field"`    // patterns of records that came with labels
	Request  int `json:"request"`  // of the request that trained it
}

// Label is what somebody said of a text.
type Label struct {
	ID      string    `json:"id"`
	Outline string    `json:"outline"`
	Label   string    `json:"label"`
	Record  string    `json:"recordId,omitempty"`
	By      string    `json:"by,omitempty"`
	Time    time.Time `json:"time"`
}

// Active is which model labels records, and which did before.
type Active struct {
	ID     string   `json:"id"`
	Before []string `json:"before,omitempty"` // the latest first
}

// Desk has everything that is kept of a tenant, on every node.
type Desk interface {
	Models(tenant model.TenantID) []Model // without classifiers, the newest first
	Model(tenant model.TenantID, id string) (Model, error)
	Active(tenant model.TenantID) Active
	// SaveModel keeps a new model, under the next id; the oldest that is not active makes room.
	SaveModel(ctx context.Context, tenant model.TenantID, m Model) (Model, error)
	DropModel(ctx context.Context, tenant model.TenantID, id string) error
	Activate(ctx context.Context, tenant model.TenantID, id string) (Active, error)
	// Rollback makes active what was before the one that is.
	Rollback(ctx context.Context, tenant model.TenantID, id string) (Active, error)
	Labels(tenant model.TenantID) []Label
	PutLabel(ctx context.Context, tenant model.TenantID, l Label) (Label, error)
	DropLabel(ctx context.Context, tenant model.TenantID, id string) (Label, error)
}

// Service answers people.
type Service struct {
	Desk   Desk
	Engine *query.Engine
	// Verdicts are what people said of findings; nil: nothing.
	Verdicts func(tenant model.TenantID) []insight.Verdict
	// Redact takes secrets out of a text, as if it came as a message.
	Redact func(tenant model.TenantID, text string) string
	Now    func() time.Time
}

// outline returns what of a text is kept and learned from: nothing that is redacted.
func (s *Service) outline(of model.TenantID, text string) string {
	return classifier.Outline(s.Redact(of, text))
}

// shown is a model in answers.
type shown struct {
	Model
	Active bool `json:"active"`
}

// Models lists them.
func (s *Service) Models(_ context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	active := s.Desk.Active(of)
	list := []shown{}
	for _, m := range s.Desk.Models(of) {
		list = append(list, shown{m, m.ID == active.ID})
	}
	labels := map[string]int{}
	for _, l := range s.Desk.Labels(of) {
		labels[l.Label]++
	}
	return admin.OK(map[string]any{"models": list, "active": active.ID, "before": active.Before, "labels": labels})
}

// Model shows one.
func (s *Service) Model(_ context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	m, err := s.Desk.Model(of, r.Name)
	if err != nil {
		return admin.Answer{}, err
	}
	return admin.OK(shown{m, m.ID == s.Desk.Active(of).ID})
}

// trainRequest is the body of POST /models, which may be empty.
type trainRequest struct {
	Note     string    `json:"note"`
	Examples []example `json:"examples"` // with labels of their own
	// Field has the labels of records that came with some; of those that satisfy Query
	// and are not older than Since.
	Field    string `json:"field"`
	Query    string `json:"query"`
	Since    string `json:"since"`
	Labels   *bool  `json:"labels"`   // take those of records and texts; default true
	Feedback *bool  `json:"feedback"` // take verdicts on findings; default true
	Activate bool   `json:"activate"`
}

type example struct {
	Text  string `json:"text"`
	Label string `json:"label"`
}

// outlines makes examples of texts.
func (s *Service) outlines(of model.TenantID, examples []example) []classifier.Example {
	var out []classifier.Example
	for _, e := range examples {
		out = append(out, classifier.Example{Outline: s.outline(of, e.Text), Label: e.Label})
	}
	return out
}

// Train makes a model of what people said.
func (s *Service) Train(ctx context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	var asked trainRequest
	if len(strings.TrimSpace(string(r.Body))) > 0 {
		if err := admin.Decode(r.Body, &asked); err != nil {
			return admin.Answer{}, err
		}
	}
	switch {
	case len(asked.Note) > noteMax:
		return admin.Answer{}, admin.Fault(admin.Invalid, "note", "%d bytes, want at most %d", len(asked.Note), noteMax)
	case len(asked.Examples) > classifier.ExamplesMax:
		return admin.Answer{}, admin.Fault(admin.Invalid, "examples", "%d of them, want at most %d", len(asked.Examples), classifier.ExamplesMax)
	}
	if asked.Field == "" && (asked.Query != "" || asked.Since != "") {
		return admin.Answer{}, admin.Fault(admin.Invalid, "field", "query and since choose among records that have their label in a field, and no field is named")
	}
	examples, sources, err := s.examples(ctx, r, of, &asked)
	if err != nil {
		return admin.Answer{}, err
	}
	trained, report, err := classifier.Train(examples)
	if err != nil {
		return admin.Answer{}, admin.Fault(admin.Invalid, "examples", "%v; there are %d labels, %d verdicts, %d of the field, %d of the request",
			err, sources.Labels, sources.Feedback, sources.Field, sources.Request)
	}
	m, err := s.Desk.SaveModel(ctx, of, Model{Created: s.Now().UTC(), By: admin.Author(r.Principal), Note: asked.Note, Sources: sources, Report: *report, Classifier: trained})
	if err != nil {
		return admin.Answer{}, err
	}
	m.Classifier = nil
	if asked.Activate {
		if _, err := s.Desk.Activate(ctx, of, m.ID); err != nil {
			return admin.Answer{}, err
		}
	}
	return admin.Answer{Status: http.StatusCreated, Body: shown{m, asked.Activate}}, nil
}

// examples collects what a model is made of: the later ones count for more than the
// earlier, where they disagree.
func (s *Service) examples(ctx context.Context, r admin.Request, of model.TenantID, asked *trainRequest) (all []classifier.Example, sources Sources, err error) {
	if asked.Field != "" {
		found, err := s.ofField(ctx, r, asked)
		if err != nil {
			return nil, sources, err
		}
		all, sources.Field = append(all, found...), len(found)
	}
	if (asked.Feedback == nil || *asked.Feedback) && s.Verdicts != nil {
		for _, v := range s.Verdicts(of) {
			if label := v.Teaches(); classifier.ValidLabel(label) {
				all = append(all, classifier.Example{Outline: classifier.Outline(insight.TextOf(v.Rule, v.About)), Label: label})
				sources.Feedback++
			}
		}
	}
	if asked.Labels == nil || *asked.Labels {
		for _, l := range s.Desk.Labels(of) {
			all = append(all, classifier.Example{Outline: l.Outline, Label: l.Label})
			sources.Labels++
		}
	}
	sources.Request = len(asked.Examples)
	return append(all, s.outlines(of, asked.Examples)...), sources, nil
}

// What is asked of records that came with labels.
const (
	sinceDefault = 7 * 24 * time.Hour
	sinceMax     = 366 * 24 * time.Hour
	fieldTime    = 20 * time.Second
	fieldMax     = 256 // bytes
)

// ofField makes examples of the patterns of records that came with labels.
func (s *Service) ofField(ctx context.Context, r admin.Request, asked *trainRequest) ([]classifier.Example, error) {
	since := sinceDefault
	if asked.Since != "" {
		var err error
		if since, err = syntax.ParseDuration(asked.Since); err != nil || since <= 0 || since > sinceMax {
			return nil, admin.Fault(admin.Invalid, "since", "%.40q, want a length of time such as 24h or 7d, at most 366d", asked.Since)
		}
	}
	if len(asked.Field) > fieldMax {
		return nil, admin.Fault(admin.Invalid, "field", "%d bytes, want at most %d", len(asked.Field), fieldMax)
	}
	parsed, err := syntax.Parse(asked.Query)
	switch {
	case err != nil:
		return nil, err
	case len(parsed.Pipes) > 0:
		return nil, syntax.NewError(asked.Query, parsed.Pipes[0].At(), "only a condition can stand here, no pipes")
	}
	now := s.Now().UnixNano()
	found, err := s.Engine.Search(ctx, query.Request{
		Audience: query.Audience{Tenant: r.Principal.Tenant, Role: string(r.Principal.Role)}, Who: r.Principal.Name, From: now - int64(since), To: now, Time: fieldTime,
		Text: fmt.Sprintf("(%s) %s:* | stats count() by (pattern, %s) | limit %d", syntax.Print(parsed.Filter), syntax.QuoteField(asked.Field), syntax.QuoteName(asked.Field), classifier.ExamplesMax),
	})
	if err != nil {
		return nil, fmt.Errorf("look for labelled records: %w", err)
	}
	var all []classifier.Example
	for _, row := range found.Rows {
		text, is := row[0].(string)
		label := strings.ToLower(strings.Join(strings.Fields(fmt.Sprint(row[1])), "_"))
		// What is no label, or has no word to learn from, teaches nothing.
		if is && classifier.ValidLabel(label) && classifier.Teaches(text) {
			all = append(all, classifier.Example{Outline: text, Label: label})
		}
	}
	if len(all) == 0 {
		return nil, admin.Fault(admin.Invalid, "field", "no record of the last %s has a label in %.80q", syntax.FormatDuration(since), asked.Field)
	}
	return all, nil
}

// DropModel forgets the one that the path names.
func (s *Service) DropModel(ctx context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	gone, err := s.Desk.Model(of, r.Name)
	if err != nil {
		return admin.Answer{}, err
	}
	gone.Classifier = nil
	if err := s.Desk.DropModel(ctx, of, r.Name); err != nil {
		return admin.Answer{}, err
	}
	return admin.Answer{Status: http.StatusOK, Body: gone, Before: gone, Gone: true}, nil
}

// Activate lets the one that the path names label records.
func (s *Service) Activate(ctx context.Context, r admin.Request) (admin.Answer, error) {
	return s.switched(ctx, r, s.Desk.Activate)
}

// Rollback lets the model label records that did before the one that the path names.
func (s *Service) Rollback(ctx context.Context, r admin.Request) (admin.Answer, error) {
	return s.switched(ctx, r, s.Desk.Rollback)
}

func (s *Service) switched(ctx context.Context, r admin.Request, how func(context.Context, model.TenantID, string) (Active, error)) (admin.Answer, error) {
	of := r.Principal.Tenant
	before := s.Desk.Active(of)
	after, err := how(ctx, of, r.Name)
	if err != nil {
		return admin.Answer{}, err
	}
	return admin.Answer{Status: http.StatusOK, Body: after, Before: before}, nil
}
