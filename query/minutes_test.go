package query_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/storage/part"
	"github.com/stere-log/stere/storage/segment/segmenttest"
)

// TestMinutes checks that tables by time that sealed parts answer from stored counts of
// minutes are those of the same records in the head.
func TestMinutes(t *testing.T) {
	random := rand.New(rand.NewPCG(121, 122))
	records := randomRecords(random, 3000)
	const minutes = 45
	for i := range records {
		records[i].Time = 1706695200e9 - 7e9 + random.Int64N(minutes*60e9)
	}
	heads := deal(t, random, records, 3, 4)
	sealed := make(shardSet, len(heads))
	for i, parts := range heads {
		sealed[i] = []part.Part{segmenttest.Seal(t, model.ShardID(i), parts)}
	}
	counted := 0
	for _, parts := range sealed {
		if _, counts, err := parts[0].(part.Minutes).Minutes(index.Leaf{Field: model.FieldLevel, Pred: index.Equal{Text: "error"}}); err != nil {
			t.Fatal(err)
		} else if counts != nil {
			counted++
		}
	}
	if counted == 0 {
		t.Fatal("no part has counts of minutes")
	}
	for _, filter := range []string{`level:="error"`, "level:error", "level:e*", "level:in(error, warn)", "level>=warn", "NOT level:error", "level:*", "level:error AND component:c1", `level:="none"`, "level:error _time:>2024-01-31T10:11:12Z"} {
		for _, by := range []string{"1m", "5m", "1h", "90s", "30s", "1m offset 7s", "2m offset 1m", `1d tz "Asia/Kolkata"`, `1h tz "Europe/Berlin"`, "1mo"} {
			for _, count := range []string{"count()", "count(), count() as again", "count(), count_if(component:c1)", "count(), sum(duration)", "count(), rate()"} {
				text := fmt.Sprintf("%s | stats %s by (_time:%s)", filter, count, by)
				want := search(t, query.New(heads, query.Config{}), query.Request{Text: text})
				have := search(t, query.New(sealed, query.Config{}), query.Request{Text: text})
				if !sameRows(have.Rows, want.Rows) || have.Total != want.Total {
					t.Errorf("%s:\nhave %d %v\nwant %d %v", text, have.Total, have.Rows, want.Total, want.Rows)
				}
			}
		}
	}
}
