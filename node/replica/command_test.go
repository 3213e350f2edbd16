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
		storage.Append{Tenant: "t", Block: []byte{}},
		storage.SealCommand{Time: 1_700_000_000_000_000_000},
		storage.SealCommand{Time: 1, Merges: []storage.Merge{
			{Number: 7, Inputs: []storage.SegmentID{{Sequence: 2}, {Sequence: 1 << 60, Ordinal: 9}}},
		}, Drops: []storage.SegmentID{{Sequence: 4, Ordinal: 1}}},
	}
}

func encode(command any) []byte {
	if a, ok := command.(storage.Append); ok {
		return encodeAppend(a)
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
	for _, bad := range [][]byte{nil, {1}, {0, 1}, {2, 1}, {1, 0}, {1, 3, 0}, {1, 1, 200}, {1, 2, 0, 0, 0, 0}} {
		if got, err := decodeCommand(bad); !errors.Is(err, ErrCommand) {
			t.Errorf("decode %x: %v, %v; want ErrCommand", bad, got, err)
		}
	}
	seal := encode(commands()[3])
	for n := range len(seal) {
		if got, err := decodeCommand(seal[:n]); !errors.Is(err, ErrCommand) {
			t.Errorf("decode %d of %d bytes: %v, %v; want ErrCommand", n, len(seal), got, err)
		}
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
