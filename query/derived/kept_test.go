package derived_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/meaning"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/block"
	"github.com/stere-log/stere/query/derived"
	"github.com/stere-log/stere/storage"
	"github.com/stere-log/stere/storage/engine"
	"github.com/stere-log/stere/storage/part"
)

// ledger is a shard with what it must have.
type ledger struct {
	t      *testing.T
	random *rand.Rand
	fs     engine.FS
	engine *engine.Engine
	shard  *storage.Shard
	at     uint64                  // log index
	rows   map[model.TenantID]int  // that were not deleted
	gone   map[model.TenantID]bool // whose records of the user "gone" were deleted
	words  *meaning.Lexicon        // that decide categories; nil: the built-in ones
}

const segmentRows = 9000 // enough for what is made of them to be kept beside them

func (l *ledger) open() {
	l.t.Helper()
	var err error
	if l.engine, err = engine.Open(engine.Config{FS: l.fs, Dir: "data", OnFatal: func(err error) { l.t.Errorf("fatal: %v", err) }}); err != nil {
		l.t.Fatal(err)
	}
	env := storage.Env{Engine: l.engine, Query: func(user string, _ int64) (index.Expr, error) {
		return index.Leaf{Field: "user", Pred: index.Equal{Text: user}}, nil
	}}
	if l.shard, err = storage.Open(l.t.Context(), env, storage.Config{Shard: 3, DayCutRows: segmentRows - 1, MergeFan: 2, Beforehand: derived.ToldName}); err != nil {
		l.t.Fatal(err)
	}
}

func (l *ledger) close() {
	l.t.Helper()
	l.shard.Close()
	if err := l.engine.Close(); err != nil {
		l.t.Fatal(err)
	}
}

// append adds records that say all kinds of things.
func (l *ledger) append(tenant model.TenantID, n int) {
	l.t.Helper()
	pick := func(of ...string) string { return of[l.random.IntN(len(of))] }
	records := make([]model.Record, n)
	for i := range records {
		user := pick("anna", "payment-login", "disk", "gone")
		fields := []model.Field{{Name: "user", Kind: model.String, Text: user}}
		if l.random.IntN(9) > 0 {
			fields = append(fields, model.Field{Name: "message", Kind: model.String, Text: pick(
				"user "+user+" opened the door", fmt.Sprintf("slow query took %d ms", i), fmt.Sprintf("alone %c%x", 'g'+rune(l.random.IntN(9)), l.random.Uint32()),
				fmt.Sprintf("login of %s failed after %d tries", user, i), fmt.Sprintf("GET /?f=../../%d/etc/passwd&u=%s' or 1=1-- HTTP/1.1", i, user), fmt.Sprintf("ERROR: disk %d is full", i), "saved",
				fmt.Sprintf("call of %s done in %d.5s trace_id=%032x", user, i, i+1), fmt.Sprintf(`{"duration_ms":%d,"traceparent":"00-%032x-%016x-01"}`, i, i+1, i+2),
			)})
		}
		if l.random.IntN(3) == 0 {
			fields = append(fields, model.Field{Name: "level", Kind: model.String, Text: pick("error", "info")})
		}
		if l.random.IntN(9) == 0 {
			fields = append(fields, model.Field{Name: "category", Kind: model.String, Text: "mine"})
		}
		records[i] = model.Record{Time: int64(l.at)*1_000_000 + int64(i), Fields: fields}
		if user != "gone" || !l.gone[tenant] {
			l.rows[tenant]++
		}
	}
	data, err := block.Encode(nil, records)
	if err != nil {
		l.t.Fatal(err)
	}
	l.at++
	l.shard.Append(l.at, storage.Append{Tenant: tenant, Time: int64(l.at), Block: data, Batches: []storage.Batch{{Rows: uint32(n)}}})
}

