package segment

import (
	"bytes"
	"fmt"
	"maps"
	"math/rand/v2"
	"testing"

	"github.com/stere-log/stere/model"
)

// TestMessagesOfManyParts checks that a segment is the same byte for byte whether its records
// came in many parts, of which the later ones repeat messages that are not looked for any
// more, or in one.
func TestMessagesOfManyParts(t *testing.T) {
	const parts, rows = 8, 4000
	rng := rand.New(rand.NewPCG(7, 8))
	var ids []model.RecordID
	var records []model.Record
	early := map[string]bool{} // different messages of the first half
	length := 0
	for i := range rows {
		user := fmt.Sprintf("user-%d", rng.IntN(40))
		message := fmt.Sprintf("request %d of %s failed after a timeout of the connection to the backend, tried again later", rng.IntN(2500), user)
		if rng.IntN(50) == 0 {
			message = fmt.Sprintf("%s: %x", user, rng.Uint64())
		}
		if i < rows/2 && !early[message] {
			early[message] = true
			length += len(message)
		}
		ids = append(ids, model.RecordID{Shard: 3, Index: uint64(10 + i/(rows/parts)), Ordinal: uint32(i % (rows / parts))})
		records = append(records, model.Record{Time: int64(rng.IntN(1000)) * 1e6, Fields: []model.Field{
			{Name: "message", Kind: model.String, Text: message}, {Name: "user", Kind: model.String, Text: user}}})
	}
	if len(early) <= max(dictAlways, rows/dictRatioLong) || length <= rows*shortValue {
		t.Fatalf("%d messages of %d bytes in the first half may still be a dictionary", len(early), length)
	}
	var inputs []Input
	for i := 0; i < rows; i += rows / parts {
		inputs = append(inputs, Input{Part: newMemPart(ids[i:i+rows/parts], records[i:i+rows/parts])})
	}
	whole := newMemPart(ids, records)
	one, want := build(t, Input{Part: whole})
	several, have := build(t, inputs...)
	if one.meta.Bytes != several.meta.Bytes || one.meta.TextBytes != several.meta.TextBytes || !maps.EqualFunc(have, want, bytes.Equal) {
		t.Errorf("the segment of %d parts differs: %d bytes, want %d", parts, several.meta.Bytes, one.meta.Bytes)
	}
	compareParts(t, rng, whole, several, 50)
}
