package main

import (
	"strings"
	"testing"
	"time"
)

// TestBuilding reads from metrics what a node builds.
func TestBuilding(t *testing.T) {
	for text, want := range map[string][2]bool{
		"": {},
		"stere_storage_merging{shard=\"1\"} 0\nstere_storage_sealing{shard=\"1\"} 0\n":                           {},
		"stere_storage_merging{shard=\"1\"} 0\nstere_storage_merging{shard=\"2\"} 1\nstere_storage_segments 4\n": {true, false},
		"stere_storage_sealing{shard=\"2\"} 1\n":                                                                 {false, true},
	} {
		if merges, seals := building(text); merges != want[0] || seals != want[1] {
			t.Errorf("%q: merges %v, seals %v", text, merges, seals)
		}
	}
}

// TestReport tells requests apart by what ran beside them.
func TestReport(t *testing.T) {
	at := func(ms int) time.Time { return time.Unix(0, 0).Add(time.Duration(ms) * time.Millisecond) }
	spans := []span{{at(0), at(100), false, false}, {at(100), at(200), false, true}, {at(200), at(400), true, true}}
	requests := []request{{at(10), at(20)}, {at(50), at(150)}, {at(120), at(130)}, {at(190), at(290)}}
	var b strings.Builder
	report(&b, requests, spans, 2000, time.Second)
	want := `2000 lines in 1s, 2000 a second; merging 50 % of the time

| beside | requests | p50 ms | p99 ms | max ms |
|---|---:|---:|---:|---:|
| neither | 1 | 10.0 | 10.0 | 10.0 |
| a seal | 2 | 10.0 | 100.0 | 100.0 |
| a merge | 1 | 100.0 | 100.0 | 100.0 |
`
	if b.String() != want {
		t.Errorf("have\n%s\nwant\n%s", b.String(), want)
	}
}
