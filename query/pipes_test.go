package query_test

import (
	"cmp"
	"flag"
	"fmt"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/internal/oracle"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/lookup"
	"github.com/stere-log/stere/query/syntax"
	"github.com/stere-log/stere/storage/part"
	"github.com/stere-log/stere/storage/segment/segmenttest"
)

var (
	seeds = flag.Int("seeds", 300, "how many random chains of pipes to compare")
	first = flag.Int("first", 0, "the first of the seeds")
)

// chainRecord draws a record with texts to take apart and much that is missing.
func chainRecord(random *rand.Rand, n int) model.Record {
	pick := func(texts ...string) string { return texts[random.IntN(len(texts))] }
	user := fmt.Sprintf("u%d", random.IntN(5))
	message := fmt.Sprintf("%s user=%s took %d ms", pick("GET /a", "POST /b", "Failed"), user, random.IntN(40)) + pick("", "", " retry", ` "quoted part"`)
	fields := []model.Field{{Name: "message", Kind: model.String, Text: message}, {Name: "n", Kind: model.Number, Text: strconv.Itoa(n)}}
	add := func(kind model.Kind, name, text string) {
		if random.IntN(4) > 0 {
			fields = append(fields, model.Field{Name: name, Kind: kind, Text: text})
		}
	}
	add(model.String, "level", pick("debug", "info", "warn", "error", "critical"))
	add(model.String, "component", "c"+pick("0", "1", "2", "3"))
	add(model.String, "user", user)
	add(model.Number, "duration", strconv.Itoa(random.IntN(60)-10))
	add(model.Number, "share", strconv.FormatFloat(float64(random.IntN(40))/4, 'f', -1, 64))
	add(model.String, "code", pick("200", "404", "500", "none"))
	add(model.Bool, "flag", pick("true", "false"))
	add(model.String, "metadata.ip", "10.0.0."+pick("1", "2"))
	add(model.String, "metadata.host", pick("h1", "h2"))
	add(model.String, "trace", "t"+strconv.Itoa(random.IntN(9)))
	add(model.String, "payload", pick(`{"a":1,"b":{"c":"x","d":[1,"y"]},"level":"info"}`, `{"a":2.5,"user":"u9","e":null}`, `[1]`, `{"a":`, ` {"b":{"c":true}} `))
	add(model.String, "kv", pick(`a=1 b.c="x y" flag=false`, `a=2 word user=u1`, `nothing`, `b.c=z  a="q\"r"`))
	if random.IntN(8) == 0 {
		fields = append(fields, model.Field{Name: "host", Kind: model.Null})
	}
	return model.Record{Time: day + int64(random.IntN(120))*int64(time.Second), Fields: fields}
}

// chainData draws records and keeps them as parts of shards.
func chainData(t *testing.T, random *rand.Rand) ([]oracle.Entry, shardSet) {
	t.Helper()
	shards, parts := 1+random.IntN(4), 1+random.IntN(3)
	dealt := make([][]model.Record, shards*parts)
	for n := range 20 + random.IntN(120) {
		i := random.IntN(len(dealt))
		dealt[i] = append(dealt[i], chainRecord(random, n))
	}
	var entries []oracle.Entry
	set := make(shardSet, shards)
	for i, some := range dealt {
		shard, index := model.ShardID(i%shards), uint64(i+1)
		if len(some) == 0 {
			continue
		}
		set[shard] = append(set[shard], newPart(t, shard, index, some))
		for ordinal, record := range some {
			entries = append(entries, oracle.Entry{ID: model.RecordID{Shard: shard, Index: index, Ordinal: uint32(ordinal)}, Record: record})
		}
	}
	slices.SortFunc(entries, func(a, b oracle.Entry) int {
		return cmp.Or(cmp.Compare(a.Record.Time, b.Record.Time), a.ID.Compare(b.ID))
	})
	return entries, set
}

