package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/stere-log/stere/client"
)

// Triage is stere triage.
type Triage struct {
	Rules     Rules     `cmd:"" help:"Rules: what of the records is worth telling."`
	Alerts    alerts    `cmd:"" help:"What fires, or is about to."`
	Ack       ack       `cmd:"" help:"Say that you look after what fires: no reminders, no escalations."`
	Incidents Incidents `cmd:"" help:"Incidents: what somebody has to look after."`
	Silences  Silences  `cmd:"" help:"Silences: what nobody is told of for a while."`
}

// Help teaches by example.
func (Triage) Help() string {
	return `docs/triage.md has the form of rules.

Examples:
  stere triage rules test brute-force.yaml --over 30d
  stere triage rules save brute-force.yaml
  stere triage rules disable business_event
  stere triage rules rollback brute-force
  stere triage alerts
  stere triage ack database_error --of component=db
  stere triage silences add --reason 'work on the database' --rule database_error --for 3h
  stere triage incidents list --state open
  stere triage incidents change inc-1790000000-brute-force --state acknowledged --owner kim`
}

// Rules is stere triage rules.
type Rules struct {
	List     listRules  `cmd:"" help:"List rules, with those that are there from the start."`
	Show     showRule   `cmd:"" help:"Show a rule, its alerts and its revisions, as JSON."`
	Test     testRule   `cmd:"" help:"Say what a rule would have done with what is stored."`
	Save     saveRule   `cmd:"" help:"Make a rule, or replace it."`
	Rollback rollBack   `cmd:"" help:"Make an earlier revision of a rule the newest."`
	Enable   enableRule `cmd:"" help:"Switch a rule on."`
	Disable  offRule    `cmd:"" help:"Switch a rule off."`
	Drop     dropRule   `cmd:"" help:"Forget a rule; one of the start is as it was."`
}

const rulesPath = "/triage/rules"

// shownRule is a rule in answers.
type shownRule struct {
	ID       string     `json:"id"`
	Name     string     `json:"name"`
	Severity string     `json:"severity"`
	Disabled bool       `json:"disabled"`
	Builtin  bool       `json:"builtin"`
	Revision int        `json:"revision"`
	Firing   int        `json:"firing"`
	Fired    uint64     `json:"fired"`
	Through  *time.Time `json:"lookedAtUntil"`
	Error    string     `json:"error"`
}

func rowsOfRules(out io.Writer, rules []shownRule) {
	row(out, "ID", "SEVERITY", "STATE", "FIRING", "FIRED", "LOOKED AT UNTIL", "NAME", "ERROR")
	for _, r := range rules {
		state := "on"
		if r.Disabled {
			state = "off"
		}
		row(out, r.ID, r.Severity, state, fmt.Sprint(r.Firing), fmt.Sprint(r.Fired), day(r.Through), r.Name, r.Error)
	}
}

type listRules struct {
	Remote
}

// Run lists rules.
func (l *listRules) Run(w World) error {
	return askList(w, l.Remote, rulesPath, rowsOfRules)
}

type showRule struct {
	Remote
	ID string `arg:"" help:"The rule."`
}

// Run shows a rule.
func (s *showRule) Run(w World) error {
	return askJSON(w, s.Remote, rulesPath+"/"+url.PathEscape(s.ID))
}

// ruleText reads the file of a rule.
func ruleText(file string) ([]byte, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return nil, fmt.Errorf("read the rule: %w", err)
	}
	return text, nil
}

type testRule struct {
	Remote
	Rule string `arg:"" help:"A file with a rule, or the id of a saved one."`
	Over string `default:"30d" help:"How far back (default 30d)." placeholder:"LENGTH"`
	From string `help:"From this time on, instead of over." placeholder:"TIME"`
	To   string `help:"Up to this time (default now)." placeholder:"TIME"`
}

// trial is what a rule would have done.
type trial struct {
	Summary string
	Fired   int
	Told    int `json:"notifications"`
	Windows int
	Every   string
	Partial string
	Firings []struct {
		Labels map[string]string
		From   *time.Time
		Until  *time.Time
		Peak   float64
		Text   string
	}
}

