package raft

import (
	"fmt"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// The sizes are those of a coalesced small batch and of a full one; the
// clients share one group, as requests for one shard do.
func BenchmarkPropose(b *testing.B) {
	for _, size := range []int{1 << 10, 256 << 10} {
		for _, clients := range []int{1, 16} {
			b.Run(fmt.Sprintf("%dKiB/%dclients", size>>10, clients), func(b *testing.B) {
				l := &counter{}
				h, err := Open(Config{NodeID: "n1", FS: vfs.Default, Dir: b.TempDir() + "/wal"})
				if err != nil {
					b.Fatal(err)
				}
				defer h.Close()
				start := time.Now()
				g, err := h.Start(1, l)
				if err != nil {
					b.Fatal(err)
				}
				if err := g.WaitLeader(b.Context()); err != nil {
					b.Fatal(err)
				}
				if err := g.Barrier(b.Context()); err != nil {
					b.Fatal(err)
				}
				ready := time.Since(start)
				b.SetBytes(int64(size))
				b.SetParallelism(max(1, clients/2))
				b.ResetTimer()
				work := func(next func() bool) {
					command := make([]byte, size)
					for next() {
						if _, _, err := g.Propose(b.Context(), command); err != nil {
							b.Error(err)
							return
						}
					}
				}
				if clients == 1 {
					i := 0
					work(func() bool { i++; return i <= b.N })
				} else {
					b.RunParallel(func(pb *testing.PB) { work(pb.Next) })
				}
				b.ReportMetric(float64(ready.Microseconds())/1000, "start-ms")
			})
		}
	}
}

// counter is a state machine that only counts.
type counter struct {
	ledger
	n int
}

func (c *counter) Apply(_, _ uint64, _ []byte) any { c.n++; return c.n }
