package exec

import "errors"

// ErrAnswer says that the answer of another node is damaged or of another form
// than was asked for.
var ErrAnswer = errors.New("damaged answer of another node")
