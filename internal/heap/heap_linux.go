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

// populate puts memory behind a huge page of the stretch. It reports whether the system
// can: one that cannot, or has no memory, is not asked again.
func (s Stretch) populate(at uintptr) bool {
	for {
		_, _, err := unix.Syscall(unix.SYS_MADVISE, s.begin+at, HugePage, unix.MADV_POPULATE_WRITE)
		if err != unix.EINTR { // a signal: the runtime sends them to take turns
			return err == 0
		}
	}
}
