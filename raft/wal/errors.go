package wal

import (
	"errors"
	"fmt"
)

var (
	// ErrNoSpace says that the disk is full: the request was refused and left
	// nothing behind. Only if the process dies before there is space again may
	// entries refused by the first such error reappear.
	ErrNoSpace = errors.New("no space left for the log")
	// ErrClosed says that the log was closed.
	ErrClosed = errors.New("log is closed")
	// ErrFailed says that the disk failed earlier and nothing is accepted.
	ErrFailed = errors.New("log has failed")
	// ErrLost says that damage took something of a group, or may have.
	ErrLost = errors.New("the log of a group is damaged")
	// ErrTooLarge says that an entry or a request exceeds what a record holds.
	ErrTooLarge = errors.New("entry is too large for the log")
)

// CorruptError says that bytes that had been made durable are not what was
// written.
type CorruptError struct {
	File   string // path of the file
	Offset int64  // where the bad record starts
	Reason string
}

// Error names the file, the offset and the reason.
func (e *CorruptError) Error() string {
	return fmt.Sprintf("log file %s is corrupt at offset %d: %s", e.File, e.Offset, e.Reason)
}
