// Package access has what a cluster agrees on of who may do what: keys, accounts
// of tenants, and domains, in the form in which the catalogue keeps them. What a
// role or a permission means is not known here; see package auth.
//
// Key, Account and Domain are the main types. They are values: whoever changes
// one changes a copy of it and of the lists in it.
package access

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/stere-log/stere/model"
)

// Limits that are not for tuning.
const (
	NameMax        = 64   // bytes of the name of a key, a role, a permission
	RestrictionMax = 2048 // bytes
	NetworksMax    = 64   // of a key
	PermissionsMax = 16   // of a key
	SecretsMax     = 3    // of a key: the newest, and those that it takes the place of
	ContactMax     = 254  // bytes of an address of electronic mail
	HostMax        = 253  // bytes of a domain
	keyIDBytes     = 16   // hex digits
	sumBytes       = 32
	termMax        = 1 << 60
)

// ErrInvalid means that a value can never be right.
var ErrInvalid = errors.New("not a valid value")

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %w", ErrInvalid, fmt.Errorf(format, args...))
}

// Key is an API key: who has its secret may do what it says. Times are Unix ns, 0
// for never.
type Key struct {
	ID          string         `json:"id"` // 16 hex digits; part of what its owner has
	Name        string         `json:"name"`
	Tenant      model.TenantID `json:"tenant"`
	Role        string         `json:"role"`
	Permissions []string       `json:"permissions,omitempty"` // those of the role that it has; none: all
	Restriction string         `json:"restriction,omitempty"` // a condition that all records satisfy that it sees
	Networks    []string       `json:"networks,omitempty"`    // from which it is taken; none: from anywhere
	Secrets     []Secret       `json:"secrets"`               // newest first
	// RequestsPerMin is how many requests of each kind may come with it in a minute; 0:
	// as many as its tenant may make.
	RequestsPerMin int64  `json:"maxRequestsPerMinute,omitempty"`
	Created        int64  `json:"created"`
	Expires        int64  `json:"expires,omitempty"`
	Revoked        int64  `json:"revoked,omitempty"`
	Used           int64  `json:"used,omitempty"` // about when it was used last
	By             string `json:"by,omitempty"`   // who made it
	Version        uint64 `json:"version"`        // index of the last change; set by the catalogue
}

// Secret is a secret of a key, of which only the hash is kept.
type Secret struct {
	Sum   []byte `json:"sum"`             // SHA-256 of the whole text
	Until int64  `json:"until,omitempty"` // Unix ns; 0: as long as the key
}

// Check finds what can never be right.
func (k Key) Check() error {
	if !ValidKeyID(k.ID) {
		return invalid("id %.40q of a key, want %d hex digits", k.ID, keyIDBytes)
	}
	if err := k.Tenant.Validate(); err != nil {
		return invalid("key %s: %w", k.ID, err)
	}
	if k.RequestsPerMin < 0 || k.RequestsPerMin > termMax {
		return invalid("key %s may make %d requests in a minute, want 0 to %d", k.ID, k.RequestsPerMin, int64(termMax))
	}
	if k.Role == "" || len(k.Permissions) > PermissionsMax || len(k.Networks) > NetworksMax || len(k.Secrets) == 0 || len(k.Secrets) > SecretsMax {
		return invalid("key %s has the role %.40q, %d permissions, %d networks, %d secrets", k.ID, k.Role, len(k.Permissions), len(k.Networks), len(k.Secrets))
	}
	for _, text := range append([]string{k.Name, k.Role, k.By}, k.Permissions...) {
		if err := plain("text of a key", text, NameMax); err != nil {
			return err
		}
	}
	if err := plain("restriction", k.Restriction, RestrictionMax); err != nil {
		return err
	}
	for _, network := range k.Networks {
		if _, err := ParseNetwork(network); err != nil {
			return err
		}
	}
	for _, secret := range k.Secrets {
		if len(secret.Sum) != sumBytes || secret.Until < 0 {
			return invalid("key %s has a secret with a hash of %d bytes, until %d", k.ID, len(secret.Sum), secret.Until)
		}
	}
	if k.Created < 0 || k.Expires < 0 || k.Revoked < 0 || k.Used < 0 {
		return invalid("key %s has a time before 1970", k.ID)
	}
	return nil
}

// Size bounds the form in which the key is saved.
func (k Key) Size() int {
	n := 512 + 2*(len(k.Name)+len(k.Role)+len(k.By)+len(k.Tenant)) + 6*len(k.Restriction) + 128*len(k.Secrets)
	for _, list := range [...][]string{k.Permissions, k.Networks} {
		for _, text := range list {
			n += 4 + 2*len(text)
		}
	}
	return n
}

// Alive reports whether the key is taken at a time.
func (k Key) Alive(now int64) bool { return k.Revoked == 0 && (k.Expires == 0 || now < k.Expires) }

// ValidKeyID reports whether a text is the id of a key.
func ValidKeyID(id string) bool {
	return len(id) == keyIDBytes && strings.Trim(id, "0123456789abcdef") == ""
}

// ParseNetwork reads an address or a range of addresses, such as 10.0.0.0/8.
func ParseNetwork(text string) (netip.Prefix, error) {
	if prefix, err := netip.ParsePrefix(text); err == nil {
		if prefix.Addr().Is4In6() {
			return netip.Prefix{}, invalid("network %.60q, write it as one of IPv4", text)
		}
		return prefix.Masked(), nil
	}
	ip, err := netip.ParseAddr(text)
	if err != nil || ip.Zone() != "" {
		return netip.Prefix{}, invalid("network %.60q, want for example 10.0.0.0/8 or 2001:db8::1", text)
	}
	ip = ip.Unmap()
	return netip.PrefixFrom(ip, ip.BitLen()), nil
}

