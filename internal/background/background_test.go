package background_test

import (
	"errors"
	"testing"

	"github.com/stere-log/stere/internal/background"
)

// TestRun returns what the work returns, and does not mix runs up.
func TestRun(t *testing.T) {
	failure := errors.New("failure")
	for range 100 {
		if err := background.Run(func() error { return failure }); !errors.Is(err, failure) {
			t.Fatalf("returned %v", err)
		}
		if err := background.Run(func() error { return nil }); err != nil {
			t.Fatal(err)
		}
	}
}
