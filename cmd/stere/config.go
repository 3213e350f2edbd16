package main

import (
	"fmt"
	"text/tabwriter"
)

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
