package storage

import (
	"errors"

	"github.com/stere-log/stere/storage/engine"
	"github.com/stere-log/stere/storage/segment"
)

var (
	// ErrClosed says that the shard is closed.
	ErrClosed = errors.New("shard is closed")
	// ErrManifest says that the manifest cannot be read.
	ErrManifest = errors.New("manifest is damaged or of another version")
	// ErrOvertaken says that a restored snapshot has replaced what was being
	// sealed.
	ErrOvertaken = errors.New("overtaken by a restored snapshot")
	// ErrNoSegment says that the manifest does not have the segment.
	ErrNoSegment = errors.New("no such segment in the manifest")
	// ErrMissing says that the manifest has the segment and that it is not here.
	ErrMissing = errors.New("segment is missing here")
	// ErrUnwanted says that a segment is here already, or not in the manifest.
	ErrUnwanted = errors.New("segment is not wanted")
	// ErrPosition says that replicas are not at the same position.
	ErrPosition = errors.New("replicas are at different positions")
	// ErrDiverged says that a segment has other records than the manifest says.
	ErrDiverged = errors.New("segment is not the one of the manifest")
	// ErrDeletion says that a deletion is none.
	ErrDeletion = errors.New("deletion is not one that can be carried out")
	// ErrInput says that a merge names a segment that is not there or cannot
	// be read.
	ErrInput = errors.New("merge input is missing or damaged")
)

// IsDamage tells errors of the stored data from errors of the machine.
func IsDamage(err error) bool {
	for _, kind := range []error{ErrInput, ErrMissing, ErrDiverged, engine.ErrCorrupt, engine.ErrNotFound, segment.ErrCorrupt} {
		if errors.Is(err, kind) {
			return true
		}
	}
	return false
}

// IsNoSpace reports whether an error comes from a full disk.
func IsNoSpace(err error) bool { return engine.IsNoSpace(err) }
