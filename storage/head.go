package storage

import (
	"container/list"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"math"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

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
	number  uint64 // which no other block with this cache has
	shard   model.ShardID
	index   uint64
	rows    uint32 // as announced by the batches, without what was dropped
	encoded []byte
	dropped []head.Range // batches that are stored elsewhere already
	cache   *HeadCache
	masked  atomic.Pointer[maskedCopy]
	columns atomic.Pointer[[]part.Column] // known of a block that was decoded
	gone    atomic.Bool                   // it is in a segment now: nothing more is kept of it

	once  sync.Once
	known bounds
}

// bounds are what is kept of a block once it has been decoded.
type bounds struct {
	rows        uint32
	first, last int64
}

var (
	_ part.Part = (*headBlock)(nil)
	_ part.Memo = (*headBlock)(nil)
)

// decode returns the block as a part that nobody else has.
func (b *headBlock) decode(decode func([]byte) (*block.Block, error)) (*head.Part, error) {
	decoded, err := decode(b.encoded)
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
	decoded, err := b.decode(block.DecodePacked)
	if err != nil {
		return &failedPart{rows: b.rows, first: math.MinInt64, last: math.MaxInt64, err: err}
	}
	b.learn(decoded)
	return b.cache.put(b, decoded.Keep(func() { b.cache.grown(b) }))
}

// take is read for one who reads each column of the block once: cells are not kept, and the
// body may be in memory that is lent to him.
func (b *headBlock) take(bodies *block.Bodies) (*head.Part, error) {
	if kept := b.cache.get(b); kept != nil {
		return kept, nil
	}
	return b.decode(bodies.DecodePacked)
}

// bounds are read when they are asked for the first time: most blocks of a head are not in
// the times that somebody asks about, and need not be decoded for that.
func (b *headBlock) bounds() bounds {
	b.once.Do(func() {
		if b.cache.get(b) == nil && b.cache.times.Of(b.encoded, b.bound) == nil {
			return
		}
		p := b.read()
		b.known.rows = p.Rows()
		b.known.first, b.known.last = p.TimeRange()
	})
	return b.known
}

// bound takes the bounds from the times of all ordinals.
func (b *headBlock) bound(times []int64) error {
	known, from := bounds{}, uint32(0)
	stays := func(to uint32) {
		for _, t := range times[from:max(from, to)] {
			if known.rows++; known.rows == 1 {
				known.first, known.last = t, t
			}
			known.first, known.last = min(known.first, t), max(known.last, t)
		}
	}
	for _, r := range b.dropped {
		if r.From < from || r.From > r.To || int(r.To) > len(times) {
			return errDropped // in another order, or not to be read: the block itself says
		}
		stays(r.From)
		from = r.To
	}
	stays(uint32(len(times)))
	b.known = known
	return nil
}

var errDropped = errors.New("ranges of dropped records are not in order")

// TimeDigits implements part.Part.
func (b *headBlock) TimeDigits(rows *index.DocSet) ([]uint8, error) { return b.read().TimeDigits(rows) }

// Records implements part.Part.
func (b *headBlock) Records(ctx context.Context, rows *index.DocSet) ([]model.Record, error) {
	return b.read().Records(ctx, rows)
}

// Patterns implements part.Part.
func (b *headBlock) Patterns(naming *part.Naming) part.Column { return b.read().Patterns(naming) }

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

// bodyShare is how many times smaller than its body a block counts at least, one part
// of so many in bodyOf: a seal reads all bodies of the head, and repeated lines pack to
// next to nothing. With 6, long lines, whose bodies were 144 MB, left the collector of
// garbage no room; what remains is less than a head of mixed lines is sealed for.
const (
	bodyShare = 10
	bodyOf    = 3
)

// blockWeight is what a block counts for in the size of the head.
func blockWeight(encoded []byte) int64 {
	return max(int64(len(encoded)), int64(block.BodySize(encoded))*bodyOf/bodyShare)
}

// headRun is the blocks of one tenant in log order. It only grows, so that a
// reader may keep the slice as it was.
type headRun []*headBlock

// bodyBytes is what the blocks take when all are read.
func (r headRun) bodyBytes() int {
	bytes := 0
	for _, b := range r {
		bytes += block.BodySize(b.encoded)
	}
	return bytes
}

