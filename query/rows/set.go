package rows

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/stere-log/stere/query/expr"
)

// ErrBytes says that rows take more bytes than they may.
var ErrBytes = errors.New("the rows are too large")

// Apply does the ops to each row, in order, and keeps those that none leaves
// out: until stop says so, which is asked now and then, or the rows take about
// most bytes. With an error the rows that are left are those before.
func (s *Set) Apply(ops []Op, most int, stop func() error) (err error) {
	const often = 1 << 7
	kept := s.Rows[:0]
	bytes := 0
	for i := range s.Rows {
		if i%often == 0 {
			err = stop()
		}
		if err != nil {
			break
		}
		if !applied(ops, &s.Rows[i]) {
			continue
		}
		if bytes += s.Rows[i].Bytes(); bytes > most {
			err = ErrBytes
			break
		}
		kept = append(kept, s.Rows[i])
	}
	clear(s.Rows[len(kept):])
	s.Rows = kept
	return err
}

// applied does the ops to a row until one leaves it out.
func applied(ops []Op, row *Row) bool {
	for _, op := range ops {
		if !op.Apply(row) {
			return false
		}
	}
	return true
}

// Dedup keeps the first row of those that are equal in some columns, as groups
// are: null is a value like others.
func (s *Set) Dedup(by []string) {
	seen := map[string]bool{}
	s.Rows = slices.DeleteFunc(s.Rows, func(row Row) bool {
		key := groupKey(&row, by)
		known := seen[key]
		seen[key] = true
		return known
	})
}

// groupKey returns a text that differs for rows of different groups.
func groupKey(row *Row, by []string) string {
	var dst []byte
	for _, name := range by {
		switch v := row.Get(name); v.Kind {
		case expr.Null:
			dst = append(dst, 0)
		case expr.Time:
			dst = binary.BigEndian.AppendUint64(append(dst, 1), uint64(v.Int))
		default:
			dst = appendText(append(dst, 2), v.String())
		}
	}
	return string(dst)
}

// Buckets says how the rows of empty time buckets are added to a table.
type Buckets struct {
	Time   string                // the column of times
	Next   func(at int64) int64  // the beginning of the bucket after one
	Others []string              // the other columns that rows are grouped by
	Values map[string]expr.Value // of the rows that are added; null for others
}

// FillBuckets adds a row for every bucket between the first and the last for
// each combination of the other columns, so that all have the same buckets, and
// orders by time. It returns false, and adds nothing, if the table would have
// more than most rows.
func (s *Set) FillBuckets(b *Buckets, most int) bool {
	var without []Row
	var groups []Row // the first row of each combination
	have := map[string]map[int64]Row{}
	var order []string
	first, last, any := int64(0), int64(0), false
	for _, row := range s.Rows {
		at := row.Get(b.Time)
		if at.Kind != expr.Time {
			without = append(without, row)
			continue
		}
		if !any || at.Int < first {
			first = at.Int
		}
		if !any || at.Int > last {
			last = at.Int
		}
		any = true
		key := groupKey(&row, b.Others)
		if have[key] == nil {
			have[key] = map[int64]Row{}
			groups, order = append(groups, row), append(order, key)
		}
		have[key][at.Int] = row
	}
	if !any {
		return true
	}
	filled := []Row{}
	for at, steps := first, 0; at <= last; steps++ {
		if (steps+1)*len(groups)+len(without) > most {
			return false
		}
		for i, key := range order {
			row, ok := have[key][at]
			if !ok {
				row = b.empty(s.Columns, &groups[i], at)
			}
			filled = append(filled, row)
		}
		next := b.Next(at)
		if next <= at {
			break
		}
		at = next
	}
	s.Rows = append(filled, without...)
	return true
}

// empty returns the row of an empty bucket.
func (b *Buckets) empty(columns []Column, like *Row, at int64) Row {
	row := Row{Fields: make([]Field, 0, len(columns))}
	for _, c := range columns {
		v := b.Values[c.Name]
		switch {
		case c.Name == b.Time:
			v = expr.OfTime(at)
		case slices.Contains(b.Others, c.Name):
			v = like.Get(c.Name)
		}
		row.Fields = append(row.Fields, NewField(c.Name, v))
	}
	return row
}

// Columns of the table that a timeline is made from, besides its field: what
// each component did. No text can name them.
const (
	TimelineComponent = "\x00component"
	TimelineCount     = "\x00count"
	TimelineErrors    = "\x00errors"
	TimelineFirst     = "\x00first"
	TimelineLast      = "\x00last"
)

// TimelineColumns returns the columns of a timeline by a field.
func TimelineColumns(by string) []Column {
	return []Column{
		{by, "string"}, {"first", "time"}, {"last", "time"}, {"duration", "float"}, {"count", "int"}, {"errors", "int"}, {"components", "string"},
	}
}

// trail is what is known of one value of a timeline's field.
type trail struct {
	id            expr.Value
	first, last   int64
	count, errors int64
	stops         []stop
}

// stop is a component and when it comes first.
type stop struct {
	name string
	at   int64
}

// Timeline makes a timeline of a table of what components did: for each value
// of the field one row, the first to begin first.
func (s *Set) Timeline(by string) {
	trails := map[string]*trail{}
	for i := range s.Rows {
		row := &s.Rows[i]
		id := row.Get(by)
		if id.Kind == expr.Null {
			continue
		}
		t := trails[id.String()]
		first, last := row.Get(TimelineFirst).Int, row.Get(TimelineLast).Int
		if t == nil {
			t = &trail{id: id, first: first, last: last}
			trails[id.String()] = t
		}
		t.first, t.last = min(t.first, first), max(t.last, last)
		t.count += row.Get(TimelineCount).Int
		t.errors += row.Get(TimelineErrors).Int
		if component := row.Get(TimelineComponent); component.Kind != expr.Null {
			t.stops = append(t.stops, stop{component.String(), first})
		}
	}
	s.Columns, s.Rows = TimelineColumns(by), make([]Row, 0, len(trails))
	for _, t := range trails {
		s.Rows = append(s.Rows, t.row(by))
	}
	slices.SortFunc(s.Rows, func(a, b Row) int {
		return cmp.Or(cmp.Compare(a.Get("first").Int, b.Get("first").Int), strings.Compare(a.Get(by).String(), b.Get(by).String()))
	})
}

// row returns the row of a trail.
func (t *trail) row(by string) Row {
	slices.SortFunc(t.stops, func(a, b stop) int { return cmp.Or(cmp.Compare(a.at, b.at), strings.Compare(a.name, b.name)) })
	names := make([]string, len(t.stops))
	for i, stop := range t.stops {
		names[i] = stop.name
	}
	var components bytes.Buffer
	encoder := json.NewEncoder(&components)
	encoder.SetEscapeHTML(false)
	if err := encoder.Encode(names); err != nil {
		components.Reset()
	}
	lasted := float64(t.last-t.first) / float64(time.Second)
	return Row{Fields: []Field{
		NewField(by, t.id), NewField("first", expr.OfTime(t.first)), NewField("last", expr.OfTime(t.last)),
		NewField("duration", expr.OfAny(lasted)), NewField("count", expr.OfInt(t.count)), NewField("errors", expr.OfInt(t.errors)),
		NewField("components", expr.Value{Kind: expr.JSON, Text: strings.TrimSuffix(components.String(), "\n")}),
	}}
}
