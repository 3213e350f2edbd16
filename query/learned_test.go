package query_test

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"hash/crc32"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/shape"
	"github.com/stere-log/stere/pattern"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/storage/part"
	"github.com/stere-log/stere/storage/segment/segmenttest"
)

// learnedShards are shards of which something was learned.
type learnedShards struct {
	query.Shards
	set *pattern.Set
}

// Patterns implements query.Patterns.
func (s learnedShards) Patterns(model.TenantID) *pattern.Set { return s.set }

// visits are records of which patterns can be learned.
func visits(random *rand.Rand, n int) []model.Record {
	names := []string{"anna", "bert", "claire", "dora", "emil"}
	records := make([]model.Record, n)
	for i := range records {
		message := fmt.Sprintf("user %s came from 10.0.0.%d", names[random.IntN(len(names))], random.IntN(200))
		switch random.IntN(4) {
		case 3: // names of several words
			message = []string{"Started ", "Stopped "}[random.IntN(2)] + []string{"Rotate log files", "Hostname Service", "Journal", "Cleanup of Temporary Directories"}[random.IntN(4)] + "."
		case 0:
			message = fmt.Sprintf("disk %d is full", random.IntN(9))
		case 1:
			message = fmt.Sprintf("cannot open file %s%s: no such file", names[random.IntN(len(names))], names[random.IntN(len(names))])
		}
		records[i] = model.Record{Time: day + int64(i), Fields: []model.Field{field("message", message), field("n", fmt.Sprint(i))}}
	}
	return records
}

// TestLearnedPatterns asks for patterns in every way and compares with a look at each
// record: in blocks, sealed and on several nodes of which only the root has learned.
func TestLearnedPatterns(t *testing.T) {
	random := rand.New(rand.NewPCG(51, 52))
	records := visits(random, 4_000)
	var outlines []string
	for i := range records {
		outlines = append(outlines, shape.MessageOutline(records[i].Fields[0].Text))
	}
	var none *pattern.Set
	set := none.Learn(pattern.Outlines(outlines))
	counts, texts, old := map[string]int64{}, map[string]string{}, map[string]int64{}
	for _, outline := range outlines {
		p := set.Of(outline)
		counts[p.ID]++
		texts[p.ID] = p.Text
		old[none.Of(outline).ID]++
	}
	if len(counts) != 5 || len(old) < 20 {
		t.Fatalf("%d patterns of %d outlines: the test is broken", len(counts), len(old))
	}
	heads := deal(t, random, records, 3, 4)
	sealed := make(shardSet, len(heads))
	for i, parts := range heads {
		sealed[i] = []part.Part{segmenttest.Seal(t, model.ShardID(i), parts)}
	}
	apart, _ := scatter(random, sealed, 2, query.Config{})
	for name, shards := range map[string]query.Shards{"head": heads, "sealed": sealed, "scattered": apart} {
		engine := query.New(learnedShards{shards, set}, query.Config{})
		one := func(text string) any { return search(t, engine, query.Request{Text: text}).Rows[0][0] }
		for _, by := range []string{"* | stats count() by (pattern_id)", "* | eval p = pattern_id | stats count() by (p)"} {
			rows := search(t, engine, query.Request{Text: by}).Rows
			if len(rows) != len(counts) {
				t.Errorf("%s: %s: %d rows, want %d", name, by, len(rows), len(counts))
			}
			for _, row := range rows {
				if row[1] != counts[row[0].(string)] {
					t.Errorf("%s: %s: %v, want %d", name, by, row, counts[row[0].(string)])
				}
			}
		}
		for id, n := range counts {
			for text, want := range map[string]int64{
				"pattern_id:" + id + " | stats count()":                                        n,
				"pattern_id:=" + id + " | stats count()":                                       n,
				"-pattern_id:" + id + " | stats count()":                                       int64(len(records)) - n,
				`* | where pattern_id == "` + id + `" | stats count()`:                         n,
				fmt.Sprintf("pattern:=%q | stats count()", texts[id]):                          n,
				`* | where pattern_id != "` + id + `" | stats count()`:                         int64(len(records)) - n,
				fmt.Sprintf("pattern:=%q pattern_id:%s | stats count()", texts[id], id):        n,
				fmt.Sprintf("* | stats count_if(pattern_id:%s)", id):                           n,
				fmt.Sprintf(`* | eval p = pattern | where p == %q | stats count()`, texts[id]): n,
			} {
				if got := one(text); got != want {
					t.Errorf("%s: %s: %v, want %d", name, text, got, want)
				}
			}
			result := search(t, engine, query.Request{Text: "pattern_id:" + id + " | fields n, pattern_id, pattern | limit 7"})
			for _, hit := range result.Hits {
				got, _ := hit.Record.Get(model.FieldLearnedID)
				text, _ := hit.Record.Get(model.FieldLearned)
				if i := number(t, &hit.Record); got.Text != id || text.Text != texts[id] || set.Of(outlines[i]).ID != id {
					t.Errorf("%s: record %d has %q %q", name, i, got.Text, text.Text)
				}
			}
			if len(result.Hits) != 7 {
				t.Errorf("%s: %d hits", name, len(result.Hits))
			}
		}
		if explained := search(t, engine, query.Request{Text: "pattern_id:* | stats count() by (pattern_id)", Explain: true}).Explain; name == "sealed" {
			if u := explained.Usage; u.Hits.Load()+u.Misses.Load() == 0 || u.EstimatedBytes.Load() == 0 {
				t.Error("nothing is counted of what patterns cost")
			}
		}
		for id, n := range old {
			if got := one("pattern_id:" + id + " | stats count()"); counts[id] == 0 && got != n {
				t.Errorf("%s: the outline %s has %v records, want %d", name, id, got, n)
			}
		}
		if got := one("pattern_id:* | stats count()"); got != int64(len(records)) {
			t.Errorf("%s: %v records have a pattern", name, got)
		}
		for _, row := range search(t, engine, query.Request{Text: "* | patterns"}).Rows {
			if id := row[7].(string); row[0] != texts[id] || row[1] != counts[id] {
				t.Errorf("%s: patterns: %v, want %q with %d", name, row, texts[id], counts[id])
			}
		}
		for _, hit := range search(t, engine, query.Request{Text: "pattern_id:*", Limit: 3}).Hits {
			if slices.ContainsFunc(hit.Record.Fields, func(f model.Field) bool { return f.Name == model.FieldLearnedID }) {
				t.Errorf("%s: a record has a field that it did not come with", name)
			}
		}
	}
}

