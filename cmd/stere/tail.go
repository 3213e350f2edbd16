package main

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/stere-log/stere/client"
	"github.com/stere-log/stere/internal/pause"
	"github.com/stere-log/stere/internal/plain"
	"github.com/stere-log/stere/query/syntax"
)

// The pause before a tail connects again: it doubles up to the longest.
const (
	tailRetryMin = 200 * time.Millisecond
	tailRetryMax = 10 * time.Second
)

// tailShownMax is how many shown records are remembered, so that the context of
// one does not show another again.
const tailShownMax = 1000

type tailCommand struct {
	remoteFlags
	Text    string `arg:"" optional:"" name:"text" help:"A filter; without one, everything."`
	Since   string `help:"First all records of the last 15m, 2h, 7d ..." placeholder:"DURATION"`
	Backlog int    `short:"n" default:"10" help:"First the newest N records." placeholder:"N"`
	Context int    `help:"Before each record also the N records before it from the same source." placeholder:"N"`
	Output  string `short:"o" enum:"table,ndjson,json,raw" default:"table" help:"table, ndjson or json (one object a line), or raw (messages only)."`
	Color   string `enum:"auto,always,never" default:"auto" help:"auto, always or never."`
}

// Help teaches by example.
func (tailCommand) Help() string {
	return `Shows records as they come, each once, in the order of their shard. It connects
again by itself and goes on where it was. Ctrl-C ends it.

Examples:
  stere tail
  stere tail 'level>=warn NOT component:proxy' --since 15m
  stere tail '"connection reset by peer"' --context 5
  stere tail level:error -o ndjson | jq .message`
}

// Run shows what comes until it is interrupted.
func (c *tailCommand) Run(p *program) error {
	if c.Backlog < 0 || c.Context < 0 {
		return usageError{errors.New("--backlog and --context are 0 or more")}
	}
	request := client.TailRequest{Query: c.Text, Backlog: c.Backlog}
	if c.Since != "" {
		if _, err := syntax.ParseDuration(c.Since); err != nil {
			return usageError{fmt.Errorf("--since %s: %w", c.Since, err)}
		}
		request.Since, request.Backlog = c.Since, 0
	}
	node, _, err := p.connect(c.remoteFlags, queryAttempts)
	if err != nil {
		return err
	}
	defer node.Close()
	form := c.Output
	if form == "json" {
		form = "ndjson" // an array would have no end
	}
	t := &tailing{p: p, node: node, context: c.Context, shown: map[string]bool{}, show: p.shower(form, c.Color)}
	err = t.run(request)
	if err != nil && p.ctx.Err() != nil {
		return nil // Ctrl-C is how a tail ends
	}
	explain(p.stderr, c.Text, err)
	return err
}

// tailing is a tail that is shown.
type tailing struct {
	p       *program
	node    *client.Client
	show    *shower
	context int
	shown   map[string]bool
	order   []string // of shown, oldest first
}

// run connects as often as it takes.
func (t *tailing) run(request client.TailRequest) error {
	connected := false
	for delay := tailRetryMin; ; {
		reason := ""
		err := t.node.Tail(t.p.ctx, request, func(e client.Event) error {
			if !connected && request.After != "" {
				fmt.Fprintln(t.p.stderr, "stere: connected again, going on after the last record")
			}
			connected, delay = true, tailRetryMin
			if e.ID != "" {
				request = client.TailRequest{Query: request.Query, After: e.ID}
			}
			return t.take(e, &reason)
		})
		var answer *client.Error
		var output outputError
		switch {
		case t.p.ctx.Err() != nil || errors.As(err, &output):
			return err
		case errors.As(err, &answer) && !client.Temporary(err):
			return err
		case request.After == "" && !connected:
			return err // it never was there
		}
		if connected {
			if reason == "" {
				reason = err.Error()
			}
			fmt.Fprintf(t.p.stderr, "stere: the connection has ended (%s); connecting again\n", plain.Text(reason))
		}
		connected = false
		timer := time.NewTimer(delay)
		select {
		case <-timer.C:
		case <-t.p.ctx.Done():
			timer.Stop()
			return t.p.ctx.Err()
		}
		delay = min(2*delay, tailRetryMax)
	}
}

// outputError says that what was shown could not be written.
type outputError struct{ error }

// take shows one event.
func (t *tailing) take(e client.Event, reason *string) error {
	switch e.Type {
	case "":
		if err := t.record(e.Data); err != nil {
			return outputError{err}
		}
	case "dropped":
		var dropped struct{ Dropped, Total uint64 }
		if json.Unmarshal(e.Data, &dropped) == nil {
			fmt.Fprintf(t.p.stderr, "stere: %d records were left out, as they came faster than they were read (%d so far)\n", dropped.Dropped, dropped.Total)
		}
	case "missing":
		var missing struct{ Shard, Segments uint64 }
		if json.Unmarshal(e.Data, &missing) == nil {
			fmt.Fprintf(t.p.stderr, "stere: records are missing: %d segments of shard %d cannot be read anywhere\n", missing.Segments, missing.Shard)
		}
	case "end":
		var end struct{ Reason string }
		if json.Unmarshal(e.Data, &end) == nil {
			*reason = end.Reason
		}
	}
	return nil
}