// TestChainsAreNaive checks that random chains of pipes answer what a naive
// evaluator answers: over blocks of the head, over segments, and with shards
// that leaves read.
func TestChainsAreNaive(t *testing.T) {
	most := *seeds
	if testing.Short() {
		most = min(most, 15)
	}
	now := time.Unix(0, day).Add(150 * time.Second)
	config := query.Config{Now: func() time.Time { return now }, Time: time.Hour, CountTime: time.Hour, CountBrief: time.Hour, Lookups: tables{}}
	for seed := *first; seed < *first+most; seed++ {
		random := rand.New(rand.NewPCG(71, uint64(seed)))
		entries, heads := chainData(t, random)
		config.Workers = 1 + random.IntN(3)
		segments := make(shardSet, len(heads))
		for i, parts := range heads {
			if len(parts) > 0 {
				segments[i] = []part.Part{segmenttest.Seal(t, model.ShardID(i), parts)}
			}
		}
		apart, _ := scatter(random, heads, 2, config)
		apartSealed, _ := scatter(random, segments, 2, config)
		engines := map[string]*query.Engine{
			"head": query.New(heads, config), "sealed": query.New(segments, config), "leaves": query.New(apart, config), "sealed leaves": query.New(apartSealed, config),
		}
		for range 4 {
			text := newChainText(random).text()
			parsed, err := syntax.Parse(text)
			if err != nil {
				t.Fatalf("seed %d: %q: %v", seed, text, err)
			}
			want := (&naive{entries: entries, now: now.UnixNano()}).run(parsed)
			for name, engine := range engines {
				if fault := sameChain(t, engine, text, want, random); fault != "" {
					t.Errorf("seed %d, %s: %s\n%s", seed, name, text, fault)
				}
			}
		}
		if t.Failed() {
			return
		}
	}
}

// tables are the lookup tables of the naive evaluator.
type tables struct{}

// Table implements query.Lookups.
func (tables) Table(_ model.TenantID, name string) (*lookup.Table, error) {
	table, ok := naiveTables()[name]
	if !ok {
		return nil, nil
	}
	return &lookup.Table{Columns: table[0], Rows: table[1:]}, nil
}

// Names implements query.Lookups.
func (tables) Names(model.TenantID) []string { return slices.Sorted(maps.Keys(naiveTables())) }

// sameChain compares an answer, as one page and as many, with what it should
// be; it returns what differs.
func sameChain(t *testing.T, engine *query.Engine, text string, want *naiveSet, random *rand.Rand) string {
	t.Helper()
	request := query.Request{Audience: query.Audience{Tenant: model.DefaultTenant}, Text: text, Limit: 10_000}
	whole, err := engine.Search(t.Context(), request)
	if err != nil {
		return err.Error()
	}
	if !whole.Complete || whole.Table == want.records {
		return fmt.Sprintf("complete %v, reason %s, a table %v", whole.Complete, whole.Reason, whole.Table)
	}
	if fault := sameRowsNaive(whole, want); fault != "" {
		return fault
	}
	request.Limit = 1 + random.IntN(20)
	var hits []query.Hit
	var rows [][]any
	for {
		page, err := engine.Search(t.Context(), request)
		if err != nil {
			return err.Error()
		}
		hits, rows = append(hits, page.Hits...), append(rows, page.Rows...)
		if request.Cursor = page.NextCursor; request.Cursor == "" {
			break
		}
	}
	whole.Hits, whole.Rows = hits, rows
	if fault := sameRowsNaive(whole, want); fault != "" {
		return "in pages: " + fault
	}
	return ""
}

