package background_test

import (
	"testing"

	"golang.org/x/sys/unix"

	"github.com/stere-log/stere/internal/background"
)

// TestPriority has the work at a lower priority, and nobody else after it.
func TestPriority(t *testing.T) {
	priority := func() int {
		// The system call returns 20 less the nice value.
		value, err := unix.Getpriority(unix.PRIO_PROCESS, unix.Gettid())
		if err != nil {
			t.Fatal(err)
		}
		return value
	}
	usual := priority()
	if usual <= 15 {
		t.Skipf("the test runs at priority %d, no more than the work has", usual)
	}
	var within int
	if err := background.Run(func() error { within = priority(); return nil }); err != nil {
		t.Fatal(err)
	}
	if within >= usual {
		t.Errorf("priority %d within, %d outside", within, usual)
	}
	done := make(chan int)
	for range 50 {
		go func() { done <- priority() }()
		if got := <-done; got != usual {
			t.Fatalf("priority %d after it, want %d", got, usual)
		}
	}
}
