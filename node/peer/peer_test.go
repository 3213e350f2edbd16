package peer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/cluster/heal"
	"github.com/stere-log/stere/cluster/link"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage"
)

func TestErrorsKeepTheirMeaning(t *testing.T) {
	for _, want := range []error{ErrNotHere, ErrNoSpace, ErrBusy, ErrUnavailable, ErrUncertain, ErrRefused, ErrGone} {
		got := decodeError(encodeError(fmt.Errorf("shard 3: %w", want)))
		if !errors.Is(got, want) || !strings.Contains(got.Error(), "shard 3") {
			t.Errorf("%v became %v", want, got)
		}
		for _, other := range []error{ErrNotHere, ErrNoSpace, ErrBusy, ErrUnavailable, ErrUncertain, ErrRefused} {
			if other != want && errors.Is(got, other) {
				t.Errorf("%v became %v, too", want, other)
			}
		}
	}
	var elsewhere NotLeaderError
	if got := decodeError(encodeError(fmt.Errorf("x: %w", NotLeaderError{"0123456789abcdef"}))); !errors.As(got, &elsewhere) || elsewhere.Leader != "0123456789abcdef" {
		t.Errorf("a hint to the leader became %v", got)
	}
	for _, odd := range [][]byte{nil, {1}, {2, codeBusy}, {1, 99}, append([]byte{1, codeBusy}, make([]byte, errorTextMax+1)...)} {
		if got := decodeError(odd); !errors.Is(got, ErrUncertain) {
			t.Errorf("%d odd bytes became %v", len(odd), got)
		}
	}
	if got := decodeError(encodeError(io.ErrUnexpectedEOF)); !errors.Is(got, ErrUncertain) {
		t.Errorf("an error of no kind became %v", got)
	}
}

func randomAppend(rng *rand.Rand) storage.Append {
	a := storage.Append{Tenant: model.TenantID(fmt.Sprintf("tenant-%d", rng.IntN(10))), Time: rng.Int64() - rng.Int64(), Block: make([]byte, rng.IntN(1000))}
	for i := range a.Block {
		a.Block[i] = byte(rng.Uint32())
	}
	for range rng.IntN(20) {
		b := storage.Batch{Rows: rng.Uint32()}
		if rng.IntN(2) == 0 {
			for i := range b.Key {
				b.Key[i], b.Body[i] = byte(rng.Uint32()), byte(rng.Uint32())
			}
			b.Carried = rng.IntN(4) == 0
		}
		a.Batches = append(a.Batches, b)
	}
	return a
}

func TestFormsComeBack(t *testing.T) {
	for seed := range uint64(200) {
		rng := rand.New(rand.NewPCG(seed, 1))
		a := randomAppend(rng)
		got, err := parseAppend(appendMessage(nil, a))
		if err != nil || !reflect.DeepEqual(got, a) && len(a.Block) > 0 {
			t.Fatalf("seed %d: an append became %+v, %v", seed, got, err)
		}
		var results []storage.BatchResult
		for range rng.IntN(10) {
			results = append(results, storage.BatchResult{Index: rng.Uint64(), First: rng.Uint32(), Outcome: storage.Outcome(rng.IntN(4))})
		}
		if got, err := parseResults(appendResults(nil, results)); err != nil || !reflect.DeepEqual(got, results) {
			t.Fatalf("seed %d: results became %+v, %v", seed, got, err)
		}
	}
}

func FuzzForms(f *testing.F) {
	rng := rand.New(rand.NewPCG(1, 1))
	f.Add(appendMessage(nil, randomAppend(rng)))
	f.Add(appendResults(nil, []storage.BatchResult{{Index: 7, First: 1, Outcome: storage.Stored}}))
	f.Add(appendNumbers(nil, []uint64{1, 2, 1 << 40}))
	f.Add(encodeError(ErrBusy))
	f.Fuzz(func(t *testing.T, b []byte) {
		if a, err := parseAppend(b); err == nil {
			if again, err := parseAppend(appendMessage(nil, a)); err != nil || !bytes.Equal(again.Block, a.Block) || len(again.Batches) != len(a.Batches) {
				t.Errorf("an append does not come back: %v", err)
			}
		}
		if results, err := parseResults(b); err == nil {
			if again, err := parseResults(appendResults(nil, results)); err != nil || !reflect.DeepEqual(again, results) {
				t.Errorf("results do not come back: %v", err)
			}
		}
		if numbers, ok := parseNumbers(b); ok {
			if again, ok := parseNumbers(appendNumbers(nil, numbers)); !ok || !reflect.DeepEqual(again, numbers) {
				t.Error("numbers do not come back")
			}
		}
		if decodeError(b) == nil {
			t.Error("bytes of an error are no error")
		}
	})
}

// fake is a node that says what it was asked.
type fake struct {
	Node // what a test does not ask for panics
	err  error
	got  []any
}

func (f *fake) Append(_ context.Context, shard model.ShardID, a storage.Append) ([]storage.BatchResult, error) {
	f.got = append(f.got, shard, len(a.Block))
	return []storage.BatchResult{{Index: 9, First: 2, Outcome: storage.Stored}}, f.err
}

