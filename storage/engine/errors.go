package engine

import "errors"

var (
	// ErrNotFound says that there is no such key.
	ErrNotFound = errors.New("no such key")
	// ErrCorrupt says that bytes on disk do not carry their checksum.
	ErrCorrupt = errors.New("damaged data on disk")
	// ErrAgain says that a table was replaced while its file was looked for.
	ErrAgain = errors.New("a table was replaced meanwhile")
	// ErrStop is returned by a visit function to end a scan early.
	ErrStop = errors.New("enough")
	// ErrFailed says that the store has met an error after which nothing that
	// it writes can be trusted; the process has to be started again.
	ErrFailed = errors.New("the store has failed")
	// ErrClosed says that the store is closed.
	ErrClosed = errors.New("the store is closed")
	// ErrLocked says that another process uses the folder.
	ErrLocked = errors.New("the folder is in use by another process")
)