// TestRestrictedByPatterns sees everything but one pattern, by every way to records.
func TestRestrictedByPatterns(t *testing.T) {
	records := []model.Record{
		{Time: day, Fields: []model.Field{field("message", "the door is open")}}, {Time: day + 1, Fields: []model.Field{field("message", "the safe has code")}},
		{Time: day + 2, Fields: []model.Field{field("message", "the door is open")}},
	}
	var set *pattern.Set
	secret := set.Of(shape.MessageOutline("the safe has code")).ID
	shards := shardSet{{newPart(t, 0, 1, records)}}
	engine := query.New(learnedShards{shards, set}, query.Config{})
	audience := query.Audience{Tenant: model.DefaultTenant, Restriction: "-pattern_id:" + secret}
	if got := search(t, engine, query.Request{Audience: audience}); len(got.Hits) != 2 {
		t.Errorf("a search finds %d records", len(got.Hits))
	}
	seen := model.RecordID{Index: 1}
	if _, err := engine.Get(t.Context(), audience, model.RecordID{Index: 1, Ordinal: 1}); !errors.Is(err, query.ErrNotFound) {
		t.Errorf("by its id: %v", err)
	}
	if around, err := engine.Context(t.Context(), audience, seen, 5, 5); err != nil || len(around.After) != 1 {
		t.Errorf("around another one: %+v, %v", around, err)
	}
	_, filter, err := query.FollowPlan("*", audience.Restriction, 5)
	if err != nil {
		t.Fatal(err)
	}
	asked := &query.FollowQuery{Tenant: model.DefaultTenant, Records: 10, Filters: []query.FollowFilter{filter}}
	followed, err := engine.Follow(t.Context(), asked, shards[0], model.Mark{}, model.MarkEnd(9), 0)
	if err != nil || len(followed.Records) != 2 {
		t.Errorf("followed: %+v, %v", followed, err)
	}
}

