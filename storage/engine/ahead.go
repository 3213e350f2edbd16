package engine

import (
	"cmp"
	"errors"
	"slices"
	"strconv"
	"strings"
	"syscall"
)

// After a start the first questions are about what came in last, and nothing
// of it is in the memory of the system. Reading ahead asks the system for the
// newest tables while the rest of the node opens: it takes no memory of the
// process, and what the system has no room for it leaves out.

// aheadChunk is how much the system is asked for at once: of more it may read
// only the beginning.
const aheadChunk = int64(1 << 20)

// readAhead asks for the newest tables, up to a number of bytes in all, until
// the store is closed. Nothing depends on it, so that errors end it and no
// more.
func (e *Engine) readAhead(dir string, limit int64) {
	names, err := e.cfg.FS.List(dir)
	if err != nil {
		return
	}
	type table struct {
		name   string
		number uint64
	}
	var tables []table
	for _, name := range names {
		if base, ok := strings.CutSuffix(name, tableSuffix); ok {
			if number, err := strconv.ParseUint(base, 10, 64); err == nil {
				tables = append(tables, table{name, number})
			}
		}
	}
	slices.SortFunc(tables, func(a, b table) int { return cmp.Compare(b.number, a.number) })
	for _, t := range tables {
		if limit -= e.readTableAhead(e.cfg.FS.PathJoin(dir, t.name), limit); limit <= 0 {
			return
		}
	}
}

// tableSuffix is how the names of Pebble's tables end; before it is a number
// that rises.
const tableSuffix = ".sst"

// readTableAhead asks for a table and returns for how many bytes.
func (e *Engine) readTableAhead(name string, limit int64) (asked int64) {
	file, err := e.cfg.FS.Open(name)
	if err != nil {
		return 0 // it was deleted meanwhile
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return 0
	}
	for size := min(info.Size(), limit); asked < size && !e.closing.Load(); {
		length := min(aheadChunk, size-asked)
		if err := file.Prefetch(asked, length); err != nil && !errors.Is(err, syscall.Errno(0)) {
			return limit // a store on Linux says 0 where all went well
		}
		asked += length
		e.ahead.Add(uint64(length))
	}
	return asked
}
