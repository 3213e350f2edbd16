package segment

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/part"
)

// shelf is what is kept beside a segment, in memory.
type shelf map[string][]byte

// Get implements Beside.
func (s shelf) Get(name string) ([]byte, error) { return s[name], nil }

// Set implements Beside.
func (s shelf) Set(name string, value []byte) error {
	s[name] = value
	return nil
}

// tellingSegment is one with texts with and without a shape, and rows without a text.
func tellingSegment(t *testing.T, random *rand.Rand, rows int) *Segment {
	var ids []model.RecordID
	var records []model.Record
	for i := range rows {
		var fields []model.Field
		switch random.IntN(5) {
		case 0: // no message
		case 1:
			fields = append(fields, model.Field{Name: "message", Kind: model.String, Text: fmt.Sprintf("only %x", random.Uint64())})
		default:
			fields = append(fields, model.Field{Name: "message", Kind: model.String, Text: fmt.Sprintf("%c took %d ms", 'a'+random.IntN(9), i)})
		}
		ids = append(ids, model.RecordID{Shard: 3, Index: 1, Ordinal: uint32(i)})
		records = append(records, model.Record{Time: int64(i), Fields: fields})
	}
	s, _ := build(t, Input{Part: newMemPart(ids, records)})
	return s
}

// TestTold: what was told comes back, whether it follows from messages or not, and nothing
// of what was damaged, cut, or is of another segment.
func TestTold(t *testing.T) {
	const seed, by = 417, 1<<63 + 5
	random := rand.New(rand.NewPCG(seed, 1))
	for _, rows := range []int{1, 700, PageRows + 300} {
		s, other, kept := tellingSegment(t, random, rows), tellingSegment(t, random, rows), shelf{}
		s.KeepBeside(kept)
		other.KeepBeside(kept)
		if have, err := s.Told(t.Context(), "x", by); have != nil || err != nil {
			t.Fatalf("nothing was told: %v, %v", have, err)
		}
		want := &part.Telling{By: by, Dict: []string{"a", "", "long text"}, Of: make([]uint32, rows)}
		for row := range want.Of {
			if random.IntN(100) == 0 || row%7 == 3 && row < 500 {
				want.Of[row] = random.Uint32N(uint32(len(want.Dict) + 1))
			}
		}
		if err := s.Tell(t.Context(), "x", want); err != nil {
			t.Fatal(err)
		}
		have, err := s.Told(t.Context(), "x", by)
		if err != nil || have == nil || !slices.Equal(have.Of, want.Of) || !slices.Equal(have.Dict, want.Dict) {
			t.Fatalf("seed %d, %d rows: %v came back, %v", seed, rows, have, err)
		}
		if have, err := s.Told(t.Context(), "x", by+1); have != nil || err != nil || s.Tells("x", by+1) || !s.Tells("x", by) || s.Tells("y", by) {
			t.Errorf("what another version made is taken for what this one would: %v, %v", have, err)
		}
		if _, err := other.Told(t.Context(), "x", by); !errors.Is(err, ErrCorrupt) {
			t.Errorf("of another segment: %v", err)
		}
		value := kept["x"]
		for range 200 {
			kept["x"] = slices.Clone(value)
			kept["x"][random.IntN(len(value))] ^= 1 << random.IntN(8)
			if _, err := s.Told(t.Context(), "x", by); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("a flipped bit: %v", err)
			}
			kept["x"] = value[:random.IntN(len(value))]
			if _, err := s.Told(t.Context(), "x", by); !errors.Is(err, ErrCorrupt) {
				t.Fatalf("cut off: %v", err)
			}
		}
	}
}

// TestTellBounds: what takes too much is not kept.
func TestTellBounds(t *testing.T) {
	random := rand.New(rand.NewPCG(418, 1))
	const rows = 20_000
	s, kept := tellingSegment(t, random, rows), shelf{}
	s.KeepBeside(kept)
	noise := &part.Telling{Of: make([]uint32, rows)}
	for i := range 200 {
		noise.Dict = append(noise.Dict, fmt.Sprint(i))
	}
	for row := range noise.Of {
		noise.Of[row] = random.Uint32N(200)
	}
	many := &part.Telling{Of: make([]uint32, rows), Dict: make([]string, toldDictMax+1)}
	for name, telling := range map[string]*part.Telling{"noise": noise, "many": many, "short": {Of: make([]uint32, rows-1)}} {
		if err := s.Tell(t.Context(), name, telling); err != nil || kept[name] != nil {
			t.Errorf("%s: %v, %d bytes kept", name, err, len(kept[name]))
		}
	}
}
