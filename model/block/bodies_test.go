package block

import (
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"

	"github.com/stere-log/stere/model"
)

// Blocks whose bodies are in memory that others had before are what Decode makes of them,
// all that are read together, however large they are.
func TestBodies(t *testing.T) {
	const seed = 11
	rng := rand.New(rand.NewPCG(seed, seed))
	var pool BodyPool
	if pool.Borrow(chunkBytes-1) != nil {
		t.Error("memory is lent for few bytes")
	}
	for turn := range 4 {
		var coded [][]byte
		bytes := 0
		for bytes < 2*chunkBytes {
			text := strings.Repeat(string(rune('a'+rng.IntN(26))), rng.IntN(chunkBytes/2))
			if len(coded) == turn {
				text = strings.Repeat("x", chunkBytes+rng.IntN(9)) // more than a chunk
			}
			one, err := Encode(nil, []model.Record{
				{Time: rng.Int64(), Fields: []model.Field{{Name: "message", Kind: model.String, Text: text}, {Name: "n", Kind: model.Number, Text: "1"}}},
				{Time: rng.Int64(), Fields: []model.Field{{Name: "message", Kind: model.String, Text: text[len(text)/2:]}}},
			})
			if err != nil {
				t.Fatal(err)
			}
			coded, bytes = append(coded, one), bytes+BodySize(one)
		}
		bodies := pool.Borrow(bytes)
		blocks := make([]*Block, len(coded))
		for i, one := range coded {
			var err error
			if blocks[i], err = bodies.DecodePacked(one); err != nil {
				t.Fatalf("seed %d, turn %d: %v", seed, turn, err)
			}
		}
		for i, one := range coded {
			want, err := Decode(one)
			if err != nil {
				t.Fatal(err)
			}
			checkUnpacked(t, blocks[i], want)
			for c := range want.Columns {
				if got := blocks[i].Columns[c].Unpack().Values; !reflect.DeepEqual(got, want.Columns[c].Values) {
					t.Fatalf("seed %d, turn %d: the values of column %d of block %d differ", seed, turn, c, i)
				}
			}
		}
		bodies.Return()
	}
}