func sameRowsNaive(have *query.Result, want *naiveSet) string {
	if want.records {
		if len(have.Hits) != len(want.rows) {
			return fmt.Sprintf("%d records, want %d", len(have.Hits), len(want.rows))
		}
		for i, hit := range have.Hits {
			row := want.rows[i]
			if hit.ID != row.id || hit.Record.Time != row.at {
				return fmt.Sprintf("record %d is %s, want %s", i, hit.ID, row.id)
			}
			seen := 0
			for _, f := range hit.Record.Fields {
				if f.Kind == model.Null {
					continue
				}
				if v := row.cells[f.Name]; v == nil || !sameText(f.Text, textOf(v)) {
					return fmt.Sprintf("record %d: %s is %q, want %q", i, f.Name, f.Text, textOf(v))
				}
				seen++
			}
			for name, v := range row.cells {
				if v != nil {
					if seen--; seen < 0 {
						return fmt.Sprintf("record %d has not %s or another of %v", i, name, row.cells)
					}
				}
			}
		}
		return ""
	}
	var columns []string
	for _, c := range have.Columns {
		columns = append(columns, c.Name)
	}
	if !slices.Equal(columns, want.columns) || len(have.Rows) != len(want.rows) {
		return fmt.Sprintf("%d rows of %q, want %d of %q", len(have.Rows), columns, len(want.rows), want.columns)
	}
	for i, row := range have.Rows {
		for c, v := range row {
			w := want.rows[i].cells[columns[c]]
			if (v == nil) != (w == nil) || v != nil && !sameText(plainText(v), textOf(w)) {
				return fmt.Sprintf("row %d: %s is %v, want %v\n%v", i, columns[c], v, textOf(w), row)
			}
		}
	}
	return ""
}

// plainText writes a cell of an answer.
func plainText(v any) string {
	if f, ok := v.(float64); ok {
		return textOf(f)
	}
	return fmt.Sprint(v)
}

// sameText compares numbers with the rounding of another order of adding up.
func sameText(a, b string) bool {
	if a == b {
		return true
	}
	x, errX := strconv.ParseFloat(a, 64)
	y, errY := strconv.ParseFloat(b, 64)
	return errX == nil && errY == nil && math.Abs(x-y) <= 1e-9*max(1, math.Abs(x))
}

// chainText draws the text of a chain of pipes that is valid.
type chainText struct {
	random  *rand.Rand
	pipes   []string
	filter  string
	table   bool
	columns []string
	bucket  bool
	inside  bool
}

func newChainText(random *rand.Rand) *chainText {
	g := &chainText{random: random, filter: "*"}
	g.filter = g.pick("*", "*", "*", "level>=warn", "took", "component:c1", "NOT user:*", `"user=u1"`, "duration>10")
	if random.IntN(12) == 0 {
		g.compared()
		return g
	}
	for range 1 + random.IntN(6) {
		if g.table {
			g.tablePipe()
		} else {
			g.recordPipe()
		}
	}
	return g
}

func (g *chainText) text() string { return strings.Join(append([]string{g.filter}, g.pipes...), " | ") }

func (g *chainText) pick(of ...string) string { return of[g.random.IntN(len(of))] }

func (g *chainText) add(format string, args ...any) {
	g.pipes = append(g.pipes, fmt.Sprintf(format, args...))
}

// field draws a field, or a column of a table.
func (g *chainText) field() string {
	if g.table {
		return g.quoted(g.pick(g.columns...))
	}
	return g.pick("level", "component", "user", "duration", "share", "code", "flag", "metadata.ip", "trace", "n", "x", "y", "a", "b.c", "ip", "ms", "severity", "none")
}

// quoted writes a column as a name.
func (g *chainText) quoted(name string) string {
	if strings.ContainsAny(name, "() ") {
		return `"` + name + `"`
	}
	return name
}

// ref draws a field or column in an expression.
func (g *chainText) ref() string {
	if g.table {
		return g.pick(g.columns...)
	}
	if g.random.IntN(9) == 0 {
		return "_time"
	}
	return g.field()
}

// number, words and truth draw expressions.
func (g *chainText) number(depth int) string {
	if depth == 0 {
		return g.pick(g.ref(), g.ref(), strconv.Itoa(g.random.IntN(30)), "2.5", "-3")
	}
	inner := func() string { return g.number(depth - 1) }
	switch g.random.IntN(9) {
	case 0, 1:
		return "(" + inner() + " " + g.pick("+", "-", "*", "/", "%") + " " + inner() + ")"
	case 2:
		return g.pick("abs", "round", "floor", "ceil", "to_number") + "(" + inner() + ")"
	case 3:
		return "length(" + g.words(depth-1) + ")"
	case 4:
		return "if(" + g.truth(depth-1) + ", " + inner() + ", " + inner() + ")"
	case 5:
		return "coalesce(" + inner() + ", " + inner() + ")"
	case 6:
		return "bucket(" + inner() + ", 10)"
	case 7:
		return "round(" + inner() + ", 1)"
	}
	return "-" + g.ref()
}

