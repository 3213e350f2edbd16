package replica

import (
	"errors"
	"reflect"
	"testing"

	"github.com/stere-log/stere/storage"
)

func commands() []any {
	return []any{
		storage.Append{Tenant: "default", Time: -5, Block: []byte("block"), Batches: []storage.Batch{
			{Rows: 3}, {Key: [16]byte{1, 2}, Body: [16]byte{3}, Rows: 1 << 20},
		}},
		storage.Append{Tenant: "default", Block: []byte("block"), Batches: []storage.Batch{
			{Key: [16]byte{1, 2}, Rows: 3, Carried: true}, {Rows: 1}, {Key: [16]byte{7}, Body: [16]byte{8}, Rows: 1},
		}},
		storage.Append{Tenant: "t", Block: []byte{}},
		storage.SealCommand{Time: 1_700_000_000_000_000_000},
		storage.SealCommand{Time: 1, Merges: []storage.Merge{
			{Number: 7, Inputs: []storage.SegmentID{{Sequence: 2}, {Sequence: 1 << 60, Ordinal: 9}}},
		}, Drops: []storage.SegmentID{{Sequence: 4, Ordinal: 1}}},
		storage.SealCommand{Time: 1, DayCutRows: 131_072, Merges: []storage.Merge{
			{Number: 7, Inputs: []storage.SegmentID{{Sequence: 2}}, Outputs: []storage.Entry{
				{ID: storage.MergeOutput(7, 0), Rows: 9, FirstTime: -4, LastTime: 5, MinIndex: 1, MaxIndex: 3, Bytes: 1000, TextBytes: 1 << 40},
				{ID: storage.MergeOutput(7, 1), Rows: 1},
			}},
		}},
		storage.SealCommand{Time: 2, DayCutRows: 1, Merges: []storage.Merge{{Number: 8, Inputs: []storage.SegmentID{{Sequence: 3}}, Cleaned: 99}}},
		storage.SealCommand{Time: 2, Cleans: []storage.Clean{{ID: storage.SegmentID{Sequence: 3, Ordinal: 1}, Cleaned: 99}}},
		storage.Deletion{Number: 5, Tenant: "t", Query: "a:b", From: -7, To: 9, Time: 3, Except: []storage.Exception{{Query: "c", From: 1, To: 2}, {From: -1, To: 4}}},
	}
}

func encode(command any) []byte {
	if a, ok := command.(storage.Append); ok {
		return encodeAppend(a)
	}
	if d, ok := command.(storage.Deletion); ok {
		return encodeDelete(d)
	}
	return encodeSeal(command.(storage.SealCommand))
}

func TestCommandsRoundTrip(t *testing.T) {
	for _, command := range commands() {
		got, err := decodeCommand(encode(command))
		if err != nil || !reflect.DeepEqual(got, command) {
			t.Errorf("decoded %+v, %v; want %+v", got, err, command)
		}
	}
}

func TestDamagedCommandsAreErrors(t *testing.T) {
	for _, bad := range [][]byte{nil, {1}, {0, 1}, {2, 1}, {1, 0}, {1, 3, 0}, {1, 1, 200}, {1, 2, 0, 0, 0, 0}, {2, 2, 0, 0, 0}, {3, 2, 0, 0, 0}} {
		if got, err := decodeCommand(bad); !errors.Is(err, ErrCommand) {
			t.Errorf("decode %x: %v, %v; want ErrCommand", bad, got, err)
		}
	}
	for _, command := range commands()[4:] {
		seal := encode(command)
		for n := range len(seal) {
			if got, err := decodeCommand(seal[:n]); !errors.Is(err, ErrCommand) {
				t.Errorf("decode %d of %d bytes: %v, %v; want ErrCommand", n, len(seal), got, err)
			}
		}
	}
}

// A key that a node gave needs version 2, and nothing else does: what all read
// is written as before.
func TestVersionsOfAppends(t *testing.T) {
	keyed := storage.Append{Tenant: "t", Batches: []storage.Batch{{Key: [16]byte{1}, Rows: 1}}}
	if got := encodeAppend(keyed); got[0] != 1 {
		t.Errorf("an append with a client's key has version %d, want 1", got[0])
	}
	keyed.Batches[0].Carried = true
	got := encodeAppend(keyed)
	if got[0] != 2 {
		t.Errorf("an append with a node's key has version %d, want 2", got[0])
	}
	got[0] = 1
	if decoded, err := decodeCommand(got); !errors.Is(err, ErrCommand) {
		t.Errorf("a node's key in version 1: %v, %v; want ErrCommand", decoded, err)
	}
}

// Seals of version 1, of before a seal named what its merges make.
func TestOldSealsAreRead(t *testing.T) {
	old := []byte{1, commandSeal, 2, 1, 7, 1, 4, 0, 1, 8, 1}
	want := storage.SealCommand{Time: 1, Merges: []storage.Merge{{Number: 7, Inputs: []storage.SegmentID{{Sequence: 4}}}},
		Drops: []storage.SegmentID{{Sequence: 8, Ordinal: 1}}}
	if got, err := decodeCommand(old); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("decoded %+v, %v; want %+v", got, err, want)
	}
}

func FuzzDecodeCommand(f *testing.F) {
	for _, command := range commands() {
		f.Add(encode(command))
	}
	f.Fuzz(func(t *testing.T, src []byte) {
		command, err := decodeCommand(src)
		if err != nil {
			return
		}
		again, err := decodeCommand(encode(command))
		if err != nil || !reflect.DeepEqual(again, command) {
			t.Errorf("%+v comes back as %+v, %v", command, again, err)
		}
	})
}
