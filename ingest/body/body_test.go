package body

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/iotest"

	"github.com/klauspost/compress/flate"
	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/snappy"
	"github.com/klauspost/compress/zlib"
	"github.com/klauspost/compress/zstd"
)

// packers are the ways a client packs a body, by the encoding it announces.
var packers = []struct {
	name, encoding string
	pack           func([]byte) []byte
}{
	{"identity", "identity", bytes.Clone},
	{"none", "", bytes.Clone},
	{"gzip", "gzip", packGzip},
	{"gzip members", "x-gzip", func(b []byte) []byte {
		return append(packGzip(b[:len(b)/2]), packGzip(b[len(b)/2:])...)
	}},
	{"zstd", "zstd", packZstd},
	{"zlib", "deflate", func(b []byte) []byte {
		var out bytes.Buffer
		return closed(&out, zlib.NewWriter(&out), b)
	}},
	{"raw deflate", "Deflate", func(b []byte) []byte {
		var out bytes.Buffer
		w, err := flate.NewWriter(&out, 6)
		if err != nil {
			panic(err)
		}
		return closed(&out, w, b)
	}},
	{"snappy frames", "snappy", func(b []byte) []byte {
		var out bytes.Buffer
		return closed(&out, snappy.NewBufferedWriter(&out), b)
	}},
	{"snappy block", "snappy", func(b []byte) []byte { return snappy.Encode(nil, b) }},
	{"gzip in zstd", "gzip, zstd", func(b []byte) []byte { return packZstd(packGzip(b)) }},
	{"identity and gzip", "identity,gzip", packGzip},
}

func packGzip(b []byte) []byte {
	var out bytes.Buffer
	return closed(&out, gzip.NewWriter(&out), b)
}

func packZstd(b []byte) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		panic(err)
	}
	return w.EncodeAll(b, nil)
}

func closed(out *bytes.Buffer, w io.WriteCloser, b []byte) []byte {
	if _, err := w.Write(b); err != nil {
		panic(err)
	}
	if err := w.Close(); err != nil {
		panic(err)
	}
	return out.Bytes()
}

func sample(size int) []byte {
	random := rand.New(rand.NewPCG(1, 2))
	out := make([]byte, size)
	for i := range out {
		out[i] = "abcdefgh{}\":,\n 0123456789"[random.IntN(24)]
	}
	return out
}

func TestRead(t *testing.T) {
	var d Decoder
	for _, size := range []int{1, 100, 70_000, 500_000} {
		want := sample(size)
		for _, p := range packers {
			packed := p.pack(want)
			for range 2 { // the second time from the pool
				got, err := d.ReadBytes(packed, p.encoding, int64(max(size, len(packed))))
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s of %d bytes: %d bytes, %v", p.name, size, len(got), err)
				}
			}
			got, err := d.Read(iotest.OneByteReader(bytes.NewReader(packed)), p.encoding, 0)
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s of %d bytes, byte by byte: %d bytes, %v", p.name, size, len(got), err)
			}
		}
	}
}

func TestReadOwnsResult(t *testing.T) {
	packed := []byte("hello")
	got, err := ReadBytes(packed, "", 10)
	if err != nil {
		t.Fatal(err)
	}
	packed[0] = 'j'
	if string(got) != "hello" {
		t.Errorf("body became %q", got)
	}
}

func TestDamage(t *testing.T) {
	var d Decoder
	for _, p := range packers[2:] {
		packed := p.pack(sample(100_000))
		for _, cut := range []int{0, 1, 5, len(packed)/2 + 7, len(packed) - 1} {
			got, err := d.ReadBytes(packed[:cut], p.encoding, 0)
			if !errors.Is(err, ErrCorrupt) {
				t.Errorf("%s cut to %d of %d: %d bytes, %v", p.name, cut, len(packed), len(got), err)
			}
		}
		got, err := d.ReadBytes(append(bytes.Clone(packed), "garbage"...), p.encoding, 0)
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s with garbage: %d bytes, %v", p.name, len(got), err)
		}
		got, err = d.ReadBytes([]byte(`{"message":"not packed at all"}`), p.encoding, 0)
		if !errors.Is(err, ErrCorrupt) {
			t.Errorf("%s not packed: %q, %v", p.name, got, err)
		}
	}
}

