package alert

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stere-log/stere/api/admin"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/triage"
)

// ruleBody is a rule in answers.
type ruleBody struct {
	triage.Rule
	Revision  int          `json:"revision"`
	By        string       `json:"changedBy,omitempty"`
	Changed   *time.Time   `json:"changedAt,omitempty"`
	Through   *time.Time   `json:"lookedAtUntil,omitempty"`
	Firing    int          `json:"firing"`
	Pending   int          `json:"pending"`
	Fired     uint64       `json:"fired"`
	Skipped   string       `json:"skipped,omitempty"` // how much time nobody looked at
	Error     string       `json:"error,omitempty"`
	Revisions []revision   `json:"revisions,omitempty"`
	Alerts    []alertShown `json:"alerts,omitempty"`
}

type revision struct {
	Revision int         `json:"revision"`
	By       string      `json:"changedBy,omitempty"`
	Changed  *time.Time  `json:"changedAt,omitempty"`
	Rule     triage.Rule `json:"rule"`
}

// alertShown is an alert in answers.
type alertShown struct {
	Rule      string            `json:"rule"`
	Name      string            `json:"name,omitempty"`
	Severity  string            `json:"severity"`
	State     string            `json:"state"`
	Labels    map[string]string `json:"labels,omitempty"`
	Value     float64           `json:"value"`
	Text      string            `json:"text,omitempty"`
	Since     *time.Time        `json:"since"`
	Fired     *time.Time        `json:"firedAt,omitempty"`
	Last      *time.Time        `json:"lastSeen"`
	Told      *time.Time        `json:"toldAt,omitempty"`
	Acked     string            `json:"acknowledgedBy,omitempty"`
	Incident  string            `json:"incident,omitempty"`
	Silenced  string            `json:"silencedBy,omitempty"`
	Inhibited string            `json:"inhibitedBy,omitempty"` // the rule that keeps it from being told
	Query     string            `json:"query,omitempty"`
}

// alertsOf returns the alerts of a rule, with what keeps them from being told: silences,
// and others of all rules.
func alertsOf(r *Rule, silences []triage.Silence, all []Rule, now int64) []alertShown {
	out := []alertShown{}
	for _, a := range r.State.Alerts {
		one := alertShown{
			Rule: r.ID, Name: r.Name, Severity: r.SeverityNow(), State: a.Phase(), Labels: r.Labels(a.Group), Value: a.Value, Text: r.When.Says(a.Value, a.Text), Since: admin.At(a.Since),
			Fired: admin.At(a.Fired), Last: admin.At(a.Last), Told: admin.At(a.Told), Acked: a.Acked, Incident: a.Incident, Query: r.When.Query,
		}
		for i := range silences {
			if silences[i].Covers(&r.Rule, a, now) {
				one.Silenced = silences[i].ID
			}
		}
		for i := range all {
			if triage.Inhibited(&r.Rule, a, &all[i].Rule, &all[i].State) {
				one.Inhibited = all[i].ID
			}
		}
		out = append(out, one)
	}
	slices.SortFunc(out, func(a, b alertShown) int {
		return strings.Compare(fmt.Sprint(a.Labels), fmt.Sprint(b.Labels))
	})
	return out
}

func (s *Service) shownRule(of model.TenantID, r *Rule, whole bool) ruleBody {
	out := ruleBody{Rule: r.Rule, Revision: r.Revision, By: r.By, Changed: admin.At(r.Changed), Through: admin.At(r.State.Through), Fired: r.State.Fired, Error: r.State.Error}
	for _, a := range r.State.Alerts {
		if a.Phase() == triage.Firing {
			out.Firing++
		} else {
			out.Pending++
		}
	}
	for _, id := range r.Webhooks() {
		if _, err := s.Desk.Webhook(of, id); err != nil && out.Error == "" {
			out.Error = err.Error() + ", which the rule is to tell"
		}
	}
	if out.Error == "" && !r.Builtin && !r.Disabled && tellsHooks(&r.Rule) && !s.Desk.Hooks(of) {
		out.Error = unheard
	}
	if r.State.Skipped > 0 {
		out.Skipped = triage.Duration(r.State.Skipped).String()
	}
	if whole {
		out.Alerts = alertsOf(r, s.Desk.Silences(of), s.Desk.Rules(of), s.Now().UnixNano())
		for _, e := range r.Earlier {
			out.Revisions = append(out.Revisions, revision{e.Revision, e.By, admin.At(e.Changed), e.Rule})
		}
	}
	return out
}

// unheard is what is wrong with a rule that tells webhooks where there are none.
const unheard = "its webhooks are told nothing, as the tenant has none in what is agreed with it, or they are switched off: a platform administrator can agree them " +
	"(stere admin tenant set TENANT --plan standard), an operator switch them on (enable-webhooks); or let the rule open an incident"

