package redact

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Limits of what a tenant adds: its expressions are tried on values of all of its
// records, and take turns with those of others on the processors.
const (
	OwnRulesMax  = 16
	OwnFieldsMax = 128
	// ownProgramMax is how many instructions all expressions have together.
	ownProgramMax = 500
	// Longer texts are looked at in windows, of which each has the end of the one before:
	// one search is over in two seconds, whatever the expression.
	windowBytes  = 64 << 10
	overlapBytes = 4 << 10
	// findsStep is how many times as much is looked for again while there is more.
	findsStep = 8
	// What a tenant's expressions may take of the processors of a node: so much for a
	// byte, on average, and so much at once.
	timePerByte = time.Microsecond
	timeAtOnce  = 2 * time.Second
)

// account is the time that the expressions of a tenant have left.
type account struct {
	now  func() time.Time
	left atomic.Int64 // nanoseconds
}

func newAccount() *account {
	a := &account{now: time.Now}
	a.left.Store(int64(timeAtOnce))
	return a
}

// open reports whether there is time left.
func (a *account) open() bool { return a.left.Load() > 0 }

// take takes the time that a search took, and gives what so many more bytes bring.
func (a *account) take(took time.Duration, bytes int) {
	if left := a.left.Add(int64(bytes)*int64(timePerByte) - int64(took)); left > int64(timeAtOnce) {
		a.left.CompareAndSwap(left, int64(timeAtOnce))
	}
}

// bounded looks for what a rule of a tenant finds as long as there is time. Expressions
// that begin with many a match and do not end it look at a text again and again, which no
// bound on their size forbids. A text, or the rest of one, for which there is no time is
// taken out as a whole: nothing that the rule is to find is stored.
func (s *Scanner) bounded(rule *customRule, d Detector, text string) {
	account := rule.account
	for from := 0; from < len(text); from += windowBytes - overlapBytes {
		window, fresh := text[from:min(len(text), from+windowBytes)], 0
		for finds := 1; ; finds *= findsStep {
			if !account.open() {
				if finds == 1 {
					fresh = len(text) - from
				}
				account.take(0, fresh)
				s.add(d, from, len(text))
				s.unread.Add(1)
				if s.parent != nil {
					s.parent.unread.Add(1)
				}
				return
			}
			if fresh = 0; finds == 1 {
				fresh = len(window)
			}
			began := account.now()
			found := rule.expr.FindAllStringSubmatchIndex(window, finds)
			account.take(account.now().Sub(began), fresh)
			if len(found) < finds {
				s.addAll(rule, d, from, found)
				break
			}
		}
		if from+len(window) == len(text) {
			return
		}
	}
}

// Own is what a tenant adds to the rules of a node. The zero value switches the
// standard set on; one that adds nothing has the set Nothing.
type Own struct {
	// Set is switched on beside what the node has.
	Set Set
	// Actions are by the name of a detector or of a rule of the node.
	Actions map[string]Action
	// Fields are looked through before the names that the node knows.
	Fields []FieldRule
	Rules  []Rule
	// Weaker lets all of it leave more to see than the node would.
	Weaker bool
}

// ErrWeaker says that what a tenant adds would leave more to see than what the node does.
var ErrWeaker = errors.New("this is weaker than what the platform does, which only a platform administrator allows (mayBeWeaker)")

// Check reports every fault of what a tenant adds to a Redactor.
func (r *Redactor) Check(own Own) error {
	var faults []error
	fault := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if len(own.Rules) > OwnRulesMax { // then nobody compiles them
		return fmt.Errorf("%d rules, a tenant has at most %d", len(own.Rules), OwnRulesMax)
	}
	if err := (Config{Actions: own.Actions, Fields: own.Fields, Rules: own.Rules, Key: r.key}).validate(r.names); err != nil {
		faults = append(faults, err)
	}
	if len(own.Fields) > OwnFieldsMax {
		fault("%d rules for fields, a tenant has at most %d", len(own.Fields), OwnFieldsMax)
	}
	total := 0
	for _, rule := range own.Rules {
		size, _ := rule.size() // its faults have been named
		total += size
	}
	if total > ownProgramMax {
		fault("the expressions take %d instructions together, those of a tenant at most %d", total, ownProgramMax)
	}
	if err := errors.Join(faults...); err != nil || own.Weaker {
		return err
	}
	for d, name := range r.names {
		if action := own.Actions[name]; action != Default && action.shows() > r.actions[d].shows() {
			fault("detector %s: %s where the platform does %s: %w", name, action, r.actions[d], ErrWeaker)
		}
	}
	for i, rule := range own.Fields {
		if rule.Action == Off || rule.Action == Partial {
			fault("field rule %d (%.50q): %s, want mask, hash or remove: %w", i+1, rule.Pattern, rule.Action, ErrWeaker)
		}
	}
	return errors.Join(faults...)
}

// With returns a Redactor that does all that this one does, and what a tenant adds. What
// this one finds it counts. Whatever has become of the node's settings since Check, the
// result is as strong; what they do not know any more has no effect.
func (r *Redactor) With(own Own) (*Redactor, error) {
	out := &Redactor{names: slices.Clone(r.names), actions: slices.Clone(r.actions), fields: r.fields, rules: slices.Clone(r.rules), key: r.key, parent: r, weaker: own.Weaker}
	set := own.Set.actions()
	for d, name := range r.names {
		if d < len(set) {
			out.actions[d] = stronger(out.actions[d], set[d])
		}
		if action := own.Actions[name]; action != Default && (own.Weaker || action.shows() <= r.actions[d].shows()) {
			out.actions[d] = action
		}
	}
	times := newAccount()
	for _, rule := range own.Rules {
		expr, err := regexp.Compile(rule.Pattern)
		if err == nil && (rule.Group < 0 || rule.Group > expr.NumSubexp()) {
			err = fmt.Errorf("there is no group %d", rule.Group)
		}
		if err != nil {
			return nil, fmt.Errorf("rule %.50q of a tenant: %w", rule.Name, err)
		}
		out.add(rule, expr)
		out.rules[len(out.rules)-1].account = times
	}
	for _, rule := range own.Fields {
		out.own = append(out.own, fieldRule{pattern: strings.ToLower(rule.Pattern), action: orMask(rule.Action)})
	}
	out.found = make([]atomic.Uint64, len(out.names))
	return out, nil
}
