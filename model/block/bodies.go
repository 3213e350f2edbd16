package block

import "sync"

// Memory for bodies comes in chunks of so many bytes.
const chunkBytes = 8 << 20

// BodyPool lends memory for the bodies of many blocks that are read together, as those of a
// head that is sealed: the next ones are read into the same memory, which is not cleared and
// not garbage in between. What nobody borrows is forgotten by the second collection. It is
// safe for concurrent use; the zero value is usable.
type BodyPool struct {
	// Wipe has what was lent overwritten when it is given back, and memory lent for few bytes
	// too: tests find so who uses a body for too long.
	Wipe   bool
	chunks sync.Pool // of *[chunkBytes]byte
}

// Bodies is memory that is lent to one borrower, for one goroutine at a time.
type Bodies struct {
	pool   *BodyPool
	chunks []bodyChunk
}

type bodyChunk struct {
	bytes *[chunkBytes]byte
	used  int
}

// Borrow returns memory for bodies of so many bytes in all; nil, which is usable, if these
// are too few to keep chunks for them.
func (p *BodyPool) Borrow(bytes int) *Bodies {
	if bytes < chunkBytes && !p.Wipe {
		return nil
	}
	return &Bodies{pool: p}
}

// DecodePacked is DecodePacked with the body in memory that is lent: nothing that shares
// memory with the block may be used after Return.
func (b *Bodies) DecodePacked(src []byte) (*Block, error) {
	if b == nil {
		return DecodePacked(src)
	}
	return decodeAs(src, true, b.room)
}

// room returns empty memory for a body. A chunk may have room for a small one that it has
// not for a large one.
func (b *Bodies) room(size int) []byte {
	if size > chunkBytes {
		return make([]byte, 0, size)
	}
	for i := range b.chunks {
		if c := &b.chunks[i]; size <= chunkBytes-c.used {
			return c.take(size)
		}
	}
	bytes, ok := b.pool.chunks.Get().(*[chunkBytes]byte)
	if !ok {
		bytes = new([chunkBytes]byte)
	}
	b.chunks = append(b.chunks, bodyChunk{bytes: bytes})
	return b.chunks[len(b.chunks)-1].take(size)
}

func (c *bodyChunk) take(size int) []byte {
	from := c.used
	c.used += size
	return c.bytes[from:from:c.used]
}

// Return gives the memory back.
func (b *Bodies) Return() {
	if b == nil {
		return
	}
	for _, c := range b.chunks {
		if b.pool.Wipe {
			for i := range c.bytes[:c.used] {
				c.bytes[i] = 0xee
			}
		}
		b.pool.chunks.Put(c.bytes)
	}
	b.chunks = nil
}
