package token

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/stere-log/stere/internal/outward"
)

// What a token may be refused for.
var (
	// ErrInvalid says that it is malformed, expired, or not signed by somebody who
	// is believed.
	ErrInvalid = errors.New("the token is not valid")
	// ErrKeys says that the keys of its issuer cannot be had now: it may be valid.
	ErrKeys = errors.New("the keys of the token's issuer cannot be had")
)

// Config says who is believed.
type Config struct {
	Issuers []Issuer
	// Reach is how far it may be gone for keys.
	Reach  outward.Reach
	Now    func() time.Time // nil for time.Now
	Logger *slog.Logger     // nil: none
}

// Validate lists every fault.
func (c Config) Validate() error {
	var faults []error
	names := map[string]bool{}
	for _, issuer := range c.Issuers {
		faults = append(faults, issuer.Validate())
		if names[issuer.Name] {
			faults = append(faults, fmt.Errorf("issuer %.100q is there twice", issuer.Name))
		}
		names[issuer.Name] = true
	}
	if len(c.Issuers) > IssuersMax {
		faults = append(faults, fmt.Errorf("%d issuers, want at most %d", len(c.Issuers), IssuersMax))
	}
	return errors.Join(faults...)
}

// Verifier checks tokens.
type Verifier struct {
	issuers map[string]*believed
	parser  *jwt.Parser
	logger  *slog.Logger
	now     func() time.Time
}

// believed is an issuer with its keys.
type believed struct {
	Issuer
	keys      *source
	validator *jwt.Validator
}

// New returns a verifier. Keys from elsewhere are asked for when they are needed,
// or by Run.
func New(cfg Config) (*Verifier, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configure tokens: %w", err)
	}
	v := &Verifier{issuers: map[string]*believed{}, logger: cfg.Logger, now: cfg.Now}
	if v.now == nil {
		v.now = time.Now
	}
	if v.logger == nil {
		v.logger = slog.New(slog.DiscardHandler)
	}
	client := outward.New(cfg.Reach)
	for _, issuer := range cfg.Issuers {
		issuer.Claims = issuer.Claims.withDefaults()
		if issuer.Leeway == 0 {
			issuer.Leeway = LeewayDefault
		}
		options := []jwt.ParserOption{jwt.WithLeeway(issuer.Leeway), jwt.WithTimeFunc(v.now)}
		if !issuer.NoExpiry {
			options = append(options, jwt.WithExpirationRequired())
		}
		if len(issuer.Audiences) > 0 {
			options = append(options, jwt.WithAudience(issuer.Audiences...))
		}
		if issuer.Name != "" {
			options = append(options, jwt.WithIssuer(issuer.Name))
		}
		keys, err := newSource(issuer, client, v.now)
		if err != nil {
			return nil, fmt.Errorf("configure tokens: %w", err)
		}
		v.issuers[issuer.Name] = &believed{Issuer: issuer, keys: keys, validator: jwt.NewValidator(options...)}
	}
	v.parser = jwt.NewParser(jwt.WithValidMethods(Algorithms()), jwt.WithoutClaimsValidation(), jwt.WithJSONNumber())
	return v, nil
}

// Verify returns the claims of a token, and what its issuer may say. Errors wrap
// ErrInvalid or ErrKeys and hold nothing of the token but names of claims.
func (v *Verifier) Verify(text string) (Claims, *Issuer, error) {
	all := jwt.MapClaims{}
	var by *believed
	_, err := v.parser.ParseWithClaims(text, all, func(t *jwt.Token) (_ any, err error) {
		var keys jwt.VerificationKeySet
		by, keys, err = v.keysFor(t, all)
		return keys, err
	})
	if err == nil {
		err = by.validator.Validate(all)
	}
	var claims Claims
	if err == nil {
		claims, err = claimsOf(&by.Issuer, all)
	}
	switch {
	case errors.Is(err, errStale):
		v.logger.Debug("a token cannot be checked", "error", err)
		return Claims{}, nil, ErrKeys
	case err != nil:
		return Claims{}, nil, fmt.Errorf("%w: %s", ErrInvalid, reason(err))
	}
	return claims, &by.Issuer, nil
}

// keysFor returns the issuer of a token and those of its keys that it may have
// been signed with. A token that names extensions as critical is refused, as RFC
// 7515 demands of who knows none.
func (v *Verifier) keysFor(t *jwt.Token, all jwt.MapClaims) (*believed, jwt.VerificationKeySet, error) {
	var set jwt.VerificationKeySet
	if _, ok := t.Header["crit"]; ok {
		return nil, set, errors.New("critical extensions are not supported")
	}
	name, err := all.GetIssuer()
	if err != nil {
		return nil, set, err
	}
	by := v.issuers[name]
	if by == nil {
		by = v.issuers[""]
	}
	if by == nil {
		return nil, set, errors.New("nobody signs such tokens for this node")
	}
	id, ok := t.Header["kid"].(string)
	if _, there := t.Header["kid"]; there && !ok || len(id) > keyIDMax {
		return nil, set, errors.New("the name of its key is no text, or too long")
	}
	algorithm := t.Method.Alg()
	if len(by.Algorithms) > 0 && !slices.Contains(by.Algorithms, algorithm) {
		return nil, set, errors.New("its algorithm is not one of its issuer")
	}
	keys, err := by.keys.candidates(id, algorithm)
	if err != nil {
		return nil, set, err
	}
	if len(keys) == 0 {
		return nil, set, errors.New("its issuer has no such key for this algorithm")
	}
	for _, k := range keys {
		set.Keys = append(set.Keys, k.material)
	}
	return by, set, nil
}

// reason says why a token was refused, without what is in it.
func reason(err error) string {
	for _, row := range []struct {
		is   error
		text string
	}{
		{jwt.ErrTokenExpired, "it has expired"}, {jwt.ErrTokenNotValidYet, "it is not valid yet"},
		{jwt.ErrTokenInvalidAudience, "it is for another audience"}, {jwt.ErrTokenInvalidIssuer, "it is of another issuer"},
		{jwt.ErrTokenRequiredClaimMissing, "a claim is missing that it must have, such as exp"},
		{jwt.ErrTokenSignatureInvalid, "its signature is wrong"}, {jwt.ErrTokenMalformed, "it is malformed"},
		{jwt.ErrTokenUnverifiable, ""},
	} {
		if errors.Is(err, row.is) && row.text != "" {
			return row.text
		}
	}
	var wrapped interface{ Unwrap() []error }
	if errors.As(err, &wrapped) {
		for _, inner := range wrapped.Unwrap() {
			if !errors.Is(inner, jwt.ErrTokenUnverifiable) {
				return inner.Error()
			}
		}
	}
	return err.Error()
}

// Run keeps the keys that come from elsewhere fresh until ctx ends.
func (v *Verifier) Run(ctx context.Context) error {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-timer.C:
		}
		next := v.now().Add(refreshMax)
		for name, issuer := range v.issuers {
			if issuer.keys.load == nil {
				continue
			}
			due, _ := issuer.keys.due()
			if !due.After(v.now()) {
				issuer.keys.refresh(failedWait, loadTimeout)
				var err error
				if due, err = issuer.keys.due(); err != nil {
					v.logger.Warn("the keys of an issuer of tokens cannot be had", "issuer", name, "error", err)
				}
			}
			if due.Before(next) {
				next = due
			}
		}
		timer.Reset(max(next.Sub(v.now()), time.Second))
	}
}
