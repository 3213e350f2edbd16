package triage

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/stere-log/stere/query/syntax"
)

// Fault is something that is wrong with what somebody wants to be kept.
type Fault struct {
	Field      string // as a path: actions[0].escalate.after
	Message    string
	Line       int // of the text that has it, from 1; 0: it is not known
	Column     int
	Expected   []string // what could stand there
	Suggestion string   // what was perhaps meant
}

// Error implements error.
func (f *Fault) Error() string {
	var b strings.Builder
	if f.Field != "" {
		b.WriteString(f.Field + ": ")
	}
	b.WriteString(f.Message)
	if f.Line > 0 {
		fmt.Fprintf(&b, " (line %d column %d)", f.Line, f.Column)
	}
	if f.Suggestion != "" {
		b.WriteString("; did you mean " + f.Suggestion + "?")
	}
	return b.String()
}

// oneOf completes the fault of a word that is none of those that there are.
func (f *Fault) oneOf(word string, known []string) *Fault {
	f.Expected, f.Suggestion = known, syntax.Nearest(word, known)
	return f
}

// Faults returns the faults that an error consists of; what is none is one without a field.
func Faults(err error) []*Fault {
	if err == nil {
		return nil
	}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		var all []*Fault
		for _, one := range joined.Unwrap() {
			all = append(all, Faults(one)...)
		}
		return all
	}
	var f *Fault
	if errors.As(err, &f) {
		return []*Fault{f}
	}
	return []*Fault{{Message: err.Error()}}
}

// Checks collects what is wrong.
type Checks []error

// Add notes a fault of a field, if there is one.
func (c *Checks) Add(bad bool, field, format string, args ...any) {
	if bad {
		*c = append(*c, &Fault{Field: field, Message: fmt.Sprintf(format, args...)})
	}
}

// OneOf notes that a value is none of those that there are.
func (c *Checks) OneOf(field, value string, known []string) {
	if !slices.Contains(known, value) {
		f := &Fault{Field: field, Message: fmt.Sprintf("%.40q, want one of %s", value, strings.Join(known, ", "))}
		*c = append(*c, f.oneOf(value, known))
	}
}

// Err returns what was noted as one error, nil for nothing.
func (c Checks) Err() error { return errors.Join(c...) }

func (c *Checks) between(field string, d Duration, least, most time.Duration) {
	c.Add(time.Duration(d) < least || time.Duration(d) > most, field, "%s, want %s to %s", d, Duration(least), Duration(most))
}

func (c *Checks) severity(field, value string) { c.OneOf(field, value, Severities()) }
