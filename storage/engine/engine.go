package engine

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
)

// formatVersion is the pinned version of Pebble's own format
// (docs/format/keys.md). Raising it is a format change of Stere.
const formatVersion = pebble.FormatMajorVersion(24)

// Named limits.
const (
	defaultCacheBytes = 4 << 20
	defaultDiskSlow   = 10 * time.Second
	memTableBytes     = 256 << 10 // manifests only; a file of the store's log takes as much at most
	openFilesMax      = 4096
	ballastBytes      = 256 << 10
	tableBlockBytes   = 8 << 10 // read at once, besides what is larger
	tableIndexBytes   = 1 << 20 // one index for a table, so that a look-up reads no second one
)

// BallastName is a file in the store's folder that only takes space, until the
// disk is full.
const BallastName = "BALLAST"

const keysName = "keys" // the folder of Pebble in the store's folder

// Config says where the store lives. The zero value of a field means its
// default; FS and Dir must be given.
type Config struct {
	FS         FS
	Dir        string        // the store's own folder
	CacheBytes int64         // blocks kept in memory; default 4 MiB
	AheadBytes int64         // of tables, read ahead after a start; default a share of the memory that is free, below 0 none
	DiskSlow   time.Duration // a write that takes longer is fatal; default 10 s
	Logger     *slog.Logger  // default: discard
	// OnFatal is called once, from any goroutine, when nothing written can be
	// trusted any more. The process must end; the store refuses every write.
	OnFatal func(error)
	// OnCorruption is told the file of each piece of damage as it is met.
	OnCorruption func(path string, err error)
}

// Engine is the open store.
type Engine struct {
	cfg    Config
	fs     FS
	logger *slog.Logger
	tables string // folder of tables under construction
	serial atomic.Uint64
	failed atomic.Pointer[failure]
	damage atomic.Uint64
	full   fullness

	// spans is held while whole tables come, go or are replaced, so that what is
	// written anew (Reclaim) is what is there.
	spans sync.Mutex
	// swaps is how often a table began or ended to take another's place: odd while one
	// does, which holds swapping. Pebble has a moment then in which who begins to read
	// sees neither.
	swaps    atomic.Uint64
	swapping sync.RWMutex

	closing atomic.Bool
	ahead   atomic.Uint64  // bytes
	reading sync.WaitGroup // the goroutine that reads ahead

	mu struct {
		sync.RWMutex // held for reading during every call, so that Close waits
		db           *pebble.DB
	}
}

type failure struct{ err error }

