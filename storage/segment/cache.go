package segment

import (
	"container/list"
	"sync"
	"sync/atomic"
)

// DefaultCacheBytes is the size of a cache made with 0.
const DefaultCacheBytes = 64 << 20

// Cache keeps decoded pages, dictionaries and sets of rows of many segments,
// least recently used out first. It is safe for concurrent use.
type Cache struct {
	limit        int64
	segments     atomic.Uint64 // opened with this cache, which tells them apart by number
	hits, misses atomic.Uint64
	mu           struct {
		sync.Mutex
		bytes int64
		order *list.List // of *cacheEntry, most recent in front
		items map[cacheKey]*list.Element
	}
}

type cacheKey struct {
	segment uint64
	column  uint32
	item    byte
	number  uint32
	text    string // of answers
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
	cachedPresentRows
	cachedCodeRows
	cachedTermHeads
	cachedTerms
	cachedEntries
	cachedFolded
	cachedFilters
	cachedAnswer
	cachedRows
	cachedBases
	cachedRecord
)

// NewCache returns a cache of at most the given number of bytes; 0 means
// DefaultCacheBytes.
func NewCache(bytes int64) *Cache {
	if bytes <= 0 {
		bytes = DefaultCacheBytes
	}
	c := &Cache{limit: bytes}
	c.mu.order = list.New()
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
	c.mu.order.MoveToFront(element)
	return element.Value.(*cacheEntry).value, true
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
	c.mu.items[key] = c.mu.order.PushFront(&cacheEntry{key: key, value: value, bytes: bytes})
	c.mu.bytes += bytes
	for c.mu.bytes > c.limit {
		c.remove(c.mu.order.Back())
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
	entry := c.mu.order.Remove(element).(*cacheEntry)
	delete(c.mu.items, entry.key)
	c.mu.bytes -= entry.bytes
}

// cached returns the value under key, or makes, keeps and returns it.
func cached[T any](c *Cache, key cacheKey, make func() (T, int64, error)) (T, error) {
	if value, ok := c.get(key); ok {
		return value.(T), nil
	}
	value, bytes, err := make()
	if err != nil {
		return value, err
	}
	c.put(key, value, bytes)
	return value, nil
}
