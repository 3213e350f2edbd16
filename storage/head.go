package storage

import (
	"container/list"
	"context"
	"math"
	"sync"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/block"
	"github.com/stere-log/stere/storage/head"
	"github.com/stere-log/stere/storage/part"
)

// headBlock is one appended block. Its bytes are shared with the log; it is
// decoded when it is read, and what is decoded is kept by a HeadCache. It
// implements part.Part for readers who may need only some blocks of a head.
type headBlock struct {
	shard   model.ShardID
	index   uint64
	rows    uint32 // as announced by the batches, without what was dropped
	encoded []byte
	dropped []head.Range // batches that are stored elsewhere already
	cache   *HeadCache

	once  sync.Once
	known bounds
}

// bounds are what is kept of a block once it has been decoded.
type bounds struct {
	rows        uint32
	first, last int64
}

var _ part.Part = (*headBlock)(nil)

// decode returns the block as a part that nobody else has.
func (b *headBlock) decode() (*head.Part, error) {
	decoded, err := block.Decode(b.encoded)
	if err != nil {
		return nil, err
	}
	return head.New(b.shard, b.index, decoded, b.dropped)
}

// read returns the block as a part, kept from the last time or decoded now. A
// block that cannot be read gives a part whose every read fails, so that no
// reader mistakes it for an empty one.
func (b *headBlock) read() part.Part {
	if kept := b.cache.get(b); kept != nil {
		return kept
	}
	decoded, err := b.decode()
	if err != nil {
		return &failedPart{rows: b.rows, first: math.MinInt64, last: math.MaxInt64, err: err}
	}
	return b.cache.put(b, decoded)
}

// take is read for one who reads the block once: it keeps nothing.
func (b *headBlock) take() (*head.Part, error) {
	if kept := b.cache.get(b); kept != nil {
		return kept, nil
	}
	return b.decode()
}

// bounds decodes the block when it is asked for the first time.
func (b *headBlock) bounds() bounds {
	b.once.Do(func() {
		p := b.read()
		b.known.rows = p.Rows()
		b.known.first, b.known.last = p.TimeRange()
	})
	return b.known
}

// Times implements part.Part.
func (b *headBlock) Times(rows *index.DocSet) ([]int64, error) { return b.read().Times(rows) }

// TimeDigits implements part.Part.
func (b *headBlock) TimeDigits(rows *index.DocSet) ([]uint8, error) { return b.read().TimeDigits(rows) }

// IDs implements part.Part.
func (b *headBlock) IDs(rows *index.DocSet) ([]model.RecordID, error) { return b.read().IDs(rows) }

// Records implements part.Part.
func (b *headBlock) Records(ctx context.Context, rows *index.DocSet) ([]model.Record, error) {
	return b.read().Records(ctx, rows)
}

// Columns implements part.Part.
func (b *headBlock) Columns(queryName string) []part.Column { return b.read().Columns(queryName) }

// Patterns implements part.Part.
func (b *headBlock) Patterns() part.Column { return b.read().Patterns() }

// AllColumns implements part.Part.
func (b *headBlock) AllColumns() []part.Column { return b.read().AllColumns() }

// Rows implements part.Part.
func (b *headBlock) Rows() uint32 { return b.bounds().rows }

// TimeRange implements part.Part.
func (b *headBlock) TimeRange() (first, last int64) { return b.bounds().first, b.bounds().last }

// RowsBetween implements part.Part. What lies within the bounds or outside of
// them needs no decoding.
func (b *headBlock) RowsBetween(from, to int64) (lo, hi uint32, err error) {
	known := b.bounds()
	switch {
	case from <= known.first && to > known.last:
		return 0, known.rows, nil
	case from <= to && to <= known.first:
		return 0, 0, nil
	case from > known.last && from <= to:
		return known.rows, known.rows, nil
	}
	return b.read().RowsBetween(from, to)
}

// Eval implements part.Part.
func (b *headBlock) Eval(ctx context.Context, e index.Expr, within *index.DocSet) (*index.DocSet, error) {
	return b.read().Eval(ctx, e, within)
}

