package oracle

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/syntax"
)

// Missing stands for null in the groups and values of Stats.
const Missing = "\x00"

// Stats returns the aggregates of records by group: the texts of the keys,
// joined by '|', to the aggregates as Number or text. Without keys there is one
// group, "".
func Stats(entries []Entry, s *syntax.Stats) map[string][]string {
	groups := map[string][]*Entry{}
	if len(s.By) == 0 {
		groups[""] = nil
	}
	for i := range entries {
		e := &entries[i]
		var keys []string
		for _, key := range s.By {
			keys = append(keys, groupKey(e, key))
		}
		name := strings.Join(keys, "|")
		groups[name] = append(groups[name], e)
	}
	out := map[string][]string{}
	for name, members := range groups {
		for _, agg := range s.Aggs {
			out[name] = append(out[name], aggregate(members, agg))
		}
	}
	return out
}

func groupKey(e *Entry, key syntax.Key) string {
	if key.Bucket > 0 {
		width := int64(key.Bucket)
		start := e.Record.Time - ((e.Record.Time%width)+width)%width
		return time.Unix(0, start).UTC().Format(time.RFC3339Nano)
	}
	if texts := values(e, key.Field); len(texts) > 0 {
		return texts[0]
	}
	return Missing
}

// values returns the texts that a record has for a field.
func values(e *Entry, field string) (texts []string) {
	for _, f := range e.Record.Fields {
		if named(f.Name, field) && f.Kind != model.Null {
			texts = append(texts, f.Text)
		}
	}
	return texts
}

func aggregate(members []*Entry, agg syntax.Agg) string {
	if agg.Func == "count" && agg.Field == "" {
		return strconv.Itoa(len(members))
	}
	var texts []string
	var numbers []float64
	having := 0
	for _, e := range members {
		if len(values(e, agg.Field)) > 0 {
			having++
		}
		for _, text := range values(e, agg.Field) {
			texts = append(texts, text)
			if v, ok := number(text); ok {
				numbers = append(numbers, v)
			}
		}
	}
	slices.Sort(texts)
	slices.Sort(numbers)
	sum := 0.0
	for _, v := range numbers {
		sum += v
	}
	switch agg.Func {
	case "count":
		return strconv.Itoa(having)
	case "count_distinct":
		return strconv.Itoa(len(slices.Compact(texts)))
	}
	n := len(numbers)
	if n == 0 {
		if len(texts) > 0 && agg.Func == "min" {
			return texts[0]
		}
		if len(texts) > 0 && agg.Func == "max" {
			return texts[len(texts)-1]
		}
		return Missing
	}
	switch agg.Func {
	case "sum":
		return Number(sum)
	case "avg":
		return Number(sum / float64(n))
	case "min":
		return Number(numbers[0])
	case "max":
		return Number(numbers[n-1])
	case "median":
		return Number(numbers[(n+1)/2-1])
	}
	percent, err := strconv.ParseFloat(strings.TrimPrefix(agg.Func, "p"), 64)
	if err != nil {
		panic("oracle: unknown aggregate " + agg.Func)
	}
	return Number(numbers[max(int(math.Ceil(percent*float64(n)/100)), 1)-1])
}

// Number writes a number with the digits that any order of adding up gives.
func Number(v float64) string { return fmt.Sprintf("%.9g", v) }

// Stats draws what to compute of records.
func (g *Generator) Stats() *syntax.Stats {
	s := &syntax.Stats{}
	for range 1 + g.Below(3) {
		s.Aggs = append(s.Aggs, pick(g, []func() syntax.Agg{
			func() syntax.Agg { return syntax.Agg{Func: "count"} },
			func() syntax.Agg {
				return syntax.Agg{Func: pick(g, []string{"count", "count_distinct"}), Field: pick(g, []string{"component", "message", "level", "metadata.status", "metadata.parent", "a.b", "none"})}
			},
			func() syntax.Agg {
				return syntax.Agg{
					Func:  pick(g, []string{"sum", "avg", "min", "max", "median", "p1", "p50", "p90", "p99", "p99.9"}),
					Field: pick(g, []string{"metadata.status", "metadata.seconds", "metadata.pid", "component", "a.b", "none"}),
				}
			},
		})())
	}
	for i := range s.Aggs { // every column needs a name of its own
		s.Aggs[i].As = "c" + strconv.Itoa(i)
	}
	keys := []syntax.Key{
		{Field: "component"}, {Field: "level"}, {Field: "metadata.pid"}, {Field: "metadata.url"}, {Field: "metadata.request"}, {Field: "a.b"}, {Field: "none"},
		{Field: "_time", Bucket: pick(g, []time.Duration{time.Second, time.Minute, time.Hour, 24 * time.Hour})},
	}
	g.rng.Shuffle(len(keys), func(i, j int) { keys[i], keys[j] = keys[j], keys[i] })
	s.By = keys[:g.Below(3)]
	return s
}
