package segment

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
)

func TestClockRoundTrip(t *testing.T) {
	layouts := map[string]bool{ // whether the layout has a clock
		"15:04:05": true, "04:05": true, "2006:15:04:05": true, "000": true, "000000": true, "000000000": true,
		"15.04.05": false, "2006-01-02": false, "05": false, "2006-15:04:05": false,
	}
	rng := rand.New(rand.NewPCG(1, 2))
	for layout, want := range layouts {
		for _, zone := range []time.Duration{0, 3*time.Hour + 30*time.Minute, -11 * time.Hour} {
			var times []int64
			var values []string
			for i := range 500 {
				at := time.Date(1969+rng.IntN(80), 12, 31, 23, 59, rng.IntN(60), rng.IntN(1e9), time.UTC).Add(time.Duration(i) * time.Minute)
				times = append(times, at.UnixNano())
				said := at.Add(zone - time.Duration(rng.IntN(2000))*time.Millisecond)
				value := said.Format(layout)
				if digits := len(layout); layout[0] == '0' && allDigits(layout) && digits%3 == 0 {
					value = fmt.Sprintf("%09d", said.Nanosecond())[:digits]
				}
				values = append(values, value)
			}
			coded, ok := appendClock(nil, values, times)
			if ok != want {
				t.Errorf("%s: a clock: %v", layout, ok)
			}
			if !ok {
				continue
			}
			lengths := map[int]bool{} // of the words that there are
			for _, value := range values {
				for word := range strings.SplitSeq(value, ":") {
					lengths[len(word)] = true
				}
			}
			for n := 1; n <= 10; n++ {
				if may := clock(coded[0] &^ slotClock).mayHave(strings.Repeat("1", n)); may != lengths[n] {
					t.Errorf("%s: a word of %d digits: %v", layout, n, may)
				}
			}
			got, err := clockValues(coded, len(values), nil, times)
			if err != nil || !slices.Equal(got, values) {
				t.Errorf("%s at %v: %v", layout, zone, err)
			}
			got, err = clockValues(coded, len(values), []uint32{7, 499}, []int64{times[7], times[499]})
			if err != nil || !slices.Equal(got, []string{values[7], values[499]}) {
				t.Errorf("%s at %v: two values: %v", layout, zone, err)
			}
		}
	}
}

func TestClockRefuses(t *testing.T) {
	for _, value := range []string{"", "24:00:00", "12:60:00", "1a:00:00", "12:00-00", "60:00", "12:3a", "2026:24:00:00", "20x6:12:00:00", "12a", "1234"} {
		if coded, ok := appendClock(nil, []string{value}, []int64{0}); ok {
			t.Errorf("%q gives %x", value, coded)
		}
	}
	if coded, ok := appendClock(nil, []string{"2025:12:00:00"}, []int64{0}); ok {
		t.Errorf("another year gives %x", coded)
	}
}

func FuzzClock(f *testing.F) {
	for _, value := range []string{"12:34:56", "34:56", "1970:00:00:00", "123", "000000", "999999999"} {
		f.Add(value, int64(1700000000e9), []byte{slotClock | 1, 1, 2})
	}
	f.Fuzz(func(t *testing.T, value string, at int64, src []byte) {
		if coded, ok := appendClock(nil, []string{value}, []int64{at}); ok {
			if got, err := clockValues(coded, 1, nil, []int64{at}); err != nil || got[0] != value {
				t.Fatalf("%q at %d came back as %q, %v", value, at, got, err)
			}
		}
		if len(src) > 0 {
			_, _ = clockValues(src, 2, nil, []int64{at, at}) // must not panic
			_, _ = clockValues(src, 2, []uint32{2}, []int64{at})
		}
	})
}

// TestClocksPushOutNoAnswers reads and searches texts with clocks: nothing is kept for it
// among the answers.
func TestClocksPushOutNoAnswers(t *testing.T) {
	var ids []model.RecordID
	var records []model.Record
	for i := range 600 {
		at := int64(i) * 1e9
		ids = append(ids, model.RecordID{Shard: 3, Index: 9, Ordinal: uint32(i)})
		records = append(records, model.Record{Time: at, Fields: []model.Field{{Name: model.FieldMessage, Kind: model.String,
			Text: fmt.Sprintf("%s worker %s done with %d", time.Unix(0, at).UTC().Format("15:04:05"), []string{"reader", "writer", "keeper"}[i%3], i*7919)}}})
	}
	truth := newMemPart(ids, records)
	s, _ := build(t, Input{Part: truth})
	message := s.Columns(model.FieldMessage)[0]
	for lo := uint32(0); lo < s.Rows(); lo += 100 {
		rows := index.DocSetRange(lo, lo+100)
		have, err := message.Gather(t.Context(), rows)
		if err != nil {
			t.Fatal(err)
		}
		for i, row := range have.Rows {
			if want := records[row].Fields[0].Text; have.Dict[have.Codes[i]] != want {
				t.Fatalf("row %d: %q, want %q", row, have.Dict[have.Codes[i]], want)
			}
		}
	}
	leaf := index.Leaf{Field: model.FieldMessage, Pred: index.Regex{Re: regexp.MustCompile("0:05:.7")}}
	want, _ := truth.Eval(t.Context(), leaf, nil)
	if have, err := s.Eval(t.Context(), leaf, nil); err != nil || !have.Equals(want) || want.IsEmpty() {
		t.Fatalf("%v, want %v, %v", have, want, err)
	}
	if k := s.known.Load(); k != nil {
		t.Errorf("the times of %d rows are those asked for last", len(k.rows))
	}
	for key := range s.cache.mu.items {
		if key.item == cachedFewTimes {
			t.Errorf("times of rows %x are kept", key.text)
		}
	}
}
