package admin

import (
	"context"
	"errors"
	"net/http"
	"time"

	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/redact"
)

// Redactions are the rules of redaction that tenants have of their own.
type Redactions interface {
	// Base is what this node does with the records of who has no rules.
	Base() *redact.Redactor
	// Redactor is what it does with those of a tenant, nil if nothing.
	Redactor(tenant model.TenantID) *redact.Redactor
	Rules(tenant model.TenantID) (OwnRedaction, error)
	// SetRules replaces the rules if they are of the version that is given, DropRules
	// drops them.
	SetRules(ctx context.Context, tenant model.TenantID, rules OwnRedaction) (OwnRedaction, error)
	DropRules(ctx context.Context, tenant model.TenantID, version uint64) error
}

// OwnRedaction are the rules of a tenant.
type OwnRedaction struct {
	redact.Own
	By      string
	Changed time.Time
	Version uint64 // 0: there are none
}

// redactionOf returns the tenant that the path names and its rules.
func (s *Service) redactionOf(r Request) (tenant model.TenantID, rules OwnRedaction, err error) {
	if s.Redactions == nil {
		return "", rules, Fault(Unknown, "", "this node keeps no rules of redaction")
	}
	if tenant, err = of(r.Principal, r.Name); err != nil {
		return "", rules, Fault(Unknown, "", "there is no tenant %.64q", r.Name)
	}
	rules, err = s.Redactions.Rules(tenant)
	return tenant, rules, err
}

// shownRedaction returns rules as answers have them.
func (s *Service) shownRedaction(tenant model.TenantID, rules OwnRedaction) v1.Redaction {
	out := v1.Redaction{Tenant: string(tenant), RedactionRules: v1.RedactionRules{Set: rules.Set.String(), Actions: map[string]string{}, Fields: []v1.RedactionField{}, Rules: []v1.RedactionRule{}},
		MayBeWeaker: rules.Weaker, By: rules.By, Effective: map[string]string{}}
	if rules.Version != 0 {
		out.Changed = &rules.Changed
	}
	for name, action := range rules.Actions {
		out.Actions[name] = action.String()
	}
	for _, f := range rules.Fields {
		out.Fields = append(out.Fields, v1.RedactionField{Field: f.Pattern, Action: f.Action.String()})
	}
	for _, one := range rules.Own.Rules {
		out.Rules = append(out.Rules, v1.RedactionRule{Name: one.Name, Pattern: one.Pattern, Group: one.Group, Action: one.Action.String()})
	}
	if redactor := s.Redactions.Redactor(tenant); redactor != nil {
		for d, name := range redactor.Names() {
			out.Effective[name] = redactor.Action(redact.Detector(d)).String()
		}
	}
	return out
}

// Redaction shows the rules of the tenant that the path names.
func (s *Service) Redaction(_ context.Context, r Request) (Answer, error) {
	tenant, rules, err := s.redactionOf(r)
	if err != nil {
		return Answer{}, err
	}
	return OK(s.shownRedaction(tenant, rules))
}

// ownOf reads rules.
func ownOf(asked v1.RedactionRules) (own redact.Own, err error) {
	action := func(field, text string) (a redact.Action) {
		if fault := a.UnmarshalText([]byte(text)); fault != nil && err == nil {
			err = Fault(Invalid, field, "%v", fault)
		}
		return a
	}
	set, ok := redact.ParseSet(asked.Set)
	if !ok {
		return own, Fault(Invalid, "set", "there is no set %.40q, want standard, personal or nothing", asked.Set)
	}
	own.Set = set
	if len(asked.Actions) > 0 {
		own.Actions = map[string]redact.Action{}
	}
	for name, text := range asked.Actions {
		own.Actions[name] = action("actions", text)
	}
	for _, f := range asked.Fields {
		own.Fields = append(own.Fields, redact.FieldRule{Pattern: f.Field, Action: action("fields", f.Action)})
	}
	for _, one := range asked.Rules {
		own.Rules = append(own.Rules, redact.Rule{Name: one.Name, Pattern: one.Pattern, Group: one.Group, Action: action("rules", one.Action)})
	}
	return own, err
}

// SetRedaction replaces the rules of the tenant that the path names. Who administers the
// tenant makes them stronger than what the platform does; weaker ones need that who
// administers the platform has allowed it.
func (s *Service) SetRedaction(ctx context.Context, r Request) (Answer, error) {
	tenant, rules, err := s.redactionOf(r)
	if err != nil {
		return Answer{}, err
	}
	var asked v1.RedactionRequest
	if err := Decode(r.Body, &asked); err != nil {
		return Answer{}, err
	}
	before := s.shownRedaction(tenant, rules)
	own, err := ownOf(asked.RedactionRules)
	if err != nil {
		return Answer{}, err
	}
	if own.Weaker = rules.Weaker; asked.MayBeWeaker != nil {
		if *asked.MayBeWeaker && !rules.Weaker && !all(r.Principal) {
			return Answer{}, Fault(Forbidden, "mayBeWeaker", "only a platform administrator allows a tenant less than what the platform does")
		}
		own.Weaker = *asked.MayBeWeaker
	}
	if err := s.Redactions.Base().Check(own); errors.Is(err, redact.ErrWeaker) {
		return Answer{}, Fault(Forbidden, "", "%v", err)
	} else if err != nil {
		return Answer{}, Fault(Invalid, "", "%v", err)
	}
	rules.Own, rules.By = own, Author(r.Principal)
	if rules, err = s.Redactions.SetRules(ctx, tenant, rules); err != nil {
		return Answer{}, err
	}
	return Answer{Status: http.StatusOK, Body: s.shownRedaction(tenant, rules), Before: before}, nil
}

// DropRedaction drops them: what the platform does holds.
func (s *Service) DropRedaction(ctx context.Context, r Request) (Answer, error) {
	tenant, rules, err := s.redactionOf(r)
	if err != nil {
		return Answer{}, err
	}
	if rules.Version == 0 {
		return Answer{}, Fault(Unknown, "", "tenant %s has no rules of redaction", tenant)
	}
	before := s.shownRedaction(tenant, rules)
	if err := s.Redactions.DropRules(ctx, tenant, rules.Version); err != nil {
		return Answer{}, err
	}
	return Answer{Status: http.StatusOK, Body: before, Before: before, Gone: true}, nil
}
