// Package learned gives records what was learned of a tenant's messages as fields: their
// patterns (pattern, pattern_id), and the labels of a model (model_label,
// model_confidence). They are derived where the records are.
//
// With is the main function: parts with these fields, for queries whose texts name
// them (MentionsOf). Patterns and model are those of the root, also in leaves.
// Everything is as safe for concurrent use as the parts are.
package learned

import (
	"context"
	"slices"
	"strconv"
	"strings"
	"sync"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/meaning/classifier"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/pattern"
	"github.com/stere-log/stere/storage/part"
)

// FieldForm is the form of a record's pattern (pattern.Pattern.Form), for whoever
// learns: of many messages that repeat other fields some have
// that of another one with the same shape.
const FieldForm = "_pattern_form"

// formsOfShape is of how many messages of a shape in a part the form is made: what varies
// shows in fewer.
const formsOfShape = 64

// Mentions is how a request names the fields that what was learned gives a record.
type Mentions uint8

const (
	inConditions      Mentions = 1 << iota // as conditions or keys
	inRecords                              // perhaps as fields of the records of an answer
	labelInConditions                      // the same of those that come from a model
	labelInRecords
)

// Patterns reports whether fields of patterns are named.
func (m Mentions) Patterns() bool { return m&(inConditions|inRecords) != 0 }

// Labels reports whether fields that come from a model are named.
func (m Mentions) Labels() bool { return m&(labelInConditions|labelInRecords) != 0 }

// MentionsOf returns how a text may name them. It may be wrong in that it does not.
func MentionsOf(text string) (found Mentions) {
	pipes := false
	for start, end := index.NextWord(text, 0); start < len(text); start, end = index.NextWord(text, end) {
		pipes = pipes || strings.IndexByte(text[:start], '|') >= 0
		switch text[start:end] {
		case model.FieldLearned, model.FieldLearnedID, FieldForm:
			found |= inConditions
			if pipes {
				found |= inRecords
			}
		case model.FieldLearned + "s": // the pipe
			found |= inConditions
		case FieldLabel, FieldConfidence:
			found |= labelInConditions
			if pipes {
				found |= labelInRecords
			}
		}
	}
	return found
}

// With returns parts whose records have their patterns as fields, and with a model what it
// says of them.
func With(parts []part.Part, set *pattern.Set, m *classifier.Model, named Mentions) []part.Part {
	labels := named.Labels() && m != nil
	if !named.Patterns() && !labels {
		return parts
	}
	l := newNames(set, named.Patterns())
	if named&inRecords != 0 {
		l.records = append(l.records, model.FieldLearned, model.FieldLearnedID)
	}
	if labels {
		if l.label(m); named&labelInRecords != 0 {
			l.records = append(l.records, Labels()...)
		}
	}
	with := make([]part.Part, len(parts))
	for i, p := range parts {
		one := learnedPart{Part: p, names: l}
		if memo, ok := p.(part.Memo); ok {
			with[i] = learnedMemo{one, memo}
		} else {
			with[i] = one
		}
	}
	return with
}

// names is how messages get their patterns from a set, and their labels from a model.
type names struct {
	set   *pattern.Set
	model *classifier.Model       // nil: there are no labels
	of    map[string]*part.Naming // by field
	ids   *part.Naming            // both ids of a message, for conditions
	// records are the fields that records have, too.
	records []string
}

// whole tells apart what was learned.
func (l *names) whole() string { return l.set.Whole() + "/" + l.model.Key() }

// namesMade remembers, for the time of one question, how outlines are named: most parts have
// the same ones.
type namesMade struct {
	mu sync.Mutex
	of map[string]string // by outline
}

// madeMax is how many names are remembered; with more, all are forgotten.
const madeMax = 16 << 10

func (n *namesMade) get(outline string) (name string, made bool) {
	n.mu.Lock()
	defer n.mu.Unlock()
	name, made = n.of[outline]
	return name, made
}

