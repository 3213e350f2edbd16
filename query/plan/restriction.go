package plan

import (
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/query/syntax"
)

// ErrRestriction says that a restriction is none, so that nothing may be seen.
var ErrRestriction = errors.New("the restriction of these credentials is not a condition")

// restrict makes a restriction a part of what is looked for, so that all that
// follows from the plan, and all that is remembered of it, keeps to it.
func (p *Plan) restrict(options Options) error {
	if options.Restriction == "" {
		return nil
	}
	if err := firm(options.Restriction); err != nil {
		return fmt.Errorf("%w: %w", ErrRestriction, err)
	}
	// Its own lowering: what it matches is not worth showing, and its bounds on
	// time are not those of the plan, which others may move.
	expr, err := OnRecords(options.Restriction, options.Now)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrRestriction, plainly(err))
	}
	if _, all := p.Expr.(index.All); all {
		p.Expr = expr
	} else {
		p.Expr = index.AllOf{Of: []index.Expr{expr, p.Expr}}
	}
	p.Cheap = cheap(p.Expr)
	return nil
}

// Changing reports whether a field is made of something that may not be there: a model
// that is activated, files of places. Without it records do not have the field.
func Changing(field string) bool {
	return field == "model_label" || field == "model_confidence" || strings.HasPrefix(field, "client.geo.") || strings.HasPrefix(field, "client.as.")
}

// firm refuses a restriction that shows what a changing field does not say: where nothing
// is known, as before a model is active, NOT would show everything.
func firm(text string) error {
	query, err := syntax.Parse(text)
	if err != nil {
		return nil // its faults are named by who reads it
	}
	var look func(n syntax.Node, denied bool) string
	among := func(of []syntax.Node, denied bool) string {
		for _, n := range of {
			if field := look(n, denied); field != "" {
				return field
			}
		}
		return ""
	}
	look = func(n syntax.Node, denied bool) string {
		var fields []string
		switch n := n.(type) {
		case syntax.And:
			return among(n.Of, denied)
		case syntax.Or:
			return among(n.Of, denied)
		case syntax.Not:
			return look(n.Of, true)
		case syntax.Match:
			fields = []string{n.Field}
		case syntax.In:
			fields = []string{n.Field}
		case syntax.Net:
			fields = []string{n.Field}
		case syntax.Versus:
			fields = []string{n.Field, n.Other}
		}
		for _, field := range fields {
			if denied && Changing(field) {
				return field
			}
		}
		return ""
	}
	if field := look(query.Filter, false); field != "" {
		return fmt.Errorf("NOT with the field %s would show all records while nothing is known of them: say which values may be seen", field)
	}
	return nil
}

// OnRecords returns what a text means that is a condition on records and nothing else:
// without pipes and queries inside. It depends on the text and now alone.
func OnRecords(text string, now time.Time) (index.Expr, error) {
	query, err := syntax.Parse(text)
	switch {
	case err != nil:
		return nil, err
	case len(query.Pipes) > 0:
		return nil, errors.New("it has pipes")
	case len(Subqueries(query)) > 0:
		return nil, errors.New("it has a query inside")
	}
	l := &lowering{text: query.Text, now: now}
	return l.node(query.Filter, false)
}

// plainly returns an error that is not taken for one of the query.
func plainly(err error) error { return errors.New(err.Error()) }

// CheckRestriction reports why a text is no restriction.
func CheckRestriction(text string) error {
	_, err := New(&syntax.Query{Filter: syntax.All{}}, Options{Restriction: text})
	return err
}
