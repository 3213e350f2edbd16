package main

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/client"
	"github.com/stere-log/stere/internal/plain"
	"github.com/stere-log/stere/query/syntax"
)

// pageRecords is how many records one request asks for.
const pageRecords = 1000

// queryAttempts is how often a question is asked of a node that is busy.
const queryAttempts = 2

type queryCommand struct {
	remoteFlags
	Text    string `arg:"" optional:"" name:"text" help:"The question; without one, everything."`
	Since   string `help:"Only records of the last 15m, 2h, 7d ..." placeholder:"DURATION"`
	From    string `help:"Only records from this time on." placeholder:"TIME"`
	To      string `help:"Only records up to this time." placeholder:"TIME"`
	Limit   int    `short:"n" help:"How many records or rows (default: what the text says, else 50 records or all rows)." placeholder:"N"`
	Output  string `short:"o" enum:"table,ndjson,json,raw,csv,parquet" default:"table" help:"table, ndjson (one object a line), json or raw (messages only); csv or parquet (everything, see export)."`
	Saved   string `help:"Ask the saved query of this name." placeholder:"NAME"`
	Explain bool   `help:"Say how the question is answered and what that costs, instead of what it finds."`
	File    string `short:"f" help:"With csv, parquet or ndjson: everything into this file, see export." placeholder:"FILE"`
	Color   string `enum:"auto,always,never" default:"auto" help:"auto, always or never."`
}

// Help teaches by example.
func (queryCommand) Help() string {
	return `Newest records come first. Times are RFC 3339, epochs, dates, or relative: now-1h.
Exit code 5: the answer is incomplete.

Examples:
  stere query 'connection refused' --since 1h
  stere query '"connection reset by peer" AND NOT component:proxy'
  stere query 'level:error metadata.ip:10.0.0.*' -o ndjson | jq .message
  stere query 'duration>500 | stats count(), p99(duration) by (component)'
  stere query '* | top 10 component' --from 2024-05-01 --to 2024-05-02`
}

// Run asks and prints.
func (c *queryCommand) Run(p *program) error {
	if c.Limit < 0 {
		return usageError{fmt.Errorf("--limit %d is below 0", c.Limit)}
	}
	if c.Since != "" && c.From != "" {
		return usageError{errors.New("--since and --from exclude each other")}
	}
	if c.Saved != "" && c.Text != "" {
		return usageError{errors.New("--saved and a text exclude each other")}
	}
	if c.Saved != "" {
		if err := c.load(p); err != nil {
			return err
		}
	}
	if c.File != "" || c.Output == "csv" || c.Output == "parquet" {
		if c.Output == "table" || c.Output == "json" || c.Output == "raw" {
			return usageError{fmt.Errorf("--file takes ndjson, csv or parquet, not %s", c.Output)}
		}
		return (&exportCommand{remoteFlags: c.remoteFlags, Text: c.Text, Since: c.Since, From: c.From, To: c.To, Limit: c.Limit, Output: c.Output, Order: "desc", File: c.File}).Run(p)
	}
	node, _, err := p.connect(c.remoteFlags, queryAttempts)
	if err != nil {
		return err
	}
	defer node.Close()
	request := v1.SearchRequest{Query: c.Text, Explain: c.Explain}
	if c.Since != "" {
		if _, err := syntax.ParseDuration(c.Since); err != nil {
			return usageError{fmt.Errorf("--since %s: %w", c.Since, err)}
		}
		c.From = "now-" + c.Since
	}
	if c.From != "" || c.To != "" {
		request.TimeRange = &v1.TimeRange{Start: v1.Moment(c.From), End: v1.Moment(c.To)}
	}
	if c.Explain {
		request.Limit = c.Limit
		return c.explain(p, node, request)
	}
	show := p.shower(c.Output, c.Color)
	show.columns, show.made = columnsOf(c.Text)
	meta, err := c.pages(p, node, request, show)
	if err != nil {
		explain(p.stderr, c.Text, err)
		return err
	}
	if c.Output == "table" && meta.Total == 0 && meta.SearchMeta.Complete && !show.any {
		fmt.Fprintln(p.stderr, "nothing was found")
	}
	for _, hint := range meta.SearchMeta.Hints {
		fmt.Fprintln(p.stderr, "hint: "+plain.Text(hint))
	}
	if !meta.SearchMeta.Complete {
		return partialError{fmt.Errorf("the answer is incomplete: %s", meta.SearchMeta.Reason)}
	}
	return nil
}

