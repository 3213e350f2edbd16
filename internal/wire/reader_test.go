package wire_test

import (
	"bytes"
	"encoding/binary"
	"math"
	"testing"

	"github.com/stere-log/stere/internal/wire"
)

// sample holds one value of each kind: 7, 300, -5, 1<<32-1, "word", then 2 bytes.
func sample() []byte {
	src := binary.AppendUvarint([]byte{7}, 300)
	src = binary.AppendVarint(src, -5)
	src = binary.AppendUvarint(src, math.MaxUint32)
	return append(src, "\x04wordab"...)
}

func TestValuesComeInOrder(t *testing.T) {
	r := wire.NewReader(sample())
	if b, u, v, n, s := r.Byte(), r.Uvarint(), r.Varint(), r.Uint32(), r.String(); b != 7 || u != 300 || v != -5 || n != math.MaxUint32 || s != "word" {
		t.Errorf("read %d, %d, %d, %d, %q", b, u, v, n, s)
	}
	if r.Len() != 2 || string(r.Rest()) != "ab" || r.Done() || r.Failed() {
		t.Errorf("%d bytes left, %q, done %t, failed %t; want 2, \"ab\", false, false", r.Len(), r.Rest(), r.Done(), r.Failed())
	}
	if taken := r.Take(2); string(taken) != "ab" || !r.Done() {
		t.Errorf("took %q, done %t; want \"ab\", true", taken, r.Done())
	}
	if none := r.Take(0); len(none) != 0 || !r.Done() {
		t.Errorf("took %q of nothing, done %t; want none, true", none, r.Done())
	}
}

func TestAfterAFailureEverythingIsZero(t *testing.T) {
	endless := bytes.Repeat([]byte{0xff}, 11) // no varint ends
	for _, test := range []struct {
		name string
		src  []byte
		fail func(r *wire.Reader) bool // whether the value was zero
	}{
		{"byte", nil, func(r *wire.Reader) bool { return r.Byte() == 0 }},
		{"uvarint", endless, func(r *wire.Reader) bool { return r.Uvarint() == 0 }},
		{"varint", endless, func(r *wire.Reader) bool { return r.Varint() == 0 }},
		{"bounded", []byte{10, 1}, func(r *wire.Reader) bool { return r.Bounded(9) == 0 }},
		{"uint32", binary.AppendUvarint(nil, 1<<32), func(r *wire.Reader) bool { return r.Uint32() == 0 }},
		{"take", []byte{1, 2}, func(r *wire.Reader) bool { return r.Take(math.MaxUint64) == nil }},
		{"bytes", []byte{2, 1}, func(r *wire.Reader) bool { return r.Bytes() == nil }},
		{"string", []byte{2, 1}, func(r *wire.Reader) bool { return r.String() == "" }},
		{"fail", []byte{1, 2}, func(r *wire.Reader) bool { r.Fail(); return true }},
	} {
		r := wire.NewReader(test.src)
		if !test.fail(&r) || !r.Failed() || r.Done() {
			t.Errorf("%s: the value is not zero, or failed %t, done %t; want true, false", test.name, r.Failed(), r.Done())
		}
		if !nothing(&r) {
			t.Errorf("%s: a value after the failure is not zero", test.name)
		}
	}
}

// nothing reports whether a reader that failed gives zeros and stays failed.
func nothing(r *wire.Reader) bool {
	return r.Byte() == 0 && r.Uvarint() == 0 && r.Varint() == 0 && r.Uint32() == 0 && r.Bounded(1) == 0 &&
		r.Take(0) == nil && r.Take(1) == nil && r.Bytes() == nil && r.String() == "" &&
		r.Len() == 0 && r.Rest() == nil && r.Failed() && !r.Done()
}

// FuzzReader takes values in an order of the fuzzer's choice. What was taken
// and what is left are the source, and a failure is the end.
func FuzzReader(f *testing.F) {
	f.Add([]byte{0, 1, 2, 3, 4, 5}, sample())
	f.Add([]byte{4, 4}, []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1})
	f.Fuzz(func(t *testing.T, script, src []byte) {
		r := wire.NewReader(src)
		for _, step := range script {
			before := bytes.Clone(r.Rest())
			var taken []byte // by r.Take, Bytes and String
			switch step % 7 {
			case 0:
				if b := r.Byte(); !r.Failed() {
					taken = []byte{b}
				}
			case 1:
				r.Uvarint()
			case 2:
				r.Varint()
			case 3:
				if n := r.Bounded(uint32(step)); n > uint32(step) {
					t.Fatalf("%d is over the limit of %d", n, step)
				}
			case 4:
				taken = r.Bytes()
			case 5:
				taken = []byte(r.String())
			case 6:
				taken = r.Take(uint64(step))
			}
			if r.Failed() {
				if !nothing(&r) {
					t.Fatalf("a value after the failure of step %d at %x is not zero", step%7, before)
				}
				return
			}
			if !bytes.HasSuffix(before, r.Rest()) || !bytes.HasSuffix(before[:len(before)-r.Len()], taken) {
				t.Fatalf("step %d took %x of %x and left %x", step%7, taken, before, r.Rest())
			}
			if step%7 < 4 && r.Len() == len(before) {
				t.Fatalf("step %d took nothing of %x", step%7, before)
			}
		}
	})
}