func (g *chainText) words(depth int) string {
	if depth == 0 {
		return g.pick(g.ref(), g.ref(), `"c1"`, `"u2"`, `"info"`, `"200"`, `""`)
	}
	inner := func() string { return g.words(depth - 1) }
	switch g.random.IntN(8) {
	case 0:
		return g.pick("lower", "upper", "trim", "to_string") + "(" + inner() + ")"
	case 1:
		return "concat(" + inner() + `, "-", ` + g.number(depth-1) + ")"
	case 2:
		return "substr(" + inner() + ", " + g.pick("0", "1", "-2") + g.pick("", ", 2") + ")"
	case 3:
		return "replace(" + inner() + `, "u", "ü")`
	case 4:
		return "split(" + inner() + `, "0"` + g.pick("", ", 0", ", -1", ", 7") + ")"
	case 5:
		return "case(" + g.truth(depth-1) + ", " + inner() + ", " + g.truth(depth-1) + ", " + inner() + g.pick("", `, "else"`) + ")"
	case 6:
		return `format_time(_time, "%H:%M")`
	}
	return inner()
}

func (g *chainText) truth(depth int) string {
	switch g.random.IntN(9) {
	case 0, 1:
		return g.number(depth) + " " + g.pick("<", "<=", ">", ">=", "==", "!=") + " " + g.number(depth)
	case 2, 3:
		return g.words(depth) + " " + g.pick("==", "!=", "<", ">=") + " " + g.words(depth)
	case 4:
		return g.ref() + " " + g.pick("==", "!=") + " " + g.pick("null", `"error"`, `"c1"`, "404", `"404"`, "true")
	case 5:
		return "level " + g.pick(">=", "<", "==", "!=") + ` "warning"`
	case 6:
		return g.pick("contains", "starts_with", "ends_with") + "(" + g.words(depth) + `, "` + g.pick("u", "1", "c") + `")`
	case 7:
		return `matches(` + g.ref() + `, "^[cu](1|2)$|0$")`
	}
	if depth == 0 {
		return "not (" + g.ref() + " > 5)"
	}
	return "(" + g.truth(depth-1) + g.pick(" and ", " or ") + g.truth(depth-1) + ")"
}

func (g *chainText) expression() string {
	depth := g.random.IntN(3)
	switch g.random.IntN(4) {
	case 0:
		return g.words(depth)
	case 1:
		return g.truth(depth)
	}
	return g.number(depth)
}

// cond draws a condition; tables have no level and no time to ask for.
func (g *chainText) cond() string {
	cond := g.truth(g.random.IntN(3))
	if g.table {
		return g.replaced(cond)
	}
	return cond
}

// replaced puts columns in the place of fields that are none.
func (g *chainText) replaced(text string) string {
	column := g.columns[0]
	text = strings.ReplaceAll(text, "level ", column+" ")
	return strings.ReplaceAll(text, "format_time(_time,", "format_time("+column+",")
}

