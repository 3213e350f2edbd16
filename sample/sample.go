// Package sample carries the bundled sample: real logs of a small web shop under
// load (nginx, PostgreSQL, sshd and sudo, a JVM and two Node services), one JSON
// object a line in time order, compressed. docs/sample.md tells how they were
// recorded; the programs that did it are in the folder make.
//
// It imports nothing of ours and knows nothing of how the records are stored.
// Invariants: Lines and Bytes are exactly what Open yields; no line names a real
// machine, person or public address. Open may be called from any goroutine; each
// reader it returns belongs to one goroutine.
package sample

import (
	_ "embed"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/zstd"
)

// windowMax bounds the memory that decompression may ask for.
const windowMax = 16 << 20

//go:embed sample.ndjson.zst
var compressed string

// Open returns the sample as NDJSON, from its first line. Close the reader to
// give back the decompressor.
func Open() (io.ReadCloser, error) {
	decoder, err := zstd.NewReader(strings.NewReader(compressed), zstd.WithDecoderMaxWindow(windowMax), zstd.WithDecoderConcurrency(1))
	if err != nil {
		return nil, fmt.Errorf("open the bundled sample: %w", err)
	}
	return decoder.IOReadCloser(), nil
}
