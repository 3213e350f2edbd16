package v1

import "time"

// Key is an API key as GET /admin/keys has it. Its secret is nowhere but in the
// answer that made it.
type Key struct {
	ID          string     `json:"id"`
	Name        string     `json:"name,omitempty"`
	Tenant      string     `json:"tenant"`
	Role        string     `json:"role"`
	Permissions []string   `json:"permissions"` // what it may do
	Restriction string     `json:"restriction,omitempty"`
	Networks    []string   `json:"networks,omitempty"`
	PerMinute   int64      `json:"maxRequestsPerMinute,omitempty"` // of each kind; 0: as the tenant
	Status      string     `json:"status"`                         // active, expired or revoked
	Created     time.Time  `json:"createdAt"`
	By          string     `json:"createdBy,omitempty"`
	Expires     *time.Time `json:"expiresAt,omitempty"`
	Revoked     *time.Time `json:"revokedAt,omitempty"`
	LastUsed    *time.Time `json:"lastUsedAt,omitempty"`     // about
	OldUntil    *time.Time `json:"oldSecretUntil,omitempty"` // until when a secret from before a rotation is taken
	Text        string     `json:"key,omitempty"`            // the whole key, once: when it is made or rotated
}

// The states of a key.
const (
	KeyActive  = "active"
	KeyExpired = "expired"
	KeyRevoked = "revoked"
)

// KeyRequest is the body of POST /admin/keys.
type KeyRequest struct {
	Name        string     `json:"name,omitempty"`
	Tenant      string     `json:"tenant,omitempty"` // default: that of who asks
	Role        string     `json:"role"`
	Permissions []string   `json:"permissions,omitempty"` // default: those of the role
	Restriction string     `json:"restriction,omitempty"`
	Networks    []string   `json:"networks,omitempty"`
	PerMinute   int64      `json:"maxRequestsPerMinute,omitempty"` // of each kind; 0: as the tenant
	Expires     *time.Time `json:"expiresAt,omitempty"`
	ExpiresIn   string     `json:"expiresIn,omitempty"` // instead: a length of time
}

// RotateRequest is the body of POST /admin/keys/{key}/rotate.
type RotateRequest struct {
	Overlap string `json:"overlap,omitempty"` // how long the old secret is taken beside the new one; default 24h
}

// Tenant is a tenant as GET /admin/tenants has it.
type Tenant struct {
	ID       string           `json:"tenantId"`
	Plan     string           `json:"plan"`
	Status   string           `json:"status"` // active, suspended or deleting
	Reason   string           `json:"reason,omitempty"`
	Since    time.Time        `json:"statusSince"`
	Contact  string           `json:"contactEmail,omitempty"`
	Config   any              `json:"config"`    // all terms
	Own      any              `json:"overrides"` // those that differ from the plan's
	Domains  []string         `json:"domains"`
	Keys     int              `json:"keys"`            // that are active
	Usage    map[string]Share `json:"usage,omitempty"` // how much of the limits is used, by term
	Register time.Time        `json:"registeredAt"`
}

// TenantRequest is the body of POST /admin/tenants and PATCH
// /admin/tenants/{tenant}; what is absent stays.
type TenantRequest struct {
	ID      string  `json:"tenantId,omitempty"`
	Plan    *string `json:"plan,omitempty"`
	Status  *string `json:"status,omitempty"`
	Reason  *string `json:"reason,omitempty"`
	Contact *string `json:"contactEmail,omitempty"`
	Config  any     `json:"config,omitempty"` // terms that differ from the plan's
}

// Domain is a domain as GET /admin/domains has it.
type Domain struct {
	Domain    string    `json:"domain"`
	Subdomain string    `json:"subdomain"`
	Tenant    string    `json:"tenantId"`
	Plan      string    `json:"plan"`
	Status    string    `json:"status"`
	Contact   string    `json:"contactEmail,omitempty"`
	Config    any       `json:"config"`
	Register  time.Time `json:"registeredAt"`
}

// DomainStats sums domains up.
type DomainStats struct {
	Total  int            `json:"totalDomains"`
	Plans  map[string]int `json:"planDistribution"`
	Status map[string]int `json:"statusDistribution"`
}

// Domains is the answer of GET /admin/domains.
type Domains struct {
	Domains   []Domain    `json:"domains"`
	Stats     DomainStats `json:"stats"`
	Timestamp string      `json:"timestamp"`
}

// DomainRequest is the body of POST /admin/domains and PATCH
// /admin/domains/{domain}; what is absent stays.
type DomainRequest struct {
	Domain  string  `json:"domain,omitempty"`
	Tenant  string  `json:"tenantId,omitempty"`
	Plan    *string `json:"plan,omitempty"`
	Status  *string `json:"status,omitempty"`
	Contact *string `json:"contactEmail,omitempty"`
	Config  any     `json:"config,omitempty"`
}
