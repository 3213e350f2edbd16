package catalogue

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/erasure"
)

// Limits of deletions.
const (
	// DeletionsMax is how many deletions are remembered; of those that have ended the
	// oldest are forgotten first, those by retention before all others.
	DeletionsMax = 512
	// DeletionsOpenMax is how many may be planned or under way, RetentionsOpenMax how
	// many of these by retention: a day of many tenants must not keep others waiting.
	DeletionsOpenMax  = 64
	RetentionsOpenMax = DeletionsOpenMax / 2
	// HoldsMax is the largest number of holds.
	HoldsMax = 1024
)

// AddDeletion plans a deletion, whose number is State.NextDeletion of before. A hold on
// everything of its times refuses it.
type AddDeletion struct {
	Deletion erasure.Deletion `json:"deletion"`
	Time     int64            `json:"time"`
}

// BeginDeletion begins a planned one: what holds say is decided here, once. It goes
// through the shards that the tenant has now.
type BeginDeletion struct {
	Number  uint64 `json:"number"`
	Matched uint64 `json:"matched,omitempty"`
	Time    int64  `json:"time"`
}

// NoteDeletion says how far one that runs has come in some shards, or that it has ended.
type NoteDeletion struct {
	Number uint64          `json:"number"`
	Shards []erasure.Shard `json:"shards,omitempty"`
	Status erasure.Status  `json:"status,omitempty"` // "": as it was
	Detail string          `json:"detail,omitempty"`
	Time   int64           `json:"time"`
}

// CancelDeletion cancels one that has not begun.
type CancelDeletion struct {
	Number uint64 `json:"number"`
	Detail string `json:"detail,omitempty"`
	Time   int64  `json:"time"`
}

// PutHold makes a hold. It is refused while a deletion of its times is under way: what
// that removes is not seen any more.
type PutHold struct {
	Hold erasure.Hold `json:"hold"`
	Time int64        `json:"time"`
}

// DropHold lifts a hold.
type DropHold struct {
	ID   string `json:"id"`
	Time int64  `json:"time"`
}

// SetRetention says how long a tenant's records are kept; no rules keep them for ever.
type SetRetention struct {
	Tenant    model.TenantID    `json:"tenant"`
	Retention erasure.Retention `json:"retention"`
	If        uint64            `json:"if,omitempty"` // Retention.Version it was made of; 0: any
	Time      int64             `json:"time"`
}

// ForgetTenant forgets everything of a tenant but its deletions: account, domains, keys,
// saved queries, patterns, retention, documents. Its records must have been deleted; the deletion
// ends with it, so that what is made under the name from then on is not forgotten too.
type ForgetTenant struct {
	Tenant model.TenantID `json:"tenant"`
	Number uint64         `json:"number"` // of the deletion
	Time   int64          `json:"time"`
}

// The kinds of commands on deletions, apart from those of command.go.
const (
	kindAddDeletion byte = iota + 50
	kindBeginDeletion
	kindNoteDeletion
	kindCancelDeletion
	kindPutHold
	kindDropHold
	kindSetRetention
	kindForgetTenant
)

func (AddDeletion) kind() byte    { return kindAddDeletion }
func (BeginDeletion) kind() byte  { return kindBeginDeletion }
func (NoteDeletion) kind() byte   { return kindNoteDeletion }
func (CancelDeletion) kind() byte { return kindCancelDeletion }
func (PutHold) kind() byte        { return kindPutHold }
func (DropHold) kind() byte       { return kindDropHold }
func (SetRetention) kind() byte   { return kindSetRetention }
func (ForgetTenant) kind() byte   { return kindForgetTenant }

func (c AddDeletion) stamped(now int64) Command    { stamp(&c.Time, now); return c }
func (c BeginDeletion) stamped(now int64) Command  { stamp(&c.Time, now); return c }
func (c NoteDeletion) stamped(now int64) Command   { stamp(&c.Time, now); return c }
func (c CancelDeletion) stamped(now int64) Command { stamp(&c.Time, now); return c }
func (c PutHold) stamped(now int64) Command        { stamp(&c.Time, now); return c }
func (c DropHold) stamped(now int64) Command       { stamp(&c.Time, now); return c }
func (c SetRetention) stamped(now int64) Command   { stamp(&c.Time, now); return c }
func (c ForgetTenant) stamped(now int64) Command   { stamp(&c.Time, now); return c }

