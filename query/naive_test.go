package query_test

import (
	"cmp"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stere-log/stere/internal/oracle"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/syntax"
)

// The naive evaluator of pipes: it goes over lists of maps, pipe by pipe, and
// shares no code with the engine. Values are nil, bool, float64, string and
// moment.

// moment is a time in nanoseconds.
type moment int64

// naiveRow is a record or a row of a table.
type naiveRow struct {
	id     model.RecordID
	at     int64
	record bool
	cells  map[string]any
}

// naiveSet is rows in order.
type naiveSet struct {
	records bool
	columns []string
	rows    []naiveRow
	keys    []string // of the last table
	bucket  string
	width   int64
	zero    []string
}

// naive is one evaluation over some records.
type naive struct {
	entries []oracle.Entry // in order of time and id
	now     int64
}

func naiveValue(f model.Field) any {
	switch f.Kind {
	case model.Bool:
		return f.Text == "true"
	case model.Number:
		n, _ := strconv.ParseFloat(f.Text, 64)
		return n
	case model.Null:
		return nil
	}
	return f.Text
}

func (n *naive) run(q *syntax.Query) *naiveSet {
	set := &naiveSet{records: true}
	for i := range n.entries {
		e := &n.entries[i]
		if !oracle.Holds(q.Filter, e) {
			continue
		}
		row := naiveRow{id: e.ID, at: e.Record.Time, record: true, cells: map[string]any{}}
		for _, f := range e.Record.Fields {
			row.cells[f.Name] = naiveValue(f)
		}
		set.rows = append(set.rows, row)
	}
	slices.Reverse(set.rows)
	for i, pipe := range q.Pipes {
		n.pipe(set, pipe, q, i)
	}
	return set
}

func canonical(name string) string {
	switch name {
	case "severity":
		return "level"
	case "timestamp":
		return "_time"
	}
	return name
}

func (r *naiveRow) get(name string) any {
	if r.record {
		switch canonical(name) {
		case "_time":
			return moment(r.at)
		case "_id":
			return r.id.String()
		}
		return r.cells[canonical(name)]
	}
	if v, ok := r.cells[name]; ok {
		return v
	}
	return r.cells[name+"()"]
}

// nested returns the names that are a name or, in records, nested in it.
func (s *naiveSet) nested(r *naiveRow, name string) (names []string) {
	name = s.called(name)
	for have := range r.cells {
		if have == name || s.records && strings.HasPrefix(have, name+".") {
			names = append(names, have)
		}
	}
	slices.Sort(names)
	return names
}

// called returns the field or column that a name means.
func (s *naiveSet) called(name string) string {
	if s.records {
		return canonical(name)
	}
	if !slices.Contains(s.columns, name) && slices.Contains(s.columns, name+"()") {
		return name + "()"
	}
	return name
}

func (s *naiveSet) filter(keep func(*naiveRow) bool) {
	s.rows = slices.DeleteFunc(s.rows, func(r naiveRow) bool { return !keep(&r) })
}

func (s *naiveSet) column(name string) {
	if !s.records && !slices.Contains(s.columns, name) {
		s.columns = append(s.columns, name)
	}
}

func (n *naive) pipe(set *naiveSet, pipe syntax.Pipe, q *syntax.Query, at int) {
	switch p := pipe.(type) {
	case *syntax.Where:
		set.filter(func(r *naiveRow) bool { return n.eval(p.Cond, r) == true })
	case *syntax.Eval:
		n.assign(set, p.Set, false)
	case *syntax.Fill:
		if len(p.Set) > 0 {
			n.assign(set, p.Set, true)
			return
		}
		n.fill(set)
	case *syntax.Rename, *syntax.Drop, *syntax.Fields:
		n.names(set, pipe)
	case *syntax.Extract:
		n.extract(set, p)
	case *syntax.ParseFormat:
		from := cmp.Or(p.From.Text, "message")
		for i := range set.rows {
			if text, ok := set.rows[i].get(from).(string); ok {
				naiveParse(&set.rows[i], text, p.Format)
			}
		}
	case *syntax.Dedup:
		seen := map[string]bool{}
		set.filter(func(r *naiveRow) bool {
			key := ""
			for _, name := range p.By {
				key += keyText(r.get(set.called(name.Text))) + "\x00"
			}
			known := seen[key]
			seen[key] = true
			return !known
		})
	case *syntax.Sample:
		set.filter(func(r *naiveRow) bool { return naiveSampled(r.id, p) })
	case *syntax.Sort:
		n.sort(set, p.Keys)
	case *syntax.Limit:
		set.rows = set.rows[:min(len(set.rows), p.N)]
	case *syntax.Offset:
		set.rows = set.rows[min(len(set.rows), p.N):]
	case *syntax.Stats, *syntax.Top:
		n.stats(set, pipe)
	case *syntax.Union:
		other := n.run(p.Sub.Query)
		set.rows = append(set.rows, other.rows...)
		for _, name := range other.columns {
			set.column(name)
		}
	case *syntax.Join:
		n.join(set, p)
	case *syntax.Lookup:
		n.lookup(set, p)
	case *syntax.Context:
		n.context(set, p.N)
	case *syntax.Compare:
		n.compare(set, p, q, at)
	case *syntax.Timeline:
		n.timeline(set, p.By.Text)
	default:
		panic(fmt.Sprintf("naive: %T", pipe))
	}
}

