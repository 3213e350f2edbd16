package node

import (
	"context"
	"log/slog"
	"sync/atomic"
	"time"

	"github.com/stere-log/stere/storage/engine"
)

// diskWatch knows how much of the disk is free.
type diskWatch struct {
	fs      engine.FS
	dir     string
	reserve int64 // configured; 0: default
	logger  *slog.Logger

	known atomic.Bool  // the file system can tell
	free  atomic.Int64 // bytes
	total atomic.Int64 // bytes of the file system
	floor atomic.Int64 // the reserve in effect, bytes
	full  atomic.Bool
	// filled has a value when the disk has become full and nobody has looked.
	filled chan struct{}
}

// look measures once.
func (d *diskWatch) look() {
	free, total, ok := engine.Free(d.fs, d.dir)
	d.known.Store(ok)
	if !ok {
		d.full.Store(false)
		return
	}
	floor := d.reserve
	if floor == 0 {
		floor = min(DefaultReserveBytes, int64(total/DefaultReserveShare))
	}
	d.free.Store(int64(free))
	d.total.Store(int64(total))
	d.floor.Store(floor)
	full := int64(free) < floor
	if d.full.Swap(full) != full {
		if full {
			d.logger.Error("the disk is nearly full: records are refused", "free_bytes", free, "reserve_bytes", floor)
			select {
			case d.filled <- struct{}{}:
			default:
			}
		} else {
			d.logger.Info("the disk has room again: records are taken", "free_bytes", free, "reserve_bytes", floor)
		}
	}
}

// run measures until the context ends.
func (d *diskWatch) run(ctx context.Context) error {
	ticker := time.NewTicker(diskInterval)
	defer ticker.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
			d.look()
		}
	}
}

// room reports whether this many bytes can be written and a quarter of the
// reserve stays. Sealing may use the rest of the reserve, so that the log can
// be cut and space comes back.
func (d *diskWatch) room(bytes int64) bool {
	return !d.known.Load() || d.free.Load()-bytes >= d.floor.Load()/4
}