func (n *namesMade) put(outline, name string) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if len(n.of) >= madeMax {
		clear(n.of)
	}
	n.of[outline] = name
}

// betweenIDs stands between the id of a pattern and that of the outline.
const betweenIDs = " "

func newNames(set *pattern.Set, patterns bool) *names {
	if !patterns {
		return &names{set: nil, of: map[string]*part.Naming{}}
	}
	naming := func(what string, of func(m *pattern.Mapper, outline string) string) *part.Naming {
		known := &namesMade{of: map[string]string{}}
		return &part.Naming{Key: what + " " + set.Key(), Start: func() func(string) string {
			mapper := set.Mapper()
			return func(outline string) string {
				name, made := known.get(outline)
				if !made {
					name = of(mapper, outline)
					known.put(outline, name)
				}
				return name
			}
		}}
	}
	forms := naming("form", func(m *pattern.Mapper, outline string) string { return m.Of(outline).Form() })
	forms.Some = formsOfShape
	return &names{
		set: set,
		of: map[string]*part.Naming{
			model.FieldLearned:   naming("text", func(m *pattern.Mapper, outline string) string { return m.Of(outline).Text }),
			model.FieldLearnedID: naming("id", func(m *pattern.Mapper, outline string) string { return m.Of(outline).ID }),
			FieldForm:            forms,
		},
		ids: naming("ids", func(m *pattern.Mapper, outline string) string {
			now, before := m.Both(outline)
			return now.ID + betweenIDs + before.ID
		}),
	}
}

// condition returns the condition on the messages that one on a field of patterns is.
func (l *names) condition(leaf index.Leaf) index.Expr {
	naming := l.of[leaf.Field]
	if naming == nil {
		return leaf
	}
	of := leaf.Pred
	if fromModel(leaf.Field) {
		of = given{kindOf(leaf.Field), of}
	}
	if now, ok := l.now(of); ok && leaf.Field == model.FieldLearnedID {
		naming, of = l.ids, eitherID{now}
	}
	return index.Leaf{Field: model.FieldPattern, Pred: part.Named{Naming: naming, Of: of}}
}

// now replaces the id of a pattern that is no more, in a condition that names one, by
// that which came of it.
func (l *names) now(pred index.Predicate) (index.Predicate, bool) {
	switch p := pred.(type) {
	case index.Equal:
		return index.Equal{Text: l.set.Now(p.Text)}, true
	case index.Word:
		return index.Word{Folded: l.set.Now(p.Folded)}, true
	}
	return nil, false
}

// eitherID matches the ids of a message if one of them matches: that of its pattern,
// or that which it had before more was learned.
type eitherID struct{ of index.Predicate }

// Match implements index.Predicate.
func (p eitherID) Match(kind model.Kind, text string) bool {
	now, before, _ := strings.Cut(text, betweenIDs)
	return p.of.Match(kind, now) || p.of.Match(kind, before)
}

// Hints implements index.Predicate.
func (p eitherID) Hints() index.Hints { return index.Hints{} }

// Key implements part.Keyed.
func (p eitherID) Key() string {
	key, ok := part.AppendKey(nil, index.Leaf{Pred: p.of})
	if !ok {
		return ""
	}
	return "either " + string(key)
}

// learnedPart is a part whose records have their patterns as fields.
type learnedPart struct {
	part.Part
	*names
}

// learnedMemo is one that keeps what is computed of it.
type learnedMemo struct {
	learnedPart
	memo part.Memo
}

// Memo implements part.Memo. What is asked may name patterns that are no more.
func (p learnedMemo) Memo(key string, make func() (value any, bytes int64, err error)) (any, error) {
	return p.memo.Memo("patterns "+p.whole()+" "+key, make)
}

// Identity implements part.Memo.
func (p learnedMemo) Identity() string {
	return "patterns " + strconv.Quote(p.whole()) + p.memo.Identity()
}

// Sealed implements part.Memo.
func (p learnedMemo) Sealed() bool { return p.memo.Sealed() }

