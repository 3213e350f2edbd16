package derived

import (
	"context"
	"errors"
	"maps"
	"slices"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/meaning"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/part"
)

// With returns parts whose records have the fields that are named; nil for places makes
// none that depend on where an address is, nil for words are the built-in ones.
func With(parts []part.Part, named Mentions, places Places, words *meaning.Lexicon) []part.Part {
	if named.None() {
		return parts
	}
	if !named.Located() {
		places = nil
	}
	shown := &records{names: slices.Sorted(maps.Keys(named.records)), places: places}
	if places != nil {
		shown.version = places.Version() + " "
	}
	if named.Categorized() {
		shown.use(words)
	}
	with := make([]part.Part, len(parts))
	for i, p := range parts {
		with[i] = wrap(p, shown)
	}
	return with
}

// ToldName is under which name Tell keeps what it makes.
const ToldName = "derived " + Category

// Tell makes what is asked for most, the categories of all records of a part, and keeps it
// beside the part if that keeps such things. Nil for words are the built-in ones.
func Tell(ctx context.Context, p part.Part, words *meaning.Lexicon) error {
	shown := &records{}
	shown.use(words)
	at, _ := shown.maker(Category)
	name := keptName(at.rule.fields[at.at])
	if teller, ok := p.(part.Teller); !ok || teller.Tells(name, at.rule.by()) {
		return nil
	}
	_, err := derivedPart{p, shown}.found(ctx, at.rule, at.at, name)
	return err
}

// records says which fields records have, too, and what of the world outside decides what
// they are. Parts are keys of maps, so they have it by reference.
type records struct {
	names   []string
	places  Places // nil: no field depends on it
	own     *rule  // of categories, for words of the tenant's own; nil: the built-in one
	version string // of places and words, in the keys of what is kept
}

// use lets words of a tenant's own decide categories.
func (s *records) use(words *meaning.Lexicon) {
	if words != nil && words.Version() != 0 {
		s.own = categoryRule(words)
		s.version += s.own.name + " "
	}
}

// maker returns where a field is made.
func (s *records) maker(name string) (place, bool) {
	at, ok := makers[name]
	if ok && at.rule == categoriesRule && s.own != nil {
		at.rule = s.own
	}
	return at, ok
}

func wrap(p part.Part, shown *records) part.Part {
	one := derivedPart{p, shown}
	if memo, ok := p.(part.Memo); ok {
		return derivedMemo{one, memo}
	}
	return one
}

// derivedPart is a part whose records have fields that are made.
type derivedPart struct {
	part.Part
	shown *records
}

// derivedMemo is one that keeps what is computed of it.
type derivedMemo struct {
	derivedPart
	memo part.Memo
}

var (
	_ part.Memo    = derivedMemo{}
	_ part.Metered = derivedMemo{}
	_ part.Kinds   = derivedMemo{}
)

// Memo implements part.Memo.
func (p derivedMemo) Memo(key string, make func() (value any, bytes int64, err error)) (any, error) {
	return p.memo.Memo("derived "+p.shown.version+key, make)
}

// Identity implements part.Memo.
func (p derivedMemo) Identity() string { return "derived " + p.shown.version + p.memo.Identity() }

// Sealed implements part.Memo.
func (p derivedMemo) Sealed() bool { return p.memo.Sealed() }

// Metered implements part.Metered.
func (p derivedMemo) Metered(meter *part.Meter) part.Part {
	source, ok := p.Part.(part.Metered)
	if !ok {
		return p
	}
	return wrap(source.Metered(meter), p.shown)
}

// Size implements part.Metered: that of what fields are made of.
func (p derivedMemo) Size(fields []string) int64 {
	source, ok := p.Part.(part.Metered)
	if !ok {
		return 0
	}
	return source.Size(sources(fields))
}

// sources returns stored fields of which fields are made, and those that are stored.
func sources(fields []string) (stored []string) {
	for _, name := range fields {
		stored = append(stored, name)
		if made, ok := makers[name]; ok {
			for _, in := range made.rule.inputs {
				if in.fields == nil {
					stored = append(stored, model.FieldMessage)
				}
				stored = append(stored, in.fields...)
			}
		}
	}
	slices.Sort(stored)
	return slices.Compact(stored)
}

// made returns the values of a field that are made in the part, nil if there are none.
func (p derivedPart) made(ctx context.Context, name string) (*values, error) {
	at, ok := p.shown.maker(name)
	if !ok || at.rule.locate != nil && p.shown.places == nil {
		return nil, nil
	}
	given, err := p.Part.Eval(ctx, at.rule.fields[at.at].given(), nil)
	if err != nil || given.GetCardinality() == uint64(p.Rows()) {
		return nil, err
	}
	k, err := p.kept(ctx, at.rule, at.at)
	if err != nil || len(k.dict) == 0 {
		return nil, err
	}
	return &values{kept: k, name: name, kind: at.rule.fields[at.at].kind, given: given}, nil
}

