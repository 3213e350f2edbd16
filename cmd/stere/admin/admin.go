// Package admin has the commands that administer: keys, tenants, domains, deletions and
// encryption (stere admin), the audit trail (stere audit), rules and incidents (stere
// triage), webhooks, services, lookup tables, categories, deployments and models. Command, Audit,
// Triage and the others are the grammar; the program that has it gives every command a
// World to run in.
package admin

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/stere-log/stere/client"
	"github.com/stere-log/stere/cmd/stere/redaction"
	"github.com/stere-log/stere/internal/plain"
)

// World is what a command works with.
type World interface {
	Context() context.Context
	Stdout() io.Writer
	// Client returns a client of a node. The caller closes it.
	Client(url, data string) (*client.Client, error)
	// Usage makes an error one of wrong usage.
	Usage(err error) error
}

// Command is stere admin.
type Command struct {
	Key    Key    `cmd:"" help:"API keys."`
	Tenant Tenant `cmd:"" help:"Tenants: plans, limits, suspension, deletion."`
	Domain Domain `cmd:"" help:"Host names that stand for tenants."`
	Usage  Usage  `cmd:"" help:"What tenants use, by day, and what it costs."`

	Delete    Delete    `cmd:"" help:"Delete records, on every replica, for good."`
	Hold      Hold      `cmd:"" help:"Legal holds: what they cover is not removed by anything."`
	Retention Retention `cmd:"" help:"How long, or how much, of a tenant's records is kept."`

	Encryption Encryption `cmd:"" help:"Encryption of what a node has on disk."`

	Redact redaction.Command `cmd:"" help:"What is taken out of records before they are stored."`
}

// Help teaches by example.
func (Command) Help() string {
	return `Any node of the cluster can be asked. The admin key may do everything; a tenant
administrator's key or token what is of its own tenant.

Examples:
  stere admin key create --role writer --tenant shop --name shippers
  stere admin key rotate 0123456789abcdef --overlap 48h
  stere admin tenant create shop --plan standard --contact ops@shop.example
  stere admin domain add shop.example --tenant shop
  stere admin usage --tenant shop --from 2026-01-01 --to 2026-01-31
  stere admin delete records 'userId:u-17' --tenant shop --reason 'request 812' --dry-run
  stere admin retention set shop --rule all=90d --rule 'debug=7d=level:debug'
  stere admin hold create case-7 --tenant shop --reason 'case 7'
  stere admin redact test 'password=hunter2'`
}

// Remote says which node is asked.
type Remote struct {
	URL  string `name:"url" help:"The node (default STERE_URL, else the address in the settings)." placeholder:"URL"`
	Data string `help:"The node's data folder, where its admin key is." placeholder:"DIR"`
	JSON bool   `name:"json" help:"As JSON."`
}

// run asks a node and shows the answer, as JSON or as show does.
func run[T any](w World, r Remote, ask func(ctx context.Context, c *client.Client) (T, error), show func(out io.Writer, answer T)) error {
	c, err := w.Client(r.URL, r.Data)
	if err != nil {
		return err
	}
	defer c.Close()
	answer, err := ask(w.Context(), c)
	if err != nil {
		return err
	}
	if r.JSON {
		text, err := json.MarshalIndent(answer, "", "  ")
		if err != nil {
			return fmt.Errorf("show the answer: %w", err)
		}
		_, err = fmt.Fprintf(w.Stdout(), "%s\n", plain.JSON(text))
		return err
	}
	out := tabwriter.NewWriter(w.Stdout(), 0, 8, 2, ' ', 0)
	show(out, answer)
	return out.Flush()
}

// row writes cells between tabs, without what terminals take for commands.
func row(out io.Writer, cells ...string) {
	for i, cell := range cells {
		cells[i] = plain.Line(cell)
		if cell == "" {
			cells[i] = "-"
		}
	}
	fmt.Fprintln(out, strings.Join(cells, "\t"))
}

// day returns a time for people, "" for none.
func day(t *time.Time) string {
	if t == nil {
		return ""
	}
	return t.UTC().Format("2006-01-02 15:04Z")
}
