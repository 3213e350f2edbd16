package redaction

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"
	"text/tabwriter"

	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/client"
	"github.com/stere-log/stere/internal/plain"
	"go.yaml.in/yaml/v3"
)

// remote says which node is asked.
type remote struct {
	URL  string `name:"url" help:"The node (default STERE_URL, else the address in the settings)." placeholder:"URL"`
	Data string `help:"The node's data folder, where its admin key is." placeholder:"DIR"`
	JSON bool   `name:"json" help:"Print JSON."`
}

// run asks a node about a tenant's rules and shows them.
func (r *remote) run(env *Env, ask func(c *client.Client) (v1.Redaction, error)) error {
	c, err := env.Client(r.URL, r.Data)
	if err != nil {
		return err
	}
	defer c.Close()
	rules, err := ask(c)
	if err != nil {
		return err
	}
	if r.JSON {
		text, err := json.MarshalIndent(rules, "", "  ")
		if err != nil {
			return err
		}
		_, err = fmt.Fprintf(env.Stdout, "%s\n", plain.JSON(text))
		return err
	}
	return show(env.Stdout, rules)
}

// show prints rules for people: what is done, and whose wish that is.
func show(out io.Writer, rules v1.Redaction) error {
	w := tabwriter.NewWriter(out, 0, 4, 2, ' ', 0)
	fmt.Fprintf(w, "tenant %s, set %s, may be weaker than the platform: %v\n", plain.Line(rules.Tenant), plain.Line(rules.Set), rules.MayBeWeaker)
	for _, name := range slices.Sorted(maps.Keys(rules.Effective)) {
		note := ""
		if own, there := rules.Actions[name]; there {
			note = "own: " + own
		}
		fmt.Fprintf(w, "detector\t%s\t%s\t%s\n", plain.Line(name), rules.Effective[name], plain.Line(note))
	}
	for _, f := range rules.Fields {
		fmt.Fprintf(w, "field\t%s\t%s\t\n", plain.Line(f.Field), f.Action)
	}
	for _, one := range rules.Rules {
		fmt.Fprintf(w, "rule\t%s\t%s\t%s\n", plain.Line(one.Name), one.Action, plain.Line(one.Pattern))
	}
	return w.Flush()
}

type showCommand struct {
	remote
	Tenant string `arg:"" help:"The tenant."`
}

// Run shows rules.
func (c *showCommand) Run(env *Env) error {
	return c.run(env, func(client *client.Client) (v1.Redaction, error) { return client.Redaction(env.Context(), c.Tenant) })
}

type setCommand struct {
	remote
	Tenant      string `arg:"" help:"The tenant."`
	File        string `arg:"" optional:"" help:"YAML or JSON with set, actions, fields and rules, - for standard input; without it the rules stay." placeholder:"FILE|-"`
	MayBeWeaker string `help:"yes or no: whether the rules may do less than the platform does (default: as it was). Only a platform administrator says yes." enum:"yes,no," default:""`
}

// Help teaches by example.
func (setCommand) Help() string {
	return `The file:

  set: personal                 # also e-mail addresses and telephone numbers
  actions: {email: hash, card: mask}
  fields:
    - {field: metadata.note, action: remove}
  rules:
    - {name: badge, pattern: 'badge-([0-9]{4})', group: 1, action: mask}`
}

// Run replaces rules.
func (c *setCommand) Run(env *Env) error {
	var request v1.RedactionRequest
	if c.MayBeWeaker != "" {
		may := c.MayBeWeaker == "yes"
		request.MayBeWeaker = &may
	}
	if c.File != "" {
		if err := c.read(env, &request.RedactionRules); err != nil {
			return err
		}
	} else if request.MayBeWeaker == nil {
		return env.Usage(fmt.Errorf("want a file, or --may-be-weaker"))
	}
	return c.run(env, func(client *client.Client) (v1.Redaction, error) {
		if c.File == "" {
			now, err := client.Redaction(env.Context(), c.Tenant)
			if err != nil {
				return now, err
			}
			request.RedactionRules = now.RedactionRules
		}
		return client.SetRedaction(env.Context(), c.Tenant, request)
	})
}

// read reads the file of rules.
func (c *setCommand) read(env *Env, into *v1.RedactionRules) error {
	reader := env.Stdin
	if c.File != "-" {
		file, err := os.Open(c.File)
		if err != nil {
			return env.Usage(fmt.Errorf("read rules: %w", err))
		}
		defer file.Close() // only read
		reader = file
	}
	text, err := io.ReadAll(io.LimitReader(reader, rulesBytesMax+1))
	if err != nil {
		return fmt.Errorf("read rules: %w", err)
	}
	if len(text) > rulesBytesMax {
		return env.Usage(fmt.Errorf("read rules: more than %d bytes", rulesBytesMax))
	}
	var any map[string]any
	if err := yaml.Unmarshal(text, &any); err != nil {
		return env.Usage(fmt.Errorf("read rules of %s: %w", c.File, err))
	}
	asJSON, err := json.Marshal(any)
	if err != nil {
		return env.Usage(fmt.Errorf("read rules of %s: %w", c.File, err))
	}
	d := json.NewDecoder(bytes.NewReader(asJSON))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return env.Usage(fmt.Errorf("read rules of %s: %s", c.File, strings.TrimPrefix(err.Error(), "json: ")))
	}
	return nil
}

type clearCommand struct {
	remote
	Tenant string `arg:"" help:"The tenant."`
}

// Run drops rules.
func (c *clearCommand) Run(env *Env) error {
	return c.run(env, func(client *client.Client) (v1.Redaction, error) {
		if _, err := client.DropRedaction(env.Context(), c.Tenant); err != nil {
			return v1.Redaction{}, err
		}
		return client.Redaction(env.Context(), c.Tenant)
	})
}
