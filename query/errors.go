package query

import "errors"

var (
	// ErrNotFound says that the tenant has no record with the id.
	ErrNotFound = errors.New("record not found")

	// ErrIncomplete says that the record was not found, but that part of the
	// tenant's data cannot be read.
	ErrIncomplete = errors.New("part of the data cannot be read")

	// ErrLeafVersion says that another node speaks of leaves in a version that is
	// not known here, as in the middle of an update.
	ErrLeafVersion = errors.New("unknown version of leaf calls")

	// ErrLeafRequest says that the request of a leaf call is damaged or asks for
	// more than a request may.
	ErrLeafRequest = errors.New("invalid leaf request")

	// ErrLeafAnswer says that the answer to a leaf call is damaged or too large.
	ErrLeafAnswer = errors.New("invalid leaf answer")

	// ErrCursor says that a cursor is damaged or belongs to another query.
	ErrCursor = errors.New("invalid cursor: it is damaged or belongs to another query")
)

// RequestError says what is wrong with a request besides its text; faults of
// the text are of type *syntax.Error.
type RequestError struct {
	Field   string // of Request, in lower case
	Message string
}

// Error implements error.
func (e *RequestError) Error() string { return "request " + e.Field + ": " + e.Message }
