// Package admin is what administrators do with keys, tenants and domains over
// HTTP: it reads bodies, checks what who asks may do with whom, and makes answers.
// Service is the main type; package api routes, authenticates and authorises, and
// carries bytes.
//
// Invariants:
//   - Nobody gives away more than they have: a key that is made has a part of the
//     permissions, the tenant and the restriction of who makes it.
//   - A secret is in the one answer that made it, and nowhere else.
//   - What is of a tenant that is not one's own is not there.
//
// A Service is safe for concurrent use and keeps nothing.
package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/auth"
	"github.com/stere-log/stere/consumption"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/access"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/syntax"
)

// Registry is what the cluster agrees on and how that is changed. Made is the
// version that a change was made of, 0 for something new; a change that was made
// of another one is refused. What is returned is what is agreed on now.
type Registry interface {
	auth.Directory
	// Current returns when the registry has all changes that were made before the call, by
	// way of any node.
	Current(ctx context.Context) error
	Keys() []access.Key
	Accounts() []access.Account
	Domains() []access.Domain
	PutKey(ctx context.Context, key access.Key, made uint64) (access.Key, error)
	PutAccount(ctx context.Context, account access.Account, made uint64) (access.Account, error)
	PutDomain(ctx context.Context, domain access.Domain, made uint64) (access.Domain, error)
	DropDomain(ctx context.Context, name string) error
}

// Service answers administrators.
type Service struct {
	Registry Registry
	// Erasures removes records; nil: nothing does.
	Erasures Erasures
	// Redactions are the tenants' rules of redaction; nil: there are none.
	Redactions Redactions
	Used       func(key string) int64 // when a key was used here, as far as the registry does not know; Unix ns
	Now        func() time.Time
	Random     io.Reader
	// Shares says how much of its limits a tenant has used; nil: that is not known.
	Shares func(tenant model.TenantID) map[string]v1.Share
	// Book has what tenants use; nil: that is not counted.
	Book   *consumption.Book
	Prices Prices
	// Search asks for records, such as those of the audit trail.
	Search func(ctx context.Context, request query.Request) (*query.Result, error)
}

// Request is what an administrator asks.
type Request struct {
	Principal auth.Principal
	Name      string // of what the path names
	Tenant    string // of which a list is wanted; "" for all
	Param     func(name string) string
	Confirm   string // what is to go, once more
	Body      []byte
}

// Whole is the error of who is restricted to some of the records, and so does not see, or
// change, what follows from all; nil for everybody else. What says what that is.
func (r Request) Whole(what string) error {
	if r.Principal.Restriction != "" {
		return Fault(Forbidden, "", "%s records that you do not see", what)
	}
	return nil
}

// Answer is what becomes of it.
type Answer struct {
	Status int
	Bare   bool // without the envelope
	Body   any
	Before any  // what was there, for the audit trail
	Noted  any  // what is there now, for the audit trail, if that is not Body
	Gone   bool // nothing is there now
}

// After returns what is there now, for the audit trail: without secrets.
func (a Answer) After() any {
	if a.Gone {
		return nil
	}
	if a.Noted != nil {
		return a.Noted
	}
	if key, ok := a.Body.(v1.Key); ok {
		key.Text = ""
		return key
	}
	return a.Body
}

// The codes of errors.
const (
	Invalid   = "VALIDATION_ERROR"
	Unknown   = "NOT_FOUND"
	Exists    = "ALREADY_EXISTS"
	Forbidden = "AUTHORIZATION_ERROR"
	BadDomain = "INVALID_DOMAIN"
	HasDomain = "DOMAIN_EXISTS"
	Refused   = "REFUSED"
)

// Error is what is wrong with a request.
type Error struct {
	Code    string
	Field   string
	Message string
}

// Faults are all that is wrong with a request that is not valid.
type Faults []v1.Detail

