package rows

import (
	"regexp"
	"strings"

	"github.com/stere-log/stere/query/expr"
	"github.com/stere-log/stere/query/syntax"
)

// Extract takes fields out of a text: by the parts of a pattern, or by the
// named groups of a regular expression. Where it does not match, and for groups
// that take no part, fields stay what they are.
type Extract struct {
	From  string
	Parts []syntax.PatternPart
	Re    *regexp.Regexp // instead of Parts
	Names []string       // of the groups of Re, in order, "" for those without; of the fields of Parts
}

// Apply implements Op.
func (o *Extract) Apply(row *Row) bool {
	from := row.Get(o.From)
	if from.Kind == expr.Null {
		return true
	}
	text := from.String()
	if o.Re == nil {
		o.pattern(row, text)
		return true
	}
	match := o.Re.FindStringSubmatchIndex(text)
	for i, name := range o.Names {
		if match != nil && name != "" && match[2*i] >= 0 {
			row.Set(name, expr.OfText(text[match[2*i]:match[2*i+1]]))
		}
	}
	return true
}

// pattern takes the fields of a pattern, all or none: each goes up to the next
// text of the pattern, the last one to the end.
func (o *Extract) pattern(row *Row, text string) {
	rest := text
	values := make([]string, 0, len(o.Parts))
	for i, part := range o.Parts {
		at := strings.Index(rest, part.Text)
		if part.Text == "" && part.Last && i > 0 {
			at = len(rest) // the field before goes to the end
		}
		if at < 0 {
			return
		}
		if i > 0 {
			values = append(values, rest[:at])
		}
		rest = rest[at+len(part.Text):]
	}
	for i, value := range values {
		if name := o.Names[i]; name != "" {
			row.Set(name, expr.OfText(value))
		}
	}
}

// Back implements Op.
func (o *Extract) Back(want *Names) (matters bool) {
	for _, name := range o.Names {
		matters = matters || name != "" && (*want)[name]
	}
	if matters {
		want.Add(o.From)
	}
	return matters
}
