package triage

import (
	"fmt"
	"slices"
	"strings"
)

// Limits of incidents.
const (
	EvidenceMax     = 20
	EvidenceTextMax = 1024
	TimelineMax     = 200
	EntitiesMax     = 50
	NoteMax         = 2048
)

// The states of an incident.
const (
	Open         = "open"
	Acknowledged = "acknowledged"
	Mitigated    = "mitigated"
	Closed       = "closed"
)

// Evidence is a record that an incident is about, with its text: it is here also when the
// record is not kept any more.
type Evidence struct {
	Record string `json:"record"` // its id
	Time   int64  `json:"time"`
	Text   string `json:"text"` // as JSON
}

// Entry is something that happened to an incident.
type Entry struct {
	At   int64  `json:"at"`
	Kind string `json:"kind"` // opened, firing, resolved, escalated, state, owner, severity, note, evidence
	By   string `json:"by,omitempty"`
	Text string `json:"text,omitempty"`
}

// Incident is something that somebody has to look after.
type Incident struct {
	ID       string            `json:"id"`
	Title    string            `json:"title"`
	Class    string            `json:"class"`
	Severity string            `json:"severity"`
	Worst    string            `json:"worst,omitempty"` // that it had, if that is not what it has: who heard of it then hears the rest
	State    string            `json:"state"`
	Owner    string            `json:"owner,omitempty"`
	Rule     string            `json:"rule,omitempty"`
	Tags     []string          `json:"tags,omitempty"`
	Entities map[string]string `json:"entities,omitempty"`
	Query    string            `json:"query,omitempty"` // finds its records
	From     int64             `json:"from"`            // of the times that it is about, Unix ns
	Until    int64             `json:"until"`
	Opened   int64             `json:"opened"`
	Closed   int64             `json:"closed,omitempty"`
	Firing   int               `json:"firing"` // alerts that fire yet
	Evidence []Evidence        `json:"evidence,omitempty"`
	Timeline []Entry           `json:"timeline"`
}

// IncidentChange is what somebody changes of an incident; nil stays.
type IncidentChange struct {
	State    *string
	Owner    *string
	Severity *string
	Title    *string
	Note     string
}

// Note writes an entry; of too many the oldest after the first go.
func (i *Incident) Note(e Entry) {
	e.Text = strings.ToValidUTF8(e.Text[:min(len(e.Text), NoteMax)], "")
	i.Timeline = append(slices.Clone(i.Timeline), e)
	if len(i.Timeline) > TimelineMax {
		i.Timeline = slices.Delete(i.Timeline, 1, 2)
	}
}

// Attach adds evidence that is not there yet.
func (i *Incident) Attach(all ...Evidence) (added int) {
	i.Evidence = slices.Clone(i.Evidence)
	for _, e := range all {
		known := slices.ContainsFunc(i.Evidence, func(k Evidence) bool { return k.Record == e.Record })
		if known || len(i.Evidence) >= EvidenceMax {
			continue
		}
		if len(e.Text) > EvidenceTextMax {
			e.Text = strings.ToValidUTF8(e.Text[:EvidenceTextMax], "") + "..."
		}
		i.Evidence = append(i.Evidence, e)
		added++
	}
	return added
}

// Heard is the worst severity that the incident had.
func (i *Incident) Heard() string { return worst(i.Worst, i.Severity) }

// worst is the worse of two severities.
func worst(a, b string) string {
	order := Severities()
	if at := slices.Index(order, a); at >= 0 && at < slices.Index(order, b) {
		return a
	}
	return b
}

// next are the states after each.
func next(state string) []string {
	switch state {
	case Open:
		return []string{Acknowledged, Mitigated, Closed}
	case Acknowledged:
		return []string{Mitigated, Closed, Open}
	case Mitigated:
		return []string{Closed, Open, Acknowledged}
	case Closed:
		return []string{Open}
	}
	return nil
}

func orNone(value string) string {
	if value == "" {
		return "none"
	}
	return value
}

// Change makes changes of somebody, all or none.
func (i *Incident) Change(c IncidentChange, by string, now int64) error {
	var f Checks
	f.Add(c.State == nil && c.Owner == nil && c.Severity == nil && c.Title == nil && c.Note == "", "body", "changes nothing: want state, owner, severity, title or note")
	if c.State != nil && *c.State != i.State {
		f.Add(!slices.Contains(next(i.State), *c.State), "state", "%.20q cannot follow %s, want one of %s", *c.State, i.State, strings.Join(next(i.State), ", "))
	}
	if c.Severity != nil {
		f.severity("severity", *c.Severity)
	}
	f.Add(c.Owner != nil && len(*c.Owner) > nameMax*2, "owner", "is too long, want at most %d bytes", nameMax*2)
	f.Add(c.Title != nil && (len(*c.Title) > 256 || *c.Title == ""), "title", "want 1 to 256 bytes")
	f.Add(len(c.Note) > NoteMax, "note", "%d bytes, want at most %d", len(c.Note), NoteMax)
	if err := f.Err(); err != nil {
		return err
	}
	set := func(kind string, field *string, value *string) {
		if value != nil && *value != *field {
			i.Note(Entry{At: now, Kind: kind, By: by, Text: fmt.Sprintf("%s -> %s", orNone(*field), orNone(*value))})
			*field = *value
		}
	}
	before := i.State
	set("state", &i.State, c.State)
	set("owner", &i.Owner, c.Owner)
	set("severity", &i.Severity, c.Severity)
	set("title", &i.Title, c.Title)
	if i.State != before {
		if i.Closed = 0; i.State == Closed {
			i.Closed = now
		}
	}
	if c.Note != "" {
		i.Note(Entry{At: now, Kind: "note", By: by, Text: c.Note})
	}
	return nil
}
