package wal

import (
	"fmt"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	hraft "github.com/hashicorp/raft"
)

// The sizes are those of a coalesced small batch and of a full one; the groups
// are one alone and as many as share syncs on a small node.
func BenchmarkAppend(b *testing.B) {
	for _, size := range []int{1 << 10, 32 << 10, 256 << 10} {
		for _, groups := range []int{1, 8} {
			b.Run(fmt.Sprintf("%dKiB/%dgroups", size>>10, groups), func(b *testing.B) {
				w := mustOpen(b, Config{FS: vfs.Default, Dir: b.TempDir() + "/wal"})
				defer mustClose(b, w)
				b.SetBytes(int64(size))
				b.ReportAllocs()
				var ids atomic.Uint32
				b.SetParallelism(groups)
				b.RunParallel(func(pb *testing.PB) {
					if int(ids.Load()) >= groups && groups == 1 {
						return // GOMAXPROCS makes more than one
					}
					g := w.Group(ids.Add(1))
					data := make([]byte, size)
					for i := uint64(1); pb.Next(); i++ {
						if err := g.StoreLog(&hraft.Log{Index: i, Term: 1, Data: data}); err != nil {
							b.Error(err)
							return
						}
						if i%128 == 0 {
							if err := g.TruncatePrefix(i); err != nil {
								b.Error(err)
								return
							}
						}
					}
				})
			})
		}
	}
}
