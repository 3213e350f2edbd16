// Command stere is the log store and its command line: it serves a node, sends
// files, asks questions and shows a demonstration. docs/cli.md describes it.
//
// Everything runs through run, which takes its arguments, streams, environment
// and context, so that tests drive it in their own process. Settings are read
// here and nowhere else: flags before environment before file before defaults.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"runtime"
	"runtime/debug"
	"strings"
	"syscall"
	"text/tabwriter"
	_ "time/tzdata" // queries name time zones on machines that know none

	"github.com/alecthomas/kong"
	"github.com/stere-log/stere/client"
	"github.com/stere-log/stere/cmd/stere/admin"
	"github.com/stere-log/stere/internal/plain"
)

// The exit codes.
const (
	exitOK          = 0
	exitError       = 1
	exitUsage       = 2 // unknown flag, bad value, faulty configuration
	exitUnreachable = 3 // the node gave no answer
	exitCredentials = 4 // the node refused the credentials
	exitPartial     = 5 // some lines were refused, or the answer is incomplete
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := run(ctx, os.Args[1:], os.Stdin, os.Stdout, os.Stderr, os.Environ())
	stop()
	os.Exit(code)
}

// program is what a command works with.
type program struct {
	ctx            context.Context
	stdin          io.Reader
	stdout, stderr io.Writer
	environ        []string
}

// getenv returns a variable of the environment.
func (p *program) getenv(name string) string {
	for i := len(p.environ) - 1; i >= 0; i-- {
		if key, value, _ := strings.Cut(p.environ[i], "="); key == name {
			return value
		}
	}
	return ""
}

// commandLine is the grammar of the command line.
type commandLine struct {
	Serve    serveCommand   `cmd:"" help:"Run a node."`
	Send     sendCommand    `cmd:"" help:"Send files of logs to a node."`
	Query    queryCommand   `cmd:"" help:"Ask a node."`
	Tail     tailCommand    `cmd:"" help:"Show records as they come."`
	Export   exportCommand  `cmd:"" help:"Write all records of a question, as NDJSON, CSV or Parquet."`
	Demo     demoCommand    `cmd:"" help:"Show Stere with a sample of real logs."`
	Cluster  clusterCommand `cmd:"" help:"Look after a cluster of nodes."`
	Audit    admin.Audit    `cmd:"" help:"The audit trail: who did what, and whether it is whole."`
	Triage   admin.Triage   `cmd:"" help:"Rules, alerts and incidents: what asks for somebody."`
	Webhook  admin.Webhook  `cmd:"" help:"Webhooks: who is told."`
	Services admin.Services `cmd:"" help:"Registered services, and whether they answer."`
	Lookup   admin.Lookup   `cmd:"" help:"Lookup tables: what is known of the values of a field."`
	Category admin.Category `cmd:"" help:"Categories: which words decide what a record is about."`
	Deploy   admin.Deploy   `cmd:"" help:"Deployments: what was put into service when."`
	Models   admin.Models   `cmd:"" help:"Models: what people have taught."`
	Admin    admin.Command  `cmd:"" help:"Administer keys, tenants and domains; usage; try redaction."`
	Config   configCommand  `cmd:"" help:"Print the effective settings and where each comes from."`
	Version  versionCommand `cmd:"" help:"Print the version."`
}

const description = `Stere keeps logs and finds them: one binary, nothing else to install.

Examples:
  stere demo                                   a node with a sample, and what to ask it
  stere serve --data /var/lib/stere            a node for keeps, on 127.0.0.1:7100
  stere send app.ndjson /var/log/syslog.gz     files: NDJSON or plain lines, gzip, zstd
  journalctl -o json | stere send -            or standard input
  stere query 'error AND payment' --since 1h
  stere query 'level:error | stats count() by (component)'
  stere tail level:error                       what comes, as it comes
  stere cluster status                         nodes, shards, moves and problems
  curl -H "X-API-Key: $(cat stere-data/admin-key)" 'http://127.0.0.1:7100/logs?level=error&limit=5'

Exit codes: 0 done, 1 failed, 2 wrong usage or configuration, 3 the node gave no
answer, 4 credentials refused, 5 done in part (lines refused, answer incomplete).`

// exitPanic carries kong's wish to exit out of its parser.
type exitPanic int

