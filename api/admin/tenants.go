package admin

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/auth"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/access"
	"github.com/stere-log/stere/model/erasure"
)

// terms reads the config of a request.
func terms(config any) (t access.Terms, err error) {
	if config == nil {
		return t, nil
	}
	text, err := json.Marshal(config)
	if err != nil {
		return t, Fault(Invalid, "config", "%v", err)
	}
	if err := Decode(text, &t); err != nil {
		return t, Fault(Invalid, "config", "%v", err)
	}
	if err := t.Check(); err != nil {
		return t, Fault(Invalid, "config", "%v", err)
	}
	return t, nil
}

// tenants returns accounts as answers have them, by tenant.
func (s *Service) tenants(accounts ...access.Account) []v1.Tenant {
	domains, keys, now := map[model.TenantID][]string{}, map[model.TenantID]int{}, s.Now().UnixNano()
	for _, domain := range s.Registry.Domains() {
		domains[domain.Tenant] = append(domains[domain.Tenant], domain.Name)
	}
	for _, key := range s.Registry.Keys() {
		if key.Alive(now) {
			keys[key.Tenant]++
		}
	}
	list := []v1.Tenant{}
	for _, a := range accounts {
		var usage map[string]v1.Share
		if s.Shares != nil {
			usage = s.Shares(a.ID)
		}
		list = append(list, v1.Tenant{Usage: usage,
			ID: string(a.ID), Plan: a.Plan, Status: string(a.Status), Reason: a.Reason, Since: time.Unix(0, a.Since).UTC(), Contact: a.Contact,
			Config: a.All(), Own: a.Terms, Domains: append([]string{}, slices.Sorted(slices.Values(domains[a.ID]))...), Keys: keys[a.ID], Register: time.Unix(0, a.Created).UTC(),
		})
	}
	slices.SortFunc(list, func(a, b v1.Tenant) int { return cmp.Compare(a.ID, b.ID) })
	return list
}

// tenant returns an account as answers have it.
func (s *Service) tenant(a access.Account) v1.Tenant { return s.tenants(a)[0] }

// Tenants lists all tenants with which something is agreed.
func (s *Service) Tenants(_ context.Context, _ Request) (Answer, error) {
	return OK(s.tenants(s.Registry.Accounts()...))
}

// account returns the account that the path names.
func (s *Service) account(r Request) (access.Account, error) {
	account, there := s.Registry.Account(model.TenantID(r.Name))
	if !there || !administers(r.Principal, account.ID) {
		return account, Fault(Unknown, "", "nothing is agreed with a tenant %.64q", r.Name)
	}
	return account, nil
}

// Tenant shows a tenant.
func (s *Service) Tenant(_ context.Context, r Request) (Answer, error) {
	return show(r, s.account, s.tenant)
}

// CreateTenant makes an account.
func (s *Service) CreateTenant(ctx context.Context, r Request) (Answer, error) {
	var asked v1.TenantRequest
	if err := Decode(r.Body, &asked); err != nil {
		return Answer{}, err
	}
	account := access.Account{ID: model.TenantID(asked.ID), Plan: access.Basic, Status: access.Active}
	if err := account.ID.Validate(); err != nil {
		return Answer{}, Fault(Invalid, "tenantId", "%v", err)
	}
	if auth.Reserved(account.ID) {
		return Answer{}, Fault(Forbidden, "tenantId", "tenants that begin with _ are the cluster's own")
	}
	if _, there := s.Registry.Account(account.ID); there {
		return Answer{}, Fault(Exists, "tenantId", "tenant %s is there already", account.ID)
	}
	if err := change(&account, asked); err != nil {
		return Answer{}, err
	}
	account, err := s.Registry.PutAccount(ctx, account, 0)
	if err != nil {
		return Answer{}, err
	}
	return Answer{Status: http.StatusCreated, Body: s.tenant(account)}, nil
}

// change puts what a request has into an account.
func change(account *access.Account, asked v1.TenantRequest) error {
	if asked.Plan != nil {
		if account.Plan = *asked.Plan; !access.ValidPlan(account.Plan) {
			return Fault(Invalid, "plan", "%.40q, want %s", account.Plan, strings.Join(access.Plans(), ", "))
		}
	}
	if asked.Contact != nil {
		if account.Contact = *asked.Contact; account.Contact != "" && !access.ValidContact(account.Contact) {
			return Fault(Invalid, "contactEmail", "%.80q is no address of electronic mail", account.Contact)
		}
	}
	if asked.Status != nil {
		if status := access.Status(*asked.Status); status != access.Active && status != access.Suspended {
			return Fault(Invalid, "status", "%.40q, want active or suspended", *asked.Status)
		}
		account.Status, account.Reason = access.Status(*asked.Status), ""
	}
	if asked.Reason != nil {
		account.Reason = *asked.Reason
	}
	own, err := terms(asked.Config)
	if err != nil {
		return err
	}
	account.Terms = account.Terms.Merge(own)
	if err := account.Check(); err != nil {
		return Fault(Invalid, "body", "%v", err)
	}
	return nil
}

