package storage

import "errors"

var (
	// ErrClosed says that the shard is closed.
	ErrClosed = errors.New("shard is closed")
	// ErrManifest says that the manifest cannot be read.
	ErrManifest = errors.New("manifest is damaged or of another version")
	// ErrInput says that a merge names a segment that is not there or cannot
	// be read.
	ErrInput = errors.New("merge input is missing or damaged")
)
