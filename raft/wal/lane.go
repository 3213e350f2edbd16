package wal

import (
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	hraft "github.com/hashicorp/raft"
)

type op uint8

const (
	opAppend op = iota
	opPrefix
	opSuffix
	opStable
	opDrop
	opProbe  // is there space again?
	opLeave  // begin a new file
	opExpect // say which groups are to be here
)

// request is one thing asked of a lane's goroutine.
type request struct {
	op    op
	group uint32
	logs  []*hraft.Log // opAppend
	index uint64       // opPrefix, opSuffix
	key   string       // opStable
	value []byte       // opStable
	bytes int          // of its records, about
	sync  bool
	done  chan error

	groups []uint32 // opExpect

	offsets []uint32 // of the entries, set when they are encoded
}

// lane is one chain of files and the goroutine that writes it.
//
// The goroutine is the only one that changes anything; it takes mu for what
// others read. Memory is changed only after the sync, and before the next
// rotation: a rotation carries over what is in memory.
type lane struct {
	log     *Log
	number  int
	lanes   int
	dir     string
	queue   chan *request
	stop    chan struct{} // closed by Log.Close
	done    chan struct{} // closed when the goroutine has ended
	low     atomic.Bool   // the disk is full: only small requests
	refused int           // writes that found no space since the disk became full; the goroutine counts
	damaged atomic.Bool   // files are kept aside because groups are lost; the goroutine sets it

	mu     sync.RWMutex
	groups map[uint32]*group
	files  []*file // oldest first; the last one is written
	cache  cache

	// Of the goroutine alone:
	out      vfs.File // the last file
	page     int      // bytes of it that are written to the disk together
	enc      encoder
	next     uint64  // number of the next file
	prev     *parent // where recovery ended, until the first file is started
	stale    []*file // files that recovery found and that are not part of the chain
	tainted  bool    // the last file must not be appended to
	marked   bool    // the file says that everything before is durable
	unsynced bool    // something was written that waits for no sync
	reserved bool    // the reserve file is there
}

// parent names the end of the chain of which a new file is the continuation.
type parent struct {
	number uint64
	valid  uint32
	newest map[uint32]uint32 // where the last record of each group is
}

func newLane(w *Log, number, lanes int) *lane {
	l := &lane{
		log: w, number: number, lanes: lanes,
		dir:    w.cfg.FS.PathJoin(w.cfg.Dir, fmt.Sprintf("lane-%02d", number)),
		queue:  make(chan *request, queueMax),
		stop:   make(chan struct{}),
		done:   make(chan struct{}),
		groups: map[uint32]*group{},
		next:   1,
	}
	l.cache.limit = w.cfg.Memory
	return l
}

// submit hands a request to the goroutine and waits for its answer.
func (l *lane) submit(r *request) error {
	err := l.log.Err()
	if err == nil && r.op != opDrop && r.op != opExpect {
		l.mu.RLock()
		err = l.lost(r.group)
		l.mu.RUnlock()
	}
	if err != nil {
		return err
	}
	r.done = make(chan error, 1)
	select {
	case l.queue <- r:
	case <-l.done:
		return ErrClosed
	case <-l.log.failed:
		return l.log.Err()
	}
	select {
	case err := <-r.done:
		return err
	case <-l.done:
	case <-l.log.failed:
	}
	// The answer may have come at the same time, and it is the truth.
	select {
	case err := <-r.done:
		return err
	default:
	}
	if err := l.log.Err(); err != nil {
		return err
	}
	return ErrClosed
}

func (l *lane) run() {
	defer close(l.done)
	for {
		batch := l.collect()
		if len(batch) == 0 {
			l.finish()
			if err := l.closeFiles(); err != nil && l.log.Err() == nil {
				_ = l.log.fail(fmt.Errorf("close lane %d: %w", l.number, err))
			}
			return
		}
		l.process(batch)
	}
}

// collect waits for a request and takes what else is there. It returns nothing
// when the log is closed and nobody waits.
func (l *lane) collect() []*request {
	var first *request
	select {
	case first = <-l.queue:
	default:
		l.mark()
		select {
		case first = <-l.queue:
		case <-l.stop:
			select {
			case first = <-l.queue:
			default:
				return nil
			}
		}
	}
	batch, bytes := []*request{first}, first.bytes
	for bytes < batchMax && len(batch) < queueMax {
		select {
		case r := <-l.queue:
			batch = append(batch, r)
			bytes += r.bytes
		default:
			return batch
		}
	}
	return batch
}

func answer(batch []*request, err error) {
	for _, r := range batch {
		r.done <- err
	}
}

// shortens reports whether the request only takes entries away.
func (r *request) shortens() bool {
	return r.op == opPrefix || r.op == opSuffix || r.op == opDrop || r.op == opLeave || r.op == opExpect
}