// ChangeTenant changes an account. An administrator of the tenant itself may
// change its contact, and lower its terms.
func (s *Service) ChangeTenant(ctx context.Context, r Request) (Answer, error) {
	account, err := s.account(r)
	if err != nil {
		return Answer{}, err
	}
	var asked v1.TenantRequest
	if err := Decode(r.Body, &asked); err != nil {
		return Answer{}, err
	}
	if asked.ID != "" && asked.ID != r.Name {
		return Answer{}, Fault(Invalid, "tenantId", "a tenant keeps its id")
	}
	if !all(r.Principal) {
		if asked.Plan != nil || asked.Status != nil || asked.Reason != nil {
			return Answer{}, Fault(Forbidden, "", "only a platform administrator changes plan and status")
		}
		own, err := terms(asked.Config)
		if err != nil {
			return Answer{}, err
		}
		if name := own.Raises(account.All()); name != "" {
			return Answer{}, Fault(Forbidden, "config", "only a platform administrator raises %s", name)
		}
	}
	made, before := account.Version, s.tenant(account)
	if err := change(&account, asked); err != nil {
		return Answer{}, err
	}
	if account, err = s.Registry.PutAccount(ctx, account, made); err != nil {
		return Answer{}, err
	}
	return Answer{Status: http.StatusOK, Body: s.tenant(account), Before: before}, nil
}

// DeleteTenant begins to delete a tenant: from now on it is refused, for good, and all
// that there is of it is removed. A legal hold forbids it.
func (s *Service) DeleteTenant(ctx context.Context, r Request) (Answer, error) {
	account, there := s.Registry.Account(model.TenantID(r.Name))
	if auth.Reserved(model.TenantID(r.Name)) {
		return Answer{}, Fault(Forbidden, "", "tenants that begin with _ are the cluster's own, and stay")
	}
	if !there {
		account = access.Account{ID: model.TenantID(r.Name), Plan: access.Basic}
		if err := account.ID.Validate(); err != nil {
			return Answer{}, Fault(Unknown, "", "there can be no tenant %.64q", r.Name)
		}
	}
	if account.ID == model.DefaultTenant {
		return Answer{}, Fault(Forbidden, "", "the tenant %s is that of who names none, and stays", account.ID)
	}
	before := s.tenant(account)
	if r.Confirm != r.Name {
		return Answer{}, Fault(Invalid, "confirm", "want the id of the tenant once more: everything of it goes, for good")
	}
	if err := s.removeTenant(ctx, account.ID, Author(r.Principal)); err != nil {
		return Answer{}, err
	}
	if account.Status != access.Deleting {
		made := account.Version
		account.Status, account.Reason = access.Deleting, "by "+Author(r.Principal)
		var err error
		if account, err = s.Registry.PutAccount(ctx, account, made); err != nil {
			return Answer{}, err
		}
	}
	return Answer{Status: http.StatusAccepted, Body: s.tenant(account), Before: before}, nil
}

// removeTenant plans to remove everything of a tenant, unless that is planned. It comes
// before the tenant is refused, so that one that is held is not; it begins when it is.
func (s *Service) removeTenant(ctx context.Context, tenant model.TenantID, by string) error {
	if s.Erasures == nil {
		return nil
	}
	for _, d := range s.Erasures.Deletions() {
		if d.Kind == erasure.OfTenant && d.Tenant == tenant && !d.Finished() {
			return nil
		}
	}
	_, err := s.Erasures.AddDeletion(ctx, erasure.Deletion{Kind: erasure.OfTenant, Tenant: tenant, Reason: "the tenant is removed", By: by, Status: erasure.Planned})
	return err
}

// domain returns a domain as answers have it.
func (s *Service) domain(d access.Domain) v1.Domain {
	account, there := s.Registry.Account(d.Tenant)
	if !there {
		account.Plan = access.Basic
	}
	out := v1.Domain{Domain: d.Name, Subdomain: "logger." + d.Name, Tenant: string(d.Tenant), Plan: account.Plan, Status: string(d.Status), Contact: account.Contact, Config: account.All(), Register: time.Unix(0, d.Created).UTC()}
	if there && account.Status != access.Active && d.Status == access.Active {
		out.Status = string(account.Status)
	}
	return out
}

// Domains lists all domains.
func (s *Service) Domains(_ context.Context, _ Request) (Answer, error) {
	out := v1.Domains{Domains: []v1.Domain{}, Stats: v1.DomainStats{Plans: map[string]int{}, Status: map[string]int{}}, Timestamp: s.Now().UTC().Format(time.RFC3339Nano)}
	for _, domain := range s.Registry.Domains() {
		one := s.domain(domain)
		out.Domains = append(out.Domains, one)
		out.Stats.Total++
		out.Stats.Plans[one.Plan]++
		out.Stats.Status[one.Status]++
	}
	slices.SortFunc(out.Domains, func(a, b v1.Domain) int { return cmp.Compare(a.Domain, b.Domain) })
	return Answer{Status: http.StatusOK, Bare: true, Body: out}, nil
}

