package alert

import (
	"context"
	"encoding/json"
	"net/http"
	"strconv"
	"time"

	"github.com/stere-log/stere/api/admin"
	"github.com/stere-log/stere/triage"
)

const incidentsShown = 100

// incidentBody is an incident in answers.
type incidentBody struct {
	ID       string            `json:"id"`
	Title    string            `json:"title"`
	Class    string            `json:"class"`
	Severity string            `json:"severity"`
	State    string            `json:"state"`
	Owner    string            `json:"owner,omitempty"`
	Rule     string            `json:"rule,omitempty"`
	Tags     []string          `json:"tags,omitempty"`
	Entities map[string]string `json:"entities,omitempty"`
	Query    string            `json:"query,omitempty"`
	From     *time.Time        `json:"from,omitempty"`
	Until    *time.Time        `json:"until,omitempty"`
	Opened   *time.Time        `json:"openedAt"`
	Closed   *time.Time        `json:"closedAt,omitempty"`
	Firing   int               `json:"firing"`
	Evidence []evidenceShown   `json:"evidence,omitempty"`
	Timeline []entryShown      `json:"timeline,omitempty"`
}

type evidenceShown struct {
	Record string     `json:"recordId"`
	Time   *time.Time `json:"timestamp"`
	Log    any        `json:"log"` // the record, or its beginning as text
}

type entryShown struct {
	At   *time.Time `json:"at"`
	Kind string     `json:"kind"`
	By   string     `json:"by,omitempty"`
	Text string     `json:"text,omitempty"`
}

func shownIncident(i *triage.Incident, whole bool) incidentBody {
	out := incidentBody{ID: i.ID, Title: i.Title, Class: i.Class, Severity: i.Severity, State: i.State, Owner: i.Owner, Rule: i.Rule, Tags: i.Tags, Entities: i.Entities, Query: i.Query,
		From: admin.At(i.From), Until: admin.At(i.Until), Opened: admin.At(i.Opened), Closed: admin.At(i.Closed), Firing: i.Firing}
	if !whole {
		return out
	}
	for _, e := range i.Evidence {
		one := evidenceShown{Record: e.Record, Time: admin.At(e.Time), Log: e.Text}
		if json.Valid([]byte(e.Text)) {
			one.Log = json.RawMessage(e.Text)
		}
		out.Evidence = append(out.Evidence, one)
	}
	for _, e := range i.Timeline {
		out.Timeline = append(out.Timeline, entryShown{admin.At(e.At), e.Kind, e.By, e.Text})
	}
	return out
}

// Incidents lists them, the newest first, perhaps of one state or class.
func (s *Service) Incidents(_ context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	most := incidentsShown
	if text := r.Param("limit"); text != "" {
		var err error
		if most, err = strconv.Atoi(text); err != nil || most < 1 || most > 1000 {
			return admin.Answer{}, admin.Fault(admin.Invalid, "limit", "%.20q, want 1 to 1000", text)
		}
	}
	state, err := choice(r, "state", triage.Open, triage.Acknowledged, triage.Mitigated, triage.Closed)
	if err != nil {
		return admin.Answer{}, err
	}
	list, class := []incidentBody{}, r.Param("class")
	for _, i := range s.Desk.Incidents(of) {
		if len(list) < most && (state == "" || state == i.State) && (class == "" || class == i.Class) {
			list = append(list, shownIncident(&i, false))
		}
	}
	return admin.OK(list)
}

// Incident shows the one that the path names.
func (s *Service) Incident(_ context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	for _, i := range s.Desk.Incidents(of) {
		if i.ID == r.Name {
			return admin.OK(shownIncident(&i, true))
		}
	}
	return admin.Answer{}, admin.Fault(admin.Unknown, "", "there is no incident %.64q", r.Name)
}

// incidentRequest opens or changes an incident.
type incidentRequest struct {
	Title    *string           `json:"title"`
	Class    string            `json:"class"`
	Severity *string           `json:"severity"`
	State    *string           `json:"state"`
	Owner    *string           `json:"owner"`
	Note     string            `json:"note"`
	Entities map[string]string `json:"entities"`
	// Query finds records that are kept as evidence, of the times from and until.
	Query string `json:"query"`
	From  string `json:"from"`
	Until string `json:"until"`
}

