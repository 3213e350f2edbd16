package oracle

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/syntax"
)

// Generator draws records and conditions. The same seed draws the same.
type Generator struct{ rng *rand.Rand }

// NewGenerator returns a generator.
func NewGenerator(seed uint64) *Generator {
	return &Generator{rand.New(rand.NewPCG(seed, 0x57e2e))}
}

// Below returns a number from 0 to n-1.
func (g *Generator) Below(n int) int { return g.rng.IntN(n) }

func pick[T any](g *Generator, from []T) T { return from[g.rng.IntN(len(from))] }

// base is the time around which records lie, shortly before midnight.
const base = 1_700_006_000_000_000_000

// Records draws n records of a mixture of sources, in no strict order of time.
func (g *Generator) Records(n int) []model.Record {
	start := base + g.rng.Int64N(20_000_000_000_000)
	records := make([]model.Record, n)
	for i := range records {
		r := &records[i]
		start += g.rng.Int64N(50_000_000)
		r.Time = start - g.rng.Int64N(1+int64(g.Below(2))*2_000_000_000)
		r.TimeDigits = pick(g, []uint8{0, 3, 3, 6, 9})
		if g.Below(4) == 0 { // many share a time
			r.Time -= r.Time % 1_000_000_000
		}
		pick(g, []func(*model.Record){g.sshd, g.web, g.application, g.application, g.odd, g.trace})(r)
	}
	return records
}

func add(r *model.Record, name string, kind model.Kind, text string) {
	if _, twice := r.Get(name); !twice {
		r.Fields = append(r.Fields, model.Field{Name: name, Kind: kind, Text: text})
	}
}

func (g *Generator) address() string {
	return fmt.Sprintf("10.%d.%d.%d", g.Below(2), g.Below(3), g.Below(256))
}

func (g *Generator) uuid() string {
	return fmt.Sprintf("%08x-%04x-4%03x-a%03x-%012x", g.rng.Uint32(), g.Below(1<<16), g.Below(1<<12), g.Below(1<<12), g.rng.Uint64()>>16)
}

func (g *Generator) sshd(r *model.Record) {
	user := pick(g, []string{"root", "admin", "oracle", "Bob", "test_user"})
	add(r, "component", model.String, "sshd")
	add(r, "message", model.String, pick(g, []string{
		fmt.Sprintf("Failed password for %s from %s port %d ssh2", user, g.address(), 1024+g.Below(60000)),
		fmt.Sprintf("Accepted publickey for %s from %s port %d ssh2", user, g.address(), 1024+g.Below(60000)),
		fmt.Sprintf("Connection closed by %s [preauth]", g.address()),
		"Received disconnect: 11: Bye Bye [preauth]",
	}))
	add(r, "metadata.pid", model.Number, strconv.Itoa(20000+g.Below(400)))
}

func (g *Generator) web(r *model.Record) {
	status := pick(g, []string{"200", "200", "304", "404", "500"})
	path := pick(g, []string{"/", "/image/" + strconv.Itoa(g.Below(900)), "/api/v1/logs", "/%D8%B3?q=a+b", "/static/app.JS"})
	add(r, "message", model.String, fmt.Sprintf(`%s - - "GET %s HTTP/1.1" %s %d "-" "Mozilla/5.0 (X11; Linux x86_64)"`, g.address(), path, status, g.Below(20000)))
	add(r, "component", model.String, "nginx")
	add(r, "metadata.status", model.Number, status)
	add(r, "metadata.url", model.String, path)
	add(r, "metadata.client.ip", model.String, g.address())
	add(r, "metadata.seconds", model.Number, fmt.Sprintf("%.3f", g.rng.Float64()*3))
}

