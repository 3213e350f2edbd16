package wal

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	hraft "github.com/hashicorp/raft"
)

func FuzzDecodeRecord(f *testing.F) {
	enc := encoder{file: 1}
	enc.entry(3, &hraft.Log{Index: 5, Term: 2, Data: []byte("data"), Extensions: []byte("ext")})
	f.Add(enc.buf)
	enc = encoder{file: 1}
	enc.stable(3, "key", []byte("value"))
	f.Add(enc.buf)
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeRecord(b, 1, 0)
		if err != nil {
			return
		}
		if r.size > len(b) || r.size != headerSize+len(r.body) {
			t.Fatalf("size %d of %d", r.size, len(b))
		}
		_, _ = r.head()
		_, _, _ = r.stable()
		_, _ = r.numbers(2)
		_, _ = r.ids(4)
		_, _ = r.why()
		var l hraft.Log
		if r.entry(&l) == nil && logFixed+len(l.Data)+len(l.Extensions) != len(r.body) {
			t.Fatal("an entry lost bytes")
		}
	})
}

// FuzzOpen builds a file out of well-formed records in any order and opens it.
func FuzzOpen(f *testing.F) {
	f.Add([]byte{1, 0, 4, 0, 5, 1, 5, 2, 6, 2, 9, 0})
	f.Add([]byte{1, 0, 3, 9, 4, 0, 5, 10, 6, 10})
	f.Fuzz(func(t *testing.T, script []byte) {
		script = script[:min(len(script), 400)] // the file grows with its square
		enc := encoder{file: 1}
		for i := 0; i+1 < len(script); i += 2 {
			n := uint64(script[i+1])
			switch k := kind(script[i]); k {
			case kindHead:
				enc.numbers(k, 0, formatVersion, 1, 0, 0)
			case kindGroups:
				enc.ids(k, []uint32{0, 1, 2})
			case kindStable:
				enc.stable(uint32(n%3), "key", []byte{byte(n)})
			case kindSpan:
				enc.numbers(k, uint32(n%3), n/2, n, 0)
			case kindReady:
				enc.ids(k, []uint32{0, 1, 2}, formatVersion, 1, 0, 0)
			case kindMark:
				enc.synced = enc.offset
				enc.mark([]uint32{uint32(n % 3)})
			case kindPad:
				enc.pad(headerSize + int(n))
			case kindLost:
				enc.lost(uint32(n%3), &CorruptError{File: "a file", Offset: int64(n), Reason: "a reason"})
			case kindEntry:
				enc.entry(uint32(n%3), &hraft.Log{Index: n, Data: script})
			case kindPrefix, kindSuffix:
				enc.numbers(k, uint32(n%3), n)
			case kindDrop:
				enc.numbers(k, uint32(n%3))
			default:
				enc.buf = append(enc.buf, script[i])
				enc.offset++
			}
		}
		fs := vfs.NewMem()
		if err := fs.MkdirAll("/data/wal/lane-00", 0o755); err != nil {
			t.Fatal(err)
		}
		if len(script)%2 == 1 && len(enc.buf) > 0 {
			enc.buf[int(script[len(script)-1])*7%len(enc.buf)] ^= 1
		}
		writeFile(t, fs, "/data/wal/lane-00/0000000000000001.wal", enc.buf)
		cfg := testConfig(fs)
		cfg.Lanes = 1
		w, err := Open(cfg)
		if err != nil {
			return
		}
		for _, id := range w.Groups() {
			g := w.Group(id)
			if g.Lost() != nil {
				continue
			}
			first, _ := g.FirstIndex()
			last, _ := g.LastIndex()
			for i := first; i <= last && first > 0; i++ {
				if err := g.GetLog(i, new(hraft.Log)); err != nil {
					t.Fatalf("group %d entry %d of %d to %d: %v", id, i, first, last, err)
				}
			}
		}
		mustClose(t, w)
	})
}
