package auth

import "errors"

// The reasons for which a request is refused. An error of Authenticate wraps
// one of the first four, an error of Authorize the last.
var (
	// ErrNoCredentials says that the request carries no credentials at all.
	ErrNoCredentials = errors.New("no credentials, want an API key or a bearer token")
	// ErrAPIKey says that the API key is not one of this node.
	ErrAPIKey = errors.New("unknown API key")
	// ErrKeyLater says that this node does not know the key of its cluster yet.
	ErrKeyLater = errors.New("this node is not in its cluster yet and does not know its keys")
	// ErrToken says that the bearer token is malformed, expired or not signed for this node.
	ErrToken = errors.New("invalid bearer token")
	// ErrForbidden says that the principal lacks the permission.
	ErrForbidden = errors.New("permission denied")
)
