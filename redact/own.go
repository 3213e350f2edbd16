package redact

import (
	"errors"
	"fmt"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync/atomic"
	"time"
	"unicode/utf8"

	"github.com/stere-log/stere/internal/cpu"
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
	// The search of a text of so many bytes is worth reading the clock of a thread.
	exactBytes = 4 << 10
)

// account is the processor time that the expressions of a tenant have left.
type account struct {
	elapsed, spent func() time.Duration // by the clock, and by that of the thread
	left           atomic.Int64         // nanoseconds
}

func newAccount() *account {
	a := &account{elapsed: cpu.Elapsed, spent: cpu.Spent}
	a.left.Store(int64(timeAtOnce))
	return a
}

// begin begins to measure a search of so many bytes. Short ones are measured by the clock,
// which is cheap, as long as much is left. Others, and all once little is left, by the time
// of the thread: who waits for a processor uses none, and what is harmless must not be
// taken out because a node is busy.
func (a *account) begin(bytes int) (at time.Duration, exact bool) {
	if exact = bytes >= exactBytes || a.left.Load() < int64(timeAtOnce/2); !exact {
		return a.elapsed(), false
	}
	runtime.LockOSThread()
	return a.spent(), true
}

// end returns how long the search took.
func (a *account) end(began time.Duration, exact bool) time.Duration {
	if !exact {
		return a.elapsed() - began
	}
	defer runtime.UnlockOSThread()
	return a.spent() - began
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
// taken out as a whole, as is what a match that does not end within a window goes on with:
// nothing that the rule is to find is stored.
func (s *Scanner) bounded(rule *customRule, d Detector, text string) {
	for from, seen := 0, 0; ; {
		end := windowEnd(text, from)
		found, inTime := rule.search(text[from:end], end-seen)
		if !inTime {
			rule.account.take(0, len(text)-end)
			s.takeRest(d, from, len(text))
			return
		}
		s.addAll(rule, d, from, found)
		if end == len(text) {
			return
		}
		next, whole := following(found, end-from)
		if !whole {
			s.takeRest(d, from, len(text))
			return
		}
		from, seen = from+next, end
	}
}

// windowEnd returns where the window that begins at an offset ends: between two runes.
func windowEnd(text string, from int) int {
	end := min(len(text), from+windowBytes)
	for back := 1; back < utf8.UTFMax && end < len(text) && !utf8.RuneStart(text[end]); back++ {
		end--
	}
	return end
}

// following returns where the window after one of such a length begins. A match that begins
// before the overlap is not looked for again from its middle: the quote that ends one text
// would begin another. False means that a match takes the whole window and may go on.
func following(found [][]int, length int) (next int, whole bool) {
	next = length - overlapBytes
	for _, at := range found {
		switch start, end := at[0], at[1]; {
		case start >= length-overlapBytes:
			return next, true
		case end < length:
			next = max(next, end)
		default:
			return start, start > 0
		}
	}
	return next, true
}

// search returns what a rule of a tenant finds in a window, which has so many bytes that
// were not looked at before; false if there was no time.
func (r *customRule) search(window string, fresh int) (found [][]int, inTime bool) {
	for finds := 1; ; finds *= findsStep {
		if !r.account.open() {
			r.account.take(0, fresh)
			return nil, false
		}
		began, exact := r.account.begin(len(window))
		found = r.expr.FindAllStringSubmatchIndex(window, finds)
		r.account.take(r.account.end(began, exact), fresh)
		if len(found) < finds {
			return found, true
		}
		fresh = 0
	}
}

// takeRest takes out what could not be looked at.
func (s *Scanner) takeRest(d Detector, from, until int) {
	s.add(d, from, until)
	s.unread.Add(1)
	if s.parent != nil {
		s.parent.unread.Add(1)
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
