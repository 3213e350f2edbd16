// Package erasure is what a cluster agrees on of the removal of records: deletions,
// legal holds and rules of retention. It knows what is right by itself; who may ask for
// it, and in what order things happen, others know.
//
// All are values: nobody changes what has been handed over.
package erasure

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/stere-log/stere/model"
)

// Limits.
const (
	QueryMax      = 4 << 10 // bytes of a query
	TextMax       = 512     // bytes of a reason, a detail or an author
	IDMax         = 64      // bytes of the id of a hold
	RulesMax      = 32      // rules of a tenant
	ExceptionsMax = 16      // holds that are left out of a deletion
	ShardsMax     = 4096    // shards that a deletion goes through
	KeepMin       = time.Hour
)

// ErrInvalid means that a value can never be right.
var ErrInvalid = errors.New("not valid")

func invalid(format string, args ...any) error {
	return fmt.Errorf("%w: %s", ErrInvalid, fmt.Sprintf(format, args...))
}

// Span is the times From <= time < To, in Unix ns; the zero Span is all times.
type Span struct {
	From int64 `json:"from,omitempty"`
	To   int64 `json:"to,omitempty"` // 0: no end
}

// Bounds returns the bounds with those that are not given.
func (s Span) Bounds() (from, to int64) {
	from, to = s.From, s.To
	if from == 0 {
		from = math.MinInt64
	}
	if to == 0 {
		to = math.MaxInt64
	}
	return from, to
}

// Overlaps reports whether both have a time in common.
func (s Span) Overlaps(other Span) bool {
	from, to := s.Bounds()
	otherFrom, otherTo := other.Bounds()
	return from < otherTo && otherFrom < to
}

func (s Span) check() error {
	if from, to := s.Bounds(); from >= to {
		return invalid("the times from %d to %d", s.From, s.To)
	}
	return nil
}

// Kind is why a deletion is made.
type Kind string

// The kinds of deletions.
const (
	ByQuery     Kind = "query"     // somebody asked for it
	ByRetention Kind = "retention" // a rule
	OfTenant    Kind = "tenant"    // everything of a tenant, and then the tenant
)

// Status is what has become of a deletion.
type Status string

// The states of a deletion. What is planned can be cancelled; what runs has hidden
// records already.
const (
	Planned   Status = "planned"
	Running   Status = "running"
	Done      Status = "done"
	Failed    Status = "failed"
	Cancelled Status = "cancelled"
)

// Deletion is what is to be removed of a tenant, is being, or was.
type Deletion struct {
	Number uint64         `json:"number"` // given by the catalogue
	Kind   Kind           `json:"kind"`
	Tenant model.TenantID `json:"tenant"`
	Query  string         `json:"query,omitempty"` // "": everything
	Span
	Except []Exception `json:"except,omitempty"` // what holds leave; set when it begins
	Rule   string      `json:"rule,omitempty"`   // name of the rule of retention
	Reason string      `json:"reason,omitempty"`
	By     string      `json:"by,omitempty"`

	Status  Status  `json:"status"`
	Detail  string  `json:"detail,omitempty"` // what is waited for, or why it failed
	Created int64   `json:"created"`          // Unix ns; set by Apply, like what follows
	Begun   int64   `json:"begun,omitempty"`
	Ended   int64   `json:"ended,omitempty"`
	Matched uint64  `json:"matched,omitempty"` // records before it began, as far as that was counted
	Shards  []Shard `json:"shards,omitempty"`
	Version uint64  `json:"version"`
}

// Exception is what a deletion leaves because of a hold.
type Exception struct {
	Hold  string `json:"hold"`
	Query string `json:"query,omitempty"`
	Span
}

// Shard says how far a deletion has come in a shard.
type Shard struct {
	Number    uint32 `json:"number"`
	Index     uint64 `json:"index,omitempty"`   // of the command in its log; 0: not proposed yet
	Gone      bool   `json:"gone,omitempty"`    // on every replica
	Before    uint64 `json:"before,omitempty"`  // records of the tenant when the command was applied
	Left      uint64 `json:"left,omitempty"`    // records that should have gone, and were found at the end
	Checked   int    `json:"checked,omitempty"` // replicas on which that was looked for
	Rows      uint64 `json:"rows,omitempty"`    // removed
	Rewritten uint64 `json:"rewritten,omitempty"`
	Dropped   uint64 `json:"dropped,omitempty"` // segments of which nothing stayed
	Bytes     int64  `json:"bytes,omitempty"`   // that were freed
}

// Finished reports whether nothing more becomes of it.
func (d *Deletion) Finished() bool { return d.Ended != 0 }