func (l *ledger) seal() {
	l.t.Helper()
	l.at++
	l.shard.Seal(l.at, 1, l.shard.SealCommand(int64(l.at)))
	if _, _, err := l.shard.RunSeal(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
	if err := l.shard.Sweep(l.t.Context()); err != nil {
		l.t.Fatal(err)
	}
}

// lexicon returns the built-in words and others.
func lexicon(t *testing.T, own ...meaning.Vocabulary) *meaning.Lexicon {
	t.Helper()
	words, err := meaning.NewLexicon(own)
	if err != nil {
		t.Fatal(err)
	}
	return words
}

// doors are words of a tenant's own.
func doors(t *testing.T) *meaning.Lexicon {
	t.Helper()
	return lexicon(t, meaning.Vocabulary{Category: "doors", Words: []string{"door", "slow query", "alone"}, Weight: 9}, meaning.Vocabulary{Category: meaning.Database, Words: []string{"save"}, Weight: 2})
}

// naive returns what is made of a record, by a look at its texts.
func naive(r *model.Record, words *meaning.Lexicon) map[string]string {
	if words == nil {
		words = meaning.BuiltIn()
	}
	text := func(name string) string {
		f, _ := r.Get(name)
		return f.Text
	}
	level, _ := model.ParseLevel(text("level"))
	made := map[string]string{}
	if text("level") == "" {
		if level = meaning.DetectLevel(text("message")); level != model.LevelNone {
			made[derived.DetectedLevel] = level.String()
		}
	}
	verdict := words.Judge(meaning.Evidences{Message: words.Evidence(text("message")), IsError: level >= model.LevelError})
	if made[derived.Category] = string(verdict.Labels[0].Category); text("category") != "" {
		made[derived.Category] = text("category")
	}
	if took, ok := meaning.DurationOf(text("message")); ok {
		made[derived.DetectedDuration] = strconv.FormatFloat(took, 'f', -1, 64)
	}
	if trace, span := meaning.TraceOf(text("message")); trace != "" {
		if made[derived.TraceID] = trace; span != "" {
			made[derived.SpanID] = span
		}
	}
	var attacks []string
	for _, name := range meaning.AttackNames() {
		for _, found := range meaning.Attacks(text("message")) {
			if found.Attack == name && (len(attacks) == 0 || attacks[len(attacks)-1] != string(name)) {
				attacks = append(attacks, string(name))
			}
		}
	}
	if len(attacks) > 0 {
		list, _ := json.Marshal(attacks)
		made[derived.Attack] = string(list)
	}
	return made
}

// check compares what is made of all records with a look at each of them.
func (l *ledger) check(when string) {
	l.t.Helper()
	fields := []string{derived.Category, derived.DetectedLevel, derived.Attack, derived.DetectedDuration, derived.TraceID, derived.SpanID}
	var named derived.Mentions
	for _, field := range fields {
		named.Add(field)
	}
	for tenant, want := range l.rows {
		view, err := l.shard.View(tenant)
		if err != nil {
			l.t.Fatal(err)
		}
		rows := 0
		for _, p := range derived.With(view.Parts, named, nil, l.words) {
			all := index.DocSetRange(0, p.Rows())
			records, err := p.Records(l.t.Context(), all)
			if err != nil {
				l.t.Fatal(err)
			}
			rows += len(records)
			want := make([]map[string]string, len(records))
			for row := range records {
				want[row] = naive(&records[row], l.words)
			}
			for _, field := range fields {
				have := make([]string, len(records))
				for _, column := range p.Columns(field) {
					values, err := column.Gather(l.t.Context(), nil)
					if err != nil {
						l.t.Fatal(err)
					}
					for i, row := range values.Rows {
						have[row] = values.Dict[values.Codes[i]]
					}
				}
				for row := range records {
					if have[row] != want[row][field] {
						l.t.Fatalf("%s: %s of %v is %q, want %q", when, field, records[row].Fields, have[row], want[row][field])
					}
				}
			}
		}
		if view.Release(); rows != want {
			l.t.Fatalf("%s: %d records of tenant %s, want %d", when, rows, tenant, want)
		}
	}
}

// checkWords compares what is made with the built-in words, with others, and with the
// former again.
func (l *ledger) checkWords(when string) {
	l.t.Helper()
	for i, words := range []*meaning.Lexicon{nil, doors(l.t), lexicon(l.t, meaning.Vocabulary{Category: "doors", Words: []string{"user"}, Weight: 10}), nil} {
		l.words = words
		l.check(fmt.Sprintf("%s, words %d", when, i))
	}
}

// beside returns what is kept, by key, and how many segments have something.
func (l *ledger) beside() (values map[string][]byte, segments int) {
	l.t.Helper()
	values, ids := map[string][]byte{}, map[string]bool{}
	for _, space := range storage.KeySpaces() {
		if space.Name != "beside" {
			continue
		}
		err := l.engine.Scan([]byte{space.Prefix}, []byte{space.Prefix + 1}, func(key, value []byte) error {
			values[string(key)] = append([]byte(nil), value...)
			ids[string(key[:17])] = true
			return nil
		})
		if err != nil {
			l.t.Fatal(err)
		}
	}
	return values, len(ids)
}

// TestKeptIsMade: what is kept beside segments, for later starts too, is what a look at
// each record gives: of every tenant, with whatever words of its own, after a restart,
// damage, deletions and merges; and it goes with its segment.
func TestKeptIsMade(t *testing.T) {
	const seed = 733
	l := &ledger{t: t, random: rand.New(rand.NewPCG(seed, 1)), fs: engine.MemFS(), rows: map[model.TenantID]int{}, gone: map[model.TenantID]bool{}}
	l.open()
	defer func() { l.close() }()
	for _, tenant := range []model.TenantID{"a", "b"} {
		l.append(tenant, segmentRows/2)
		l.append(tenant, segmentRows/2+1)
	}
	l.checkWords("in the head")
	l.seal()
	l.checkWords("sealed")
	kept, segments := l.beside()
	if segments != 2 || len(kept) < 4 {
		t.Fatalf("%d values are kept beside %d segments, want some beside both", len(kept), segments)
	}
	for _, words := range []*meaning.Lexicon{nil, doors(t), nil} {
		l.close()
		l.open()
		l.words = words
		l.check("after a restart")
	}
	l.close()
	l.open()
	l.check("after a restart")
	if again, _ := l.beside(); len(again) != len(kept) {
		t.Errorf("%d values are kept after a restart, %d before", len(again), len(kept))
	}
	var batch engine.Batch
	for key, value := range kept {
		value[l.random.IntN(len(value))] ^= 4
		batch.Set([]byte(key), value)
	}
	if err := l.engine.Commit(&batch); err != nil {
		t.Fatal(err)
	}
	l.close()
	l.open()
	l.check("after damage")

	l.at++
	l.shard.Delete(l.at, storage.Deletion{Number: 1, Tenant: "a", Query: "gone", From: math.MinInt64, To: math.MaxInt64, Time: int64(l.at)})
	l.gone["a"] = true
	l.rows["a"] = remaining(t, l.shard, "a")
	if l.rows["a"] > segmentRows*9/10 {
		t.Fatalf("%d records of tenant a are left", l.rows["a"])
	}
	l.check("hidden")
	l.append("b", segmentRows/3)
	l.seal()
	l.append("b", segmentRows/3)
	l.seal()
	l.check("more segments")
	for _, plan := range l.shard.PlanMerges(math.MaxUint64) {
		if err := l.shard.BuildMerge(t.Context(), plan); err != nil {
			t.Fatal(err)
		}
	}
	l.seal()
	l.check("merged")
	l.close()
	l.open()
	l.check("at last")
	values, _ := l.beside()
	there := map[string]bool{}
	for _, entry := range l.shard.Entries() {
		there[fmt.Sprintf("%016x%08x", entry.ID.Sequence, entry.ID.Ordinal)] = true
	}
	for key := range values {
		if !there[fmt.Sprintf("%x", key[5:17])] {
			t.Errorf("something is kept of a segment that is gone: %x", key)
		}
	}
}

// remaining counts the records of a tenant.
func remaining(t *testing.T, shard *storage.Shard, tenant model.TenantID) (n int) {
	view, err := shard.View(tenant)
	if err != nil {
		t.Fatal(err)
	}
	defer view.Release()
	for _, p := range view.Parts {
		n += int(p.Rows())
	}
	return n
}

// TestTell: what is asked for most is made beforehand, of segments that stay, of tenants
// who have asked for it once, also before a restart.
func TestTell(t *testing.T) {
	l := &ledger{t: t, random: rand.New(rand.NewPCG(734, 1)), fs: engine.MemFS(), rows: map[model.TenantID]int{}, gone: map[model.TenantID]bool{}}
	l.open()
	defer func() { l.close() }()
	l.append("a", segmentRows)
	l.append("b", segmentRows/2) // will be merged
	l.seal()
	next := func(done map[storage.SegmentID]bool) (storage.Lasting, bool) {
		found, ok, err := l.shard.NextLasting(done)
		if err != nil {
			t.Fatal(err)
		}
		return found, ok
	}
	if found, ok := next(nil); ok {
		t.Errorf("segment %s is to be told before anybody has asked", found.ID)
	}
	view, err := l.shard.View("a")
	if err != nil {
		t.Fatal(err)
	}
	var named derived.Mentions
	named.Add("detected_level")
	for _, p := range derived.With(view.Parts, named, nil, nil) {
		if _, err := p.Eval(t.Context(), index.Leaf{Field: "detected_level", Pred: index.Exists{}}, nil); err != nil {
			t.Fatal(err)
		}
	}
	view.Release()
	if values, _ := l.beside(); len(values) == 0 {
		t.Error("nothing is kept of levels")
	}
	if found, ok := next(nil); ok {
		t.Errorf("segment %s is to be told because something else was asked", found.ID)
	}
	l.check("before it is told") // makes it of the segments there are
	l.append("a", segmentRows)
	l.append("c", segmentRows) // who never asks
	l.seal()
	l.close()
	l.open()
	done := map[storage.SegmentID]bool{}
	for {
		found, ok := next(done)
		if !ok {
			break
		}
		if err := derived.Tell(t.Context(), found.Part, l.words); err != nil {
			t.Fatal(err)
		}
		if told, ok := found.Part.(part.Teller); !ok || found.Part.Rows() != segmentRows || found.Tenant != "a" {
			t.Errorf("segment %s of %d rows of tenant %s is told as lasting: %v", found.ID, found.Part.Rows(), found.Tenant, told)
		}
		found.Release()
		done[found.ID] = true
	}
	// Both of "a": what the one without values has is all that the teller makes.
	if values, segments := l.beside(); len(done) != 2 || segments != 2 || len(values) < 3 {
		t.Errorf("%d segments last, %d values are kept beside %d", len(done), len(values), segments)
	}
	l.check("told")
	// Of other words it is made anew, in the place of what there is.
	before, _ := l.beside()
	l.words = doors(t)
	clear(done)
	for found, ok := next(done); ok; found, ok = next(done) {
		if err := derived.Tell(t.Context(), found.Part, l.words); err != nil {
			t.Fatal(err)
		}
		found.Release()
		done[found.ID] = true
	}
	after, _ := l.beside()
	changed := 0
	for key := range after {
		if !bytes.Equal(before[key], after[key]) {
			changed++
		}
	}
	if len(after) != len(before) || changed != len(done) || changed < 2 {
		t.Errorf("%d values are kept with words of its own, %d without, %d of %d segments have others", len(after), len(before), changed, len(done))
	}
	l.check("told with words of its own")
}

// TestFewOfASegment: a condition that few records are left for finds those that a look at
// each of them finds, and makes nothing of the others.
func TestFewOfASegment(t *testing.T) {
	l := &ledger{t: t, random: rand.New(rand.NewPCG(735, 1)), fs: engine.MemFS(), rows: map[model.TenantID]int{}, gone: map[model.TenantID]bool{}}
	l.open()
	defer func() { l.close() }()
	l.append("a", segmentRows)
	l.seal()
	view, err := l.shard.View("a")
	if err != nil {
		t.Fatal(err)
	}
	defer view.Release()
	ask := func(p part.Part, within *index.DocSet, field, value string) []uint32 {
		t.Helper()
		found, err := p.Eval(t.Context(), index.Leaf{Field: field, Pred: index.Equal{Text: value}}, within)
		if err != nil {
			t.Fatal(err)
		}
		return found.ToArray()
	}
	var named derived.Mentions
	named.Add(derived.Category)
	named.Add(derived.DetectedLevel)
	for i, p := range derived.With(view.Parts, named, nil, nil) {
		own := derived.With(view.Parts, named, nil, doors(t))[i]
		few := index.NewDocSet()
		for row := uint32(0); row < p.Rows(); row += 20 {
			few.Add(row)
		}
		records, err := p.Records(t.Context(), few)
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range []struct {
			field, value string
			of           part.Part
			words        *meaning.Lexicon
		}{{derived.Category, "authentication", p, nil}, {derived.DetectedLevel, "error", p, nil}, {derived.Category, "doors", own, doors(t)}} {
			field, value := c.field, c.value
			var want []uint32
			for i := range records {
				if naive(&records[i], c.words)[field] == value {
					want = append(want, uint32(i)*20)
				}
			}
			if have := ask(c.of, few, field, value); len(want) == 0 || !slices.Equal(have, want) {
				t.Errorf("%s: %d of %d records have %s, want %d", field, len(have), few.GetCardinality(), value, len(want))
			}
			if values, _ := l.beside(); len(values) > 0 {
				t.Errorf("%s was made of all records", field)
			}
		}
		if !part.MayHave(p, derived.Category, model.String) || part.MayHave(p, derived.Category, model.JSON) {
			t.Error("categories are texts")
		}
		if values, _ := l.beside(); len(values) > 0 {
			t.Error("categories were made to know of which kind they are")
		}
		ask(p, nil, derived.Category, "authentication")
		if values, _ := l.beside(); len(values) == 0 {
			t.Error("nothing is kept of all records")
		}
	}
}
