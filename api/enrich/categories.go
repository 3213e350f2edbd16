package enrich

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/stere-log/stere/api/admin"
	"github.com/stere-log/stere/meaning"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/derived"
)

// Category is what a tenant added to a category, built-in or its own.
type Category struct {
	meaning.Vocabulary
	By      string    `json:"changedBy,omitempty"`
	Changed time.Time `json:"changedAt"`
}

// shownCategory is a category with all that decides it.
type shownCategory struct {
	Name        meaning.Category `json:"name"`
	Description string           `json:"description,omitempty"` // of those that no words decide
	BuiltIn     []weightedWords  `json:"builtIn,omitempty"`
	Words       []string         `json:"words,omitempty"` // those that the tenant added
	Components  []string         `json:"components,omitempty"`
	Weight      float64          `json:"weight,omitempty"` // of each of these words
	By          string           `json:"changedBy,omitempty"`
	Changed     *time.Time       `json:"changedAt,omitempty"`
}

// weightedWords are words that speak as much as each other.
type weightedWords struct {
	Weight float64  `json:"weight"`
	Words  []string `json:"words"`
}

// shown returns a category as it is answered; own is nil if the tenant added nothing.
func shown(name meaning.Category, own *Category) shownCategory {
	c := shownCategory{Name: name}
	switch name {
	case meaning.Error:
		c.Description = "errors and critical records for which no words speak"
	case meaning.General:
		c.Description = "other records for which no words speak"
	}
	for _, v := range meaning.BuiltInOf(name) {
		c.BuiltIn = append(c.BuiltIn, weightedWords{v.Weight, v.Words})
	}
	if own != nil {
		c.Words, c.Components, c.Weight, c.By, c.Changed = own.Words, own.Components, own.Weight, own.By, &own.Changed
	}
	return c
}

// Categories lists all categories, those of the tenant's own first, with what decides them.
func (s *Service) Categories(_ context.Context, r admin.Request) (admin.Answer, error) {
	own, err := s.Store.Categories(r.Principal.Tenant)
	if err != nil {
		return admin.Answer{}, err
	}
	var found []shownCategory
	builtIn := meaning.Categories()
	for i := range own {
		if !slices.Contains(builtIn, own[i].Category) {
			found = append(found, shown(own[i].Category, &own[i]))
		}
	}
	for _, name := range builtIn {
		found = append(found, shown(name, named(own, name)))
	}
	return admin.OK(found)
}

// named returns the category of a name, nil if there is none.
func named(all []Category, name meaning.Category) *Category {
	for i := range all {
		if all[i].Category == name {
			return &all[i]
		}
	}
	return nil
}

// Category shows one.
func (s *Service) Category(_ context.Context, r admin.Request) (admin.Answer, error) {
	own, err := s.Store.Categories(r.Principal.Tenant)
	if err != nil {
		return admin.Answer{}, err
	}
	name := meaning.Category(r.Name)
	one := named(own, name)
	if one == nil && !slices.Contains(meaning.Categories(), name) {
		return admin.Answer{}, admin.Fault(admin.Unknown, "name", "there is no category %.80q", r.Name)
	}
	return admin.OK(shown(name, one))
}

// categoryRequest says which words speak for a category.
type categoryRequest struct {
	Words      []string `json:"words"`
	Components []string `json:"components"`
	Weight     float64  `json:"weight"`
}

// PutCategory says what speaks for a category besides what is built in, in place of what
// the tenant said before.
func (s *Service) PutCategory(ctx context.Context, r admin.Request) (admin.Answer, error) {
	tenant, err := changes(r)
	if err != nil {
		return admin.Answer{}, err
	}
	var asked categoryRequest
	if err := admin.Decode(r.Body, &asked); err != nil {
		return admin.Answer{}, err
	}
	checked, err := meaning.Vocabulary{Category: meaning.Category(r.Name), Words: asked.Words, Components: asked.Components, Weight: asked.Weight}.Checked()
	if err != nil {
		return admin.Answer{}, faultsOf(err)
	}
	category := Category{Vocabulary: checked, By: admin.Author(r.Principal), Changed: s.Now().UTC()}
	before, err := s.Store.PutCategory(ctx, tenant, category)
	if err != nil {
		return admin.Answer{}, err
	}
	answer := admin.Answer{Status: http.StatusOK, Body: shown(checked.Category, &category), Noted: category}
	if before != nil {
		answer.Before = before
	}
	return answer, nil
}

// faultsOf is everything that is wrong with a vocabulary, as an answer has it.
func faultsOf(err error) error {
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	var faults admin.Faults
	for _, one := range all {
		var fault *meaning.Fault
		if !errors.As(one, &fault) {
			return err
		}
		faults = append(faults, admin.Faults{{Field: fault.Field, Message: strings.ToValidUTF8(fault.Message, "?")}}...)
	}
	return faults
}

// DropCategory forgets what the tenant added to a category, or one of its own.
func (s *Service) DropCategory(ctx context.Context, r admin.Request) (admin.Answer, error) {
	tenant, err := changes(r)
	if err != nil {
		return admin.Answer{}, err
	}
	gone, err := s.Store.DropCategory(ctx, tenant, meaning.Category(r.Name))
	return admin.Answer{Status: http.StatusOK, Body: gone, Before: gone, Gone: true}, err
}

// CategoryOf returns what a record of a tenant is about, as the field category says it of
// what is stored.
func (s *Service) CategoryOf(tenant model.TenantID, record *model.Record) meaning.Category {
	words := meaning.BuiltIn()
	if s.Store != nil {
		if own := s.Store.Words(tenant); own != nil {
			words = own
		}
	}
	return derived.CategoryOf(record, words)
}
