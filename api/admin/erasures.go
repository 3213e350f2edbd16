package admin

import (
	"context"
	"net/http"
	"reflect"
	"strconv"
	"strings"
	"time"

	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/auth"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/erasure"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/derived"
)

// Erasures is what the cluster agrees on of the removal of records. Whoever changes it
// is to be in the audit trail: every change goes through one of its methods.
type Erasures interface {
	Deletions() []erasure.Deletion // newest first
	Holds() []erasure.Hold
	RetentionOf(tenant model.TenantID) erasure.Retention
	AddDeletion(ctx context.Context, d erasure.Deletion) (erasure.Deletion, error)
	CancelDeletion(ctx context.Context, number uint64, detail string) (erasure.Deletion, error)
	PutHold(ctx context.Context, hold erasure.Hold) (erasure.Hold, error)
	DropHold(ctx context.Context, id string) error
	// SetRetention replaces the rules, if they are those of r.Version; 0: whatever
	// they are.
	SetRetention(ctx context.Context, tenant model.TenantID, r erasure.Retention) error
	// Estimate counts what a deletion would remove, Due returns what rules would.
	Estimate(ctx context.Context, d erasure.Deletion) (Estimate, error)
	Due(ctx context.Context, tenant model.TenantID, r erasure.Retention) ([]erasure.Deletion, error)
}

// Estimate is what a deletion would remove.
type Estimate struct {
	Records uint64
	Bytes   int64 // about
	Held    []Held
}

// Held is what a hold keeps of it.
type Held struct {
	Hold, Reason string
	Records      uint64
}

// erasures returns what there is of it, an error if nothing.
func (s *Service) erasures() (Erasures, error) {
	if s.Erasures == nil {
		return nil, Fault(Unknown, "", "this node removes no records")
	}
	return s.Erasures, nil
}

// whole reports whether who asks administers a tenant, and sees all of it: a query by
// which something is deleted or held tells of records, and undoing it concerns all.
func whole(p auth.Principal, tenant model.TenantID) bool {
	return administers(p, tenant) && p.Restriction == ""
}

// of returns the tenant that a request is about: the one it names, else that of who
// asks, who must administer it.
func of(p auth.Principal, name string) (model.TenantID, error) {
	tenant := model.TenantID(name)
	if tenant == "" {
		tenant = p.Tenant
	}
	if tenant.Validate() != nil || !whole(p, tenant) || auth.Reserved(tenant) && !all(p) {
		return "", Fault(Forbidden, "tenant", "only who administers tenant %.64q as a whole removes its records", name)
	}
	return tenant, nil
}

// Moment reads a time of a request: RFC 3339, or Unix milliseconds. "" is none.
func Moment(field, text string) (int64, error) {
	if text == "" {
		return 0, nil
	}
	if ms, err := strconv.ParseInt(text, 10, 64); err == nil && ms >= millisMin && ms < 1<<42 {
		return ms * int64(time.Millisecond), nil
	}
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Year() < 1700 || t.Year() > 2200 {
		return 0, Fault(Invalid, field, "%.40q is no time, want one such as 2026-01-31T12:00:00Z or Unix milliseconds", text)
	}
	if t.UnixNano() == 0 {
		return 0, Fault(Invalid, field, "%.40q stands for no bound, want a time beside it", text)
	}
	return t.UnixNano(), nil
}

// millisMin is the least number that is read as milliseconds: smaller ones are seconds,
// or days written without signs, and as milliseconds of 1970 they would bound nothing.
const millisMin = 100_000_000_000 // in 1973

func span(from, to string) (s erasure.Span, err error) {
	if s.From, err = Moment("from", from); err == nil {
		s.To, err = Moment("to", to)
	}
	return s, err
}

// condition checks a query by which records are chosen.
func (s *Service) condition(text string) error {
	if text == "" {
		return nil
	}
	e, err := query.Condition(text, s.Now().UnixNano())
	if err != nil {
		return Fault(Invalid, "query", "%v", err)
	}
	// What is deleted or held is what is stored. A search would show other records: for
	// NOT attack:* all but attacks, where a deletion would take the attacks too.
	if name := derived.OnlyMade(e); name != "" {
		return Fault(Invalid, "query", "%s is not stored, but made of other fields when somebody asks: name fields that records came with, or words of their messages", name)
	}
	return nil
}

