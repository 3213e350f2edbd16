package query_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/lookup"
	"github.com/stere-log/stere/query/syntax"
	"github.com/stere-log/stere/storage/part"
)

// blocks returns the fenced blocks of a Markdown text by their kind.
func blocks(t *testing.T, text string) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for text != "" {
		_, rest, ok := strings.Cut(text, "\n```")
		if !ok {
			break
		}
		kind, rest, _ := strings.Cut(rest, "\n")
		body, rest, ok := strings.Cut(rest, "\n```\n")
		if !ok {
			t.Fatalf("a block %s is not closed", kind)
		}
		all[kind] = append(all[kind], body)
		text = "\n" + rest
	}
	return all
}

// array returns the text of an array of which the bracket is read.
func array(t *testing.T, decoder *json.Decoder) string {
	t.Helper()
	elements := []json.RawMessage{}
	for decoder.More() {
		var element json.RawMessage
		if err := decoder.Decode(&element); err != nil {
			t.Fatal(err)
		}
		elements = append(elements, element)
	}
	if _, err := decoder.Token(); err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(elements)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// flatten returns the fields of a JSON object, in order.
func flatten(t *testing.T, decoder *json.Decoder, prefix string) (fields []model.Field, at time.Time) {
	t.Helper()
	for decoder.More() {
		key, err := decoder.Token()
		if err != nil {
			t.Fatal(err)
		}
		name := model.JoinPath(prefix, key.(string))
		token, err := decoder.Token()
		if err != nil {
			t.Fatal(err)
		}
		switch v := token.(type) {
		case json.Delim:
			if v == '[' {
				fields = append(fields, model.Field{Name: name, Kind: model.JSON, Text: array(t, decoder)})
				continue
			}
			inner, _ := flatten(t, decoder, name)
			fields = append(fields, inner...)
		case json.Number:
			fields = append(fields, model.Field{Name: name, Kind: model.Number, Text: v.String()})
		case bool:
			fields = append(fields, model.Field{Name: name, Kind: model.Bool, Text: fmt.Sprint(v)})
		case string:
			if name == model.FieldTimestamp {
				if at, err = time.Parse(time.RFC3339, v); err != nil {
					t.Fatal(err)
				}
				continue
			}
			fields = append(fields, model.Field{Name: name, Kind: model.String, Text: v})
		}
	}
	if _, err := decoder.Token(); err != nil {
		t.Fatal(err)
	}
	return fields, at
}

// teams is the lookup table of the examples, as CSV.
type teams string

// Table implements query.Lookups.
func (t teams) Table(_ model.TenantID, name string) (*lookup.Table, error) {
	if name != "teams" {
		return nil, nil
	}
	return lookup.ParseCSV([]byte(t), "")
}

// Names implements query.Lookups.
func (teams) Names(model.TenantID) []string { return []string{"teams"} }

// TestDocs runs the examples of docs/query.md.
func TestDocs(t *testing.T) {
	text, err := os.ReadFile("../docs/query.md")
	if err != nil {
		t.Fatal(err)
	}
	all := blocks(t, string(text))
	var records []model.Record
	for line := range strings.Lines(all["records"][0]) {
		decoder := json.NewDecoder(strings.NewReader(line))
		decoder.UseNumber()
		if _, err := decoder.Token(); err != nil {
			t.Fatal(err)
		}
		fields, at := flatten(t, decoder, "")
		records = append(records, model.Record{Time: at.UnixNano(), Fields: fields})
	}
	now := time.Unix(0, records[len(records)-1].Time).Add(20 * time.Second)
	engine := query.New(&memory{parts: map[model.TenantID][]part.Part{model.DefaultTenant: {
		newPart(t, 0, 1, records[:6]), newPart(t, 0, 2, records[6:]),
	}}}, query.Config{Now: func() time.Time { return now }, Lookups: teams(all["csv"][0])})
	examples := 0
	for _, block := range all["query"] {
		for line := range strings.Lines(block) {
			text, want, ok := strings.Cut(line, "→")
			if !ok {
				t.Fatalf("%q has no answer", line)
			}
			examples++
			var have []string
			for _, hit := range search(t, engine, query.Request{Text: strings.TrimSpace(text)}).Hits {
				have = append(have, fmt.Sprint(number(t, &hit.Record)))
			}
			if have := strings.Join(have, " "); have != strings.TrimSpace(want) {
				t.Errorf("%s: have %s", strings.TrimSpace(line), have)
			}
		}
	}
	for _, block := range all["table"] {
		examples++
		text, want, _ := strings.Cut(block, "\n")
		if have := printTable(search(t, engine, query.Request{Text: text})); have != want {
			t.Errorf("%s\nhave\n%s\nwant\n%s", text, have, want)
		}
	}
	for _, block := range all["error"] {
		examples++
		text, want, _ := strings.Cut(block, "\n")
		_, err := engine.Search(t.Context(), query.Request{Audience: query.Audience{Tenant: model.DefaultTenant}, Text: text})
		var fault *syntax.Error
		if !errors.As(err, &fault) {
			t.Fatalf("%s: have %v", text, err)
		}
		have := fmt.Sprintf("line %d column %d: %s", fault.Line, fault.Column, fault.Message)
		if fault.Suggestion != "" {
			have += "; did you mean " + fault.Suggestion + "?"
		}
		if have += "\n" + fault.Caret(text); have != want {
			t.Errorf("have\n%s\nwant\n%s", have, want)
		}
	}
	if examples < 80 {
		t.Errorf("only %d examples were found", examples)
	}
}

// printTable prints a table like the examples.
func printTable(result *query.Result) string {
	var lines []string
	var cells []string
	for _, column := range result.Columns {
		cells = append(cells, column.Name+" "+column.Type)
	}
	lines = append(lines, strings.Join(cells, " | "))
	for _, row := range result.Rows {
		cells = nil
		for _, v := range row {
			if v == nil {
				v = "null"
			}
			cells = append(cells, fmt.Sprint(v))
		}
		lines = append(lines, strings.Join(cells, " | "))
	}
	return strings.Join(lines, "\n")
}
