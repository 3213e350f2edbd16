package api

import (
	"context"
	"errors"
	"fmt"

	"github.com/stere-log/stere/api/admin"
	"github.com/stere-log/stere/api/limits"
	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/auth"
	"github.com/stere-log/stere/ingest"
	"github.com/stere-log/stere/ingest/body"
	"github.com/stere-log/stere/ingest/ndjson"
	"github.com/stere-log/stere/insight"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/admit"
	"github.com/stere-log/stere/query/syntax"
	"github.com/stere-log/stere/query/tail"
)

// kind is one row of the error table: what a client can count on.
type kind struct {
	code   string // stable, for programs
	status int
	text   string // where nothing more specific is known
	help   string // what to do about it
	retry  int    // seconds for Retry-After, 0 for none
}

// The error table.
var (
	kindValidation  = kind{code: "VALIDATION_ERROR", status: 400, text: "the request is not valid", help: "error.details names each fault"}
	kindSyntax      = kind{code: "QUERY_SYNTAX_ERROR", status: 400, text: "the query cannot be read", help: "error.details says where and what was expected; see docs/query.md"}
	kindCursor      = kind{code: "INVALID_CURSOR", status: 400, text: "the cursor is not one of this query", help: "start again without a cursor"}
	kindCredentials = kind{code: "UNAUTHORIZED", status: 401, text: "authentication required", help: "send the X-API-Key header (the key is in the data folder, file admin-key) or Authorization: Bearer TOKEN"}
	kindForbidden   = kind{code: "AUTHORIZATION_ERROR", status: 403, text: "permission denied", help: "use credentials whose role includes the permission"}
	kindOrigin      = kind{code: "CORS_ERROR", status: 403, text: "pages of this site may not ask", help: "whoever operates the node can allow it, see allowed-origins in docs/configuration.md"}
	kindSuspended   = kind{code: "TENANT_SUSPENDED", status: 403, text: "the tenant is not served", help: "whoever operates this cluster knows why"}
	kindFeature     = kind{code: "FEATURE_DISABLED", status: 403, text: "the tenant does not have this", help: "a platform administrator can agree more with the tenant: stere admin tenant set TENANT --plan standard, or PATCH /admin/tenants/TENANT; what an operator has switched off are ENABLE_* settings"}
	kindNotFound    = kind{code: "NOT_FOUND", status: 404, text: "not found", help: "docs/api.md lists every path"}
	kindNoCluster   = kind{code: "NO_CLUSTER", status: 404, text: "this node is alone, there is no cluster to look at", help: "start the node with --cluster-listen and --bootstrap or --join, see docs/configuration.md"}
	kindMethod      = kind{code: "METHOD_NOT_ALLOWED", status: 405, text: "method not allowed", help: "the Allow header lists the methods of this path"}
	kindSlow        = kind{code: "REQUEST_TIMEOUT", status: 408, text: "the request did not arrive in time", help: "send smaller batches"}
	kindKilled      = kind{code: "QUERY_KILLED", status: 409, text: "the query was ended by an operator", help: "ask for less: a shorter time range, fewer groups"}
	kindDomain      = kind{code: admin.BadDomain, status: 400, text: "not a domain", help: "want a host name such as shop.example"}
	kindExists      = kind{code: admin.Exists, status: 409, text: "it is there already", help: "change what is there with PATCH"}
	kindHasDomain   = kind{code: admin.HasDomain, status: 409, text: "the domain is there already", help: "change it with PATCH /admin/domains/{name}"}
	kindRefused     = kind{code: "REFUSED", status: 409, text: "the cluster refuses this", help: "error.message says what speaks against it; nothing was changed"}
	kindTooLarge    = kind{code: "PAYLOAD_TOO_LARGE", status: 413, text: "the body is too large", help: "send smaller batches; the limit is for the decompressed body"}
	kindMediaType   = kind{code: "UNSUPPORTED_MEDIA_TYPE", status: 415, text: "unsupported media type", help: "send JSON, NDJSON or plain text lines"}
	kindConflict    = kind{code: "IDEMPOTENCY_KEY_REUSED", status: 422, text: "this Idempotency-Key came with another body before", help: "use a new key for a new body"}
	kindBusy        = kind{code: "TOO_BUSY", status: 429, text: "the node is at its limit; nothing of the request was accepted", help: "retry after the time in Retry-After", retry: 1}
	kindRate        = kind{code: "RATE_LIMIT_EXCEEDED", status: 429, text: "too many requests; nothing of this one was accepted", help: "retry after the time in Retry-After; RateLimit-* say what is left", retry: 1}
	kindQuota       = kind{code: "QUOTA_EXCEEDED", status: 429, text: "the tenant is at a limit that is agreed with it; nothing of the request was accepted", help: "retry after the time in Retry-After; GET /admin/tenants/{tenant} shows what is agreed and used", retry: 1}
	kindNever       = kind{code: "QUOTA_TOO_SMALL", status: 413, text: "the request has more than the tenant may send in a whole day; nothing of it was accepted, now or later", help: "send smaller batches, or agree on more; GET /admin/tenants/{tenant} shows what is agreed"}
	kindStored      = kind{code: "STORAGE_QUOTA_EXCEEDED", status: 507, text: "the tenant has stored what is agreed; nothing of the request was accepted", help: "delete records, shorten their retention, or agree on more", retry: 3600}
	kindHeader      = kind{code: "HEADER_TOO_LARGE", status: 431, text: "the request header is too large", help: "send fewer or shorter headers"}
	kindGone        = kind{code: "CLIENT_CLOSED_REQUEST", status: 499, text: "the client closed the connection before it had its answer"}
	kindInternal    = kind{code: "INTERNAL_ERROR", status: 503, text: "the node failed to serve the request", help: "retry; the log of the node has the cause under this errorId", retry: 2}
	kindUnavailable = kind{code: "SERVICE_UNAVAILABLE", status: 503, text: "the node cannot serve the request now", help: "retry after the time in Retry-After", retry: 2}
	kindTimeout     = kind{code: "TIMEOUT", status: 503, text: "the request took too long", help: "retry with the same Idempotency-Key, or ask for less", retry: 2}
	kindUncertain   = kind{code: "OUTCOME_UNKNOWN", status: 503, text: "the change may have been made", help: "look at GET /admin/cluster, then repeat it if it was not made"}
	kindNoSpace     = kind{code: "INSUFFICIENT_STORAGE", status: 507, text: "the disk is full; nothing of the request was accepted", help: "free space on the data folder's disk; the node resumes by itself", retry: 10}
)