// moves reports whether which records a query chooses depends on when it is asked. A
// hold by such a query would let go, day by day, of what it is to keep.
func (s *Service) moves(text string) bool {
	now := s.Now()
	today, _ := query.Condition(text, now.UnixNano())
	later, _ := query.Condition(text, now.AddDate(1, 1, 1).Add(time.Hour+time.Minute+time.Second).UnixNano())
	return text != "" && !reflect.DeepEqual(today, later)
}

// shown returns a deletion as answers have it.
func shown(d erasure.Deletion) v1.Deletion {
	out := v1.Deletion{
		ID: strconv.FormatUint(d.Number, 10), Kind: string(d.Kind), Tenant: string(d.Tenant), Query: d.Query, From: At(d.From), To: At(d.To), Rule: d.Rule,
		Reason: d.Reason, By: d.By, Status: string(d.Status), Detail: d.Detail, Created: At(d.Created), Begun: At(d.Begun), Ended: At(d.Ended),
	}
	for _, e := range d.Except {
		out.Holds = append(out.Holds, e.Hold)
	}
	for _, one := range d.Shards {
		out.Records += one.Rows
		out.Rewritten += one.Rewritten
		out.Dropped += one.Dropped
		out.Bytes += one.Bytes
		if one.Gone {
			out.ShardsDone++
		}
		out.Shards = append(out.Shards, v1.DeletionShard{Shard: one.Number, Index: one.Index, Gone: one.Gone, Before: one.Before, Left: one.Left, Replicas: one.Checked,
			Records: one.Rows, Rewritten: one.Rewritten, Dropped: one.Dropped, Bytes: one.Bytes})
	}
	return out
}

// lists reports whether a list that is asked for has what belongs to a tenant.
func lists(r Request, tenant model.TenantID) bool {
	return whole(r.Principal, tenant) && (r.Tenant == "" || r.Tenant == string(tenant))
}

// Deletions lists those of the tenants that who asks administers, newest first.
func (s *Service) Deletions(_ context.Context, r Request) (Answer, error) {
	kept, err := s.erasures()
	if err != nil {
		return Answer{}, err
	}
	return list(kept.Deletions(), func(d erasure.Deletion) bool { return lists(r, d.Tenant) }, shown)
}

// found returns the deletion that the path names.
func (s *Service) found(r Request) (erasure.Deletion, error) {
	kept, err := s.erasures()
	if err != nil {
		return erasure.Deletion{}, err
	}
	for _, d := range kept.Deletions() {
		if strconv.FormatUint(d.Number, 10) == r.Name && whole(r.Principal, d.Tenant) {
			return d, nil
		}
	}
	return erasure.Deletion{}, Fault(Unknown, "", "there is no deletion %.20q", r.Name)
}

// Deletion shows one.
func (s *Service) Deletion(_ context.Context, r Request) (Answer, error) {
	return show(r, s.found, shown)
}

// CreateDeletion plans one, or says what it would remove.
func (s *Service) CreateDeletion(ctx context.Context, r Request) (Answer, error) {
	kept, err := s.erasures()
	if err != nil {
		return Answer{}, err
	}
	var asked v1.DeletionRequest
	if err := Decode(r.Body, &asked); err != nil {
		return Answer{}, err
	}
	d := erasure.Deletion{Kind: erasure.ByQuery, Query: asked.Query, Reason: asked.Reason, By: Author(r.Principal), Status: erasure.Planned}
	if d.Tenant, err = of(r.Principal, asked.Tenant); err != nil {
		return Answer{}, err
	}
	if auth.Reserved(d.Tenant) {
		return Answer{}, Fault(Forbidden, "tenant", "what tenant %s has is the cluster's own, and goes by its age only", d.Tenant)
	}
	if d.Span, err = span(asked.From, asked.To); err != nil {
		return Answer{}, err
	}
	if err := s.condition(d.Query); err != nil {
		return Answer{}, err
	}
	if d.Query == "" && d.Span == (erasure.Span{}) && !asked.All {
		return Answer{}, Fault(Invalid, "query", "neither a query nor times: that is every record of the tenant, which all=true says")
	}
	if err := d.Check(); err != nil {
		return Answer{}, Fault(Invalid, "body", "%v", err)
	}
	if asked.DryRun {
		return s.estimate(ctx, d)
	}
	if asked.Reason == "" {
		return Answer{}, Fault(Invalid, "reason", "is missing")
	}
	if d, err = kept.AddDeletion(ctx, d); err != nil {
		return Answer{}, err
	}
	return Answer{Status: http.StatusAccepted, Body: shown(d)}, nil
}

