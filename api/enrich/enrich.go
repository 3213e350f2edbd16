// Package enrich is what people tell Stere over HTTP so that it makes more of records:
// lookup tables, what was put into service when, and categories of a tenant's own. Service
// is the main type; package api routes, authenticates and authorises, and carries bytes.
//
// A Service is safe for concurrent use and keeps nothing.
package enrich

import (
	"bytes"
	"context"
	"net/http"
	"time"

	"github.com/stere-log/stere/api/admin"
	"github.com/stere-log/stere/insight"
	"github.com/stere-log/stere/meaning"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/lookup"
)

// Lookup is what is known of a lookup table besides its rows.
type Lookup struct {
	Name    string    `json:"name"`
	Columns []string  `json:"columns"` // the first one is the key
	Rows    int       `json:"rows"`
	Bytes   int       `json:"bytes"`
	By      string    `json:"changedBy,omitempty"`
	Changed time.Time `json:"changedAt"`
}

// wholeLookup is a lookup table with its rows.
type wholeLookup struct {
	Lookup
	Table [][]string `json:"table"`
}

// Store has everything that is kept of a tenant, on every node. Errors that are for who
// asks are those of package admin.
type Store interface {
	Lookups(tenant model.TenantID) []Lookup // by name
	Lookup(tenant model.TenantID, name string) (Lookup, *lookup.Table, error)
	PutLookup(ctx context.Context, tenant model.TenantID, about Lookup, table *lookup.Table) (Lookup, error)
	DropLookup(ctx context.Context, tenant model.TenantID, name string) (Lookup, error)

	Deploys(tenant model.TenantID) []insight.Deploy // the newest first
	PutDeploy(ctx context.Context, tenant model.TenantID, deploy insight.Deploy) (insight.Deploy, error)
	DropDeploy(ctx context.Context, tenant model.TenantID, id string) (insight.Deploy, error)

	Categories(tenant model.TenantID) ([]Category, error) // by name
	PutCategory(ctx context.Context, tenant model.TenantID, category Category) (before *Category, err error)
	DropCategory(ctx context.Context, tenant model.TenantID, name meaning.Category) (Category, error)
	// Words decide what records are about, nil: the built-in ones alone.
	Words(tenant model.TenantID) *meaning.Lexicon
}

// Service answers people.
type Service struct {
	Store Store
	Now   func() time.Time
}

// changes returns whose things are to be changed. Who sees only some of the records does
// not decide what others see of them.
func changes(r admin.Request) (model.TenantID, error) {
	if r.Principal.Restriction != "" {
		return "", admin.Fault(admin.Forbidden, "", "lookup tables, deployments and categories are of the whole tenant, of which you do not see all records")
	}
	return r.Principal.Tenant, nil
}

// Lookups lists the lookup tables.
func (s *Service) Lookups(_ context.Context, r admin.Request) (admin.Answer, error) {
	return admin.OK(s.Store.Lookups(r.Principal.Tenant))
}

// Lookup shows one.
func (s *Service) Lookup(_ context.Context, r admin.Request) (admin.Answer, error) {
	about, table, err := s.Store.Lookup(r.Principal.Tenant, r.Name)
	if err != nil {
		return admin.Answer{}, err
	}
	return admin.OK(wholeLookup{about, table.Rows})
}

// PutLookup stores a table, in place of one of the name.
func (s *Service) PutLookup(ctx context.Context, r admin.Request) (admin.Answer, error) {
	tenant, err := changes(r)
	if err != nil {
		return admin.Answer{}, err
	}
	if !lookup.ValidName(r.Name) {
		return admin.Answer{}, admin.Fault(admin.Invalid, "name", "%.80q, want 1 to %d letters, digits, '.', '_' and '-'", r.Name, lookup.NameMax)
	}
	parse := lookup.ParseCSV
	if text := bytes.TrimSpace(r.Body); len(text) > 0 && (text[0] == '[' || text[0] == '{') {
		parse = lookup.ParseJSON
	}
	table, err := parse(r.Body, r.Param("key"))
	if err != nil {
		return admin.Answer{}, admin.Fault(admin.Invalid, "body", "%v", err)
	}
	about, err := s.Store.PutLookup(ctx, tenant, Lookup{Name: r.Name, By: admin.Author(r.Principal), Changed: s.Now().UTC()}, table)
	if err != nil {
		return admin.Answer{}, err
	}
	return admin.OK(about)
}

// DropLookup forgets a table.
func (s *Service) DropLookup(ctx context.Context, r admin.Request) (admin.Answer, error) {
	tenant, err := changes(r)
	if err != nil {
		return admin.Answer{}, err
	}
	gone, err := s.Store.DropLookup(ctx, tenant, r.Name)
	return admin.Answer{Status: http.StatusOK, Body: gone, Before: gone, Gone: true}, err
}

// Deploys lists what was put into service.
func (s *Service) Deploys(_ context.Context, r admin.Request) (admin.Answer, error) {
	return admin.OK(s.Store.Deploys(r.Principal.Tenant))
}

// deployRequest says what was put into service.
type deployRequest struct {
	Service     string     `json:"service"`
	Version     string     `json:"version"`
	Environment string     `json:"environment"`
	Note        string     `json:"note"`
	Time        *time.Time `json:"time"` // now, if it is missing
}

// PutDeploy notes that something was put into service.
func (s *Service) PutDeploy(ctx context.Context, r admin.Request) (admin.Answer, error) {
	tenant, err := changes(r)
	if err != nil {
		return admin.Answer{}, err
	}
	var asked deployRequest
	if err := admin.Decode(r.Body, &asked); err != nil {
		return admin.Answer{}, err
	}
	now := s.Now().UTC()
	deploy := insight.Deploy{Service: asked.Service, Version: asked.Version, Environment: asked.Environment, Note: asked.Note, Time: now, By: admin.Author(r.Principal)}
	if asked.Time != nil {
		deploy.Time = asked.Time.UTC()
	}
	if err := deploy.Check(now); err != nil {
		return admin.Answer{}, admin.Fault(admin.Invalid, "body", "%v", err)
	}
	if deploy, err = s.Store.PutDeploy(ctx, tenant, deploy); err != nil {
		return admin.Answer{}, err
	}
	return admin.Answer{Status: http.StatusCreated, Body: deploy}, nil
}

// DropDeploy forgets that something was put into service.
func (s *Service) DropDeploy(ctx context.Context, r admin.Request) (admin.Answer, error) {
	tenant, err := changes(r)
	if err != nil {
		return admin.Answer{}, err
	}
	gone, err := s.Store.DropDeploy(ctx, tenant, r.Name)
	return admin.Answer{Status: http.StatusOK, Body: gone, Before: gone, Gone: true}, err
}