// bodyShare is how many times smaller than its body a block counts at least: a
// seal reads all bodies of the head, and repeated lines pack to next to nothing.
const bodyShare = 6

// blockWeight is what a block counts for in the size of the head.
func blockWeight(encoded []byte) int64 {
	return int64(max(len(encoded), block.BodySize(encoded)/bodyShare))
}

// headRun is the blocks of one tenant in log order. It only grows, so that a
// reader may keep the slice as it was.
type headRun []*headBlock

// DefaultHeadCacheBytes is the size of a HeadCache made with 0.
const DefaultHeadCacheBytes = 64 << 20

// HeadCache keeps decoded blocks of the heads of a node, least recently used
// out first: a decoded block takes several times the memory of an encoded one,
// and most blocks are never read before they are sealed. It is safe for
// concurrent use.
type HeadCache struct {
	limit int64
	mu    struct {
		sync.Mutex
		bytes int64
		order *list.List // of *keptBlock, most recent in front
		items map[*headBlock]*list.Element
	}
}

type keptBlock struct {
	block *headBlock
	part  *head.Part
}

// NewHeadCache returns a cache of at most the given number of bytes, or one
// block if that is more; 0 means DefaultHeadCacheBytes.
func NewHeadCache(bytes int64) *HeadCache {
	if bytes <= 0 {
		bytes = DefaultHeadCacheBytes
	}
	c := &HeadCache{limit: bytes}
	c.mu.order = list.New()
	c.mu.items = map[*headBlock]*list.Element{}
	return c
}

// Bytes returns about how much memory the decoded blocks take.
func (c *HeadCache) Bytes() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.bytes
}

func (c *HeadCache) get(b *headBlock) *head.Part {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, ok := c.mu.items[b]
	if !ok {
		return nil
	}
	c.mu.order.MoveToFront(element)
	return element.Value.(*keptBlock).part
}

// put keeps a decoded block and returns the one to use: what another reader
// has put there meanwhile, if any.
func (c *HeadCache) put(b *headBlock, p *head.Part) *head.Part {
	c.mu.Lock()
	defer c.mu.Unlock()
	if element, ok := c.mu.items[b]; ok {
		return element.Value.(*keptBlock).part
	}
	c.mu.items[b] = c.mu.order.PushFront(&keptBlock{b, p})
	for c.mu.bytes += int64(p.Bytes()); c.mu.bytes > c.limit && c.mu.order.Len() > 1; {
		c.remove(c.mu.order.Back())
	}
	return p
}

// drop forgets blocks that are in segments now.
func (c *HeadCache) drop(runs map[model.TenantID]headRun) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, run := range runs {
		for _, b := range run {
			if element, ok := c.mu.items[b]; ok {
				c.remove(element)
			}
		}
	}
}

// remove takes an element out; the caller holds the lock.
func (c *HeadCache) remove(element *list.Element) {
	kept := c.mu.order.Remove(element).(*keptBlock)
	delete(c.mu.items, kept.block)
	c.mu.bytes -= int64(kept.part.Bytes())
}

// failedPart stands for records that cannot be read.
type failedPart struct {
	rows        uint32
	first, last int64
	err         error
}

func (p *failedPart) Rows() uint32                 { return p.rows }
func (p *failedPart) TimeRange() (int64, int64)    { return p.first, p.last }
func (p *failedPart) Columns(string) []part.Column { return nil }
func (p *failedPart) AllColumns() []part.Column    { return nil }
func (p *failedPart) Patterns() part.Column        { return nil }

func (p *failedPart) RowsBetween(int64, int64) (uint32, uint32, error) { return 0, 0, p.err }

func (p *failedPart) Eval(context.Context, index.Expr, *index.DocSet) (*index.DocSet, error) {
	return nil, p.err
}

func (p *failedPart) Times(*index.DocSet) ([]int64, error)        { return nil, p.err }
func (p *failedPart) IDs(*index.DocSet) ([]model.RecordID, error) { return nil, p.err }

func (p *failedPart) TimeDigits(*index.DocSet) ([]uint8, error) { return nil, p.err }

func (p *failedPart) Records(context.Context, *index.DocSet) ([]model.Record, error) {
	return nil, p.err
}
