package transfer

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"testing"
	"testing/iotest"
)

type pair struct{ key, value []byte }

// content is random pairs, some of them larger than a chunk.
func content(rng *rand.Rand, n int) []pair {
	pairs := make([]pair, n)
	for i := range pairs {
		size := rng.IntN(2000)
		if rng.IntN(20) == 0 {
			size = rng.IntN(3 * ChunkBytes)
		}
		value := make([]byte, size)
		for j := 0; j < len(value); j += 7 {
			value[j] = byte(rng.Uint32())
		}
		pairs[i] = pair{fmt.Appendf(nil, "key%06d", i), value}
	}
	return pairs
}

func headerOf(pairs []pair) Header {
	h := Header{Shard: 3, Sequence: 8, Ordinal: 1, Rows: 77, Directory: 9}
	for _, p := range pairs {
		h.Bytes += uint64(len(p.value))
	}
	return h
}

// stream gives the pairs a few at a time.
func stream(t *testing.T, rng *rand.Rand, pairs []pair, offset int64) *Stream {
	t.Helper()
	s, err := NewStream(headerOf(pairs), offset, func(dst []byte) ([]byte, int, error) {
		n := min(len(pairs), 1+rng.IntN(4))
		for _, p := range pairs[:n] {
			dst = AppendPair(dst, p.key, p.value)
		}
		pairs = pairs[n:]
		return dst, n, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func encode(t *testing.T, pairs []pair, offset int64) []byte {
	t.Helper()
	encoded, err := io.ReadAll(stream(t, rand.New(rand.NewPCG(1, 2)), pairs, offset))
	if err != nil {
		t.Fatal(err)
	}
	return encoded
}

// sink collects what a receiver hands on.
type sink struct{ pairs []pair }

func (s *sink) receiver() *Receiver {
	return NewReceiver(func(Header) error { return nil }, func(key, value []byte) error {
		s.pairs = append(s.pairs, pair{bytes.Clone(key), bytes.Clone(value)})
		return nil
	})
}

func same(a, b []pair) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		if !bytes.Equal(a[i].key, b[i].key) || !bytes.Equal(a[i].value, b[i].value) {
			return false
		}
	}
	return true
}

var errCut = errors.New("connection is cut")

// A transfer that breaks off again and again, and is continued where it was,
// brings what was sent.
func TestBrokenTransfersAreContinued(t *testing.T) {
	for seed := range uint64(60) {
		rng := rand.New(rand.NewPCG(seed, 3))
		pairs := content(rng, rng.IntN(200))
		whole := encode(t, pairs, 0)
		var got sink
		r := got.receiver()
		for round := 0; ; round++ {
			if round == 1000 {
				t.Fatalf("seed %d: the transfer does not come to an end", seed)
			}
			rest, err := io.ReadAll(stream(t, rng, pairs, r.Offset()))
			if err != nil {
				t.Fatalf("seed %d: from %d: %v", seed, r.Offset(), err)
			}
			src := io.Reader(bytes.NewReader(rest))
			if rng.IntN(4) != 0 {
				src = io.MultiReader(io.LimitReader(src, rng.Int64N(int64(len(rest)+1))), iotest.ErrReader(errCut))
			}
			if rng.IntN(3) == 0 {
				src = iotest.HalfReader(src)
			}
			before := r.Offset()
			err = r.Take(src)
			if r.Offset() < before {
				t.Fatalf("seed %d: offset %d after %d", seed, r.Offset(), before)
			}
			if err == nil {
				break
			}
			if !errors.Is(err, errCut) || r.Done() || r.Broken() != nil {
				t.Fatalf("seed %d: %v, done %v, broken %v", seed, err, r.Done(), r.Broken())
			}
		}
		if !r.Done() || !same(got.pairs, pairs) {
			t.Fatalf("seed %d: %d pairs came, want %d", seed, len(got.pairs), len(pairs))
		}
		if again := encode(t, pairs, 0); !bytes.Equal(again, whole) {
			t.Fatalf("seed %d: the same pairs give other bytes", seed)
		}
	}
}

// A transfer that is continued with other bytes is not done.
func TestOtherContentIsNoticed(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 5))
	pairs := content(rng, 200)
	half := encode(t, pairs, 0)
	half = half[:len(half)/2]
	begin := func() *Receiver {
		var got sink
		r := got.receiver()
		if err := r.Take(bytes.NewReader(half)); err == nil || r.Offset() == 0 {
			t.Fatalf("half a stream: offset %d, %v", r.Offset(), err)
		}
		return r
	}
	other := content(rng, 200)
	r := begin()
	if err := r.Take(stream(t, rng, other, r.Offset())); !errors.Is(err, ErrOther) || !errors.Is(r.Broken(), ErrOther) {
		t.Errorf("another header: %v, want ErrOther", err)
	}
	// The header is the same, a value is not.
	changed := append([]pair(nil), pairs...)
	last := &changed[len(changed)-1]
	first := &changed[0]
	first.value = append([]byte(nil), first.value...)
	last.value = append([]byte(nil), last.value...)
	if len(first.value) == 0 {
		t.Fatal("the first value is empty")
	}
	first.value[0] ^= 1
	r = begin()
	if err := r.Take(stream(t, rng, changed, r.Offset())); !errors.Is(err, ErrOther) || r.Done() {
		t.Errorf("another content: %v, done %v, want ErrOther", err, r.Done())
	}
	r = begin()
	if _, err := io.ReadAll(stream(t, rng, pairs[:1], r.Offset())); !errors.Is(err, ErrOther) {
		t.Errorf("a stream from beyond its end: %v, want ErrOther", err)
	}
}

