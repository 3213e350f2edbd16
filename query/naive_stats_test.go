package query_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stere-log/stere/internal/oracle"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/syntax"
)

// naiveGroup is one group of a table.
type naiveGroup struct {
	keys []any
	rows []*naiveRow
}

func (n *naive) stats(set *naiveSet, pipe syntax.Pipe) {
	var p *syntax.Stats
	if top, ok := pipe.(*syntax.Top); ok {
		p = &syntax.Stats{}
		names := map[string]string{"count": "count", "percent": "percent"}
		for _, field := range top.Fields {
			p.By = append(p.By, syntax.Key{Field: field.Text})
			if names[field.Text] != "" {
				names[field.Text] += "()"
			}
			set.filter(func(r *naiveRow) bool { return r.get(set.called(field.Text)) != nil })
		}
		p.Aggs = []syntax.Agg{{Func: "count", As: names["count"]}, {Func: "share", As: names["percent"]}}
	} else {
		p = pipe.(*syntax.Stats)
	}
	byKey := map[string]*naiveGroup{}
	var groups []*naiveGroup
	for i := range set.rows {
		r := &set.rows[i]
		text := ""
		var keys []any
		for _, key := range p.By {
			v := r.get(set.called(key.Field))
			if at, ok := v.(moment); ok && key.Bucket > 0 {
				v = moment(math.Floor(float64(int64(at)/1e9)/key.Bucket.Seconds()) * float64(key.Bucket))
			}
			if width, err := strconv.ParseFloat(key.Width, 64); err == nil {
				number, ok := naiveNumber(textOf(v))
				if v = nil; ok {
					v = math.Floor(number/width) * width
				}
			}
			keys, text = append(keys, v), text+keyText(v)+"\x00"
		}
		if byKey[text] == nil {
			byKey[text] = &naiveGroup{keys: keys}
			groups = append(groups, byKey[text])
		}
		byKey[text].rows = append(byKey[text].rows, r)
	}
	if len(p.By) == 0 && len(groups) == 0 {
		groups = []*naiveGroup{{}}
	}
	made := naiveSet{}
	for _, key := range p.By {
		made.columns, made.keys = append(made.columns, key.Field), append(made.keys, key.Field)
		if key.Bucket > 0 {
			made.bucket, made.width = key.Field, int64(key.Bucket)
		}
	}
	for _, agg := range p.Aggs {
		made.columns = append(made.columns, agg.Name())
		if strings.HasPrefix(agg.Func, "count") {
			made.zero = append(made.zero, agg.Name())
		}
	}
	for _, g := range groups {
		row := naiveRow{cells: map[string]any{}}
		for i, key := range p.By {
			row.cells[key.Field] = g.keys[i]
		}
		for _, agg := range p.Aggs {
			row.cells[agg.Name()] = naiveAggregate(set, agg, g.rows)
		}
		made.rows = append(made.rows, row)
	}
	naiveTypes(&made)
	naiveDefaultOrder(&made, p)
	if top, ok := pipe.(*syntax.Top); ok {
		for _, r := range made.rows {
			r.cells[p.Aggs[1].As] = math.Round(r.cells[p.Aggs[0].As].(float64)*10_000/float64(len(set.rows))) / 100
		}
		made.rows = made.rows[:min(len(made.rows), top.N)]
	}
	*set = made
}

// naiveTypes makes the values of columns without a type in common texts.
func naiveTypes(set *naiveSet) {
	for _, c := range set.columns {
		types := map[string]bool{}
		for _, r := range set.rows {
			if v := r.cells[c]; v != nil {
				types[fmt.Sprintf("%T", v)] = true
			}
		}
		for _, r := range set.rows {
			if v := r.cells[c]; v != nil && len(types) > 1 {
				r.cells[c] = textOf(v)
			}
		}
	}
}

func naiveDefaultOrder(set *naiveSet, p *syntax.Stats) {
	slices.SortStableFunc(set.rows, func(a, b naiveRow) int {
		for _, key := range p.By {
			if order := naiveOrder(false, "", a.cells[key.Field], b.cells[key.Field], false); key.Cut() && order != 0 {
				return order
			}
		}
		if name := p.Aggs[0].Name(); strings.HasPrefix(p.Aggs[0].Func, "count") {
			if order := naiveOrder(false, "", a.cells[name], b.cells[name], true); order != 0 {
				return order
			}
		}
		for _, key := range p.By {
			if order := naiveOrder(false, "", a.cells[key.Field], b.cells[key.Field], false); order != 0 {
				return order
			}
		}
		return 0
	})
}

