// Package redaction is what the command line has to do with redaction: its
// settings, and the command that shows what they do.
//
// Its main type is Command; Settings turns the texts of settings into a
// redact.Config. Only cmd/stere uses it.
package redaction

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/stere-log/stere/client"
	"github.com/stere-log/stere/ingest/trial"
	"github.com/stere-log/stere/internal/plain"
	"github.com/stere-log/stere/redact"
)

// Env is what the commands work with.
type Env struct {
	Stdin  io.Reader
	Stdout io.Writer
	// Settings finds the effective settings of redaction.
	Settings func(config string, set map[string]string) (redact.Config, error)
	// Client returns a client of a node. The caller closes it.
	Client  func(url, data string) (*client.Client, error)
	Context func() context.Context
	// Usage marks an error as the user's.
	Usage func(error) error
}

// Command is stere admin redact.
type Command struct {
	Test  testCommand  `cmd:"" help:"Show what would be redacted of a text, a file or standard input. Nothing is stored."`
	Show  showCommand  `cmd:"" help:"Show the rules of a tenant, and what is done with what is found in its records."`
	Set   setCommand   `cmd:"" help:"Replace the rules of a tenant."`
	Clear clearCommand `cmd:"" help:"Drop the rules of a tenant: what the platform does holds."`
}

type testCommand struct {
	Input  string            `arg:"" optional:"" default:"-" help:"A text, the name of a file, or - for standard input: an object, an array, NDJSON or plain lines, as POST /logs takes them." placeholder:"TEXT|FILE|-"`
	Config string            `help:"A YAML file with settings (default: ./stere.yaml if it is there)." placeholder:"FILE"`
	Set    map[string]string `help:"Any setting, see stere config." placeholder:"KEY=VALUE" mapsep:"none"`
	JSON   bool              `name:"json" help:"Print JSON."`
	Tenant string            `help:"Ask a node what would become of it if this tenant sent it: the node's settings and the tenant's rules count, not those of this machine."`
	URL    string            `name:"url" help:"With --tenant: the node (default STERE_URL, else the address in the settings)." placeholder:"URL"`
	Data   string            `help:"With --tenant: the node's data folder, where its admin key is." placeholder:"DIR"`
}

// Help teaches by example.
func (testCommand) Help() string {
	return `Applies the settings of this machine, as stere serve would, and prints each record that
would be changed, as it would be stored, and how much each detector found. With --tenant
a node does.

Examples:
  stere admin redact test 'login user=bob password=hunter2'
  stere admin redact test app.ndjson
  stere admin redact test - --set redaction=personal < app.log
  stere admin redact test app.ndjson --tenant shop`
}

// inputBytesMax bounds what is tested at once.
const inputBytesMax = 64 << 20

// Run shows what would be redacted.
func (c *testCommand) Run(env *Env) error {
	body, err := c.body(env.Stdin)
	if err != nil {
		return err
	}
	report, actions, err := c.report(env, body)
	if err != nil {
		return err
	}
	if c.JSON {
		text, err := json.MarshalIndent(report, "", "  ")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(env.Stdout, "%s\n", plain.JSON(text))
		return err
	}
	return print(env.Stdout, actions, report)
}

// report returns what would be redacted, and what is done by detector: as this machine
// would do it, or a node.
func (c *testCommand) report(env *Env, body []byte) (report trial.Report, actions map[string]string, err error) {
	if c.Tenant != "" {
		return c.ask(env, body)
	}
	cfg, err := env.Settings(c.Config, c.Set)
	if err != nil {
		return report, nil, err
	}
	if cfg.Disabled {
		return report, nil, env.Usage(errors.New("redaction is off, see stere config"))
	}
	r, err := redact.New(cfg)
	if err != nil {
		return report, nil, env.Usage(err)
	}
	if report, err = trial.Run(r, "default", body, time.Now()); err != nil {
		return report, nil, fmt.Errorf("test redaction: %w", err)
	}
	actions = map[string]string{}
	for d, name := range r.Names() {
		actions[name] = r.Action(redact.Detector(d)).String()
	}
	return report, actions, nil
}

// ask lets a node report.
func (c *testCommand) ask(env *Env, body []byte) (report trial.Report, actions map[string]string, err error) {
	node, err := env.Client(c.URL, c.Data)
	if err != nil {
		return report, nil, err
	}
	defer node.Close()
	rules, err := node.Redaction(env.Context(), c.Tenant)
	if err != nil {
		return report, nil, err
	}
	answer, err := node.For(c.Tenant).Call(env.Context(), "POST", "/admin/redaction/test", body)
	if err == nil {
		err = json.Unmarshal(answer, &report)
	}
	if err != nil {
		return report, nil, fmt.Errorf("test redaction: %w", err)
	}
	return report, rules.Effective, nil
}

// body returns what is to be tested.
func (c *testCommand) body(stdin io.Reader) ([]byte, error) {
	reader := stdin
	if c.Input != "-" {
		file, err := os.Open(c.Input)
		if err != nil { // no file of that name: it is the text
			return []byte(c.Input), nil
		}
		defer file.Close() // only read
		reader = file
	}
	var body bytes.Buffer
	n, err := body.ReadFrom(io.LimitReader(reader, inputBytesMax+1))
	if err == nil && n > inputBytesMax {
		err = fmt.Errorf("more than %d bytes", inputBytesMax)
	}
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", c.Input, err)
	}
	return body.Bytes(), nil
}

// print prints a report for people.
func print(out io.Writer, actions map[string]string, report trial.Report) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	for _, line := range report.Lines {
		for _, f := range line.Fields {
			if f.Removed {
				fmt.Fprintf(w, "line %d\t%s\t(gone)\n", line.Line, plain.Line(f.Field))
			} else {
				fmt.Fprintf(w, "line %d\t%s\t%s\n", line.Line, plain.Line(f.Field), plain.Line(f.Value))
			}
		}
	}
	if err := w.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(out, "%d of %d records would be redacted", report.Redacted, report.Records)
	if report.Rejected > 0 {
		fmt.Fprintf(out, "; %d could not be read", report.Rejected)
	}
	fmt.Fprintln(out, ".")
	for _, name := range slices.Sorted(maps.Keys(report.Findings)) {
		fmt.Fprintf(w, "  %s\t%d\t%s\n", plain.Line(name), report.Findings[name], actions[name])
	}
	return w.Flush()
}