// Status is whether a tenant or a domain is served.
type Status string

// The states.
const (
	Active    Status = "active"
	Suspended Status = "suspended" // refused until it is active again
	Deleting  Status = "deleting"  // of an account: refused for good
)

// The plans.
const (
	Basic       = "basic"
	Standard    = "standard"
	Premium     = "premium"
	Development = "development"
)

// Plans returns the names of all plans.
func Plans() []string { return []string{Basic, Standard, Premium, Development} }

// Account is what is agreed with a tenant. A tenant without one has no limits of
// its own.
type Account struct {
	ID      model.TenantID `json:"id"`
	Plan    string         `json:"plan"`
	Status  Status         `json:"status"`
	Reason  string         `json:"reason,omitempty"` // of the status
	Contact string         `json:"contact,omitempty"`
	Terms   Terms          `json:"terms,omitzero"` // that differ from those of the plan
	Created int64          `json:"created"`
	Since   int64          `json:"since"`   // when the status began
	Version uint64         `json:"version"` // index of the last change; set by the catalogue
}

// Terms are what a tenant may have. What is nil is as the plan says.
type Terms struct {
	RetentionDays    *int64 `json:"retentionDays,omitempty"`
	LogsPerDay       *int64 `json:"maxLogsPerDay,omitempty"`
	BytesPerDay      *int64 `json:"maxBytesPerDay,omitempty"`
	RequestsPerMin   *int64 `json:"maxRequestsPerMinute,omitempty"`
	Queries          *int64 `json:"maxQueries,omitempty"` // at once
	StorageBytes     *int64 `json:"maxStorageBytes,omitempty"`
	Analytics        *bool  `json:"enableAnalytics,omitempty"`
	Integrations     *bool  `json:"enableIntegrations,omitempty"`
	Webhooks         *bool  `json:"enableWebhooks,omitempty"`
	ContentAnalysis  *bool  `json:"enableContentAnalysis,omitempty"`
	AdvancedFeatures *bool  `json:"enableAdvancedFeatures,omitempty"`
	Alerts           Alerts `json:"alertThresholds,omitzero"`
}

// Alerts are the thresholds of alerts.
type Alerts struct {
	ErrorRate     *float64 `json:"errorRate,omitempty"`     // percent
	CriticalCount *int64   `json:"criticalCount,omitempty"` // in an hour
}

// Check finds what can never be right.
func (a Account) Check() error {
	if err := a.ID.Validate(); err != nil {
		return invalid("account: %w", err)
	}
	if !ValidPlan(a.Plan) {
		return invalid("plan %.40q, want %s", a.Plan, strings.Join(Plans(), ", "))
	}
	switch a.Status {
	case Active, Suspended, Deleting:
	default:
		return invalid("status %.40q, want active, suspended or deleting", string(a.Status))
	}
	if a.Created < 0 || a.Since < 0 {
		return invalid("account %s has a time before 1970", a.ID)
	}
	if a.Contact != "" && !ValidContact(a.Contact) {
		return invalid("%.80q is no address of electronic mail", a.Contact)
	}
	if err := plain("reason", a.Reason, 512); err != nil {
		return err
	}
	return a.Terms.Check()
}

// Size bounds the form in which the account is saved.
func (a Account) Size() int { return 1024 + 2*(len(a.ID)+len(a.Reason)+len(a.Contact)) }

// ValidPlan reports whether there is such a plan.
func ValidPlan(name string) bool {
	for _, plan := range Plans() {
		if plan == name {
			return true
		}
	}
	return false
}

// ValidContact reports whether a text can be an address of electronic mail.
func ValidContact(text string) bool {
	name, host, ok := strings.Cut(text, "@")
	return ok && name != "" && len(text) <= ContactMax && ValidHost(host) && !strings.ContainsFunc(name, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`<>()[]\,;:"@`, r)
	})
}

// Domain is a host name that stands for a tenant.
type Domain struct {
	Name    string         `json:"name"` // lower case, no port
	Tenant  model.TenantID `json:"tenant"`
	Status  Status         `json:"status"`
	Created int64          `json:"created"`
	Version uint64         `json:"version"` // index of the last change; set by the catalogue
}

// Check finds what can never be right.
func (d Domain) Check() error {
	if !ValidHost(d.Name) || strings.ToLower(d.Name) != d.Name {
		return invalid("domain %.80q, want a host name in lower case", d.Name)
	}
	if d.Status != Active && d.Status != Suspended || d.Created < 0 {
		return invalid("domain %s has the status %.40q since %d, want active or suspended", d.Name, string(d.Status), d.Created)
	}
	if err := d.Tenant.Validate(); err != nil {
		return invalid("domain %s: %w", d.Name, err)
	}
	return nil
}

// Size bounds the form in which the domain is saved.
func (d Domain) Size() int { return 256 + 2*(len(d.Name)+len(d.Tenant)) }

// ValidHost reports whether a text is a host name: labels of letters, digits and
// '-' with dots between them, the last of which is no number.
func ValidHost(host string) bool {
	if host == "" || len(host) > HostMax {
		return false
	}
	last := ""
	for label := range strings.SplitSeq(host, ".") {
		last = label
		if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
			return false
		}
		for i := range len(label) {
			c := label[i]
			if (c < 'a' || c > 'z') && (c < 'A' || c > 'Z') && (c < '0' || c > '9') && c != '-' {
				return false
			}
		}
	}
	return strings.Trim(last, "0123456789") != ""
}

func plain(what, text string, most int) error {
	if len(text) > most || !utf8.ValidString(text) || strings.ContainsFunc(text, unicode.IsControl) {
		return invalid("%s of %d bytes, want at most %d without control characters", what, len(text), most)
	}
	return nil
}
