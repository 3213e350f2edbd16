package auth

import (
	"context"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stere-log/stere/auth/token"
	"github.com/stere-log/stere/internal/outward"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/access"
	"github.com/stere-log/stere/query/syntax"
)

// LeewayDefault is how far the clocks of this node and of a token's issuer may
// differ.
const LeewayDefault = token.LeewayDefault

// CredentialBytesMax bounds an API key or a token.
const CredentialBytesMax = 8 << 10

// Config says which credentials are accepted.
type Config struct {
	AdminKey  string           // the key of the node's administrator
	KeyLater  bool             // the key is told by OpenAdminKey, now or later
	JWTSecret string           // signs bearer tokens of anybody who is no issuer
	Issuers   []token.Issuer   // who else signs bearer tokens; with none and no secret all are refused
	Reach     outward.Reach    // how far it may be gone for keys of issuers
	Leeway    time.Duration    // clock difference for JWTSecret, 0 for LeewayDefault
	Now       func() time.Time // nil for time.Now
	Logger    *slog.Logger     // nil: none
}

// issuers returns all issuers, also that of the secret.
func (c Config) issuers() []token.Issuer {
	if c.JWTSecret == "" {
		return c.Issuers
	}
	return append(slices.Clone(c.Issuers), token.Issuer{Secret: c.JWTSecret, Leeway: c.Leeway})
}

// Validate lists every fault.
func (c Config) Validate() error {
	var faults []error
	if c.AdminKey == "" && !c.KeyLater && len(c.issuers()) == 0 {
		faults = append(faults, errors.New("neither an admin key nor an issuer of tokens is set: nobody could log in"))
	}
	return errors.Join(append(faults, token.Config{Issuers: c.issuers()}.Validate())...)
}

// Credentials are what a request carries.
type Credentials struct {
	APIKey        string     // value of the API key header
	Authorization string     // value of the Authorization header
	From          netip.Addr // who sent it; invalid if that is not known
}

// Authenticator recognises principals.
type Authenticator struct {
	adminKey atomic.Pointer[[sha256.Size]byte] // nil: there is none, or it is not known yet
	later    bool
	tokens   *token.Verifier
	believes bool // there is an issuer
	now      func() time.Time
	logger   *slog.Logger
	newest   newest

	uses struct {
		sync.Mutex
		by map[string]int64 // keys used since TakeUses, Unix ns
	}
}

// New returns an authenticator.
func New(cfg Config) (*Authenticator, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configure authentication: %w", err)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	a := &Authenticator{later: cfg.KeyLater, now: cfg.Now, logger: cfg.Logger, believes: len(cfg.issuers()) > 0}
	var err error
	a.tokens, err = token.New(token.Config{Issuers: cfg.issuers(), Reach: cfg.Reach, Now: cfg.Now, Logger: cfg.Logger})
	if err != nil {
		return nil, fmt.Errorf("configure authentication: %w", err)
	}
	if cfg.AdminKey != "" {
		a.setAdminKey(cfg.AdminKey)
	}
	a.uses.by = map[string]int64{}
	a.newest.turn = make(chan struct{}, 1)
	return a, nil
}

// Run keeps the keys of issuers fresh until ctx ends.
func (a *Authenticator) Run(ctx context.Context) error { return a.tokens.Run(ctx) }

// setAdminKey makes a key the one that is recognised.
func (a *Authenticator) setAdminKey(key string) {
	sum := sha256.Sum256([]byte(key))
	a.adminKey.Store(&sum)
}

// Authenticate returns who sent the credentials. An API key decides alone: a
// token beside it is not looked at. The scheme "Bearer" takes a token or an
// API key; "ApiKey" and "Basic" (the password) take API keys, for clients of
// Elasticsearch. Without a directory there are no API keys but the admin key.
func (a *Authenticator) Authenticate(c Credentials, d Directory) (Principal, error) {
	if len(c.APIKey) > CredentialBytesMax || len(c.Authorization) > CredentialBytesMax {
		return Principal{}, fmt.Errorf("%w: longer than %d bytes", ErrToken, CredentialBytesMax)
	}
	if c.APIKey != "" {
		return a.apiKey(c.APIKey, c.From, d)
	}
	if strings.TrimSpace(c.Authorization) == "" {
		return Principal{}, ErrNoCredentials
	}
	scheme, value, _ := strings.Cut(strings.TrimSpace(c.Authorization), " ")
	value = strings.TrimSpace(value)
	switch strings.ToLower(scheme) {
	case "bearer":
		if strings.HasPrefix(value, AdminKeyPrefix) {
			return a.apiKey(value, c.From, d)
		}
		return a.token(value)
	case "apikey":
		// The key itself or, as Elasticsearch has it, base64 of "id:key".
		p, err := a.apiKey(value, c.From, d)
		if _, own := KeyIDOf(value); err == nil || own {
			return p, err // no base64: what it was refused for counts
		}
		return a.basic(value, c.From, d)
	case "basic":
		return a.basic(value, c.From, d)
	}
	return Principal{}, fmt.Errorf("%w: unknown scheme, want Bearer, ApiKey or Basic", ErrToken)
}

