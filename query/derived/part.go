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
	decided decided
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

// branch is conditions on fields that are made, those that need least first, and rows that
// satisfy what is asked besides.
type branch struct {
	made []index.Expr
	rows *index.DocSet
}

// branch looks at what is stored of a conjunction.
func (p derivedPart) branch(ctx context.Context, operands []index.Expr, within *index.DocSet) (b branch, err error) {
	var stored []index.Expr
	for _, operand := range operands {
		if touches(operand) {
			b.made = append(b.made, operand)
		} else {
			stored = append(stored, operand)
		}
	}
	if b.rows = within; len(stored) > 0 {
		b.rows, err = p.Part.Eval(ctx, index.AllOf{Of: stored}, within)
	}
	slices.SortStableFunc(b.made, func(a, b index.Expr) int {
		switch {
		case dear(a) == dear(b):
			return 0
		case dear(b):
			return -1
		}
		return 1
	})
	return b, err
}

// allOf looks first at what is stored, at what is made only for the rows that are left.
func (p derivedPart) allOf(ctx context.Context, operands []index.Expr, within *index.DocSet) (*index.DocSet, error) {
	b, err := p.branch(ctx, operands, within)
	if err != nil {
		return nil, err
	}
	return p.allMade(ctx, &b)
}

// allMade returns the rows of a branch that satisfy what is made, too.
func (p derivedPart) allMade(ctx context.Context, b *branch) (*index.DocSet, error) {
	within := b.rows
	for _, operand := range b.made {
		if within.IsEmpty() {
			return within, nil
		}
		var err error
		if within, err = p.Eval(ctx, operand, within); err != nil {
			return nil, err
		}
	}
	return within, nil
}

// branches returns the operands of a disjunction. What several of them need first is
// decided for the rows of all at once.
func (p derivedPart) branches(ctx context.Context, operands []index.Expr, within *index.DocSet) ([]branch, error) {
	branches := make([]branch, len(operands))
	type need struct {
		rows *index.DocSet
		of   int // branches
	}
	needed := map[place]need{}
	for i, operand := range operands {
		all, ok := operand.(index.AllOf)
		if !ok {
			all.Of = []index.Expr{operand}
		}
		b, err := p.branch(ctx, all.Of, within)
		if err != nil {
			return nil, err
		}
		// Levels narrow first: what is left of several branches is decided at once.
		for len(b.made) > 1 && !dear(b.made[0]) && !b.rows.IsEmpty() {
			if b.rows, err = p.Eval(ctx, b.made[0], b.rows); err != nil {
				return nil, err
			}
			b.made = b.made[1:]
		}
		branches[i] = b
		if leaf, ok := b.made[0].(index.Leaf); ok && !b.rows.IsEmpty() {
			if at, ok := p.shown.maker(leaf.Field); ok {
				n := needed[at]
				if n.rows == nil {
					n.rows = index.NewDocSet()
				}
				needed[at] = need{index.Or(n.rows, b.rows), n.of + 1}
			}
		}
	}
	for at, n := range needed {
		if n.of == 1 {
			continue
		}
		rows, apart, err := p.apart(ctx, at, n.rows)
		if err == nil && apart {
			_, _, err = p.decide(ctx, at, rows)
		}
		if err != nil {
			return nil, err
		}
	}
	return branches, nil
}

// anyOf asks all that is stored at once, also of fields that are made where they are not.
func (p derivedPart) anyOf(ctx context.Context, operands []index.Expr, within *index.DocSet) (*index.DocSet, error) {
	var stored []index.Expr
	var leaves []index.Leaf
	var others []index.Expr
	for _, operand := range flat(operands) {
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
	if len(others) == 0 {
		return found, nil
	}
	branches, err := p.branches(ctx, others, index.AndNot(within, found))
	if err != nil {
		return nil, err
	}
	for i := range branches {
		branches[i].rows = index.AndNot(branches[i].rows, found)
		rows, err := p.allMade(ctx, &branches[i])
		if err != nil {
			return nil, err
		}
		found = index.Or(found, rows)
	}
	return found, nil
}

// flat returns the operands of a disjunction with those of disjunctions among them: what
// they need is decided at once then.
func flat(operands []index.Expr) (all []index.Expr) {
	for _, operand := range operands {
		if any, ok := operand.(index.AnyOf); ok && touches(any) {
			all = append(all, flat(any.Of)...)
		} else {
			all = append(all, operand)
		}
	}
	return all
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
	if at, ok := p.shown.maker(leaf.Field); ok {
		some, apart, err := p.apart(ctx, at, within)
		switch {
		case err != nil:
			return nil, err
		case apart:
			return p.among(ctx, leaf, at, some)
		}
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

// apart reports whether values are made of rows alone, and returns those of them of which
// anything can be made: these are few among all such, and the values of all are not kept.
func (p derivedPart) apart(ctx context.Context, at place, rows *index.DocSet) (*index.DocSet, bool, error) {
	if at.rule.locate != nil || p.has(at.rule, at.at) {
		return rows, false, nil
	}
	all := uint64(p.Rows())
	if at.rule.needs != nil {
		able, err := p.Part.Eval(ctx, at.rule.needs, nil)
		if err != nil {
			return nil, false, err
		}
		rows, all = index.And(rows, able), able.GetCardinality()
	}
	return rows, rows.GetCardinality()*fewOf <= all*fewRows, nil
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
func (p derivedPart) among(ctx context.Context, leaf index.Leaf, at place, within *index.DocSet) (*index.DocSet, error) {
	rows, known, err := p.decide(ctx, at, within)
	if err != nil || rows.IsEmpty() {
		return rows, err
	}
	kind := at.rule.fields[at.at].kind
	return index.And(rows, known.matching(func(text string) bool { return leaf.Pred.Match(kind, text) })), nil
}

// decide makes a field of the rows of within, and returns those of them of which it is made.
func (p derivedPart) decide(ctx context.Context, at place, within *index.DocSet) (rows *index.DocSet, known *decidedRows, err error) {
	given, err := p.Part.Eval(ctx, at.rule.fields[at.at].given(), within)
	if err != nil {
		return nil, nil, err
	}
	key := decidedKey{p.Part, at}
	known = p.shown.decided.rows(key)
	known.mu.Lock()
	defer known.mu.Unlock()
	rows = index.AndNot(within, given)
	if open := index.AndNot(rows, known.rows); !open.IsEmpty() {
		c, err := p.cases(ctx, at.rule, open)
		if err != nil {
			return nil, nil, err
		}
		p.shown.decided.grew(key, known, known.add(open, c, at.at))
	}
	return rows, known, nil
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
