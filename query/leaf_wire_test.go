package query

import (
	"bytes"
	"context"
	"errors"
	"math"
	"reflect"
	"testing"
	"time"

	"github.com/stere-log/stere/meaning"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/exec"
	"github.com/stere-log/stere/query/expr"
	"github.com/stere-log/stere/query/rows"
)

// twoQueries is a text for the sets of fullRequest.
const twoQueries = "a x in (b | fields c) y in (b | fields c)"

// fullJoin has a value of every kind.
func fullJoin() *rows.JoinSet {
	set := rows.NewJoinSet([]string{"a", "b \xff"})
	for i, v := range []expr.Value{
		{}, expr.OfBool(true), expr.OfInt(math.MinInt64), {Kind: expr.Float, Float: -0.5}, {Kind: expr.Number, Text: "1e400"}, expr.OfText("\xff"),
		{Kind: expr.JSON, Text: "[1]"}, expr.OfTime(math.MaxInt64),
	} {
		set.Add(&rows.Row{Fields: []rows.Field{rows.NewField("id", expr.OfInt(int64(i))), rows.NewField("a", v)}}, []string{"id"})
	}
	return set
}

// fullRequest has something of everything.
func fullRequest() *leafRequest {
	words, err := meaning.NewLexicon([]meaning.Vocabulary{{Category: "own", Words: []string{"sku", "goods receipt"}, Components: []string{"wms"}, Weight: 2.5}})
	if err != nil {
		panic(err)
	}
	return &leafRequest{
		kind: leafPage, shards: []model.ShardID{0, 7, math.MaxUint32},
		Request: Request{Audience: Audience{Tenant: "t", Restriction: "userId:=bob"}, Text: "a \xff", Filters: []Filter{{Field: "f", Values: []string{"", "\xfe"}}, {Field: "g"}}, From: math.MinInt64, To: math.MaxInt64,
			Sort: []SortKey{{Field: "x", Desc: true}, {Field: "_time"}}, Explain: true},
		setting: setting{now: -5, sets: [][]string{{"a", ""}, nil}, shift: 7, joins: []*rows.JoinSet{fullJoin(), rows.NewJoinSet(nil)}},
		page: exec.Page{Size: 50, Skip: 3, Total: true, Facets: []string{"x", ""}, After: &exec.Position{Time: -1, ID: model.RecordID{Shard: 1, Index: math.MaxUint64, Ordinal: 9},
			Values: []exec.SortValue{{Class: exec.ClassNumber, Number: math.Copysign(0, -1), Whole: -1 << 60}, {Class: exec.ClassText, Text: "\xff"}}}},
		limits: exec.Limits{Time: time.Second, CountTime: 2, CountLarge: 3, CountBrief: 4, Groups: 5, Distinct: 6, Values: 7, MemoryBytes: 8, Read: 9},
		ids:    []model.RecordID{{Shard: 1, Index: 2, Ordinal: 3}, {}}, places: "v", learnt: learnt{words: words},
	}
}

// TestLeafRequestTravels checks that requests come out as they went in and that
// damaged ones are refused.
func TestLeafRequestTravels(t *testing.T) {
	want := fullRequest()
	data, err := want.encode()
	if err != nil {
		t.Fatal(err)
	}
	have, err := decodeLeafRequest(data)
	if err != nil || !reflect.DeepEqual(have, want) {
		t.Fatalf("have %+v (%v)\nwant %+v", have, err, want)
	}
	for end := range data {
		if _, err := decodeLeafRequest(data[:end]); !errors.Is(err, ErrLeafRequest) {
			t.Fatalf("%d of %d bytes: %v", end, len(data), err)
		}
	}
	for bit := range 8 * len(data) {
		damaged := bytes.Clone(data)
		damaged[bit/8] ^= 1 << (bit % 8)
		if _, err := decodeLeafRequest(damaged); !errors.Is(err, ErrLeafRequest) && (bit >= 8 || !errors.Is(err, ErrLeafVersion)) {
			t.Fatalf("bit %d: %v", bit, err)
		}
	}
	for name, change := range map[string]func(*leafRequest){
		"no shard": func(q *leafRequest) { q.shards = nil },
		"tenant":   func(q *leafRequest) { q.Tenant = "a/b" },
		"kind":     func(q *leafRequest) { q.kind = 9 },
		"page":     func(q *leafRequest) { q.page.Size = leafPageMax + 1 },
		"ids":      func(q *leafRequest) { q.ids = make([]model.RecordID, exec.FetchMax+1) },
	} {
		q := fullRequest()
		change(q)
		data, err := q.encode()
		if err != nil {
			t.Fatal(err)
		}
		if _, err := decodeLeafRequest(data); !errors.Is(err, ErrLeafRequest) {
			t.Errorf("%s: %v", name, err)
		}
	}
	q := fullRequest()
	q.Text = string(make([]byte, LeafRequestMax))
	if _, err := q.encode(); !errors.Is(err, ErrLeafRequest) {
		t.Errorf("too large: %v", err)
	}
}

