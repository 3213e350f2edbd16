package learned

import (
	"context"
	"strconv"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/meaning/classifier"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/part"
)

// FieldLabel is the label that the model of a tenant gives a record, FieldConfidence how
// sure it is. A record of which it is not sure has neither.
const (
	FieldLabel      = "model_label"
	FieldConfidence = "model_confidence"
)

// Labels returns the names of the fields that a model gives records.
func Labels() []string { return []string{FieldLabel, FieldConfidence} }

// label adds the fields that a model gives records.
func (l *names) label(m *classifier.Model) {
	naming := func(what string, of func(outline string) string) *part.Naming {
		return &part.Naming{Key: what + " " + m.Key(), Start: func() func(string) string { return of }}
	}
	l.model = m
	l.of[FieldLabel] = naming("label", func(outline string) string {
		label, _ := m.Label(outline)
		return label
	})
	l.of[FieldConfidence] = naming("confidence", func(outline string) string {
		if label, sure := m.Label(outline); label != "" {
			return strconv.FormatFloat(sure, 'f', 3, 64)
		}
		return ""
	})
}

// kindOf returns the kind of a field's values.
func kindOf(field string) model.Kind {
	if field == FieldConfidence {
		return model.Number
	}
	return model.String
}

// fromModel reports whether a field comes from a model: such may have no value.
func fromModel(field string) bool { return field == FieldLabel || field == FieldConfidence }

// given is a condition on what a model says of messages: "" is nothing.
type given struct {
	kind model.Kind
	of   index.Predicate
}

// Match implements index.Predicate.
func (p given) Match(_ model.Kind, text string) bool { return text != "" && p.of.Match(p.kind, text) }

// Hints implements index.Predicate.
func (p given) Hints() index.Hints { return index.Hints{} }

// Key implements part.Keyed.
func (p given) Key() string {
	key, ok := part.AppendKey(nil, index.Leaf{Pred: p.of})
	if !ok {
		return ""
	}
	return "given " + strconv.Itoa(int(p.kind)) + " " + string(key)
}

// givenColumn is the column of a field that a model gives some records.
type givenColumn struct{ learnedColumn }

// Count implements part.Column.
func (c givenColumn) Count() (n uint32) {
	counts, err := c.Counts(context.Background(), nil)
	if err != nil {
		return c.Column.Count() // who reads the column hears why
	}
	for _, one := range counts {
		n += uint32(one.Count)
	}
	return n
}

// Gather implements part.Column.
func (c givenColumn) Gather(ctx context.Context, rows *index.DocSet) (part.Values, error) {
	values, err := c.Column.Gather(ctx, rows)
	if err != nil {
		return part.Values{}, err
	}
	kept := part.Values{Dict: values.Dict}
	for i, code := range values.Codes {
		if values.Dict[code] != "" {
			kept.Rows, kept.Codes = append(kept.Rows, values.Rows[i]), append(kept.Codes, code)
		}
	}
	return kept, nil
}

// Counts implements part.Column.
func (c givenColumn) Counts(ctx context.Context, rows *index.DocSet) ([]part.ValueCount, error) {
	counts, err := c.Column.Counts(ctx, rows)
	if err != nil {
		return nil, err
	}
	var kept []part.ValueCount
	for _, one := range counts {
		if one.Value != "" {
			kept = append(kept, one)
		}
	}
	return kept, nil
}
