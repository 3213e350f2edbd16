//go:build unix

package ingest_test

import (
	"bytes"
	"context"
	"os"
	"syscall"
	"testing"
	"time"

	"github.com/stere-log/stere/bench/corpus"
	"github.com/stere-log/stere/ingest"
	"github.com/stere-log/stere/ingest/body"
	"github.com/stere-log/stere/ingest/ndjson"
	"github.com/stere-log/stere/ingest/pipeline"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/block"
	"github.com/stere-log/stere/redact"
)

// What the benchmarks send: requests of a thousand lines, as shippers do, and
// enough different ones that no table is warm for all of them.
const (
	benchLines    = 1000
	benchRequests = 100
)

// benchFile names a file of NDJSON to send instead of the generated corpus.
const benchFile = "STERE_BENCH_FILE"

// BenchmarkWayIn measures what a line costs from its body to its block, all
// of it and step by step. The figure to look at is cpu-s/Mline: processor time
// of the whole process, garbage collection included, per million lines.
func BenchmarkWayIn(b *testing.B) {
	bodies := benchBodies(b)
	b.Run("all", func(b *testing.B) { benchAll(b, bodies) })
	b.Run("read", func(b *testing.B) {
		var unpacker body.Decoder
		perLine(b, bodies, func(sent []byte) {
			text, err := unpacker.ReadMetered(bytes.NewReader(sent), int64(len(sent)), "", 0, unlimited)
			if err != nil {
				b.Fatal(err)
			}
			unpacker.Recycle(text)
		})
	})
	b.Run("decode", func(b *testing.B) {
		decoder := benchDecoder(b)
		perLine(b, bodies, func(sent []byte) { decoder.Release(mustDecode(b, decoder, sent)) })
	})
	b.Run("encode", func(b *testing.B) {
		decoder := benchDecoder(b)
		records := make(map[*byte][]model.Record)
		for _, sent := range bodies {
			records[&sent[0]] = mustDecode(b, decoder, sent).Records
		}
		perLine(b, bodies, func(sent []byte) {
			if _, err := block.Encode(nil, records[&sent[0]]); err != nil {
				b.Fatal(err)
			}
		})
	})
}

// benchAll does what the handler of a request does.
func benchAll(b *testing.B, bodies [][]byte) {
	var unpacker body.Decoder
	decoder := benchDecoder(b)
	writer := ingest.NewWriter(sink{}, ingest.Config{})
	defer writer.Close(context.Background())
	perLine(b, bodies, func(sent []byte) {
		text, err := unpacker.ReadMetered(bytes.NewReader(sent), int64(len(sent)), "", 0, unlimited)
		if err != nil {
			b.Fatal(err)
		}
		decoded := mustDecode(b, decoder, text)
		if _, err := writer.Write(context.Background(), ingest.Request{Tenant: model.DefaultTenant, Records: decoded.Records}); err != nil {
			b.Fatal(err)
		}
		decoder.Release(decoded)
		unpacker.Recycle(text)
	})
}

// benchDecoder returns a decoder that redacts, as a node's does.
func benchDecoder(b *testing.B) *ndjson.Decoder {
	rules, err := redact.New(redact.Config{})
	if err != nil {
		b.Fatal(err)
	}
	return ndjson.NewDecoder(pipeline.Config{Redact: rules})
}

func unlimited(int64) error { return nil }

func mustDecode(b *testing.B, decoder *ndjson.Decoder, text []byte) ndjson.Decoded {
	decoded, err := decoder.Decode("", nil, text, time.Unix(1_700_000_000, 0))
	if err != nil || len(decoded.Records) != benchLines {
		b.Fatalf("%d records, %v", len(decoded.Records), err)
	}
	return decoded
}

// perLine calls do with one body per iteration and reports what a line costs.
func perLine(b *testing.B, bodies [][]byte, do func(sent []byte)) {
	size := 0
	for _, sent := range bodies {
		size += len(sent)
	}
	b.SetBytes(int64(size / len(bodies)))
	b.ReportAllocs()
	start, i := cpuTime(b), 0
	for b.Loop() {
		do(bodies[i%len(bodies)])
		i++
	}
	b.ReportMetric((cpuTime(b)-start).Seconds()*1e6/float64(i*benchLines), "cpu-s/Mline")
}

func cpuTime(b *testing.B) time.Duration {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

// sink is shards that keep nothing.
type sink struct{}

// Filled implements ingest.Shards.
func (s sink) Filled(model.ShardID) (float64, bool) { return 0, false }

// KeyShardsOf implements ingest.Shards.
func (s sink) KeyShardsOf(id model.TenantID) []model.ShardID { return s.ShardsOf(id) }

// ShardsOf implements ingest.Shards.
func (sink) ShardsOf(model.TenantID) []model.ShardID { return []model.ShardID{1, 2} }

// Append implements ingest.Shards.
func (sink) Append(_ context.Context, _ model.ShardID, a ingest.Append) (ingest.Ack, error) {
	ack := ingest.Ack{Batches: make([]ingest.BatchAck, len(a.Batches))}
	for i := range ack.Batches {
		ack.Batches[i].Outcome = ingest.Stored
	}
	return ack, nil
}

// benchBodies returns bodies of the generated corpus, or of the file that is
// named.
func benchBodies(b *testing.B) [][]byte {
	var text []byte
	if name := os.Getenv(benchFile); name != "" {
		read, err := os.ReadFile(name)
		if err != nil {
			b.Fatal(err)
		}
		text = read
	} else {
		generator, err := corpus.New(corpus.Config{Seed: 1, Lines: benchLines * benchRequests})
		if err != nil {
			b.Fatal(err)
		}
		for more := true; more; {
			text, more = generator.Append(text)
		}
	}
	return cutBodies(text)
}

// cutBodies cuts a text into bodies, spread over all of it.
func cutBodies(text []byte) [][]byte {
	var all [][]byte
	for start, at, lines := 0, 0, 0; at < len(text); {
		end := bytes.IndexByte(text[at:], '\n')
		if end < 0 {
			break
		}
		at += end + 1
		if lines++; lines == benchLines {
			all = append(all, bytes.Clone(text[start:at]))
			start, lines = at, 0
		}
	}
	step := max(1, len(all)/benchRequests)
	var bodies [][]byte
	for i := 0; i < len(all) && len(bodies) < benchRequests; i += step {
		bodies = append(bodies, all[i])
	}
	return bodies
}
