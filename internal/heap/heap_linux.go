package heap

import "golang.org/x/sys/unix"

// huge asks for huge pages. It is advice: what the system makes of it is no
// matter to the node.
func (s Stretch) huge() { s.advise(unix.MADV_HUGEPAGE) }

// Plain takes that back.
func (s Stretch) Plain() { s.advise(unix.MADV_NOHUGEPAGE) }

func (s Stretch) advise(advice uintptr) {
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, s.begin, s.bytes, advice)
}