func naiveAggregate(set *naiveSet, agg syntax.Agg, rows []*naiveRow) any {
	switch agg.Func {
	case "count_if":
		n := 0.0
		for _, r := range rows {
			if oracle.Holds(agg.Where, r.entry()) {
				n++
			}
		}
		return n
	case "first", "last":
		return naiveEdge(set, agg, rows)
	}
	if agg.Field == "" {
		return float64(len(rows))
	}
	var numbers []float64
	var texts []string
	distinct := map[string]bool{}
	times := false
	count := 0.0
	for _, r := range rows {
		v := r.get(set.called(agg.Field))
		if v == nil {
			continue
		}
		count++
		distinct[textOf(v)] = true
		if at, ok := v.(moment); ok {
			times = true
			numbers = append(numbers, float64(at))
		} else if number, ok := naiveNumber(textOf(v)); ok {
			numbers = append(numbers, number)
		} else {
			texts = append(texts, textOf(v))
		}
	}
	slices.Sort(numbers)
	slices.Sort(texts)
	sum := 0.0
	for _, number := range numbers {
		sum += number
	}
	number := func(v float64) any {
		if times {
			return moment(v)
		}
		return v
	}
	switch agg.Func {
	case "count":
		return count
	case "count_distinct":
		return float64(len(distinct))
	case "min", "max":
		at := func(n int) int { return map[string]int{"min": 0, "max": n - 1}[agg.Func] }
		switch {
		case len(numbers) > 0:
			return number(numbers[at(len(numbers))])
		case len(texts) > 0:
			return texts[at(len(texts))]
		}
		return nil
	}
	if len(numbers) == 0 {
		return nil
	}
	switch agg.Func {
	case "sum":
		return sum
	case "avg":
		return sum / float64(len(numbers))
	case "stddev":
		squares := 0.0
		for _, number := range numbers {
			squares += (number - sum/float64(len(numbers))) * (number - sum/float64(len(numbers)))
		}
		return math.Sqrt(squares / float64(len(numbers)))
	}
	percent, _ := syntax.Percentile(agg.Func)
	for i := range numbers {
		if float64(i+1)*100_000 >= float64(percent)*float64(len(numbers)) {
			return numbers[i]
		}
	}
	return nil
}

// naiveEdge returns the first or last value: by time, of rows of a table as they
// come.
func naiveEdge(set *naiveSet, agg syntax.Agg, rows []*naiveRow) any {
	ordered := slices.Clone(rows)
	slices.SortStableFunc(ordered, func(a, b *naiveRow) int { return cmp.Or(cmp.Compare(a.at, b.at), a.id.Compare(b.id)) })
	if agg.Func == "last" {
		slices.Reverse(ordered)
	}
	for _, r := range ordered {
		if v := r.get(set.called(agg.Field)); v != nil {
			return v
		}
	}
	return nil
}

// entry returns the row as what a condition is on.
func (r *naiveRow) entry() *oracle.Entry {
	e := &oracle.Entry{ID: r.id, Record: model.Record{Time: r.at}}
	_, level := r.cells["level"]
	for name, v := range r.cells {
		if !r.record && !level && name == "severity" { // a column with this name is one of levels
			name = "level"
		}
		f := model.Field{Name: name, Kind: model.String, Text: textOf(v)}
		switch v.(type) {
		case nil:
			continue
		case bool:
			f.Kind = model.Bool
		case float64:
			f.Kind = model.Number
		}
		e.Record.Fields = append(e.Record.Fields, f)
	}
	return e
}

func (n *naive) fill(set *naiveSet) {
	var combinations []string
	first := map[string]naiveRow{}
	have := map[string]map[moment]naiveRow{}
	var low, high moment
	var without []naiveRow
	key := func(r *naiveRow) string {
		text := ""
		for _, name := range set.keys {
			if name != set.bucket && slices.Contains(set.columns, name) {
				text += keyText(r.cells[name]) + "\x00"
			}
		}
		return text
	}
	for _, r := range set.rows {
		at, ok := r.cells[set.bucket].(moment)
		if !ok {
			without = append(without, r)
			continue
		}
		k := key(&r)
		if len(combinations) == 0 {
			low, high = at, at
		}
		low, high = min(low, at), max(high, at)
		if have[k] == nil {
			have[k] = map[moment]naiveRow{}
			first[k] = r
			combinations = append(combinations, k)
		}
		have[k][at] = r
	}
	set.rows = nil
	for at := low; at <= high && len(combinations) > 0; at += moment(set.width) {
		for _, k := range combinations {
			row, ok := have[k][at]
			if !ok {
				row = naiveRow{cells: map[string]any{}}
				for _, c := range set.columns {
					switch {
					case c == set.bucket:
						row.cells[c] = at
					case slices.Contains(set.keys, c):
						row.cells[c] = first[k].cells[c]
					case slices.Contains(set.zero, c):
						row.cells[c] = 0.0
					}
				}
			}
			set.rows = append(set.rows, row)
		}
	}
	set.rows = append(set.rows, without...)
}

