package complete

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/derived"
	"github.com/stere-log/stere/query/learned"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/query/syntax"
)

// hintsMax is how many fields of a question that found nothing are looked for.
const hintsMax = 8

// Hints says of a question that found nothing what in it can be the reason: a field
// that no record has, or a text that reads as a comparison. Fields are looked for in
// all records that who asks may see, of whatever time; what cannot be looked at in
// short is not spoken of.
func Hints(ctx context.Context, engine *query.Engine, request query.Request) []string {
	parsed, err := syntax.Parse(request.Text)
	if err != nil {
		return nil
	}
	seen := &named{}
	for _, filter := range request.Filters {
		seen.field(filter.Field)
	}
	seen.node(parsed.Filter)
	for _, pipe := range parsed.Pipes {
		where, ok := pipe.(*syntax.Where)
		if !ok { // what comes behind can be about what pipes make
			break
		}
		seen.expr(where.Cond)
	}
	hints := seen.hints
	for _, name := range seen.fields[:min(len(seen.fields), hintsMax)] {
		if !missing(ctx, engine, request, name) {
			continue
		}
		text := fmt.Sprintf("no record has the field %q", name)
		if near := nearest(ctx, engine, request, name); near != "" {
			text += "; did you mean " + near + "?"
		}
		hints = append(hints, text)
	}
	return hints
}

// named is what a question names.
type named struct {
	fields []string
	hints  []string
}

// field notes a field that records come with, once.
func (n *named) field(name string) {
	name = plan.QueryName(model.QueryName(name))
	made := slices.Concat(derived.Names(), learned.Labels(), []string{"", plan.FieldTime, model.FieldID, model.FieldLevel, model.FieldPattern, model.FieldLearned, model.FieldLearnedID})
	if !slices.Contains(made, name) && !slices.Contains(n.fields, name) {
		n.fields = append(n.fields, name)
	}
}

// compared is a text that other languages read as a comparison.
var compared = regexp.MustCompile(`^([\pL_@][\pL\pN_.@]*)={1,2}(\S+)$`)

func (n *named) node(node syntax.Node) {
	switch node := node.(type) {
	case syntax.And:
		for _, of := range node.Of {
			n.node(of)
		}
	case syntax.Or:
		for _, of := range node.Of {
			n.node(of)
		}
	case syntax.Not:
		n.node(node.Of)
	case syntax.Match:
		n.field(node.Field)
		text := node.Value.Text
		if parts := compared.FindStringSubmatch(text); node.Field == "" && node.Op == syntax.Contains && parts != nil {
			right := syntax.QuoteField(parts[1]) + ":=" + syntax.QuoteValue(strings.Trim(parts[2], `'`))
			n.hints = append(n.hints, fmt.Sprintf("%q is looked for as a text; did you mean %s?", text, right))
		} else if len(text) > 2 && text[0] == '\'' && text[len(text)-1] == '\'' && node.Op != syntax.Regex {
			n.hints = append(n.hints, fmt.Sprintf("the quotes of %s are part of the text; a text stands in double quotes", text))
		}
	case syntax.In:
		n.field(node.Field)
	case syntax.Net:
		n.field(node.Field)
	case syntax.Versus:
		n.field(node.Field)
		n.field(node.Other)
	}
}

func (n *named) expr(e syntax.Expr) {
	switch e := e.(type) {
	case syntax.Ref:
		n.field(e.Name)
	case syntax.Unary:
		n.expr(e.X)
	case syntax.Binary:
		n.expr(e.X)
		n.expr(e.Y)
	case syntax.Call:
		for _, argument := range e.Args {
			n.expr(argument)
		}
	}
}

// missing reports whether it is known that no record has a field.
func missing(ctx context.Context, engine *query.Engine, request query.Request, name string) bool {
	found, err := engine.Search(ctx, query.Request{
		Audience: request.Audience, Who: request.Who, Text: syntax.QuoteField(name) + ":*", Limit: 1, Time: hurried,
	})
	return err == nil && found.Complete && len(found.Hits) == 0
}

// nearest returns the field of the newest records that was perhaps meant: one that is
// written alike, is nested under that name, or has it as its last part.
func nearest(ctx context.Context, engine *query.Engine, request query.Request, name string) string {
	known, err := fields(ctx, engine, query.Request{Audience: request.Audience, Who: request.Who}, "")
	if err != nil {
		return ""
	}
	names := make([]string, 0, len(known))
	for _, choice := range known {
		if choice.Count > 0 {
			names = append(names, choice.Text)
		}
	}
	for _, other := range names {
		if strings.HasPrefix(other, name+".") || strings.HasSuffix(other, "."+name) {
			return other
		}
	}
	return syntax.Nearest(name, names)
}