func (n *naive) assign(set *naiveSet, to []syntax.Assign, missing bool) {
	for _, a := range to {
		name := set.called(a.Name.Text)
		for i := range set.rows {
			r := &set.rows[i]
			if !missing || r.get(name) == nil {
				r.cells[name] = n.eval(a.To, r)
			}
		}
		set.column(name)
	}
}

func (n *naive) names(set *naiveSet, pipe syntax.Pipe) {
	switch p := pipe.(type) {
	case *syntax.Rename:
		for _, pair := range p.Pairs {
			n.rename(set, pair.From.Text, pair.To.Text)
		}
	case *syntax.Drop:
		for _, name := range p.Names {
			called := set.called(name.Text)
			for i := range set.rows {
				for _, have := range set.nested(&set.rows[i], called) {
					delete(set.rows[i].cells, have)
				}
			}
			set.columns = slices.DeleteFunc(set.columns, func(c string) bool { return c == called })
		}
	case *syntax.Fields:
		for i := range set.rows {
			kept := map[string]any{}
			for _, name := range p.Names {
				for _, have := range set.nested(&set.rows[i], name.Text) {
					kept[have] = set.rows[i].cells[have]
				}
			}
			set.rows[i].cells = kept
		}
		if !set.records {
			var columns []string
			for _, name := range p.Names {
				columns = append(columns, set.called(name.Text))
			}
			set.columns = columns
		}
	}
}

func (n *naive) rename(set *naiveSet, from, to string) {
	from = set.called(from)
	if set.records {
		to = canonical(to)
	}
	if from == to {
		return
	}
	for i := range set.rows {
		moved := map[string]any{}
		for _, have := range set.nested(&set.rows[i], from) {
			moved[to+have[len(from):]] = set.rows[i].cells[have]
			delete(set.rows[i].cells, have)
		}
		for have := range set.rows[i].cells {
			if have == to || set.records && strings.HasPrefix(have, to+".") {
				delete(set.rows[i].cells, have)
			}
		}
		maps.Copy(set.rows[i].cells, moved)
	}
	for _, list := range []*[]string{&set.columns, &set.keys, &set.zero} {
		if list == &set.columns {
			*list = slices.DeleteFunc(slices.Clone(*list), func(c string) bool { return c == to })
		}
		for i, c := range *list {
			if c == from {
				(*list)[i] = to
			}
		}
	}
	if set.bucket == from {
		set.bucket = to
	}
}

func (n *naive) extract(set *naiveSet, p *syntax.Extract) {
	expression := p.Pattern
	var names []string
	if !p.Regex {
		expression = `(?s)`
		rest := p.Pattern
		for first := true; ; first = false {
			text, after, open := strings.Cut(rest, "<")
			if first && text == "" {
				expression += `\A`
			}
			expression += regexp.QuoteMeta(text)
			if !open {
				if text == "" {
					expression += `\z`
				}
				break
			}
			name, more, _ := strings.Cut(after, ">")
			names = append(names, strings.Trim(name, "_"))
			expression += `(.*?)`
			rest = more
		}
	}
	re := regexp.MustCompile(expression)
	if p.Regex {
		names = re.SubexpNames()[1:]
	}
	for i := range set.rows {
		v := set.rows[i].get(cmp.Or(p.From.Text, "message"))
		if v == nil {
			continue
		}
		match := re.FindStringSubmatchIndex(textOf(v))
		for g, name := range names {
			if match != nil && name != "" && match[2*g+2] >= 0 {
				set.rows[i].cells[set.called(name)] = textOf(v)[match[2*g+2]:match[2*g+3]]
			}
		}
	}
	for _, name := range names {
		if name != "" {
			set.column(name)
		}
	}
}