// run runs a command line and returns the exit code.
func run(ctx context.Context, args []string, stdin io.Reader, stdout, stderr io.Writer, environ []string) (code int) {
	p := &program{ctx: ctx, stdin: stdin, stdout: stdout, stderr: stderr, environ: environ}
	defer func() {
		if exit := recover(); exit != nil {
			wanted, ok := exit.(exitPanic)
			if !ok {
				panic(exit)
			}
			code = int(wanted)
		}
	}()
	var cli commandLine
	parser, err := kong.New(&cli, kong.Name("stere"), kong.Description(description), kong.Writers(stdout, stderr),
		kong.BindTo(adminWorld{p}, (*admin.World)(nil)),
		kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 100}),
		kong.Exit(func(code int) { panic(exitPanic(code)) }))
	if err != nil {
		return p.fail(err)
	}
	if len(args) == 0 {
		args = []string{"--help"}
	}
	selected, err := parser.Parse(args)
	if err != nil {
		var wrong *kong.ParseError
		if errors.As(err, &wrong) {
			fmt.Fprintf(stderr, "stere: %v\nTry: stere --help\n", err)
			return exitUsage
		}
		return p.fail(err)
	}
	return p.fail(selected.Run(p, p.redactionEnv()))
}

// usageError says that the user must change what was typed or configured.
type usageError struct{ error }

// partialError says that a command did a part of its work.
type partialError struct{ error }

// fail prints an error, once, and returns the exit code for it.
func (p *program) fail(err error) int {
	if err == nil {
		return exitOK
	}
	var (
		usage   usageError
		partial partialError
		answer  *client.Error
	)
	if errors.Is(err, context.Canceled) && p.ctx.Err() != nil {
		fmt.Fprintln(p.stderr, "stere: interrupted")
		return exitError
	}
	fmt.Fprintf(p.stderr, "stere: %s\n", plain.Text(err.Error()))
	switch {
	case errors.As(err, &usage):
		return exitUsage
	case errors.As(err, &partial):
		return exitPartial
	case errors.Is(err, client.ErrUnreachable):
		fmt.Fprintln(p.stderr, "Is a node running there? Start one with: stere serve. Another address: --url.")
		return exitUnreachable
	case errors.As(err, &answer):
		if answer.Answer.Help != "" {
			fmt.Fprintln(p.stderr, plain.Text(answer.Answer.Help))
		}
		if answer.Status == 401 || answer.Status == 403 {
			fmt.Fprintln(p.stderr, "The key is looked for in STERE_API_KEY, then in the node's data folder (--data DIR).")
			return exitCredentials
		}
	}
	return exitError
}

type versionCommand struct{}

// Run prints the version.
func (versionCommand) Run(p *program) error {
	_, err := fmt.Fprintf(p.stdout, "stere %s (%s, %s/%s)\n", version(), runtime.Version(), runtime.GOOS, runtime.GOARCH)
	return err
}

// version returns the version that the build recorded.
func version() string {
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return "devel"
	}
	if v := info.Main.Version; v != "" && v != "(devel)" {
		return v
	}
	revision, dirty := "", ""
	for _, s := range info.Settings {
		switch {
		case s.Key == "vcs.revision" && len(s.Value) >= 12:
			revision = "-" + s.Value[:12]
		case s.Key == "vcs.modified" && s.Value == "true":
			dirty = "-changed"
		}
	}
	return "devel" + revision + dirty
}

type configCommand struct {
	nodeFlags
}

// Help teaches by example.
func (configCommand) Help() string {
	return `Settings come from flags, the environment, a YAML file and defaults, in this order.
Every key below can be a line of the file (key: value) or a flag (--set key=value).

Examples:
  stere config
  stere config --config /etc/stere.yaml
  LOG_LEVEL=debug stere config --set body-limit=128MiB`
}

// Run prints every setting, its value and where it comes from.
func (c *configCommand) Run(p *program) error {
	effective, err := p.resolve(c.Config, c.given())
	if err != nil {
		return err
	}
	out := tabwriter.NewWriter(p.stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(out, "KEY\tVALUE\tFROM\tMEANING")
	for _, s := range settings() {
		v := effective[s.key]
		text := v.text
		switch {
		case text == "":
			text = "-"
		case s.secret:
			text = fmt.Sprintf("(secret, %d bytes)", len(text))
		}
		meaning := s.help
		if s.later {
			meaning += " (checked, not in effect yet)"
		}
		fmt.Fprintf(out, "%s\t%s\t%s\t%s\n", s.key, text, v.origin, meaning)
	}
	return out.Flush()
}