// DefaultHeadCacheBytes is the size of a HeadCache made with 0.
const DefaultHeadCacheBytes = 64 << 20

// HeadCache keeps decoded blocks of the heads of a node, and what was computed of
// blocks, least recently used out first: a decoded block takes several times the memory of an encoded one,
// and most blocks are never read before they are sealed. It is safe for
// concurrent use.
type HeadCache struct {
	limit  int64
	id     uint64        // which other caches of the process do not have
	blocks atomic.Uint64 // with this cache, which tells them apart by number
	times  block.Times
	mu     struct {
		sync.Mutex
		bytes int64
		order *list.List // of *keptBlock, most recent in front
		items map[*headBlock]*list.Element

		answerBytes int64
		recent      *list.List // of *keptAnswer, most recent in front
		answers     map[answerKey]*list.Element
	}
}

type keptBlock struct {
	block *headBlock
	part  *head.Part
	bytes int64 // that are counted
}

// NewHeadCache returns a cache of at most the given number of bytes, or one
// block if that is more; 0 means DefaultHeadCacheBytes.
func NewHeadCache(bytes int64) *HeadCache {
	if bytes <= 0 {
		bytes = DefaultHeadCacheBytes
	}
	c := &HeadCache{limit: bytes}
	c.id = maphash.String(maphash.MakeSeed(), "") // by chance: 64 random bits
	c.mu.order = list.New()
	c.mu.items = map[*headBlock]*list.Element{}
	c.mu.recent, c.mu.answers = list.New(), map[answerKey]*list.Element{}
	return c
}

// Bytes returns about how much memory the decoded blocks and answers take.
func (c *HeadCache) Bytes() int64 {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.mu.bytes + c.mu.answerBytes
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

// grown counts what a block takes that has unpacked more of itself.
func (c *HeadCache) grown(b *headBlock) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if element, ok := c.mu.items[b]; ok {
		c.weigh(element.Value.(*keptBlock))
	}
}

// weigh counts what a decoded block takes now, and makes room for it; the caller holds the
// lock.
func (c *HeadCache) weigh(kept *keptBlock) {
	bytes := kept.part.Bytes()
	c.mu.bytes += bytes - kept.bytes
	kept.bytes = bytes
	for c.mu.bytes > c.limit-c.limit/answersShare && c.mu.order.Len() > 1 {
		c.remove(c.mu.order.Back())
	}
}

// put keeps a decoded block and returns the one to use: what another reader
// has put there meanwhile, if any.
func (c *HeadCache) put(b *headBlock, p *head.Part) *head.Part {
	c.mu.Lock()
	defer c.mu.Unlock()
	if element, ok := c.mu.items[b]; ok {
		return element.Value.(*keptBlock).part
	}
	kept := &keptBlock{block: b, part: p}
	c.mu.items[b] = c.mu.order.PushFront(kept)
	c.weigh(kept)
	return p
}

// drop forgets blocks that are in segments now.
func (c *HeadCache) drop(runs map[model.TenantID]headRun) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, run := range runs {
		for _, b := range run {
			b.gone.Store(true)
			if element, ok := c.mu.items[b]; ok {
				c.remove(element)
			}
		}
	}
	for at := range c.mu.answers {
		if at.block.gone.Load() {
			c.forget(at)
		}
	}
}

// Clear forgets everything.
func (c *HeadCache) Clear() {
	c.mu.Lock()
	defer c.mu.Unlock()
	for last := c.mu.order.Back(); last != nil; last = c.mu.order.Back() {
		c.remove(last)
	}
	for at := range c.mu.answers {
		c.forget(at)
	}
}

// remove takes an element out; the caller holds the lock.
func (c *HeadCache) remove(element *list.Element) {
	kept := c.mu.order.Remove(element).(*keptBlock)
	delete(c.mu.items, kept.block)
	c.mu.bytes -= kept.bytes
}

// A block of the head never changes, and to decode it costs more than most
// questions about it do. So what was computed of it is kept, as of a segment, and
// which columns it has: a question that repeats decodes nothing.

// answersShare is the share of a HeadCache, one part in so many, that answers may
// take.
const answersShare = 4