func naiveParse(r *naiveRow, text, format string) {
	if format == "json" {
		var object map[string]any
		if json.Unmarshal([]byte(text), &object) == nil {
			naiveObject(r, "", object)
		}
		return
	}
	for _, match := range regexp.MustCompile(`(?:^|[ \t])([^ \t="]+)=("(?:[^"\\]|\\.)*"|[^ \t]*)`).FindAllStringSubmatch(text, -1) {
		var v any = match[2]
		if strings.HasPrefix(match[2], `"`) {
			v, _ = strconv.Unquote(match[2])
		} else if number, err := strconv.ParseFloat(match[2], 64); err == nil {
			v = number
		} else if match[2] == "true" || match[2] == "false" {
			v = match[2] == "true"
		}
		r.cells[canonical(match[1])] = v
	}
}

func naiveObject(r *naiveRow, prefix string, object map[string]any) {
	for key, v := range object {
		name := strings.TrimPrefix(prefix+"."+key, ".")
		switch inner := v.(type) {
		case map[string]any:
			naiveObject(r, name, inner)
			continue
		case []any:
			text, _ := json.Marshal(inner)
			v = string(text)
		}
		r.cells[canonical(name)] = v
	}
}

func naiveSampled(id model.RecordID, p *syntax.Sample) bool {
	mix := func(x uint64) uint64 {
		x += 0x9e3779b97f4a7c15
		x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9
		x = (x ^ (x >> 27)) * 0x94d049bb133111eb
		return x ^ (x >> 31)
	}
	hash := mix(mix(mix(uint64(id.Shard))^id.Index) ^ uint64(id.Ordinal))
	if p.OneIn > 0 {
		return hash%uint64(p.OneIn) == 0
	}
	return float64(hash)/math.Pow(2, 64) < float64(p.Millionths)/1e6
}

// textOf writes a value; null is "".
func textOf(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case float64:
		if v == 0 {
			v = 0 // not -0
		}
		return strconv.FormatFloat(v, 'f', -1, 64)
	case moment:
		return time.Unix(0, int64(v)).UTC().Format(time.RFC3339Nano)
	}
	return fmt.Sprint(v)
}

// keyText tells the values of groups apart.
func keyText(v any) string {
	if v == nil {
		return "\x01null"
	}
	return textOf(v)
}

// naiveRank returns how severe a level is, 0 for what is none.
func naiveRank(text string) float64 {
	level, _ := model.ParseLevel(text)
	return float64(level)
}

// naiveOrder is the order of two values of a field: numbers, texts, nothing.
func naiveOrder(records bool, field string, a, b any, desc bool) int {
	class := func(v any) (int, float64, string) {
		if v == nil {
			return 3, 0, ""
		}
		if field == "level" {
			if rank := naiveRank(textOf(v)); rank > 0 {
				return 1, rank, ""
			}
		}
		switch x := v.(type) {
		case float64:
			return 1, x, ""
		case moment:
			return 1, float64(x), ""
		case string:
			if records {
				if number, ok := naiveNumber(x); ok {
					return 1, number, ""
				}
			}
		}
		return 2, 0, textOf(v)
	}
	ca, na, ta := class(a)
	cb, nb, tb := class(b)
	order := cmp.Or(cmp.Compare(ca, cb), cmp.Compare(na, nb), cmp.Compare(ta, tb))
	if desc && ca != 3 && cb != 3 {
		return -order
	}
	return order
}

func (n *naive) sort(set *naiveSet, keys []syntax.SortKey) {
	slices.SortStableFunc(set.rows, func(a, b naiveRow) int {
		for _, key := range keys {
			name := set.called(key.Name.Text)
			if order := naiveOrder(set.records, canonical(name), a.get(name), b.get(name), key.Desc); order != 0 {
				return order
			}
		}
		if set.records { // one key, the time, decides for equal ones too
			order := cmp.Or(cmp.Compare(b.at, a.at), b.id.Compare(a.id))
			if len(keys) == 1 && canonical(keys[0].Name.Text) == "_time" && !keys[0].Desc {
				return -order
			}
			return order
		}
		return 0
	})
}

