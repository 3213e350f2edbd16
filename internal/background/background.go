// Package background runs work that can wait on a thread of its own, to which the
// system gives what threads in a hurry leave over.
package background

import "runtime"

// Run runs work and returns its result. Where the system lets it, the work has a
// low priority: it gets the processors that nobody else wants, and a small share
// of those that others want, too. Goroutines it starts are not part of that.
func Run(work func() error) error {
	done := make(chan error, 1)
	go func() {
		// The thread is not unlocked: it keeps its priority, so it ends with
		// the goroutine. The runtime never starts threads from a locked one.
		runtime.LockOSThread()
		lower()
		done <- work()
	}()
	return <-done
}
