package meaning

import (
	"strings"

	"github.com/mileusna/useragent"
)

// agentMax is how much of a user agent is looked at.
const agentMax = 512

// Agent is what a user agent says of itself.
type Agent struct {
	Name, Version      string
	OS, OSVersion      string
	Device, DeviceKind string // the kind is desktop, mobile, tablet or bot
}

// AgentText returns what is looked at of a user agent.
func AgentText(text string) string { return text[:min(len(text), agentMax)] }

// AgentOf takes a user agent apart. Clients write what they like, so whatever the parser
// stumbles over is no agent.
func AgentOf(text string) (agent Agent) {
	if text == "" {
		return Agent{}
	}
	defer func() {
		if recover() != nil {
			agent = Agent{}
		}
	}()
	parsed := useragent.Parse(AgentText(text))
	agent = Agent{Name: parsed.Name, Version: parsed.Version, OS: parsed.OS, OSVersion: parsed.OSVersion, Device: parsed.Device}
	switch {
	case parsed.Bot:
		agent.DeviceKind = "bot"
	case parsed.Tablet:
		agent.DeviceKind = "tablet"
	case parsed.Mobile:
		agent.DeviceKind = "mobile"
	case parsed.Desktop:
		agent.DeviceKind = "desktop"
	}
	return agent
}

// Request is what a line of an access log says of a request.
type Request struct{ Method, Status, Agent string }

// RequestOf reads a line of an access log in one of the usual forms: a request in quotes,
// the status, and perhaps the referrer and the user agent in quotes. ok is false if it is
// none; of its outline HasStatus is true.
func RequestOf(line string) (request Request, ok bool) {
	at := strings.Index(line, " HTTP/")
	if at < 0 || requestStatus(line[at:]) == 0 {
		return Request{}, false
	}
	open := strings.LastIndexByte(line[:at], '"')
	if open < 0 {
		return Request{}, false
	}
	method, _, _ := strings.Cut(line[open+1:at], " ")
	if len(method) < 3 || len(method) > len("PROPPATCH") || strings.Trim(method, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") != "" {
		return Request{}, false
	}
	request.Method = method
	rest := line[at+len(" HTTP/"):]
	end := strings.IndexByte(rest, '"')
	request.Status = rest[end+2 : end+5]
	rest = rest[end+5:]
	// What is in quotes after it: referrer, agent.
	for n := range 2 {
		open := strings.IndexByte(rest, '"')
		if open < 0 {
			break
		}
		rest = rest[open+1:]
		end := strings.IndexByte(rest, '"')
		if end < 0 {
			break
		}
		if n == 1 && rest[:end] != "-" {
			request.Agent = rest[:end]
		}
		rest = rest[end+1:]
	}
	return request, true
}