// Check finds what no deletion may have.
func (d *Deletion) Check() error {
	if err := d.Tenant.Validate(); err != nil {
		return invalid("%v", err)
	}
	if !slices.Contains([]Kind{ByQuery, ByRetention, OfTenant}, d.Kind) {
		return invalid("the kind %q", d.Kind)
	}
	if !slices.Contains([]Status{Planned, Running, Done, Failed, Cancelled}, d.Status) {
		return invalid("the status %q", d.Status)
	}
	if d.Kind == OfTenant && (d.Query != "" || d.Span != Span{}) {
		return invalid("a tenant is removed as a whole")
	}
	if len(d.Except) > ExceptionsMax || len(d.Shards) > ShardsMax {
		return invalid("%d exceptions in %d shards", len(d.Except), len(d.Shards))
	}
	for _, e := range d.Except {
		if err := errors.Join(text("hold", e.Hold, IDMax), text("query", e.Query, QueryMax), e.check()); err != nil {
			return err
		}
	}
	return errors.Join(d.check(), text("query", d.Query, QueryMax), text("rule", d.Rule, IDMax), text("reason", d.Reason, TextMax), text("author", d.By, TextMax), text("detail", d.Detail, TextMax))
}

// Size bounds what it takes as JSON.
func (d *Deletion) Size() int {
	n := 640 + 6*(len(d.Tenant)+len(d.Query)+len(d.Rule)+len(d.Reason)+len(d.By)+len(d.Detail)) + 320*len(d.Shards)
	for _, e := range d.Except {
		n += 160 + 6*(len(e.Hold)+len(e.Query))
	}
	return n
}

// Hold keeps records of a tenant from being removed by anything.
type Hold struct {
	ID     string         `json:"id"`
	Tenant model.TenantID `json:"tenant"`
	Query  string         `json:"query,omitempty"` // "": everything
	Span
	Reason  string `json:"reason"`
	By      string `json:"by,omitempty"`
	Created int64  `json:"created"` // Unix ns; set by Apply
	Version uint64 `json:"version"`
}

// Whole reports whether the hold is on everything of its times.
func (h *Hold) Whole() bool { return h.Query == "" }

// Check finds what no hold may have.
func (h *Hold) Check() error {
	if err := h.Tenant.Validate(); err != nil {
		return invalid("%v", err)
	}
	if !named(h.ID) {
		return invalid("the id %.64q of a hold, want 1 to %d letters, digits, '.', '-' and '_'", h.ID, IDMax)
	}
	if h.Reason == "" {
		return invalid("a hold without a reason")
	}
	return errors.Join(h.check(), text("query", h.Query, QueryMax), text("reason", h.Reason, TextMax), text("author", h.By, TextMax))
}

// Size bounds what it takes as JSON.
func (h *Hold) Size() int {
	return 320 + 6*(len(h.ID)+len(h.Tenant)+len(h.Query)+len(h.Reason)+len(h.By))
}

// Rule says how long records are kept, or how many bytes of them. A rule with a query is
// about the records that satisfy it, whatever other rules say: each removes by itself.
type Rule struct {
	Name  string        `json:"name"`
	Match string        `json:"match,omitempty"`
	Keep  time.Duration `json:"keep,omitempty"`  // whole days go, as soon as all of one is older
	Bytes int64         `json:"bytes,omitempty"` // stored; the oldest days go; without a query only
}

// Retention is what a tenant's records are kept by.
type Retention struct {
	Rules   []Rule `json:"rules"`
	Version uint64 `json:"version"` // index of the last change; set by Apply
}

// Check finds what no retention may have.
func (r Retention) Check() error {
	if len(r.Rules) > RulesMax {
		return invalid("%d rules, at most %d are allowed", len(r.Rules), RulesMax)
	}
	names := map[string]bool{}
	for _, rule := range r.Rules {
		switch {
		case !named(rule.Name) || names[rule.Name]:
			return invalid("the name %.64q of a rule, want one of its own of letters, digits, '.', '-' and '_'", rule.Name)
		case rule.Keep == 0 && rule.Bytes == 0:
			return invalid("rule %s: says neither how long nor how much is kept", rule.Name)
		case rule.Keep != 0 && rule.Keep < KeepMin || rule.Bytes < 0:
			return invalid("rule %s: keeps %s or %d bytes, want at least %s", rule.Name, rule.Keep, rule.Bytes, KeepMin)
		case rule.Bytes != 0 && rule.Match != "":
			return invalid("rule %s: bytes are counted of all records, not of those that satisfy a query", rule.Name)
		}
		if err := text("query", rule.Match, QueryMax); err != nil {
			return err
		}
		names[rule.Name] = true
	}
	return nil
}

// Size bounds what it takes as JSON.
func (r Retention) Size() int {
	n := 160
	for _, rule := range r.Rules {
		n += 160 + 6*(len(rule.Name)+len(rule.Match))
	}
	return n
}

func text(what, s string, most int) error {
	if len(s) > most || !utf8.ValidString(s) {
		return invalid("a %s of %d bytes, want at most %d of UTF-8", what, len(s), most)
	}
	return nil
}

func named(s string) bool {
	return s != "" && len(s) <= IDMax && strings.Trim(s, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789.-_") == ""
}