// tellsHooks reports whether a rule tells webhooks what it finds. Of a quota the tenant's
// contact is told, too.
func tellsHooks(r *triage.Rule) bool {
	return r.Event != triage.EventQuota && slices.ContainsFunc(r.Actions, func(a triage.Action) bool { return a.Notify || a.Webhook != "" || a.Ticket != "" })
}

// Rules lists the rules of the tenant, also those that are there from the start.
func (s *Service) Rules(_ context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	list := []ruleBody{}
	for _, one := range s.Desk.Rules(of) {
		list = append(list, s.shownRule(of, &one, false))
	}
	return admin.OK(list)
}

// Rule shows one, with its history and its alerts.
func (s *Service) Rule(_ context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	one, err := s.Desk.Rule(of, r.Name)
	if err != nil {
		return admin.Answer{}, err
	}
	return admin.OK(s.shownRule(of, &one, true))
}

// CreateRule saves a new rule, with replace also in place of the one that has its id.
func (s *Service) CreateRule(ctx context.Context, r admin.Request) (admin.Answer, error) {
	replace, err := choice(r, "replace", "true", "false")
	if err != nil {
		return admin.Answer{}, err
	}
	return s.saveRule(ctx, r, replace != "true", "")
}

// PutRule replaces the rule that the path names, or makes it.
func (s *Service) PutRule(ctx context.Context, r admin.Request) (admin.Answer, error) {
	return s.saveRule(ctx, r, false, r.Name)
}

func (s *Service) saveRule(ctx context.Context, r admin.Request, fresh bool, name string) (admin.Answer, error) {
	of := r.Principal.Tenant
	dry, err := choice(r, "dryRun", "true", "false")
	if err != nil {
		return admin.Answer{}, err
	}
	rule, err := triage.ParseRule(r.Body)
	if err != nil {
		return admin.Answer{}, invalid(err)
	}
	if name != "" && rule.ID != name {
		return admin.Answer{}, admin.Fault(admin.Invalid, "id", "%.64q, the path says %.64q", rule.ID, name)
	}
	if dry == "true" {
		return s.try(ctx, r, rule)
	}
	var before any
	if old, err := s.Desk.Rule(of, rule.ID); err == nil && !fresh {
		before = s.shownRule(of, &old, false)
	}
	saved, err := s.Desk.PutRule(ctx, of, rule, admin.Author(r.Principal), fresh)
	if err != nil {
		return admin.Answer{}, ruleFault(err)
	}
	status := http.StatusOK
	if saved.Revision == 1 {
		status = http.StatusCreated
	}
	return admin.Answer{Status: status, Body: s.shownRule(of, &saved, false), Before: before}, nil
}

// ruleFault is an error of a rule's queries as one of the request, else the error.
func ruleFault(err error) error {
	var f *triage.Fault
	if errors.As(err, &f) {
		return invalid(err)
	}
	return err
}

// SwitchRule switches the rule that the path names on or off.
func (s *Service) SwitchRule(ctx context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	var asked struct {
		Disabled *bool `json:"disabled"`
	}
	if err := admin.Decode(r.Body, &asked); err != nil {
		return admin.Answer{}, err
	}
	if asked.Disabled == nil {
		return admin.Answer{}, admin.Fault(admin.Invalid, "disabled", "is missing: true or false; everything else is changed with PUT")
	}
	old, err := s.Desk.Rule(of, r.Name)
	if err != nil {
		return admin.Answer{}, err
	}
	fresh := old.Rule
	fresh.Disabled = *asked.Disabled
	saved, err := s.Desk.PutRule(ctx, of, &fresh, admin.Author(r.Principal), false)
	if err != nil {
		return admin.Answer{}, ruleFault(err)
	}
	return admin.Answer{Status: http.StatusOK, Body: s.shownRule(of, &saved, false), Before: s.shownRule(of, &old, false)}, nil
}

// RollBack makes an earlier revision of the rule that the path names the newest: the one
// before, if none is named.
func (s *Service) RollBack(ctx context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	var asked struct {
		Revision int `json:"revision"`
	}
	if len(r.Body) > 0 {
		if err := admin.Decode(r.Body, &asked); err != nil {
			return admin.Answer{}, err
		}
	}
	old, err := s.Desk.Rule(of, r.Name)
	if err != nil {
		return admin.Answer{}, err
	}
	var kept []string
	at := -1
	for i, e := range old.Earlier {
		kept = append(kept, strconv.Itoa(e.Revision))
		if e.Revision == asked.Revision || asked.Revision == 0 && i == 0 {
			at = i
		}
	}
	switch {
	case len(kept) == 0:
		return admin.Answer{}, admin.Fault(admin.Refused, "", "of rule %s no earlier revision is kept", old.ID)
	case at < 0:
		return admin.Answer{}, admin.Fault(admin.Invalid, "revision", "%d is not kept, want one of %s", asked.Revision, strings.Join(kept, ", "))
	}
	saved, err := s.Desk.PutRule(ctx, of, &old.Earlier[at].Rule, admin.Author(r.Principal), false)
	if err != nil {
		return admin.Answer{}, ruleFault(err)
	}
	return admin.Answer{Status: http.StatusOK, Body: s.shownRule(of, &saved, false), Before: s.shownRule(of, &old, false)}, nil
}

