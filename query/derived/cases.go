package derived

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/part"
)

// cases says which case each of some records of a part is, and what follows. Rules ask for few
// of a part: nothing is as large as the part.
type cases struct {
	rows   []uint32      // ascending
	of     []uint32      // by place in rows
	fields []fieldValues // by field of the rule
}

// placeFinder returns what finds the places of rows in a list of some, both ascending; -1 of
// one that is not there.
func placeFinder(rows []uint32) func(row uint32) int {
	at := 0
	return func(row uint32) int {
		for at < len(rows) && rows[at] < row {
			at++
		}
		if at < len(rows) && rows[at] == row {
			return at
		}
		return -1
	}
}

// fieldValues are the values of one field.
type fieldValues struct {
	dict   []string
	ofCase []uint32 // number in dict and 1, 0 for none
}

// kept are the values of a field in a part, as they are kept with it.
type kept struct {
	dict []string
	of   packed // by row: number in dict and 1, 0 for none
}

// bytes returns about how many they take.
func (k *kept) bytes() int64 {
	bytes := k.of.bytes()
	for _, text := range k.dict {
		bytes += int64(len(text)) + 16
	}
	return bytes
}

// Limits of what is looked at at once.
const (
	textsAtOnce = 16 << 10 // messages in memory
	saysAtOnce  = 16       // texts that are read before a look at whether anybody still waits: one can take milliseconds
	casesAtOnce = 1 << 10  // decided before a look at whether anybody still waits
	gridMax     = 1 << 20  // pairs that are numbered in an array
)

// kept returns the values of a field of a rule: as they were kept in memory, as they
// were kept beside the part, or made.
func (p derivedPart) kept(ctx context.Context, r *rule, at int) (*kept, error) {
	return part.Kept(p.Part, p.memoryKey(r, at), func() (*kept, int64, error) {
		k, err := p.found(ctx, r, at, keptName(r.fields[at]))
		if err != nil {
			return nil, 0, err
		}
		return k, k.bytes(), nil
	})
}

// memoryKey is under which key the values of a field are kept in memory: another one for
// each version of what decides them.
func (p derivedPart) memoryKey(r *rule, at int) string {
	key := keptName(r.fields[at])
	switch {
	case r.locate != nil:
		return key + " " + p.shown.version
	case r.lexicon != 0:
		return key + " " + r.name
	}
	return key
}

// by is the version of what is kept beside parts.
func (r *rule) by() uint64 { return version ^ r.lexicon }

// keptName is under which name the values of a field are kept beside a part, one in the
// place of another.
func keptName(f field) string { return "derived " + f.name }

// tellRows is of how many rows a part has to be for what is made of it to be kept beside
// it: of fewer it is soon made, and they are soon merged with others.
const tellRows = 8 << 10

