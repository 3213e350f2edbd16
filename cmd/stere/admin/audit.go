package admin

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"strconv"
	"strings"

	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/audit"
	"github.com/stere-log/stere/client"
	"github.com/stere-log/stere/internal/plain"
)

// Audit is stere audit.
type Audit struct {
	List   AuditList   `cmd:"" help:"Show who did what, newest first."`
	Export AuditExport `cmd:"" help:"Write the whole trail to standard output, as NDJSON."`
	Heads  AuditHeads  `cmd:"" help:"Print the newest entry of each chain, to be kept elsewhere."`
	Verify AuditVerify `cmd:"" help:"Find any edit, cut or reorder in an export, without a node."`
}

// Help teaches by example.
func (Audit) Help() string {
	return `The trail is records of the tenant _audit, which only a platform administrator reads.

Examples:
  stere audit list --action 'POST /admin/keys' --from 2026-01-31
  stere audit heads --json > heads.json
  stere audit export > audit.ndjson
  stere audit verify audit.ndjson --heads heads.json`
}

// AuditList is stere audit list.
type AuditList struct {
	Remote
	Tenant  string `help:"Of one tenant." placeholder:"TENANT"`
	Actor   string `help:"By somebody." placeholder:"NAME"`
	Action  string `help:"Of one action." placeholder:"ACTION"`
	Outcome string `help:"done, denied or failed." placeholder:"OUTCOME"`
	From    string `help:"Since a time." placeholder:"TIME"`
	To      string `help:"Before a time." placeholder:"TIME"`
	Limit   int    `help:"Entries at most." default:"100" placeholder:"N"`
}

// Run lists.
func (c *AuditList) Run(w World) error {
	params := map[string]string{"tenant": c.Tenant, "actor": c.Actor, "action": c.Action, "outcome": c.Outcome, "from": c.From, "to": c.To, "limit": strconv.Itoa(c.Limit)}
	return run(w, c.Remote, func(ctx context.Context, node *client.Client) (v1.Audit, error) { return node.Audit(ctx, params) },
		func(out io.Writer, answer v1.Audit) {
			row(out, "TIME", "ACTION", "TARGET", "TENANT", "BY", "FROM", "OUTCOME", "TIMES")
			for _, one := range answer.Entries {
				var e audit.Entry
				if err := json.Unmarshal(one.Entry, &e); err != nil || one.Corrupt != "" {
					row(out, one.Time.Format("2006-01-02 15:04:05Z"), "(corrupt) "+one.Corrupt)
					continue
				}
				row(out, one.Time.Format("2006-01-02 15:04:05Z"), e.Action, e.Target, e.Tenant, e.Actor.Name, e.From, strings.TrimSpace(e.Outcome+" "+e.Reason), strconv.FormatInt(max(e.Count, 1), 10))
			}
		})
}

// AuditExport is stere audit export.
type AuditExport struct {
	URL  string `name:"url" help:"The node (default STERE_URL, else the address in the settings)." placeholder:"URL"`
	Data string `help:"The node's data folder, where its admin key is." placeholder:"DIR"`
	From string `help:"Since a time (verify it with --partial then)." placeholder:"TIME"`
	To   string `help:"Before a time." placeholder:"TIME"`
}

// Run exports, the oldest first.
func (c *AuditExport) Run(w World) error {
	node, err := w.Client(c.URL, c.Data)
	if err != nil {
		return err
	}
	defer node.Close()
	params := url.Values{"query": {"*"}, "order": {"asc"}}
	for name, text := range map[string]string{"from": c.From, "to": c.To} {
		if text != "" {
			params.Set(name, text)
		}
	}
	export, err := node.For(string(audit.Tenant)).Export(w.Context(), params)
	if err != nil {
		return err
	}
	defer export.Close()
	if _, err := io.Copy(w.Stdout(), export); err != nil {
		return fmt.Errorf("export the audit trail: %w", err)
	}
	return nil
}

// AuditHeads is stere audit heads.
type AuditHeads struct{ Remote }

// Run prints heads.
func (c *AuditHeads) Run(w World) error {
	return run(w, c.Remote, func(ctx context.Context, node *client.Client) ([]v1.AuditHead, error) { return node.AuditHeads(ctx) },
		func(out io.Writer, heads []v1.AuditHead) {
			for _, h := range heads {
				row(out, h.Chain, strconv.FormatUint(h.Seq, 10), h.Hash)
			}
		})
}

// AuditVerify is stere audit verify.
type AuditVerify struct {
	File    string `arg:"" help:"An export of the tenant _audit as NDJSON; - is standard input."`
	Heads   string `help:"Heads that were noted before (stere audit heads --json)." placeholder:"FILE"`
	Partial bool   `help:"The export is of a part of the time: beginnings of chains may be missing."`
	JSON    bool   `name:"json" help:"As JSON."`
}

// headsMax is the largest file of heads.
const headsMax = 16 << 20

// Run verifies. What is wrong is an error.
func (c *AuditVerify) Run(w World) error {
	options := audit.Options{Partial: c.Partial}
	if c.Heads != "" {
		text, err := os.ReadFile(c.Heads)
		if err == nil && len(text) > headsMax {
			err = fmt.Errorf("%s has %d bytes, want at most %d", c.Heads, len(text), headsMax)
		}
		if err == nil {
			err = json.Unmarshal(bytes.TrimSpace(text), &options.Heads)
		}
		if err != nil {
			return w.Usage(fmt.Errorf("read heads: %w", err))
		}
	}
	var export io.Reader = os.Stdin
	if c.File != "-" {
		file, err := os.Open(c.File)
		if err != nil {
			return w.Usage(fmt.Errorf("open the export: %w", err))
		}
		defer file.Close()
		export = file
	}
	report, err := audit.Verify(export, options)
	if err != nil {
		return err
	}
	if c.JSON {
		text, err := json.MarshalIndent(report, "", "  ")
		if err != nil {
			return fmt.Errorf("show the report: %w", err)
		}
		fmt.Fprintf(w.Stdout(), "%s\n", plain.JSON(text))
	} else {
		for _, f := range report.Faults {
			fmt.Fprintf(w.Stdout(), "line %d: %s\n", f.Line, plain.Line(f.What))
		}
		fmt.Fprintf(w.Stdout(), "%d entries in %d chains, %d faults; nodes say that they lost %d entries\n", report.Entries, report.Chains, len(report.Faults)+report.More, report.Lost)
		for _, chain := range report.Open {
			fmt.Fprintf(w.Stdout(), "chain %s: nothing else names its newest entry; compare it with a head that was noted\n", chain)
		}
	}
	if n := len(report.Faults) + report.More; n > 0 {
		return fmt.Errorf("the audit trail is not whole: %d faults", n)
	}
	if report.Entries == 0 {
		return fmt.Errorf("the export has no entry of an audit trail")
	}
	return nil
}