// Eval implements part.Part.
func (p derivedPart) Eval(ctx context.Context, e index.Expr, within *index.DocSet) (*index.DocSet, error) {
	if !touches(e) {
		return p.Part.Eval(ctx, e, within)
	}
	within, err := p.Part.Eval(ctx, index.All{}, within)
	if err != nil || within.IsEmpty() {
		return within, err
	}
	switch e := e.(type) {
	case index.AllOf:
		return p.allOf(ctx, e.Of, within)
	case index.AnyOf:
		return p.anyOf(ctx, e.Of, within)
	case index.Not:
		rows, err := p.Eval(ctx, e.Of, within)
		if err != nil {
			return nil, err
		}
		return index.AndNot(within, rows), nil
	case index.Leaf:
		return p.anyOf(ctx, []index.Expr{e}, within)
	}
	return p.Part.Eval(ctx, e, within)
}

// touches reports whether a condition is one on fields that are made.
func touches(e index.Expr) bool {
	switch e := e.(type) {
	case index.AllOf:
		return slices.ContainsFunc(e.Of, touches)
	case index.AnyOf:
		return slices.ContainsFunc(e.Of, touches)
	case index.Not:
		return touches(e.Of)
	case index.Leaf:
		_, made := makers[e.Field]
		return made
	}
	return false
}

// dear reports whether a condition needs more than levels that are made: those are looked
// at first.
func dear(e index.Expr) bool {
	switch e := e.(type) {
	case index.AllOf:
		return slices.ContainsFunc(e.Of, dear)
	case index.AnyOf:
		return slices.ContainsFunc(e.Of, dear)
	case index.Not:
		return dear(e.Of)
	case index.Leaf:
		return e.Field != DetectedLevel && touches(e)
	}
	return false
}

// allOf looks first at what is stored, at what is made only for the rows that are left.
func (p derivedPart) allOf(ctx context.Context, operands []index.Expr, within *index.DocSet) (*index.DocSet, error) {
	var stored, others []index.Expr
	for _, operand := range operands {
		if touches(operand) {
			others = append(others, operand)
		} else {
			stored = append(stored, operand)
		}
	}
	var err error
	if len(stored) > 0 {
		if within, err = p.Part.Eval(ctx, index.AllOf{Of: stored}, within); err != nil {
			return nil, err
		}
	}
	slices.SortStableFunc(others, func(a, b index.Expr) int {
		switch {
		case dear(a) == dear(b):
			return 0
		case dear(b):
			return -1
		}
		return 1
	})
	for _, operand := range others {
		if within.IsEmpty() {
			return within, nil
		}
		if within, err = p.Eval(ctx, operand, within); err != nil {
			return nil, err
		}
	}
	return within, nil
}

// anyOf asks all that is stored at once, also of fields that are made where they are not.
func (p derivedPart) anyOf(ctx context.Context, operands []index.Expr, within *index.DocSet) (*index.DocSet, error) {
	var stored []index.Expr
	var leaves []index.Leaf
	var others []index.Expr
	for _, operand := range operands {
		leaf, ok := operand.(index.Leaf)
		switch {
		case !touches(operand):
			stored = append(stored, operand)
		case ok:
			stored, leaves = append(stored, leaf), append(leaves, leaf)
		default:
			others = append(others, operand)
		}
	}
	found := index.NewDocSet()
	var err error
	if len(stored) > 0 {
		if found, err = p.Part.Eval(ctx, index.AnyOf{Of: stored}, within); err != nil {
			return nil, err
		}
	}
	for _, leaf := range leaves {
		rows, err := p.matching(ctx, leaf, index.AndNot(within, found))
		if err != nil {
			return nil, err
		}
		found = index.Or(found, index.And(within, rows))
	}
	for _, operand := range others {
		rows, err := p.Eval(ctx, operand, index.AndNot(within, found))
		if err != nil {
			return nil, err
		}
		found = index.Or(found, rows)
	}
	return found, nil
}

// Of so few of a part's rows, fewRows of fewOf, values are made without those of all others.
// A block of the head is soon gone, and in it each message is read; a segment grows with
// others into a larger one, and all would be made for each in turn. Rules ask for categories
// of records from a level on, which are up to a fifth, and of those with some words, which
// can be half: that all are made, and made again beforehand of what is merged, would cost
// more than all rules.
const (
	fewRows = 3
	fewOf   = 4
)

