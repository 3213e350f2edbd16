package admin

import (
	"cmp"
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

// Category is stere category.
type Category struct {
	List listCategories `cmd:"" help:"List categories, those of your own first."`
	Show showCategory   `cmd:"" help:"Show all that decides one, as JSON."`
	Put  putCategory    `cmd:"" help:"Say which words speak for a category, one of your own or a built-in one."`
	Drop dropCategory   `cmd:"" help:"Forget what was put."`
}

// Help teaches by example.
func (Category) Help() string {
	return `All stored records follow at once, see docs/meaning.md.

Examples:
  stere category put warehouse sku pallet 'goods receipt' --component wms
  stere category put security badge --weight 5      to what is built in
  stere query 'category:warehouse | fields message, category_reason'`
}

const categoriesPath = "/analytics/categories"

// shownCategory is a category in answers.
type shownCategory struct {
	Name        string `json:"name"`
	Description string `json:"description,omitempty"`
	BuiltIn     []struct {
		Weight float64  `json:"weight"`
		Words  []string `json:"words"`
	} `json:"builtIn,omitempty"`
	Words      []string   `json:"words,omitempty"`
	Components []string   `json:"components,omitempty"`
	Weight     float64    `json:"weight,omitempty"`
	By         string     `json:"changedBy,omitempty"`
	Changed    *time.Time `json:"changedAt,omitempty"`
}

func rowsOfCategories(out io.Writer, list []shownCategory) {
	row(out, "NAME", "BUILT IN", "WEIGHT", "CHANGED", "BY", "COMPONENTS", "WORDS")
	for _, c := range list {
		builtIn, weight := "", ""
		if len(c.BuiltIn) > 0 {
			n := 0
			for _, words := range c.BuiltIn {
				n += len(words.Words)
			}
			builtIn = fmt.Sprintf("%d words", n)
		}
		if c.Weight > 0 {
			weight = fmt.Sprint(c.Weight)
		}
		row(out, c.Name, builtIn, weight, day(c.Changed), c.By, strings.Join(c.Components, ", "), cmp.Or(strings.Join(c.Words, ", "), c.Description))
	}
}

type listCategories struct {
	Remote
}

// Run lists categories.
func (l *listCategories) Run(w World) error {
	return askList(w, l.Remote, categoriesPath, rowsOfCategories)
}

type showCategory struct {
	Remote
	Name string `arg:"" help:"The category."`
}

// Run shows a category.
func (s *showCategory) Run(w World) error {
	return askJSON(w, s.Remote, categoriesPath+"/"+url.PathEscape(s.Name))
}

type putCategory struct {
	Remote
	Name      string   `arg:"" help:"The category."`
	Words     []string `arg:"" optional:"" help:"Words, and phrases of two words."`
	Component []string `help:"A component whose records are of the category, again for others." placeholder:"NAME" sep:"none"`
	Weight    float64  `help:"How much each word speaks for it, 1 to 10." default:"3"`
}

// Run puts a category.
func (p *putCategory) Run(w World) error {
	body := map[string]any{"words": p.Words, "components": p.Component, "weight": p.Weight}
	return askOne(w, p.Remote, "PUT", categoriesPath+"/"+url.PathEscape(p.Name), body, rowsOfCategories)
}

type dropCategory struct {
	Remote
	Name string `arg:"" help:"The category."`
}

// Run forgets what was put.
func (d *dropCategory) Run(w World) error {
	return askDrop(w, d.Remote, categoriesPath+"/", d.Name)
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
