package admin

import (
	"cmp"
	"context"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/auth"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/access"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/syntax"
)

// How long a secret is taken beside the one that takes its place.
const (
	overlapDefault = 24 * time.Hour
	overlapMax     = 30 * 24 * time.Hour
)

// shown returns a key as answers have it.
func (s *Service) shown(key access.Key) v1.Key {
	now := s.Now().UnixNano()
	role := auth.Role(key.Role)
	if parsed, err := auth.ParseRole(key.Role); err == nil {
		role = parsed
	}
	out := v1.Key{
		ID: key.ID, Name: key.Name, Tenant: string(key.Tenant), Role: key.Role, Permissions: auth.Grants(role, key.Permissions).Names(), Restriction: key.Restriction,
		Networks: key.Networks, PerMinute: key.RequestsPerMin, Status: v1.KeyActive, Created: time.Unix(0, key.Created).UTC(), By: key.By, Expires: At(key.Expires), Revoked: At(key.Revoked),
		LastUsed: At(max(key.Used, s.Used(key.ID))),
	}
	switch {
	case key.Revoked != 0:
		out.Status = v1.KeyRevoked
	case !key.Alive(now):
		out.Status = v1.KeyExpired
	}
	for _, secret := range key.Secrets {
		if secret.Until > now && (out.OldUntil == nil || secret.Until > out.OldUntil.UnixNano()) {
			out.OldUntil = At(secret.Until)
		}
	}
	return out
}

// Keys lists the keys that who asks administers.
func (s *Service) Keys(_ context.Context, r Request) (Answer, error) {
	list := []v1.Key{}
	for _, key := range s.Registry.Keys() {
		if administers(r.Principal, key.Tenant) && (r.Tenant == "" || r.Tenant == string(key.Tenant)) {
			list = append(list, s.shown(key))
		}
	}
	slices.SortFunc(list, func(a, b v1.Key) int { return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ID, b.ID)) })
	return OK(list)
}

// key returns the key that the path names.
func (s *Service) key(r Request) (access.Key, error) {
	key, there := s.Registry.Key(r.Name)
	if !there || !administers(r.Principal, key.Tenant) {
		return key, Fault(Unknown, "", "there is no key %.40q", r.Name)
	}
	return key, nil
}

// Key shows a key.
func (s *Service) Key(_ context.Context, r Request) (Answer, error) { return show(r, s.key, s.shown) }

// CreateKey makes a key.
func (s *Service) CreateKey(ctx context.Context, r Request) (Answer, error) {
	var asked v1.KeyRequest
	if err := Decode(r.Body, &asked); err != nil {
		return Answer{}, err
	}
	key, err := s.wanted(r.Principal, asked)
	if err != nil {
		return Answer{}, err
	}
	if key.ID, err = auth.NewKeyID(s.Random); err != nil {
		return Answer{}, err
	}
	text, sum, err := auth.NewKeyText(s.Random, key.ID)
	if err != nil {
		return Answer{}, err
	}
	key.Secrets = []access.Secret{{Sum: sum}}
	if err := key.Check(); err != nil {
		return Answer{}, Fault(Invalid, "body", "%v", err)
	}
	if key, err = s.Registry.PutKey(ctx, key, 0); err != nil {
		return Answer{}, err
	}
	out := s.shown(key)
	out.Text = text
	return Answer{Status: http.StatusCreated, Body: out}, nil
}