// basic takes base64 of "name:key"; the name says nothing.
func (a *Authenticator) basic(value string, from netip.Addr, d Directory) (Principal, error) {
	text, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return Principal{}, ErrAPIKey
	}
	_, key, ok := strings.Cut(string(text), ":")
	if !ok {
		return Principal{}, ErrAPIKey
	}
	return a.apiKey(key, from, d)
}

// apiKey recognises an admin key or an API key.
func (a *Authenticator) apiKey(text string, from netip.Addr, d Directory) (Principal, error) {
	if id, ok := KeyIDOf(text); ok {
		return a.ownKey(id, text, from, d)
	}
	sum, known := sha256.Sum256([]byte(text)), a.adminKey.Load()
	if known == nil && a.later {
		return Principal{}, ErrKeyLater
	}
	if known == nil || subtle.ConstantTimeCompare(sum[:], known[:]) != 1 {
		return Principal{}, ErrAPIKey
	}
	p := Anonymous()
	p.Name, p.Method = "admin-key", "api-key"
	return p, nil
}

// find returns the key of a text, nil if there is none with its secret. What this node
// has not heard of may be new: the directory's newest state decides.
func (a *Authenticator) find(id, text string, now int64, d Directory) (*access.Key, error) {
	if d == nil {
		return nil, nil
	}
	for newest := false; ; newest = true {
		key, there := d.Key(id)
		if !there {
			key = access.Key{Secrets: []access.Secret{{Sum: make([]byte, sha256.Size)}}} // the same work
		}
		switch same := matches(&key, text, now) && there; {
		case same:
			return &key, nil
		case newest:
			return nil, nil
		}
		if err := a.newest.read(d); err != nil {
			a.logger.Debug("whether an API key is new cannot be looked up", "key", id, "error", err)
			return nil, ErrUnsure // why is nothing for who may be a stranger
		}
	}
}

// ownKey recognises a key of the directory. To who does not have its secret, a key
// that is there answers like one that is not.
func (a *Authenticator) ownKey(id, text string, from netip.Addr, d Directory) (Principal, error) {
	now := a.now().UnixNano()
	key, err := a.find(id, text, now, d)
	if err != nil {
		return Principal{}, err
	}
	if key == nil {
		return Principal{}, ErrAPIKey
	}
	role, err := ParseRole(key.Role)
	switch {
	case !key.Alive(now):
		a.logger.Info("an API key that is not taken any more", "key", id, "revoked", key.Revoked != 0)
		return Principal{}, ErrAPIKey
	case !reached(key.Networks, from):
		a.logger.Warn("an API key from where it is not taken", "key", id, "from", from)
		return Principal{}, ErrAPIKey
	case err != nil:
		return Principal{}, fmt.Errorf("%w: %w", ErrAPIKey, err)
	}
	p := Principal{Name: key.Name, Tenant: key.Tenant, Role: role, Grants: Grants(role, key.Permissions), Method: "api-key", Key: id, Restriction: key.Restriction}
	if p.Name == "" {
		p.Name = "key " + id
	}
	if key.Expires != 0 {
		p.Expires = key.Expires / int64(time.Second)
	}
	if role == User {
		p.own()
	}
	a.uses.Lock()
	a.uses.by[id] = now
	a.uses.Unlock()
	return p, nil
}

// reached reports whether an address is in one of the networks; none is all.
func reached(networks []string, from netip.Addr) bool {
	from = from.Unmap().WithZone("")
	return len(networks) == 0 || slices.ContainsFunc(networks, func(text string) bool {
		network, err := access.ParseNetwork(text)
		return err == nil && from.IsValid() && network.Contains(from)
	})
}

