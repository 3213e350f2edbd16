package webhook

import (
	"net/http"
	"slices"
	"strings"

	"github.com/stere-log/stere/triage"
)

// Tickets reports whether what goes there opens tickets: it is told once of what fires, and
// neither reminded nor told of the end, as each of that would open one more.
func (e *Endpoint) Tickets() bool { return ticketing(e.Template) }

// Opens reports whether whoever hears of an event there opens something for it, which
// somebody has to close: an alert and its incident are one event then.
func (e *Endpoint) Opens() bool { return e.Tickets() || e.Template == PagerDuty }

// ticketing reports whether a template opens tickets.
func ticketing(template string) bool {
	return slices.Contains([]string{Ticket, Jira, GitHub}, template)
}

// authorize says who we are, to those who want to know: a token, or all of the header.
func (e *Endpoint) authorize(header http.Header) {
	if !e.Tickets() || e.Key == "" {
		return
	}
	value := e.Key
	if !strings.Contains(value, " ") {
		value = "Bearer " + value
	}
	header.Set("Authorization", value)
}

// Limits of tickets.
const (
	ticketTitleMax = 250 // Jira takes 255
	ticketBodyMax  = 30 << 10
	ticketLabelMax = 50 // GitHub's
)

// ticketOf says what a ticket has, whoever keeps it.
func ticketOf(e *Event) (title, body string, labels []string) {
	title = shortened(printable("["+e.Severity+"] "+e.Title), ticketTitleMax)
	var lines []string
	if e.Text != "" {
		lines = append(lines, e.Text, "")
	}
	lines = append(lines, Lines(e)...)
	lines = append(lines, "")
	for _, fact := range facts(e) {
		lines = append(lines, fact[0]+": "+fact[1])
	}
	body = shortened(strings.TrimSpace(strings.Join(lines, "\n")), ticketBodyMax)
	for _, label := range append([]string{"stere", e.Severity, e.Rule}, e.Tags...) {
		if label != "" && len(label) <= ticketLabelMax && !slices.Contains(labels, label) {
			labels = append(labels, label)
		}
	}
	return title, body, labels
}

// priority is how urgent a severity is, in the words of Jira's default scheme.
func priority(severity string) string {
	words := []string{"Highest", "High", "Medium", "Low", "Lowest"} // as triage.Severities
	if at := slices.Index(triage.Severities(), severity); at >= 0 {
		return words[at]
	}
	return words[2]
}

func ticket(e *Event, source string) object {
	title, body, labels := ticketOf(e)
	return object{"title": title, "body": body, "labels": labels, "priority": strings.ToLower(priority(e.Severity)), "severity": e.Severity, "key": e.Key, "incident": e.Incident,
		"rule": e.Rule, "tenant": e.Tenant, "timestamp": stamp(e.Time), "source": source}
}

// jira is a body as POST /rest/api/2/issue takes it.
func jira(e *Event, project string) object {
	title, body, labels := ticketOf(e)
	return object{"fields": object{"project": object{"key": project}, "issuetype": object{"name": "Task"}, "summary": title, "description": body, "labels": labels,
		"priority": object{"name": priority(e.Severity)}}}
}

// gitHub is a body as POST /repos/{owner}/{repo}/issues takes it.
func gitHub(e *Event) object {
	title, body, labels := ticketOf(e)
	return object{"title": title, "body": "```\n" + strings.ReplaceAll(body, "```", "'''") + "\n```", "labels": append(labels, "priority:"+strings.ToLower(priority(e.Severity)))}
}