func (f *fake) ReadIndexes(_ context.Context, groups []uint32) ([]uint64, error) {
	return make([]uint64, len(groups)), f.err
}

func (f *fake) Report(_ context.Context, shards ...model.ShardID) (heal.Report, error) {
	report := heal.Report{Node: "x", Replicas: []heal.ReplicaReport{{Shard: 3, Complete: true}, {Shard: 4}}}
	if len(shards) > 0 {
		report.Replicas = slices.DeleteFunc(report.Replicas, func(r heal.ReplicaReport) bool { return r.Shard != uint32(shards[0]) })
	}
	return report, f.err
}

func (f *fake) Join(_ context.Context, node catalogue.Node) (Joined, error) {
	f.got = append(f.got, node.Name)
	return Joined{Cluster: "c"}, f.err
}

func (f *fake) Segment(_ context.Context, shard model.ShardID, id storage.SegmentID, offset int64) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(fmt.Sprint(shard, id, offset))), f.err
}

func (f *fake) Leaf(context.Context, []byte) ([]byte, error) { panic("broken") }

// two starts a node that answers and returns a client for it.
func two(t *testing.T, node Node) Client {
	t.Helper()
	server := open(t, "00000000000000aa", "")
	go func() {
		if err := server.Serve(link.ServeConfig{Handler: Serve(node)}); err != nil {
			t.Error(err)
		}
	}()
	client := open(t, "00000000000000bb", server.Addr().String())
	caller := link.NewCaller(link.CallerConfig{Dial: client.DialHTTP})
	t.Cleanup(func() {
		if err := caller.Close(); err != nil {
			t.Error(err)
		}
	})
	return Client{Caller: caller}
}

func open(t *testing.T, id, other string) *link.Link {
	t.Helper()
	l, err := link.Open(link.Config{NodeID: id, Listen: "127.0.0.1:0", Resolve: func(string) (string, bool) { return other, other != "" }})
	if err != nil {
		t.Fatal(err)
	}
	l.HTTP() // or calls that come before Serve are refused
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

func TestCalls(t *testing.T) {
	const node, asks = "00000000000000aa", "00000000000000bb"
	f := &fake{}
	c := two(t, f)
	ctx := t.Context()
	results, err := c.Append(ctx, node, 5, storage.Append{Tenant: "t", Block: make([]byte, 100), Batches: make([]storage.Batch, 1)})
	if err != nil || len(results) != 1 || results[0].Index != 9 || !reflect.DeepEqual(f.got, []any{model.ShardID(5), 100}) {
		t.Fatalf("append: %+v, %v; asked %v", results, err, f.got)
	}
	if indexes, err := c.ReadIndexes(ctx, node, []uint32{1, 2, 3}); err != nil || len(indexes) != 3 {
		t.Errorf("read indexes: %v, %v", indexes, err)
	}
	if report, there, err := c.ReplicaReport(ctx, node, 3); err != nil || !there || !report.Complete {
		t.Errorf("report of a replica: %+v, %t, %v", report, there, err)
	}
	if _, there, err := c.ReplicaReport(ctx, node, 5); err != nil || there {
		t.Errorf("report of no replica: %t, %v", there, err)
	}
	if report, err := c.Report(ctx, node); err != nil || len(report.Replicas) != 2 || !report.Replicas[0].Complete {
		t.Errorf("report: %+v, %v", report, err)
	}
	if joined, err := c.Join(ctx, node, catalogue.Node{ID: asks, Name: "n7"}); err != nil || joined.Cluster != "c" || f.got[2] != "n7" {
		t.Errorf("join: %+v, %v", joined, err)
	}
	if joined, err := c.Join(ctx, node, catalogue.Node{ID: node, Name: "n7"}); !errors.Is(err, ErrRefused) || len(f.got) != 3 {
		t.Errorf("join for another node: %+v, %v", joined, err)
	}
	stream, err := c.Segment(ctx, node, 4, storage.SegmentID{Sequence: 8, Ordinal: 1}, 77)
	if err != nil {
		t.Fatal(err)
	}
	text, err := io.ReadAll(stream)
	if err := errors.Join(err, stream.Close()); err != nil || string(text) != "4 8.1 77" {
		t.Errorf("segment: %q, %v", text, err)
	}
	if _, err := c.Leaf(ctx, node, []byte("x")); !errors.Is(err, ErrUncertain) {
		t.Errorf("a call whose handler panics: %v", err)
	}
	f.err = NotLeaderError{Leader: "00000000000000cc"}
	var elsewhere NotLeaderError
	if _, err := c.Append(ctx, node, 5, storage.Append{Tenant: "t"}); !errors.As(err, &elsewhere) || elsewhere.Leader != "00000000000000cc" {
		t.Errorf("append to a follower: %v", err)
	}
	f.err = ErrNotHere
	if _, err := c.Segment(ctx, node, 4, storage.SegmentID{}, 0); !errors.Is(err, ErrNotHere) {
		t.Errorf("segment of a shard that is not there: %v", err)
	}
	if err := c.Transfer(ctx, "00000000000000dd", 1, ""); !errors.Is(err, ErrUnavailable) {
		t.Errorf("call to another node than the one that answers: %v", err)
	}
}