// named returns the domain that the path names.
func (s *Service) named(r Request) (access.Domain, error) {
	name := strings.ToLower(r.Name)
	for _, domain := range s.Registry.Domains() {
		if domain.Name == name {
			return domain, nil
		}
	}
	return access.Domain{}, Fault(Unknown, "", "there is no domain %.100q", r.Name)
}

// Domain shows a domain.
func (s *Service) Domain(_ context.Context, r Request) (Answer, error) {
	domain, err := s.named(r)
	if err != nil {
		return Answer{}, err
	}
	return Answer{Status: http.StatusOK, Bare: true, Body: s.domain(domain)}, nil
}

// CreateDomain makes a host name stand for a tenant, with an account for that if
// it has none.
func (s *Service) CreateDomain(ctx context.Context, r Request) (Answer, error) {
	var asked v1.DomainRequest
	if err := Decode(r.Body, &asked); err != nil {
		return Answer{}, err
	}
	name := strings.ToLower(strings.TrimSuffix(asked.Domain, "."))
	if !access.ValidHost(name) {
		return Answer{}, Fault(BadDomain, "domain", "%.100q is no host name", asked.Domain)
	}
	if _, err := s.named(Request{Name: name}); err == nil {
		return Answer{}, Fault(HasDomain, "domain", "%s is there already", name)
	}
	if asked.Tenant == "" {
		asked.Tenant = "tenant-" + strings.ReplaceAll(name, ".", "-")
	}
	domain := access.Domain{Name: name, Tenant: model.TenantID(asked.Tenant), Status: access.Active}
	if err := domain.Tenant.Validate(); err != nil || auth.Reserved(domain.Tenant) {
		return Answer{}, Fault(Invalid, "tenantId", "%.64q cannot be the tenant of a domain", asked.Tenant)
	}
	if asked.Status != nil {
		domain.Status = access.Status(*asked.Status)
	}
	if err := domain.Check(); err != nil {
		return Answer{}, Fault(Invalid, "body", "%v", err)
	}
	if err := s.agree(ctx, domain.Tenant, asked); err != nil {
		return Answer{}, err
	}
	domain, err := s.Registry.PutDomain(ctx, domain, 0)
	if err != nil {
		return Answer{}, err
	}
	return Answer{Status: http.StatusCreated, Bare: true, Body: s.domain(domain)}, nil
}

// agree makes the account of a domain's tenant, or changes what the request has of
// it.
func (s *Service) agree(ctx context.Context, tenant model.TenantID, asked v1.DomainRequest) error {
	account, there := s.Registry.Account(tenant)
	if there && asked.Plan == nil && asked.Contact == nil && asked.Config == nil {
		return nil
	}
	if !there {
		account = access.Account{ID: tenant, Plan: access.Basic, Status: access.Active}
	}
	made := account.Version
	if err := change(&account, v1.TenantRequest{Plan: asked.Plan, Contact: asked.Contact, Config: asked.Config}); err != nil {
		return err
	}
	_, err := s.Registry.PutAccount(ctx, account, made)
	return err
}

// ChangeDomain changes a domain, and what is agreed with its tenant.
func (s *Service) ChangeDomain(ctx context.Context, r Request) (Answer, error) {
	domain, err := s.named(r)
	if err != nil {
		return Answer{}, err
	}
	var asked v1.DomainRequest
	if err := Decode(r.Body, &asked); err != nil {
		return Answer{}, err
	}
	if asked.Domain != "" && !strings.EqualFold(asked.Domain, domain.Name) {
		return Answer{}, Fault(Invalid, "domain", "a domain keeps its name")
	}
	made, before := domain.Version, s.domain(domain)
	if asked.Tenant != "" {
		domain.Tenant = model.TenantID(asked.Tenant)
	}
	if asked.Status != nil {
		domain.Status = access.Status(*asked.Status)
	}
	if err := domain.Check(); err != nil {
		return Answer{}, Fault(Invalid, "body", "%v", err)
	}
	if err := s.agree(ctx, domain.Tenant, asked); err != nil {
		return Answer{}, err
	}
	if domain, err = s.Registry.PutDomain(ctx, domain, made); err != nil {
		return Answer{}, err
	}
	return Answer{Status: http.StatusOK, Bare: true, Body: s.domain(domain), Before: before}, nil
}

// DropDomain makes a host name stand for nobody.
func (s *Service) DropDomain(ctx context.Context, r Request) (Answer, error) {
	domain, err := s.named(r)
	if err != nil {
		return Answer{}, err
	}
	if err := s.Registry.DropDomain(ctx, domain.Name); err != nil {
		return Answer{}, err
	}
	return Answer{Status: http.StatusOK, Bare: true, Body: s.domain(domain), Before: s.domain(domain), Gone: true}, nil
}