func (n *naive) join(set *naiveSet, p *syntax.Join) {
	other := n.run(p.Sub.Query)
	key := func(s *naiveSet, r *naiveRow) (string, bool) {
		text := ""
		for _, name := range p.By {
			v := r.get(s.called(name.Text))
			if v == nil {
				return "", false
			}
			if number, ok := naiveNumber(textOf(v)); ok {
				v = number
			}
			text += textOf(v) + "\x00"
		}
		return text, true
	}
	table := map[string]*naiveRow{}
	columns := slices.Clone(other.columns)
	for i := range other.rows {
		r := &other.rows[i]
		if other.records {
			for name := range r.cells {
				if !slices.Contains(columns, name) {
					columns = append(columns, name)
				}
			}
		}
		if k, ok := key(other, r); ok && table[k] == nil {
			table[k] = r
		}
	}
	columns = slices.DeleteFunc(columns, func(c string) bool {
		return slices.ContainsFunc(p.By, func(name syntax.Name) bool { return other.called(name.Text) == c }) || c == "_time"
	})
	set.filter(func(r *naiveRow) bool {
		k, ok := key(set, r)
		from := table[k]
		if !ok || from == nil {
			return !p.Inner
		}
		for _, c := range columns {
			r.cells[canonical(c)] = from.cells[c]
		}
		return true
	})
	for _, c := range columns {
		set.column(canonical(c))
	}
}

// naiveTables are the lookup tables of the naive evaluator: columns, then rows.
func naiveTables() map[string][][]string {
	return map[string][][]string{
		"teams": {{"component", "team", "user"}, {"c1", "red", ""}, {"c2", "blue", "u9"}, {"", "nobody", "x"}, {"c1", "second", "x"}},
		"codes": {{"code", "means", "metadata.ip"}, {"404", "missing", "10.0.0.1"}, {"5", "few", "7"}, {"u1", "a user", "8.0"}},
	}
}

// lookup looks rows up in a table by its first column.
func (n *naive) lookup(set *naiveSet, p *syntax.Lookup) {
	table := naiveTables()[p.Table.Text]
	same := func(v any) string {
		if number, ok := naiveNumber(textOf(v)); ok {
			v = number
		}
		return textOf(v)
	}
	names := slices.Clone(table[0][1:])
	for i, name := range names {
		if p.As.Text != "" {
			name = p.As.Text + "." + name
		}
		names[i] = canonical(name)
	}
	on := set.called(p.On.Text)
	for i := range set.rows {
		r := &set.rows[i]
		v := r.get(on)
		if v == nil || textOf(v) == "" {
			continue
		}
		for _, row := range table[1:] {
			if row[0] == "" || same(row[0]) != same(v) {
				continue
			}
			for c, name := range names {
				r.cells[name] = nil
				if row[c+1] != "" {
					r.cells[name] = row[c+1]
				}
			}
			break
		}
	}
	for _, name := range names {
		set.column(name)
	}
}

func (n *naive) context(set *naiveSet, most int) {
	seen := map[model.RecordID]bool{}
	for _, r := range set.rows {
		seen[r.id] = true
	}
	var all []naiveRow
	for _, hit := range set.rows {
		var near []naiveRow
		place := 0
		for i := range n.entries {
			e := &n.entries[i]
			same := true
			for _, name := range []string{"component", "host", "metadata.host"} {
				f, _ := e.Record.Get(name)
				if v := hit.cells[name]; textOf(v) != "" && textOf(v) != f.Text {
					same = false
				}
			}
			if e.ID == hit.id {
				place = len(near)
			} else if !same {
				continue
			}
			row := naiveRow{id: e.ID, at: e.Record.Time, record: true, cells: map[string]any{}}
			for _, f := range e.Record.Fields {
				row.cells[f.Name] = naiveValue(f)
			}
			near = append(near, row)
		}
		for i := max(0, place-most); i < min(len(near), place+most+1); i++ {
			row := near[i]
			if i == place {
				row = hit
			} else if seen[row.id] {
				continue
			}
			seen[row.id] = true
			row.cells = maps.Clone(row.cells)
			row.cells["_around"] = hit.id.String()
			all = append(all, row)
		}
	}
	set.rows = all
}
