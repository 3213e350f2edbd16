package derived

import (
	"slices"

	"github.com/stere-log/stere/meaning"
	"github.com/stere-log/stere/model"
)

// CategoryOf returns what the field category of a record has, by these words if it came
// with none.
func CategoryOf(record *model.Record, words *meaning.Lexicon) meaning.Category {
	if own, came := record.Get(Category); came {
		return meaning.Category(own.Text)
	}
	r := categoriesRule
	if words.Version() != r.lexicon {
		r = categoryRule(words)
	}
	return meaning.Category(r.derive(r.saysOf(record))[0])
}

// saysOf returns what the inputs of a rule say of one record.
func (r *rule) saysOf(record *model.Record) []string {
	says := make([]string, len(r.inputs))
	for i, in := range r.inputs {
		switch {
		case in.fallback && slices.ContainsFunc(says[:i], func(said string) bool { return said != "" }):
		case in.matters != nil && !in.matters(says[:i]):
		default:
			if text, there := in.of(record); there {
				says[i] = in.says(text)
			}
		}
	}
	return says
}

// of returns the text that a record has for an input.
func (in *input) of(record *model.Record) (text string, there bool) {
	if in.fields == nil {
		f, there := record.Get(model.FieldMessage)
		return f.Text, there
	}
	for _, name := range in.fields {
		if f, there := record.Get(name); there {
			return f.Text, true
		}
		for _, other := range rules {
			if at := slices.IndexFunc(other.fields, func(f field) bool { return f.name == name }); in.made && at >= 0 {
				if made := other.derive(other.saysOf(record))[at]; made != "" {
					return made, true
				}
			}
		}
	}
	return "", false
}
