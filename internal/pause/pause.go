// Package pause waits for a time to pass, or for a context to end.
//
// It has one function, For, which may be called from any goroutine. It starts
// none and keeps nothing.
package pause

import (
	"context"
	"time"
)

// For returns nil when the time has passed, or why the context ended before.
func For(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
