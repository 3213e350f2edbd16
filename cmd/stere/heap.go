package main

import (
	"runtime"
	"unsafe"
)

// heapBegin is how much of the heap is asked for in huge pages after a start.
const heapBegin = 64 << 20

// hugePage is the size to which such a stretch is cut.
const hugePage = 2 << 20

// heapStretch is a stretch of addresses of the heap. The first questions after
// a start are answered in memory that the process has never touched, and each
// page of it is a fault: in pages of 4 KiB these take longer than the answers.
// So what the heap begins with is asked for in huge pages, until memory is
// given back for the first time: from then on the system must not fill up what
// is in use only here and there.
type heapStretch struct{ begin, bytes uintptr }

// newHeapStretch has the heap take a stretch of addresses and let go of it,
// untouched: they are those that it takes next.
func newHeapStretch() heapStretch {
	taken := make([]byte, heapBegin)
	begin := uintptr(unsafe.Pointer(unsafe.SliceData(taken)))
	end := (begin + heapBegin) &^ (hugePage - 1)
	begin = (begin + hugePage - 1) &^ (hugePage - 1)
	s := heapStretch{begin: begin, bytes: end - begin}
	s.huge()
	runtime.KeepAlive(taken)
	runtime.GC() // now, or the collector takes it for the size of the heap
	return s
}
