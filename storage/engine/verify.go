package engine

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Verify reads every key with lower <= key < upper that is in a table from the
// table's file, with all checksums on the way there and past the block cache,
// and calls visit for each in ascending order, with bytes that are valid only
// inside visit. It is meant for whole ingested tables: what has only been
// committed is not looked at. Damage wraps ErrCorrupt; it is not reported to
// Config.OnCorruption. After ErrAgain it has to be called again from the start.
func (e *Engine) Verify(ctx context.Context, lower, upper []byte, visit func(key, value []byte) error) error {
	db, release, err := e.acquire()
	if err != nil {
		return err
	}
	defer release()
	levels, err := db.SSTables(pebble.WithKeyRangeFilter(lower, upper))
	if err != nil {
		return fmt.Errorf("list tables of %x: %w", lower, translate(err))
	}
	for _, level := range levels {
		for _, table := range level {
			if err := e.verifyTable(ctx, table, lower, upper, visit); err != nil {
				return err
			}
		}
	}
	return nil
}

// verifyTable reads the keys of one table that are in the span.
func (e *Engine) verifyTable(ctx context.Context, table pebble.SSTableInfo, lower, upper []byte, visit func(key, value []byte) error) (err error) {
	if bytes.Compare(table.Smallest.UserKey, lower) > 0 {
		lower = table.Smallest.UserKey
	}
	path := e.tablePath(table)
	file, err := e.fs.Open(path, vfs.RandomReadsOption)
	if err != nil {
		return fmt.Errorf("open table %s: %w: %w", path, ErrAgain, err)
	}
	forget(file)
	readable, err := sstable.NewSimpleReadable(file)
	if err != nil {
		return errors.Join(fmt.Errorf("open table %s: %w", path, err), file.Close())
	}
	reader, err := sstable.NewReader(ctx, readable, sstable.ReaderOptions{})
	if err != nil {
		return errors.Join(fmt.Errorf("open table %s: %w", path, damageOf(err)), readable.Close())
	}
	defer func() { err = errors.Join(err, reader.Close()) }()
	iter, err := reader.NewIter(sstable.NoTransforms, lower, upper, sstable.AssertNoBlobHandles)
	if err != nil {
		return fmt.Errorf("read table %s: %w", path, damageOf(err))
	}
	for kv := iter.First(); kv != nil; kv = iter.Next() {
		if bytes.Compare(kv.K.UserKey, table.Largest.UserKey) > 0 {
			break
		}
		if err := ctx.Err(); err != nil {
			return errors.Join(err, iter.Close())
		}
		value, _, err := kv.Value(nil)
		if err != nil {
			err = damageOf(err)
		} else {
			err = visit(kv.K.UserKey, value)
		}
		if err != nil {
			return errors.Join(fmt.Errorf("read table %s: %w", path, err), iter.Close())
		}
	}
	if err := errors.Join(iter.Error(), iter.Close()); err != nil {
		return fmt.Errorf("read table %s: %w", path, damageOf(err))
	}
	return nil
}

// damageOf says of an error met while a table's file is read that it is damage:
// a file that ends too early or has nonsense in it gives errors of all kinds.
func damageOf(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, ErrCorrupt) {
		return err
	}
	return fmt.Errorf("%w: %w", ErrCorrupt, err)
}

// Files returns the files of the tables that have keys with
// lower <= key < upper.
func (e *Engine) Files(lower, upper []byte) []string {
	db, release, err := e.acquire()
	if err != nil {
		return nil
	}
	defer release()
	levels, err := db.SSTables(pebble.WithKeyRangeFilter(lower, upper))
	if err != nil {
		return nil
	}
	var files []string
	for _, level := range levels {
		for _, table := range level {
			files = append(files, e.tablePath(table))
		}
	}
	return files
}
