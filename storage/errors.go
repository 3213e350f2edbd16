package storage

import (
	"errors"

	"github.com/stere-log/stere/storage/engine"
)

var (
	// ErrClosed says that the shard is closed.
	ErrClosed = errors.New("shard is closed")
	// ErrManifest says that the manifest cannot be read.
	ErrManifest = errors.New("manifest is damaged or of another version")
	// ErrOvertaken says that a restored snapshot has replaced what was being
	// sealed.
	ErrOvertaken = errors.New("overtaken by a restored snapshot")
	// ErrInput says that a merge names a segment that is not there or cannot
	// be read.
	ErrInput = errors.New("merge input is missing or damaged")
)

// IsNoSpace reports whether an error comes from a full disk.
func IsNoSpace(err error) bool { return engine.IsNoSpace(err) }
