package redact

import (
	"errors"
	"fmt"
	"maps"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/stere-log/stere/internal/regexsize"
)

// Limits of a Config.
const (
	RulesMax        = 64   // custom rules
	RuleNameMax     = 32   // bytes of the name of one
	PatternBytesMax = 1024 // of the expression of one
	programMax      = 2000 // instructions of the compiled expression of one
	FieldRulesMax   = 256
	FieldBytesMax   = 256 // of the pattern of a field rule
	KeyBytesMin     = 16
)

// Rule finds texts by an expression of its own (RE2).
type Rule struct {
	Name    string `json:"name"`
	Pattern string `json:"pattern"`
	// Group is which group of the expression is redacted, 0 for all of it.
	Group  int    `json:"group,omitempty"`
	Action Action `json:"action"` // Default means Mask
}

// FieldRule says what to do with the values of fields by their names.
type FieldRule struct {
	// Pattern is a field as queries name it, in any case. A star stands for any
	// characters; "*." at the front also stands for nothing.
	Pattern string `json:"pattern"`
	// Action is done with the whole value; Off leaves the field alone, whatever
	// is in it. Default means Mask.
	Action Action `json:"action"`
}

// Config says what a Redactor does. The zero value is the standard set.
type Config struct {
	Disabled bool // nothing is redacted; whoever composes the way in sees to it
	Set      Set
	// Actions are what is done instead of what the set says, by the name of the
	// detector.
	Actions map[string]Action
	// Fields are looked through in order, before the names that are built in.
	Fields []FieldRule
	Rules  []Rule
	// Key is what tokens are made with; without it no action may be Hash. All
	// nodes of a cluster need the same.
	Key []byte
}

// Validate reports every fault of the configuration.
func (c Config) Validate() error { return c.validate(BuiltIn()) }

// validate is Validate where detectors of these names are known.
func (c Config) validate(known []string) error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	for _, name := range slices.Sorted(maps.Keys(c.Actions)) {
		if !slices.Contains(known, name) {
			fault("there is no detector %.50q, want one of %s", name, strings.Join(known, ", "))
		}
		if c.Actions[name] == Hash && len(c.Key) == 0 {
			fault("detector %s: the action hash makes tokens, which needs a key: whoever operates the node sets redaction-key-file", name)
		}
	}
	if len(c.Key) > 0 && len(c.Key) < KeyBytesMin {
		fault("the key has %d bytes, want at least %d", len(c.Key), KeyBytesMin)
	}
	if len(c.Rules) > RulesMax { // then nobody compiles them
		fault("%d rules, want at most %d", len(c.Rules), RulesMax)
		return errors.Join(faults...)
	}
	for i, rule := range c.Rules {
		if err := rule.validate(); err != nil {
			fault("rule %d (%.50q): %w", i+1, rule.Name, err)
		}
		if slices.Contains(known, rule.Name) || slices.ContainsFunc(c.Rules[:i], func(other Rule) bool { return other.Name == rule.Name }) {
			fault("rule %d (%.50q): the name is taken", i+1, rule.Name)
		}
		if rule.Action == Hash && len(c.Key) == 0 {
			fault("rule %d (%.50q): the action hash makes tokens, which needs a key: whoever operates the node sets redaction-key-file", i+1, rule.Name)
		}
	}
	if len(c.Fields) > FieldRulesMax {
		fault("%d rules for fields, want at most %d", len(c.Fields), FieldRulesMax)
	}
	for i, rule := range c.Fields {
		switch {
		case rule.Pattern == "" || len(rule.Pattern) > FieldBytesMax:
			fault("field rule %d: the field has %d bytes, want 1 to %d", i+1, len(rule.Pattern), FieldBytesMax)
		case rule.Action == Hash && len(c.Key) == 0:
			fault("field rule %d (%.50q): the action hash makes tokens, which needs a key: whoever operates the node sets redaction-key-file", i+1, rule.Pattern)
		}
	}
	return errors.Join(faults...)
}

// ErrMatchesNothing says that an expression matches the empty text, so that
// there is nothing to take out.
var ErrMatchesNothing = errors.New("matches the empty text")

func (r Rule) validate() error {
	if r.Name == "" || len(r.Name) > RuleNameMax || strings.Trim(r.Name, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
		return fmt.Errorf("want a name of 1 to %d of a-z, 0-9 and '-'", RuleNameMax)
	}
	size, err := r.size()
	if err == nil && size > programMax {
		err = fmt.Errorf("the expression takes %d instructions, want at most %d", size, programMax)
	}
	return err
}

// compiledMax is how many instructions an expression seems to take at most that is
// compiled to see how many it does take.
const compiledMax = 4 * programMax

// size returns how many instructions the expression of a rule takes; of one that takes far
// too many, about how many.
func (r Rule) size() (int, error) {
	if len(r.Pattern) > PatternBytesMax {
		return 0, fmt.Errorf("the expression has %d bytes, want at most %d", len(r.Pattern), PatternBytesMax)
	}
	tree, err := syntax.Parse(r.Pattern, syntax.Perl)
	if err != nil {
		return 0, err
	}
	if size := regexsize.AtMost(tree); size > compiledMax {
		return size, nil
	}
	expr, err := regexp.Compile(r.Pattern)
	if err != nil {
		return 0, err
	}
	if expr.MatchString("") {
		return 0, ErrMatchesNothing
	}
	if r.Group < 0 || r.Group > expr.NumSubexp() {
		return 0, fmt.Errorf("there is no group %d, the expression has %d", r.Group, expr.NumSubexp())
	}
	program, err := syntax.Compile(tree.Simplify())
	if err != nil {
		return 0, err
	}
	return len(program.Inst), nil
}
