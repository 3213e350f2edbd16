package ingest

import (
	"crypto/sha256"
	"encoding/binary"

	"github.com/cespare/xxhash/v2"

	"github.com/stere-log/stere/model"
)

// call is a request, or the parts of it that go together.
type call struct {
	done chan struct{} // closed when pending is 0

	// Guarded by Writer.mu until done is closed.
	parts     []*part
	pending   int // parts without an outcome
	ranges    []placed
	duplicate bool // no part was stored anew
	err       error
}

// placed is a Range and where in the request its records were.
type placed struct {
	start int
	Range
}

// part is a run of records of a request that goes into one block.
type part struct {
	call    *call
	shard   model.ShardID
	start   int // of its records in the request
	records []model.Record
	bytes   int  // length of the records' values
	alone   bool // must not share a block
	batch   Batch
	lane    *lane // where the part waits, nil if it does not; guarded by Writer.mu

	origin *origin // what keys of its halves derive from, nil without a key
}

// origin is what the keys of a request's parts are made of.
type origin struct {
	tenant model.TenantID
	key    string
	body   [16]byte
}

func newPart(req Request, shard model.ShardID, start, end, bytes int) part {
	p := part{shard: shard, start: start, records: req.Records[start:end], bytes: bytes}
	if req.Key != "" {
		p.origin = &origin{tenant: req.Tenant, key: req.Key, body: req.BodyHash}
	}
	p.batch = p.origin.batch(start, end-start)
	return p
}

// halves cuts a part in two that each go alone.
func (p *part) halves() (first, second *part) {
	middle := len(p.records) / 2
	a, b := *p, *p
	a.records, b.records = p.records[:middle], p.records[middle:]
	b.start += middle
	a.batch = p.origin.batch(a.start, len(a.records))
	b.batch = p.origin.batch(b.start, len(b.records))
	a.bytes = p.bytes / 2
	b.bytes = p.bytes - a.bytes
	return &a, &b
}

// batch returns the keys of the run of records. The key depends on where the
// run starts, the body also on how long it is: if a request is ever cut another
// way, the repeat is a conflict rather than stored twice.
func (o *origin) batch(start, count int) Batch {
	batch := Batch{Rows: uint32(count)}
	if o == nil {
		return batch
	}
	h := sha256.New()
	var number [8]byte
	write := func(n int) {
		binary.BigEndian.PutUint64(number[:], uint64(n))
		h.Write(number[:])
	}
	// Lengths come first, so that no two inputs run together to the same bytes.
	write(len(o.tenant))
	h.Write([]byte(o.tenant))
	write(len(o.key))
	h.Write([]byte(o.key))
	write(start)
	copy(batch.Key[:], h.Sum(nil))
	h.Reset()
	h.Write(o.body[:])
	write(start)
	write(count)
	copy(batch.Body[:], h.Sum(nil))
	return batch
}

// hashShard spreads keyed requests over shards.
func hashShard(tenant model.TenantID, key string) uint32 {
	h := xxhash.New()
	// A tenant id has no NUL, so the pair reads in one way only.
	_, _ = h.WriteString(string(tenant) + "\x00" + key)
	return uint32(h.Sum64() >> 32)
}