// process carries out a batch and answers it.
func (l *lane) process(batch []*request) {
	if err := l.log.Err(); err != nil {
		answer(batch, err)
		return
	}
	batch = l.admit(batch)
	if len(batch) == 0 {
		return
	}
	err := l.commit(batch)
	if err != nil && isNoSpace(err) {
		batch, err = l.outOfSpace(batch)
	} else if err == nil && l.refused > 0 && !l.low.Load() {
		l.log.cfg.Logger.Info("disk has space again", "lane", l.number, "refused", l.refused)
		l.refused = 0
	}
	if err != nil && !isNoSpace(err) {
		err = l.log.fail(fmt.Errorf("write lane %d: %w", l.number, err))
	}
	if err != nil && isNoSpace(err) {
		err = fmt.Errorf("%w: %w", ErrNoSpace, err)
	}
	// Who shortened a log may look at the disk next, so the files that are not
	// needed go before the answer; nobody else waits for that.
	for _, r := range batch {
		if !r.shortens() {
			r.done <- err
		}
	}
	if err == nil {
		if slices.ContainsFunc(batch, func(r *request) bool { return r.op == opLeave }) {
			l.leaveAny()
		}
		for _, r := range batch {
			if r.op == opExpect {
				l.expect(r)
			}
		}
		l.leaveDead()
		l.removeDead()
		l.forgetDamaged()
	}
	for _, r := range batch {
		if r.shortens() {
			r.done <- err
		}
	}
}

// commit makes a batch durable and then true in memory.
func (l *lane) commit(batch []*request) error {
	defer l.watch()()
	if l.tainted || int64(l.enc.offset) >= l.log.cfg.FileSize {
		// A full disk is no reason to leave a file that can be appended to.
		if err := l.rotate(); err != nil && (l.tainted || !isNoSpace(err)) {
			return err
		}
	}
	if int64(l.enc.offset) >= 3*fileMax-requestMax {
		return ErrNoSpace // files can be no larger, and there is no space for another
	}
	sync, err := l.writeBatch(batch)
	if err == nil && sync {
		err = l.out.SyncData()
	}
	if err != nil {
		l.tainted = true
		return err
	}
	if sync {
		l.enc.synced, l.unsynced, l.marked = l.enc.offset, false, false
	} else {
		l.unsynced = true
	}
	l.apply(batch)
	return nil
}

// writeBatch encodes and writes the requests, at most chunkMax bytes or one
// record at a time. The file system may change what it is given, so entries
// are never written from where they are.
func (l *lane) writeBatch(batch []*request) (sync bool, err error) {
	l.enc.buf = l.enc.buf[:0]
	begin := l.enc.offset
	next := map[uint32]uint64{} // index after the last entry, of groups in this batch
	for _, r := range batch {
		sync = sync || r.sync
		switch r.op {
		case opAppend:
			l.encodeGap(r, next)
			r.offsets = r.offsets[:0]
			for _, e := range r.logs {
				if len(l.enc.buf) > 0 && len(l.enc.buf)+len(e.Data) > chunkMax {
					if err := l.flush(); err != nil {
						return false, err
					}
				}
				r.offsets = append(r.offsets, l.enc.offset)
				l.enc.entry(r.group, e)
			}
			next[r.group] = r.logs[len(r.logs)-1].Index + 1
		case opPrefix:
			l.enc.numbers(kindPrefix, r.group, r.index)
			if n, ok := next[r.group]; ok && r.index >= n {
				next[r.group] = 0
			}
		case opSuffix:
			l.enc.numbers(kindSuffix, r.group, r.index)
			if n, ok := next[r.group]; ok {
				next[r.group] = min(n, r.index)
			}
		case opStable:
			l.enc.stable(r.group, r.key, r.value)
		case opDrop:
			l.enc.numbers(kindDrop, r.group)
			next[r.group] = 0
		case opProbe, opLeave, opExpect:
		}
	}
	if sync && int(l.enc.offset-begin) >= padPages*l.page {
		l.pad()
	}
	return sync, l.flush()
}

// pad fills the page that is begun. The batch after would write it again, and what is
// durable in it would be on its way to the disk once more.
func (l *lane) pad() {
	if rest := l.page - int(l.enc.offset)%l.page; rest >= headerSize && rest < l.page {
		l.enc.pad(rest)
	}
}

// encodeGap writes down what an append that does not adjoin implies, so that
// a gap found in a file is always damage. A group has one caller that appends
// and waits; next only serves callers that do not.
func (l *lane) encodeGap(r *request, next map[uint32]uint64) {
	first := r.logs[0].Index
	after, ok := next[r.group]
	if !ok {
		if g := l.groups[r.group]; g != nil && g.first != 0 {
			after = g.last() + 1
		}
	}
	switch {
	case after == 0: // empty
	case first > after:
		l.enc.numbers(kindPrefix, r.group, first)
	case first < after:
		l.enc.numbers(kindSuffix, r.group, first)
	}
}

func (l *lane) flush() error {
	if len(l.enc.buf) == 0 {
		return nil
	}
	_, err := l.out.Write(l.enc.buf)
	if cap(l.enc.buf) > 2*chunkMax {
		l.enc.buf = nil
	}
	l.enc.buf = l.enc.buf[:0]
	return err
}