// Run tries a rule.
func (t *testRule) Run(w World) error {
	path, body := "/triage/test", []byte(nil)
	if text, err := ruleText(t.Rule); err == nil {
		body = text
	} else if strings.ContainsAny(t.Rule, "/\\") || !errors.Is(err, os.ErrNotExist) {
		return err
	} else {
		path = rulesPath + "/" + url.PathEscape(t.Rule) + "/test"
	}
	return run(w, t.Remote, func(ctx context.Context, c *client.Client) (trial, error) {
		return ask[trial](ctx, c, "POST", path+"?"+url.Values{"over": {t.Over}, "from": {t.From}, "to": {t.To}}.Encode(), body)
	}, func(out io.Writer, got trial) {
		fmt.Fprintf(out, "%s; notifications: %d (%d windows, one every %s)\n", got.Summary, got.Told, got.Windows, got.Every)
		if got.Partial != "" {
			fmt.Fprintln(out, got.Partial)
		}
		if len(got.Firings) > 0 {
			row(out, "FROM", "UNTIL", "PEAK", "OF", "TEXT")
		}
		for _, f := range got.Firings {
			row(out, day(f.From), day(f.Until), fmt.Sprintf("%.6g", f.Peak), labelsOf(f.Labels), f.Text)
		}
	})
}

func labelsOf(labels map[string]string) string {
	text := strings.TrimPrefix(fmt.Sprint(labels), "map")
	return strings.Trim(text, "[]")
}

type saveRule struct {
	Remote
	File string `arg:"" type:"existingfile" help:"YAML or JSON, see docs/triage.md."`
	New  bool   `help:"Only if there is no rule of this id."`
}

// Run saves a rule.
func (s *saveRule) Run(w World) error {
	text, err := ruleText(s.File)
	if err != nil {
		return err
	}
	return askOne(w, s.Remote, "POST", fmt.Sprint(rulesPath, "?replace=", !s.New), text, rowsOfRules)
}

type rollBack struct {
	Remote
	ID string `arg:"" help:"The rule."`
	To int    `help:"The revision (default: the one before)." placeholder:"N"`
}

// Run makes an earlier revision the newest.
func (r *rollBack) Run(w World) error {
	return askOne(w, r.Remote, "POST", rulesPath+"/"+url.PathEscape(r.ID)+"/rollback", map[string]int{"revision": r.To}, rowsOfRules)
}

type enableRule struct {
	Remote
	ID string `arg:"" help:"The rule."`
}

// Run switches a rule on.
func (e *enableRule) Run(w World) error { return switchRule(w, e.Remote, e.ID, false) }

type offRule struct {
	Remote
	ID string `arg:"" help:"The rule."`
}

// Run switches a rule off.
func (o *offRule) Run(w World) error { return switchRule(w, o.Remote, o.ID, true) }

func switchRule(w World, r Remote, id string, disabled bool) error {
	return askOne(w, r, "PATCH", rulesPath+"/"+url.PathEscape(id), map[string]bool{"disabled": disabled}, rowsOfRules)
}

type dropRule struct {
	Remote
	ID string `arg:"" help:"The rule."`
}

// Run forgets a rule.
func (d *dropRule) Run(w World) error {
	return askDrop(w, d.Remote, rulesPath+"/", d.ID)
}

type alerts struct {
	Remote
}

type shownAlert struct {
	Rule      string            `json:"rule"`
	Severity  string            `json:"severity"`
	State     string            `json:"state"`
	Labels    map[string]string `json:"labels"`
	Value     float64           `json:"value"`
	Text      string            `json:"text"`
	Since     *time.Time        `json:"since"`
	Acked     string            `json:"acknowledgedBy"`
	Silenced  string            `json:"silencedBy"`
	Inhibited string            `json:"inhibitedBy"`
	Incident  string            `json:"incident"`
}

// Run lists alerts.
func (a *alerts) Run(w World) error {
	return run(w, a.Remote, func(ctx context.Context, c *client.Client) ([]shownAlert, error) {
		return ask[[]shownAlert](ctx, c, "GET", "/triage/alerts", nil)
	}, func(out io.Writer, list []shownAlert) {
		row(out, "SEVERITY", "STATE", "RULE", "OF", "VALUE", "SINCE", "ACKNOWLEDGED", "SILENCED", "INHIBITED", "INCIDENT", "TEXT")
		for _, a := range list {
			row(out, a.Severity, a.State, a.Rule, labelsOf(a.Labels), fmt.Sprintf("%.6g", a.Value), day(a.Since), a.Acked, a.Silenced, a.Inhibited, a.Incident, a.Text)
		}
	})
}

type ack struct {
	Remote
	Rule string            `arg:"" help:"The rule."`
	Of   map[string]string `help:"Only alerts with these values." placeholder:"FIELD=VALUE"`
}

