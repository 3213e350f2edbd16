package client

import (
	"errors"
	"fmt"
	"time"

	"github.com/stere-log/stere/api/v1"
)

// ErrUnreachable says that the node gave no answer.
var ErrUnreachable = errors.New("the node gave no answer")

// ErrAnswer says that an answer was not one of Stere.
var ErrAnswer = errors.New("not an answer of a Stere node")

// Error is an error that the node answered.
type Error struct {
	Status     int // of HTTP
	RetryAfter time.Duration
	Answer     v1.Error
}

// Error implements error.
func (e *Error) Error() string {
	return fmt.Sprintf("%s (%d %s)", e.Answer.Message, e.Status, e.Answer.Code)
}

// temporary reports whether the same request may succeed later.
func temporary(err error) bool {
	var answer *Error
	if errors.As(err, &answer) {
		switch answer.Status {
		case 408, 429, 500, 502, 503, 504, 507:
			return true
		}
		return false
	}
	return errors.Is(err, ErrUnreachable)
}