func TestLimit(t *testing.T) {
	for _, p := range packers {
		body := bytes.Repeat([]byte("x"), 10_000)
		packed := p.pack(body)
		if _, err := ReadBytes(packed, p.encoding, 10_000); err != nil {
			t.Errorf("%s at the limit: %v", p.name, err)
		}
		if _, err := ReadBytes(packed, p.encoding, 9_999); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s over the limit: %v", p.name, err)
		}
		if _, err := Read(bytes.NewReader(packed), p.encoding, 9_999); !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s over the limit from a reader: %v", p.name, err)
		}
	}
}

// zeros yields size zero bytes.
func zeros(size int64) io.Reader { return io.LimitReader(zeroReader{}, size) }

type zeroReader struct{}

func (zeroReader) Read(b []byte) (int, error) {
	clear(b)
	return len(b), nil
}

// TestBomb unpacks bodies of 256 MiB under a limit of 1 MiB.
func TestBomb(t *testing.T) {
	const limit = 1 << 20
	size := int64(256 << 20)
	if testing.Short() {
		size = 32 << 20
	}
	for name, newWriter := range map[string]func(io.Writer) io.WriteCloser{
		"gzip":    func(w io.Writer) io.WriteCloser { return gzip.NewWriter(w) },
		"deflate": func(w io.Writer) io.WriteCloser { return zlib.NewWriter(w) },
		"zstd": func(w io.Writer) io.WriteCloser {
			z, err := zstd.NewWriter(w)
			if err != nil {
				t.Fatal(err)
			}
			return z
		},
	} {
		var packed bytes.Buffer
		w := newWriter(&packed)
		if _, err := io.Copy(w, zeros(size)); err != nil {
			t.Fatal(err)
		}
		if err := w.Close(); err != nil {
			t.Fatal(err)
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := ReadBytes(packed.Bytes(), name, limit)
		runtime.ReadMemStats(&after)
		if !errors.Is(err, ErrTooLarge) {
			t.Errorf("%s: %v", name, err)
		}
		// The zstd decoder may allocate its window besides.
		if used := after.TotalAlloc - before.TotalAlloc; used > 8*limit+2*WindowMax {
			t.Errorf("%s allocated %d bytes", name, used)
		}
	}
	// A snappy block that claims 4 GiB.
	if _, err := ReadBytes([]byte("\xff\xff\xff\xff\x0f\x00"), "snappy", limit); !errors.Is(err, ErrTooLarge) {
		t.Errorf("snappy claim: %v", err)
	}
}

func TestEncodingNames(t *testing.T) {
	for _, header := range []string{"br", "gzip, br", "gzip;q=1", "gzip,gzip,gzip,gzip", strings.Repeat("x", 10_000)} {
		_, err := ReadBytes([]byte("x"), header, 0)
		if !errors.Is(err, ErrEncoding) || len(err.Error()) > 200 {
			t.Errorf("%.20q: %v", header, err)
		}
	}
}

func TestSourceError(t *testing.T) {
	lost := errors.New("connection lost")
	for _, p := range packers {
		packed := p.pack(sample(100_000))
		_, err := Read(io.MultiReader(bytes.NewReader(packed[:len(packed)/2]), iotest.ErrReader(lost)), p.encoding, 0)
		if !errors.Is(err, lost) || errors.Is(err, ErrCorrupt) {
			t.Errorf("%s: %v", p.name, err)
		}
	}
}

func TestConcurrentUse(t *testing.T) {
	var d Decoder
	var group sync.WaitGroup
	for i := range 8 {
		group.Go(func() {
			want := sample(1000 * (i + 1))
			for _, p := range packers {
				got, err := d.ReadBytes(p.pack(want), p.encoding, 0)
				if err != nil || !bytes.Equal(got, want) {
					t.Errorf("%s: %d bytes, %v", p.name, len(got), err)
				}
				if i%2 == 0 {
					d.Recycle(got)
				}
			}
		})
	}
	group.Wait()
}

// TestRecycle checks that bodies in memory of earlier bodies are whole, and that
// one which was not given back stays as it is.
func TestRecycle(t *testing.T) {
	var d Decoder
	kept := map[int][]byte{}
	for i, size := range []int{0, 1, 5000, 4096, 4095, 8192, 70_000, 3, 1 << 20, 5 << 20, 9000, 70_001, 1 << 22, 12} {
		want := sample(size)
		got, err := d.Read(iotest.HalfReader(bytes.NewReader(want)), "", 0)
		if err != nil || !bytes.Equal(got, want) {
			t.Fatalf("body of %d bytes: %d bytes, %v", size, len(got), err)
		}
		if i%3 == 0 {
			kept[size] = got
		} else {
			d.Recycle(got)
		}
	}
	for size, body := range kept {
		if !bytes.Equal(body, sample(size)) {
			t.Errorf("body of %d bytes has changed", size)
		}
	}
	d.Recycle(nil)
}

// TestAnnounced reads bodies of which it was said how large they are, truly or not: room is
// made in few steps, and for no more than a multiple of what has come.
func TestAnnounced(t *testing.T) {
	const limit = 8 << 20
	for _, c := range []struct {
		size, announced int64
		steps           int // at most
	}{
		{0, 0, 1}, {100, 100, 1}, {4095, 4095, 1}, {4096, 4096, 2}, {600_000, 600_000, 3}, {1 << 20, 1 << 20, 4},
		{600_000, 0, 9}, {600_000, -1, 9}, {600_000, 5000, 9}, {100, 1 << 40, 1}, {5000, 1 << 40, 2}, {limit, 1 << 40, 5},
	} {
		var d Decoder
		room, steps, came := int64(0), 0, int64(0)
		source := &counted{r: bytes.NewReader(sample(int(c.size))), n: &came}
		got, err := d.ReadMetered(source, c.announced, "", limit, func(more int64) error {
			if room, steps = room+more, steps+1; room > readMin && room > announcedRatio*came {
				t.Errorf("%d bytes of %d announced: room for %d when %d have come", c.size, c.announced, room, came)
			}
			return nil
		})
		if err != nil || !bytes.Equal(got, sample(int(c.size))) {
			t.Fatalf("%d bytes of %d announced: %d bytes, %v", c.size, c.announced, len(got), err)
		}
		if steps > c.steps {
			t.Errorf("%d bytes of %d announced: room was made %d times, want at most %d", c.size, c.announced, steps, c.steps)
		}
	}
}

// counted counts what was read.
type counted struct {
	r io.Reader
	n *int64
}

func (c *counted) Read(p []byte) (int, error) {
	n, err := c.r.Read(p)
	*c.n += int64(n)
	return n, err
}

func FuzzRead(f *testing.F) {
	encodings := []string{"gzip", "zstd", "snappy", "deflate", "snappy, gzip"}
	for _, p := range packers[2:] {
		f.Add(p.pack([]byte("hello hello hello")), uint8(0))
	}
	var d Decoder
	f.Fuzz(func(t *testing.T, packed []byte, which uint8) {
		const limit = 1 << 20
		encoding := encodings[int(which)%len(encodings)]
		got, err := d.ReadBytes(packed, encoding, limit)
		if len(got) > limit {
			t.Fatalf("%d bytes", len(got))
		}
		if err != nil && !errors.Is(err, ErrCorrupt) && !errors.Is(err, ErrTooLarge) {
			t.Fatalf("unnamed error %v", err)
		}
	})
}

func BenchmarkRead(b *testing.B) {
	body := bytes.Repeat(sample(1000), 1000)
	var d Decoder
	for _, p := range packers[2:] {
		packed := p.pack(body)
		b.Run(p.name, func(b *testing.B) {
			b.SetBytes(int64(len(body)))
			b.ReportAllocs()
			for b.Loop() {
				if _, err := d.ReadBytes(packed, p.encoding, 0); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