// pages asks page after page until the limit and shows each as it comes.
func (c *queryCommand) pages(p *program, node *client.Client, request v1.SearchRequest, show *shower) (v1.Pagination, error) {
	left := c.Limit
	for {
		request.Limit = min(left, pageRecords) // 0: one page, as the text or the node has it
		found, err := node.Search(p.ctx, request)
		if err != nil {
			return v1.Pagination{}, err
		}
		if found.Table != nil {
			if found.Pagination.HasMore && request.Limit < left {
				// A table has no cursor: ask for all of its rows at once.
				request.Limit = left
				if found, err = node.Search(p.ctx, request); err != nil {
					return v1.Pagination{}, err
				}
			}
			return found.Pagination, show.table(found.Table)
		}
		if err := show.records(found.Records); err != nil {
			return v1.Pagination{}, err
		}
		left -= len(found.Records)
		if left <= 0 || !found.Pagination.HasMore || found.Pagination.NextCursor == "" || len(found.Records) == 0 {
			return found.Pagination, show.end()
		}
		request.Cursor = found.Pagination.NextCursor
	}
}

// load takes the text of a saved query.
func (c *queryCommand) load(p *program) error {
	node, _, err := p.connect(c.remoteFlags, queryAttempts)
	if err != nil {
		return err
	}
	defer node.Close()
	saved, err := node.SavedQuery(p.ctx, c.Saved)
	if err != nil {
		return err
	}
	c.Text = saved.Query
	return nil
}

