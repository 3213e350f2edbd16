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

// cases says which case each record of a part is, and what follows.
type cases struct {
	of     []uint32      // by row
	fields []fieldValues // by field of the rule
}

// fieldValues are the values of one field.
type fieldValues struct {
	dict   []string
	ofCase []uint32 // number in dict and 1, 0 for none
}

// Limits of what is looked at at once.
const (
	textsAtOnce = 16 << 10 // messages in memory
	saysAtOnce  = 16       // texts that are read before a look at whether anybody still waits: one can take milliseconds
	casesAtOnce = 1 << 10  // decided before a look at whether anybody still waits
	gridMax     = 1 << 20  // pairs that are numbered in an array
)

// cases returns the cases of a rule.
func (p derivedPart) cases(ctx context.Context, r *rule) (*cases, error) {
	key := "derived " + r.name
	if r.locate != nil {
		key += " " + p.shown.version
	}
	return part.Kept(p.Part, key, func() (*cases, int64, error) {
		given, err := p.Part.Eval(ctx, r.given(), nil)
		if err != nil {
			return nil, 0, err
		}
		b := caseBuilder{part: p, rule: r.name, given: given, of: make([]uint32, p.Rows()), says: [][]string{make([]string, len(r.inputs))}}
		for i, in := range r.inputs {
			said, err := b.read(ctx, i, in)
			if err != nil {
				return nil, 0, err
			}
			b.combine(i, said)
		}
		c, err := b.decide(ctx, r)
		if err != nil {
			return nil, 0, err
		}
		bytes := int64(4 * len(c.of))
		for _, f := range c.fields {
			bytes += int64(4 * len(f.ofCase))
			for _, text := range f.dict {
				bytes += int64(len(text)) + 16
			}
		}
		return c, bytes, nil
	})
}

// caseBuilder finds the cases of a part, input by input.
type caseBuilder struct {
	part  derivedPart
	rule  string
	given *index.DocSet // rows whose cases do not matter
	of    []uint32      // by row
	says  [][]string    // by case, by input
}

// said is what one input says.
type said struct {
	of   []uint32 // by row
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
	s := &said{says: []string{""}}
	numbers := map[string]uint32{"": 0}
	s.of = make([]uint32, len(b.of))
	if in.fields == nil {
		return s, b.readMessages(ctx, i, in, s, numbers)
	}
	var from part.Part = b.part.Part
	if in.made {
		from = b.part
	}
	for _, name := range in.fields {
		for _, column := range from.Columns(name) {
			if column.Kind() == model.Null {
				continue
			}
			values, err := column.Gather(ctx, nil)
			if err != nil {
				return nil, err
			}
			if err := s.add(ctx, values, in.says, numbers); err != nil {
				return nil, err
			}
		}
	}
	return s, nil
}

// add takes the values of rows of which nothing was said yet.
func (s *said) add(ctx context.Context, values part.Values, says func(string) string, numbers map[string]uint32) error {
	const unknown = ^uint32(0)
	codes := make([]uint32, len(values.Dict))
	for i := range codes {
		codes[i] = unknown
	}
	looked := 0
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
		s.set(values.Rows[i], codes[code])
	}
	return nil
}

// set notes what is said of a row, unless something was.
func (s *said) set(row, number uint32) {
	if s.of[row] == 0 {
		s.of[row] = number
	}
}

// readMessages reads what outlines say, and messages where that is not enough.
func (b *caseBuilder) readMessages(ctx context.Context, i int, in input, s *said, numbers map[string]uint32) error {
	column := b.part.Patterns(&part.Naming{
		Key: fmt.Sprintf("derived %s %d", b.rule, i), Whole: true, Apart: in.apart, Start: func() func(string) string { return in.outline },
	})
	if column == nil {
		return nil
	}
	values, err := column.Gather(ctx, index.AndNot(index.DocSetRange(0, uint32(len(b.of))), b.given))
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
			rows = slices.DeleteFunc(rows, func(row uint32) bool { return b.told(row, i) })
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

// told reports whether one of the first inputs says something of a row.
func (b *caseBuilder) told(row uint32, inputs int) bool {
	return slices.ContainsFunc(b.says[b.of[row]][:inputs], func(says string) bool { return says != "" })
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
		for row, was := range b.of {
			at := &grid[int(was)*len(s.says)+int(s.of[row])]
			if *at == 0 {
				*at = next(was, s.of[row])
			}
			b.of[row] = *at - 1
		}
		return
	}
	pairs := map[[2]uint32]uint32{}
	for row, was := range b.of {
		pair := [2]uint32{was, s.of[row]}
		number := pairs[pair]
		if number == 0 {
			number = next(was, s.of[row])
			pairs[pair] = number
		}
		b.of[row] = number - 1
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
	c := &cases{of: b.of, fields: make([]fieldValues, len(r.fields))}
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