// decodeDeletions is Decode for these kinds.
func decodeDeletions(kind byte, body []byte) (Command, error) {
	switch kind {
	case kindAddDeletion:
		return decodeAs[AddDeletion](body)
	case kindBeginDeletion:
		return decodeAs[BeginDeletion](body)
	case kindNoteDeletion:
		return decodeAs[NoteDeletion](body)
	case kindCancelDeletion:
		return decodeAs[CancelDeletion](body)
	case kindPutHold:
		return decodeAs[PutHold](body)
	case kindDropHold:
		return decodeAs[DropHold](body)
	case kindSetRetention:
		return decodeAs[SetRetention](body)
	case kindForgetTenant:
		return decodeAs[ForgetTenant](body)
	}
	return nil, refuse(ErrCommand, "kind %d", kind)
}

// checked returns the error of package erasure as one of this package.
func checked(err error) error {
	if err == nil {
		return nil
	}
	return refuse(ErrInvalid, "%v", err)
}

func (c AddDeletion) check() error {
	d := c.Deletion
	if d.Number != 0 || d.Status != erasure.Planned || d.Begun+d.Ended != 0 || len(d.Except)+len(d.Shards) > 0 {
		return refuse(ErrInvalid, "a new deletion is planned and has come nowhere")
	}
	return first(checked(d.Check()), checkTime("time", c.Time))
}

// against returns the holds that speak against a deletion, by id.
func (s *State) against(d *erasure.Deletion) (holds []erasure.Hold) {
	for _, hold := range s.Holds {
		if hold.Tenant == d.Tenant && hold.Overlaps(d.Span) {
			holds = append(holds, hold)
		}
	}
	slices.SortFunc(holds, func(a, b erasure.Hold) int { return strings.Compare(a.ID, b.ID) })
	return holds
}

// held returns why holds forbid a deletion, and what they leave of it otherwise.
func (s *State) held(d *erasure.Deletion) (except []erasure.Exception, err error) {
	for _, hold := range s.against(d) {
		from, to := hold.Bounds()
		dFrom, dTo := d.Bounds()
		all := hold.Whole() && from <= dFrom && to >= dTo
		if d.Kind == erasure.OfTenant || all || d.Kind == erasure.ByQuery && hold.Whole() {
			return nil, refuse(ErrRefused, "legal hold %s of tenant %s forbids it: %s", hold.ID, hold.Tenant, hold.Reason)
		}
		except = append(except, erasure.Exception{Hold: hold.ID, Query: hold.Query, Span: hold.Span})
	}
	if len(except) > erasure.ExceptionsMax {
		return nil, refuse(ErrRefused, "%d legal holds of tenant %s speak against it, at most %d can be heeded", len(except), d.Tenant, erasure.ExceptionsMax)
	}
	return except, nil
}

func (c AddDeletion) apply(s *State) error {
	d := c.Deletion
	if err := s.Readable(FormatDeletions, "deletions"); err != nil {
		return err
	}
	if _, err := s.held(&d); err != nil {
		return err
	}
	open, byRetention := 0, 0
	for _, other := range s.Deletions {
		if !other.Finished() {
			open++
			if other.Kind == erasure.ByRetention {
				byRetention++
			}
		}
	}
	if open >= DeletionsOpenMax || d.Kind == erasure.ByRetention && byRetention >= RetentionsOpenMax {
		return refuse(ErrRefused, "%d deletions are planned or under way, %d of them by retention: there can be %d, and %d", open, byRetention, DeletionsOpenMax, RetentionsOpenMax)
	}
	s.NextDeletion++
	d.Number, d.Created = s.NextDeletion, c.Time
	s.putDeletion(d)
	if len(s.Deletions) > DeletionsMax {
		s.forgetDeletion()
	}
	return nil
}

// forgetDeletion forgets the oldest deletion by retention that has ended, else the
// oldest of all: what was asked for has its proof here, what a rule removes comes daily.
func (s *State) forgetDeletion() {
	forget := uint64(0)
	for _, number := range slices.Sorted(maps.Keys(s.Deletions)) {
		d := s.Deletions[number]
		if d.Finished() && (forget == 0 || d.Kind == erasure.ByRetention) {
			if forget = number; d.Kind == erasure.ByRetention {
				break
			}
		}
	}
	if old, there := s.Deletions[forget]; there {
		s.bytes -= old.Size()
		delete(s.Deletions, forget)
	}
}

// putDeletion puts a deletion into a map of the state's own.
func (s *State) putDeletion(d erasure.Deletion) {
	s.Deletions = maps.Clone(s.Deletions)
	if s.Deletions == nil {
		s.Deletions = map[uint64]erasure.Deletion{}
	}
	if old, there := s.Deletions[d.Number]; there {
		s.bytes -= old.Size()
	}
	d.Version = s.Index
	s.bytes += d.Size()
	s.Deletions[d.Number] = d
}

func (c BeginDeletion) check() error { return checkTime("time", c.Time) }

