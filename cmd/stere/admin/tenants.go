package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/client"
)

// Tenant is stere admin tenant.
type Tenant struct {
	Create  createTenant  `cmd:"" help:"Agree something with a tenant."`
	List    listTenants   `cmd:"" help:"List tenants."`
	Set     setTenant     `cmd:"" help:"Change plan, contact or terms."`
	Suspend suspendTenant `cmd:"" help:"Refuse a tenant until it is resumed."`
	Resume  resumeTenant  `cmd:"" help:"Serve a suspended tenant again."`
	Delete  deleteTenant  `cmd:"" help:"Begin to delete a tenant, which cannot be taken back."`
}

// terms are flags of what is agreed.
type terms struct {
	Plan    *string           `help:"basic, standard, premium or development." placeholder:"PLAN"`
	Contact *string           `help:"An address of electronic mail." placeholder:"ADDRESS"`
	Config  map[string]string `help:"A term that differs from the plan's, such as maxLogsPerDay=50000 or enableAnalytics=false." placeholder:"NAME=VALUE"`
}

// request returns the flags as a request.
func (t terms) request(w World) (r v1.TenantRequest, err error) {
	r.Plan, r.Contact = t.Plan, t.Contact
	if len(t.Config) == 0 {
		return r, nil
	}
	config := map[string]json.RawMessage{}
	for name, text := range t.Config {
		if !json.Valid([]byte(text)) {
			return r, w.Usage(fmt.Errorf("--config %s=%s: want a number, true or false", name, text))
		}
		config[name] = json.RawMessage(text)
	}
	r.Config = config
	return r, nil
}

func showTenants(out io.Writer, tenants []v1.Tenant) {
	row(out, "TENANT", "PLAN", "STATUS", "SINCE", "CONTACT", "KEYS", "DOMAINS", "REASON")
	for i := range tenants {
		t := &tenants[i]
		row(out, t.ID, t.Plan, t.Status, day(&t.Since), t.Contact, fmt.Sprint(t.Keys), strings.Join(t.Domains, " "), t.Reason)
	}
}

func showTenant(out io.Writer, t v1.Tenant) { showTenants(out, []v1.Tenant{t}) }

type createTenant struct {
	Remote
	terms
	ID string `arg:"" help:"The tenant."`
}

// Run makes an account.
func (t *createTenant) Run(w World) error {
	request, err := t.request(w)
	if err != nil {
		return err
	}
	request.ID = t.ID
	return run(w, t.Remote, func(ctx context.Context, c *client.Client) (v1.Tenant, error) {
		return c.CreateTenant(ctx, request)
	}, showTenant)
}

type listTenants struct{ Remote }

// Run lists tenants.
func (t *listTenants) Run(w World) error {
	return run(w, t.Remote, func(ctx context.Context, c *client.Client) ([]v1.Tenant, error) {
		return c.Tenants(ctx)
	}, showTenants)
}

// change changes a tenant.
func change(w World, r Remote, id string, request v1.TenantRequest) error {
	return run(w, r, func(ctx context.Context, c *client.Client) (v1.Tenant, error) {
		return c.ChangeTenant(ctx, id, request)
	}, showTenant)
}

type setTenant struct {
	Remote
	terms
	ID string `arg:"" help:"The tenant."`
}

// Run changes what is agreed.
func (t *setTenant) Run(w World) error {
	request, err := t.request(w)
	if err != nil {
		return err
	}
	return change(w, t.Remote, t.ID, request)
}

type suspendTenant struct {
	Remote
	ID     string `arg:"" help:"The tenant."`
	Reason string `help:"Why." placeholder:"TEXT"`
}

// Run suspends.
func (t *suspendTenant) Run(w World) error {
	status := "suspended"
	return change(w, t.Remote, t.ID, v1.TenantRequest{Status: &status, Reason: &t.Reason})
}

type resumeTenant struct {
	Remote
	ID string `arg:"" help:"The tenant."`
}

// Run resumes.
func (t *resumeTenant) Run(w World) error {
	status := "active"
	return change(w, t.Remote, t.ID, v1.TenantRequest{Status: &status})
}

type deleteTenant struct {
	Remote
	ID  string `arg:"" help:"The tenant."`
	Yes string `required:"" help:"The tenant once more, since this cannot be taken back." placeholder:"TENANT"`
}

// Run begins to delete.
func (t *deleteTenant) Run(w World) error {
	if t.Yes != t.ID {
		return w.Usage(fmt.Errorf("--yes %s is not the tenant %s", t.Yes, t.ID))
	}
	return run(w, t.Remote, func(ctx context.Context, c *client.Client) (v1.Tenant, error) {
		return c.DeleteTenant(ctx, t.ID)
	}, showTenant)
}

// Domain is stere admin domain.
type Domain struct {
	Add    addDomain    `cmd:"" help:"Make a host name, and all below it, stand for a tenant."`
	List   listDomains  `cmd:"" help:"List domains."`
	Remove removeDomain `cmd:"" help:"Make a host name stand for nobody."`
}

func showDomain(out io.Writer, d v1.Domain) {
	row(out, d.Domain, d.Tenant, d.Plan, d.Status, day(&d.Register))
}

type addDomain struct {
	Remote
	terms
	Name   string `arg:"" help:"The host name."`
	Tenant string `help:"The tenant (default: one with a name made of the host's)." placeholder:"TENANT"`
}

// Run adds a domain.
func (d *addDomain) Run(w World) error {
	request, err := d.request(w)
	if err != nil {
		return err
	}
	return run(w, d.Remote, func(ctx context.Context, c *client.Client) (v1.Domain, error) {
		return c.CreateDomain(ctx, v1.DomainRequest{Domain: d.Name, Tenant: d.Tenant, Plan: request.Plan, Contact: request.Contact, Config: request.Config})
	}, showDomain)
}

type listDomains struct{ Remote }

// Run lists domains.
func (d *listDomains) Run(w World) error {
	return run(w, d.Remote, func(ctx context.Context, c *client.Client) (v1.Domains, error) {
		return c.Domains(ctx)
	}, func(out io.Writer, list v1.Domains) {
		row(out, "DOMAIN", "TENANT", "PLAN", "STATUS", "REGISTERED")
		for _, one := range list.Domains {
			showDomain(out, one)
		}
	})
}

type removeDomain struct {
	Remote
	Name string `arg:"" help:"The host name."`
}

// Run removes a domain.
func (d *removeDomain) Run(w World) error {
	return run(w, d.Remote, func(ctx context.Context, c *client.Client) (v1.Domain, error) {
		return c.DropDomain(ctx, d.Name)
	}, func(out io.Writer, one v1.Domain) { row(out, one.Domain+" stands for nobody now") })
}
