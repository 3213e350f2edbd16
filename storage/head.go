package storage

import (
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
// decoded when it is first read.
type headBlock struct {
	shard   model.ShardID
	index   uint64
	rows    uint32 // as announced by the batches, without what was dropped
	encoded []byte
	dropped []head.Range // batches that are stored elsewhere already

	once sync.Once
	part part.Part // a failedPart if err is set
	err  error
}

// read returns the block as a part. A block that cannot be read gives a part
// whose every read fails, so that no reader mistakes it for an empty one.
func (b *headBlock) read() part.Part {
	b.once.Do(func() {
		decoded, err := block.Decode(b.encoded)
		if err == nil {
			b.part, err = head.New(b.shard, b.index, decoded, b.dropped)
		}
		if err != nil {
			b.err = err
			b.part = &failedPart{rows: b.rows, first: math.MinInt64, last: math.MaxInt64, err: err}
		}
	})
	return b.part
}

// headRun is the blocks of one tenant in log order. It only grows, so that a
// reader may keep the slice as it was.
type headRun []*headBlock

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