// Open opens or creates the store.
func Open(cfg Config) (*Engine, error) {
	if cfg.FS == nil || cfg.Dir == "" {
		return nil, errors.New("open store: a file system and a folder must be given")
	}
	if cfg.CacheBytes <= 0 {
		cfg.CacheBytes = defaultCacheBytes
	}
	if cfg.AheadBytes == 0 {
		cfg.AheadBytes = aheadBytes(availableMemory())
	}
	if cfg.DiskSlow <= 0 {
		cfg.DiskSlow = defaultDiskSlow
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	e := &Engine{cfg: cfg, logger: cfg.Logger, tables: cfg.FS.PathJoin(cfg.Dir, "building")}
	if err := MakeDir(cfg.FS, cfg.Dir); err != nil {
		return nil, err
	}
	// Tables that were under construction when the process ended are garbage.
	if err := cfg.FS.RemoveAll(e.tables); err != nil {
		return nil, fmt.Errorf("clear %s: %w", e.tables, err)
	}
	if err := MakeDir(cfg.FS, e.tables); err != nil {
		return nil, err
	}
	e.full = fullness{
		logger: e.logger, take: func() error { return nil }, release: func() error { return nil },
		free: func() (uint64, bool) { free, _, known := Free(cfg.FS, cfg.Dir); return free, known },
	}
	e.fs = &logFS{e.withBallast(cfg.FS), e.fail, e.Failed}
	keys := cfg.FS.PathJoin(cfg.Dir, keysName)
	e.reading.Go(func() { e.readAhead(keys, cfg.AheadBytes) })
	cache := pebble.NewCache(cfg.CacheBytes)
	defer cache.Unref()
	db, err := pebble.Open(keys, e.options(cache))
	if err != nil {
		e.stopReading()
		return nil, fmt.Errorf("open store %s: %w", cfg.Dir, translate(err))
	}
	// A file of the log may have failed, which Pebble does not know.
	if err := cmp.Or(e.Failed(), SyncDir(cfg.FS, cfg.Dir)); err != nil {
		e.stopReading()
		return nil, errors.Join(err, db.Close())
	}
	e.mu.db = db
	return e, nil
}

func (e *Engine) options(cache *pebble.Cache) *pebble.Options {
	o := &pebble.Options{
		FS:                          e.fs,
		FormatMajorVersion:          formatVersion,
		Cache:                       cache,
		MaxOpenFiles:                openFilesMax,
		MemTableSize:                memTableBytes,
		MemTableStopWritesThreshold: 4,
		L0CompactionThreshold:       4,
		L0StopWritesThreshold:       24,
		BytesPerSync:                1 << 20,
		FlushDelayDeleteRange:       10 * time.Second,
		CompactionConcurrencyRange:  func() (int, int) { return 1, 2 },
		Logger:                      pebbleLogger{e},
		EventListener: &pebble.EventListener{
			BackgroundError: e.backgroundError,
			DataCorruption:  e.corruption,
			DiskSlow:        e.diskSlow,
		},
	}
	o.Experimental.EnableColumnarBlocks = func() bool { return true }
	for i := range o.Levels {
		o.Levels[i].Compression = func() *sstable.CompressionProfile { return sstable.FastestCompression }
	}
	// The last level holds chunks of segments, which are compressed already.
	last := &o.Levels[len(o.Levels)-1]
	last.Compression = func() *sstable.CompressionProfile { return sstable.NoCompression }
	last.BlockSize, last.IndexBlockSize = tableBlockBytes, tableIndexBytes
	return o
}

func (e *Engine) backgroundError(err error) {
	if IsNoSpace(err) {
		e.full.meet(err)
		return
	}
	e.logger.Error("the store's background work met an error", "error", err)
}

func (e *Engine) corruption(info pebble.DataCorruptionInfo) {
	e.damage.Add(1)
	e.logger.Error("damaged data on disk", "file", info.Path, "error", info.Details)
	if e.cfg.OnCorruption != nil {
		e.cfg.OnCorruption(info.Path, info.Details)
	}
}

// diskSlow ends the node when a write hangs: a leader with a hung disk would
// lead for ever.
func (e *Engine) diskSlow(info pebble.DiskSlowInfo) {
	if info.Duration < e.cfg.DiskSlow {
		e.logger.Warn("slow disk", "detail", info.String())
		return
	}
	e.fail(fmt.Errorf("a write has been hanging: %s", info))
}

// fail refuses all further writes and reports the first reason.
func (e *Engine) fail(err error) {
	if !e.failed.CompareAndSwap(nil, &failure{err}) {
		return
	}
	e.logger.Error("the store has failed", "error", err)
	if e.cfg.OnFatal != nil {
		e.cfg.OnFatal(fmt.Errorf("%w: %w", ErrFailed, err))
	}
}

// Failed returns why the store refuses writes, nil while it does not.
func (e *Engine) Failed() error {
	if f := e.failed.Load(); f != nil {
		return fmt.Errorf("%w: %w", ErrFailed, f.err)
	}
	return nil
}

// acquire returns the database and keeps it open until release is called.
func (e *Engine) acquire() (db *pebble.DB, release func(), err error) {
	e.mu.RLock()
	if e.mu.db == nil {
		e.mu.RUnlock()
		return nil, nil, ErrClosed
	}
	return e.mu.db, e.mu.RUnlock, nil
}

// swap lets tables take the place of others.
func (e *Engine) swap(tables func() error) error {
	e.swapping.Lock()
	defer e.swapping.Unlock()
	e.swaps.Add(1)
	defer e.swaps.Add(1)
	return tables()
}

// swapped waits while tables take the place of others, and reports whether they did
// since swaps was before.
func (e *Engine) swapped(before uint64) bool {
	if before%2 == 0 && e.swaps.Load() == before {
		return false
	}
	e.swapping.RLock()
	defer e.swapping.RUnlock()
	return true
}

// Get calls use with the key's value, which is valid only inside use.
func (e *Engine) Get(key []byte, use func(value []byte) error) error {
	db, release, err := e.acquire()
	if err != nil {
		return err
	}
	defer release()
	swaps := e.swaps.Load()
	value, closer, err := db.Get(key)
	for errors.Is(err, pebble.ErrNotFound) && e.swapped(swaps) {
		swaps = e.swaps.Load()
		value, closer, err = db.Get(key)
	}
	if err != nil {
		return fmt.Errorf("get key %x: %w", key, translate(err))
	}
	return errors.Join(use(value), closer.Close())
}

// newIter returns an iterator that sees everything.
func (e *Engine) newIter(db *pebble.DB, lower, upper []byte) (*pebble.Iterator, error) {
	for {
		swaps := e.swaps.Load()
		iter, err := db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
		if err != nil || !e.swapped(swaps) {
			return iter, err
		}
		if err := iter.Close(); err != nil {
			return nil, err
		}
	}
}

// Scan calls visit for each key with lower <= key < upper in ascending order.
// Key and value are valid only inside visit. Scan ends without an error when
// visit returns ErrStop.
func (e *Engine) Scan(lower, upper []byte, visit func(key, value []byte) error) error {
	db, release, err := e.acquire()
	if err != nil {
		return err
	}
	defer release()
	iter, err := e.newIter(db, lower, upper)
	if err != nil {
		return fmt.Errorf("scan keys %x: %w", lower, translate(err))
	}
	for ok := iter.First(); ok; ok = iter.Next() {
		value, err := iter.ValueAndErr()
		if err == nil {
			err = visit(iter.Key(), value)
		}
		if err == ErrStop {
			break
		}
		if err != nil {
			return errors.Join(fmt.Errorf("scan key %x: %w", iter.Key(), translate(err)), iter.Close())
		}
	}
	if err := errors.Join(iter.Error(), iter.Close()); err != nil {
		return fmt.Errorf("scan keys %x: %w", lower, translate(err))
	}
	return nil
}

// First returns the first key with lower <= key < upper, nil if there is none.
func (e *Engine) First(lower, upper []byte) ([]byte, error) {
	db, release, err := e.acquire()
	if err != nil {
		return nil, err
	}
	defer release()
	iter, err := e.newIter(db, lower, upper)
	if err != nil {
		return nil, fmt.Errorf("seek key %x: %w", lower, translate(err))
	}
	var key []byte
	if iter.First() {
		key = append(key, iter.Key()...)
	}
	if err := errors.Join(iter.Error(), iter.Close()); err != nil {
		return nil, fmt.Errorf("seek key %x: %w", lower, translate(err))
	}
	return key, nil
}

// DeleteSpan removes every key with lower <= key < upper at once and for good.
// It is meant for whole ingested tables, whose space it gives back without
// rewriting anything. ErrCorrupt says that nothing was removed, because a table
// that also has keys outside of the span is damaged where these begin.
func (e *Engine) DeleteSpan(ctx context.Context, lower, upper []byte) error {
	e.spans.Lock()
	defer e.spans.Unlock()
	return e.write("delete span", func(db *pebble.DB) error {
		if err := excisable(db, lower, upper); err != nil {
			return err
		}
		return db.Excise(ctx, pebble.KeyRange{Start: lower, End: upper})
	})
}

// excisable looks at the keys around the span as Pebble will: it cuts tables
// there, and would lose keys next to the cut that it cannot read. Tables that
// have no other keys go without being read.
func excisable(db *pebble.DB, lower, upper []byte) error {
	iter, err := db.NewIter(nil)
	if err != nil {
		return err
	}
	iter.SeekLT(lower)
	err = iter.Error()
	if err == nil {
		iter.SeekGE(upper)
		err = iter.Error()
	}
	if err = errors.Join(err, iter.Close()); err == nil {
		return nil
	}
	levels, listed := db.SSTables(pebble.WithKeyRangeFilter(lower, upper))
	if listed != nil {
		return errors.Join(err, listed)
	}
	for _, level := range levels {
		for _, table := range level {
			if bytes.Compare(table.Smallest.UserKey, lower) < 0 || bytes.Compare(table.Largest.UserKey, upper) >= 0 {
				return err
			}
		}
	}
	return nil
}

// write runs one change and refuses it after a failure. The store's own fatal
// errors are reported beside the return value, so both are looked at.
func (e *Engine) write(verb string, change func(*pebble.DB) error) error {
	db, release, err := e.acquire()
	if err != nil {
		return err
	}
	defer release()
	if err := e.Failed(); err != nil {
		return err
	}
	if err := change(db); err != nil {
		return fmt.Errorf("%s: %w", verb, translate(err))
	}
	if err := e.Failed(); err != nil {
		return err
	}
	e.full.look()
	return nil
}

// Stats are figures of the store at one moment.
type Stats struct {
	DiskBytes   uint64 // tables, log and bookkeeping
	Tables      int64
	Compactions int64 // since the store was opened
	CacheHits   int64
	CacheMisses int64
	Damaged     uint64 // pieces of damage met since the store was opened
	AheadBytes  uint64 // of tables, asked for after the start
}

// How long AwaitDeletions waits, and how often it looks: Pebble deletes files
// in the background and does not tell when it is done.
const (
	deletionsTimeout = 5 * time.Second
	deletionsPoll    = 5 * time.Millisecond
)

// AwaitDeletions returns when the files of deleted tables are gone, or after
// some seconds: a reader may hold them longer.
func (e *Engine) AwaitDeletions(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, deletionsTimeout)
	defer cancel()
	ticker := time.NewTicker(deletionsPoll)
	defer ticker.Stop()
	for {
		db, release, err := e.acquire()
		if err != nil {
			return err
		}
		tables := db.Metrics().Table
		release()
		if tables.ObsoleteCount == 0 && tables.ZombieCount == 0 {
			return nil
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		}
	}
}

