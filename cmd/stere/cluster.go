package main

import (
	"errors"
	"fmt"
	"io/fs"

	"github.com/stere-log/stere/cluster/link"
)

// clusterCommand is what an operator does with a cluster.
type clusterCommand struct {
	Secret secretCommand `cmd:"" help:"Make the secret that all nodes of a new cluster share."`
}

type secretCommand struct {
	Out string `help:"Write it to this new file, which only you can read, instead of printing it." placeholder:"FILE"`
}

// Help teaches by example.
func (secretCommand) Help() string {
	return `Makes a new random secret. All nodes of a cluster share one: it keeps strangers out
of the cluster port and of gossip, and encrypts both. Give every node the same file.

Examples:
  stere cluster secret --out /etc/stere/secret
  stere cluster secret | ssh db2 'umask 077 && cat > /etc/stere/secret'`
}

// Run prints a new secret, or writes it to a file that is not there yet.
func (c *secretCommand) Run(p *program) error {
	if c.Out == "" {
		_, err := fmt.Fprintf(p.stdout, "%s\n", link.NewSecret())
		return err
	}
	if _, err := link.CreateSecret(c.Out); err != nil {
		if errors.Is(err, fs.ErrExist) {
			return fmt.Errorf("%s is there already and was left as it is: a cluster may need it; choose another --out, or remove it first", c.Out)
		}
		return err
	}
	fmt.Fprintf(p.stdout, "Wrote a new secret to %s.\nCopy the file to every node of the cluster and start each with --cluster-secret-file %s.\n", c.Out, c.Out)
	return nil
}
