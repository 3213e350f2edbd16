package segment

import (
	"fmt"
	"hash/maphash"
	"slices"
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

// room returns the class of room that a page is decoded in, the frame of which
// has so many bytes.
func (k *cacheKey) room(bytes int) int {
	switch {
	case k.item == cachedTimes || k.item == cachedIDs:
		return rowRoom
	case bytes <= smallFrame:
		return smallRoom
	case bytes <= mediumFrame:
		return mediumRoom
	}
	return largeRoom
}

// large reports whether it is of pages that take much room: hundreds of
// kilobytes instead of tens.
func (k *cacheKey) large() bool {
	switch k.item {
	case cachedTimes, cachedIDs, itemText, itemPlain, itemLong, itemPiece, itemDict:
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
	shared map[uint64]*shared // segments whose pages are kept at once
}

// shared is what is known of a segment while much is asked of it.
type shared struct {
	by     int // how many
	sought []*sought
}

// keeps reports whether a page should be kept that is read now: again says so, or it is one
// of a segment of which much is asked. What is dear to make besides asks again alone.
func (r *readings) keeps(key cacheKey) bool {
	r.mu.Lock()
	shared := r.shared[key.segment]
	r.mu.Unlock()
	return shared != nil || r.again(key)
}

// share has pages of a segment kept when they are read first, until it is called with -1.
func (r *readings) share(segment uint64, more int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.shared == nil {
		r.shared = map[uint64]*shared{}
	}
	if r.shared[segment] == nil {
		r.shared[segment] = &shared{}
	}
	if r.shared[segment].by += more; r.shared[segment].by == 0 {
		delete(r.shared, segment)
	}
}

// know keeps what was sought of a segment that is shared, as long as it is.
func (r *readings) know(segment uint64, found *sought) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if of := r.shared[segment]; of != nil {
		of.sought = append(slices.Clip(of.sought), found)
	}
}

// known returns what was sought of a segment.
func (r *readings) known(segment uint64) []*sought {
	r.mu.Lock()
	defer r.mu.Unlock()
	if of := r.shared[segment]; of != nil {
		return of.sought
	}
	return nil
}

// again counts a reading and reports whether the page should be kept now.
func (r *readings) again(key cacheKey) bool { return r.count(key, true) }

// note counts a reading of a page that is not to be kept yet, as it is still
// somewhere: it is at the next one.
func (r *readings) note(key cacheKey) { r.count(key, false) }

// due reports whether the page should be kept at its next reading.
func (r *readings) due(key cacheKey) bool {
	hash := maphash.Comparable(r.seed, key)
	r.mu.Lock()
	defer r.mu.Unlock()
	page := &r.pages[hash%readingsKept]
	return page.hash == uint32(hash>>32) && page.count+1 >= key.keptAt()
}

// keptAt is the reading at which the page is kept.
func (k *cacheKey) keptAt() uint8 {
	if k.large() {
		return keptAtLarge
	}
	return keptAt
}

func (r *readings) count(key cacheKey, keep bool) bool {
	at := key.keptAt()
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
	if !keep {
		page.count = at - 1
	}
	return keep
}

// pageRoom is memory to decode a page in.
type pageRoom struct {
	class   int
	key     cacheKey // of the page that is in it, if held
	held    bool
	value   any // what was made of the page
	frame   []byte
	times   timePage
	ids     idPage
	codes   column.CodePage
	groups  []textGroup
	decoder column.Decoder
}

// bytes returns about how much memory the room takes.
func (r *pageRoom) bytes() int64 { return int64(cap(r.frame) + r.decoder.Bytes()) }

// Limits of the memory that waits to be lent again.
const (
	pageRoomsMin = 8       // rooms of each class; a worker needs two or three at once
	pageRoomsMax = 32      // the same
	pageRoomsOne = 2 << 20 // bytes of the cache for each of them
	pageRoomMax  = 8 << 20 // bytes for a frame, and of its decoder: a page of long texts takes three
	smallFrame   = 64 << 10
	mediumFrame  = 256 << 10 // and of such are the steps of larger ones
)

// Classes of rooms: a page should not grow every room, and what only needs a
// decoder should not push a page out.
const (
	smallRoom = iota
	mediumRoom
	largeRoom
	rowRoom // times and ids: small frames, and arrays that are not
	scratchRoom
	roomClasses
)

// pageRooms lends room. What was decoded in a room stays there until the room
// is lent for something else. While there is an evaluation that looks for
// several words, one after the other on the same pages, the room that waits
// longest goes first, and large pages excepted there are many. Else it is the
// last one that was given back: to touch little memory is worth more then. It
// is no sync.Pool, which forgets what it has with every other collection, and
// while little is kept these are frequent.
type pageRooms struct {
	most    int // rooms of each class
	mu      sync.Mutex
	returns int // evaluations under way that read pages again
	made    [roomClasses]int
	free    [roomClasses][]*pageRoom // that which waits longest first
}

// newPageRooms returns the rooms of a cache of so many bytes.
func newPageRooms(bytes int64) *pageRooms {
	return &pageRooms{most: int(min(pageRoomsMax, max(pageRoomsMin, bytes/pageRoomsOne)))}
}

// take lends a room of a class.
func (r *pageRooms) take(class int) *pageRoom {
	r.mu.Lock()
	defer r.mu.Unlock()
	free := r.free[class]
	at := len(free) - 1
	if r.returns > 0 && class < largeRoom {
		at = 0
		if r.made[class] < r.most {
			at = -1
		}
	}
	if len(free) == 0 || at < 0 {
		r.made[class]++
		return &pageRoom{class: class}
	}
	room := free[at]
	r.free[class] = slices.Delete(free, at, at+1)
	room.held, room.value = false, nil
	return room
}

// returning notes that evaluations that read pages several times begin, or end.
func (r *pageRooms) returning(evaluations int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.returns += evaluations
}

// holding lends the room that a page was decoded in, if it is free; else nil.
func (r *pageRooms) holding(key cacheKey) *pageRoom {
	r.mu.Lock()
	defer r.mu.Unlock()
	for class, free := range r.free[:scratchRoom] {
		for i, room := range slices.Backward(free) {
			if room.held && room.key == key {
				r.free[class] = slices.Delete(free, i, i+1)
				return room
			}
		}
	}
	return nil
}

// has reports whether a page is decoded in a room that is free.
func (r *pageRooms) has(key cacheKey) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, free := range r.free[:scratchRoom] {
		if slices.ContainsFunc(free, func(room *pageRoom) bool { return room.held && room.key == key }) {
			return true
		}
	}
	return false
}