// Stats returns the store's figures.
func (e *Engine) Stats() Stats {
	db, release, err := e.acquire()
	if err != nil {
		return Stats{}
	}
	defer release()
	m := db.Metrics()
	total := m.Total()
	return Stats{
		DiskBytes: m.DiskSpaceUsage(), Tables: total.TablesCount, Compactions: m.Compact.Count,
		CacheHits: m.BlockCache.Hits, CacheMisses: m.BlockCache.Misses, Damaged: e.damage.Load(),
		AheadBytes: e.ahead.Load(),
	}
}

// stopReading ends reading ahead.
func (e *Engine) stopReading() {
	e.closing.Store(true)
	e.reading.Wait()
}

// Close waits for calls under way and closes the store.
func (e *Engine) Close() error {
	e.stopReading()
	e.mu.Lock()
	defer e.mu.Unlock()
	if e.mu.db == nil {
		return nil
	}
	db := e.mu.db
	e.mu.db = nil
	if err := db.Close(); err != nil {
		return fmt.Errorf("close store: %w", err)
	}
	return nil
}

// translate maps Pebble's errors to this package's own.
func translate(err error) error {
	switch {
	case errors.Is(err, pebble.ErrNotFound):
		return ErrNotFound
	case pebble.IsCorruptionError(err):
		return fmt.Errorf("%w: %w", ErrCorrupt, err)
	}
	return err
}

// pebbleLogger hands Pebble's log to slog and its fatal errors to fail. Fatalf
// returns, contrary to Pebble's expectation; therefore every write looks at
// Failed before it reports success.
type pebbleLogger struct{ e *Engine }

func (l pebbleLogger) Infof(string, ...any) {} // compactions and flushes: noise

func (l pebbleLogger) Errorf(format string, args ...any) {
	l.e.logger.Error("store", "message", fmt.Sprintf(format, args...))
}

func (l pebbleLogger) Fatalf(format string, args ...any) {
	l.e.fail(fmt.Errorf(format, args...))
}