// compare evaluates everything before it again, over records that are as much
// later.
func (n *naive) compare(set *naiveSet, p *syntax.Compare, q *syntax.Query, at int) {
	later := &naive{now: n.now}
	for _, e := range n.entries {
		e.Record.Time += int64(p.Ago)
		later.entries = append(later.entries, oracle.Entry(e))
	}
	before := later.run(&syntax.Query{Filter: q.Filter, Pipes: q.Pipes[:at]})
	key := func(r *naiveRow) string {
		text := ""
		for _, name := range set.keys {
			text += keyText(r.cells[name]) + "\x00"
		}
		return text
	}
	was := map[string]naiveRow{}
	for _, r := range before.rows {
		was[key(&r)] = r
	}
	for i := range set.rows {
		k := key(&set.rows[i])
		naiveChange(set, &set.rows[i], was[k])
		delete(was, k)
	}
	for _, r := range before.rows {
		if _, gone := was[key(&r)]; !gone {
			continue
		}
		row := naiveRow{cells: map[string]any{}}
		for _, c := range set.columns {
			if slices.Contains(set.keys, c) {
				row.cells[c] = r.cells[c]
			} else if slices.Contains(set.zero, c) {
				row.cells[c] = 0.0
			}
		}
		naiveChange(set, &row, r)
		set.rows = append(set.rows, row)
	}
	for _, c := range slices.Clone(set.columns) {
		if !slices.Contains(set.keys, c) {
			set.columns = append(set.columns, c+"_before", c+"_change")
		}
	}
}

func naiveChange(set *naiveSet, row *naiveRow, was naiveRow) {
	for _, c := range set.columns {
		if slices.Contains(set.keys, c) {
			continue
		}
		before := was.cells[c]
		if before == nil && slices.Contains(set.zero, c) {
			before = 0.0
		}
		row.cells[c+"_before"] = before
		row.cells[c+"_change"] = naiveArithmetic("-", row.cells[c], before)
	}
}

func (n *naive) timeline(set *naiveSet, by string) {
	type trail struct {
		id          any
		first, last int64
		count       float64
		errors      float64
		components  []string
	}
	trails := map[string]*trail{}
	slices.SortStableFunc(set.rows, func(a, b naiveRow) int {
		return cmp.Or(cmp.Compare(a.at, b.at), cmp.Compare(textOf(a.get("component")), textOf(b.get("component"))))
	})
	for i := range set.rows {
		r := &set.rows[i]
		id := r.get(by)
		if id == nil {
			continue
		}
		t := trails[textOf(id)]
		if t == nil {
			t = &trail{id: id, first: r.at}
			trails[textOf(id)] = t
		}
		t.last = r.at
		t.count++
		if naiveRank(textOf(r.get("level"))) >= naiveRank("error") {
			t.errors++
		}
		if c := r.get("component"); c != nil && !slices.Contains(t.components, textOf(c)) {
			t.components = append(t.components, textOf(c))
		}
	}
	*set = naiveSet{columns: []string{by, "first", "last", "duration", "count", "errors", "components"}, keys: []string{by}}
	for _, t := range trails {
		components, _ := json.Marshal(append([]string{}, t.components...))
		set.rows = append(set.rows, naiveRow{cells: map[string]any{by: t.id, "first": moment(t.first), "last": moment(t.last),
			"duration": float64(t.last-t.first) / float64(time.Second), "count": t.count, "errors": t.errors, "components": string(components)}})
	}
	slices.SortFunc(set.rows, func(a, b naiveRow) int {
		return cmp.Or(cmp.Compare(a.cells["first"].(moment), b.cells["first"].(moment)), strings.Compare(textOf(a.cells[by]), textOf(b.cells[by])))
	})
}
