package head

import (
	"cmp"
	"context"
	"slices"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/shape"
	"github.com/stere-log/stere/storage/part"
)

// repeatedDistinct is how many distinct values a field has at least whose values are
// taken for variables of a _pattern where a message repeats them, as in a segment.
const repeatedDistinct = 16

// Patterns implements part.Part.
func (p *Part) Patterns(naming *part.Naming) part.Column {
	for _, c := range p.named(model.FieldMessage) {
		if c.stored.Kind == model.String {
			return patternColumn{c, naming}
		}
	}
	return nil
}

// patternColumn is the patterns of the messages: a column that is derived when
// it is asked for.
type patternColumn struct {
	*column
	naming *part.Naming // nil: patterns
}

var _ part.Column = patternColumn{}

// derived returns the patterns as a stored column, in which rows are rows of
// the part.
func (c patternColumn) derived(rows *index.DocSet) (part.Values, error) {
	messages, err := c.column.Gather(context.Background(), rows)
	if err != nil {
		return part.Values{}, err
	}
	if c.naming != nil {
		return c.named(messages), nil
	}
	var beside []part.Values
	for _, other := range c.part.columns {
		if other != c.column && other.stored.Distinct() >= repeatedDistinct && other.stored.Kind != model.Null {
			values, err := other.Gather(context.Background(), rows)
			if err != nil {
				return part.Values{}, err
			}
			beside = append(beside, values)
		}
	}
	out := part.Values{Rows: messages.Rows, Codes: make([]uint32, len(messages.Codes))}
	numbers := map[string]uint32{}
	at := make([]int, len(beside))
	var values []string
	for n, row := range messages.Rows {
		values = values[:0]
		for i := range beside {
			b := &beside[i]
			for at[i] < len(b.Rows) && b.Rows[at[i]] < row {
				at[i]++
			}
			if at[i] < len(b.Rows) && b.Rows[at[i]] == row {
				values = append(values, b.Dict[b.Codes[at[i]]])
			}
		}
		slices.SortStableFunc(values, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
		text := shape.MessagePattern(messages.Dict[messages.Codes[n]], values)
		number, known := numbers[text]
		if !known {
			number = uint32(len(out.Dict))
			numbers[text] = number
			out.Dict = append(out.Dict, text)
		}
		out.Codes[n] = number
	}
	return out, nil
}

// named returns what the naming makes of messages.
func (c patternColumn) named(messages part.Values) part.Values {
	out := part.Values{Rows: messages.Rows, Codes: make([]uint32, len(messages.Codes))}
	name := c.naming.Start()
	numbers := map[string]uint32{}
	codes := make([]uint32, len(messages.Dict)) // 0 for one that was not met yet
	for n, code := range messages.Codes {
		if codes[code] == 0 {
			text := messages.Dict[code]
			if c.naming.Texts {
				text = name(text[:min(len(text), shape.MessageMax)])
			} else {
				text = name(shape.MessageOutline(text))
			}
			number, known := numbers[text]
			if !known {
				number = uint32(len(out.Dict))
				numbers[text] = number
				out.Dict = append(out.Dict, text)
			}
			codes[code] = number + 1
		}
		out.Codes[n] = codes[code] - 1
	}
	return out
}

// Distinct implements part.Column.
func (c patternColumn) Distinct() uint32 { return c.Count() }

// Gather implements part.Column.
func (c patternColumn) Gather(_ context.Context, rows *index.DocSet) (part.Values, error) {
	return c.derived(rows)
}

// Counts implements part.Column.
func (c patternColumn) Counts(_ context.Context, rows *index.DocSet) ([]part.ValueCount, error) {
	values, err := c.derived(rows)
	if err != nil {
		return nil, err
	}
	counts := make([]uint64, len(values.Dict))
	for _, code := range values.Codes {
		counts[code]++
	}
	found := make([]part.ValueCount, len(counts))
	for code, n := range counts {
		found[code] = part.ValueCount{Value: values.Dict[code], Count: n}
	}
	return found, nil
}
