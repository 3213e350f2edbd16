package redact_test

import (
	"strings"
	"syscall"
	"testing"

	"github.com/stere-log/stere/redact"
	"github.com/stere-log/stere/redact/labelled"
)

// BenchmarkText measures lines of which none has a secret and many look like
// it, lines of which half have one, plain words, and one long line.
func BenchmarkText(b *testing.B) {
	var clean, mixed []string
	for i, line := range labelled.Make(7, 20_000) {
		if i%2 == 1 {
			clean = append(clean, line.Text)
		}
		mixed = append(mixed, line.Text)
	}
	plain := []string{"Deferring the reconciliation of a resource that somebody else has changed in the meantime, will retry shortly"}
	var text strings.Builder
	for i := 0; text.Len() < 1<<20; i++ {
		text.WriteString(clean[i%len(clean)] + "\n")
	}
	long := []string{text.String()}
	for _, set := range []struct {
		name  string
		lines []string
	}{{"plain", plain}, {"clean", clean}, {"half", mixed}, {"1MiB", long}} {
		b.Run(set.name, func(b *testing.B) {
			r, err := redact.New(redact.Config{})
			if err != nil {
				b.Fatal(err)
			}
			s := r.Scanner()
			bytes := 0
			for _, line := range set.lines {
				bytes += len(line)
			}
			b.SetBytes(int64(bytes) / int64(len(set.lines)))
			begin := cpuTime(b)
			n := 0
			for ; b.Loop(); n++ {
				s.Text(set.lines[n%len(set.lines)])
			}
			b.ReportMetric(float64(cpuTime(b)-begin)/float64(n), "cpu-ns/op")
		})
	}
}

// cpuTime returns what the process has used, in nanoseconds: other processes do
// not count.
func cpuTime(b *testing.B) int64 {
	var use syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &use); err != nil {
		b.Fatal(err)
	}
	return use.Utime.Nano() + use.Stime.Nano()
}