// found is kept of what is not in memory.
func (p derivedPart) found(ctx context.Context, r *rule, at int, name string) (*kept, error) {
	teller, ok := p.Part.(part.Teller)
	if ok = ok && r.locate == nil && p.Rows() >= tellRows; ok {
		// What cannot be read is made anew, as what was not kept.
		if t, err := teller.Told(ctx, name, r.by()); err == nil && t != nil {
			return &kept{dict: t.Dict, of: pack(t.Of)}, nil
		} else if ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	c, err := p.cases(ctx, r, nil)
	if err != nil {
		return nil, err
	}
	f := &c.fields[at]
	numbers := make([]uint32, p.Rows())
	for place, row := range c.rows {
		numbers[row] = f.ofCase[c.of[place]]
	}
	if ok {
		if err := teller.Tell(ctx, name, &part.Telling{By: r.by(), Of: numbers, Dict: f.dict}); err != nil && ctx.Err() != nil {
			return nil, err
		}
	}
	return &kept{dict: f.dict, of: pack(numbers)}, nil
}

// cases returns the cases of a rule for rows, nil for all, but for those that have a value for
// every field or of which nothing can be made.
func (p derivedPart) cases(ctx context.Context, r *rule, rows *index.DocSet) (*cases, error) {
	given, err := p.Part.Eval(ctx, r.given(), nil)
	if err != nil {
		return nil, err
	}
	if rows == nil {
		rows = index.DocSetRange(0, p.Rows())
	}
	if rows = index.AndNot(rows, given); r.needs != nil {
		if rows, err = p.Part.Eval(ctx, r.needs, rows); err != nil {
			return nil, err
		}
	}
	b := caseBuilder{part: p, rows: rows, list: rows.ToArray(), rule: r.name, says: [][]string{make([]string, len(r.inputs))}}
	b.of = make([]uint32, len(b.list))
	for i, in := range r.inputs {
		said, err := b.read(ctx, i, in)
		if err != nil {
			return nil, err
		}
		b.combine(i, said)
	}
	return b.decide(ctx, r)
}

// caseBuilder finds the cases of a part, input by input.
type caseBuilder struct {
	part derivedPart
	rule string
	rows *index.DocSet // whose cases matter
	list []uint32      // the same
	of   []uint32      // by place in list
	says [][]string    // by case, by input
}

// said is what one input says.
type said struct {
	rows []uint32 // whose cases matter
	of   []uint32 // by place in rows
	says []string // the first is ""
}

// number returns that of something that is said.
func (s *said) number(numbers map[string]uint32, text string) uint32 {
	number, known := numbers[text]
	if !known {
		number = uint32(len(s.says))
		numbers[text] = number
		s.says = append(s.says, text)
	}
	return number
}

// read returns what an input says of each row.
func (b *caseBuilder) read(ctx context.Context, i int, in input) (*said, error) {
	s := &said{rows: b.list, of: make([]uint32, len(b.of)), says: []string{""}}
	numbers := map[string]uint32{"": 0}
	if in.fields == nil {
		return s, b.readMessages(ctx, i, in, s, numbers)
	}
	rows := b.mattering(i, in)
	if rows.IsEmpty() {
		return s, nil
	}
	for _, name := range in.fields {
		for _, column := range b.part.Part.Columns(name) {
			if column.Kind() == model.Null {
				continue
			}
			values, err := column.Gather(ctx, rows)
			if err != nil {
				return nil, err
			}
			if err := s.add(ctx, values, in.says, numbers); err != nil {
				return nil, err
			}
		}
		if in.made {
			if err := b.addMade(ctx, name, rows, in, s, numbers); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// mattering returns the rows for which an input matters.
func (b *caseBuilder) mattering(i int, in input) *index.DocSet {
	if in.matters == nil {
		return b.rows
	}
	matters := make([]bool, len(b.says))
	for number, says := range b.says {
		matters[number] = in.matters(says[:i])
	}
	var rows []uint32
	for place, row := range b.list {
		if matters[b.of[place]] {
			rows = append(rows, row)
		}
	}
	return index.DocSetOf(rows...)
}

// addMade takes what another rule makes of a field in rows of which nothing was said yet.
func (b *caseBuilder) addMade(ctx context.Context, name string, rows *index.DocSet, in input, s *said, numbers map[string]uint32) error {
	at, ok := b.part.shown.maker(name)
	if !ok {
		return nil
	}
	given, err := b.part.Part.Eval(ctx, at.rule.fields[at.at].given(), rows)
	if err != nil {
		return err
	}
	rows = index.AndNot(rows, given)
	if rows.IsEmpty() {
		return nil
	}
	if in.matters == nil {
		made, err := b.part.kept(ctx, at.rule, at.at)
		if err != nil {
			return err
		}
		return s.addMade(ctx, rows, made.dict, made.of.at, in.says, numbers)
	}
	c, err := b.part.cases(ctx, at.rule, rows)
	if err != nil {
		return err
	}
	f, place := &c.fields[at.at], placeFinder(c.rows)
	return s.addMade(ctx, rows, f.dict, func(row uint32) uint32 {
		if at := place(row); at >= 0 {
			return f.ofCase[c.of[at]]
		}
		return 0
	}, in.says, numbers)
}

// addMade takes values that were made of rows, numbered from 1; code is asked in their order.
func (s *said) addMade(ctx context.Context, rows *index.DocSet, dict []string, code func(row uint32) uint32, says func(string) string, numbers map[string]uint32) error {
	values := part.Values{Dict: dict}
	for it := rows.Iterator(); it.HasNext(); {
		row := it.Next()
		if number := code(row); number > 0 {
			values.Rows, values.Codes = append(values.Rows, row), append(values.Codes, number-1)
		}
	}
	return s.add(ctx, values, says, numbers)
}

// add takes the values of rows, which ascend and of which nothing was said yet.
func (s *said) add(ctx context.Context, values part.Values, says func(string) string, numbers map[string]uint32) error {
	const unknown = ^uint32(0)
	codes := make([]uint32, len(values.Dict))
	for i := range codes {
		codes[i] = unknown
	}
	looked, place := 0, placeFinder(s.rows)
	for i, code := range values.Codes {
		if codes[code] == unknown {
			if looked++; looked%saysAtOnce == 0 && ctx.Err() != nil {
				return ctx.Err()
			}
			codes[code] = s.number(numbers, says(values.Dict[code]))
		}
		if codes[code] == 0 {
			continue
		}
		if at := place(values.Rows[i]); at >= 0 && s.of[at] == 0 {
			s.of[at] = codes[code]
		}
	}
	return nil
}

// readMessages reads what outlines say, and messages where that is not enough.
func (b *caseBuilder) readMessages(ctx context.Context, i int, in input, s *said, numbers map[string]uint32) error {
	column := b.part.Patterns(&part.Naming{
		Key: fmt.Sprintf("derived %s %d", b.rule, i), Apart: in.apart, Texts: in.texts, Reduce: in.reduce, Few: true, Start: func() func(string) string { return in.outline },
	})
	if column == nil {
		return nil
	}
	values, err := column.Gather(ctx, b.rows)
	if err != nil {
		return err
	}
	open := slices.Index(values.Dict, unsure)
	var rows []uint32
	if open >= 0 {
		for i, code := range values.Codes {
			if code == uint32(open) {
				rows = append(rows, values.Rows[i])
			}
		}
		if in.fallback {
			place := placeFinder(b.list)
			rows = slices.DeleteFunc(rows, func(row uint32) bool { return b.told(place(row), i) })
		}
	}
	err = s.add(ctx, values, func(text string) string {
		if text == unsure {
			return ""
		}
		return text
	}, numbers)
	if err != nil {
		return err
	}
	for len(rows) > 0 {
		if err := ctx.Err(); err != nil {
			return err
		}
		n := min(len(rows), textsAtOnce)
		set := index.DocSetOf(rows[:n]...)
		for _, messages := range b.part.Part.Columns(model.FieldMessage) {
			if messages.Kind() != model.String {
				continue
			}
			texts, err := messages.Gather(ctx, set)
			if err != nil {
				return err
			}
			if err := s.add(ctx, texts, in.says, numbers); err != nil {
				return err
			}
		}
		rows = rows[n:]
	}
	return nil
}

// told reports whether one of the first inputs says something of the row at a place.
func (b *caseBuilder) told(place, inputs int) bool {
	return place >= 0 && slices.ContainsFunc(b.says[b.of[place]][:inputs], func(says string) bool { return says != "" })
}

// combine makes cases of those that there are and what is said by the next input.
func (b *caseBuilder) combine(i int, s *said) {
	if len(s.says) == 1 {
		return
	}
	before := b.says
	b.says = nil
	next := func(was, is uint32) uint32 {
		says := slices.Clone(before[was])
		says[i] = s.says[is]
		b.says = append(b.says, says)
		return uint32(len(b.says))
	}
	if len(before)*len(s.says) <= gridMax {
		grid := make([]uint32, len(before)*len(s.says))
		for place, was := range b.of {
			at := &grid[int(was)*len(s.says)+int(s.of[place])]
			if *at == 0 {
				*at = next(was, s.of[place])
			}
			b.of[place] = *at - 1
		}
		return
	}
	pairs := map[[2]uint32]uint32{}
	for place, was := range b.of {
		pair := [2]uint32{was, s.of[place]}
		number := pairs[pair]
		if number == 0 {
			number = next(was, s.of[place])
			pairs[pair] = number
		}
		b.of[place] = number - 1
	}
}

// made returns what a rule makes of a case.
func (b *caseBuilder) made(r *rule, says []string) []string {
	if r.locate != nil {
		return r.locate(b.part.shown.places, says)
	}
	return r.derive(says)
}

// decide decides every case.
func (b *caseBuilder) decide(ctx context.Context, r *rule) (*cases, error) {
	c := &cases{rows: b.list, of: b.of, fields: make([]fieldValues, len(r.fields))}
	numbers := make([]map[string]uint32, len(r.fields))
	for i := range numbers {
		numbers[i] = map[string]uint32{}
		c.fields[i].ofCase = make([]uint32, len(b.says))
	}
	for number, says := range b.says {
		if number%casesAtOnce == 0 && ctx.Err() != nil {
			return nil, ctx.Err()
		}
		for i, text := range b.made(r, says) {
			if text == "" {
				continue
			}
			f := &c.fields[i]
			known, ok := numbers[i][text]
			if !ok {
				// A piece of a message or of a block would hold all of it.
				f.dict = append(f.dict, strings.Clone(text))
				known = uint32(len(f.dict))
				numbers[i][text] = known
			}
			f.ofCase[number] = known
		}
	}
	return c, nil
}
