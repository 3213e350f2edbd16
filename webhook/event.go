package webhook

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/stere-log/stere/triage"
)

// AlertsShown is how many alerts an event tells of one by one.
const AlertsShown = 20

// Alert is one of those that an event tells of.
type Alert struct {
	Status string            `json:"status"` // firing, repeated, escalated or resolved
	Labels map[string]string `json:"labels,omitempty"`
	Value  float64           `json:"value"`
	Text   string            `json:"text,omitempty"`
	Since  int64             `json:"since"`
}

// Event is what is told.
type Event struct {
	Event    string   `json:"event"`
	Time     int64    `json:"time"` // Unix ns
	Tenant   string   `json:"tenant"`
	Status   string   `json:"status"` // firing or resolved
	Severity string   `json:"severity,omitempty"`
	Title    string   `json:"title"`
	Text     string   `json:"text,omitempty"`
	Rule     string   `json:"rule,omitempty"`
	Query    string   `json:"query,omitempty"` // finds the records
	From     int64    `json:"from,omitempty"`
	Until    int64    `json:"until,omitempty"`
	Incident string   `json:"incident,omitempty"`
	Tags     []string `json:"tags,omitempty"`
	Alerts   []Alert  `json:"alerts,omitempty"`
	More     int      `json:"more,omitempty"` // alerts that are not shown
	// Key is the same for everything about one thing, for receivers that join it.
	Key string `json:"key"`
	// Was is the severity that an incident had before, for receivers that know it by that.
	Was string `json:"was,omitempty"`
	// Repeat is how long after it, in ns, it is told again if it still fires; 0: it is not.
	Repeat int64 `json:"repeat,omitempty"`
}

// Forgotten is the event without anything that records or people have said.
func (e Event) Forgotten() Event {
	return Event{Event: e.Event, Time: e.Time, Tenant: e.Tenant, Status: e.Status, Severity: e.Severity, Title: "Incident " + e.Incident + " was removed", Rule: e.Rule, Incident: e.Incident, Key: e.Key}
}

func stamp(ns int64) string { return time.Unix(0, ns).UTC().Format(time.RFC3339Nano) }

func stampOrNone(ns int64) string {
	if ns == 0 {
		return ""
	}
	return stamp(ns)
}

// Render returns the body in the words of a template, for all but e-mail. Source is the
// name under which the sender is known.
func Render(e *Endpoint, event *Event, source string) ([]byte, error) {
	switch e.Template {
	case Generic:
		return encode(generic(event, source))
	case Slack:
		return encode(slack(event))
	case Teams:
		return encode(teams(event))
	case PagerDuty:
		return encode(pagerDuty(event, e.Key, source))
	case Alertmanager:
		return encode(alertmanager(event, source))
	case Ticket:
		return encode(ticket(event, source))
	case Jira:
		return encode(jira(event, e.Project))
	case GitHub:
		return encode(gitHub(event))
	}
	return nil, fmt.Errorf("template %q makes no body", e.Template)
}

func encode(body any) ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(body); err != nil {
		return nil, fmt.Errorf("render an event: %w", err)
	}
	return bytes.TrimSpace(out.Bytes()), nil
}

type object map[string]any

func generic(e *Event, source string) object {
	alerts := []object{}
	for _, a := range e.Alerts {
		alerts = append(alerts, object{"status": a.Status, "labels": a.Labels, "value": a.Value, "text": a.Text, "since": stamp(a.Since)})
	}
	return object{"event": e.Event, "type": e.Event, "timestamp": stamp(e.Time), "source": source, "data": object{
		"tenant": e.Tenant, "status": e.Status, "severity": e.Severity, "title": e.Title, "text": e.Text, "rule": e.Rule, "query": e.Query,
		"from": stampOrNone(e.From), "until": stampOrNone(e.Until), "incident": e.Incident, "tags": append([]string{}, e.Tags...), "alerts": alerts, "more": e.More, "key": e.Key,
	}}
}

// Lines are the alerts of an event for people, one a line.
func Lines(e *Event) []string {
	var out []string
	for _, a := range e.Alerts {
		var labels []string
		for _, field := range sortedKeys(a.Labels) {
			labels = append(labels, field+"="+a.Labels[field])
		}
		line := a.Status
		if len(labels) > 0 {
			line += " " + strings.Join(labels, " ")
		}
		line += fmt.Sprintf(": %.6g since %s", a.Value, stamp(a.Since))
		if a.Text != "" {
			line += " - " + a.Text
		}
		out = append(out, line)
	}
	if e.More > 0 {
		out = append(out, fmt.Sprintf("and %d more", e.More))
	}
	return out
}

// Subject is an event in one line.
func Subject(e *Event) string {
	return strings.ToUpper(e.Status) + " [" + e.Severity + "] " + e.Title
}

// facts are what is said of an event beside its lines, in their order.
func facts(e *Event) [][2]string {
	var out [][2]string
	for _, fact := range [][2]string{{"Tenant", e.Tenant}, {"Rule", e.Rule}, {"Severity", e.Severity}, {"Incident", e.Incident}, {"Query", e.Query}, {"From", stampOrNone(e.From)}, {"Until", stampOrNone(e.Until)}} {
		if fact[1] != "" {
			out = append(out, fact)
		}
	}
	return out
}

// escaped is a text that Slack shows as it is.
func escaped(text string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;").Replace(text)
}

func shortened(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return strings.ToValidUTF8(text[:most-3], "") + "..."
}

