package local

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stere-log/stere/bench/proc"
)

// TestCluster: members have addresses of their own, are told all of it, and end.
func TestCluster(t *testing.T) {
	dir := t.TempDir()
	program := filepath.Join(dir, "program")
	script := "#!/bin/sh\nif [ \"$1\" = cluster ]; then echo s > \"$4\"; exit; fi\necho \"$@\"\nexec sleep 600\n"
	if err := os.WriteFile(program, []byte(script), 0o755); err != nil {
		t.Fatal(err)
	}
	c, err := New(t.Context(), program, dir, 3)
	if err != nil {
		t.Fatal(err)
	}
	secret := filepath.Join(dir, "secret")
	if text, err := os.ReadFile(secret); err != nil || string(text) != "s\n" {
		t.Errorf("the secret is %q, %v", text, err)
	}
	for _, m := range c.Members {
		if m.Alive() {
			t.Errorf("%s runs", m.Name)
		}
		told := func(context.Context) error {
			want := strings.Join([]string{"serve", "--data", filepath.Join(dir, m.Name), "--listen", m.HTTP, "--node", m.Name,
				"--cluster-listen", m.Cluster, "--gossip-listen", m.Gossip, "--cluster-secret-file", secret, "--join", c.Members[0].Gossip}, " ")
			if have, err := os.ReadFile(m.Dir + ".log"); err != nil || string(have) != want+"\n" {
				return fmt.Errorf("told %s, want %s, %w", have, want, err)
			}
			return nil
		}
		if err := c.Launch(m, proc.Config{Args: []string{"--join", c.Members[0].Gossip}, Ready: told}); err != nil {
			t.Fatal(err)
		}
		defer m.Process.Kill()
		if err := m.Process.AwaitReady(t.Context()); err != nil {
			t.Error(err)
		}
	}
	if err := c.Stop((*proc.Process).Kill); err != nil {
		t.Error(err)
	}
	for _, m := range c.Members {
		if m.Alive() {
			t.Errorf("%s runs", m.Name)
		}
	}
	if _, err := New(t.Context(), filepath.Join(dir, "nothing"), dir, 1); err == nil {
		t.Error("a program that is not there makes a secret")
	}
}