// record shows a record, after those before it if they are wanted.
func (t *tailing) record(record json.RawMessage) error {
	if t.context == 0 {
		return t.show.records([]json.RawMessage{record})
	}
	id := idOf(record)
	around, err := t.node.Context(t.p.ctx, id, t.context, 0)
	if err != nil {
		fmt.Fprintf(t.p.stderr, "stere: the records before %s cannot be had: %v\n", plain.Text(id), err)
	}
	var all []json.RawMessage
	for _, before := range append(around.Before, record) {
		if id := idOf(before); !t.shown[id] {
			t.shown[id] = true
			t.order = append(t.order, id)
			all = append(all, before)
		}
	}
	for len(t.order) > tailShownMax {
		delete(t.shown, t.order[0])
		t.order = t.order[1:]
	}
	if len(all) > 1 && t.show.any && t.show.form == "table" {
		if _, err := fmt.Fprintln(t.p.stdout, "--"); err != nil {
			return err
		}
	}
	return t.show.records(all)
}

func idOf(record json.RawMessage) string {
	var known struct {
		ID string `json:"_id"`
	}
	_ = json.Unmarshal(record, &known) // "" for what is none
	return known.ID
}

type exportCommand struct {
	remoteFlags
	Text    string `arg:"" optional:"" name:"text" help:"The question; without one, everything."`
	Since   string `help:"Only records of the last 15m, 2h, 7d ..." placeholder:"DURATION"`
	From    string `help:"Only records from this time on." placeholder:"TIME"`
	To      string `help:"Only records up to this time." placeholder:"TIME"`
	Limit   int    `short:"n" help:"How many records (default: all)." placeholder:"N"`
	Output  string `short:"o" enum:"ndjson,csv,parquet" default:"ndjson" help:"ndjson, csv or parquet."`
	Order   string `enum:"asc,desc" default:"desc" help:"desc, newest first, or asc."`
	Columns string `help:"The columns of csv and parquet (default: all fields)." placeholder:"A,B"`
	File    string `short:"f" help:"Write to this file, which appears when it is whole." placeholder:"FILE"`
}

// Help teaches by example.
func (exportCommand) Help() string {
	return `Writes all records, or a whole table, of any size. NDJSON goes on by itself after
the last record when the connection breaks.

Examples:
  stere export level:error --since 24h > errors.ndjson
  stere export '* | fields timestamp, component, message' -o csv -f all.csv
  stere export -o parquet -f all.parquet --order asc`
}

// Run exports.
func (c *exportCommand) Run(p *program) (err error) {
	if c.Limit < 0 || c.Since != "" && c.From != "" {
		return usageError{errors.New("--limit is 0 or more, --since and --from exclude each other")}
	}
	node, _, err := p.connect(c.remoteFlags, queryAttempts)
	if err != nil {
		return err
	}
	defer node.Close()
	params := url.Values{"query": {c.Text}, "format": {c.Output}, "order": {c.Order}}
	for name, value := range map[string]string{"columns": c.Columns, "since": c.Since, "startTime": c.From, "endTime": c.To} {
		if value != "" {
			params.Set(name, value)
		}
	}
	if c.File == "" {
		return c.copy(p, node, params, p.stdout)
	}
	part := c.File + ".part"
	file, err := os.Create(part)
	if err != nil {
		return fmt.Errorf("create file: %w", err)
	}
	err = c.copy(p, node, params, file)
	if err = errors.Join(err, file.Close()); err == nil {
		return os.Rename(part, c.File)
	}
	return errors.Join(err, os.Remove(part))
}

// copy writes an export. NDJSON goes on after its last whole line as long as it
// gets on.
func (c *exportCommand) copy(p *program, node *client.Client, params url.Values, out io.Writer) error {
	lines := &lineWriter{out: out}
	for delay := tailRetryMin; ; {
		if c.Limit > 0 {
			if lines.count >= c.Limit {
				return nil // only the end of the answer was lost; 0 would mean all
			}
			params.Set("limit", strconv.Itoa(c.Limit-lines.count))
		}
		before := lines.count
		err := c.once(p.ctx, node, params, lines)
		if lines.failed != nil {
			return lines.failed
		}
		if err == nil || c.Output != "ndjson" || lines.count == before || params.Get("cursor") == "" || p.ctx.Err() != nil {
			explain(p.stderr, c.Text, err)
			return err
		}
		fmt.Fprintf(p.stderr, "stere: the export broke off after %d records (%v); going on\n", lines.count, err)
		params.Set("after", idOf(lines.last))
		if pause.For(p.ctx, delay) != nil {
			return p.ctx.Err()
		}
	}
}

// once writes what comes over one connection.
func (c *exportCommand) once(ctx context.Context, node *client.Client, params url.Values, lines *lineWriter) error {
	export, err := node.Export(ctx, params)
	if err != nil {
		return err
	}
	defer export.Close()
	if export.Token != "" {
		params.Set("cursor", export.Token)
	}
	if c.Output != "ndjson" {
		_, err = io.Copy(lines.out, export)
	} else if _, err = io.Copy(lines, export); err != nil {
		lines.rest = lines.rest[:0] // half a line comes again as a whole
	}
	if err != nil {
		return fmt.Errorf("export: %w: %w", client.ErrUnreachable, err)
	}
	return nil
}

// lineWriter passes whole lines on.
type lineWriter struct {
	out    io.Writer
	rest   []byte
	last   []byte
	count  int
	failed error
}

// Write implements io.Writer.
func (l *lineWriter) Write(p []byte) (int, error) {
	l.rest = append(l.rest, p...)
	end := bytes.LastIndexByte(l.rest, '\n') + 1
	if end == 0 {
		return len(p), nil
	}
	whole := l.rest[:end]
	l.count += bytes.Count(whole, []byte{'\n'})
	l.last = append(l.last[:0], whole[bytes.LastIndexByte(whole[:end-1], '\n')+1:]...)
	if _, l.failed = l.out.Write(whole); l.failed != nil {
		return 0, l.failed
	}
	l.rest = append(l.rest[:0], l.rest[end:]...)
	return len(p), nil
}