func slack(e *Event) object {
	fields := []object{}
	for _, fact := range facts(e) {
		fields = append(fields, object{"title": fact[0], "value": escaped(shortened(fact[1], 1000)), "short": len(fact[1]) < 40})
	}
	color := map[string]string{triage.Critical: "#a30200", triage.High: "#e01e5a", triage.Medium: "#ecb22e"}[e.Severity]
	switch {
	case e.Status == triage.Resolved:
		color = "#2eb67d"
	case color == "":
		color = "#439fe0"
	}
	text := escaped(shortened(strings.Join(append([]string{e.Text}, Lines(e)...), "\n"), 3000))
	return object{"text": escaped(Subject(e)), "attachments": []object{{"color": color, "fallback": escaped(Subject(e)), "text": strings.TrimSpace(text), "fields": fields, "ts": e.Time / int64(time.Second)}}}
}

// unlinked is a text in which Teams sees no link with a name of its own: what logs say is
// not to send anybody anywhere.
func unlinked(text string) string { return strings.ReplaceAll(text, "](", "] (") }

func teams(e *Event) object {
	list := []object{}
	for _, fact := range facts(e) {
		list = append(list, object{"title": fact[0], "value": unlinked(shortened(fact[1], 1000))})
	}
	body := []object{{"type": "TextBlock", "size": "Medium", "weight": "Bolder", "wrap": true, "text": unlinked(Subject(e))}}
	if e.Text != "" {
		body = append(body, object{"type": "TextBlock", "wrap": true, "text": unlinked(e.Text)})
	}
	for _, line := range Lines(e) {
		body = append(body, object{"type": "TextBlock", "wrap": true, "spacing": "None", "text": unlinked(shortened(line, 500))})
	}
	body = append(body, object{"type": "FactSet", "facts": list})
	card := object{"$schema": "http://adaptivecards.io/schemas/adaptive-card.json", "type": "AdaptiveCard", "version": "1.4", "body": body}
	return object{"type": "message", "attachments": []object{{"contentType": "application/vnd.microsoft.card.adaptive", "content": card}}}
}

// joining is a key as PagerDuty takes it: one that is too long ends with its hash.
func joining(key string) string {
	const most = 255
	if len(key) <= most {
		return key
	}
	sum := sha256.Sum256([]byte(key))
	end := hex.EncodeToString(sum[:16])
	return strings.ToValidUTF8(key[:most-len(end)], "") + end
}

func pagerDuty(e *Event, key, source string) object {
	severity := map[string]string{triage.Critical: "critical", triage.High: "error", triage.Medium: "warning", triage.Low: "info", triage.Info: "info"}[e.Severity]
	if severity == "" {
		severity = "warning"
	}
	out := object{"routing_key": key, "dedup_key": joining(e.Key), "event_action": "trigger"}
	if e.Status == triage.Resolved {
		out["event_action"] = "resolve"
		return out
	}
	out["payload"] = object{
		"summary": shortened(Subject(e), 1024), "source": source, "severity": severity, "timestamp": stamp(e.Time), "group": e.Tenant, "class": e.Event,
		"custom_details": object{"text": e.Text, "rule": e.Rule, "query": e.Query, "incident": e.Incident, "alerts": Lines(e)},
	}
	return out
}

// incidentFires is how long Alertmanager takes an incident for open of which it hears nothing.
const incidentFires = 30 * 24 * time.Hour

// fires is when an alert is over for Alertmanager, which takes it for over after five minutes
// if nobody says: when it must have heard of it again, even if that is as late as can be.
func (e *Event) fires() int64 {
	switch {
	case e.Event == triage.EventTest:
		return e.Time + int64(time.Minute)
	case e.Repeat == 0:
		return e.Time + int64(incidentFires)
	}
	return e.Time + e.Repeat + int64(GiveUpAfter)
}

// alertmanager is a body as Alertmanager's API takes it: a list of alerts. An alert is known
// by its labels, which are the same from its beginning to its end.
func alertmanager(e *Event, source string) []object {
	out := []object{}
	alerts := e.Alerts
	if len(alerts) == 0 {
		alerts = []Alert{{Status: e.Status, Since: e.Time}}
	}
	for _, a := range alerts {
		labels := map[string]string{"alertname": e.Rule, "severity": e.Severity, "tenant": e.Tenant, "event": e.Event}
		if e.Rule == "" {
			labels["alertname"] = e.Event
		}
		if len(e.Alerts) == 0 && e.Incident != "" {
			labels["event"], labels["incident"] = "incident", e.Incident
			labels["alertname"] = cmp.Or(e.Rule, "incident") // of no rule if a person opened it
		}
		for field, value := range a.Labels {
			labels["field_"+labelName(field)] = value
		}
		one := object{"labels": labels, "startsAt": stamp(a.Since), "annotations": object{
			"summary": e.Title, "description": strings.TrimSpace(e.Text + " " + a.Text), "value": fmt.Sprintf("%.6g", a.Value), "query": e.Query, "incident": e.Incident, "source": source}}
		if a.Status == triage.Resolves || a.Status == triage.Resolved {
			one["endsAt"] = stamp(e.Time)
		} else {
			one["endsAt"] = stamp(e.fires())
		}
		out = append(out, one)
		if len(e.Alerts) == 0 && e.Was != "" && e.Was != e.Severity {
			// What is open under the severity of before is over: it is another alert there.
			over := maps.Clone(one)
			over["labels"], over["endsAt"] = maps.Clone(labels), stamp(e.Time)
			over["labels"].(map[string]string)["severity"] = e.Was
			out = append(out, over)
		}
	}
	return out
}

// labelName makes a name of a label of the name of a field.
func labelName(field string) string {
	return strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || r == '_' {
			return r
		}
		return '_'
	}, field)
}