func (c BeginDeletion) apply(s *State) error {
	d, there := s.Deletions[c.Number]
	if err := s.Readable(FormatDeletions, "deletions"); err != nil {
		return err
	}
	if !there || d.Status != erasure.Planned {
		return refuse(ErrConflict, "deletion %d is not planned", c.Number)
	}
	except, err := s.held(&d)
	if err != nil {
		return err
	}
	d.Except, d.Status, d.Begun, d.Matched = except, erasure.Running, c.Time, c.Matched
	numbers := s.TenantShards(d.Tenant)
	if d.Kind == erasure.OfTenant {
		numbers = s.Numbers() // also where it has been before
	}
	for _, number := range numbers {
		d.Shards = append(d.Shards, erasure.Shard{Number: number})
	}
	if len(d.Shards) > erasure.ShardsMax {
		return refuse(ErrRefused, "tenant %s has %d shards, a deletion goes through %d", d.Tenant, len(d.Shards), erasure.ShardsMax)
	}
	s.putDeletion(d)
	return nil
}

func (c NoteDeletion) check() error {
	if len(c.Detail) > erasure.TextMax || len(c.Shards) > erasure.ShardsMax {
		return refuse(ErrInvalid, "a note of %d bytes on %d shards", len(c.Detail), len(c.Shards))
	}
	return checkTime("time", c.Time)
}

func (c NoteDeletion) apply(s *State) error {
	d, there := s.Deletions[c.Number]
	if !there || d.Finished() {
		return refuse(ErrConflict, "deletion %d has ended", c.Number)
	}
	d.Shards = slices.Clone(d.Shards)
	for _, note := range c.Shards {
		at := slices.IndexFunc(d.Shards, func(known erasure.Shard) bool { return known.Number == note.Number })
		if at < 0 {
			return refuse(ErrConflict, "deletion %d does not go through shard %d", c.Number, note.Number)
		}
		d.Shards[at] = note
	}
	d.Detail = c.Detail
	if c.Status != "" {
		if d.Status = c.Status; d.Status == erasure.Planned || d.Status == erasure.Running {
			return refuse(ErrInvalid, "a deletion does not end as %s", c.Status)
		}
		d.Ended = c.Time
	}
	if err := checked(d.Check()); err != nil {
		return err
	}
	s.putDeletion(d)
	return nil
}

func (c CancelDeletion) check() error {
	return first(checkText("detail", c.Detail, erasure.TextMax), checkTime("time", c.Time))
}

func (c CancelDeletion) apply(s *State) error {
	d, there := s.Deletions[c.Number]
	switch {
	case !there:
		return refuse(ErrConflict, "deletion %d is not there", c.Number)
	case d.Status != erasure.Planned:
		return refuse(ErrRefused, "deletion %d is %s: what has begun is not taken back", c.Number, d.Status)
	}
	d.Status, d.Ended, d.Detail = erasure.Cancelled, c.Time, c.Detail
	s.putDeletion(d)
	return nil
}

func (c PutHold) check() error { return first(checked(c.Hold.Check()), checkTime("time", c.Time)) }

func (c PutHold) apply(s *State) error {
	hold := c.Hold
	if err := s.Readable(FormatDeletions, "legal holds"); err != nil {
		return err
	}
	if _, there := s.Holds[hold.ID]; there {
		return refuse(ErrConflict, "hold %s is there already", hold.ID)
	}
	if len(s.Holds) >= HoldsMax {
		return refuse(ErrRefused, "%d legal holds, the most there can be", len(s.Holds))
	}
	for _, d := range s.Deletions {
		if d.Status == erasure.Running && d.Tenant == hold.Tenant && d.Overlaps(hold.Span) {
			return refuse(ErrConflict, "deletion %d of the tenant is under way and cannot be held up; wait for its end", d.Number)
		}
	}
	hold.Created, hold.Version = c.Time, s.Index
	s.Holds = maps.Clone(s.Holds)
	if s.Holds == nil {
		s.Holds = map[string]erasure.Hold{}
	}
	s.Holds[hold.ID] = hold
	s.bytes += hold.Size()
	return nil
}

func (c DropHold) check() error { return checkTime("time", c.Time) }

func (c DropHold) apply(s *State) error {
	hold, there := s.Holds[c.ID]
	if !there {
		return refuse(ErrConflict, "hold %s is not there", shown(c.ID))
	}
	s.bytes -= hold.Size()
	s.Holds = maps.Clone(s.Holds)
	if delete(s.Holds, c.ID); len(s.Holds) == 0 {
		s.Holds = nil // as in a state that was read
	}
	return nil
}

func (c SetRetention) check() error {
	if err := c.Tenant.Validate(); err != nil {
		return refuse(ErrInvalid, "%v", err)
	}
	return first(checked(c.Retention.Check()), checkTime("time", c.Time))
}

