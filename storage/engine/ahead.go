package engine

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// After a start nothing of the store is in the memory of the system. Reading
// ahead asks the system for tables while the rest of the node opens: it takes no
// memory of the process, and what the system has no room for it leaves out.
// First come the ends of all tables: there a segment has what nearly every
// question reads of it, its filters, schemas and words, and Pebble the index of
// the table. Then come the newest tables, as most questions are about what came
// in last.

// Limits of what is read ahead where the configuration does not say it: a share
// of the memory that the system could give, so that a machine that has much of
// it is fast from the start and one that has little keeps it for others.
const (
	aheadShare = 16 // one part in so many
	aheadLeast = int64(64 << 20)
	aheadMost  = int64(512 << 20)
)

const (
	// aheadChunk is how much the system is asked for at once: of more it may
	// read only the beginning.
	aheadChunk = int64(1 << 20)
	// endShare is which part of a table, one in so many, is its end: filters,
	// schemas and words are less than an eighth of a segment, and the index of
	// the table stands behind them.
	endShare = 7
)

// aheadBytes returns how much is read ahead by default on a system that could
// give so many bytes of memory, 0 if it does not say.
func aheadBytes(available int64) int64 {
	return max(aheadLeast, min(aheadMost, available/aheadShare))
}

// table is a table on the disk.
type table struct {
	name   string
	number uint64
}

// tablesOf returns the tables in a folder, the newest first.
func (e *Engine) tablesOf(dir string) []table {
	names, err := e.cfg.FS.List(dir)
	if err != nil {
		return nil
	}
	var tables []table
	for _, name := range names {
		if base, ok := strings.CutSuffix(name, tableSuffix); ok {
			if number, err := strconv.ParseUint(base, 10, 64); err == nil {
				tables = append(tables, table{e.cfg.FS.PathJoin(dir, name), number})
			}
		}
	}
	slices.SortFunc(tables, func(a, b table) int { return cmp.Compare(b.number, a.number) })
	return tables
}

// readAhead asks for the ends of all tables and then for the rest of the
// newest, up to a number of bytes in all, until the store is closed. Nothing
// depends on it, so that errors end it and no more.
func (e *Engine) readAhead(dir string, limit int64) {
	tables := e.tablesOf(dir)
	for _, end := range []bool{true, false} {
		for _, t := range tables {
			if limit <= 0 {
				return
			}
			limit -= e.readTableAhead(t.name, end, limit)
		}
	}
}

// tableSuffix is how the names of Pebble's tables end; before it is a number
// that rises.
const tableSuffix = ".sst"

// readTableAhead asks for the end of a table, or for all before it, and returns
// for how many bytes. An error takes all of the limit: no more is asked for.
func (e *Engine) readTableAhead(name string, end bool, limit int64) (asked int64) {
	file, err := e.cfg.FS.Open(name)
	if err != nil {
		return 0 // it was deleted meanwhile
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return 0
	}
	from, to := int64(0), info.Size()-info.Size()/endShare
	if end {
		from, to = to, info.Size()
	}
	for to = min(to, from+limit); from < to && !e.closing.Load(); {
		length := min(aheadChunk, to-from)
		if err := file.Prefetch(from, length); err != nil && !errors.Is(err, syscall.Errno(0)) {
			return limit // a store on Linux says 0 where all went well
		}
		from, asked = from+length, asked+length
		e.ahead.Add(uint64(length))
	}
	return asked
}