// Metered implements part.Metered.
func (p learnedMemo) Metered(meter *part.Meter) part.Part {
	source, ok := p.Part.(part.Metered)
	if !ok {
		return p
	}
	metered := source.Metered(meter)
	memo, ok := metered.(part.Memo)
	if !ok {
		return p
	}
	return learnedMemo{learnedPart{metered, p.names}, memo}
}

// Size implements part.Metered: what was learned is of messages.
func (p learnedMemo) Size(fields []string) int64 {
	source, ok := p.Part.(part.Metered)
	if !ok {
		return 0
	}
	fields = slices.Clone(fields)
	for i, field := range fields {
		if p.of[field] != nil {
			fields[i] = model.FieldMessage
		}
	}
	return source.Size(fields)
}

// Eval implements part.Part.
func (p learnedPart) Eval(ctx context.Context, e index.Expr, within *index.DocSet) (*index.DocSet, error) {
	return p.Part.Eval(ctx, p.rewrite(e), within)
}

// rewrite replaces conditions on the fields that were learned.
func (p learnedPart) rewrite(e index.Expr) index.Expr {
	list := func(of []index.Expr) []index.Expr {
		rewritten := make([]index.Expr, len(of))
		for i := range of {
			rewritten[i] = p.rewrite(of[i])
		}
		return rewritten
	}
	switch e := e.(type) {
	case index.AllOf:
		return index.AllOf{Of: list(e.Of)}
	case index.AnyOf:
		return index.AnyOf{Of: list(e.Of)}
	case index.Not:
		return index.Not{Of: p.rewrite(e.Of)}
	case index.Leaf:
		return p.condition(e)
	}
	return e
}

// Columns implements part.Part.
func (p learnedPart) Columns(queryName string) []part.Column {
	naming := p.of[queryName]
	if naming == nil {
		return p.Part.Columns(queryName)
	}
	if column := p.Part.Patterns(naming); column != nil {
		learned := learnedColumn{column, queryName}
		if fromModel(queryName) {
			return []part.Column{givenColumn{learned}}
		}
		return []part.Column{learned}
	}
	return nil
}

// MayHave implements part.Kinds.
func (p learnedPart) MayHave(queryName string, kind model.Kind) bool {
	if p.of[queryName] != nil {
		return kindOf(queryName) == kind
	}
	return part.MayHave(p.Part, queryName, kind)
}

// learnedColumn is the column of a field that was learned.
type learnedColumn struct {
	part.Column
	name string
}

// Path implements part.Column.
func (c learnedColumn) Path() string { return c.name }

// Kind implements part.Column.
func (c learnedColumn) Kind() model.Kind { return kindOf(c.name) }

// Records implements part.Part. A record that has fields of these names itself keeps
// them unless the query is about them.
func (p learnedPart) Records(ctx context.Context, rows *index.DocSet) ([]model.Record, error) {
	records, err := p.Part.Records(ctx, rows)
	if err != nil {
		return records, err
	}
	for _, name := range p.records {
		columns := p.Columns(name)
		if len(columns) == 0 {
			return records, nil
		}
		values, err := columns[0].Gather(ctx, rows)
		if err != nil {
			return nil, err
		}
		at := 0
		for i, row := range rowsOf(rows, len(records)) {
			for at < len(values.Rows) && values.Rows[at] < row {
				at++
			}
			if at == len(values.Rows) || values.Rows[at] != row {
				continue
			}
			fields := slices.DeleteFunc(slices.Clone(records[i].Fields), func(f model.Field) bool { return f.Name == name })
			records[i].Fields = append(fields, model.Field{Name: name, Kind: kindOf(name), Text: values.Dict[values.Codes[at]]})
		}
	}
	return records, nil
}

// rowsOf returns the rows of a set, the first n if it is nil.
func rowsOf(rows *index.DocSet, n int) []uint32 {
	if rows != nil {
		return rows.ToArray()
	}
	all := make([]uint32, n)
	for i := range all {
		all[i] = uint32(i)
	}
	return all
}