func (c SetRetention) apply(s *State) error {
	old, there := s.Retention[c.Tenant]
	if err := s.Readable(FormatDeletions, "rules of retention"); err != nil {
		return err
	}
	switch {
	case c.If != 0 && old.Version != c.If:
		return refuse(ErrConflict, "the retention of tenant %s has changed", c.Tenant)
	case !there && len(s.Retention) >= TenantsMax:
		return refuse(ErrRefused, "%d tenants with rules of retention, the most there can be", len(s.Retention))
	}
	s.Retention = maps.Clone(s.Retention)
	if there {
		s.bytes -= old.Size()
		delete(s.Retention, c.Tenant)
	}
	if len(s.Retention) == 0 {
		s.Retention = nil
	}
	if len(c.Retention.Rules) == 0 {
		return nil
	}
	if s.Retention == nil {
		s.Retention = map[model.TenantID]erasure.Retention{}
	}
	fresh := c.Retention
	fresh.Version = s.Index
	s.bytes += fresh.Size()
	s.Retention[c.Tenant] = fresh
	return nil
}

func (c ForgetTenant) check() error {
	if err := c.Tenant.Validate(); err != nil || c.Tenant == model.DefaultTenant {
		return refuse(ErrInvalid, "tenant %q cannot be forgotten", shown(string(c.Tenant)))
	}
	return checkTime("time", c.Time)
}

func (c ForgetTenant) apply(s *State) error {
	d, there := s.Deletions[c.Number]
	if !there || d.Kind != erasure.OfTenant || d.Tenant != c.Tenant || d.Status != erasure.Running {
		return refuse(ErrConflict, "deletion %d does not remove tenant %s", c.Number, c.Tenant)
	}
	if account, there := s.Accounts[c.Tenant]; there {
		s.bytes -= account.Size()
		s.Accounts = maps.Clone(s.Accounts)
		delete(s.Accounts, c.Tenant)
	}
	s.Domains, s.Keys = maps.Clone(s.Domains), maps.Clone(s.Keys)
	for name, domain := range s.Domains {
		if domain.Tenant == c.Tenant {
			s.bytes -= domain.Size()
			delete(s.Domains, name)
		}
	}
	for id, key := range s.Keys {
		if key.Tenant == c.Tenant {
			s.bytes -= key.Size()
			delete(s.Keys, id)
		}
	}
	for _, query := range s.Queries[c.Tenant] {
		s.bytes -= query.size()
	}
	s.putQueries(c.Tenant, nil)
	s.forgetDocuments(c.Tenant)
	if patterns, there := s.Patterns[c.Tenant]; there {
		s.bytes -= patterns.size(c.Tenant)
		s.Patterns = maps.Clone(s.Patterns)
		delete(s.Patterns, c.Tenant)
	}
	if old, there := s.Retention[c.Tenant]; there {
		s.bytes -= old.Size()
		s.Retention = maps.Clone(s.Retention)
		if delete(s.Retention, c.Tenant); len(s.Retention) == 0 {
			s.Retention = nil
		}
	}
	d.Status, d.Ended, d.Detail = erasure.Done, c.Time, "the tenant has no record on any replica and is forgotten"
	s.putDeletion(d)
	return nil
}

// checkDeletions finds what no sequence of commands makes.
func (s *State) checkDeletions() error {
	if len(s.Deletions) > DeletionsMax+1 || len(s.Holds) > HoldsMax || len(s.Retention) > TenantsMax || s.NextDeletion > indexMax {
		return fmt.Errorf("%d deletions, %d holds, %d tenants with retention", len(s.Deletions), len(s.Holds), len(s.Retention))
	}
	for number, d := range s.Deletions {
		if d.Number != number || number == 0 || number > s.NextDeletion || d.Version == 0 || d.Version > s.Index {
			return fmt.Errorf("deletion %d of version %d at the place of %d", d.Number, d.Version, number)
		}
		if err := d.Check(); err != nil {
			return err
		}
	}
	for id, hold := range s.Holds {
		if err := hold.Check(); err != nil || hold.ID != id || hold.Version == 0 || hold.Version > s.Index {
			return errors.Join(fmt.Errorf("hold %q at the place of %q", hold.ID, id), err)
		}
	}
	for tenant, r := range s.Retention {
		if err := first(tenant.Validate(), r.Check()); err != nil || len(r.Rules) == 0 || r.Version == 0 || r.Version > s.Index {
			return errors.Join(fmt.Errorf("retention of tenant %q with %d rules", tenant, len(r.Rules)), err)
		}
	}
	return nil
}

// settleDeletions gives what was read the form that Apply gives it, and counts it.
func (s *State) settleDeletions() {
	for _, d := range s.Deletions {
		s.bytes += d.Size()
	}
	for _, hold := range s.Holds {
		s.bytes += hold.Size()
	}
	for _, r := range s.Retention {
		s.bytes += r.Size()
	}
}
