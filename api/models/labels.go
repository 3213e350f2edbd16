package models

import (
	"context"
	"errors"
	"fmt"
	"net/http"

	"github.com/stere-log/stere/api/admin"
	"github.com/stere-log/stere/meaning/classifier"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
)

// Labels lists what people said of records and texts.
func (s *Service) Labels(_ context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	list := s.Desk.Labels(of)
	if list == nil {
		list = []Label{}
	}
	return admin.OK(list)
}

// labelRequest is the body of POST /models/labels: one of a record and a text.
type labelRequest struct {
	Record string `json:"recordId"`
	Text   string `json:"text"`
	Label  string `json:"label"`
}

// PutLabel keeps what somebody says of a record or of a text: of all texts that are alike.
func (s *Service) PutLabel(ctx context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	var asked labelRequest
	if err := admin.Decode(r.Body, &asked); err != nil {
		return admin.Answer{}, err
	}
	text := asked.Text
	switch {
	case (asked.Record == "") == (asked.Text == ""):
		return admin.Answer{}, admin.Fault(admin.Invalid, "recordId", "want recordId or text, one of the two")
	case !classifier.ValidLabel(asked.Label):
		return admin.Answer{}, admin.Fault(admin.Invalid, "label", "%.80q, want 1 to 64 of a-z, 0-9, '.', '_' and '-'", asked.Label)
	case asked.Record != "":
		id, err := model.ParseRecordID(asked.Record)
		if err != nil {
			return admin.Answer{}, admin.Fault(admin.Invalid, "recordId", "%v", err)
		}
		hit, err := s.Engine.Get(ctx, query.Audience{Tenant: of}, id)
		if errors.Is(err, query.ErrNotFound) {
			return admin.Answer{}, admin.Fault(admin.Unknown, "recordId", "there is no record %s; searches show ids as _id", id)
		}
		if err != nil {
			return admin.Answer{}, fmt.Errorf("read record %s: %w", id, err)
		}
		message, _ := hit.Record.Get(model.FieldMessage)
		text = message.Text
	}
	outline := s.outline(of, text)
	if !classifier.Teaches(outline) {
		return admin.Answer{}, admin.Fault(admin.Invalid, "text", "there is no word in it to learn from")
	}
	kept, err := s.Desk.PutLabel(ctx, of, Label{Outline: outline, Label: asked.Label, Record: asked.Record, By: admin.Author(r.Principal), Time: s.Now().UTC()})
	if err != nil {
		return admin.Answer{}, err
	}
	return admin.Answer{Status: http.StatusCreated, Body: kept, Noted: noted(kept)}, nil
}

// noted is a label as the audit trail has it: without words of records, which are to go
// when somebody takes the label back.
func noted(l Label) Label {
	l.Outline = ""
	return l
}

// DropLabel takes back what the path names.
func (s *Service) DropLabel(ctx context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	gone, err := s.Desk.DropLabel(ctx, of, r.Name)
	if err != nil {
		return admin.Answer{}, err
	}
	return admin.Answer{Status: http.StatusOK, Body: gone, Before: noted(gone), Gone: true}, nil
}

// testRequest is the body of POST /models/{id}/test.
type testRequest struct {
	Texts    []string  `json:"texts"`
	Examples []example `json:"examples"`
}

// said is what a model says of a text.
type said struct {
	Text       string   `json:"text"`
	Label      string   `json:"label"` // "": the model is not sure
	Confidence float64  `json:"confidence"`
	Why        []string `json:"why"` // words that speak for it
}

// Test says what a model makes of texts, and how well it tells the labels of examples.
func (s *Service) Test(_ context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	var asked testRequest
	if err := admin.Decode(r.Body, &asked); err != nil {
		return admin.Answer{}, err
	}
	if len(asked.Texts)+len(asked.Examples) == 0 || len(asked.Texts)+len(asked.Examples) > classifier.ExamplesMax {
		return admin.Answer{}, admin.Fault(admin.Invalid, "texts", "%d texts and %d examples, want 1 to %d together", len(asked.Texts), len(asked.Examples), classifier.ExamplesMax)
	}
	m, err := s.Desk.Model(of, r.Name)
	if err != nil {
		return admin.Answer{}, err
	}
	answer := map[string]any{"model": m.ID}
	if len(asked.Examples) > 0 {
		for i, e := range asked.Examples {
			if !classifier.ValidLabel(e.Label) {
				return admin.Answer{}, admin.Fault(admin.Invalid, fmt.Sprintf("examples[%d].label", i), "%.80q is no label", e.Label)
			}
		}
		answer["evaluation"] = m.Classifier.Evaluate(s.outlines(of, asked.Examples))
	}
	found := []said{}
	for _, text := range asked.Texts {
		outline := classifier.Outline(text)
		label, sure := m.Classifier.Label(outline)
		why := m.Classifier.Why(outline, label)
		if why == nil {
			why = []string{}
		}
		found = append(found, said{text, label, sure, why})
	}
	answer["texts"] = found
	return admin.Answer{Status: http.StatusOK, Body: answer, Noted: map[string]string{"model": m.ID}}, nil
}
