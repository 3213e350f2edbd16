package triage

import (
	"fmt"
	"strings"
)

const queryShown = 80 // bytes of a condition in what is said of an alert

// Says returns in words what a value means that was found of a condition, and text, what
// was found beside it.
func (c *Condition) Says(value float64, text string) string {
	query := shown(c.Query)
	switch {
	case c.Query == "":
		return text
	case c.Absent:
		return fmt.Sprintf("nothing that satisfies %s came in %s", query, c.Over)
	case c.After != nil:
		return fmt.Sprintf("%.6g of %s in %s, %s within %s%s", value, query, c.Over, text, c.After.Within, c.bounds())
	case c.Measure != "":
		return fmt.Sprintf("%s was %.6g over %s, of records that satisfy %s%s", c.Measure, value, c.Over, query, c.bounds())
	case c.Share != "":
		return fmt.Sprintf("%.4g %% of the records in %s that satisfy %s are %s%s", value, c.Over, query, shown(c.Share), c.bounds())
	case c.Rate:
		return fmt.Sprintf("%.4g records a second satisfied %s over %s%s", value, query, c.Over, c.bounds())
	case value == 1:
		return fmt.Sprintf("one record in %s satisfies %s%s", c.Over, query, c.bounds())
	}
	return fmt.Sprintf("%.6g records in %s satisfy %s%s", value, c.Over, query, c.bounds())
}

// bounds says which values satisfy the condition.
func (c *Condition) bounds() string {
	switch {
	case c.AtLeast != nil && c.AtMost != nil:
		return fmt.Sprintf(" (told from %.6g to %.6g)", *c.AtLeast, *c.AtMost)
	case c.AtMost != nil:
		return fmt.Sprintf(" (told up to %.6g)", *c.AtMost)
	case c.AtLeast != nil:
		return fmt.Sprintf(" (told from %.6g on)", *c.AtLeast)
	}
	return ""
}

// shown is the beginning of a condition in one line.
func shown(query string) string {
	line := strings.Join(strings.Fields(query), " ")
	if len(line) > queryShown {
		return strings.ToValidUTF8(line[:queryShown], "") + "..."
	}
	return line
}