// Every flipped bit is found, at the latest in the trailer.
func TestEveryFlipIsFound(t *testing.T) {
	rng := rand.New(rand.NewPCG(6, 6))
	pairs := []pair{{[]byte("a"), []byte("first")}, {[]byte("b"), nil}, {[]byte("c"), bytes.Repeat([]byte("x"), 100)}}
	whole := encode(t, pairs, 0)
	for bit := range 8 * len(whole) {
		damaged := bytes.Clone(whole)
		damaged[bit/8] ^= 1 << (bit % 8)
		var got sink
		r := got.receiver()
		if err := r.Take(bytes.NewReader(damaged)); err == nil || r.Done() {
			t.Fatalf("bit %d: %v, done %v", bit, err, r.Done())
		}
		if n := len(got.pairs); n > 0 && !same(got.pairs, pairs) {
			t.Fatalf("bit %d: damaged pairs were handed on", bit)
		}
		// And the transfer is continued with whole bytes.
		if r.Broken() != nil {
			continue
		}
		if err := r.Take(stream(t, rng, pairs, r.Offset())); bit >= 8*headerBytes && (err != nil || !same(got.pairs, pairs)) {
			t.Fatalf("bit %d: continued: %v", bit, err)
		}
	}
}

func TestKeysAscend(t *testing.T) {
	for _, pairs := range [][]pair{
		{{[]byte("b"), nil}, {[]byte("a"), nil}},
		{{[]byte("a"), nil}, {[]byte("a"), nil}},
	} {
		var got sink
		r := got.receiver()
		if err := r.Take(bytes.NewReader(encode(t, pairs, 0))); !errors.Is(err, ErrDamaged) || r.Broken() == nil {
			t.Errorf("keys %s, %s: %v, want ErrDamaged", pairs[0].key, pairs[1].key, err)
		}
	}
}

// A stream that breaks off because its source cannot be read ends with that
// error and without a trailer.
func TestSourceErrorsBreakOff(t *testing.T) {
	s, err := NewStream(Header{}, 0, func(dst []byte) ([]byte, int, error) {
		return AppendPair(dst, []byte("k"), nil), 0, errCut
	})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(s); !errors.Is(err, errCut) {
		t.Errorf("%v, want the error of the source", err)
	}
	if n, err := s.Read(make([]byte, 1)); n != 0 || !errors.Is(err, errCut) {
		t.Errorf("read again: %d, %v", n, err)
	}
}

func FuzzReceiver(f *testing.F) {
	rng := rand.New(rand.NewPCG(7, 7))
	for _, n := range []int{0, 1, 3} {
		pairs := content(rng, n)
		encoded, err := io.ReadAll(stream(&testing.T{}, rng, pairs, 0))
		if err != nil {
			f.Fatal(err)
		}
		f.Add(encoded)
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		var got sink
		r := got.receiver()
		if err := r.Take(bytes.NewReader(src)); err != nil {
			if r.Done() {
				t.Errorf("done after %v", err)
			}
			return
		}
		// What is taken for whole is what a stream of it gives.
		again, err := NewStream(r.header, 0, func(dst []byte) ([]byte, int, error) {
			for _, p := range got.pairs {
				dst = AppendPair(dst, p.key, p.value)
			}
			n := len(got.pairs)
			got.pairs = nil
			return dst, n, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		encoded, err := io.ReadAll(again)
		if err != nil {
			t.Fatal(err)
		}
		var second sink
		if err := second.receiver().Take(bytes.NewReader(encoded)); err != nil {
			t.Errorf("sent on: %v", err)
		}
	})
}
