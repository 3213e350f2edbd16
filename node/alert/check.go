package alert

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/stere-log/stere/insight"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/syntax"
	"github.com/stere-log/stere/triage"
)

// CheckQueries reports what is wrong with the queries of a rule, as triage.Faults: it
// reads them, and asks them of no time at all.
func (f *Finder) CheckQueries(ctx context.Context, tenant model.TenantID, r *triage.Rule) error {
	c := &r.When
	if c.Anomaly != nil {
		for i, one := range c.Anomaly.Types {
			if known := insight.Types(); !slices.Contains(known, one) {
				return &triage.Fault{Field: fmt.Sprintf("when.anomaly.types[%d]", i), Message: fmt.Sprintf("%.64q is no type of an insight, want some of %s", one, strings.Join(known, ", ")),
					Expected: known, Suggestion: syntax.Nearest(one, known)}
			}
		}
	}
	asked := []struct{ field, text string }{{"when.query", c.Query}, {"when.share", c.Share}}
	if c.After != nil {
		asked = append(asked, struct{ field, text string }{"when.after.query", c.After.Query})
	}
	for _, one := range asked {
		if one.text == "" {
			continue
		}
		if err := f.checkQuery(ctx, tenant, one.field, one.text); err != nil {
			return err
		}
	}
	if c.Measure != "" {
		const before = "* | stats "
		if _, err := syntax.Parse(before + c.Measure); err != nil {
			return faultOf("when.measure", err, len(before))
		}
	}
	if c.Query == "" {
		return nil
	}
	if _, err := f.measure(ctx, tenant, c, 1, 2); err != nil {
		return faultOf("when", err, 0)
	}
	return nil
}

// checkQuery reports what is wrong with a condition. A text that is a part of a query can
// be none, and one that is a whole query with pipes cannot stand where a condition does.
func (f *Finder) checkQuery(ctx context.Context, tenant model.TenantID, field, text string) error {
	parsed, err := syntax.Parse(text)
	if err != nil {
		return faultOf(field, err, 0)
	}
	if len(parsed.Pipes) > 0 {
		at := syntax.NewError(text, parsed.Pipes[0].At(), "want a condition, without pipes: what is counted or measured is said with atLeast, measure, share and by")
		return faultOf(field, at, 0)
	}
	for _, text := range []string{text, condition(text) + " | stats count()"} {
		if _, err := f.search(ctx, tenant, text, 1, 2, 1); err != nil {
			return faultOf(field, err, 0)
		}
	}
	return nil
}

// faultOf is an error of a query as one of the field that has it, behind so many
// characters. What is wrong with the node and not with the query stays what it is.
func faultOf(field string, err error, behind int) error {
	var at *syntax.Error
	if !errors.As(err, &at) {
		return fmt.Errorf("%s: %w", field, err)
	}
	return &triage.Fault{Field: field, Message: at.Message, Line: at.Line, Column: at.Column - behind, Expected: at.Expected, Suggestion: at.Suggestion}
}