// apply makes a durable batch true in memory.
func (l *lane) apply(batch []*request) {
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.files[len(l.files)-1]
	f.size = l.enc.offset
	for _, r := range batch {
		switch r.op {
		case opAppend:
			g := l.group(r.group)
			if first := r.logs[0].Index; first > g.last()+1 {
				g.trimPrefix(first, l.drop)
			} else {
				g.trimSuffix(first, l.drop)
			}
			for i, e := range r.logs {
				l.add(g, e, f, r.offsets[i], headerSize+logFixed+len(e.Extensions)+len(e.Data))
			}
		case opPrefix:
			l.group(r.group).trimPrefix(r.index, l.drop)
		case opSuffix:
			l.group(r.group).trimSuffix(r.index, l.drop)
		case opStable:
			l.group(r.group).stable[r.key] = r.value
		case opDrop:
			l.removeGroup(r.group)
		case opProbe, opLeave, opExpect:
		}
	}
}

func (l *lane) group(id uint32) *group {
	g := l.groups[id]
	if g == nil {
		g = &group{id: id, stable: map[string][]byte{}}
		l.groups[id] = g
	}
	return g
}

func (l *lane) dropGroup(id uint32) {
	if g := l.groups[id]; g != nil {
		g.trimSuffix(0, l.drop)
		delete(l.groups, id)
	}
}

// removeGroup drops a group because somebody wants that.
func (l *lane) removeGroup(id uint32) {
	l.dropGroup(id)
	if l.groups[nameless] != nil {
		l.group(id) // it has nothing, and that is no damage
	}
}

// add appends one entry, which is in f at offset, and keeps its bytes.
func (l *lane) add(g *group, e *hraft.Log, f *file, offset uint32, size int) {
	n := &entry{
		term: e.Term, appended: e.AppendedAt, kind: e.Type, file: f, offset: offset,
		size: uint32(size), data: e.Data, ext: e.Extensions,
	}
	f.live++
	if low, ok := f.lowest[g.id]; !ok || e.Index < low {
		f.lowest[g.id] = e.Index
	}
	g.append(e.Index, n)
	l.cache.add(n)
}

// drop is called for every entry that leaves a group.
func (l *lane) drop(e *entry) {
	e.file.live--
	l.cache.remove(e)
}

// mark tells the file, while there is nothing else to do, that everything in
// it is durable: else rot in the newest record would look like a torn tail.
func (l *lane) mark() {
	if l.marked || l.tainted || l.enc.synced != l.enc.offset || l.log.Err() != nil {
		return
	}
	l.enc.buf = l.enc.buf[:0]
	l.enc.mark(l.markGroups())
	if err := l.flush(); err != nil {
		l.tainted = true
		if !isNoSpace(err) {
			_ = l.log.fail(fmt.Errorf("mark lane %d: %w", l.number, err))
		}
		return
	}
	l.marked, l.unsynced = true, true
}

// marksMax is how many groups a mark names.
const marksMax = 16

// markGroups picks the groups that a mark names: some others each time.
func (l *lane) markGroups() []uint32 {
	ids := make([]uint32, 0, min(len(l.groups), marksMax))
	for id := range l.groups {
		if ids = append(ids, id); len(ids) == marksMax {
			break
		}
	}
	slices.Sort(ids)
	return ids
}

// finish leaves a file in which nothing can be mistaken for a torn tail.
func (l *lane) finish() {
	if l.log.Err() != nil || l.tainted {
		return
	}
	defer l.watch()()
	err := l.out.SyncData()
	if err == nil && !l.marked {
		l.enc.synced = l.enc.offset
		l.mark()
		if !l.tainted {
			err = l.out.SyncData()
		}
	}
	if err != nil && !isNoSpace(err) {
		_ = l.log.fail(fmt.Errorf("close lane %d: %w", l.number, err))
	}
}

// watch says that the disk hangs if the function it returns is not called soon,
// and fails the log if it is not called in time.
func (l *lane) watch() (stop func()) {
	timers := make([]*time.Timer, 0, 2)
	if limit := l.log.cfg.SlowDisk; limit >= 0 {
		timers = append(timers, time.AfterFunc(limit, func() {
			_ = l.log.fail(fmt.Errorf("disk of lane %d did not finish a write in %v", l.number, limit))
		}))
	}
	if limit := l.log.cfg.Stall; limit >= 0 {
		hangs := make(chan struct{})
		t := time.AfterFunc(limit, func() {
			defer close(hangs)
			l.log.cfg.Logger.Error("the disk hangs: a write has not come back", "lane", l.number, "after", limit)
			l.log.hang()
		})
		return func() {
			for _, t := range timers {
				t.Stop()
			}
			if !t.Stop() {
				<-hangs // it is counted
				l.log.cfg.Logger.Info("the disk has finished a write that hung", "lane", l.number)
				l.log.recovered()
			}
		}
	}
	return func() {
		for _, t := range timers {
			t.Stop()
		}
	}
}
