package admin

import (
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"
)

// Lookup is stere lookup.
type Lookup struct {
	List listLookups `cmd:"" help:"List lookup tables."`
	Show showLookup  `cmd:"" help:"Show a table, as JSON."`
	Put  putLookup   `cmd:"" help:"Store a table, in place of one of the name."`
	Drop dropLookup  `cmd:"" help:"Forget a table."`
}

// Help teaches by example.
func (Lookup) Help() string {
	return `Examples:
  stere lookup put teams teams.csv             the first column is the key
  stere lookup put hosts hosts.json --key host
  stere query '* | lookup teams on component | stats count() by (team)'`
}

const lookupsPath = "/lookups"

// shownLookup is a table in answers.
type shownLookup struct {
	Name    string     `json:"name"`
	Columns []string   `json:"columns"`
	Rows    int        `json:"rows"`
	Bytes   int        `json:"bytes"`
	By      string     `json:"changedBy"`
	Changed *time.Time `json:"changedAt"`
}

func rowsOfLookups(out io.Writer, list []shownLookup) {
	row(out, "NAME", "ROWS", "BYTES", "CHANGED", "BY", "COLUMNS")
	for _, l := range list {
		row(out, l.Name, fmt.Sprint(l.Rows), fmt.Sprint(l.Bytes), day(l.Changed), l.By, strings.Join(l.Columns, ", "))
	}
}

type listLookups struct {
	Remote
}

// Run lists tables.
func (l *listLookups) Run(w World) error {
	return askList(w, l.Remote, lookupsPath, rowsOfLookups)
}

type showLookup struct {
	Remote
	Name string `arg:"" help:"The table."`
}

// Run shows a table.
func (s *showLookup) Run(w World) error {
	return askJSON(w, s.Remote, lookupsPath+"/"+url.PathEscape(s.Name))
}

type putLookup struct {
	Remote
	Name string `arg:"" help:"The table."`
	File string `arg:"" type:"existingfile" help:"CSV with the names of the columns in the first line, or JSON: a list of objects."`
	Key  string `help:"The column that is looked up; default: the first one." placeholder:"COLUMN"`
}

// Run stores a table.
func (p *putLookup) Run(w World) error {
	text, err := os.ReadFile(p.File)
	if err != nil {
		return fmt.Errorf("read the table: %w", err)
	}
	path := lookupsPath + "/" + url.PathEscape(p.Name)
	if p.Key != "" {
		path += "?key=" + url.QueryEscape(p.Key)
	}
	return askOne(w, p.Remote, "PUT", path, text, rowsOfLookups)
}

type dropLookup struct {
	Remote
	Name string `arg:"" help:"The table."`
}

// Run forgets a table.
func (d *dropLookup) Run(w World) error {
	return askDrop(w, d.Remote, lookupsPath+"/", d.Name)
}

// Deploy is stere deploy.
type Deploy struct {
	List listDeploys `cmd:"" help:"List what was put into service, the newest first."`
	Mark markDeploy  `cmd:"" help:"Say that something was put into service."`
	Drop dropDeploy  `cmd:"" help:"Forget that something was."`
}

// Help teaches by example.
func (Deploy) Help() string {
	return `What is not as it was within half an hour after a deployment says so, see docs/insights.md.

Examples:
  stere deploy mark payment 1.4.2
  stere deploy mark web 7 --environment production --time 2026-01-31T10:00:00Z`
}

const deploysPath = "/analytics/deploys"

// shownDeploy is a deployment in answers.
type shownDeploy struct {
	ID          string     `json:"id"`
	Service     string     `json:"service"`
	Version     string     `json:"version"`
	Environment string     `json:"environment"`
	Note        string     `json:"note"`
	Time        *time.Time `json:"time"`
	By          string     `json:"by"`
}

func rowsOfDeploys(out io.Writer, list []shownDeploy) {
	row(out, "ID", "TIME", "SERVICE", "VERSION", "ENVIRONMENT", "BY", "NOTE")
	for _, d := range list {
		row(out, d.ID, day(d.Time), d.Service, d.Version, d.Environment, d.By, d.Note)
	}
}

type listDeploys struct {
	Remote
}

// Run lists deployments.
func (l *listDeploys) Run(w World) error {
	return askList(w, l.Remote, deploysPath, rowsOfDeploys)
}

type markDeploy struct {
	Remote
	Service     string `arg:"" help:"What was put into service, as the component of its records."`
	Version     string `arg:"" optional:"" help:"Its version."`
	Environment string `help:"Where." placeholder:"NAME"`
	Note        string `help:"For people." placeholder:"TEXT"`
	Time        string `help:"When, RFC 3339; default: now." placeholder:"TIME"`
}

// Run notes a deployment.
func (m *markDeploy) Run(w World) error {
	body := map[string]string{"service": m.Service, "version": m.Version, "environment": m.Environment, "note": m.Note}
	if m.Time != "" {
		if _, err := time.Parse(time.RFC3339, m.Time); err != nil {
			return w.Usage(fmt.Errorf("--time %q, want for example 2026-01-31T10:00:00Z", m.Time))
		}
		body["time"] = m.Time
	}
	return askOne(w, m.Remote, "POST", deploysPath, body, rowsOfDeploys)
}

type dropDeploy struct {
	Remote
	ID string `arg:"" help:"Its id."`
}

// Run forgets a deployment.
func (d *dropDeploy) Run(w World) error {
	return askDrop(w, d.Remote, deploysPath+"/", d.ID)
}
