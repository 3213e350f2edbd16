package admin

import (
	"context"
	"fmt"
	"io"
	"maps"
	"slices"
	"strings"
	"time"

	"github.com/stere-log/stere/client"
)

// Services is stere services.
type Services struct {
	List listServices `cmd:"" default:"withargs" help:"List registered services, and whether they answer."`
	Add  addService   `cmd:"" help:"Register a service, or replace the one that has the name."`
	Drop dropService  `cmd:"" help:"Forget a service."`
}

// Help teaches by example.
func (Services) Help() string {
	return `docs/webhooks.md says how services are looked at.

Examples:
  stere services add auth --at https://auth.example --capability health-check --capability logging
  stere services`
}

const servicesPath = "/integration/services"

// shownService is a service in answers.
type shownService struct {
	Name         string   `json:"serviceName"`
	URL          string   `json:"serviceUrl"`
	Version      string   `json:"version"`
	Capabilities []string `json:"capabilities"`
	Status       string   `json:"status"`
	Health       *struct {
		Error  string     `json:"error"`
		Since  *time.Time `json:"since"`
		P95    float64    `json:"p95Ms"`
		Uptime float64    `json:"uptimePercent"`
	} `json:"lastHealthCheck"`
}

func rowsOfServices(out io.Writer, list []shownService) {
	row(out, "NAME", "STATUS", "SINCE", "UPTIME %", "P95 MS", "VERSION", "CAPABILITIES", "URL", "TROUBLE")
	for _, s := range list {
		cells := []string{s.Name, s.Status, "", "", "", s.Version, strings.Join(s.Capabilities, ","), s.URL, ""}
		if h := s.Health; h != nil {
			cells[2], cells[3], cells[4], cells[8] = day(h.Since), fmt.Sprintf("%.2f", h.Uptime), fmt.Sprintf("%.0f", h.P95), h.Error
		}
		row(out, cells...)
	}
}

type listServices struct {
	Remote
}

// Run lists services.
func (l *listServices) Run(w World) error {
	type list struct {
		Services map[string]shownService `json:"services"`
	}
	return run(w, l.Remote, func(ctx context.Context, c *client.Client) (list, error) {
		return ask[list](ctx, c, "GET", servicesPath, nil)
	}, func(out io.Writer, got list) {
		var sorted []shownService
		for _, name := range slices.Sorted(maps.Keys(got.Services)) {
			sorted = append(sorted, got.Services[name])
		}
		rowsOfServices(out, sorted)
	})
}

type addService struct {
	Remote
	Name       string   `arg:"" help:"a-z, 0-9, '.', '_' and '-'."`
	At         string   `name:"at" required:"" help:"Where it is." placeholder:"URL"`
	Health     string   `help:"The path that says how it is (default /health)." placeholder:"PATH"`
	Version    string   `help:"Its version." placeholder:"TEXT"`
	Capability []string `help:"What it can: health-check, logging and others." placeholder:"NAME"`
	KeyFile    string   `type:"existingfile" help:"The key that it wants to see." placeholder:"FILE"`
}

// Run registers a service.
func (a *addService) Run(w World) error {
	body := map[string]any{"serviceName": a.Name, "serviceUrl": a.At, "version": a.Version, "capabilities": a.Capability, "healthEndpoint": a.Health}
	if a.KeyFile != "" {
		key, err := secretOf(a.KeyFile)
		if err != nil {
			return err
		}
		body["apiKey"] = key
	}
	return askOne(w, a.Remote, "POST", servicesPath, body, rowsOfServices)
}

type dropService struct {
	Remote
	Name string `arg:"" help:"The service."`
}

// Run forgets a service.
func (d *dropService) Run(w World) error {
	return askDrop(w, d.Remote, servicesPath+"/", d.Name)
}

// Silences is stere triage silences.
type Silences struct {
	List listSilences `cmd:"" default:"withargs" help:"List silences."`
	Add  addSilence   `cmd:"" help:"Tell nobody of some alerts for a while."`
	Drop dropSilence  `cmd:"" help:"End a silence."`
}

const silencesPath = "/triage/silences"

// shownSilence is a silence in answers.
type shownSilence struct {
	ID     string            `json:"id"`
	Rule   string            `json:"rule"`
	Labels map[string]string `json:"labels"`
	From   *time.Time        `json:"from"`
	Until  *time.Time        `json:"until"`
	Reason string            `json:"reason"`
	By     string            `json:"by"`
	Active bool              `json:"active"`
}

func rowsOfSilences(out io.Writer, list []shownSilence) {
	row(out, "ID", "ACTIVE", "FROM", "UNTIL", "RULE", "OF", "BY", "REASON")
	for _, s := range list {
		of := ""
		if len(s.Labels) > 0 {
			of = labelsOf(s.Labels)
		}
		row(out, s.ID, fmt.Sprint(s.Active), day(s.From), day(s.Until), s.Rule, of, s.By, s.Reason)
	}
}

type listSilences struct {
	Remote
}

// Run lists silences.
func (l *listSilences) Run(w World) error {
	return askList(w, l.Remote, silencesPath, rowsOfSilences)
}

type addSilence struct {
	Remote
	Reason string            `required:"" help:"Why." placeholder:"TEXT"`
	Rule   string            `help:"Only of this rule." placeholder:"RULE"`
	Of     map[string]string `help:"Only of alerts with these values." placeholder:"FIELD=VALUE"`
	For    string            `default:"2h" help:"How long (default 2h)." placeholder:"LENGTH"`
	From   string            `help:"From when on (default now)." placeholder:"TIME"`
}

// Run makes a silence.
func (a *addSilence) Run(w World) error {
	body := map[string]any{"reason": a.Reason, "rule": a.Rule, "labels": a.Of, "for": a.For, "from": a.From}
	return askOne(w, a.Remote, "POST", silencesPath, body, rowsOfSilences)
}

type dropSilence struct {
	Remote
	ID string `arg:"" help:"The silence."`
}

// Run ends a silence.
func (d *dropSilence) Run(w World) error {
	return askDrop(w, d.Remote, silencesPath+"/", d.ID)
}
