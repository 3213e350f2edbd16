package token

import (
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"time"
)

// Limits of issuers and tokens.
const (
	IssuersMax    = 64
	LeewayDefault = 30 * time.Second
	LeewayMax     = time.Hour
	keysMax       = 100     // of one issuer
	documentMax   = 1 << 20 // bytes of a key set
	keyIDMax      = 512     // bytes
	rsaBitsMin    = 2048
)

// Issuer is who signs tokens, and what is believed of them. Its keys are one of
// Secret, PEM, JWKS and Discover.
type Issuer struct {
	// Name is the claim "iss" of its tokens. An issuer without one is that of all
	// tokens of nobody else.
	Name string

	Secret   string // of HMACs
	PEM      []byte // public keys and certificates
	JWKS     string // a key set: an https address, or the path of a file
	Discover bool   // the key set is where Name's OpenID configuration says

	Algorithms []string // that it uses; none: all that its keys are made for
	Audiences  []string // of which the claim "aud" must have one; none: it is not looked at
	Leeway     time.Duration
	NoExpiry   bool // tokens need not expire

	Claims  Names
	Tenant  string   // of tokens that name none
	Tenants []string // that its tokens may be of; none: any
	Roles   []string // that its tokens may give; none: any
}

// Names are the names of claims; the first that a token has counts. A name with
// dots is also looked for inside objects.
type Names struct {
	Subject, Tenant, Role, Domains, Permissions, Restriction []string
}

// withDefaults fills in what is not said.
func (n Names) withDefaults() Names {
	usual := func(names []string, fallback ...string) []string {
		if len(names) > 0 {
			return names
		}
		return fallback
	}
	return Names{
		Subject: usual(n.Subject, "sub", "user_id"), Tenant: usual(n.Tenant, "tenant", "tenantId", "org_id"), Role: usual(n.Role, "role", "roles"),
		Domains: usual(n.Domains, "domains"), Permissions: usual(n.Permissions, "permissions"), Restriction: usual(n.Restriction, "restriction"),
	}
}

// Algorithms returns the names of all algorithms that can be used.
func Algorithms() []string {
	return []string{
		"HS256", "HS384", "HS512", "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA",
	}
}

// Validate lists every fault.
func (i Issuer) Validate() error {
	var faults []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	sources := 0
	for _, is := range []bool{i.Secret != "", len(i.PEM) > 0, i.JWKS != "", i.Discover} {
		if is {
			sources++
		}
	}
	fault(sources != 1, "%d sources of keys, want one of a secret, PEM, a key set and discovery", sources)
	fault(i.Discover && i.Name == "", "discovery needs the issuer's name")
	fault(i.Leeway < 0 || i.Leeway > LeewayMax, "leeway is %v, want 0 to %v", i.Leeway, LeewayMax)
	for _, algorithm := range i.Algorithms {
		fault(!slices.Contains(Algorithms(), algorithm), "%.20q is not an algorithm, want some of %s", algorithm, strings.Join(Algorithms(), ", "))
		fault(strings.HasPrefix(algorithm, "HS") != (i.Secret != ""), "the algorithm %.20q does not fit the keys", algorithm)
	}
	if len(i.PEM) > 0 {
		_, err := parsePEM(i.PEM)
		fault(err != nil, "%w", err)
	}
	if len(faults) == 0 {
		return nil
	}
	return fmt.Errorf("issuer %.100q: %w", i.Name, errors.Join(faults...))
}

// remote reports whether a key set is at an address and not in a file.
func remote(place string) bool {
	u, err := url.Parse(place)
	return err == nil && u.Scheme != "" && u.Host != ""
}