// TestRestrictedByPattern asks for single records, for those next to them and for
// what comes as an audience that sees the records of one pattern.
func TestRestrictedByPattern(t *testing.T) {
	random := rand.New(rand.NewPCG(53, 54))
	records := visits(random, 300)
	var outlines []string
	for i := range records {
		outlines = append(outlines, shape.MessageOutline(records[i].Fields[0].Text))
	}
	var none *pattern.Set
	set := none.Learn(pattern.Outlines(outlines))
	heads := deal(t, random, records, 2, 2)
	apart, _ := scatter(random, heads, 2, query.Config{})
	for name, shards := range map[string]query.Shards{"head": heads, "scattered": apart} {
		engine := query.New(learnedShards{shards, set}, query.Config{})
		for _, not := range []string{"", "NOT "} {
			restriction := fmt.Sprintf("%spattern:=%q", not, set.Of(outlines[0]).Text)
			seen := func(i int) bool { return set.Of(outlines[i]).ID == set.Of(outlines[0]).ID != (not != "") }
			few := query.Audience{Tenant: model.DefaultTenant, Restriction: restriction}
			for _, hit := range search(t, engine, query.Request{Text: "*", Limit: 100}).Hits {
				i := number(t, &hit.Record)
				if _, err := engine.Get(t.Context(), few, hit.ID); seen(i) != (err == nil) {
					t.Errorf("%s: %s: record %d with %q: %v", name, restriction, i, outlines[i], err)
				}
				near, err := engine.Context(t.Context(), few, hit.ID, 3, 3)
				if seen(i) != (err == nil) {
					t.Errorf("%s: %s: next to record %d with %q: %v", name, restriction, i, outlines[i], err)
				}
				if err != nil {
					continue
				}
				for _, other := range slices.Concat(near.Before, near.After) {
					if i := number(t, &other.Record); !seen(i) {
						t.Errorf("%s: %s: record %d with %q is seen next to another", name, restriction, i, outlines[i])
					}
				}
			}
		}
	}
	engine := query.New(learnedShards{heads, set}, query.Config{})
	follow := func(filter query.FollowFilter) int {
		q := &query.FollowQuery{Tenant: model.DefaultTenant, Records: query.FollowRecordsMax, Filters: []query.FollowFilter{filter}}
		found, err := engine.Follow(t.Context(), q, heads[0], model.Mark{}, model.MarkEnd(1000), 0)
		if err != nil {
			t.Fatal(err)
		}
		return len(found.Records)
	}
	condition := fmt.Sprintf("pattern:=%q", set.Of(outlines[0]).Text)
	all, few := follow(query.FollowFilter{Text: "*"}), follow(query.FollowFilter{Text: "*", Restriction: condition})
	if want := follow(query.FollowFilter{Text: condition}); few != want || few == 0 || few == all {
		t.Errorf("of %d records %d are followed, want %d", all, few, want)
	}
}

// TestOldIDs asks for a pattern by an id that it had before it became wider.
func TestOldIDs(t *testing.T) {
	var none *pattern.Set
	first := none.Learn([]string{"a user anna went home", "a user bert went home", "a user claire went home"})
	second := first.Learn([]string{"a user anna went out", "a user anna went away", "a user anna went by", "a user anna went abroad", "a user anna went there", "a user anna went below", "a user anna went inside", "a user anna went under"})
	before := first.Of("a user dora went home").ID
	engine := query.New(learnedShards{shardSet{{newPart(t, 0, 1, []model.Record{{Time: day, Fields: []model.Field{field("message", "a user dora went home")}}})}}, second}, query.Config{})
	if got := search(t, engine, query.Request{Text: "pattern_id:" + before + " | stats count()"}).Rows[0][0]; got != int64(1) {
		t.Errorf("%v records by the old id; it leads to %s", got, second.Now(before))
	}
}

// TestOldIDsOfSets checks that an answer of which a set has told what became of an id is
// not given for one that gives messages the same patterns, and does not know the id.
func TestOldIDsOfSets(t *testing.T) {
	var none *pattern.Set
	fresh := none.Learn([]string{"a user anna went home", "a user bert went home", "a user claire went home"})
	now := fresh.Patterns()[0].ID
	old := strings.Repeat("0", len(now))
	data := fresh.Encode()
	data = append(data[:len(data)-5], 1) // without the number of ids that are no more, and the checksum
	for _, id := range []string{old, now} {
		raw, err := hex.DecodeString(id)
		if err != nil {
			t.Fatal(err)
		}
		data = append(data, raw...)
	}
	known, err := pattern.Decode(binary.LittleEndian.AppendUint32(data, crc32.Checksum(data, crc32.MakeTable(crc32.Castagnoli))))
	if err != nil || known.Key() != fresh.Key() || known.Equal(fresh) {
		t.Fatalf("the other set: %v", err)
	}
	kept := &remembering{Part: newPart(t, 0, 1, []model.Record{{Time: day, Fields: []model.Field{field("message", "a user dora went home")}}}), id: "0", kept: map[string]any{}}
	for _, set := range []*pattern.Set{known, fresh, known} {
		engine := query.New(learnedShards{list{kept}, set}, query.Config{})
		want := int64(0)
		if set == known {
			want = 1
		}
		if got := search(t, engine, query.Request{Text: "pattern_id:" + old + " | stats count()"}).Rows[0][0]; got != want {
			t.Errorf("%v records, want %d", got, want)
		}
	}
}
