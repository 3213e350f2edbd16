package segment

import (
	"container/list"
	"hash/maphash"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/stere-log/stere/storage/part"
)

// DefaultCacheBytes is the size of a cache made with 0.
const DefaultCacheBytes = 64 << 20

// answersShare is the share of a cache, one part in so many, that pages leave
// to answers: these are small and dear, and a single scan reads more pages
// than there is room for.
const answersShare = 4

// Cache keeps decoded pages, dictionaries, sets of rows and answers of many
// segments, least recently used out first: pages before answers while those take no more
// than their share, answers before those that part.Lasting names while these take no more
// than half of that. It is safe for concurrent use.
type Cache struct {
	limit        int64
	id           uint64        // which other caches of the process do not have
	segments     atomic.Uint64 // opened with this cache, which tells them apart by number
	hits, misses atomic.Uint64
	scans        scanRooms
	rooms        *pageRooms
	readings     readings
	mu           struct {
		sync.Mutex
		bytes   int64
		bytesOf [3]int64      // of bytes, by class
		order   [3]*list.List // of *cacheEntry, by class, most recent in front
		items   map[cacheKey]*list.Element
	}
}

type cacheKey struct {
	segment uint64
	column  uint32
	item    byte
	number  uint32
	text    string // of answers
}

// The classes of what is kept.
const (
	classPages = iota
	classAnswers
	classLasting // answers, too
)

func (k *cacheKey) class() int {
	switch k.item {
	case cachedAnswer, cachedRows, cachedRecord, cachedFewTimes, cachedFewIDs:
		if strings.HasSuffix(k.text, part.Lasting) {
			return classLasting
		}
		return classAnswers
	}
	return classPages
}

type cacheEntry struct {
	key   cacheKey
	value any
	bytes int64
}

// Items of the cache that are not items of a column's keys. The sections have
// numbers that items of columns have too, so they are not keys of the cache.
const (
	cachedTimes byte = 0x80 + iota
	cachedIDs
	cachedSchemas
	cachedPresence
	cachedPresentPage
	cachedCodeRows
	cachedTermHeads
	cachedTerms
	cachedEntries
	cachedFilters
	cachedAnswer
	cachedRows
	cachedBases
	cachedRecord
	cachedLookup
	cachedWordPages
	cachedPatterns
	cachedFound
	cachedFollowing
	cachedListed
	cachedFewTimes
	cachedFewIDs
	cachedLong
	cachedLongHits
)

// NewCache returns a cache of at most the given number of bytes; 0 means
// DefaultCacheBytes.
func NewCache(bytes int64) *Cache {
	if bytes <= 0 {
		bytes = DefaultCacheBytes
	}
	c := &Cache{limit: bytes, rooms: newPageRooms(bytes)}
	c.readings.seed = maphash.MakeSeed()
	c.id = maphash.String(c.readings.seed, "") // by chance: 64 random bits
	c.mu.order = [3]*list.List{list.New(), list.New(), list.New()}
	c.mu.items = map[cacheKey]*list.Element{}
	return c
}

// Stats returns how many look-ups found their value, how many did not, and
// how many bytes are kept.
func (c *Cache) Stats() (hits, misses uint64, bytes int64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.hits.Load(), c.misses.Load(), c.mu.bytes
}

func (c *Cache) get(key cacheKey) (any, bool) {
	value, ok := c.peek(key)
	if !ok {
		c.misses.Add(1)
	}
	return value, ok
}

// peek is get for what is only one way to an answer: it counts no miss.
func (c *Cache) peek(key cacheKey) (any, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, ok := c.mu.items[key]
	if !ok {
		return nil, false
	}
	c.hits.Add(1)
	c.mu.order[key.class()].MoveToFront(element)
	return element.Value.(*cacheEntry).value, true
}

// holds reports whether there is a value under key.
func (c *Cache) holds(key cacheKey) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	_, ok := c.mu.items[key]
	return ok
}

func (c *Cache) put(key cacheKey, value any, bytes int64) {
	bytes += 128 + int64(len(key.text)) // the entry itself
	if bytes > c.limit/4 {
		return // one value must not empty the cache
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.mu.items[key]; ok {
		return
	}
	c.mu.items[key] = c.mu.order[key.class()].PushFront(&cacheEntry{key: key, value: value, bytes: bytes})
	c.mu.bytes += bytes
	c.mu.bytesOf[key.class()] += bytes
	for c.mu.bytes > c.limit {
		c.remove(c.last())
	}
}

// last returns what goes first; there is something. The caller holds the lock.
func (c *Cache) last() *list.Element {
	share := c.limit / answersShare
	if page := c.mu.order[classPages].Back(); page != nil && c.mu.bytesOf[classAnswers]+c.mu.bytesOf[classLasting] <= share {
		return page
	}
	if answer := c.mu.order[classAnswers].Back(); answer != nil && c.mu.bytesOf[classLasting] <= share/2 {
		return answer
	}
	for _, class := range []int{classLasting, classAnswers, classPages} {
		if last := c.mu.order[class].Back(); last != nil {
			return last
		}
	}
	return nil
}

// restShare is the share of the cache, one part in so many, that pages take while
// nothing is asked: those used last. Answers stay.
const restShare = 8

// Rest gives up pages beyond those that are kept while nothing is asked, and the
// memory that is lent to decode others in. It returns about how many bytes.
func (c *Cache) Rest() (given int64) {
	given = c.rooms.rest()
	c.mu.Lock()
	defer c.mu.Unlock()
	before := c.mu.bytes
	for c.mu.bytesOf[classPages] > c.limit/restShare {
		c.remove(c.mu.order[classPages].Back())
	}
	return given + before - c.mu.bytes
}

// Clear forgets everything, and gives up the memory that is lent to decode in.
func (c *Cache) Clear() {
	c.rooms.rest()
	c.mu.Lock()
	defer c.mu.Unlock()
	for class := range c.mu.order {
		for last := c.mu.order[class].Back(); last != nil; last = c.mu.order[class].Back() {
			c.remove(last)
		}
	}
}

// drop forgets everything of a segment.
func (c *Cache) drop(segment uint64) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for key, element := range c.mu.items {
		if key.segment == segment {
			c.remove(element)
		}
	}
}

// remove takes an element out; the caller holds the lock.
func (c *Cache) remove(element *list.Element) {
	entry := element.Value.(*cacheEntry)
	class := entry.key.class()
	c.mu.order[class].Remove(element)
	delete(c.mu.items, entry.key)
	c.mu.bytes -= entry.bytes
	c.mu.bytesOf[class] -= entry.bytes
}

// cached returns the value under key, or makes, keeps and returns it.
func cached[T any](s *Segment, key cacheKey, make func() (T, int64, error)) (T, error) {
	if value, ok := s.kept(key); ok {
		return value.(T), nil
	}
	value, bytes, err := make()
	if err != nil {
		return value, err
	}
	s.cache.put(key, value, bytes)
	return value, nil
}
