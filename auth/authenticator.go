package auth

import (
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stere-log/stere/model"
)

// LeewayDefault is how far the clocks of this node and of a token's issuer may
// differ.
const LeewayDefault = 30 * time.Second

// CredentialBytesMax bounds an API key or a token.
const CredentialBytesMax = 8 << 10

// Config says which credentials are accepted.
type Config struct {
	AdminKey  string           // the key of the node's administrator
	KeyLater  bool             // the key is told by OpenAdminKey, now or later
	JWTSecret string           // signs bearer tokens; "" refuses all of them
	Leeway    time.Duration    // clock difference, 0 for LeewayDefault
	Now       func() time.Time // nil for time.Now
}

// Validate lists every fault.
func (c Config) Validate() error {
	var faults []error
	if c.AdminKey == "" && !c.KeyLater && c.JWTSecret == "" {
		faults = append(faults, errors.New("neither an admin key nor a JWT secret is set: nobody could log in"))
	}
	if c.Leeway < 0 || c.Leeway > time.Hour {
		faults = append(faults, fmt.Errorf("leeway is %v, want 0 to 1h", c.Leeway))
	}
	return errors.Join(faults...)
}

// Credentials are what a request carries.
type Credentials struct {
	APIKey        string // value of the API key header
	Authorization string // value of the Authorization header
}

// Authenticator recognises principals.
type Authenticator struct {
	adminKey  atomic.Pointer[[sha256.Size]byte] // nil: there is none, or it is not known yet
	later     bool
	jwtSecret []byte
	parser    *jwt.Parser
}

// New returns an authenticator.
func New(cfg Config) (*Authenticator, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configure authentication: %w", err)
	}
	if cfg.Leeway == 0 {
		cfg.Leeway = LeewayDefault
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	a := &Authenticator{
		later:     cfg.KeyLater,
		jwtSecret: []byte(cfg.JWTSecret),
		parser: jwt.NewParser(jwt.WithValidMethods([]string{jwt.SigningMethodHS256.Alg()}),
			jwt.WithExpirationRequired(), jwt.WithLeeway(cfg.Leeway), jwt.WithTimeFunc(cfg.Now)),
	}
	if cfg.AdminKey != "" {
		a.setAdminKey(cfg.AdminKey)
	}
	return a, nil
}

// setAdminKey makes a key the one that is recognised.
func (a *Authenticator) setAdminKey(key string) {
	sum := sha256.Sum256([]byte(key))
	a.adminKey.Store(&sum)
}

// Authenticate returns who sent the credentials. An API key decides alone: a
// token beside it is not looked at. The scheme "Bearer" takes a token or an
// API key; "ApiKey" and "Basic" (the password) take API keys, for clients of
// Elasticsearch.
func (a *Authenticator) Authenticate(c Credentials) (Principal, error) {
	if len(c.APIKey) > CredentialBytesMax || len(c.Authorization) > CredentialBytesMax {
		return Principal{}, fmt.Errorf("%w: longer than %d bytes", ErrToken, CredentialBytesMax)
	}
	if c.APIKey != "" {
		return a.apiKey(c.APIKey)
	}
	if strings.TrimSpace(c.Authorization) == "" {
		return Principal{}, ErrNoCredentials
	}
	scheme, value, _ := strings.Cut(strings.TrimSpace(c.Authorization), " ")
	value = strings.TrimSpace(value)
	switch strings.ToLower(scheme) {
	case "bearer":
		if strings.HasPrefix(value, AdminKeyPrefix) {
			return a.apiKey(value)
		}
		return a.token(value)
	case "apikey":
		return a.elasticKey(value)
	case "basic":
		return a.basic(value)
	}
	return Principal{}, fmt.Errorf("%w: unknown scheme %.20q, want Bearer, ApiKey or Basic", ErrToken, scheme)
}

func (a *Authenticator) apiKey(key string) (Principal, error) {
	sum, known := sha256.Sum256([]byte(key)), a.adminKey.Load()
	if known == nil && a.later {
		return Principal{}, ErrKeyLater
	}
	if known == nil || subtle.ConstantTimeCompare(sum[:], known[:]) != 1 {
		return Principal{}, ErrAPIKey
	}
	return Principal{Name: "admin-key", Tenant: model.DefaultTenant, Role: PlatformAdmin, Method: "api-key"}, nil
}

// elasticKey takes the key itself or, as Elasticsearch has it, base64 of
// "id:key".
func (a *Authenticator) elasticKey(value string) (Principal, error) {
	if p, err := a.apiKey(value); err == nil {
		return p, nil
	}
	return a.basic(value)
}

// basic takes base64 of "name:key"; the name says nothing.
func (a *Authenticator) basic(value string) (Principal, error) {
	text, err := base64.StdEncoding.DecodeString(value)
	if err != nil {
		return Principal{}, ErrAPIKey
	}
	_, key, ok := strings.Cut(string(text), ":")
	if !ok {
		return Principal{}, ErrAPIKey
	}
	return a.apiKey(key)
}

// claims are what a token says of its bearer.
type claims struct {
	jwt.RegisteredClaims
	UserID   string `json:"user_id"`
	Tenant   string `json:"tenant"`
	TenantID string `json:"tenantId"`
	OrgID    string `json:"org_id"`
	Role     string `json:"role"`
}

// secretFor returns the secret that signs a token. A token that names
// extensions as critical is refused, as RFC 7515 demands of who knows none.
func (a *Authenticator) secretFor(token *jwt.Token) (any, error) {
	if _, ok := token.Header["crit"]; ok {
		return nil, errors.New("critical extensions are not supported")
	}
	return a.jwtSecret, nil
}

func (a *Authenticator) token(text string) (Principal, error) {
	if len(a.jwtSecret) == 0 {
		return Principal{}, fmt.Errorf("%w: this node has no JWT secret", ErrToken)
	}
	var c claims
	if _, err := a.parser.ParseWithClaims(text, &c, a.secretFor); err != nil {
		return Principal{}, fmt.Errorf("%w: %w", ErrToken, err)
	}
	p := Principal{Name: c.Subject, Tenant: model.DefaultTenant, Role: Reader, Method: "jwt", Expires: c.ExpiresAt.Unix()}
	if p.Name == "" {
		p.Name = c.UserID
	}
	for _, tenant := range []string{c.OrgID, c.TenantID, c.Tenant} {
		if tenant != "" {
			p.Tenant = model.TenantID(tenant)
		}
	}
	if err := p.Tenant.Validate(); err != nil {
		return Principal{}, fmt.Errorf("%w: %w", ErrToken, err)
	}
	if c.Role != "" {
		role, err := ParseRole(c.Role)
		if err != nil {
			return Principal{}, fmt.Errorf("%w: %w", ErrToken, err)
		}
		p.Role = role
	}
	return p, nil
}
