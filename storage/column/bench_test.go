package column

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
)

// The sizes are those of a segment's page.
const benchRows = 8192

func BenchmarkInts(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, width := range []int{3, 8, 13, 30, 50} {
		values := make([]int64, benchRows)
		for i := range values {
			values[i] = rng.Int64N(1 << width)
		}
		coded := AppendInts(nil, values)
		b.Run(fmt.Sprintf("decode %d bits", width), func(b *testing.B) {
			dst := make([]int64, 0, benchRows)
			for b.Loop() {
				if _, _, err := Ints(dst, coded, benchRows); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(benchRows)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mvalues/s")
		})
		b.Run(fmt.Sprintf("encode %d bits", width), func(b *testing.B) {
			var e Encoder
			for b.Loop() {
				coded = e.AppendInts(coded[:0], values)
			}
			b.ReportMetric(float64(benchRows)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mvalues/s")
		})
	}
}

// BenchmarkSkewed is the lengths of runs on a page of a segment: short ones are
// frequent.
func BenchmarkSkewed(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, spread := range []float64{2, 30, 1e6} {
		values := make([]int64, benchRows)
		for i := range values {
			values[i] = int64(rng.ExpFloat64() * spread)
		}
		coded := AppendInts(nil, values)
		b.Run(fmt.Sprintf("decode about %.0f", spread), func(b *testing.B) {
			dst := make([]int64, 0, benchRows)
			for b.Loop() {
				if _, _, err := Ints(dst, coded, benchRows); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(b.Elapsed().Seconds()*1e9/float64(benchRows)/float64(b.N), "ns/value")
		})
	}
}

func BenchmarkCodes(b *testing.B) {
	rng := rand.New(rand.NewPCG(1, 1))
	for _, high := range []uint32{3, 200, 5000, 1 << 20} {
		codes := make([]uint32, benchRows)
		for i := range codes {
			codes[i] = rng.Uint32N(high)
		}
		coded := AppendCodes(nil, codes)
		b.Run(fmt.Sprintf("decode up to %d", high), func(b *testing.B) {
			dst := make([]uint32, 0, benchRows)
			for b.Loop() {
				if _, _, err := Codes(dst, coded, benchRows); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(benchRows)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mvalues/s")
		})
	}
}

func BenchmarkStrings(b *testing.B) {
	forms := map[string]func(i int) string{
		"integers":  func(i int) string { return fmt.Sprint(i * 7919 % 100_003) },
		"addresses": func(i int) string { return fmt.Sprintf("10.%d.%d.%d", i%3, i%200, i*31%256) },
		"uuids":     func(i int) string { return fmt.Sprintf("%08x-1111-2222-3333-%012x", i*7919, i*104729) },
		"hexadecimal": func(i int) string {
			return fmt.Sprintf("%016x%016x", uint64(i)*0x9e3779b97f4a7c15, uint64(i)*0xc2b2ae3d27d4eb4f)
		},
		"words":      func(i int) string { return [...]string{"GET", "POST", "PUT", "HEAD"}[i*i%4] },
		"free texts": func(i int) string { return strings.Repeat("text ", i%7) + fmt.Sprintf("n%d/", i*i) },
	}
	for name, form := range forms {
		values := make([]string, benchRows)
		for i := range values {
			values[i] = form(i)
		}
		coded := AppendStrings(nil, values)
		b.Run("encode "+name, func(b *testing.B) {
			var e Encoder
			b.ReportAllocs()
			for b.Loop() {
				coded = e.AppendStrings(coded[:0], values)
			}
			b.ReportMetric(float64(benchRows)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mvalues/s")
		})
		b.Run("decode "+name, func(b *testing.B) {
			b.ReportAllocs()
			dst := make([]string, 0, benchRows)
			for b.Loop() {
				if _, _, err := Strings(dst, coded, benchRows); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(benchRows)*float64(b.N)/b.Elapsed().Seconds()/1e6, "Mvalues/s")
		})
	}
}

// BenchmarkTimes is a page of a segment: a mix of sources that write
// milliseconds, four records a second with bursts.
func BenchmarkTimes(b *testing.B) {
	const rows = 32768
	rng := rand.New(rand.NewPCG(1, 1))
	times, digits := make([]int64, rows), make([]uint32, rows)
	t := int64(1_700_000_000_000)
	for i := range times {
		if rng.IntN(2) == 0 {
			t += int64(rng.ExpFloat64() * 500)
		}
		times[i], digits[i] = t*1_000_000, 3
	}
	coded := AppendTimes(nil, times, digits)
	b.Run("encode", func(b *testing.B) {
		var e Encoder
		b.ReportAllocs()
		for b.Loop() {
			coded = e.AppendTimes(coded[:0], times, digits)
		}
		b.ReportMetric(float64(len(coded))/rows, "bytes/row")
	})
	b.Run("decode", func(b *testing.B) {
		b.ReportAllocs()
		dst, digits := make([]int64, 0, rows), make([]uint32, 0, rows)
		for b.Loop() {
			if _, _, _, err := Times(dst, digits, coded, rows); err != nil {
				b.Fatal(err)
			}
		}
	})
}