func (g *chainText) recordPipe() {
	switch g.random.IntN(23) {
	case 0, 1, 2:
		g.add("where %s", g.cond())
	case 3, 4:
		g.add("eval %s = %s, y = %s", g.pick("x", "duration", "component", "a.b"), g.expression(), g.expression())
	case 5:
		g.add("rename %s as %s", g.pick("user", "metadata", "duration", "level", "x", "a"), g.pick("x", "z.w", "component", "metadata", "b"))
	case 6:
		g.add("drop %s", g.pick("component", "metadata", "x, share", "level"))
	case 7:
		g.add("fields %s", g.pick("n, message, component, level", "metadata, n, user, duration", "n, x, y, trace, payload, kv"))
	case 8:
		g.add("extract %s", g.pick(`"user=<x> took <ms> ms"`, `"<method> /<_> user=<y> "`, `/user=(?P<x>u[0-9]) took (?P<ms>\d+)/`, `"10.<_>.<y>" from metadata.ip`, `/(?P<code>4\d+)|(?P<y>none)/ from code`))
	case 9:
		g.add("parse json from payload")
	case 10:
		g.add("parse logfmt from %s", g.pick("kv", "kv", "message"))
	case 11:
		g.add("dedup by %s", g.pick("component", "level, user", "x", "metadata.ip", "none", "y"))
	case 12:
		g.add("sample %s", g.pick("2", "3", "50%", "12.5%"))
	case 13:
		g.add("fill component = %s, x = 0", g.pick(`"none"`, "user", "n"))
	case 14:
		g.add("sort by %s %s, n", g.field(), g.pick("", "desc"))
	case 15:
		g.add("sort by _time %s", g.pick("", "desc"))
	case 16:
		g.add(g.pick("limit %d", "limit %d", "offset %d"), g.random.IntN(30))
	case 17:
		if !g.inside {
			g.union()
		}
	case 18:
		if !g.inside {
			g.add("join %sby %s (%s)", g.pick("", "inner "), g.pick("component", "user", "trace"), g.lookup())
		}
	case 19:
		if !g.inside && g.random.IntN(2) == 0 {
			g.add("limit %d", g.random.IntN(6))
			g.add("context %d", 1+g.random.IntN(3))
		}
	case 20:
		g.add("lookup teams on component%s", g.pick("", " as t", " as metadata"))
		g.add("lookup codes on %s%s", g.field(), g.pick("", " as x"))
	case 21:
		g.add("timeline by %s", g.pick("trace", "user", "metadata.ip", "x"))
		by := strings.TrimPrefix(g.pipes[len(g.pipes)-1], "timeline by ")
		g.table, g.columns, g.bucket = true, []string{by, "first", "last", "duration", "count", "errors", "components"}, false
	default:
		g.stats()
	}
}

func (g *chainText) union() {
	in := &chainText{random: g.random, filter: g.pick("*", "level:error", "component:c2"), inside: true}
	for range g.random.IntN(4) {
		for before := len(in.pipes); len(in.pipes) == before && !in.table; {
			in.recordPipe()
		}
	}
	for in.table != g.table {
		if in.table {
			return
		}
		in.stats()
	}
	g.add("union (%s)", in.text())
	for _, c := range in.columns {
		if !slices.Contains(g.columns, c) {
			g.columns = append(g.columns, c)
		}
	}
}

// lookup draws what a join looks up.
func (g *chainText) lookup() string {
	return g.pick("* | stats count() as total, max(duration) as x by (component, user, trace)",
		"level>=warn | fields component, user, trace, code, metadata.ip", "* | eval y = n * 2 | sort by n | limit 5 | fields y, component, user, trace",
		"nothing_has_this | fields user, component, trace, q")
}

