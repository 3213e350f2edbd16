package query_test

import (
	"cmp"
	"context"
	"fmt"
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/block"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/storage/head"
	"github.com/stere-log/stere/storage/part"
)

// memory is query.Shards over parts in memory.
type memory struct {
	parts    map[model.TenantID][]part.Part
	released int
	missing  string
}

func (m *memory) Views(_ context.Context, tenant model.TenantID) ([]query.View, error) {
	return []query.View{{Parts: m.parts[tenant], Release: func() { m.released++ }}, {Missing: m.missing}}, nil
}

// newPart makes a part of records.
func newPart(t testing.TB, shard model.ShardID, index uint64, records []model.Record) part.Part {
	t.Helper()
	data, err := block.Encode(nil, records)
	if err != nil {
		t.Fatal(err)
	}
	decoded, err := block.Decode(data)
	if err != nil {
		t.Fatal(err)
	}
	p, err := head.New(shard, index, decoded, nil)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// split makes n parts of records, dealt out at random over two shards.
func split(t testing.TB, random *rand.Rand, records []model.Record, n int) *memory {
	t.Helper()
	dealt := make([][]model.Record, n)
	for _, record := range records {
		i := random.IntN(n)
		dealt[i] = append(dealt[i], record)
	}
	m := &memory{parts: map[model.TenantID][]part.Part{}}
	for i, some := range dealt {
		if len(some) > 0 {
			m.parts[model.DefaultTenant] = append(m.parts[model.DefaultTenant], newPart(t, model.ShardID(i%2), uint64(i+1), some))
		}
	}
	return m
}

// field returns a field of a record; values that read as JSON numbers are.
func field(name, text string) model.Field {
	kind := model.String
	if _, err := strconv.ParseFloat(text, 64); err == nil {
		kind = model.Number
	}
	return model.Field{Name: name, Kind: kind, Text: text}
}

// day is when the test records begin.
var day = time.Date(2024, 1, 31, 10, 0, 0, 0, time.UTC).UnixNano()

// randomRecords makes records with few values and many equal times. Each has
// its number in the field n.
func randomRecords(random *rand.Rand, n int) []model.Record {
	levels := []string{"debug", "info", "warn", "error"}
	words := []string{"connection", "reset", "timeout", "by", "peer", "10.0.0.1", "user", "failed"}
	records := make([]model.Record, n)
	for i := range records {
		message := ""
		for range 1 + random.IntN(5) {
			message += words[random.IntN(len(words))] + " "
		}
		fields := []model.Field{field("message", message), field("n", strconv.Itoa(i)), field("level", levels[random.IntN(len(levels))])}
		if random.IntN(3) > 0 {
			fields = append(fields, field("component", fmt.Sprintf("c%d", random.IntN(4))))
		}
		if random.IntN(4) > 0 {
			fields = append(fields, field("duration", strconv.Itoa(random.IntN(200)-20)))
		}
		if random.IntN(9) == 0 {
			fields = append(fields, field("share", strconv.FormatFloat(random.Float64()*10, 'g', 4, 64)))
		}
		if random.IntN(9) == 0 {
			fields = append(fields, model.Field{Name: "host", Kind: model.Null})
		}
		records[i] = model.Record{Time: day + int64(random.IntN(n/3+1))*int64(time.Second), Fields: fields}
	}
	return records
}

// number returns the record's number.
func number(t testing.TB, record *model.Record) int {
	t.Helper()
	f, _ := record.Get("n")
	n, err := strconv.Atoi(f.Text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// search answers a request over the default tenant.
func search(t testing.TB, engine *query.Engine, request query.Request) *query.Result {
	t.Helper()
	request.Tenant = model.DefaultTenant
	result, err := engine.Search(t.Context(), request)
	if err != nil {
		t.Fatalf("%q: %v", request.Text, err)
	}
	return result
}

// pages reads all pages of a request and returns the numbers of its records.
func pages(t testing.TB, engine *query.Engine, request query.Request) (numbers []int, total uint64) {
	t.Helper()
	for {
		result := search(t, engine, request)
		if !result.Complete || !result.TotalExact {
			t.Fatalf("%q: incomplete: %s", request.Text, result.Reason)
		}
		for i := range result.Hits {
			numbers = append(numbers, number(t, &result.Hits[i].Record))
		}
		if result.HasMore != (result.NextCursor != "") {
			t.Fatalf("%q: hasMore is %v, cursor %q", request.Text, result.HasMore, result.NextCursor)
		}
		if !result.HasMore {
			return numbers, result.Total
		}
		request.Cursor = result.NextCursor
	}
}

// sorted returns the numbers in ascending order.
func sorted(numbers []int) []int {
	numbers = slices.Clone(numbers)
	slices.SortFunc(numbers, cmp.Compare[int])
	return numbers
}
