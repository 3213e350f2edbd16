package query_test

import (
	"bytes"
	"errors"
	"reflect"
	"testing"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/exec"
)

func followSample() (*query.FollowQuery, *query.Followed) {
	q := &query.FollowQuery{
		Tenant: "default", Shard: 3, After: model.Mark{Index: 7, Ordinal: 2}, Records: 100, Wait: 2 * time.Second,
		Filters: []query.FollowFilter{{Text: "level:error"}, {Text: "_time:>now-1h", Now: -5}},
	}
	field := model.Field{Name: "message", Kind: model.String, Text: "a line"}
	return q, &query.Followed{Upto: model.MarkEnd(9), Records: []exec.Followed{
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