// explain shows how a question is answered.
func (c *queryCommand) explain(p *program, node *client.Client, request v1.SearchRequest) error {
	found, err := node.Search(p.ctx, request)
	if err != nil {
		explain(p.stderr, c.Text, err)
		return err
	}
	e := found.Pagination.SearchMeta.Explain
	if e == nil {
		return fmt.Errorf("explain: %w: the node says nothing of it", client.ErrAnswer)
	}
	if c.Output == "json" || c.Output == "ndjson" {
		return json.NewEncoder(p.stdout).Encode(e)
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	for _, step := range e.Plan {
		fmt.Fprintf(w, "%s\t%s\t%s\n", plain.Text(step.Step), plain.Text(step.By), plain.Text(step.What))
	}
	a := e.Actual
	fmt.Fprintf(w, "estimated\t\t%d rows, %d bytes\n", e.Estimated.Rows, e.Estimated.Bytes)
	fmt.Fprintf(w, "actual\t\t%d rows in %d segments and %d blocks, %d left out by time; %d bytes in %d reads\n", a.Rows, a.Segments, a.Blocks, a.LeftOut, a.Bytes, a.Reads)
	fmt.Fprintf(w, "cache\t\t%d hits, %d misses, %d segments answered from memory\n", a.CacheHits, a.CacheMisses, a.Remembered)
	fmt.Fprintf(w, "found\t\t%d records in %.3f ms, %d answers of other nodes\n", found.Pagination.Total, found.Pagination.SearchMeta.ExecutionTime, a.Nodes)
	return w.Flush()
}

// explain points at the place of a syntax error.
func explain(stderr io.Writer, text string, err error) {
	var answer *client.Error
	if !errors.As(err, &answer) {
		return
	}
	for _, d := range answer.Answer.Details {
		if d.Line > 0 && d.Column > 0 {
			at := &syntax.Error{Line: d.Line, Column: d.Column}
			fmt.Fprintf(stderr, "%s\n", plain.Text(at.Caret(text)))
		}
	}
}

// shower prints answers in one of the output forms.
type shower struct {
	out   io.Writer
	form  string
	color bool
	safe  bool // nothing may reach a terminal that it would obey
	any   bool // something was printed

	columns []string // the fields of records, if the text says which; see columnsOf
	made    []string // fields that pipes make of records
	widths  []int    // of the columns of the page before
}

// columnsOf returns the fields that the pipes of a text leave of records, in their
// order, nil if it does not say, and the fields that pipes make.
func columnsOf(text string) (columns, made []string) {
	parsed, err := syntax.Parse(text)
	if err != nil {
		return nil, nil
	}
	add := func(names ...string) {
		made = append(made, names...)
		if columns != nil {
			columns = append(columns, names...)
		}
	}
	for _, pipe := range parsed.Pipes {
		switch pipe := pipe.(type) {
		case *syntax.Fields:
			columns = nil
			for _, name := range pipe.Names {
				columns = append(columns, name.Text)
			}
		case *syntax.Eval:
			for _, set := range pipe.Set {
				add(set.Name.Text)
			}
		case *syntax.Extract:
			add(pipe.Names()...)
		case *syntax.Rename:
			for _, pair := range pipe.Pairs {
				columns = slices.DeleteFunc(columns, func(name string) bool { return name == pair.From.Text })
				add(pair.To.Text)
			}
		case *syntax.Context:
			add("_around")
		case *syntax.Drop, *syntax.ParseFormat, *syntax.Join, *syntax.Lookup, *syntax.Union:
			columns = nil // only the records know
		}
	}
	slices.Sort(made)
	return uniq(columns), slices.Compact(made)
}

// uniq returns a list without what was there before.
func uniq(names []string) (out []string) {
	for _, name := range names {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	return out
}

// shower returns what prints answers.
func (p *program) shower(form, color string) *shower {
	terminal := isTerminal(p.stdout)
	return &shower{out: p.stdout, form: form, safe: terminal, color: color == "always" || color == "auto" && terminal && p.getenv("NO_COLOR") == ""}
}

// records prints a page of records.
func (s *shower) records(records []json.RawMessage) error {
	var b bytes.Buffer
	if s.form == "table" && s.columns != nil || s.form == "raw" && s.columns != nil && !slices.Contains(s.columns, "message") {
		if err := s.recordTable(&b, records); err != nil {
			return err
		}
		_, err := s.out.Write(b.Bytes())
		return err
	}
	for _, record := range records {
		if s.safe && (s.form == "ndjson" || s.form == "json") {
			record = plain.JSON(record)
		}
		switch s.form {
		case "ndjson":
			b.Write(record)
			b.WriteByte('\n')
		case "json":
			b.WriteString(map[bool]string{false: "[\n  ", true: ",\n  "}[s.any])
			if err := json.Indent(&b, record, "  ", "  "); err != nil {
				return fmt.Errorf("read record: %w", err)
			}
		default:
			line, err := readLine(record)
			if err != nil {
				return err
			}
			text := line.Message
			if text == "" {
				text = string(record)
			}
			if s.form == "raw" && s.safe {
				b.WriteString(plain.Text(text))
			} else if s.form == "raw" {
				b.WriteString(text)
			} else if err := s.line(&b, line, record); err != nil {
				return err
			}
			b.WriteByte('\n')
		}
		s.any = true
	}
	_, err := s.out.Write(b.Bytes())
	return err
}

// end ends the output.
func (s *shower) end() (err error) {
	switch {
	case s.form != "json":
	case s.any:
		_, err = fmt.Fprintln(s.out, "\n]")
	default:
		_, err = fmt.Fprintln(s.out, "[]")
	}
	return err
}

// logLine is what a line of a table of records shows.
type logLine struct {
	Timestamp, Level, Component string
	Message                     string
}

func readLine(record json.RawMessage) (logLine, error) {
	var all struct{ Timestamp, Level, Component, Message any }
	if err := json.Unmarshal(record, &all); err != nil {
		return logLine{}, fmt.Errorf("read record: %w", err)
	}
	text := func(v any) string {
		switch v := v.(type) {
		case nil:
			return ""
		case string:
			return v
		}
		b, _ := json.Marshal(v) // came from JSON
		return string(b)
	}
	return logLine{Timestamp: text(all.Timestamp), Level: text(all.Level), Component: text(all.Component), Message: text(all.Message)}, nil
}

// rest returns a record without what a line shows of it anyway.
func rest(record json.RawMessage) (string, error) {
	var all map[string]json.RawMessage
	if err := json.Unmarshal(record, &all); err != nil {
		return "", fmt.Errorf("read record: %w", err)
	}
	for _, name := range []string{"id", "_id", "timestamp", "level", "severity", "component"} {
		delete(all, name)
	}
	text, err := json.Marshal(all)
	return string(text), err
}

// member returns a field of a record by its dotted name, null if it has none.
func member(all map[string]json.RawMessage, name string) json.RawMessage {
	switch name {
	case "_time":
		name = "timestamp"
	case "severity":
		name = "level"
	}
	if value, ok := all[name]; ok {
		return value
	}
	for i, c := range name {
		var inside map[string]json.RawMessage
		if c == '.' && json.Unmarshal(all[name[:i]], &inside) == nil {
			if value := member(inside, name[i+1:]); string(value) != "null" {
				return value
			}
		}
	}
	return json.RawMessage("null")
}

// recordTable prints records as a table of the columns that were asked for, with the
// time in front unless it is among them.
func (s *shower) recordTable(b *bytes.Buffer, records []json.RawMessage) error {
	names := s.columns
	if s.form == "table" && !slices.Contains(names, "timestamp") && !slices.Contains(names, "_time") {
		names = slices.Insert(slices.Clone(names), 0, "timestamp")
	}
	t := &v1.Table{Columns: make([]v1.Column, len(names))}
	for i, name := range names {
		t.Columns[i] = v1.Column{Name: name, Type: "float"} // until something else stands there
	}
	for _, record := range records {
		var all map[string]json.RawMessage
		if err := json.Unmarshal(record, &all); err != nil {
			return fmt.Errorf("read record: %w", err)
		}
		row := make([]json.RawMessage, len(names))
		for i, name := range names {
			row[i] = member(all, name)
			if c := row[i][0]; c != '-' && (c < '0' || c > '9') && string(row[i]) != "null" {
				t.Columns[i].Type = "string"
			}
		}
		t.Rows = append(t.Rows, row)
	}
	if len(records) > 0 {
		s.alignedTable(b, t, !s.any)
		s.any = true
	}
	return nil
}

// levelColor returns the terminal's colour for a level.
func levelColor(level string) string {
	switch level {
	case "critical":
		return "\x1b[1;31m"
	case "error":
		return "\x1b[31m"
	case "warn":
		return "\x1b[33m"
	case "info":
		return "\x1b[32m"
	}
	return "\x1b[2m"
}

const componentWidth = 24

// line prints a record: what it says, else all of it, and what pipes made of it.
func (s *shower) line(b *bytes.Buffer, line logLine, record json.RawMessage) error {
	paint := func(color, text string) string {
		if !s.color || text == "" {
			return text
		}
		return color + text + "\x1b[0m"
	}
	// Control characters of a record must not reach the terminal.
	b.WriteString(paint("\x1b[2m", pad(plain.Text(line.Timestamp), 24)))
	b.WriteString("  " + paint(levelColor(line.Level), pad(strings.ToUpper(plain.Text(line.Level)), 8)))
	b.WriteString("  " + paint("\x1b[36m", pad(shorten(plain.Text(line.Component), componentWidth), componentWidth)))
	if line.Message == "" {
		all, err := rest(record)
		b.WriteString("  " + plain.Text(all))
		return err
	}
	b.WriteString("  " + plain.Text(line.Message))
	if len(s.made) == 0 {
		return nil
	}
	var all map[string]json.RawMessage
	if err := json.Unmarshal(record, &all); err != nil {
		return fmt.Errorf("read record: %w", err)
	}
	for _, name := range s.made {
		if value := member(all, name); string(value) != "null" {
			b.WriteString("  " + paint("\x1b[2m", plain.Text(name+"="+cellText(value))))
		}
	}
	return nil
}

func pad(text string, width int) string {
	if n := len([]rune(text)); n < width {
		return text + strings.Repeat(" ", width-n)
	}
	return text
}

// shorten cuts the front of a long text: the end of a component says more.
func shorten(text string, width int) string {
	if runes := []rune(text); len(runes) > width {
		return "…" + string(runes[len(runes)-width+1:])
	}
	return text
}

// table prints a table of statistics.
func (s *shower) table(t *v1.Table) error {
	var b bytes.Buffer
	switch s.form {
	case "json":
		text, err := json.MarshalIndent(t, "", "  ")
		if err != nil {
			return err
		}
		b.Write(append(text, '\n'))
	case "ndjson":
		for _, row := range t.Rows {
			b.WriteByte('{')
			for i, cell := range row {
				if i > 0 {
					b.WriteByte(',')
				}
				name, _ := json.Marshal(t.Columns[i].Name)
				b.Write(append(name, ':'))
				b.Write(cell)
			}
			b.WriteString("}\n")
		}
	default:
		s.alignedTable(&b, t, true)
	}
	s.any = s.any || len(t.Rows) > 0
	_, err := s.out.Write(b.Bytes())
	return err
}

// alignedTable prints numbers to the right and everything else to the left;
// raw is tab-separated without a head.
func (s *shower) alignedTable(b *bytes.Buffer, t *v1.Table, headed bool) {
	rows := make([][]string, 0, len(t.Rows)+1)
	head := make([]string, len(t.Columns))
	widths := make([]int, len(t.Columns))
	for i, column := range t.Columns {
		head[i] = plain.Text(column.Name)
	}
	rows = append(rows, head)
	for _, cells := range t.Rows {
		row := make([]string, len(t.Columns))
		for i := range min(len(cells), len(row)) {
			row[i] = plain.Text(cellText(cells[i]))
		}
		rows = append(rows, row)
	}
	if s.form == "raw" {
		for _, row := range rows[1:] {
			b.WriteString(strings.Join(row, "\t") + "\n")
		}
		return
	}
	if !headed { // a page after another one
		copy(widths, s.widths)
	}
	for _, row := range rows {
		for i, cell := range row {
			widths[i] = max(widths[i], len([]rune(cell)))
		}
	}
	s.widths = widths
	for n, row := range rows {
		if n == 0 && !headed {
			continue
		}
		for i, cell := range row {
			number := t.Columns[i].Type == "int" || t.Columns[i].Type == "float"
			space := strings.Repeat(" ", widths[i]-len([]rune(cell)))
			if number {
				cell = space + cell
			} else if i < len(row)-1 {
				cell += space
			}
			if n == 0 && s.color {
				cell = "\x1b[1m" + cell + "\x1b[0m"
			}
			if i > 0 {
				b.WriteString("  ")
			}
			b.WriteString(cell)
		}
		b.WriteByte('\n')
	}
}

// cellText returns a cell as people read it.
func cellText(cell json.RawMessage) string {
	var text string
	if json.Unmarshal(cell, &text) == nil && string(cell) != "null" {
		return text
	}
	if string(cell) == "null" {
		return "-"
	}
	return string(cell)
}
