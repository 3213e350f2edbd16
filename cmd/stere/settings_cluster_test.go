package main

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func TestClusterSettings(t *testing.T) {
	m := newTerminal(t, "STERE_ZONE=rack-1", "STERE_JOIN=db9", "STERE_PORT=tcp://10.0.0.1:7100", "STERE_PORT_7100_TCP_ADDR=10.0.0.1")
	path := m.file("stere.yaml", "cluster_listen: 0.0.0.0\nreplicas: 3\nzone: rack-2\n")
	out := m.want(exitOK, []string{"config", "--config", path, "--node", "db1", "--join", "db2,10.0.0.7:9", "--join", "db3", "--bootstrap-expect", "3", "--cluster-tls-ca", "ca.pem"})
	for key, want := range map[string]string{
		"node": `db1 +--node `, "zone": `rack-1 +environment STERE_ZONE `, "join": `db2,10\.0\.0\.7:9,db3 +--join `, "cluster-listen": `0\.0\.0\.0 +` + regexp.QuoteMeta(path) + ":1 ",
		"gossip-listen": `- +default `, "replicas": `3 +` + regexp.QuoteMeta(path) + ":2 ", "bootstrap-expect": `3 +--bootstrap-expect `, "bootstrap": `false +default `, "cluster-tls-ca": `ca\.pem +--cluster-tls-ca `,
	} {
		if !regexp.MustCompile(`(?m)^` + key + ` +` + want).MatchString(out) {
			t.Errorf("%s is not %s in\n%s", key, want, out)
		}
	}
	m.want(exitUsage, []string{"config", "--node", "DB 1", "--zone", "Zone A", "--cluster-listen", "a:b", "--gossip-listen", "x y", "--advertise", "db1:1", "--set", "join=,", "--bootstrap-expect", "2", "--replicas", "4"},
		"8 fault(s)", `"DB 1" is not a name of a node`, `"Zone A" is not a zone`, `"a:b" has the port "b"`, `"x y" is not an address`, `"db1:1" is not a host`, `names nobody`, `"2" is none of 1, 3, 5`, `"4" is none of`)
}

// TestClusterFaults starts nodes that must not start.
func TestClusterFaults(t *testing.T) {
	m := newTerminal(t)
	serve := func(args ...string) []string {
		return append([]string{"serve", "--data", filepath.Join(m.dir, "data"), "--listen", "127.0.0.1:0"}, args...)
	}
	m.want(exitUsage, serve("--cluster-listen", "0.0.0.0", "--bootstrap"), "others can reach the cluster port on 0.0.0.0:7101", "stere cluster secret --out FILE", "--cluster-secret-file FILE")
	missing := filepath.Join(m.dir, "missing")
	m.want(exitUsage, serve("--cluster-listen", "0.0.0.0", "--bootstrap", "--cluster-secret-file", missing), "there is no file", "stere cluster secret --out "+missing)
	secret := m.file("secret", "a secret that is long enough\n")
	m.want(exitUsage, serve("--bootstrap", "--join", "db1", "--cluster-secret-file", secret), "--join names db1")
	m.want(exitUsage, serve("--cluster-tls-cert", "cert.pem"), "this node is to be alone")
	if err := os.Chmod(secret, 0o644); err != nil {
		t.Fatal(err)
	}
	m.want(exitUsage, serve("--bootstrap", "--cluster-secret-file", secret), "chmod 600")
	if _, err := os.Stat(filepath.Join(m.dir, "data")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("a node that did not start has made its folder: %v", err)
	}
}

func TestClusterSecret(t *testing.T) {
	m := newTerminal(t)
	one, two := m.want(exitOK, []string{"cluster", "secret"}), m.want(exitOK, []string{"cluster", "secret"})
	if len(strings.TrimSpace(one)) != 44 || one == two {
		t.Errorf("two secrets: %q, %q", one, two)
	}
	path := filepath.Join(m.dir, "secret")
	if out := m.want(exitOK, []string{"cluster", "secret", "--out", path}, "--cluster-secret-file "+path); strings.Contains(out, "=") {
		t.Errorf("the secret of a file is printed: %s", out)
	}
	before, err := os.ReadFile(path)
	if err != nil || len(before) != 45 {
		t.Fatalf("%d bytes in the file, error %v", len(before), err)
	}
	m.want(exitError, []string{"cluster", "secret", "--out", path}, "was left as it is")
	if after, err := os.ReadFile(path); err != nil || string(after) != string(before) {
		t.Errorf("the secret was replaced, error %v", err)
	}
	p := &program{ctx: t.Context(), environ: m.env}
	effective, err := p.resolve("", map[string]value{"cluster-secret-file": {path, "test"}, "bootstrap": {"true", "test"}, "node": {"db1", "test"}})
	if err != nil {
		t.Fatal(err)
	}
	cfg, err := clusterConfig(effective)
	if err != nil || string(cfg.Secret)+"\n" != string(before) || cfg.Name != "db1" || !cfg.Bootstrap || cfg.TLS != nil {
		t.Errorf("the configuration is %+v, %v", cfg, err)
	}
	effective.leaveCluster()
	if cfg, err := clusterConfig(effective); err != nil || cfg.Enabled() || cfg.Secret != nil {
		t.Errorf("the configuration of a node that is to be alone is %+v, %v", cfg, err)
	}
}

func TestMachineName(t *testing.T) {
	for host, want := range map[string]string{"db1": "db1", "DB_1.Example": "db-1.example", "": "node", "Ж": "node", strings.Repeat("a", 100): strings.Repeat("a", 64)} {
		if got := machineName(func() (string, error) { return host, nil }); got != want {
			t.Errorf("%q becomes %q, want %q", host, got, want)
		}
	}
	if got := machineName(func() (string, error) { return "", os.ErrPermission }); got != "node" {
		t.Errorf("without a name: %q", got)
	}
}
