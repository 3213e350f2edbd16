package ingest

import (
	"errors"
	"fmt"
	"time"

	"github.com/stere-log/stere/model/block"
)

// Defaults of Config.
const (
	DefaultBlockRecords  = 16_384
	DefaultBlockBytes    = 4 << 20
	DefaultInFlightBytes = 256 << 20
	DefaultRequests      = 16_384
	DefaultTimeout       = 30 * time.Second
)

// SendersMax is how many blocks of one tenant may be on the way to one shard.
// More than one only helps if blocks are full.
const SendersMax = 4

// StretchBytes is how many bytes of values without a key go to one shard before
// the next has its turn.
const StretchBytes = 64 << 20

// BatchesMax is how many batches are put together in one block.
const BatchesMax = 1024

// Config limits a Writer. The zero value means the defaults.
type Config struct {
	BlockRecords  int           // records of one block
	BlockBytes    int           // bytes of values of one block (one record may exceed it)
	InFlightBytes int64         // memory of all records in flight; one request alone may exceed it
	Requests      int           // requests in flight
	Timeout       time.Duration // for one Append
	// BlockVersion returns the version of blocks that all replicas read. Nil means
	// block.Version.
	BlockVersion func() byte
	// Now is the clock of proposals. Nil means time.Now.
	Now func() time.Time
}

// Validate reports every fault of the configuration.
func (c Config) Validate() error {
	var faults []error
	check := func(name string, value, most int64) {
		if value < 0 || value > most {
			faults = append(faults, fmt.Errorf("%s is %d, want 0 (default) to %d", name, value, most))
		}
	}
	check("records of a block", int64(c.BlockRecords), 1<<20)
	check("bytes of a block", int64(c.BlockBytes), 64<<20)
	check("bytes in flight", c.InFlightBytes, 1<<50)
	check("requests in flight", int64(c.Requests), 1<<30)
	check("timeout", int64(c.Timeout), int64(time.Hour))
	return errors.Join(faults...)
}

func (c Config) withDefaults() Config {
	if c.BlockRecords <= 0 {
		c.BlockRecords = DefaultBlockRecords
	}
	if c.BlockBytes <= 0 {
		c.BlockBytes = DefaultBlockBytes
	}
	if c.InFlightBytes <= 0 {
		c.InFlightBytes = DefaultInFlightBytes
	}
	if c.Requests <= 0 {
		c.Requests = DefaultRequests
	}
	if c.Timeout <= 0 {
		c.Timeout = DefaultTimeout
	}
	if c.BlockVersion == nil {
		c.BlockVersion = func() byte { return block.Version }
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}
