package query_test

import (
	"bytes"
	"errors"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/exec"
	"github.com/stere-log/stere/storage/part"
	"github.com/stere-log/stere/storage/segment/segmenttest"
)

func followSample() (*query.FollowQuery, *query.Followed) {
	q := &query.FollowQuery{
		Tenant: "default", Shard: 3, After: model.Mark{Index: 7, Ordinal: 2}, Records: 100, Bytes: 5000, Wait: 2 * time.Second, Partial: true,
		Filters: []query.FollowFilter{{Text: "level:error", Restriction: "userId:=bob"}, {Text: "_time:>now-1h", Now: -5}},
	}
	field := model.Field{Name: "message", Kind: model.String, Text: "a line"}
	return q, &query.Followed{Upto: model.MarkEnd(9), More: true, Missing: 3, Records: []exec.Followed{
		{ID: model.RecordID{Shard: 3, Index: 7, Ordinal: 3}, Record: model.Record{Time: 5, TimeDigits: 3, Fields: []model.Field{field}}, Filters: []int{0, 1}},
		{ID: model.RecordID{Shard: 3, Index: 9}, Record: model.Record{Time: -5, Fields: []model.Field{field}}, Filters: []int{1}},
	}}
}

func TestFollowCallsComeBack(t *testing.T) {
	q, f := followSample()
	if got, err := query.DecodeFollowQuery(q.Encode()); err != nil || !reflect.DeepEqual(got, q) {
		t.Errorf("the question is %+v, %v; want %+v", got, err, q)
	}
	if got, err := query.DecodeFollowed(q, f.Encode()); err != nil || !reflect.DeepEqual(got, f) {
		t.Errorf("the answer is %+v, %v; want %+v", got, err, f)
	}
	for _, data := range [][]byte{q.Encode(), f.Encode()} {
		for i := range data {
			for bit := range 8 {
				bad := bytes.Clone(data)
				bad[i] ^= 1 << bit
				_, asked := query.DecodeFollowQuery(bad)
				_, answered := query.DecodeFollowed(q, bad)
				if asked == nil || answered == nil {
					t.Fatalf("byte %d, bit %d: damage is not found", i, bit)
				}
			}
		}
	}
	back := *f
	back.Upto = model.Mark{Index: 7}
	if _, err := query.DecodeFollowed(q, back.Encode()); !errors.Is(err, query.ErrLeafAnswer) {
		t.Errorf("an answer that goes back: %v, want ErrLeafAnswer", err)
	}
	back = *f
	back.Records = append(back.Records[1:2:2], back.Records[0])
	if _, err := query.DecodeFollowed(q, back.Encode()); !errors.Is(err, query.ErrLeafAnswer) {
		t.Errorf("an answer out of order: %v, want ErrLeafAnswer", err)
	}
}

func FuzzFollow(f *testing.F) {
	q, a := followSample()
	f.Add(q.Encode())
	f.Add(a.Encode())
	f.Fuzz(func(t *testing.T, data []byte) {
		if got, err := query.DecodeFollowQuery(data); err == nil {
			if again, err := query.DecodeFollowQuery(got.Encode()); err != nil || !reflect.DeepEqual(got, again) {
				t.Errorf("%+v becomes %+v, %v", got, again, err)
			}
		}
		if got, err := query.DecodeFollowed(q, data); err == nil {
			if again, err := query.DecodeFollowed(q, got.Encode()); err != nil || !reflect.DeepEqual(got, again) {
				t.Errorf("%+v becomes %+v, %v", got, again, err)
			}
		}
	})
}

// TestFollowInSlices follows a shard with so little time that each answer is only
// how far the engine has come: together they are what one answer without a limit
// is, each brings the mark on, and none holds more than it may.
func TestFollowInSlices(t *testing.T) {
	random := rand.New(rand.NewPCG(5, 6))
	var sources [2][]part.Part
	for i, large := range []int{0, 512 << 10} { // few bytes or many
		for at := range 6 {
			records := randomRecords(random, 20+random.IntN(1500))
			for n := range records[:10] {
				records[n].Fields = append(records[n].Fields, field("load", strings.Repeat("x", large)))
			}
			sources[i] = append(sources[i], newPart(t, 0, uint64(2*at+1), records))
		}
		sources[i] = append([]part.Part{segmenttest.Seal(t, 0, sources[i][:2]), segmenttest.Seal(t, 0, sources[i][2:4])}, sources[i][4:]...)
	}
	engine := query.New(&memory{}, query.Config{})
	q := &query.FollowQuery{Tenant: "default", Filters: []query.FollowFilter{{Text: "level:error c1"}, {Text: "load:*"}, {Text: "nothing"}}, Records: query.FollowRecordsMax}
	for i, parts := range sources {
		upto := model.MarkEnd(99)
		var whole []exec.Followed
		for after := (model.Mark{}); after != upto; {
			answer, err := engine.Follow(t.Context(), q, parts, after, upto, 0)
			if err != nil || answer.Upto.Compare(after) <= 0 {
				t.Fatalf("%+v, %v", answer, err)
			}
			whole, after = append(whole, answer.Records...), answer.Upto
		}
		if len(whole) < 60 {
			t.Fatalf("there are %d records, want at least those with a load", len(whole))
		}
		var found []exec.Followed
		short := *q
		short.Bytes = 1 << 20
		answers := 0
		for after := (model.Mark{}); after != upto; answers++ {
			answer, err := engine.Follow(t.Context(), &short, parts, after, upto, 1)
			if err != nil || answer.Upto.Compare(after) <= 0 || answer.More != (answer.Upto != upto) {
				t.Fatalf("after %v: %+v, %v", after, answer, err)
			}
			bytes := 0
			for n := range answer.Records {
				bytes += exec.RecordBytes(&answer.Records[n].Record)
			}
			if last := len(answer.Records) - 1; last >= 0 && bytes-exec.RecordBytes(&answer.Records[last].Record) > short.Bytes {
				t.Errorf("an answer has %d bytes, want at most one record more than %d", bytes, short.Bytes)
			}
			found, after = append(found, answer.Records...), answer.Upto
		}
		if !reflect.DeepEqual(found, whole) {
			t.Errorf("corpus %d: %d records in %d answers, want the %d of answers without a limit", i, len(found), answers, len(whole))
		}
		if answers < 5 {
			t.Errorf("corpus %d: %d answers, want more: there was no time", i, answers)
		}
	}
}
