package gossip

import (
	"errors"
	"math"
	"strings"
	"testing"
)

var full = Meta{
	Cluster: "0123456789abcdef", Name: "stere-0", ClusterAddress: "stere-0.stere.logs.svc.cluster.local:7101",
	APIAddress: "stere-0.stere.logs.svc.cluster.local:7100", Zone: "eu-central-1a", Version: "1.2.3",
	Formats: Formats{Min: 3, Max: 5}, DiskFree: 1 << 40, DiskTotal: 1 << 42, Load: 1.25, Leaders: 12, Replicas: 40, Expects: true, Expected: 5, leaving: true,
}

func TestMetaComesBack(t *testing.T) {
	for _, m := range []Meta{{}, full} {
		b := m.append(nil)
		if got, err := parseMeta(b); err != nil || got != m {
			t.Errorf("have %+v, %v, want %+v", got, err, m)
		}
		// A later version says more.
		b[0]++
		if got, err := parseMeta(append(b, "more"...)); err != nil || got != m {
			t.Errorf("have %+v, %v, want %+v", got, err, m)
		}
		for n := range m.append(nil) {
			if _, err := parseMeta(b[:n]); !errors.Is(err, ErrMeta) {
				t.Errorf("have %v for %d bytes", err, n)
			}
		}
	}
	if n := len(full.append(nil)); n > 200 {
		t.Errorf("a usual description takes %d bytes", n)
	}
	for _, load := range []float64{-1, math.NaN(), math.Inf(1)} {
		if _, err := parseMeta(Meta{Load: load}.append(nil)); err != nil {
			t.Errorf("load %v: %v", load, err)
		}
	}
}

// TestMetaOfAnEarlierVersion: version 1 does not say how many nodes are expected.
func TestMetaOfAnEarlierVersion(t *testing.T) {
	b := full.append(nil)
	b[0] = 1
	want := full
	want.Expected = 0
	if got, err := parseMeta(b[:len(b)-1]); err != nil || got != want {
		t.Errorf("have %+v, %v, want %+v", got, err, want)
	}
}

func TestMetaIsBounded(t *testing.T) {
	for _, m := range []Meta{
		{Name: strings.Repeat("x", metaTextMax+1)},
		{Name: strings.Repeat("x", metaTextMax), Zone: strings.Repeat("x", metaTextMax)},
	} {
		if err := m.Validate(); !errors.Is(err, ErrMeta) {
			t.Errorf("have %v", err)
		}
	}
}

func FuzzMeta(f *testing.F) {
	f.Add(full.append(nil))
	f.Add(Meta{}.append(nil))
	f.Fuzz(func(t *testing.T, b []byte) {
		m, err := parseMeta(b)
		if err != nil {
			if !errors.Is(err, ErrMeta) {
				t.Fatal(err)
			}
			return
		}
		if again, err := parseMeta(m.append(nil)); err != nil || again != m {
			t.Fatalf("have %+v, %v, want %+v", again, err, m)
		}
	})
}