// Error implements error.
func (f Faults) Error() string {
	var texts []string
	for _, one := range f {
		text := one.Message
		if one.Field != "" {
			text = one.Field + ": " + text
		}
		if one.Line > 0 {
			text += fmt.Sprintf(" (line %d column %d)", one.Line, one.Column)
		}
		if one.Suggestion != "" {
			text += "; did you mean " + one.Suggestion + "?"
		}
		texts = append(texts, text)
	}
	return strings.Join(texts, "; ")
}

// UnknownName is the fault of something that has none of the names that there are.
func UnknownName(name, what string, known []string) Faults {
	message := "there is no such " + what
	if len(known) > 0 {
		message += ", want some of " + strings.Join(known, ", ")
	}
	return Faults{{Field: name, Message: message, Expected: known, Suggestion: syntax.Nearest(name, known)}}
}

// Error implements error.
func (e *Error) Error() string {
	if e.Field != "" {
		return e.Field + ": " + e.Message
	}
	return e.Message
}

// Fault returns an error of a request.
func Fault(code, field, format string, args ...any) error {
	return &Error{Code: code, Field: field, Message: fmt.Sprintf(format, args...)}
}

// Decode reads a body and refuses what it does not know.
func Decode(body []byte, into any) error {
	if len(bytes.TrimSpace(body)) == 0 {
		return Fault(Invalid, "body", "is empty")
	}
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(into)
	if err == nil {
		if _, rest := d.Token(); rest != io.EOF {
			err = errors.New("it goes on after its end")
		}
	}
	if err == nil {
		return nil
	}
	if quoted, is := strings.CutPrefix(err.Error(), "json: unknown field "); is {
		if name, bad := strconv.Unquote(quoted); bad == nil {
			return UnknownName(name, "member", membersOf(into))
		}
	}
	var kind *json.UnmarshalTypeError
	if errors.As(err, &kind) && kind.Field != "" {
		return Fault(Invalid, kind.Field, "%s", v1.Mismatch(kind))
	}
	return Fault(Invalid, "body", "%.200s", strings.TrimPrefix(err.Error(), "json: "))
}

// membersOf returns the members of the object that a body is read into.
func membersOf(into any) (names []string) {
	t := reflect.TypeOf(into).Elem()
	for t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	for i := 0; t.Kind() == reflect.Struct && i < t.NumField(); i++ {
		if name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ","); name != "" && name != "-" {
			names = append(names, name)
		}
	}
	return names
}

// all reports whether a principal administers every tenant.
func all(p auth.Principal) bool { return p.Grants.Has(auth.Admin) }

// administers reports whether a principal administers a tenant.
func administers(p auth.Principal, tenant model.TenantID) bool {
	return all(p) || p.Grants.Has(auth.Manage) && p.Tenant == tenant
}

// Author returns who asks in the form in which it is kept.
func Author(p auth.Principal) string {
	name := strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return -1
		}
		return r
	}, strings.ToValidUTF8(p.Name, ""))
	return strings.ToValidUTF8(name[:min(len(name), access.NameMax)], "")
}

// At returns a time, nil for none.
func At(ns int64) *time.Time {
	if ns == 0 {
		return nil
	}
	t := time.Unix(0, ns).UTC()
	return &t
}

// OK is the answer to what was asked for.
func OK(body any) (Answer, error) { return Answer{Status: http.StatusOK, Body: body}, nil }

// show answers what the path names, as find finds it for who asks.
func show[T, V any](r Request, find func(Request) (T, error), shown func(T) V) (Answer, error) {
	one, err := find(r)
	if err != nil {
		return Answer{}, err
	}
	return OK(shown(one))
}

// list answers those of all that who asks may see.
func list[T, V any](all []T, sees func(T) bool, shown func(T) V) (Answer, error) {
	out := []V{}
	for _, one := range all {
		if sees(one) {
			out = append(out, shown(one))
		}
	}
	return OK(out)
}