// evidence returns the records that a request wants to keep.
func (s *Service) evidence(ctx context.Context, r admin.Request, asked *incidentRequest) (found []triage.Evidence, from, until int64, err error) {
	if asked.Query == "" {
		return nil, 0, 0, nil
	}
	if from, err = admin.Moment("from", asked.From); err != nil {
		return nil, 0, 0, err
	}
	if until, err = admin.Moment("until", asked.Until); err != nil {
		return nil, 0, 0, err
	}
	if until == 0 {
		until = s.Now().UnixNano()
	}
	if from == 0 {
		from = until - int64(time.Hour)
	}
	if from >= until {
		return nil, 0, 0, admin.Fault(admin.Invalid, "from", "is not before until")
	}
	if found, err = s.Desk.Evidence(ctx, r.Principal.Tenant, asked.Query, from, until); err != nil {
		return nil, 0, 0, ruleFault(err)
	}
	return found, from, until, nil
}

// OpenIncident opens one by hand.
func (s *Service) OpenIncident(ctx context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	var asked incidentRequest
	if err := admin.Decode(r.Body, &asked); err != nil {
		return admin.Answer{}, err
	}
	if asked.Title == nil || asked.State != nil {
		return admin.Answer{}, admin.Fault(admin.Invalid, "title", "is missing, or there is a state: a new incident is open")
	}
	if asked.Class == "" {
		asked.Class = "other"
	}
	if !triage.ValidID(asked.Class) || len(asked.Entities) > triage.EntitiesMax {
		return admin.Answer{}, admin.Fault(admin.Invalid, "class", "%.64q, want for example security or availability, and at most %d entities", asked.Class, triage.EntitiesMax)
	}
	found, from, until, err := s.evidence(ctx, r, &asked)
	if err != nil {
		return admin.Answer{}, err
	}
	now, by := s.Now().UnixNano(), admin.Author(r.Principal)
	i := triage.Incident{Class: asked.Class, Severity: triage.Medium, State: triage.Open, Entities: asked.Entities, Query: asked.Query, From: from, Until: until, Opened: now,
		Timeline: []triage.Entry{{At: now, Kind: "opened", By: by}}}
	if err := i.Change(triage.IncidentChange{Title: asked.Title, Severity: asked.Severity, Owner: asked.Owner, Note: asked.Note}, by, now); err != nil {
		return admin.Answer{}, invalid(err)
	}
	i.Attach(found...)
	if i, err = s.Desk.OpenIncident(ctx, of, i); err != nil {
		return admin.Answer{}, err
	}
	return admin.Answer{Status: http.StatusCreated, Body: shownIncident(&i, true), Noted: shownIncident(&i, false)}, nil
}

// ChangeIncident changes state, owner, severity or title of the one that the path names,
// adds a note, or keeps records as evidence.
func (s *Service) ChangeIncident(ctx context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	var asked incidentRequest
	if err := admin.Decode(r.Body, &asked); err != nil {
		return admin.Answer{}, err
	}
	if asked.Class != "" || asked.Entities != nil {
		return admin.Answer{}, admin.Fault(admin.Invalid, "class", "class and entities of an incident stay")
	}
	found, _, _, err := s.evidence(ctx, r, &asked)
	if err != nil {
		return admin.Answer{}, err
	}
	by := admin.Author(r.Principal)
	before, after, err := s.Desk.ChangeIncident(ctx, of, r.Name, func(i *triage.Incident) error {
		now := s.Now().UnixNano()
		if added := i.Attach(found...); added > 0 {
			i.Note(triage.Entry{At: now, Kind: "evidence", By: by, Text: strconv.Itoa(added) + " records of " + asked.Query})
		} else if asked.Query != "" {
			return admin.Fault(admin.Invalid, "query", "finds no record that is not kept already, or there is no place for more than %d", triage.EvidenceMax)
		}
		change := triage.IncidentChange{State: asked.State, Owner: asked.Owner, Severity: asked.Severity, Title: asked.Title, Note: asked.Note}
		if change == (triage.IncidentChange{}) && asked.Query != "" {
			return nil
		}
		return invalid(i.Change(change, by, now))
	})
	if err != nil {
		return admin.Answer{}, err
	}
	return admin.Answer{Status: http.StatusOK, Body: shownIncident(&after, true), Before: shownIncident(&before, false), Noted: shownIncident(&after, false)}, nil
}

// DropIncident forgets the one that the path names, with the records that it has kept.
func (s *Service) DropIncident(ctx context.Context, r admin.Request) (admin.Answer, error) {
	of := r.Principal.Tenant
	gone, err := s.Desk.DropIncident(ctx, of, r.Name)
	if err != nil {
		return admin.Answer{}, err
	}
	// What has gone is not to be in the audit trail: entities and titles may be what a
	// person wanted to be forgotten.
	return admin.Answer{Status: http.StatusOK, Body: map[string]any{"id": gone.ID}, Before: map[string]any{"id": gone.ID, "rule": gone.Rule, "state": gone.State}, Gone: true}, nil
}
