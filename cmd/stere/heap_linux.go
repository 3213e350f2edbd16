package main

import "golang.org/x/sys/unix"

// huge asks for huge pages. It is advice: what the system makes of it is no
// matter to the node.
func (s heapStretch) huge() { s.advise(unix.MADV_HUGEPAGE) }

// plain takes that back.
func (s heapStretch) plain() { s.advise(unix.MADV_NOHUGEPAGE) }

func (s heapStretch) advise(advice uintptr) {
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, s.begin, s.bytes, advice)
}