func (g *Generator) application(r *model.Record) {
	add(r, "level", model.String, pick(g, []string{"trace", "debug", "info", "info", "info", "warn", "error", "critical", "odd level"}))
	add(r, "component", model.String, pick(g, []string{"auth", "payment", "auth-service", "Größe", "store.index"}))
	add(r, "message", model.String, pick(g, []string{
		fmt.Sprintf("connection reset by peer after %dms", g.Below(3000)),
		fmt.Sprintf("order %s paid: %d.%02d EUR", g.uuid(), g.Below(90), g.Below(100)),
		fmt.Sprintf("block blk_%d replicated to %s:%d", g.rng.Int64(), g.address(), 50010),
		fmt.Sprintf("user %x logged in", g.rng.Uint32()),
		"queue is full", "Queue  is FULL!",
		fmt.Sprintf("retry %d of 5 at 2024-01-%02dT03:04:%02dZ", g.Below(6), 1+g.Below(28), g.Below(60)),
		fmt.Sprintf("Übertragung %d größer als ÉTÉ naïve", g.Below(50)),
	}))
	add(r, "metadata.request", model.String, g.uuid())
	if g.Below(3) == 0 {
		add(r, "metadata.ok", model.Bool, pick(g, []string{"true", "false"}))
		add(r, "metadata.tags", model.JSON, pick(g, []string{
			"[]", `["a","b 5"]`, "[1,2]", "{}", `["caf\u00e9","x\ny","A"]`, `[true,null,1.50,"true"]`, `[["a"],{"b":"a"},"\u003cb\u003e 5"]`, `["größe","a"]`,
		}))
	}
	if g.Below(4) == 0 {
		add(r, "metadata.parent", model.Null, "")
	} else if g.Below(4) == 0 {
		add(r, "metadata.parent", model.String, g.uuid())
	}
	if g.Below(5) == 0 {
		add(r, "_original.level", model.String, "WARNING")
	}
}

// odd draws what sources should not send but do.
func (g *Generator) odd(r *model.Record) {
	add(r, pick(g, []string{"message", "metadata.text", "msg"}), model.String, pick(g, []string{
		"", " ", "-", "\x11\x12 control 7 \x00", "a\xff\xfe1 b", "日本語 ログ 42", "x\ty\r\nz", strings.Repeat("long 1 ", 300), "İstanbul K ſ", "___", "9", "1e3", "tail\\",
	}))
	add(r, "metadata.status", pick(g, []model.Kind{model.Number, model.String}), pick(g, []string{"404", "404.0", "4.04e2", "0404", "-1", "n/a", ".5", "1e999"}))
	switch g.Below(6) {
	case 0:
		add(r, "a.b", model.String, "nested")
		add(r, `a\.b`, model.Number, strconv.Itoa(g.Below(3)))
	case 1:
		add(r, "message", model.Number, strconv.Itoa(g.Below(1000)))
	case 2:
		add(r, "user agent", model.String, "curl/8.0")
	case 3:
		add(r, "unique."+strconv.Itoa(g.Below(200)), model.String, "rare")
	case 4:
		add(r, "metadata.big", model.String, strings.Repeat(strconv.Itoa(g.Below(10))+"x", 17_000)+" end")
	}
}

func (g *Generator) trace(r *model.Record) {
	add(r, "level", model.String, "error")
	add(r, "message", model.String, fmt.Sprintf("java.lang.IllegalStateException: state %d\n\tat com.acme.Service.run(Service.java:%d)\n\tat com.acme.Main.main(Main.java:42)", g.Below(9), g.Below(400)))
	add(r, "metadata.thread", model.String, "pool-"+strconv.Itoa(g.Below(3))+"-thread-"+strconv.Itoa(g.Below(30)))
}

// Condition draws a condition that is likely to hold for some of the entries.
// It is one that the language can print, so that parsing gives it back.
func (g *Generator) Condition(entries []Entry) syntax.Node { return g.condition(entries, 0) }

// depthMax is how deep drawn conditions nest.
const depthMax = 5

func (g *Generator) condition(entries []Entry, depth int) syntax.Node {
	kind := g.Below(10)
	if depth == depthMax {
		kind = 9
	}
	list := func() (of []syntax.Node) {
		for range 2 + g.Below(3) {
			of = append(of, g.condition(entries, depth+1))
		}
		return of
	}
	switch kind {
	case 0:
		return syntax.And{Of: list()}
	case 1:
		return syntax.Or{Of: list()}
	case 2:
		return syntax.Not{Of: g.condition(entries, depth+1)}
	case 3:
		if g.Below(4) == 0 {
			return syntax.All{}
		}
	}
	return g.match(entries)
}

