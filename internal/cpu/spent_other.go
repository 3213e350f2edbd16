//go:build !linux

package cpu

import "time"

// Spent returns the time of the clock: that of a thread is not known here.
func Spent() time.Duration { return Elapsed() }
