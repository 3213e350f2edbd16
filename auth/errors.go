package auth

import (
	"errors"
	"fmt"
)

// The reasons for which a request is refused. An error of Authenticate wraps
// one of the first six, an error of Authorize one of the others.
var (
	// ErrNoCredentials says that the request carries no credentials at all.
	ErrNoCredentials = errors.New("no credentials, want an API key or a bearer token")
	// ErrAPIKey says that the API key is not known, or not taken any more, or not
	// from there: which of these, the log says.
	ErrAPIKey = errors.New("unknown API key")
	// ErrKeyLater says that this node does not know the key of its cluster yet.
	ErrKeyLater = errors.New("this node is not in its cluster yet and does not know its keys")
	// ErrUnsure says that this node does not know the API key and cannot ask now whether
	// it is there.
	ErrUnsure = errors.New("this node does not know the API key and cannot look now whether it is new")
	// ErrToken says that the bearer token is malformed, expired or not signed for this node.
	ErrToken = errors.New("invalid bearer token")
	// ErrIssuer says that a bearer token cannot be checked now.
	ErrIssuer = errors.New("the keys of the token's issuer cannot be had now")
	// ErrForbidden says that the principal lacks the permission.
	ErrForbidden = errors.New("permission denied")
	// ErrSuspended says that the tenant is not served. It is an ErrForbidden.
	ErrSuspended = fmt.Errorf("%w: not served", ErrForbidden)
	// ErrFeature says that the tenant does not have what is asked for. It is an
	// ErrForbidden.
	ErrFeature = fmt.Errorf("%w: not in the plan", ErrForbidden)
	// ErrTenantID says that a request names something that can be no tenant.
	ErrTenantID = errors.New("not a tenant")
)
