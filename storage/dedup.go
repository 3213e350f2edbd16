package storage

import "time"

// Outcome says what became of a batch.
type Outcome uint8

// The outcomes.
const (
	Stored    Outcome = iota + 1
	Duplicate         // the same batch is there already; nothing stored
	Conflict          // the key was used for another body; nothing stored
)

// dedupEntry remembers one batch.
type dedupEntry struct {
	key, body [16]byte
	index     uint64 // position of the batch: log index and first ordinal
	first     uint32
	time      int64 // clock of the shard when it came
}

// dedup is a replicated memory of keys of batches, oldest first. Entry i has
// the number first+i; numbers are the keys under which entries are stored. A
// shard has two: one of the keys that clients gave, and one of those that nodes
// gave, which are many and needed for a moment only (Batch.Carried).
type dedup struct {
	keep    time.Duration
	max     int
	least   int // the newest so many are not forgotten because of their age
	first   uint64
	entries []dedupEntry
	number  map[[16]byte]uint64
}

func newDedup(first uint64, entries []dedupEntry, max, least int, keep time.Duration) *dedup {
	d := &dedup{keep: keep, max: max, least: min(least, max), first: first, entries: entries, number: make(map[[16]byte]uint64, len(entries))}
	for i := range entries {
		d.number[entries[i].key] = first + uint64(i)
	}
	return d
}

// next is the number of the next entry.
func (d *dedup) next() uint64 { return d.first + uint64(len(d.entries)) }

func (d *dedup) find(key [16]byte) (dedupEntry, bool) {
	number, ok := d.number[key]
	if !ok {
		return dedupEntry{}, false
	}
	return d.entries[number-d.first], true
}

func (d *dedup) add(e dedupEntry) {
	d.number[e.key] = d.next()
	d.entries = append(d.entries, e)
}

// expire forgets what is older than keep at the time now, and the oldest
// beyond max. Both depend on commands only, so that replicas forget alike.
func (d *dedup) expire(now int64) {
	n := 0
	for left := len(d.entries); left > d.max || left > d.least && d.entries[n].time < now-int64(d.keep); left-- {
		delete(d.number, d.entries[n].key)
		n++
	}
	d.entries = d.entries[n:]
	d.first += uint64(n)
}

// KeySpan says which keys of a memory are in force: First <= number < Next.
type KeySpan struct{ First, Next uint64 }

func (d *dedup) span() KeySpan { return KeySpan{d.first, d.next()} }

// from returns a copy of the entries with at least this number.
func (d *dedup) from(number uint64) []dedupEntry {
	if number < d.first {
		number = d.first
	}
	return append([]dedupEntry(nil), d.entries[number-d.first:]...)
}