func (s *Service) estimate(ctx context.Context, d erasure.Deletion) (Answer, error) {
	e, err := s.Erasures.Estimate(ctx, d)
	if err != nil {
		return Answer{}, err
	}
	out := v1.DeletionEstimate{DryRun: true, Tenant: string(d.Tenant), Query: d.Query, From: At(d.From), To: At(d.To), Rule: d.Rule, Records: e.Records, Bytes: e.Bytes}
	for _, held := range e.Held {
		out.Held = append(out.Held, v1.DeletionHeld{Hold: held.Hold, Reason: held.Reason, Records: held.Records})
	}
	return OK(out)
}

// CancelDeletion cancels one that has not begun.
func (s *Service) CancelDeletion(ctx context.Context, r Request) (Answer, error) {
	d, err := s.found(r)
	if err != nil {
		return Answer{}, err
	}
	if d.Kind != erasure.ByQuery && !all(r.Principal) {
		return Answer{}, Fault(Forbidden, "", "only a platform administrator cancels what a rule or the removal of a tenant deletes")
	}
	before := shown(d)
	if d, err = s.Erasures.CancelDeletion(ctx, d.Number, "by "+Author(r.Principal)); err != nil {
		return Answer{}, err
	}
	return Answer{Status: http.StatusOK, Body: shown(d), Before: before}, nil
}

func shownHold(h erasure.Hold) v1.Hold {
	return v1.Hold{ID: h.ID, Tenant: string(h.Tenant), Query: h.Query, From: At(h.From), To: At(h.To), Reason: h.Reason, By: h.By, Created: At(h.Created)}
}

// Holds lists legal holds.
func (s *Service) Holds(_ context.Context, r Request) (Answer, error) {
	kept, err := s.erasures()
	if err != nil {
		return Answer{}, err
	}
	return list(kept.Holds(), func(hold erasure.Hold) bool { return lists(r, hold.Tenant) }, shownHold)
}

// CreateHold makes one.
func (s *Service) CreateHold(ctx context.Context, r Request) (Answer, error) {
	kept, err := s.erasures()
	if err != nil {
		return Answer{}, err
	}
	var asked v1.HoldRequest
	if err := Decode(r.Body, &asked); err != nil {
		return Answer{}, err
	}
	hold := erasure.Hold{ID: asked.ID, Tenant: model.TenantID(asked.Tenant), Query: asked.Query, Reason: asked.Reason, By: Author(r.Principal)}
	if hold.Span, err = span(asked.From, asked.To); err != nil {
		return Answer{}, err
	}
	if err := s.condition(hold.Query); err != nil {
		return Answer{}, err
	}
	if s.moves(hold.Query) {
		return Answer{}, Fault(Invalid, "query", "the records of a hold must not depend on the time of day: give times as from and to")
	}
	if err := hold.Check(); err != nil {
		return Answer{}, Fault(Invalid, "body", "%v", err)
	}
	if hold, err = kept.PutHold(ctx, hold); err != nil {
		return Answer{}, err
	}
	return Answer{Status: http.StatusCreated, Body: shownHold(hold)}, nil
}

// DropHold lifts the hold that the path names; the reason is kept in the log of who
// administers what.
func (s *Service) DropHold(ctx context.Context, r Request) (Answer, error) {
	kept, err := s.erasures()
	if err != nil {
		return Answer{}, err
	}
	for _, hold := range kept.Holds() {
		if hold.ID == r.Name {
			if err := kept.DropHold(ctx, hold.ID); err != nil {
				return Answer{}, err
			}
			return Answer{Status: http.StatusOK, Body: shownHold(hold), Before: shownHold(hold), Gone: true}, nil
		}
	}
	return Answer{}, Fault(Unknown, "", "there is no hold %.64q", r.Name)
}

