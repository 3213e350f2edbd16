package cpu

import (
	"runtime"
	"testing"
	"time"
)

// TestSpent: what a thread waits for it has not used, and what it does it has.
func TestSpent(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("the time of a thread is not known here")
	}
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	began, used := Elapsed(), Spent()
	sum := 0
	for Spent()-used < 5*time.Millisecond { // ends as it has used that
		for i := range 1000 {
			sum += i
		}
	}
	if took := Elapsed() - began; took < 4*time.Millisecond || sum == 0 {
		t.Errorf("a thread used 5 ms within %s", took)
	}
}
