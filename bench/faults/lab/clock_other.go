//go:build !(linux && amd64)

package lab

import (
	"fmt"
	"time"
)

// SetClock is ErrSkip here.
func SetClock(int, time.Duration) error {
	return fmt.Errorf("%w: the clock of one process can be set on Linux for amd64 only", ErrSkip)
}
