package token

import (
	"fmt"
	"strings"

	"github.com/golang-jwt/jwt/v5"
)

// Limits of what a token may claim.
const (
	listMax = 256 // values of one claim
	textMax = 1024
)

// Claims is what a token says of its bearer, if it says it.
type Claims struct {
	Issuer      string
	Subject     string
	Tenant      string
	Roles       []string // several where the claim is a list
	Several     bool     // it is a list
	Domains     []string
	Permissions []string
	Permitted   bool // Permissions are there, be they none
	Restriction string
	Expires     int64 // Unix seconds, 0 for never
}

// claimsOf reads the claims that an issuer names.
func claimsOf(i *Issuer, all jwt.MapClaims) (c Claims, err error) {
	expires, err := all.GetExpirationTime()
	if err != nil {
		return c, err
	}
	if expires != nil {
		c.Expires = expires.Unix()
	}
	if c.Issuer, err = all.GetIssuer(); err != nil {
		return c, err
	}
	for _, one := range []struct {
		names []string
		into  *string
	}{{i.Claims.Subject, &c.Subject}, {i.Claims.Tenant, &c.Tenant}, {i.Claims.Restriction, &c.Restriction}} {
		if *one.into, err = text(all, one.names); err != nil {
			return c, err
		}
	}
	if c.Roles, c.Several, _, err = list(all, i.Claims.Role); err != nil {
		return c, err
	}
	if c.Domains, _, _, err = list(all, i.Claims.Domains); err != nil {
		return c, err
	}
	if c.Permissions, _, c.Permitted, err = list(all, i.Claims.Permissions); err != nil {
		return c, err
	}
	return c, nil
}

// lookUp returns the first of the claims that is there.
func lookUp(all jwt.MapClaims, names []string) (name string, value any) {
	for _, name := range names {
		if value, ok := all[name]; ok && value != nil && value != "" {
			return name, value
		}
		var at any = map[string]any(all)
		for part := range strings.SplitSeq(name, ".") {
			object, _ := at.(map[string]any)
			at = object[part]
		}
		if at != nil && at != "" {
			return name, at
		}
	}
	return "", nil
}

// text returns a claim that is one text.
func text(all jwt.MapClaims, names []string) (string, error) {
	name, value := lookUp(all, names)
	if value == nil {
		return "", nil
	}
	s, ok := value.(string)
	if !ok || len(s) > textMax {
		return "", fmt.Errorf("the claim %q is no text of at most %d bytes", name, textMax)
	}
	return s, nil
}

// list returns a claim that is a list, or one text; spaces in it separate, as in
// "scope".
func list(all jwt.MapClaims, names []string) (values []string, several, there bool, err error) {
	name, value := lookUp(all, names)
	switch value := value.(type) {
	case nil:
		return nil, false, false, nil
	case string:
		if len(value) <= textMax {
			return strings.Fields(value), false, true, nil
		}
	case []any:
		if len(value) > listMax {
			break
		}
		for _, element := range value {
			s, ok := element.(string)
			if !ok || len(s) > textMax {
				return nil, false, false, fmt.Errorf("the claim %q has an element that is no text", name)
			}
			values = append(values, s)
		}
		return values, true, true, nil
	}
	return nil, false, false, fmt.Errorf("the claim %q is neither a text nor a list of at most %d texts", name, listMax)
}