// DropRule forgets the rule that the path names; one of the start is there again.
func (s *Service) DropRule(ctx context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	old, err := s.Desk.Rule(of, r.Name)
	if err != nil {
		return admin.Answer{}, err
	}
	if err := s.Desk.DropRule(ctx, of, r.Name); err != nil {
		return admin.Answer{}, err
	}
	return admin.Answer{Status: http.StatusOK, Body: s.shownRule(of, &old, false), Before: s.shownRule(of, &old, false), Gone: true}, nil
}

// trialBody is what a rule would have done.
type trialBody struct {
	DryRun  bool         `json:"dryRun"`
	Summary string       `json:"summary"`
	Rule    string       `json:"rule"`
	From    *time.Time   `json:"from"`
	To      *time.Time   `json:"to"`
	Windows int          `json:"windows"`
	Every   string       `json:"every"`
	Fired   int          `json:"fired"`
	Told    int          `json:"notifications"`
	Firings []firedShown `json:"firings"`
	Partial string       `json:"partial,omitempty"`
}

type firedShown struct {
	Labels map[string]string `json:"labels,omitempty"`
	From   *time.Time        `json:"from"`
	Until  *time.Time        `json:"until,omitempty"`
	Peak   float64           `json:"peak"`
	Text   string            `json:"text,omitempty"`
}

// TryRule says what the rule of the body would have done; TryStored what the one does that
// the path names.
func (s *Service) TryRule(ctx context.Context, r admin.Request) (admin.Answer, error) {
	rule, err := triage.ParseRule(r.Body)
	if err != nil {
		return admin.Answer{}, invalid(err)
	}
	return s.try(ctx, r, rule)
}

// TryStored says what the rule that the path names would have done.
func (s *Service) TryStored(ctx context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	rule, err := s.Desk.Rule(of, r.Name)
	if err != nil {
		return admin.Answer{}, err
	}
	return s.try(ctx, r, &rule.Rule)
}

func (s *Service) try(ctx context.Context, r admin.Request, rule *triage.Rule) (admin.Answer, error) {
	of := r.Principal.Tenant
	over, err := length("over", r.Param("over"), 30*24*time.Hour, 90*24*time.Hour)
	if err != nil {
		return admin.Answer{}, err
	}
	from, err := admin.Moment("from", r.Param("from"))
	if err != nil {
		return admin.Answer{}, err
	}
	to, err := admin.Moment("to", r.Param("to"))
	if err != nil {
		return admin.Answer{}, err
	}
	if to == 0 {
		to = s.Now().UnixNano()
	}
	if from == 0 {
		from = to - int64(over)
	}
	t, err := s.Desk.Try(ctx, of, rule, from, to)
	if err != nil {
		return admin.Answer{}, ruleFault(err)
	}
	out := trialBody{DryRun: true, Rule: rule.ID, From: admin.At(t.From), To: admin.At(t.To), Windows: t.Windows, Every: triage.Duration(t.Every).String(), Fired: t.Fired, Told: t.Told,
		Partial: t.Partial, Firings: []firedShown{}}
	out.Summary = fmt.Sprintf("would have fired %s in %s", times(t.Fired), triage.Duration((time.Duration(t.To - t.From)).Round(time.Second)))
	for _, f := range t.Alerts {
		out.Firings = append(out.Firings, firedShown{rule.Labels(f.Group), admin.At(f.From), admin.At(f.Until), f.Peak, rule.When.Says(f.Peak, f.Text)})
	}
	return admin.OK(out)
}

// times returns a number of times in words.
func times(n int) string {
	if n == 1 {
		return "once"
	}
	return fmt.Sprintf("%d times", n)
}

// Alerts lists what fires, or is about to.
func (s *Service) Alerts(_ context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	silences, now := s.Desk.Silences(of), s.Now().UnixNano()
	list, rules := []alertShown{}, s.Desk.Rules(of)
	for i := range rules {
		list = append(list, alertsOf(&rules[i], silences, rules, now)...)
	}
	order := triage.Severities()
	slices.SortStableFunc(list, func(a, b alertShown) int { return slices.Index(order, a.Severity) - slices.Index(order, b.Severity) })
	return admin.OK(list)
}

