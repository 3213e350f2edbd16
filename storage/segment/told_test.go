package segment

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/column"
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
func tellingSegment(t testing.TB, random *rand.Rand, rows int) (*Segment, memStore) {
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
	return build(t, Input{Part: newMemPart(ids, records)})
}

// TestTold: what was told comes back, whether it follows from messages or not, and nothing
// of what was damaged, cut, or is of another segment.
func TestTold(t *testing.T) {
	const seed, by = 417, 1<<63 + 5
	random := rand.New(rand.NewPCG(seed, 1))
	for _, rows := range []int{1, 700, PageRows + 300} {
		s, _ := tellingSegment(t, random, rows)
		other, _ := tellingSegment(t, random, rows)
		kept := shelf{}
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
	s, _ := tellingSegment(t, random, rows)
	kept := shelf{}
	s.KeepBeside(kept)
	noise := &part.Telling{Of: make([]uint32, rows)}
	for i := range 200 {
		noise.Dict = append(noise.Dict, fmt.Sprint(i))
	}
	for row := range noise.Of {
		noise.Of[row] = random.Uint32N(200)
	}
	many := &part.Telling{Of: make([]uint32, rows), Dict: make([]string, toldDictMax+1)}
	long := &part.Telling{Of: make([]uint32, rows), Dict: []string{strings.Repeat("a", toldRawMax)}}
	for name, telling := range map[string]*part.Telling{"noise": noise, "many": many, "long": long, "short": {Of: make([]uint32, rows-1)}} {
		if err := s.Tell(t.Context(), name, telling); err != nil || kept[name] != nil {
			t.Errorf("%s: %v, %d bytes kept", name, err, len(kept[name]))
		}
	}
}

// FuzzTold reads arbitrary bytes with a right checksum as what is kept beside a segment, as
// they are and as what is in its frame.
func FuzzTold(f *testing.F) {
	random := rand.New(rand.NewPCG(419, 1))
	const rows, by = 300, 11
	s, _ := tellingSegment(f, random, rows)
	kept := shelf{}
	s.KeepBeside(kept)
	told := &part.Telling{By: by, Dict: []string{"a", "", "long text"}, Of: make([]uint32, rows)}
	for row := range told.Of {
		told.Of[row] = uint32(row / 100 % (len(told.Dict) + 1))
	}
	told.Of[7], told.Of[299] = 3, 0
	if err := s.Tell(f.Context(), "x", told); err != nil || kept["x"] == nil {
		f.Fatalf("nothing was kept, %v", err)
	}
	value := kept["x"][:len(kept["x"])-checksumBytes]
	head := value[:toldHead]
	raw, err := column.Decompress(nil, value[len(head):], toldRawMax)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(value, false)
	f.Add(raw, true)
	f.Add(raw[:len(raw)-1], true)
	f.Add(binary.AppendUvarint(binary.AppendUvarint(nil, toldDictMax), rows), true)
	f.Fuzz(func(t *testing.T, content []byte, inside bool) {
		if inside {
			if len(content) > toldRawMax {
				return
			}
			content = column.Compress(slices.Clone(head), content, 1)
		}
		shelf := shelf{"x": binary.LittleEndian.AppendUint32(slices.Clone(content), crc32.Checksum(content, castagnoli))}
		one := s.WithCache(s.cache)
		one.KeepBeside(shelf)
		have, err := one.Told(t.Context(), "x", by)
		if err != nil && !errors.Is(err, ErrCorrupt) {
			t.Fatalf("%v is not of what is corrupt", err)
		}
		if one.Tells("x", by); have == nil {
			return
		}
		if len(have.Of) != rows || len(have.Dict) > toldDictMax {
			t.Fatalf("%d rows, %d values", len(have.Of), len(have.Dict))
		}
		for row, number := range have.Of {
			if int(number) > len(have.Dict) {
				t.Fatalf("row %d has the number %d of %d", row, number, len(have.Dict))
			}
		}
	})
}

// FuzzToldOfDamaged tells and reads beside a segment of which one value of the messages is
// arbitrary bytes with a right checksum.
func FuzzToldOfDamaged(f *testing.F) {
	random := rand.New(rand.NewPCG(420, 1))
	const rows, by = 300, 11
	whole, store := tellingSegment(f, random, rows)
	var keys []string
	for key := range store {
		if key[0] == sectionColumn && key[5] == itemCodes || key[0] == sectionFollow || key[0] == sectionSchemas || key[0] == sectionMeta {
			keys = append(keys, key)
		}
	}
	slices.Sort(keys)
	for i, key := range keys {
		f.Add(uint(i), store[key][:len(store[key])-checksumBytes])
	}
	told, kept := &part.Telling{By: by, Dict: []string{"a", "b"}, Of: make([]uint32, rows)}, shelf{}
	for row := range told.Of {
		told.Of[row] = uint32(row % 7 % 3)
	}
	whole.KeepBeside(kept)
	if err := whole.Tell(f.Context(), "x", told); err != nil || kept["x"] == nil {
		f.Fatalf("nothing was kept, %v", err)
	}
	f.Fuzz(func(t *testing.T, number uint, content []byte) {
		damaged := keys[number%uint(len(keys))]
		s, err := Open(func(key []byte, use func([]byte) error) error {
			if string(key) == damaged {
				return use(binary.LittleEndian.AppendUint32(slices.Clone(content), crc32.Checksum(content, castagnoli)))
			}
			return store.get(key, use)
		}, NewCache(0))
		if err != nil || s.Rows() != rows {
			return
		}
		shelf := shelf(maps.Clone(kept))
		s.KeepBeside(shelf)
		_, _ = s.Told(t.Context(), "x", by) // of this copy's codes, or of another one
		if err := s.Tell(t.Context(), "y", told); err != nil || shelf["y"] == nil {
			return
		}
		have, err := s.Told(t.Context(), "y", by)
		if err != nil || !slices.Equal(have.Of, told.Of) {
			t.Fatalf("%v came back, %v", have, err)
		}
	})
}