// answerKeyMax is how long the key of an answer may be.
const answerKeyMax = 4 << 10

// answerBytes is what an answer takes besides its key and value.
const answerBytes = 256

type answerKey struct {
	block *headBlock
	key   string
}

type keptAnswer struct {
	at    answerKey
	value any
	bytes int64
}

// answer returns what is kept under a key.
func (c *HeadCache) answer(at answerKey) (any, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	element, ok := c.mu.answers[at]
	if !ok {
		return nil, false
	}
	c.mu.recent.MoveToFront(element)
	return element.Value.(*keptAnswer).value, true
}

// keep keeps an answer, least recently used out first.
func (c *HeadCache) keep(at answerKey, value any, bytes int64) {
	most := c.limit / answersShare
	if bytes += answerBytes + int64(len(at.key)); bytes > most/answersShare {
		return // one answer must not push out all others
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	if _, ok := c.mu.answers[at]; ok || at.block.gone.Load() {
		return
	}
	c.mu.answers[at] = c.mu.recent.PushFront(&keptAnswer{at, value, bytes})
	for c.mu.answerBytes += bytes; c.mu.answerBytes > most; {
		c.forget(c.mu.recent.Back().Value.(*keptAnswer).at)
	}
}

// forget takes an answer out; the caller holds the lock.
func (c *HeadCache) forget(at answerKey) {
	element := c.mu.answers[at]
	delete(c.mu.answers, at)
	c.mu.answerBytes -= c.mu.recent.Remove(element).(*keptAnswer).bytes
}

// Memo implements part.Memo.
func (b *headBlock) Memo(key string, make func() (value any, bytes int64, err error)) (any, error) {
	at := answerKey{b, key}
	if value, ok := b.cache.answer(at); ok {
		return value, nil
	}
	value, bytes, err := make()
	if err == nil && bytes >= 0 && len(key) <= answerKeyMax {
		b.cache.keep(at, value, bytes)
	}
	return value, err
}

// Identity implements part.Memo.
func (b *headBlock) Identity() string { return fmt.Sprintf("block %d %d", b.cache.id, b.number) }

// Sealed implements part.Memo.
func (b *headBlock) Sealed() bool { return false }

// Eval implements part.Part. The rows that a condition finds among all are kept
// where the block has to be decoded to find them.
func (b *headBlock) Eval(ctx context.Context, e index.Expr, within *index.DocSet) (*index.DocSet, error) {
	if kept := b.cache.get(b); kept != nil {
		return kept.Eval(ctx, e, within)
	}
	key, ok := part.AppendKey([]byte("rows "), e)
	if within != nil || !ok {
		return b.read().Eval(ctx, e, within)
	}
	rows, err := b.Memo(string(key), func() (any, int64, error) {
		rows, err := b.read().Eval(ctx, e, nil)
		if err != nil {
			return nil, 0, err
		}
		return rows, int64(rows.GetSizeInBytes()), nil
	})
	if err != nil {
		return nil, err
	}
	return rows.(*index.DocSet), nil
}

// headOrder is where the rows of a block belong, kept when it is not decoded any more:
// most that a page of records looks at is not on it.
type headOrder struct {
	times    []int64
	ordinals []uint32 // nil: the rows
}

// order returns the order of the rows of a block that is not decoded; nil if the
// block is to be asked, or not all rows are its.
func (b *headBlock) order(rows *index.DocSet) (*headOrder, error) {
	if b.cache.get(b) != nil || rows.IsEmpty() {
		return nil, nil
	}
	value, err := b.Memo("order", func() (any, int64, error) {
		switch p := b.read().(type) {
		case *failedPart:
			return nil, 0, p.err
		case *head.Part:
			times, ordinals := p.Order()
			return &headOrder{times, ordinals}, 8*int64(len(times)) + 4*int64(len(ordinals)), nil
		}
		return nil, -1, nil
	})
	order, _ := value.(*headOrder)
	if err != nil || order == nil || int(rows.Maximum()) >= len(order.times) {
		return nil, err
	}
	return order, nil
}

// Times implements part.Part.
func (b *headBlock) Times(rows *index.DocSet) ([]int64, error) {
	order, err := b.order(rows)
	if err != nil || order == nil {
		return b.read().Times(rows)
	}
	list := rows.ToArray()
	times := make([]int64, len(list))
	for i, row := range list {
		times[i] = order.times[row]
	}
	return times, nil
}

// IDs implements part.Part.
func (b *headBlock) IDs(rows *index.DocSet) ([]model.RecordID, error) {
	order, err := b.order(rows)
	if err != nil || order == nil {
		return b.read().IDs(rows)
	}
	list := rows.ToArray()
	ids := make([]model.RecordID, len(list))
	for i, row := range list {
		ids[i] = model.RecordID{Shard: b.shard, Index: b.index, Ordinal: row}
		if order.ordinals != nil {
			ids[i].Ordinal = order.ordinals[row]
		}
	}
	return ids, nil
}

// columnsKnownRows is from how many rows on it is kept which columns a block has:
// of smaller ones this would take as much as they do.
const columnsKnownRows = 256

// Nor is it kept of those with so many columns that they would take more than a share
// of what the block counts for, one part in so many.
const (
	columnsShare = 4
	columnBytes  = 112 // of a column, without its path
)

// learn keeps which columns the block has.
func (b *headBlock) learn(p part.Part) {
	if b.rows < columnsKnownRows || b.columns.Load() != nil {
		return
	}
	all := p.AllColumns()
	bytes := len(all) * columnBytes
	for _, c := range all {
		bytes += len(c.Path())
	}
	if int64(bytes) > blockWeight(b.encoded)/columnsShare {
		return
	}
	known, columns := make([]part.Column, len(all)), make([]headColumn, len(all))
	for i, c := range all {
		// The path is cloned: it is a piece of the decoded block.
		columns[i] = headColumn{block: b, path: strings.Clone(c.Path()), kind: c.Kind(), count: c.Count(), distinct: c.Distinct()}
		known[i] = &columns[i]
	}
	b.columns.Store(&known)
}

// Columns implements part.Part.
func (b *headBlock) Columns(queryName string) []part.Column {
	known := b.columns.Load()
	if kept := b.cache.get(b); kept != nil || known == nil {
		return b.read().Columns(queryName)
	}
	var found []part.Column
	for _, c := range *known {
		if model.QueryName(c.Path()) == queryName {
			found = append(found, c)
		}
	}
	return found
}

// headColumn is a column of a block that is not decoded, as long as its values are
// not asked for.
type headColumn struct {
	block           *headBlock
	path            string
	kind            model.Kind
	count, distinct uint32
}

// Path implements part.Column.
func (c *headColumn) Path() string { return c.path }

// Kind implements part.Column.
func (c *headColumn) Kind() model.Kind { return c.kind }

// Count implements part.Column.
func (c *headColumn) Count() uint32 { return c.count }

// Distinct implements part.Column.
func (c *headColumn) Distinct() uint32 { return c.distinct }

// decoded returns the column of the decoded block.
func (c *headColumn) decoded() (part.Column, error) {
	p := c.block.read()
	if failed, ok := p.(*failedPart); ok {
		return nil, failed.err
	}
	all := p.AllColumns()
	return all[slices.IndexFunc(all, func(of part.Column) bool { return of.Path() == c.path && of.Kind() == c.kind })], nil
}

// Gather implements part.Column.
func (c *headColumn) Gather(ctx context.Context, rows *index.DocSet) (part.Values, error) {
	of, err := c.decoded()
	if err != nil {
		return part.Values{}, err
	}
	return of.Gather(ctx, rows)
}

// Counts implements part.Column.
func (c *headColumn) Counts(ctx context.Context, rows *index.DocSet) ([]part.ValueCount, error) {
	of, err := c.decoded()
	if err != nil {
		return nil, err
	}
	return of.Counts(ctx, rows)
}

// failedPart stands for records that cannot be read.
type failedPart struct {
	rows        uint32
	first, last int64
	err         error
}

func (p *failedPart) Rows() uint32                      { return p.rows }
func (p *failedPart) TimeRange() (int64, int64)         { return p.first, p.last }
func (p *failedPart) Columns(string) []part.Column      { return nil }
func (p *failedPart) AllColumns() []part.Column         { return nil }
func (p *failedPart) Patterns(*part.Naming) part.Column { return nil }

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