func (g *chainText) stats() {
	if g.random.IntN(8) == 0 {
		field := g.field()
		if other := g.field(); other != field && g.random.IntN(2) == 0 && other != "count" && other != "percent" && field != "count" && field != "percent" {
			g.add("top %d %s, %s", 1+g.random.IntN(5), field, other)
			g.table, g.columns, g.bucket = true, []string{strings.Trim(field, `"`), strings.Trim(other, `"`), "count", "percent"}, false
			return
		}
		g.add("top %d %s", 1+g.random.IntN(5), field)
		g.table, g.columns, g.bucket = true, []string{strings.Trim(field, `"`), "count", "percent"}, false
		for i, name := range g.columns[1:] {
			if g.columns[0] == name {
				g.columns[1+i] += "()"
			}
		}
		return
	}
	g.bucket = false
	var by, columns []string
	if !g.table && g.random.IntN(3) == 0 {
		by, columns, g.bucket = append(by, "_time:10s"), append(columns, "_time"), true
	}
	if g.random.IntN(6) == 0 {
		if field := g.field(); field != "_time" && field != `"_time"` {
			by, columns = append(by, field+":"+g.pick("10", "0.5", "3")), append(columns, strings.Trim(field, `"`))
		}
	}
	for range g.random.IntN(3) {
		if field := g.field(); !slices.Contains(by, field) {
			by, columns = append(by, field), append(columns, strings.Trim(field, `"`))
		}
	}
	aggs := []string{"count() as total"}
	columns = append(columns, "total")
	for i := range g.random.IntN(3) {
		name := fmt.Sprintf("agg%d", i)
		field := g.field()
		if !g.table && g.random.IntN(6) == 0 {
			field = "_time"
			aggs = append(aggs, g.pick("min", "max", "count")+"(_time) as "+name)
		} else if g.random.IntN(5) == 0 {
			cond := g.pick("level>=warn", "component:c1", "duration>10 OR user:*", "NOT user:=u1", "x:*", "took", "y:>5")
			if g.table {
				cond = "*"
				if column := g.pick(g.columns...); column != "_time" {
					cond = fmt.Sprintf(`"%s"%s`, column, g.pick(">1", ":*", "<=0"))
				}
			}
			aggs = append(aggs, "count_if("+cond+") as "+name)
		} else {
			aggs = append(aggs, g.pick("stddev", "first", "last", "count", "sum", "avg", "min", "max", "count_distinct", "median", "p90")+"("+field+") as "+name)
		}
		columns = append(columns, name)
	}
	text := "stats " + strings.Join(aggs, ", ")
	if len(by) > 0 {
		text += " by (" + strings.Join(by, ", ") + ")"
	}
	seen := map[string]bool{}
	for _, c := range columns {
		if seen[c] {
			return // a column would be there twice
		}
		seen[c] = true
	}
	g.add("%s", text)
	g.table, g.columns = true, columns
}

func (g *chainText) tablePipe() {
	switch g.random.IntN(13) {
	case 0, 1:
		g.add("where %s", g.cond())
	case 2:
		g.add("eval new = %s", g.replaced(g.expression()))
		if !slices.Contains(g.columns, "new") {
			g.columns = append(g.columns, "new")
		}
	case 3:
		from := g.random.IntN(len(g.columns))
		if to := g.pick("renamed", "other"); !slices.Contains(g.columns, to) {
			g.add("rename %s as %s", g.quoted(g.columns[from]), to)
			g.columns = slices.Clone(g.columns)
			g.columns[from] = to
		}
	case 4:
		if len(g.columns) > 1 {
			at := g.random.IntN(len(g.columns))
			g.add("drop %s", g.quoted(g.columns[at]))
			g.bucket = g.bucket && at != 0
			g.columns = slices.Delete(slices.Clone(g.columns), at, at+1)
		}
	case 5:
		g.add("sort by %s %s", g.field(), g.pick("", "desc"))
	case 6:
		g.add(g.pick("limit %d", "offset %d"), g.random.IntN(6))
	case 7:
		g.add("dedup by %s", g.field())
	case 8:
		if g.bucket {
			g.add("fill")
		}
	case 9:
		if !g.inside {
			g.union()
		}
	case 10:
		g.add("fill %s = 0", g.field())
	case 11:
		g.add("lookup teams on %s as t", g.field())
		for _, name := range []string{"t.team", "t.user"} {
			if !slices.Contains(g.columns, name) {
				g.columns = append(slices.Clone(g.columns), name)
			}
		}
	default:
		g.stats()
	}
}

// compared draws a table that is compared with the one of some time before.
func (g *chainText) compared() {
	from := g.random.IntN(60)
	at := func(s int) string {
		return time.Unix(0, day).UTC().Add(time.Duration(s) * time.Second).Format("2006-01-02T15:04:05.000000000Z")
	}
	g.filter += fmt.Sprintf(" _time:[%s TO %s}", at(from), at(from+20+g.random.IntN(40)))
	g.add("%s", g.pick("where duration > 5 or flag == true", "eval x = duration * 2", `extract "user=<x> took"`, "sample 2"))
	g.add("stats count() as total, sum(duration), max(share) as most by (%s)", g.pick("component", "_time:10s", "_time:10s, level", "x", "level, flag"))
	if g.random.IntN(2) == 0 {
		g.add("where total > 1")
	}
	g.add("compare %s", g.pick("30s", "10s", "1m"))
}
