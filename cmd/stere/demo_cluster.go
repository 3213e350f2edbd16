package main

import (
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"

	"github.com/stere-log/stere/cluster/link"
)

// demoNodesMax is how many nodes a demo has at most: all are in one process.
const demoNodesMax = 9

// demoNodes are the nodes of a demo; the first one is talked to.
type demoNodes []*runningNode

// Stop ends all nodes, the first one last: it began the cluster.
func (d demoNodes) Stop() error {
	var errs []error
	for i := len(d) - 1; i >= 0; i-- {
		errs = append(errs, d[i].Stop())
	}
	return errors.Join(errs...)
}

// startDemo starts the nodes of a demo, each with a folder of its own.
func (p *program) startDemo(effective values, dir string, count int) (nodes demoNodes, err error) {
	defer func() {
		if err != nil {
			err = errors.Join(err, nodes.Stop())
		}
	}()
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	secret := filepath.Join(dir, "cluster-secret")
	if _, err := os.Stat(secret); errors.Is(err, os.ErrNotExist) {
		if _, err := link.CreateSecret(secret); err != nil {
			return nil, err
		}
	}
	first := ""
	for i := range count {
		own := maps.Clone(effective)
		set := func(key, text string) { own[key] = value{text, "demo"} }
		set("node", fmt.Sprintf("n%d", i+1))
		set("data", filepath.Join(dir, fmt.Sprintf("n%d", i+1)))
		set("cluster-secret-file", secret)
		for _, key := range []string{"listen", "cluster-listen", "gossip-listen"} {
			wanted := "127.0.0.1:0"
			if key == "listen" {
				wanted = effective.text("listen")
			}
			address, err := freeAddress(wanted)
			if err != nil {
				return nodes, err
			}
			set(key, address)
		}
		if i == 0 {
			first = own.text("gossip-listen")
			set("bootstrap", "true")
		} else {
			set("join", first)
		}
		node, err := p.startNode(own)
		if err != nil {
			return nodes, fmt.Errorf("start node %d: %w", i+1, err)
		}
		nodes = append(nodes, node)
	}
	return nodes, nil
}
