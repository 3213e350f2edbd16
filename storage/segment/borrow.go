package segment

import (
	"hash/maphash"
	"sync"

	"github.com/stere-log/stere/storage/column"
)

// Most of what a question reads is not read again soon: a scan passes over
// whole pages, a record takes one value from each. To give such a page memory
// of its own costs more than to decode it. So pages are decoded in memory that
// is lent for a moment, and kept only when they have been read several times.

// The readings at which a page is kept. A question about a text may read its
// large pages two or three times.
const (
	keptAt      = 2
	keptAtLarge = 4
)

// readingsKept is of how many pages, about, the cache counts readings.
const readingsKept = 1 << 14

// large reports whether it is of pages that take much room: hundreds of
// kilobytes instead of tens.
func (k *cacheKey) large() bool {
	switch k.item {
	case cachedTimes, cachedIDs, itemText, itemPlain, itemDict:
		return true
	}
	return false
}

// readings counts how often pages were read that are not kept. Two pages may
// share a counter, and a page may lose it to another.
type readings struct {
	seed  maphash.Seed
	mu    sync.Mutex
	pages [readingsKept]struct {
		hash  uint32
		count uint8
	}
}

// again counts a reading and reports whether the page should be kept now.
func (r *readings) again(key cacheKey) bool {
	at := uint8(keptAt)
	if key.large() {
		at = keptAtLarge
	}
	hash := maphash.Comparable(r.seed, key)
	r.mu.Lock()
	defer r.mu.Unlock()
	page := &r.pages[hash%readingsKept]
	if upper := uint32(hash >> 32); page.hash != upper {
		page.hash, page.count = upper, 0
	}
	page.count++
	if page.count < at {
		return false
	}
	page.count = 0
	return true
}

// pageRoom is memory to decode a page in.
type pageRoom struct {
	class   int
	frame   []byte
	times   timePage
	ids     idPage
	codes   column.CodePage
	groups  []textGroup
	decoder column.Decoder
}

// Limits of the memory that waits to be lent again.
const (
	pageRoomsMax = 8         // rooms of each size; a worker needs two or three at once
	pageRoomMax  = 2 << 20   // bytes for a frame, and of its decoder
	smallFrame   = 64 << 10  // to begin with
	largeFrame   = 512 << 10 // to begin with; the system gives what is used
)

// pageRooms lends room, small and large: a page should not grow every room. It
// is no sync.Pool, which forgets what it has with every other collection, and
// while little is kept these are frequent.
type pageRooms struct {
	mu   sync.Mutex
	free [2][]*pageRoom
}

func (r *pageRooms) take(large bool) *pageRoom {
	class, size := 0, smallFrame
	if large {
		class, size = 1, largeFrame
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	last := len(r.free[class]) - 1
	if last < 0 {
		return &pageRoom{class: class, frame: make([]byte, 0, size)}
	}
	room := r.free[class][last]
	r.free[class] = r.free[class][:last]
	return room
}

func (r *pageRooms) give(room *pageRoom) {
	if cap(room.frame) > pageRoomMax {
		room.frame = nil
	}
	if room.decoder.Bytes() > pageRoomMax {
		room.decoder = column.Decoder{}
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if free := r.free[room.class]; len(free) < pageRoomsMax {
		r.free[room.class] = append(free, room)
	}
}

func nothing() {}

// borrowed returns what parse makes of a frame; done must be called when it is
// not needed any more, nothing of it may be used afterwards. Parse may put it
// in the room and says how much it is.
func borrowed[T any](s *Segment, at cacheKey, key []byte, parse func(raw []byte, room *pageRoom) (T, int64, error)) (value T, done func(), err error) {
	if value, ok := s.cache.get(at); ok {
		return value.(T), nothing, nil
	}
	room := &pageRoom{} // of its own
	keep := s.cache.readings.again(at)
	if !keep {
		room = s.cache.rooms.take(at.large())
	}
	if room.frame, err = s.frameIn(room.frame[:0], key); err != nil {
		return value, nothing, err
	}
	var bytes int64
	if value, bytes, err = parse(room.frame, room); err != nil {
		return value, nothing, err
	}
	if keep {
		s.cache.put(at, value, bytes)
		return value, nothing, nil
	}
	return value, func() { s.cache.rooms.give(room) }, nil
}