// wanted returns the key that is asked for, if who asks may give it.
func (s *Service) wanted(p auth.Principal, asked v1.KeyRequest) (access.Key, error) {
	tenant := model.TenantID(cmp.Or(asked.Tenant, string(p.Tenant)))
	key := access.Key{Name: asked.Name, Tenant: tenant, Permissions: asked.Permissions, By: Author(p), Created: s.Now().UnixNano(), RequestsPerMin: asked.PerMinute}
	if err := tenant.Validate(); err != nil {
		return key, Fault(Invalid, "tenant", "%v", err)
	}
	if auth.Reserved(tenant) {
		return key, Fault(Forbidden, "tenant", "tenants that begin with _ are the cluster's own")
	}
	if !administers(p, tenant) {
		return key, Fault(Forbidden, "tenant", "%q does not administer this tenant", p.Name)
	}
	role, err := auth.ParseRole(asked.Role)
	if err != nil {
		return key, Fault(Invalid, "role", "%v", err)
	}
	key.Role = string(role)
	if asked.Permissions != nil && len(asked.Permissions) == 0 {
		// What is kept does not tell an empty list from none, which is all of the role.
		return key, Fault(Invalid, "permissions", "are none: name some, or leave them out for all of the role %s", role)
	}
	for _, name := range asked.Permissions {
		if permission, known := auth.ParsePermission(name); !known || !auth.Grants(role, nil).Has(permission) {
			return key, Fault(Invalid, "permissions", "%.40q is none of the role %s, want some of %q", name, role, auth.Grants(role, nil).Names())
		}
	}
	if auth.Grants(role, key.Permissions)&^p.Grants != 0 {
		return key, Fault(Forbidden, "role", "%q may not give away more than it has", p.Name)
	}
	if role == auth.User && key.Name == "" {
		return key, Fault(Invalid, "name", "is missing: a user sees the records of its name")
	}
	if asked.Restriction != "" {
		if err := query.CheckRestriction(asked.Restriction); err != nil {
			return key, Fault(Invalid, "restriction", "%v", err)
		}
	}
	key.Restriction = auth.Both(p.Restriction, asked.Restriction)
	if key.Networks, err = networks(asked.Networks); err != nil {
		return key, err
	}
	if key.Expires, err = s.expiry(asked); err != nil {
		return key, err
	}
	return key, s.inherit(p, &key)
}

func networks(texts []string) ([]string, error) {
	var list []string
	for _, text := range texts {
		network, err := access.ParseNetwork(text)
		if err != nil {
			return nil, Fault(Invalid, "networks", "%v", err)
		}
		list = append(list, network.String())
	}
	return list, nil
}

// expiry returns when the key ends.
func (s *Service) expiry(asked v1.KeyRequest) (int64, error) {
	now := s.Now()
	end := asked.Expires
	if asked.ExpiresIn != "" {
		length, err := syntax.ParseDuration(asked.ExpiresIn)
		if err != nil || end != nil || length <= 0 {
			return 0, Fault(Invalid, "expiresIn", "%.40q, want a length of time such as 90d, and no expiresAt beside it", asked.ExpiresIn)
		}
		until := now.Add(length)
		end = &until
	}
	switch {
	case end == nil:
		return 0, nil
	case !end.After(now) || end.Year() > 2261: // beyond what nanoseconds count
		return 0, Fault(Invalid, "expiresAt", "is %s, want a time that is to come", end.Format(time.RFC3339))
	}
	return end.UnixNano(), nil
}

// inherit keeps a key that was made with another one to the limits of that one.
func (s *Service) inherit(p auth.Principal, key *access.Key) error {
	if err := s.inheritToken(p, key); err != nil {
		return err
	}
	parent, there := s.Registry.Key(p.Key)
	if !there {
		return nil
	}
	if parent.RequestsPerMin != 0 && (key.RequestsPerMin == 0 || key.RequestsPerMin > parent.RequestsPerMin) {
		key.RequestsPerMin = parent.RequestsPerMin
	}
	if parent.Expires != 0 && (key.Expires == 0 || key.Expires > parent.Expires) {
		key.Expires = parent.Expires
	}
	if len(parent.Networks) == 0 {
		return nil
	}
	if len(key.Networks) == 0 {
		key.Networks = parent.Networks
	}
	for _, text := range key.Networks {
		inside := slices.ContainsFunc(parent.Networks, func(outer string) bool {
			a, errA := access.ParseNetwork(outer)
			b, errB := access.ParseNetwork(text)
			return errA == nil && errB == nil && a.Contains(b.Addr()) && a.Bits() <= b.Bits()
		})
		if !inside {
			return Fault(Forbidden, "networks", "%q is taken from fewer networks itself", p.Name)
		}
	}
	return nil
}

// keyOfTokenMax is how long a key lasts at most that was made with a token: the token
// ends soon, and nobody knows whether its bearer would be given another one.
const keyOfTokenMax = 90 * 24 * time.Hour