func (g *Generator) match(entries []Entry) syntax.Node {
	for {
		e := &entries[g.Below(len(entries))]
		if g.Below(10) == 0 {
			return g.special(e, &entries[g.Below(len(entries))])
		}
		if len(e.Record.Fields) == 0 {
			continue
		}
		f := pick(g, e.Record.Fields)
		m := syntax.Match{Field: strings.ReplaceAll(f.Name, `\`, "")}
		if g.Below(8) == 0 { // a field that need not have such a value
			m.Field = pick(g, []string{"message", "level", "severity", "metadata.status", "metadata", "none", "a.b", "metadata.ok"})
		}
		if g.Below(3) == 0 {
			m.Field = ""
		}
		if m.Field == "level" && g.Below(2) == 0 {
			m.Field = "severity"
		}
		if utf8.ValidString(f.Text) && len(f.Text) < 40_000 {
			if g.Below(6) == 0 {
				return g.call(m, f, entries)
			}
			return g.operator(m, f)
		}
	}
}

// Now is what "now" means in conditions that are drawn: after all records.
func Now() time.Time { return time.Unix(0, base+30_000_000_000_000).UTC() }

// special draws conditions on ids and times.
func (g *Generator) special(e, other *Entry) syntax.Node {
	if g.Below(3) == 0 {
		return syntax.Match{Field: "_id", Op: syntax.Contains, Value: syntax.Value{Text: e.ID.String()}}
	}
	write := func(at int64) syntax.Value {
		if g.Below(4) == 0 {
			return syntax.Value{Text: fmt.Sprintf("now-%dms", Now().Sub(time.Unix(0, at)).Milliseconds())}
		}
		return syntax.Value{Text: time.Unix(0, at+int64(g.Below(3)-1)).UTC().Format(pick(g, []string{instantLayout, instantLayout, dayLayout}))}
	}
	m := syntax.Match{Field: pick(g, []string{"_time", "timestamp"}), Value: write(e.Record.Time)}
	m.Op = pick(g, []syntax.Op{syntax.Less, syntax.LessEqual, syntax.Greater, syntax.GreaterEqual, syntax.Equal, syntax.Range})
	if m.Op == syntax.Range {
		m.High = write(other.Record.Time)
		m.LowOpen, m.HighOpen = g.Below(2) == 0, g.Below(2) == 0
	}
	return m
}

var anyWord = regexp.MustCompile(`[\pL\p{Nd}_]+`)

// operator draws what to ask of a value like the given one.
func (g *Generator) operator(m syntax.Match, f model.Field) syntax.Node {
	text := f.Text
	words := anyWord.FindAllStringIndex(text, -1)
	m.Op = pick(g, []syntax.Op{
		syntax.Contains, syntax.Contains, syntax.Contains, syntax.Contains, syntax.Prefix, syntax.Prefix, syntax.Equal, syntax.Equal,
		syntax.Exists, syntax.Less, syntax.LessEqual, syntax.Greater, syntax.GreaterEqual, syntax.Range, syntax.Regex,
	})
	if m.Field == "" && m.Op != syntax.Prefix && m.Op != syntax.Regex {
		m.Op = syntax.Contains // without a field there is nothing else
	}
	if m.Op == syntax.Regex {
		m.Value = syntax.Value{Text: g.expression(text, words)}
		return m
	}
	m.Value = value(g.excerpt(text, words))
	switch m.Op {
	case syntax.Exists:
		m.Value = syntax.Value{}
	case syntax.Prefix:
		if stem := []rune(m.Value.Text); len(stem) > 0 {
			m.Value = syntax.Value{Text: string(stem[:1+g.Below(len(stem))])}
		} else {
			m.Op = syntax.Contains
		}
	case syntax.Equal:
		if list := elements(f); len(list) > 0 && g.Below(2) == 0 {
			m.Value.Text = pick(g, list)
		} else if g.Below(3) > 0 {
			m.Value.Text = text
		}
		m.Value.Quoted = false
	case syntax.Contains:
		if m.Field == "" {
			m.Value.Quoted = false
		} else if _, isNumber := number(m.Value.Text); isNumber {
			m.Value.Quoted = g.Below(2) == 0
		}
	case syntax.Less, syntax.LessEqual, syntax.Greater, syntax.GreaterEqual:
		m.Value = g.bound(text)
	case syntax.Range:
		m.Value, m.High = g.bound(text), g.bound(pick(g, []string{text, "500", "warn", "m"}))
		if g.Below(4) == 0 {
			m.Value = syntax.Value{Open: true}
		}
		if g.Below(4) == 0 {
			m.High = syntax.Value{Open: true}
		}
		m.LowOpen, m.HighOpen = g.Below(2) == 0, g.Below(2) == 0
	}
	return m
}

// call draws a function or a comparison of fields.
func (g *Generator) call(m syntax.Match, f model.Field, entries []Entry) syntax.Node {
	name := m.Field
	if name == "" {
		name = strings.ReplaceAll(f.Name, `\\`, "")
	}
	switch g.Below(5) {
	case 0:
		if len(f.Text) > 4_000 {
			break // a query text has a limit
		}
		values := []string{f.Text}
		for range g.Below(pick(g, []int{4, 4, 150})) {
			other := pick(g, entries).Record
			if one, ok := other.Get(f.Name); ok && utf8.ValidString(one.Text) && len(one.Text) < 100 {
				values = append(values, one.Text)
			}
		}
		return syntax.In{Field: name, Values: append(values, elements(f)...)}
	case 1:
		return syntax.Net{Field: m.Field, Of: []string{fmt.Sprintf("%s/%d", g.address(), pick(g, []int{8, 16, 20, 24, 29, 32}))}}
	case 2:
		op := pick(g, []syntax.Op{syntax.Equal, syntax.Less, syntax.LessEqual, syntax.Greater, syntax.GreaterEqual})
		other := pick(g, []string{"metadata.status", "metadata.request", "metadata.parent", "level", "component", "message", "metadata.seconds", "none"})
		return syntax.Versus{Field: name, Op: op, Other: other}
	}
	m.Op = pick(g, []syntax.Op{syntax.Case, syntax.Substring})
	if m.Value.Text = g.excerpt(f.Text, anyWord.FindAllStringIndex(f.Text, -1)); m.Value.Text == "" {
		m.Value.Text = "e"
	}
	return m
}

// value returns a text as a bare value.
func value(text string) syntax.Value { return syntax.Value{Text: text} }

// bound draws a bound for comparisons.
func (g *Generator) bound(text string) syntax.Value {
	if v, ok := number(text); ok {
		if g.Below(2) == 0 {
			text = strconv.FormatFloat(v+float64(g.Below(21)-10), 'f', g.Below(3), 64)
		}
		return syntax.Value{Text: text, Quoted: g.Below(4) == 0}
	}
	if runes := []rune(text); len(runes) > 20 {
		text = string(runes[:1+g.Below(20)])
	}
	return syntax.Value{Text: text}
}

// excerpt draws a part of a text: mostly words, sometimes any part, in any
// case; sometimes something that does not occur.
func (g *Generator) excerpt(text string, words [][]int) string {
	found := ""
	switch n := len(words); {
	case g.Below(20) == 0:
		return pick(g, []string{"absent", "1", "e", "-", "error 5", "…", "blk_", "GET /", "0x"})
	case n > 0 && g.Below(3) > 0:
		from := g.Below(n)
		to := from
		if g.Below(2) == 0 {
			to = min(from+g.Below(4), n-1)
		}
		found = text[words[from][0]:words[to][1]]
	default:
		runes := []rune(text)
		from := g.Below(len(runes) + 1)
		found = string(runes[from:min(len(runes), from+g.Below(12))])
	}
	switch g.Below(6) {
	case 0:
		return strings.ToUpper(found)
	case 1:
		return strings.ToLower(found)
	}
	return found
}

// expression draws a regular expression.
func (g *Generator) expression(text string, words [][]int) string {
	excerpt := g.excerpt(text, words)
	if len(excerpt) > 100 || excerpt == "" || strings.ContainsAny(excerpt, "\n\x00") {
		excerpt = "reset"
	}
	quoted := regexp.QuoteMeta(excerpt)
	return pick(g, []string{
		quoted, "(?i)" + quoted, `\b` + quoted + `\b`, "^" + quoted, quoted + "$", "(" + quoted + "|closed by [0-9.]+)",
		quoted + `.*\d`, `[A-Z]\w+ ` + quoted, `\d+ms$`, `^\s*$`, "x*", " " + quoted + " ", quoted + "[^a-z]+",
	})
}
