package column

import (
	"errors"
	"math/rand/v2"
	"slices"
	"testing"
)

// checkPage compares a page of codes with the codes.
func checkPage(t *testing.T, p *CodePage, codes []uint32, limit uint32) {
	t.Helper()
	if got := p.AppendTo(nil); !slices.Equal(got, codes) {
		t.Fatalf("page of codes: got %v, want %v", got, codes)
	}
	var runs []uint32
	for i := range p.Runs() {
		code, end := p.Run(i)
		for len(runs) < int(end) {
			runs = append(runs, code)
		}
	}
	if !slices.Equal(runs, codes) {
		t.Fatalf("runs of codes: got %v, want %v", runs, codes)
	}
	const first = 1 << 20
	for _, step := range []int{1, 3, 64, 1000} {
		var places, want []uint32
		for place := step / 2; place < len(codes); place += step {
			places, want = append(places, first+uint32(place)), append(want, codes[place])
		}
		if got := p.AppendAt(nil, places, first); !slices.Equal(got, want) {
			t.Fatalf("codes at every %d. place: got %v, want %v", step, got, want)
		}
	}
	wanted := make([]uint64, limit/64+1)
	places := make([]uint64, len(codes)/64+1)
	distinct := slices.Compact(slices.Sorted(slices.Values(codes)))
	for _, step := range []int{1, 2, 7, len(distinct)/3 + 1, len(distinct)} {
		clear(wanted)
		for i, code := range distinct {
			if i%step == 0 {
				wanted[code/64] |= 1 << (code % 64)
			}
		}
		for i := range places {
			places[i] = 0x5555555555555555
		}
		if len(codes)%64 == 0 {
			places[len(codes)/64] = 0
		}
		if !p.Mark(places, wanted) {
			t.Fatalf("no place of %d wanted", step)
		}
		for place := range len(places) * 64 {
			want := place < len(codes) && wanted[codes[place]/64]>>(codes[place]%64)&1 != 0
			if have := places[place/64]>>(place%64)&1 != 0; have != want {
				t.Fatalf("place %d of %d marked: %v, want %v", place, len(codes), have, want)
			}
		}
	}
	if p.Mark(places, make([]uint64, len(wanted))) {
		t.Fatal("marked a place, none was wanted")
	}
}

func TestCodePage(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for _, n := range []int{1, 2, 63, 64, 65, 500, 1000, 4096, 32768, PageMax} {
		for _, high := range []uint32{1, 2, 200, 256, 300, 5000, 1 << 18} {
			for _, stay := range []int{1, 2, 5, 300} {
				codes := make([]uint32, n)
				code := rng.Uint32N(high)
				for i := range codes {
					if rng.IntN(stay) == 0 {
						code = rng.Uint32N(high)
						if stay == 2 { // of few, far from each other
							code = code % 100 * (high / 100)
						}
					}
					codes[i] = code
				}
				raw := AppendCodes(nil, codes)
				p, err := ParseCodePage(raw, n, high)
				if err != nil {
					t.Fatalf("%d codes up to %d, encoding %#x: %v", n, high, raw[0], err)
				}
				checkPage(t, p, codes, high)
				if _, err := ParseCodePage(raw, n, slices.Max(codes)); !errors.Is(err, ErrCorrupt) {
					t.Fatalf("codes beyond the limit: %v", err)
				}
				if _, err := ParseCodePage(raw[:len(raw)-1], n, high); err == nil {
					t.Fatal("a page without its last byte was read")
				}
			}
		}
	}
	checkPage(t, ConstantPage(700), make([]uint32, 700), 1)
}

// BenchmarkCodePage is a page of a segment of mixed sources: short runs.
func BenchmarkCodePage(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	codes := make([]uint32, 32768)
	for i := range codes {
		if codes[i] = codes[max(0, i-1)]; rng.IntN(3) == 0 {
			codes[i] = rng.Uint32N(400)
		}
	}
	raw := AppendCodes(nil, codes)
	p, err := ParseCodePage(raw, len(codes), 400)
	if err != nil {
		b.Fatal(err)
	}
	b.Run("parse", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, err := ParseCodePage(raw, len(codes), 400); err != nil {
				b.Fatal(err)
			}
		}
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		for b.Loop() {
			if _, _, err := Codes(nil, raw, len(codes)); err != nil {
				b.Fatal(err)
			}
		}
	})
	places := make([]uint64, 512)
	for name, every := range map[string]int{"mark one": 400, "mark some": 50, "mark half": 2} {
		wanted := make([]uint64, 7)
		for code := 0; code < 400; code += every {
			wanted[code/64] |= 1 << (code % 64)
		}
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				p.Mark(places, wanted)
			}
		})
	}
}