// problem is an error that knows what to tell the client.
type problem struct {
	kind    kind
	message string
	details []v1.Detail
	cause   error           // for the log, not for the client
	limit   *limits.Refusal // nil unless a limit is the reason
}

// refused returns the problem of a request that does not pass a limit.
func refused(r *limits.Refusal) *problem {
	p := &problem{kind: kindRate, message: r.Error() + "; nothing of this request was accepted", cause: r, limit: r}
	switch {
	case r.Never:
		p.kind = kindNever
		return p
	case r.Storage:
		p.kind = kindStored
	case r.Quota:
		p.kind = kindQuota
	}
	p.kind.retry = max(limits.Seconds(r.Retry), 1)
	return p
}

// Error implements error.
func (p *problem) Error() string {
	if p.cause != nil {
		return fmt.Sprintf("%s: %s: %v", p.kind.code, p.message, p.cause)
	}
	return p.kind.code + ": " + p.message
}

// Unwrap implements errors.Unwrap.
func (p *problem) Unwrap() error { return p.cause }

func newProblem(k kind, format string, args ...any) *problem {
	return &problem{kind: k, message: fmt.Sprintf(format, args...)}
}

// invalid is a validation error of one field.
func invalid(field, format string, args ...any) *problem {
	message := fmt.Sprintf(format, args...)
	return &problem{kind: kindValidation, message: field + ": " + message, details: []v1.Detail{{Field: field, Message: message}}}
}

