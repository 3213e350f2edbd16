// Package heap asks the system for huge pages for what the heap of a process
// begins with.
package heap

import (
	"runtime"
	"runtime/debug"
	"unsafe"
)

// Begin is how much of the heap is asked for in huge pages after a start at most: what
// the first questions over many records touch.
const Begin = 192 << 20

// Ready is how much of a stretch is backed with memory before anything is asked, at
// most: what the first question touches, as a rule, of the heap between two collections.
const Ready = 64 << 20

// HugePage is the size to which such a stretch is cut.
const HugePage = 2 << 20

// Stretch is a stretch of addresses of the heap. The first questions after
// a start are answered in memory that the process has never touched, and each
// page of it is a fault: in pages of 4 KiB these take longer than the answers.
// So what the heap begins with is asked for in huge pages, until memory is
// given back for the first time: from then on the system must not fill up what
// is in use only here and there.
type Stretch struct {
	begin, bytes uintptr
	backed       uintptr // bytes from its beginning on that Back is for
}

// NewStretch has the heap take a stretch of addresses and let go of it,
// untouched: they are those that it takes next. It is of the given number of bytes, at
// least two huge pages and at most Begin. Of these ready are for Back, at most Ready.
func NewStretch(bytes, ready int64) Stretch {
	taken := make([]byte, min(max(bytes, 2*HugePage), Begin))
	begin := uintptr(unsafe.Pointer(unsafe.SliceData(taken)))
	end := (begin + uintptr(len(taken))) &^ (HugePage - 1)
	begin = (begin + HugePage - 1) &^ (HugePage - 1)
	s := Stretch{begin: begin, bytes: end - begin}
	s.backed = min(s.bytes, uintptr(max(0, min(ready, Ready)))) &^ (HugePage - 1)
	s.huge()
	runtime.KeepAlive(taken)
	debug.FreeOSMemory() // now, or the collector takes it for the size of the heap, and gives it back when it is backed
	return s
}

// Back has the system put memory behind the beginning of the stretch now, while a
// node starts, instead of at the first touch of each page: where the machine is a
// virtual one, the host may have to find that memory first, and that takes longer than
// what is done in it. It does not change what the heap has there, and is to be called
// once.
func (s Stretch) Back() {
	for at := uintptr(0); at < s.backed; at += HugePage {
		if !s.populate(at) {
			return
		}
	}
}

// Unback lets the heap know of what Back took and the heap has not used: it takes that
// for untouched memory, which is not given back. It is taken and let go of, so that it
// is given back with the rest after the next collection. Unback returns about how many
// bytes that are, 0 when it is called again.
func (s *Stretch) Unback() int64 {
	backed := s.backed
	if s.backed = 0; backed > 0 {
		runtime.KeepAlive(make([]byte, backed))
	}
	return int64(backed)
}