// Acknowledge says that somebody looks after alerts of the rule that the path names.
func (s *Service) Acknowledge(ctx context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	var asked struct {
		Labels map[string]string `json:"labels"`
	}
	if len(r.Body) > 0 {
		if err := admin.Decode(r.Body, &asked); err != nil {
			return admin.Answer{}, err
		}
	}
	rule, err := s.Desk.Rule(of, r.Name)
	if err != nil {
		return admin.Answer{}, err
	}
	if err := knownLabels(&rule.Rule, asked.Labels); err != nil {
		return admin.Answer{}, err
	}
	n, err := s.Desk.Acknowledge(ctx, of, r.Name, asked.Labels, admin.Author(r.Principal))
	if err != nil {
		return admin.Answer{}, err
	}
	return admin.OK(map[string]any{"rule": r.Name, "acknowledged": n})
}

// silenceBody is a silence in requests and answers.
type silenceBody struct {
	ID     string            `json:"id,omitempty"`
	Rule   string            `json:"rule,omitempty"`
	Labels map[string]string `json:"labels,omitempty"`
	From   string            `json:"from,omitempty"`
	Until  string            `json:"until,omitempty"`
	For    string            `json:"for,omitempty"`
	Reason string            `json:"reason"`
	By     string            `json:"by,omitempty"`
	Active bool              `json:"active"`
}

func shownSilence(s triage.Silence, now int64) silenceBody {
	return silenceBody{ID: s.ID, Rule: s.Rule, Labels: s.Group, From: admin.At(s.From).Format(time.RFC3339Nano), Until: admin.At(s.Until).Format(time.RFC3339Nano), Reason: s.Reason, By: s.By,
		Active: now >= s.From && now < s.Until}
}

// Silences lists them.
func (s *Service) Silences(_ context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	list := []silenceBody{}
	for _, one := range s.Desk.Silences(of) {
		list = append(list, shownSilence(one, s.Now().UnixNano()))
	}
	return admin.OK(list)
}

// CreateSilence makes one.
func (s *Service) CreateSilence(ctx context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	var asked silenceBody
	if err := admin.Decode(r.Body, &asked); err != nil {
		return admin.Answer{}, err
	}
	now := s.Now().UnixNano()
	one := triage.Silence{Rule: asked.Rule, Group: asked.Labels, Reason: asked.Reason, By: admin.Author(r.Principal)}
	var err error
	if one.From, err = admin.Moment("from", asked.From); err != nil {
		return admin.Answer{}, err
	}
	if one.From == 0 {
		one.From = now
	}
	if one.Until, err = admin.Moment("until", asked.Until); err != nil {
		return admin.Answer{}, err
	}
	if one.Until == 0 {
		over, err := length("for", asked.For, 2*time.Hour, 90*24*time.Hour)
		if err != nil {
			return admin.Answer{}, err
		}
		one.Until = one.From + int64(over)
	}
	switch {
	case one.Until <= one.From || one.Until <= now:
		return admin.Answer{}, admin.Fault(admin.Invalid, "until", "is not after from, or past")
	case len(asked.Reason) > 512 || asked.Reason == "":
		return admin.Answer{}, admin.Fault(admin.Invalid, "reason", "want 1 to 512 bytes")
	case len(asked.Labels) > triage.GroupFieldsMax:
		return admin.Answer{}, admin.Fault(admin.Invalid, "labels", "%d fields, want at most %d", len(asked.Labels), triage.GroupFieldsMax)
	}
	if one.Rule != "" {
		rule, err := s.Desk.Rule(of, one.Rule)
		if err != nil {
			return admin.Answer{}, err
		}
		if err := knownLabels(&rule.Rule, asked.Labels); err != nil {
			return admin.Answer{}, err
		}
	}
	if one, err = s.Desk.PutSilence(ctx, of, one); err != nil {
		return admin.Answer{}, err
	}
	return admin.Answer{Status: http.StatusCreated, Body: shownSilence(one, now)}, nil
}

// knownLabels refuses values of fields that alerts of a rule do not have: what waits for
// them waits in vain.
func knownLabels(rule *triage.Rule, labels map[string]string) error {
	var all admin.Faults
	for _, field := range slices.Sorted(maps.Keys(labels)) {
		if !slices.Contains(rule.Fields(), field) {
			all = append(all, admin.UnknownName(field, "field of alerts of rule "+rule.ID, rule.Fields())...)
			all[len(all)-1].Field = "labels." + field
		}
	}
	if all == nil {
		return nil
	}
	return all
}

// DropSilence ends the one that the path names.
func (s *Service) DropSilence(ctx context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	if err := s.Desk.DropSilence(ctx, of, r.Name); err != nil {
		return admin.Answer{}, err
	}
	return admin.Answer{Status: http.StatusOK, Body: map[string]any{"id": r.Name}, Gone: true}, nil
}
