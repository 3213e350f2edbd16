package engine

import (
	"github.com/cockroachdb/pebble/v2/vfs"
	"golang.org/x/sys/unix"
)

// forget asks the system to drop what it has of the file in memory, so that
// what is read next comes from the disk.
func forget(file File) {
	if fd := file.Fd(); fd != vfs.InvalidFd {
		_ = unix.Fadvise(int(fd), 0, 0, unix.FADV_DONTNEED) // a request
	}
}
