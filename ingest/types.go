package ingest

import (
	"context"
	"errors"

	"github.com/stere-log/stere/model"
)

var (
	// ErrBusy says that too much is in flight. The whole request was refused
	// before anything of it was accepted; it may be sent again later.
	ErrBusy = errors.New("too many records in flight")
	// ErrConflict says that the key was used before for another body.
	ErrConflict = errors.New("idempotency key was used for another body")
	// ErrNoSpace says that the disk of a shard is full.
	ErrNoSpace = errors.New("no space left")
	// ErrUnavailable says that a shard cannot take records now, or that it is
	// not known whether it took them.
	ErrUnavailable = errors.New("shard unavailable")
)

// Shards takes blocks of records. The node implements it.
type Shards interface {
	// ShardsOf returns the shards that take the tenant's records, in an order
	// that does not change. It must not be empty.
	ShardsOf(tenant model.TenantID) []model.ShardID
	// KeyShardsOf returns those of them that take requests with a key. They are
	// the same for a tenant for ever, everywhere: a repeat must go where the
	// first try went.
	KeyShardsOf(tenant model.TenantID) []model.ShardID
	// Filled returns how much of what a shard may hold unsealed it does, if that is
	// known here: a share, from 1 on appends to it wait.
	Filled(shard model.ShardID) (share float64, known bool)
	// Append stores a block and returns when it is durable and searchable. Of
	// the errors, ErrNoSpace, ErrBusy and ErrUnavailable have a meaning. The
	// block belongs to the callee.
	Append(ctx context.Context, shard model.ShardID, a Append) (Ack, error)
}

// Append is one proposal to a shard.
type Append struct {
	Tenant  model.TenantID
	Time    int64  // the proposer's clock, Unix nanoseconds
	Block   []byte // package block's encoding of the records of all batches, in order
	Batches []Batch
}

// Batch is a run of records that is stored whole or not at all.
type Batch struct {
	Key  [16]byte // zero for no idempotency
	Body [16]byte // what a repeat must have in common besides the key
	Rows uint32
}

// Ack says what became of the batches of an Append, in order.
type Ack struct {
	Batches []BatchAck
}

// BatchAck says what became of a batch. Index and First are the place of its
// first record; for a Duplicate, the place at which it was stored before.
type BatchAck struct {
	Index   uint64
	First   uint32
	Outcome Outcome
}

// Outcome is what became of a batch.
type Outcome uint8

// The outcomes.
const (
	Stored    Outcome = iota + 1 // the records are new
	Duplicate                    // the key and the body were there before, nothing is stored
	Conflict                     // the key was there with another body, nothing is stored
)

// Request is a set of records to write.
type Request struct {
	Tenant   model.TenantID
	Key      string   // the client's idempotency key, "" for none
	BodyHash [16]byte // hash of the body, or of what redaction left of it; for requests with a key
	Records  []model.Record
}

// Result says where the records of a request are.
type Result struct {
	Ranges    []Range // in the order of the records
	Duplicate bool    // all of them had been stored before
}

// Range is a run of records with consecutive ids.
type Range struct {
	Shard model.ShardID
	Index uint64
	First uint32 // ordinal of the first record
	Count uint32
}

// ID returns the id of the i-th record of the request.
func (r Result) ID(i int) model.RecordID {
	for _, part := range r.Ranges {
		if i < int(part.Count) {
			return model.RecordID{Shard: part.Shard, Index: part.Index, Ordinal: part.First + uint32(i)}
		}
		i -= int(part.Count)
	}
	return model.RecordID{}
}
