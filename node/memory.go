package node

import (
	"cmp"

	"github.com/stere-log/stere/ingest"
	"github.com/stere-log/stere/node/replica"
	"github.com/stere-log/stere/storage"
)

// DefaultMemory is about how much memory a node takes at most.
const DefaultMemory = 512 << 20

// Memory says what of a node's memory is for what. Bodies, Records and Heads
// are Work together, and Work, the caches and a sixteenth for everything else
// are the whole; so no combination of full budgets is more than the node has.
type Memory struct {
	Work         int64 // of the process without its caches
	Body         int64 // of one request body
	Bodies       int64 // of all request bodies
	Records      int64 // of the decoded records of all requests
	Heads        int64 // of records of all shards that are not sealed
	SegmentCache int64 // decoded pages of segments
	HeadCache    int64 // decoded blocks of heads
	BlockCache   int64 // blocks of the store
}

// The memory is divided into so many shares.
const (
	shares             = 32
	sharesBodies       = 9
	sharesRecords      = 4
	sharesHeads        = 6
	sharesSegmentCache = 6
	sharesHeadCache    = 4
	sharesBlockCache   = 1
	sharesBody         = 4 // of those of Bodies: a packed body is there twice for a while
)

const (
	bodyMax       = 64 << 20 // from here on one body gets no more
	sealBytesMin  = 1 << 20  // or there would be more segments than records
	blockCacheMax = 2 << 20  // indexes of tables; what is in blocks is kept decoded
	queriesShare  = 3        // of the memory, one of so many, for groups and values of all queries at once
)

// DivideMemory says what of a number of bytes is for what; 0 means
// DefaultMemory.
func DivideMemory(bytes int64) Memory {
	if bytes <= 0 {
		bytes = DefaultMemory
	}
	of := func(n int64) int64 { return bytes / shares * n }
	return Memory{
		Work: of(sharesBodies + sharesRecords + sharesHeads), Body: min(of(sharesBody), bodyMax),
		Bodies: of(sharesBodies), Records: of(sharesRecords), Heads: of(sharesHeads),
		SegmentCache: of(sharesSegmentCache), HeadCache: of(sharesHeadCache), BlockCache: min(of(sharesBlockCache), blockCacheMax),
	}
}

// shareMemory sets the budgets that are not set to their share.
func (c *Config) shareMemory() {
	c.MemoryBytes = cmp.Or(c.MemoryBytes, DefaultMemory)
	m := DivideMemory(c.MemoryBytes)
	c.BlockCacheBytes = cmp.Or(c.BlockCacheBytes, m.BlockCache)
	c.SegmentCacheBytes = cmp.Or(c.SegmentCacheBytes, m.SegmentCache)
	c.HeadCacheBytes = cmp.Or(c.HeadCacheBytes, m.HeadCache)
	c.API.BodyBytes = cmp.Or(c.API.BodyBytes, m.Body)
	c.API.BodyMemory = cmp.Or(c.API.BodyMemory, m.Bodies)
	c.API.RecordMemory = cmp.Or(c.API.RecordMemory, m.Records)
	// The budgets of the interface make requests wait; the writer's refuses.
	c.Ingest.InFlightBytes = cmp.Or(c.Ingest.InFlightBytes, max(ingest.DefaultInFlightBytes, m.Bodies+m.Records))
	c.Query.MemoryBytes = cmp.Or(c.Query.MemoryBytes, int(c.MemoryBytes/queriesShare))
	c.Replica.Storage.MergeBytesMax = cmp.Or(c.Replica.Storage.MergeBytesMax, min(storage.DefaultMergeBytesMax, m.Bodies))
}

// sealBytes is the size of a head that is sealed: the heads of all shards may
// grow to a multiple of it.
func (c *Config) sealBytes(shards int) int64 {
	factor := max(c.Replica.HeadFactor, replica.DefaultHeadFactor)
	each := DivideMemory(c.MemoryBytes).Heads / int64(factor*shards)
	return min(max(each, sealBytesMin), replica.DefaultSealBytes)
}
