package engine

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/objstorage/objstorageprovider"
	"github.com/cockroachdb/pebble/v2/sstable"
	"github.com/cockroachdb/pebble/v2/vfs"
)

// Batch is a set of changes that become durable together.
type Batch struct{ changes []change }

type change struct {
	key, value []byte
	upper      []byte // of a deleted range
	kind       changeKind
}

type changeKind uint8

const (
	changeSet changeKind = iota
	changeDelete
	changeDeleteRange
)

// Set gives the key a value. Both are kept until the batch is committed.
func (b *Batch) Set(key, value []byte) {
	b.changes = append(b.changes, change{key: key, value: value, kind: changeSet})
}

// Delete removes the key.
func (b *Batch) Delete(key []byte) {
	b.changes = append(b.changes, change{key: key, kind: changeDelete})
}

// DeleteRange removes every key with lower <= key < upper.
func (b *Batch) DeleteRange(lower, upper []byte) {
	b.changes = append(b.changes, change{key: lower, upper: upper, kind: changeDeleteRange})
}

// Commit makes the batch durable, all of it or nothing.
func (e *Engine) Commit(b *Batch) error {
	return e.write("commit batch", func(db *pebble.DB) error {
		batch := db.NewBatch()
		for _, c := range b.changes {
			var err error
			switch c.kind {
			case changeSet:
				err = batch.Set(c.key, c.value, nil)
			case changeDelete:
				err = batch.Delete(c.key, nil)
			case changeDeleteRange:
				err = batch.DeleteRange(c.key, c.upper, nil)
			}
			if err != nil {
				return errors.Join(err, batch.Close())
			}
		}
		return errors.Join(batch.Commit(pebble.Sync), batch.Close())
	})
}

// Table is a sorted run of keys under construction outside the store.
type Table struct {
	engine *Engine
	path   string
	writer *sstable.Writer
	bytes  int64
	keys   int64
}

// NewTable starts a table, of which all belongs to an owner, "" for nobody.
func (e *Engine) NewTable(owner string) (*Table, error) {
	db, release, err := e.acquire()
	if err != nil {
		return nil, err
	}
	defer release()
	path := e.fs.PathJoin(e.tables, fmt.Sprintf("%d.sst", e.serial.Add(1)))
	category := vfs.WriteCategoryUnspecified
	if owner != "" {
		category = vfs.DiskWriteCategory(ownedBy + owner)
	}
	file, err := e.fs.Create(path, category)
	if err != nil {
		return nil, fmt.Errorf("create table %s: %w", path, err)
	}
	writer := sstable.NewWriter(objstorageprovider.NewFileWritable(file), sstable.WriterOptions{
		TableFormat:          db.TableFormat(),
		Compression:          sstable.NoCompression,
		BlockSize:            tableBlockBytes,
		IndexBlockSize:       tableIndexBytes,
		DisableValueBlocks:   true,
		WritingToLowestLevel: true,
	})
	return &Table{engine: e, path: path, writer: writer}, nil
}

// Set adds a key, which must be greater than the one before.
func (t *Table) Set(key, value []byte) error {
	if err := t.writer.Set(key, value); err != nil {
		return fmt.Errorf("add key to table %s: %w", t.path, err)
	}
	t.keys++
	t.bytes += int64(len(key) + len(value))
	return nil
}

// Bytes returns the size of the keys and values so far.
func (t *Table) Bytes() int64 { return t.bytes }

// Finish makes the table durable; nothing can be added afterwards.
func (t *Table) Finish() error {
	err := t.writer.Close()
	t.writer = nil
	if err != nil {
		return fmt.Errorf("finish table %s: %w", t.path, err)
	}
	return nil
}

// Abort throws the table away. It may be called at any time before Ingest.
func (t *Table) Abort() {
	if t.writer != nil {
		_ = t.writer.Close() // the file goes away
		t.writer = nil
	}
	_ = t.engine.fs.Remove(t.path) // best effort: Open clears the folder
}

// Ingest makes finished tables part of the store, all of them or none, and
// durable. Their key ranges must not overlap.
func (e *Engine) Ingest(ctx context.Context, tables ...*Table) error {
	paths := make([]string, 0, len(tables))
	for _, t := range tables {
		if t.keys > 0 {
			paths = append(paths, t.path)
		}
	}
	if len(paths) == 0 {
		return nil
	}
	e.spans.Lock()
	defer e.spans.Unlock()
	return e.write("ingest tables", func(db *pebble.DB) error { return db.Ingest(ctx, paths) })
}

// Replace makes a finished table, with at least one key, the whole content of
// lower <= key < upper, at once and durably. What was there is not read if it
// is in tables that have nothing outside of the span.
func (e *Engine) Replace(ctx context.Context, lower, upper []byte, table *Table) error {
	e.spans.Lock()
	defer e.spans.Unlock()
	return e.write("replace span", func(db *pebble.DB) error {
		return e.swap(func() error {
			_, err := db.IngestAndExcise(ctx, []string{table.path}, nil, nil, pebble.KeyRange{Start: lower, End: upper})
			return err
		})
	})
}
