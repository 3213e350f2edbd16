package oracle

import (
	"cmp"
	"slices"
	"strconv"

	"github.com/stere-log/stere/model"
)

// FieldName draws a field to sort or count by.
func (g *Generator) FieldName() string {
	return pick(g, []string{
		"component", "level", "severity", "message", "metadata.status", "metadata.pid", "metadata.seconds", "metadata.url",
		"metadata.parent", "metadata.ok", "metadata.tags", "a.b", "user agent", "none",
	})
}

// stored returns the name under which a field is kept.
func stored(field string) string {
	if field == "severity" {
		return "level"
	}
	return field
}

// sortTextMax is how many bytes of a text the order looks at.
const sortTextMax = 256

// place is where a record stands by one field: numbers, then texts, then
// records without it.
type place struct {
	class  int
	number float64
	text   string
}

func placeOf(e *Entry, field string) place {
	texts := values(e, field)
	if len(texts) == 0 {
		return place{class: 2}
	}
	text := texts[0]
	if severity := slices.Index([]string{"trace", "debug", "info", "warn", "error", "critical"}, text); field == "level" && severity >= 0 {
		return place{number: float64(severity)}
	}
	if v, ok := number(text); ok {
		return place{number: v}
	}
	return place{class: 1, text: text[:min(len(text), sortTextMax)]}
}

// Sorted returns the entries, which are in order of time, in the order of a
// field. Equal ones are newest first, those without the field last.
func Sorted(entries []Entry, field string, desc bool) []Entry {
	field = stored(field)
	places := map[model.RecordID]place{}
	for i := range entries {
		places[entries[i].ID] = placeOf(&entries[i], field)
	}
	sorted := slices.Clone(entries)
	slices.Reverse(sorted)
	slices.SortStableFunc(sorted, func(a, b Entry) int {
		v, w := places[a.ID], places[b.ID]
		order := cmp.Or(cmp.Compare(v.class, w.class), cmp.Compare(v.number, w.number), cmp.Compare(v.text, w.text))
		if desc && v.class < 2 && w.class < 2 {
			return -order
		}
		return order
	})
	return sorted
}

// Count says how often a text occurs.
type Count struct {
	Text string
	N    int
}

// Facet returns how often each value of each kind occurs, the most frequent
// first, then by text and kind.
func Facet(entries []Entry, field string) []Count {
	type value struct {
		kind model.Kind
		text string
	}
	counts := map[value]int{}
	for i := range entries {
		for _, f := range entries[i].Record.Fields {
			if named(f.Name, stored(field)) && f.Kind != model.Null {
				counts[value{f.Kind, f.Text}]++
			}
		}
	}
	var all []value
	for v := range counts {
		all = append(all, v)
	}
	slices.SortFunc(all, func(a, b value) int {
		return cmp.Or(cmp.Compare(counts[b], counts[a]), cmp.Compare(a.text, b.text), cmp.Compare(a.kind, b.kind))
	})
	var list []Count
	for _, v := range all {
		list = append(list, Count{v.text, counts[v]})
	}
	return list
}

// Top returns how many records have each text as their first value, the most
// frequent first; texts that are equally frequent are in no order.
func Top(entries []Entry, field string) []Count {
	counts := map[string]int{}
	for i := range entries {
		if texts := values(&entries[i], stored(field)); len(texts) > 0 {
			counts[texts[0]]++
		}
	}
	var list []Count
	for text, n := range counts {
		list = append(list, Count{text, n})
	}
	slices.SortFunc(list, func(a, b Count) int {
		return cmp.Or(cmp.Compare(b.N, a.N), cmp.Compare(strconv.Quote(a.Text), strconv.Quote(b.Text)))
	})
	return list
}