// TakeUses returns when API keys were used since it was called last, by id.
func (a *Authenticator) TakeUses() map[string]int64 {
	a.uses.Lock()
	defer a.uses.Unlock()
	uses := a.uses.by
	a.uses.by = map[string]int64{}
	return uses
}

// GiveBack says that uses that were taken are not known elsewhere.
func (a *Authenticator) GiveBack(uses map[string]int64) {
	a.uses.Lock()
	defer a.uses.Unlock()
	for id, used := range uses {
		a.uses.by[id] = max(a.uses.by[id], used)
	}
}

// Used returns when a key was used here since TakeUses, 0 if it was not.
func (a *Authenticator) Used(id string) int64 {
	a.uses.Lock()
	defer a.uses.Unlock()
	return a.uses.by[id]
}

// token recognises the bearer of a token.
func (a *Authenticator) token(text string) (Principal, error) {
	if !a.believes {
		return Principal{}, fmt.Errorf("%w: this node has no JWT secret and no other issuer of tokens", ErrToken)
	}
	claims, issuer, err := a.tokens.Verify(text)
	if errors.Is(err, token.ErrKeys) {
		return Principal{}, ErrIssuer
	}
	if err != nil {
		return Principal{}, fmt.Errorf("%w: %w", ErrToken, err)
	}
	p, err := bearer(claims, issuer)
	if err != nil {
		return Principal{}, fmt.Errorf("%w: %w", ErrToken, err)
	}
	return p, nil
}

// bearer is who the claims of a token describe, as far as its issuer may say so.
func bearer(c token.Claims, issuer *token.Issuer) (Principal, error) {
	p := Principal{Name: c.Subject, Tenant: model.TenantID(c.Tenant), Method: "jwt", Issuer: c.Issuer, Expires: c.Expires, Restriction: c.Restriction, Domains: c.Domains}
	if p.Tenant == "" {
		p.Tenant = model.TenantID(issuer.Tenant)
	}
	if p.Tenant == "" {
		p.Tenant, p.Anywhere = model.DefaultTenant, true
	}
	if err := p.Tenant.Validate(); err != nil {
		return p, err
	}
	if len(issuer.Tenants) > 0 {
		if !slices.Contains(issuer.Tenants, string(p.Tenant)) {
			return p, errors.New("its issuer does not speak for this tenant")
		}
		p.Anywhere = false
	}
	roles, err := rolesOf(c, issuer)
	if err != nil {
		return p, err
	}
	for _, role := range roles {
		p.Grants |= permissionsOf(role)
	}
	p.Role = roles[0]
	own := !slices.ContainsFunc(roles, func(role Role) bool { return role != User && permissionsOf(role).Has(Read) }) && slices.Contains(roles, User)
	if c.Permitted {
		p.Grants = p.Grants.limited(c.Permissions)
	}
	if len(issuer.Tenants) > 0 {
		p.Grants &^= setOf(Choose, Admin) // they reach beyond its tenants
	}
	if own {
		// Beside another condition what is none alone could become one.
		if _, err := syntax.Parse(p.Restriction); err != nil {
			return p, errors.New("its restriction is no condition")
		}
		if p.Name == "" {
			return p, errors.New("a user needs a name")
		}
		p.own()
	}
	return p, nil
}

// rolesOf returns the roles of a token, the strongest first.
func rolesOf(c token.Claims, issuer *token.Issuer) ([]Role, error) {
	var roles []Role
	for _, text := range c.Roles {
		role, err := ParseRole(text)
		if err != nil && !c.Several {
			return nil, err
		}
		if err == nil { // a list may have roles of other programs
			roles = append(roles, role)
		}
	}
	switch {
	case len(roles) > 0:
	case len(c.Roles) > 0:
		return nil, errors.New("none of its roles is known")
	case c.Permitted:
		roles = []Role{Scoped}
	default:
		roles = []Role{Reader}
	}
	for _, role := range roles {
		if len(issuer.Roles) > 0 && !slices.Contains(issuer.Roles, string(role)) {
			return nil, errors.New("its issuer may not give this role")
		}
	}
	slices.SortFunc(roles, func(a, b Role) int { return slices.Index(Roles(), a) - slices.Index(Roles(), b) })
	return roles, nil
}