// give takes a room back.
func (r *pageRooms) give(room *pageRoom) {
	if room.bytes() > pageRoomMax {
		room.frame, room.decoder, room.held, room.value = nil, column.Decoder{}, false, nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	bytes := room.bytes()
	for _, other := range r.free[room.class] {
		bytes += other.bytes()
	}
	if len(r.free[room.class]) >= r.most || bytes > int64(r.most)*pageRoomsOne {
		r.made[room.class]--
		return
	}
	r.free[room.class] = append(r.free[room.class], room)
}

// rest gives up the rooms that nobody has, and returns about how many bytes.
func (r *pageRooms) rest() (given int64) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for class, free := range r.free {
		for _, room := range free {
			given += room.bytes()
		}
		r.made[class] -= len(free)
		r.free[class] = nil
	}
	return given
}

// frameRoom lends a room with the frame under a key. It returns nil if what is
// made of the frame is kept, or should be now.
func (s *Segment) frameRoom(at cacheKey, key []byte) (*pageRoom, error) {
	if s.cache.holds(at) {
		return nil, nil
	}
	if room := s.cache.rooms.holding(at); room != nil {
		s.cache.readings.note(at)
		return room, nil
	}
	if s.cache.readings.keeps(at) {
		return nil, nil
	}
	return s.roomWith(at, key)
}

// roomWith lends a room in which the frame under a key is decoded.
func (s *Segment) roomWith(at cacheKey, key []byte) (room *pageRoom, err error) {
	err = s.get(key, func(value []byte) error {
		content, err := checked(value)
		if err != nil {
			return err
		}
		bytes := column.FrameBytes(content)
		room = s.cache.rooms.take(at.room(bytes))
		room.frame, err = decompress(room.begin(bytes+column.FrameSlack), content)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("segment value %x: %w", key, err)
	}
	room.key, room.held = at, true
	return room, nil
}

// begin returns memory for a frame of so many bytes, or fewer than that if it
// is too large to be lent again.
func (r *pageRoom) begin(bytes int) []byte {
	bytes = min(bytes, pageRoomMax)
	if cap(r.frame) < bytes || r.frame == nil {
		step := mediumFrame
		if r.class == smallRoom || r.class == rowRoom {
			step = smallFrame
		}
		r.frame = make([]byte, 0, max(1, (bytes+step-1)/step)*step)
	}
	return r.frame[:0]
}

func nothing() {}

// borrowed returns what parse makes of a frame; done must be called when it is
// not needed any more, nothing of it may be used afterwards. Parse may put it
// in the room and says how much it is.
func borrowed[T any](s *Segment, at cacheKey, key []byte, parse func(raw []byte, room *pageRoom) (T, int64, error)) (value T, done func(), err error) {
	if value, ok := s.kept(at); ok {
		return value.(T), nothing, nil
	}
	rooms := s.cache.rooms
	if room := rooms.holding(at); room != nil {
		s.cache.readings.note(at)
		return room.value.(T), func() { rooms.give(room) }, nil
	}
	if s.cache.readings.keeps(at) {
		room := &pageRoom{} // of its own
		if room.frame, err = s.frameIn(nil, key); err != nil {
			return value, nothing, err
		}
		var bytes int64
		if value, bytes, err = parse(room.frame, room); err == nil {
			s.cache.put(at, value, bytes)
		}
		return value, nothing, err
	}
	room, err := s.roomWith(at, key)
	if err != nil {
		return value, nothing, err
	}
	if value, _, err = parse(room.frame, room); err != nil {
		return value, nothing, err
	}
	room.value = value
	return value, func() { rooms.give(room) }, nil
}
