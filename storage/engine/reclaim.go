package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/cockroachdb/pebble/v2"
)

// Reclaim makes the bytes go that deleted keys left in tables: a table of which a span
// was deleted keeps the bytes of the span as long as it has other keys. Those with keys
// lower <= key < upper are written anew, one after the other; pace is called with the
// bytes of each and may wait. What is in no such table, because it was written in
// batches, is compacted between the bounds small and smallEnd. What cannot be read
// stays as it is, and is an error.
func (e *Engine) Reclaim(ctx context.Context, lower, upper, small, smallEnd []byte, pace func(ctx context.Context, bytes int) error) error {
	err := e.write("compact", func(db *pebble.DB) error {
		return errors.Join(db.Flush(), db.Compact(ctx, small, smallEnd, false))
	})
	if err != nil {
		return err
	}
	for {
		rests, err := e.rests(lower, upper)
		if err != nil || len(rests) == 0 {
			return err
		}
		for _, rest := range rests {
			if err := pace(ctx, int(rest.Size)); err != nil {
				return err
			}
			if err := e.renew(ctx, rest); err != nil {
				return err
			}
		}
	}
}

// Renew writes anew what is in files for which old says so, so that they go: first
// what was written in batches, with keys between first and last, then the tables
// behind that, one after the other; pace is called with the bytes of each and may
// wait. Nothing has the keys first and last themselves. What cannot be read stays
// as it is, and is an error.
func (e *Engine) Renew(ctx context.Context, first, last []byte, old func(path string) (bool, error), pace func(ctx context.Context, bytes int) error) error {
	batches, err := e.tablesThat(first, last, old)
	if err != nil {
		return err
	}
	if len(batches) > 0 {
		// What is written now spans all, so that a compaction takes all.
		var batch Batch
		batch.Delete(first)
		batch.Delete(last)
		if err := e.Commit(&batch); err != nil {
			return err
		}
		err := e.write("compact", func(db *pebble.DB) error {
			return errors.Join(db.Flush(), db.Compact(ctx, first, append(slices.Clone(last), 0), false))
		})
		if err != nil {
			return err
		}
	}
	tables, err := e.tablesThat(append(slices.Clone(last), 0), bytes.Repeat([]byte{0xff}, 64), old)
	if err != nil {
		return err
	}
	var faults []error
	for _, table := range tables {
		if err := pace(ctx, int(table.Size)); err != nil {
			return err
		}
		if err := e.renew(ctx, table); errors.Is(err, ErrCorrupt) {
			faults = append(faults, err)
		} else if err != nil {
			return err
		}
	}
	return errors.Join(faults...)
}

// tablePath returns the file in which a table is.
func (e *Engine) tablePath(table pebble.SSTableInfo) string {
	return e.fs.PathJoin(e.cfg.Dir, keysName, fmt.Sprintf("%s%s", table.BackingSSTNum, tableSuffix))
}

// tablesThat returns the tables within bounds of which the file is as wanted.
func (e *Engine) tablesThat(lower, upper []byte, wanted func(path string) (bool, error)) (found []pebble.SSTableInfo, err error) {
	db, release, err := e.acquire()
	if err != nil {
		return nil, err
	}
	defer release()
	levels, err := db.SSTables(pebble.WithKeyRangeFilter(lower, upper))
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", translate(err))
	}
	for _, level := range levels {
		for _, table := range level {
			is, err := wanted(e.tablePath(table))
			if err != nil {
				return nil, fmt.Errorf("look at table: %w", err)
			}
			if is {
				found = append(found, table)
			}
		}
	}
	return found, nil
}

// rests returns the tables within bounds that are a part of a file.
func (e *Engine) rests(lower, upper []byte) (rests []pebble.SSTableInfo, err error) {
	db, release, err := e.acquire()
	if err != nil {
		return nil, err
	}
	defer release()
	levels, err := db.SSTables(pebble.WithKeyRangeFilter(lower, upper))
	if err != nil {
		return nil, fmt.Errorf("list tables: %w", translate(err))
	}
	for _, level := range levels {
		for _, table := range level {
			if table.Virtual {
				rests = append(rests, table)
			}
		}
	}
	return rests, nil
}

// renew writes what is left of a table into one of its own.
func (e *Engine) renew(ctx context.Context, rest pebble.SSTableInfo) (err error) {
	e.spans.Lock()
	defer e.spans.Unlock()
	lower, upper := slices.Clone(rest.Smallest.UserKey), append(slices.Clone(rest.Largest.UserKey), 0)
	owner := ""
	if apart, ok := e.cfg.FS.(owners); ok {
		if owner, err = apart.Owner(e.tablePath(rest)); err != nil {
			return fmt.Errorf("renew table: %w", err)
		}
	}
	table, err := e.NewTable(owner)
	if err != nil {
		return err
	}
	defer table.Abort()
	if err := e.Scan(lower, upper, func(key, value []byte) error { return table.Set(slices.Clone(key), value) }); err != nil {
		return err
	}
	if err := table.Finish(); err != nil {
		return err
	}
	span := pebble.KeyRange{Start: lower, End: upper}
	return e.write("renew table", func(db *pebble.DB) error {
		if table.keys == 0 { // it went meanwhile
			return nil
		}
		return e.swap(func() error {
			_, err := db.IngestAndExcise(ctx, []string{table.path}, nil, nil, span)
			return err
		})
	})
}