func shownRules(tenant model.TenantID, r erasure.Retention) v1.Retention {
	out := v1.Retention{Tenant: string(tenant), Rules: []v1.RetentionRule{}}
	for _, rule := range r.Rules {
		one := v1.RetentionRule{Name: rule.Name, Match: rule.Match, Bytes: rule.Bytes}
		if rule.Keep > 0 {
			one.Keep = length(rule.Keep)
		}
		out.Rules = append(out.Rules, one)
	}
	return out
}

// Retention shows the rules of the tenant that the path names.
func (s *Service) Retention(_ context.Context, r Request) (Answer, error) {
	kept, err := s.erasures()
	if err != nil {
		return Answer{}, err
	}
	tenant, err := of(r.Principal, r.Name)
	if err != nil {
		return Answer{}, Fault(Unknown, "", "there is no tenant %.64q", r.Name)
	}
	return OK(shownRules(tenant, kept.RetentionOf(tenant)))
}

// keep reads how long something is kept: 30d, or as Go writes lengths of time.
func keep(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	if days, err := strconv.Atoi(text[:len(text)-1]); err == nil && text[len(text)-1] == 'd' && days > 0 && days <= 36_500 {
		return time.Duration(days) * 24 * time.Hour, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil || d <= 0 {
		return 0, Fault(Invalid, "keep", "%.40q is no length of time, want one such as 30d or 12h", text)
	}
	return d, nil
}

// length is what keep reads, in days if it is some.
func length(d time.Duration) string {
	const day = 24 * time.Hour
	if d%day == 0 {
		return strconv.Itoa(int(d/day)) + "d"
	}
	text := d.String()
	for _, none := range []string{"m0s", "h0m"} {
		if short, is := strings.CutSuffix(text, none); is {
			text = short + none[:1]
		}
	}
	return text
}

// SetRetention replaces the rules of the tenant that the path names, or says what they
// would remove now.
func (s *Service) SetRetention(ctx context.Context, r Request) (Answer, error) {
	kept, err := s.erasures()
	if err != nil {
		return Answer{}, err
	}
	tenant, err := of(r.Principal, r.Name)
	if err != nil {
		return Answer{}, Fault(Unknown, "", "there is no tenant %.64q", r.Name)
	}
	var asked v1.RetentionRequest
	if err := Decode(r.Body, &asked); err != nil {
		return Answer{}, err
	}
	before := kept.RetentionOf(tenant)
	fresh := erasure.Retention{Version: before.Version}
	for _, rule := range asked.Rules {
		one := erasure.Rule{Name: rule.Name, Match: rule.Match, Bytes: rule.Bytes}
		if auth.Reserved(tenant) && one.Match != "" {
			return Answer{}, Fault(Forbidden, "match", "what tenant %s has is the cluster's own, and goes by its age only", tenant)
		}
		if one.Keep, err = keep(rule.Keep); err != nil {
			return Answer{}, err
		}
		if err := s.condition(one.Match); err != nil {
			return Answer{}, err
		}
		fresh.Rules = append(fresh.Rules, one)
	}
	if err := fresh.Check(); err != nil {
		return Answer{}, Fault(Invalid, "rules", "%v", err)
	}
	if asked.DryRun {
		return s.due(ctx, tenant, fresh)
	}
	if err := kept.SetRetention(ctx, tenant, fresh); err != nil {
		return Answer{}, err
	}
	return Answer{Status: http.StatusOK, Body: shownRules(tenant, fresh), Before: shownRules(tenant, before)}, nil
}

// due says what rules would remove now.
func (s *Service) due(ctx context.Context, tenant model.TenantID, rules erasure.Retention) (Answer, error) {
	due, err := s.Erasures.Due(ctx, tenant, rules)
	if err != nil {
		return Answer{}, err
	}
	out := v1.RetentionEstimate{DryRun: true, Tenant: string(tenant), Removes: []v1.DeletionEstimate{}}
	for _, d := range due {
		answer, err := s.estimate(ctx, d)
		if err != nil {
			return Answer{}, err
		}
		out.Removes = append(out.Removes, answer.Body.(v1.DeletionEstimate))
	}
	return OK(out)
}
