package redact

import (
	"fmt"
	"regexp"
	"strings"
	"sync/atomic"
)

// Redactor is a set of rules in force.
type Redactor struct {
	names   []string // by detector, custom rules included
	actions []Action // the same; never Default
	fields  []fieldRule
	rules   []customRule
	key     []byte

	// Of a Redactor of a tenant:
	parent *Redactor   // whose rules it has too, and which counts; nil for others
	own    []fieldRule // of the tenant, which add to those of the parent
	weaker bool        // they go before those of the parent

	found   []atomic.Uint64 // by detector
	records atomic.Uint64
	theirs  atomic.Uint64 // found by rules that only tenants have
	unread  atomic.Uint64 // texts that such rules had no time for
}

// customRule is a Rule that is compiled.
type customRule struct {
	expr    *regexp.Regexp
	group   int
	literal string   // what every match begins with
	account *account // of the time of a tenant's rules; nil for those of the node
}

// New returns a Redactor.
func New(cfg Config) (*Redactor, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configure redaction: %w", err)
	}
	actions := cfg.Set.actions()
	r := &Redactor{names: BuiltIn(), key: []byte(strings.Clone(string(cfg.Key)))}
	for d, name := range r.names {
		if action, ok := cfg.Actions[name]; ok && action != Default {
			actions[d] = action
		}
	}
	r.actions = actions[:]
	for _, rule := range cfg.Rules {
		r.add(rule, regexp.MustCompile(rule.Pattern))
	}
	for _, rule := range cfg.Fields {
		r.fields = append(r.fields, fieldRule{pattern: strings.ToLower(rule.Pattern), action: orMask(rule.Action)})
	}
	r.found = make([]atomic.Uint64, len(r.names))
	return r, nil
}

// add adds a rule.
func (r *Redactor) add(rule Rule, expr *regexp.Regexp) {
	literal, _ := expr.LiteralPrefix()
	r.rules = append(r.rules, customRule{expr: expr, group: rule.Group, literal: literal})
	r.names = append(r.names, rule.Name)
	r.actions = append(r.actions, orMask(rule.Action))
}

// Fresh returns a Redactor of the same rules that has counted nothing.
func (r *Redactor) Fresh() *Redactor {
	return &Redactor{names: r.names, actions: r.actions, fields: r.fields, rules: r.rules, key: r.key, own: r.own, weaker: r.weaker, found: make([]atomic.Uint64, len(r.names))}
}

func orMask(a Action) Action {
	if a == Default {
		return Mask
	}
	return a
}

// Name returns the name of a detector or a custom rule.
func (r *Redactor) Name(d Detector) string { return r.names[d] }

// Names returns the names of all detectors, by detector.
func (r *Redactor) Names() []string { return append([]string(nil), r.names...) }

// Action returns what is done with the findings of a detector.
func (r *Redactor) Action(d Detector) Action { return r.actions[d] }

// HasKey reports whether tokens can be made.
func (r *Redactor) HasKey() bool { return len(r.key) > 0 }

// Found returns how often a detector found something in records that were
// taken in.
func (r *Redactor) Found(d Detector) uint64 { return r.found[d].Load() }

// FoundByTenants returns how often a rule that only a tenant has found something.
func (r *Redactor) FoundByTenants() uint64 { return r.theirs.Load() }

// Unread returns how many texts were taken out because the rules of a tenant had no time
// left to look at them.
func (r *Redactor) Unread() uint64 { return r.unread.Load() }

// Records returns in how many records something was found.
func (r *Redactor) Records() uint64 { return r.records.Load() }

func (r *Redactor) on(d Detector) bool { return r.actions[d] != Off }

// Finding is a part of a text that a detector found.
type Finding struct {
	Detector   Detector
	Start, End int
}

// Scanner applies the rules of a Redactor to texts. Use it from one goroutine
// at a time.
type Scanner struct {
	*Redactor
	tenant string
	counts []uint32 // by detector, since Flush
	total  uint32   // their sum

	text  string
	label label     // what the name of the field says of the text
	found []Finding // in no order, may overlap
	// Where the detectors have got to: nothing is looked at twice.
	wordEnd, digitEnd, markEnd, valueEnd int
	mailEnd, ibanEnd, elementEnd         int
	plainFrom, plainTo                   int // values from the one on end at the other
	joseEnd, joseTries                   int // of the last word that may begin a token

	isKey  bool   // the text is the name of a field
	out    []byte // the text with its markers
	folded []byte // a key without case and separators
	keys   map[string]Name
}

// Scanner returns a Scanner of its own for a goroutine.
func (r *Redactor) Scanner() *Scanner {
	return &Scanner{Redactor: r, counts: make([]uint32, len(r.names))}
}

// For says whose texts come now; tokens depend on it.
func (s *Scanner) For(tenant string) { s.tenant = tenant }

// Count returns how much was found since Flush.
func (s *Scanner) Count() int { return int(s.total) }

// Counts returns how much each detector found since Flush.
func (s *Scanner) Counts() []uint32 { return s.counts }

// Flush adds what was found, in so many records, to the counts of the Redactor.
func (s *Scanner) Flush(records int) {
	to := s.Redactor
	if to.parent != nil {
		to = to.parent
	}
	to.records.Add(uint64(records))
	if s.total == 0 {
		return
	}
	for d, n := range s.counts {
		switch {
		case n == 0:
			continue
		case d < len(to.found):
			to.found[d].Add(uint64(n))
		default:
			to.theirs.Add(uint64(n))
		}
		s.counts[d] = 0
	}
	s.total = 0
}

// Forget lets go of the last text.
func (s *Scanner) Forget() {
	s.text, s.tenant = "", ""
	if cap(s.out) > keptBytes {
		s.out = nil
	}
	if cap(s.found) > keptFindings {
		s.found = nil
	}
}

// What a Scanner keeps between texts at most.
const (
	keptBytes    = 64 << 10
	keptFindings = 1024
)

// custom looks for what a custom rule finds.
func (s *Scanner) custom(i int, text string) {
	rule := &s.rules[i]
	d := builtIn + Detector(i)
	if !s.on(d) || rule.literal != "" && !strings.Contains(text, rule.literal) {
		return
	}
	if rule.account != nil {
		s.bounded(rule, d, text)
		return
	}
	s.addAll(rule, d, 0, rule.expr.FindAllStringSubmatchIndex(text, -1))
}

// addAll adds what an expression has found in a text that begins at an offset.
func (s *Scanner) addAll(rule *customRule, d Detector, offset int, found [][]int) {
	for _, at := range found {
		if start, end := at[2*rule.group], at[2*rule.group+1]; start >= 0 {
			s.add(d, offset+start, offset+end)
		}
	}
}
