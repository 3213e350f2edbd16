package query_test

import (
	"fmt"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/shape"
	"github.com/stere-log/stere/pattern"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/storage/part"
	"github.com/stere-log/stere/storage/segment/segmenttest"
)

// repeating are records whose messages repeat fields: some with few values, some with
// many, beside all that a variable can be joined with.
func repeating(random *rand.Rand, n int) []model.Record {
	pick := func(from ...string) string { return from[random.IntN(len(from))] }
	letters := func(n int) string {
		text := make([]byte, n)
		for i := range text {
			text[i] = byte('a' + random.IntN(6))
		}
		return string(text)
	}
	records := make([]model.Record, n)
	for i := range records {
		host := pick("alpha", "beta", "gamma") // never variables by their number
		user := letters(4 + random.IntN(2))
		address := fmt.Sprintf("10.%d.0.%d", random.IntN(3), random.IntN(250))
		agent := "Browser " + pick("(X; Linux)", "(Y; Other)") + " " + letters(3)
		id := pick(letters(4), letters(8), fmt.Sprintf("%08x-%04x-4000-8000-%012x", random.Uint32(), random.IntN(1<<16), random.Uint64N(1<<48)))
		message := fmt.Sprintf(pick(
			"user %[2]s came to %[1]s from %[3]s", "%[1]s: %[2]s went from %[3]s:%[6]d", "%[3]s - - \"GET /%[2]s HTTP/1.1\" %[6]d \"%[4]s\"",
			"id %[5]s-%[2]s of %[2]s", "%[2]scdef-%[5]s-abcd-abcd-abcdefabcdef is gone", "{\"msg\":\"%[2]s is late\",\"from\":\"%[3]s\",\"%[1]s\":%[6]d}",
			"a.b:%[2]s key=%[1]s/%[2]s, user=%[2]s.%[6]d", "%[4]s %[1]s\n\tat %[2]s.run(%[2]s.go:%[6]d)", "took %[6]d ms",
		), host, user, address, agent, id, i)
		if random.IntN(40) == 0 {
			message = letters(12) + " is of its own for " + user
		}
		records[i] = model.Record{Time: day + int64(i), Fields: []model.Field{
			field("agent", agent), field("host", host), field("id", id), field("ip", address), field("message", message), field("n", fmt.Sprint(i)), field("user", user),
		}}
	}
	return records
}

// TestPatternsDoNotDependOnParts: a record has the pattern that its message alone gives
// it, in small blocks and in large ones, in small segments and in a large one made of them.
func TestPatternsDoNotDependOnParts(t *testing.T) {
	for seed := range uint64(2) {
		random := rand.New(rand.NewPCG(seed, 77))
		records := repeating(random, 1_200)
		var outlines []string
		for i := range records {
			message, _ := records[i].Get(model.FieldMessage)
			outlines = append(outlines, shape.MessageOutline(message.Text))
		}
		learned := (*pattern.Set)(nil).Learn(pattern.Outlines(outlines))
		small, large := deal(t, random, records, 1, 60), deal(t, random, records, 1, 1)
		var sealed []part.Part
		for some := range slices.Chunk(small[0], 12) {
			sealed = append(sealed, segmenttest.Seal(t, 0, some))
		}
		for name, parts := range map[string][]part.Part{
			"small blocks": small[0], "a large block": large[0], "small segments": sealed,
			"merged": {segmenttest.Seal(t, 0, sealed)}, "sealed at once": {segmenttest.Seal(t, 0, large[0])},
		} {
			for _, set := range []*pattern.Set{nil, learned} {
				engine := query.New(learnedShards{shardSet{parts}, set}, query.Config{})
				hits := search(t, engine, query.Request{Text: "* | fields n, pattern, pattern_id", Limit: len(records)}).Hits
				counts := map[string]int64{}
				for _, hit := range hits {
					want := set.Of(outlines[number(t, &hit.Record)])
					text, _ := hit.Record.Get(model.FieldLearned)
					id, _ := hit.Record.Get(model.FieldLearnedID)
					if text.Text != want.Text || id.Text != want.ID {
						t.Fatalf("seed %d, %s: the pattern is %q (%s), want %q (%s)", seed, name, text.Text, id.Text, want.Text, want.ID)
					}
					counts[want.ID]++
				}
				if len(hits) != len(records) {
					t.Fatalf("seed %d, %s: %d records, want %d", seed, name, len(hits), len(records))
				}
				rows := search(t, engine, query.Request{Text: "* | stats count() by (pattern_id)", Limit: len(records)}).Rows
				if len(rows) != len(counts) {
					t.Errorf("seed %d, %s: %d patterns, want %d", seed, name, len(rows), len(counts))
				}
				for _, row := range rows {
					if row[1] != counts[row[0].(string)] {
						t.Errorf("seed %d, %s: %v of the pattern, want %d", seed, name, row, counts[row[0].(string)])
					}
				}
			}
		}
	}
}
