// Package cpu tells how much processor time a thread has used.
//
// Differences of Spent mean something on one thread only: runtime.LockOSThread keeps a
// goroutine on its thread. Where no system call tells it, Spent is the time of the clock.
package cpu

import "time"

var started = time.Now()

// Elapsed returns the time of the clock since the program began.
func Elapsed() time.Duration { return time.Since(started) }