// matching returns all rows of within, and perhaps others, for which a value is made that
// satisfies a condition.
func (p derivedPart) matching(ctx context.Context, leaf index.Leaf, within *index.DocSet) (*index.DocSet, error) {
	if within.IsEmpty() {
		return within, nil
	}
	if at, ok := p.shown.maker(leaf.Field); ok && at.rule.locate == nil && p.few(within) && !p.has(at.rule, at.at) {
		return p.among(ctx, leaf, at.rule, at.at, within)
	}
	find := func() (*index.DocSet, int64, error) {
		made, err := p.made(ctx, leaf.Field)
		if err != nil || made == nil {
			return index.NewDocSet(), 0, err
		}
		rows := made.matching(leaf.Pred)
		rows.RunOptimize()
		return rows, int64(rows.GetSizeInBytes()), nil
	}
	key, ok := part.AppendKey([]byte("derived rows "+p.shown.version), leaf)
	if !ok {
		rows, _, err := find()
		return rows, err
	}
	return part.Kept(p.Part, string(key), find)
}

var errNotKept = errors.New("not kept")

// few reports whether rows are so few that values are made of them alone.
func (p derivedPart) few(rows *index.DocSet) bool {
	return rows.GetCardinality()*fewOf <= uint64(p.Rows())*fewRows
}

// has reports whether the values of a field are kept, in memory or beside the part.
func (p derivedPart) has(r *rule, at int) bool {
	if _, err := part.Kept(p.Part, p.memoryKey(r, at), func() (*kept, int64, error) { return nil, 0, errNotKept }); err == nil {
		return true
	}
	teller, ok := p.Part.(part.Teller)
	return ok && teller.Tells(keptName(r.fields[at]), r.by())
}

// among returns the rows of within for which a value is made that satisfies a condition;
// of others nothing is made.
func (p derivedPart) among(ctx context.Context, leaf index.Leaf, r *rule, at int, within *index.DocSet) (*index.DocSet, error) {
	found, f := index.NewDocSet(), r.fields[at]
	given, err := p.Part.Eval(ctx, f.given(), within)
	if err != nil {
		return nil, err
	}
	rows := index.AndNot(within, given)
	if rows.IsEmpty() {
		return found, nil
	}
	c, err := p.cases(ctx, r, rows)
	if err != nil {
		return nil, err
	}
	made := &c.fields[at]
	matches := make([]bool, len(made.dict)+1)
	for i, text := range made.dict {
		matches[i+1] = leaf.Pred.Match(f.kind, text)
	}
	for it := rows.Iterator(); it.HasNext(); {
		if row := it.Next(); matches[made.ofCase[c.of[row]]] {
			found.Add(row)
		}
	}
	return found, nil
}

// Columns implements part.Part. Made values are in one column with the stored ones of
// their kind.
func (p derivedPart) Columns(queryName string) []part.Column {
	stored := p.Part.Columns(queryName)
	if _, ok := makers[queryName]; !ok {
		return stored
	}
	made, err := p.made(context.Background(), queryName)
	if err != nil {
		return append(slices.Clone(stored), failedColumn{queryName, err})
	}
	if made == nil {
		return stored
	}
	columns := make([]part.Column, 0, len(stored)+1)
	at := -1
	for _, c := range stored {
		if c.Path() == queryName && c.Kind() == made.kind {
			at = len(columns)
			c = bothColumn{c, made}
		}
		columns = append(columns, c)
	}
	if at < 0 {
		columns = append(columns, madeColumn{made})
		slices.SortStableFunc(columns, func(a, b part.Column) int { return compare(a, b) })
	}
	return columns
}

// MayHave implements part.Kinds: nothing is made to know it.
func (p derivedPart) MayHave(queryName string, kind model.Kind) bool {
	at, ok := p.shown.maker(queryName)
	return ok && at.rule.fields[at.at].kind == kind || part.MayHave(p.Part, queryName, kind)
}

// Records implements part.Part.
func (p derivedPart) Records(ctx context.Context, rows *index.DocSet) ([]model.Record, error) {
	records, err := p.Part.Records(ctx, rows)
	if err != nil {
		return nil, err
	}
	for _, name := range p.shown.names {
		made, err := p.made(ctx, name)
		if err != nil {
			return nil, err
		}
		if made == nil {
			continue
		}
		made.each(rows, func(n int, text string) {
			// The fields of a record may be shared with whoever else reads it.
			fields := slices.DeleteFunc(slices.Clone(records[n].Fields), func(f model.Field) bool { return f.Name == name })
			records[n].Fields = append(fields, model.Field{Name: name, Kind: made.kind, Text: text})
		})
	}
	return records, nil
}
