package replica

import (
	"context"
	"errors"
	"io"

	"github.com/stere-log/stere/storage"
)

// Complete reports whether the replica has all its segments.
func (r *Replica) Complete() bool { return true }

// OpenSegment is not there yet.
func (r *Replica) OpenSegment(context.Context, storage.SegmentID, int64) (io.ReadCloser, error) {
	return nil, errors.New("not there yet")
}