// TestLaterFields: a question that names fields which older nodes do not make is of a version
// that these refuse; others are of the one that they read. Newer ones read both.
func TestLaterFields(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*leafRequest)
		filter FollowFilter
		later  bool
	}{
		"nothing":     {func(*leafRequest) {}, FollowFilter{}, false},
		"other words": {func(q *leafRequest) { q.Text = "host:a service:b trace.id:c" }, FollowFilter{Text: "host:a service:b trace.id:c"}, false},
		"text":        {func(q *leafRequest) { q.Text = "a host.name:b" }, FollowFilter{Text: "a host.name:b"}, true},
		"pipe":        {func(q *leafRequest) { q.Text = `* | stats count() by ("service.version")` }, FollowFilter{Text: `"service.version":2`}, true},
		"restriction": {func(q *leafRequest) { q.Restriction = "NOT service.environment:=prod" }, FollowFilter{Restriction: "NOT service.environment:=prod"}, true},
		"facet":       {func(q *leafRequest) { q.page.Facets = []string{"host.name"} }, FollowFilter{Text: "host.name:*"}, true},
		"sort":        {func(q *leafRequest) { q.Sort[0].Field = "host.name" }, FollowFilter{Text: "host.name:*"}, true},
	} {
		q, f := fullRequest(), &FollowQuery{Tenant: "t", Records: 1, Filters: []FollowFilter{c.filter}}
		c.change(q)
		data, err := q.encode()
		if err != nil {
			t.Fatal(err)
		}
		followed := f.Encode()
		if _, err := openedAs(leafVersion, data, LeafRequestMax, ErrLeafRequest); errors.Is(err, ErrLeafVersion) != c.later {
			t.Errorf("%s: an older leaf: %v", name, err)
		}
		if _, err := openedAs(followVersion, followed, LeafRequestMax, ErrLeafRequest); errors.Is(err, ErrLeafVersion) != c.later {
			t.Errorf("%s: an older node that is followed: %v", name, err)
		}
		if have, err := decodeLeafRequest(data); err != nil || !reflect.DeepEqual(have, q) {
			t.Errorf("%s: have %+v (%v)", name, have, err)
		}
		if have, err := DecodeFollowQuery(followed); err != nil || !reflect.DeepEqual(have, f) {
			t.Errorf("%s: have %+v (%v), want %+v", name, have, err, f)
		}
	}
}

// TestLeafRefuses checks requests that read well and mean nothing.
func TestLeafRefuses(t *testing.T) {
	none := func(_ context.Context, _ model.TenantID, shards []model.ShardID) (views []View, err error) {
		for _, shard := range shards {
			views = append(views, View{Shard: shard})
		}
		return views, nil
	}
	engine := New(nil, Config{})
	for name, c := range map[string]struct {
		change func(*leafRequest)
		local  Local
	}{
		"kind":     {func(q *leafRequest) { q.kind = leafTable }, none},
		"records":  {func(q *leafRequest) { q.Text = "* | stats count()" }, none},
		"position": {func(q *leafRequest) { q.Sort = q.Sort[:1] }, none},
		"text":     {func(q *leafRequest) { q.Text = "(" }, none},
		"shard":    {func(*leafRequest) {}, func(context.Context, model.TenantID, []model.ShardID) ([]View, error) { return []View{{Shard: 7}}, nil }},
		"other":    {func(*leafRequest) {}, func(context.Context, model.TenantID, []model.ShardID) ([]View, error) { return []View{{Shard: 1}}, nil }},
		"sets":     {func(q *leafRequest) { q.sets = q.sets[:1] }, none},
		"error":    {func(*leafRequest) {}, func(context.Context, model.TenantID, []model.ShardID) ([]View, error) { return nil, errors.New("gone") }},
	} {
		q := fullRequest()
		q.Text = twoQueries
		c.change(q)
		data, err := q.encode()
		if err != nil {
			t.Fatal(err)
		}
		if answer, err := engine.Leaf(t.Context(), c.local, data); err == nil {
			t.Errorf("%s: have %d bytes and no error", name, len(answer))
		}
	}
	well := fullRequest()
	well.Text = twoQueries
	data, err := well.encode()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := engine.Leaf(t.Context(), none, data); err != nil {
		t.Errorf("nothing wrong: %v", err)
	}
}

// FuzzLeafRequest feeds any bytes to a node that is asked.
func FuzzLeafRequest(f *testing.F) {
	data, err := fullRequest().encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data[:len(data)-checksumBytes])
	f.Fuzz(func(t *testing.T, data []byte) {
		q, err := decodeLeafRequest(sealed(bytes.Clone(data)))
		if err != nil {
			return
		}
		again, err := q.encode()
		if err != nil {
			t.Fatal(err)
		}
		if same, err := decodeLeafRequest(again); err != nil || !reflect.DeepEqual(same, q) {
			t.Fatalf("have %+v (%v)\nwant %+v", same, err, q)
		}
	})
}

// FuzzLeafAnswer feeds any bytes to a root as the frame of an answer.
func FuzzLeafAnswer(f *testing.F) {
	var used exec.Usage
	used.Rows.Add(7)
	f.Add(encodeLeafAnswer("shard 1 is broken", nil, []byte{1, 2, 3}))
	f.Add(encodeLeafAnswer("", &used, []byte{1}))
	f.Fuzz(func(t *testing.T, data []byte) {
		for _, data := range [][]byte{data, sealed(bytes.Clone(data))} {
			var usage exec.Usage
			missing, body, err := decodeLeafAnswer(data, &usage)
			if err != nil {
				continue
			}
			m, b, err := decodeLeafAnswer(encodeLeafAnswer(missing, &usage, body), nil)
			if err != nil || m != missing || !bytes.Equal(b, body) {
				t.Fatalf("have %q, %v (%v), want %q, %v", m, b, err, missing, body)
			}
		}
	})
}