// Run acknowledges alerts.
func (a *ack) Run(w World) error {
	type acked struct {
		Rule string `json:"rule"`
		N    int    `json:"acknowledged"`
	}
	body := map[string]any{"labels": a.Of}
	return run(w, a.Remote, func(ctx context.Context, c *client.Client) (acked, error) {
		return ask[acked](ctx, c, "POST", rulesPath+"/"+url.PathEscape(a.Rule)+"/acknowledge", body)
	}, func(out io.Writer, got acked) { row(out, "acknowledged", fmt.Sprint(got.N), "of", got.Rule) })
}

// Incidents is stere triage incidents.
type Incidents struct {
	List   listIncidents  `cmd:"" default:"withargs" help:"List incidents, the newest first."`
	Show   showIncident   `cmd:"" help:"Show one with its evidence, as JSON."`
	Open   openIncident   `cmd:"" help:"Open one by hand."`
	Change changeIncident `cmd:"" help:"Change state, owner or severity, or add a note."`
	Drop   dropIncident   `cmd:"" help:"Forget an incident with the records that it has kept."`
}

type listIncidents struct {
	Remote
	State string `help:"Only these: open, acknowledged, mitigated or closed." placeholder:"STATE"`
	Class string `help:"Only of this class." placeholder:"CLASS"`
}

type shownIncident struct {
	ID       string     `json:"id"`
	Title    string     `json:"title"`
	Class    string     `json:"class"`
	Severity string     `json:"severity"`
	State    string     `json:"state"`
	Owner    string     `json:"owner"`
	Opened   *time.Time `json:"openedAt"`
	Firing   int        `json:"firing"`
}

func rowsOfIncidents(out io.Writer, list []shownIncident) {
	row(out, "ID", "SEVERITY", "STATE", "CLASS", "FIRING", "OPENED", "OWNER", "TITLE")
	for _, i := range list {
		row(out, i.ID, i.Severity, i.State, i.Class, fmt.Sprint(i.Firing), day(i.Opened), i.Owner, i.Title)
	}
}

// Run lists incidents.
func (l *listIncidents) Run(w World) error {
	return askList(w, l.Remote, "/triage/incidents?"+url.Values{"state": {l.State}, "class": {l.Class}}.Encode(), rowsOfIncidents)
}

type showIncident struct {
	Remote
	ID string `arg:"" help:"The incident."`
}

// Run shows an incident.
func (s *showIncident) Run(w World) error {
	return askJSON(w, s.Remote, "/triage/incidents/"+url.PathEscape(s.ID))
}

type openIncident struct {
	Remote
	Title    string `arg:"" help:"What happened."`
	Class    string `help:"Its class, such as security (default other)." placeholder:"CLASS"`
	Severity string `default:"medium" help:"critical, high, medium, low or info (default medium)." placeholder:"SEVERITY"`
	Owner    string `help:"Who looks after it." placeholder:"NAME"`
	Note     string `help:"What is to be remembered." placeholder:"TEXT"`
	Query    string `help:"Keeps records that satisfy it as evidence." placeholder:"QUERY"`
	From     string `help:"Of records from this time on (default an hour before)." placeholder:"TIME"`
	Until    string `help:"Of records up to this time (default now)." placeholder:"TIME"`
}

// Run opens an incident.
func (o *openIncident) Run(w World) error {
	body := map[string]string{"title": o.Title, "class": o.Class, "severity": o.Severity, "note": o.Note, "query": o.Query, "from": o.From, "until": o.Until}
	if o.Owner != "" {
		body["owner"] = o.Owner
	}
	return askOne(w, o.Remote, "POST", "/triage/incidents", body, rowsOfIncidents)
}

type changeIncident struct {
	Remote
	ID       string `arg:"" help:"The incident."`
	State    string `help:"open, acknowledged, mitigated or closed." placeholder:"STATE"`
	Owner    string `help:"Who looks after it." placeholder:"NAME"`
	Severity string `help:"critical, high, medium, low or info." placeholder:"SEVERITY"`
	Note     string `help:"What is to be remembered." placeholder:"TEXT"`
}

// Run changes an incident.
func (i *changeIncident) Run(w World) error {
	body := map[string]string{}
	for name, value := range map[string]string{"state": i.State, "owner": i.Owner, "severity": i.Severity, "note": i.Note} {
		if value != "" {
			body[name] = value
		}
	}
	return askOne(w, i.Remote, "PATCH", "/triage/incidents/"+url.PathEscape(i.ID), body, rowsOfIncidents)
}

type dropIncident struct {
	Remote
	ID string `arg:"" help:"The incident."`
}

// Run forgets an incident.
func (i *dropIncident) Run(w World) error {
	return askDrop(w, i.Remote, "/triage/incidents/", i.ID)
}
