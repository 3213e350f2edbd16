// Package complete says what could stand at a place of a query, for editors:
// words of the language, fields of the newest records, values of a field.
//
// Complete is the main function; it keeps nothing and starts no goroutine.
package complete

import (
	"cmp"
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/derived"
	"github.com/stere-log/stere/query/learned"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/query/syntax"
)

// Limits of a completion.
const (
	ChoicesMax = 50
	sample     = 500 // newest records whose fields are known
)

// Completion is what could stand at a place of a query.
type Completion struct {
	From    int // first byte of what it replaces
	To      int
	Choices []Choice // the likeliest first
}

// Choice is one of several.
type Choice struct {
	Text  string
	Kind  string // word, field, column, value, pipe, aggregate, lookup
	Count uint64 // records that have it, of those that were looked at; 0 for words
}

// Complete returns what could stand where the first at bytes of the request's
// text end: words of the language, fields of the newest records, values of a
// field.
func Complete(ctx context.Context, engine *query.Engine, request query.Request, at int) (*Completion, error) {
	place := syntax.Complete(request.Text, at)
	completion := &Completion{From: place.From, To: place.From + len(place.Word), Choices: []Choice{}}
	kind := map[syntax.Want]string{syntax.WantPipe: "pipe", syntax.WantAggregate: "aggregate"}[place.Want]
	for _, word := range place.Words {
		completion.Choices = append(completion.Choices, Choice{Text: word, Kind: cmp.Or(kind, "word")})
	}
	var found []Choice
	var err error
	switch place.Want {
	case syntax.WantField:
		for _, name := range place.Made {
			if len(name) >= len(place.Word) && strings.EqualFold(name[:len(place.Word)], place.Word) {
				found = append(found, Choice{Text: name, Kind: "column"})
			}
		}
		if !place.Table {
			var known []Choice
			known, err = fields(ctx, engine, request, place.Word)
			found = append(found, known...)
		}
	case syntax.WantValue:
		found, err = values(ctx, engine, request, plan.QueryName(place.Field), place.Word)
	case syntax.WantLookup:
		for _, name := range engine.LookupNames(request.Tenant) {
			if strings.HasPrefix(name, place.Word) {
				found = append(found, Choice{Text: syntax.QuoteName(name), Kind: "lookup"})
			}
		}
	}
	completion.Choices = append(found, completion.Choices...)
	completion.Choices = completion.Choices[:min(len(completion.Choices), ChoicesMax)]
	return completion, err
}

// fields returns the fields of the newest records that begin so.
func fields(ctx context.Context, engine *query.Engine, request query.Request, begin string) ([]Choice, error) {
	request.Text, request.Limit, request.Time = "", sample, hurried
	result, err := engine.Search(ctx, request)
	if err != nil {
		return nil, err
	}
	counts := map[string]uint64{model.FieldPattern: 0, model.FieldLearned: 0, model.FieldLearnedID: 0, plan.FieldTime: 0}
	for _, name := range slices.Concat(derived.Names(), learned.Labels()) {
		counts[name] = 0
	}
	for i := range result.Hits {
		for _, field := range result.Hits[i].Record.Fields {
			counts[plan.QueryName(model.QueryName(field.Name))]++
		}
	}
	var found []Choice
	for name, n := range counts {
		if len(name) >= len(begin) && strings.EqualFold(name[:len(begin)], begin) {
			found = append(found, Choice{Text: syntax.QuoteField(name), Kind: "field", Count: n})
		}
	}
	slices.SortFunc(found, func(a, b Choice) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Text, b.Text))
	})
	return found, nil
}

// What values are looked for in: the records of the last day that there is, as many
// as can be looked at in so much time.
const (
	recent  = 24 * time.Hour
	hurried = 250 * time.Millisecond
)

// values returns the most frequent values of a field in the newest records that
// begin so.
func values(ctx context.Context, engine *query.Engine, request query.Request, field, begin string) ([]Choice, error) {
	if field == plan.FieldTime || field == model.FieldID {
		return nil, nil
	}
	request.Time = hurried
	request.Text, request.Limit = "", 1
	newest, err := engine.Search(ctx, request)
	if err != nil || len(newest.Hits) == 0 {
		return nil, err
	}
	if last := newest.Hits[0].Record.Time; last > math.MinInt64+int64(recent) {
		request.From = last - int64(recent)
	}
	request.Text, request.Limit = "* | top 1000 "+syntax.QuoteName(field), 0
	result, err := engine.Search(ctx, request)
	if err != nil {
		return nil, err
	}
	var found []Choice
	for _, row := range result.Rows {
		text := fmt.Sprint(row[0])
		if n, whole := row[1].(int64); whole && len(text) >= len(begin) && strings.EqualFold(text[:len(begin)], begin) {
			found = append(found, Choice{Text: syntax.QuoteValue(text), Kind: "value", Count: uint64(n)})
		}
	}
	return found, nil
}