// administrative returns the problem for an error of package admin.
func administrative(err *admin.Error) *problem {
	p := &problem{kind: kindValidation, message: err.Error()}
	for _, k := range []kind{kindNotFound, kindForbidden, kindDomain, kindExists, kindHasDomain, kindRefused} {
		if k.code == err.Code {
			p.kind = k
		}
	}
	// The help of an invalid request sends people to the details, also where no one field is wrong.
	if err.Field != "" || p.kind == kindValidation {
		p.details = []v1.Detail{{Field: err.Field, Message: err.Message}}
	}
	return p
}

// described returns the problem for an error that says itself what is wrong with
// what; nil for others.
func described(err error) *problem {
	var p *problem
	if errors.As(err, &p) {
		return p
	}
	var syntaxError *syntax.Error
	if errors.As(err, &syntaxError) {
		return &problem{kind: kindSyntax, message: syntaxError.Error(), details: []v1.Detail{{
			Field: "query", Message: syntaxError.Message, Line: syntaxError.Line, Column: syntaxError.Column,
			Expected: syntaxError.Expected, Suggestion: syntaxError.Suggestion,
		}}}
	}
	var refusal *limits.Refusal
	if errors.As(err, &refusal) {
		return refused(refusal)
	}
	var adminError *admin.Error
	if errors.As(err, &adminError) {
		return administrative(adminError)
	}
	var faults admin.Faults
	if errors.As(err, &faults) {
		return &problem{kind: kindValidation, message: faults.Error(), details: faults}
	}
	var paramError *insight.ParamError
	if errors.As(err, &paramError) {
		return &problem{kind: kindValidation, message: paramError.Error(), details: []v1.Detail{{Field: paramError.Param, Message: paramError.Message, Expected: paramError.Expect}}}
	}
	var requestError *query.RequestError
	if errors.As(err, &requestError) {
		return invalid(requestError.Field, "%s", requestError.Message)
	}
	return nil
}

// problemOf finds the row of the error table for an error of the packages
// below; an error that nobody foresaw is an internal one.
func problemOf(err error) *problem {
	if p := described(err); p != nil {
		return p
	}
	for _, row := range []struct {
		is   error
		kind kind
		own  bool // the error's own text is fit for the client
	}{
		{errGone, kindGone, false},
		{auth.ErrNoCredentials, kindCredentials, true},
		{auth.ErrAPIKey, kindCredentials, true},
		{auth.ErrToken, kindCredentials, true},
		{auth.ErrKeyLater, kindUnavailable, true},
		{auth.ErrIssuer, kindUnavailable, true},
		{auth.ErrUnsure, kindUnavailable, true},
		{auth.ErrTenantID, kindValidation, true},
		{auth.ErrSuspended, kindSuspended, true},
		{auth.ErrFeature, kindFeature, true},
		{query.ErrRestriction, kindForbidden, true},
		{auth.ErrForbidden, kindForbidden, true},
		{body.ErrTooLarge, kindTooLarge, false},
		{ndjson.ErrTooLarge, kindTooLarge, true},
		{ingest.ErrBusy, kindBusy, false},
		{ingest.ErrConflict, kindConflict, false},
		{ingest.ErrNoSpace, kindNoSpace, false},
		{ingest.ErrUnavailable, kindUnavailable, false},
		{ErrRefused, kindRefused, true},
		{ErrUnknown, kindNotFound, true},
		{ErrLeaderless, kindUnavailable, true},
		{ErrUncertain, kindUncertain, true},
		{admit.ErrBusy, kindBusy, true},
		{admit.ErrKilled, kindKilled, true},
		{query.ErrNotFound, kindNotFound, false},
		{query.ErrCursor, kindCursor, true},
		{query.ErrIncomplete, kindUnavailable, true},
		{tail.ErrCursor, kindCursor, true},
		{tail.ErrAhead, kindCursor, true},
		{tail.ErrTooMany, kindBusy, true},
		{tail.ErrUnavailable, kindUnavailable, true},
		{tail.ErrClosed, kindUnavailable, true},
		{context.DeadlineExceeded, kindTimeout, false},
		{context.Canceled, kindUnavailable, false},
	} {
		if errors.Is(err, row.is) {
			p := &problem{kind: row.kind, message: row.kind.text, cause: err}
			if row.own {
				p.message = err.Error()
			}
			return p
		}
	}
	return &problem{kind: kindInternal, message: kindInternal.text, cause: err}
}
