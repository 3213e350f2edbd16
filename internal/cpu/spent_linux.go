package cpu

import (
	"syscall"
	"time"
)

// rusageThread asks for the figures of the calling thread alone.
const rusageThread = 1

// Spent returns the processor time that the calling thread has used.
func Spent() time.Duration {
	var use syscall.Rusage
	if syscall.Getrusage(rusageThread, &use) != nil {
		return Elapsed()
	}
	return time.Duration(use.Utime.Nano() + use.Stime.Nano())
}