// inheritToken keeps a key that was made with a token to what that allows. A key has no
// domains: who may ask by some host names only makes none.
func (s *Service) inheritToken(p auth.Principal, key *access.Key) error {
	if len(p.Domains) > 0 && !slices.Contains(p.Domains, "*") {
		return Fault(Forbidden, "", "%q may ask by its domains only, and a key would be taken by any", p.Name)
	}
	if p.Key != "" || p.Expires == 0 || all(p) {
		return nil
	}
	if latest := s.Now().Add(keyOfTokenMax).UnixNano(); key.Expires == 0 || key.Expires > latest {
		key.Expires = latest
	}
	return nil
}

// narrower reports whether a restriction is another one, or what auth.Both makes of
// that and a third.
func narrower(restriction, than string) bool {
	if than == "" || restriction == than {
		return true
	}
	third, ok := strings.CutPrefix(restriction, "("+than+") AND (")
	third, closed := strings.CutSuffix(third, ")")
	return ok && closed && query.CheckRestriction(third) == nil
}

// RotateKey gives a key a new secret. The one from before is taken for a while
// beside it; those from before that not any longer than they were.
func (s *Service) RotateKey(ctx context.Context, r Request) (Answer, error) {
	key, err := s.key(r)
	if err != nil {
		return Answer{}, err
	}
	var asked v1.RotateRequest
	if len(r.Body) > 0 {
		if err := Decode(r.Body, &asked); err != nil {
			return Answer{}, err
		}
	}
	overlap := overlapDefault
	if asked.Overlap != "" && asked.Overlap != "0" {
		if overlap, err = syntax.ParseDuration(asked.Overlap); err != nil || overlap < 0 || overlap > overlapMax {
			return Answer{}, Fault(Invalid, "overlap", "%.40q, want a length of time of at most %v", asked.Overlap, overlapMax)
		}
	} else if asked.Overlap == "0" {
		overlap = 0
	}
	role, err := auth.ParseRole(key.Role)
	if now := s.Now().UnixNano(); err != nil || !key.Alive(now) {
		return Answer{}, Fault(Invalid, "", "key %s is not active", key.ID)
	}
	if auth.Grants(role, key.Permissions)&^r.Principal.Grants != 0 || !narrower(key.Restriction, r.Principal.Restriction) {
		return Answer{}, Fault(Forbidden, "", "%q may not have a key that may more than it", r.Principal.Name)
	}
	limited := key
	if err := s.inherit(r.Principal, &limited); err != nil || limited.Expires != key.Expires || len(limited.Networks) != len(key.Networks) {
		return Answer{}, Fault(Forbidden, "", "%q may not have a key that is taken for longer, or from elsewhere, than itself", r.Principal.Name)
	}
	text, sum, err := auth.NewKeyText(s.Random, key.ID)
	if err != nil {
		return Answer{}, err
	}
	now := s.Now()
	secrets := []access.Secret{{Sum: sum}}
	for _, old := range key.Secrets {
		if until := now.Add(overlap).UnixNano(); old.Until == 0 || old.Until > until {
			old.Until = until
		}
		if old.Until > now.UnixNano() && len(secrets) < access.SecretsMax {
			secrets = append(secrets, old)
		}
	}
	before := s.shown(key)
	made := key.Version
	key.Secrets = secrets
	if key, err = s.Registry.PutKey(ctx, key, made); err != nil {
		return Answer{}, err
	}
	out := s.shown(key)
	out.Text = text
	return Answer{Status: http.StatusOK, Body: out, Before: before}, nil
}

// RevokeKey ends a key for good.
func (s *Service) RevokeKey(ctx context.Context, r Request) (Answer, error) {
	key, err := s.key(r)
	if err != nil {
		return Answer{}, err
	}
	before := s.shown(key)
	if key.Revoked == 0 {
		made := key.Version
		key.Revoked = s.Now().UnixNano()
		if key, err = s.Registry.PutKey(ctx, key, made); err != nil {
			return Answer{}, err
		}
	}
	return Answer{Status: http.StatusOK, Body: s.shown(key), Before: before}, nil
}
