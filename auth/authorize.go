package auth

import (
	"context"
	"fmt"
	"net"
	"slices"
	"strings"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/access"
)

// Directory is what the cluster has agreed on of who may do what. Its methods are
// called for every request, from any goroutine.
type Directory interface {
	// Current returns when the others have all that was agreed on before the call.
	Current(ctx context.Context) error
	Key(id string) (access.Key, bool)
	Account(id model.TenantID) (access.Account, bool)
	Domain(host string) (access.Domain, bool)
}

// Feature is a part of the product that a tenant may not have.
type Feature uint8

// The features.
const (
	Always Feature = iota // not a feature: everybody has it
	Analytics
	Integrations
	Webhooks
	ContentAnalysis
)

// Features are some of them.
type Features uint8

// FeaturesOf returns a set.
func FeaturesOf(list ...Feature) (set Features) {
	for _, f := range list {
		set |= 1 << f
	}
	return set
}

// Has reports whether a feature is in the set.
func (s Features) Has(f Feature) bool { return s&(1<<f) != 0 }

var featureNames = [...]string{"everything", "analytics", "integrations", "webhooks", "content analysis"}

// String is the feature's name.
func (f Feature) String() string { return featureNames[min(int(f), len(featureNames)-1)] }

// in returns whether terms have the feature.
func (f Feature) in(terms *access.Terms) bool {
	switch f {
	case Analytics:
		return *terms.Analytics
	case Integrations:
		return *terms.Integrations
	case Webhooks:
		return *terms.Webhooks
	case ContentAnalysis:
		return *terms.ContentAnalysis
	}
	return true
}

// Ask is what a request wants.
type Ask struct {
	Permission Permission
	Feature    Feature
	Host       string // header Host
	Tenant     string // that a header names; "" if none does
}

// Authorize is the one decision about a request: whether the principal may do what
// it asks for, and for which tenant. It returns the principal as the request has
// it. The error wraps ErrForbidden or ErrTenantID.
func Authorize(p Principal, ask Ask, d Directory) (Principal, error) {
	if ask.Permission == Open {
		return p, nil
	}
	if !p.Grants.Has(ask.Permission) {
		return p, fmt.Errorf("%w: the role %q of %q does not include %q", ErrForbidden, p.Role, p.Name, ask.Permission)
	}
	if err := p.choose(ask, d); err != nil {
		return p, err
	}
	if Reserved(p.Tenant) && ask.Permission.ofRecords() && (ask.Permission != Read && ask.Permission != Export || !p.Grants.Has(Admin)) {
		return p, fmt.Errorf("%w: what tenant %s has is the cluster's own", ErrForbidden, p.Tenant)
	}
	if d == nil || !ask.Permission.ofRecords() && (ask.Permission != Manage || p.Grants.Has(Admin)) {
		return p, nil
	}
	account, there := d.Account(p.Tenant)
	switch {
	case !there:
	case account.Status == access.Suspended:
		return p, fmt.Errorf("%w: tenant %s is suspended", ErrSuspended, p.Tenant)
	case account.Status == access.Deleting:
		return p, fmt.Errorf("%w: tenant %s is being deleted", ErrSuspended, p.Tenant)
	case ask.Feature != Always:
		if terms := account.All(); !ask.Feature.in(&terms) {
			return p, fmt.Errorf("%w: tenant %s, plan %q, has no %s", ErrFeature, p.Tenant, account.Plan, ask.Feature)
		}
	}
	return p, nil
}

// Reserved reports whether a tenant is one of the cluster itself, such as that of the
// audit trail: nobody writes to it, and only who administers the platform reads it.
func Reserved(tenant model.TenantID) bool { return strings.HasPrefix(string(tenant), "_") }

// choose finds the tenant of a request: that of the principal, unless it may
// choose. A host name of another tenant is refused: whoever reaches the node by it
// means that one.
func (p *Principal) choose(ask Ask, d Directory) error {
	asked := model.TenantID(ask.Tenant)
	if asked != "" {
		if err := asked.Validate(); err != nil {
			return fmt.Errorf("%w: %w", ErrTenantID, err)
		}
	}
	domain, there := DomainOf(ask.Host, d)
	switch {
	case p.Grants.Has(Choose) && asked != "":
		p.Tenant = asked
		return nil
	case p.Grants.Has(Choose) && there:
		p.Tenant = domain.Tenant
	case p.Anywhere && there && listed(p.Domains, domain.Name):
		p.Tenant = domain.Tenant
	case p.Anywhere && len(p.Domains) > 0 && !there && !p.Grants.Has(Choose):
		return fmt.Errorf("%w: %q may ask by its domains only", ErrForbidden, p.Name)
	case there && domain.Tenant != p.Tenant, there && len(p.Domains) > 0 && !listed(p.Domains, domain.Name):
		return fmt.Errorf("%w: %q may not ask by this host name", ErrForbidden, p.Name)
	}
	if asked != "" && asked != p.Tenant {
		return fmt.Errorf("%w: %q may not choose a tenant", ErrForbidden, p.Name)
	}
	if there && domain.Status != access.Active && ask.Permission.ofRecords() {
		return fmt.Errorf("%w: domain %s is suspended", ErrSuspended, domain.Name)
	}
	return nil
}

// DomainOf returns the domain of a Host header.
func DomainOf(host string, d Directory) (domain access.Domain, there bool) {
	if d == nil {
		return domain, false
	}
	return d.Domain(hostOf(host))
}

// hostOf returns the host name of a Host header in the form of domains.
func hostOf(header string) string {
	if host, _, err := net.SplitHostPort(header); err == nil {
		header = host
	}
	return strings.ToLower(strings.TrimSuffix(header, "."))
}

// listed reports whether a host name is in a list of domains, or below one of
// them, or the list has "*".
func listed(domains []string, host string) bool {
	return slices.ContainsFunc(domains, func(domain string) bool {
		domain = strings.ToLower(strings.TrimPrefix(domain, "*."))
		return domain == "*" || domain != "" && (host == domain || strings.HasSuffix(host, "."+domain))
	})
}
