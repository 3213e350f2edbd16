// Package heap asks the system for huge pages for what the heap of a process
// begins with.
package heap

import (
	"runtime"
	"unsafe"
)

// Begin is how much of the heap is asked for in huge pages after a start at most: what
// the first questions over many records touch.
const Begin = 192 << 20

// HugePage is the size to which such a stretch is cut.
const HugePage = 2 << 20

// Stretch is a stretch of addresses of the heap. The first questions after
// a start are answered in memory that the process has never touched, and each
// page of it is a fault: in pages of 4 KiB these take longer than the answers.
// So what the heap begins with is asked for in huge pages, until memory is
// given back for the first time: from then on the system must not fill up what
// is in use only here and there.
type Stretch struct{ begin, bytes uintptr }

// NewStretch has the heap take a stretch of addresses and let go of it,
// untouched: they are those that it takes next. It is of the given number of bytes, at
// least two huge pages and at most Begin.
func NewStretch(bytes int64) Stretch {
	taken := make([]byte, min(max(bytes, 2*HugePage), Begin))
	begin := uintptr(unsafe.Pointer(unsafe.SliceData(taken)))
	end := (begin + uintptr(len(taken))) &^ (HugePage - 1)
	begin = (begin + HugePage - 1) &^ (HugePage - 1)
	s := Stretch{begin: begin, bytes: end - begin}
	s.huge()
	runtime.KeepAlive(taken)
	runtime.GC() // now, or the collector takes it for the size of the heap
	return s
}
