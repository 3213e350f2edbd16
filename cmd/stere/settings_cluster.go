package main

import (
	"errors"
	"fmt"
	"net"
	"os"
	"strconv"
	"strings"

	"github.com/stere-log/stere/cluster/link"
	"github.com/stere-log/stere/node"
)

// nodeFlags are the flags of the commands that run a node or show how one would
// be run.
type nodeFlags struct {
	settingFlags
	GeoIPFile         *string      `name:"geoip-file" help:"MMDB files with commas: where addresses are and whose." placeholder:"FILES"`
	EncryptionKeyFile *string      `help:"Encrypt what is on the disk: the file with the master keys, see stere admin encryption." placeholder:"FILE"`
	Cluster           clusterFlags `embed:"" group:"Flags of a cluster"`
}

// clusterFlags are the settings that make a node one of several.
type clusterFlags struct {
	Node              *string  `help:"The node's name in the cluster (default: the machine's)." placeholder:"NAME"`
	Zone              *string  `help:"What fails together with the node: a rack, a data centre." placeholder:"NAME"`
	ClusterListen     *string  `help:"The cluster port, for other nodes (default port 7101)." placeholder:"HOST:PORT"`
	GossipListen      *string  `help:"Gossip, TCP and UDP (default: the cluster port's host, port 7102)." placeholder:"IP:PORT"`
	Advertise         *string  `help:"The host by which other nodes reach this one." placeholder:"HOST"`
	Join              []string `help:"Gossip addresses of some nodes of the cluster; names may stand for several." placeholder:"HOST[:PORT]"`
	Bootstrap         bool     `help:"Make a new data folder the first node of a new cluster, unless one answers at the addresses to join."`
	BootstrapExpect   *int     `help:"Make a new cluster with others as soon as so many have found each other: 1, 3 or 5." placeholder:"N"`
	Replicas          *int     `help:"Of a shard in a new cluster: 1, 3 or 5 (default: as many as the nodes allow)." placeholder:"N"`
	ClusterSecretFile *string  `help:"The file with the secret that all nodes share, see stere cluster secret." placeholder:"FILE"`
	ClusterTLSCert    *string  `name:"cluster-tls-cert" help:"This node's own certificate for the cluster port, PEM." placeholder:"FILE"`
	ClusterTLSKey     *string  `name:"cluster-tls-key" help:"Its key, PEM." placeholder:"FILE"`
	ClusterTLSCA      *string  `name:"cluster-tls-ca" help:"The authority of the nodes' certificates, PEM." placeholder:"FILE"`
	ClusterTLSMode    *string  `name:"cluster-tls-mode" help:"require certificates of every node, or names: of that node; or take both, nodes with and without, while they are switched." placeholder:"MODE"`
}

// given returns the settings that were given as flags.
func (f *nodeFlags) given() map[string]value {
	given := f.settingFlags.given()
	c := &f.Cluster
	for key, text := range map[string]*string{
		"geoip-file": f.GeoIPFile, "encryption-key-file": f.EncryptionKeyFile, "node": c.Node, "zone": c.Zone, "cluster-listen": c.ClusterListen, "gossip-listen": c.GossipListen, "advertise": c.Advertise,
		"cluster-secret-file": c.ClusterSecretFile, "cluster-tls-cert": c.ClusterTLSCert, "cluster-tls-key": c.ClusterTLSKey, "cluster-tls-ca": c.ClusterTLSCA, "cluster-tls-mode": c.ClusterTLSMode,
	} {
		if text != nil {
			given[key] = value{*text, "--" + key}
		}
	}
	for key, n := range map[string]*int{"bootstrap-expect": c.BootstrapExpect, "replicas": c.Replicas} {
		if n != nil {
			given[key] = value{strconv.Itoa(*n), "--" + key}
		}
	}
	if len(c.Join) > 0 {
		given["join"] = value{strings.Join(c.Join, ","), "--join"}
	}
	if c.Bootstrap {
		given["bootstrap"] = value{"true", "--bootstrap"}
	}
	return given
}

// leaveCluster forgets what makes a node one of several.
func (v values) leaveCluster() {
	for _, key := range []string{
		"cluster-listen", "gossip-listen", "advertise", "join", "bootstrap", "bootstrap-expect", "replicas",
		"cluster-secret-file", "cluster-tls-cert", "cluster-tls-key", "cluster-tls-ca", "cluster-tls-mode",
	} {
		v[key] = value{"", "default"}
	}
}

// clusterConfig turns the settings into what a node knows of its cluster.
func clusterConfig(effective values) (node.ClusterConfig, error) {
	cfg := node.ClusterConfig{
		Name: effective.text("node"), Zone: effective.text("zone"), Listen: effective.text("cluster-listen"), Gossip: effective.text("gossip-listen"),
		Advertise: effective.text("advertise"), Bootstrap: effective.bool("bootstrap"), BootstrapExpect: effective.count("bootstrap-expect"), Replicas: effective.count("replicas"),
	}
	if cfg.Name == "" {
		cfg.Name = machineName(os.Hostname)
	}
	if join := effective.text("join"); join != "" {
		cfg.Join = splitList(join)
	}
	var faults []error
	if path := effective.text("cluster-secret-file"); path != "" {
		secret, err := link.LoadSecret(path)
		if err != nil {
			faults = append(faults, fmt.Errorf("%w (to make the secret of a new cluster: stere cluster secret --out %s)", err, path))
		}
		cfg.Secret = secret
	}
	files := link.TLS{CertFile: effective.text("cluster-tls-cert"), KeyFile: effective.text("cluster-tls-key"), CAFile: effective.text("cluster-tls-ca")}
	if files.CertFile != "" || files.KeyFile != "" || files.CAFile != "" {
		mode := effective.text("cluster-tls-mode")
		files.AnyName, files.Both = mode != "names", mode == "both"
		cfg.TLS = &files
	}
	if len(faults) == 0 {
		faults = append(faults, cfg.WithDefaults(effective.text("listen")).Validate())
	}
	return cfg, errors.Join(faults...)
}

// machineName makes the name of a node of that of the machine.
func machineName(hostname func() (string, error)) string {
	name, err := hostname()
	if err != nil {
		return "node"
	}
	name = strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= '0' && r <= '9', r == '.', r == '-':
			return r
		}
		return '-'
	}, strings.ToLower(name))
	if name = strings.Trim(name[:min(len(name), 64)], "-."); name == "" {
		return "node"
	}
	return name
}

// splitList splits what stands between commas.
func splitList(text string) (parts []string) {
	for part := range strings.SplitSeq(text, ",") {
		if part = strings.TrimSpace(part); part != "" {
			parts = append(parts, part)
		}
	}
	return parts
}

func isNodeName(text string) error {
	if err := (node.ClusterConfig{Name: text}).Validate(); err != nil {
		return fmt.Errorf("%q is not a name of a node, want at most 64 of a-z, 0-9, '.' and '-'", text)
	}
	return nil
}

func isZone(text string) error {
	if err := (node.ClusterConfig{Zone: text}).Validate(); err != nil {
		return fmt.Errorf("%q is not a zone, want at most 64 of a-z, 0-9, '.', '_' and '-'", text)
	}
	return nil
}

// isHost checks a host without a port.
func isHost(text string) error {
	if net.ParseIP(text) == nil && strings.ContainsAny(text, ":/ ,[]") {
		return fmt.Errorf("%q is not a host, want for example 10.0.0.5 or db1.internal, without a port", text)
	}
	return nil
}

// isHostPort checks an address whose port may be missing.
func isHostPort(text string) error {
	if _, _, err := net.SplitHostPort(text); err == nil {
		return isAddress(text)
	}
	if isHost(strings.TrimSuffix(strings.TrimPrefix(text, "["), "]")) != nil {
		return fmt.Errorf("%q is not an address, want for example 10.0.0.5:7101 or 10.0.0.5", text)
	}
	return nil
}

// isMailServer checks an address with a port, perhaps with smtps:// in front.
func isMailServer(text string) error {
	address := strings.TrimPrefix(text, "smtps://")
	if _, _, err := net.SplitHostPort(address); err != nil || strings.Contains(address, "//") {
		return fmt.Errorf("%q is not an address of a mail server, want for example mail.example:587 or smtps://mail.example:465", text)
	}
	return isAddress(address)
}

// isHostPorts checks addresses between commas.
func isHostPorts(text string) error {
	list := splitList(text)
	for _, address := range list {
		if err := isHostPort(address); err != nil {
			return err
		}
	}
	if len(list) == 0 {
		return fmt.Errorf("%q names nobody, want for example db1.internal,10.0.0.7:7102", text)
	}
	return nil
}

// limitSettings are the settings of what is limited, counted and kept.
func limitSettings() []setting {
	one := func(name string) []string { return []string{"STERE_" + name, name} }
	return []setting{
		{key: "rate-limit-enabled", fallback: "false", env: one("RATE_LIMIT_ENABLED"), check: isBool, help: "limit the requests of every client and every address; what is agreed with a tenant is limited always"},
		{key: "rate-limit-requests", fallback: "100", env: one("RATE_LIMIT_REQUESTS"), check: isCount, help: "of a client in a window, of each kind (search, ingest, export, change)"},
		{key: "rate-limit-window", fallback: "3600", env: one("RATE_LIMIT_WINDOW"), check: isSeconds, help: "the length of the window, which slides, in seconds"},
		{key: "rate-limit-per-minute", env: one("RATE_LIMIT_PER_MINUTE"), check: isCount, help: "of a client, of each kind, besides; empty: no limit"},
		{key: "rate-limit-per-hour", env: one("RATE_LIMIT_PER_HOUR"), check: isCount, help: "the same in an hour"},
		{key: "rate-limit-per-day", env: one("RATE_LIMIT_PER_DAY"), check: isCount, help: "the same in 24 hours"},
		{key: "search-rate-limit-per-minute", env: one("SEARCH_RATE_LIMIT_PER_MINUTE"), check: isCount, help: "searches of a client, besides; empty: no limit"},
		{key: "rate-limit-address", env: []string{"STERE_RATE_LIMIT_ADDRESS"}, check: isCount, help: "requests of an address in a window, whoever asks; empty: ten times those of a client"},
		{key: "trusted-proxies", env: one("TRUSTED_PROXIES"), check: areNetworks, help: "with commas: networks of proxies that are believed when they say in X-Forwarded-For whom a request is from"},
		{key: "usage", fallback: "on", env: []string{"STERE_USAGE"}, check: oneOf("on", "off"), help: "count what tenants use, for quotas of days and reports"},
		{key: "audit", fallback: "on", env: []string{"STERE_AUDIT"}, check: oneOf("on", "off"), help: "keep who does what in the audit trail"},
		{key: "price-currency", env: []string{"STERE_PRICE_CURRENCY"}, help: "of the prices, for reports of usage"},
		{key: "price-in", fallback: "0", env: []string{"STERE_PRICE_IN"}, check: isPrice, help: "of 10^9 bytes that come in"},
		{key: "price-stored", fallback: "0", env: []string{"STERE_PRICE_STORED"}, check: isPrice, help: "of 10^9 bytes that are stored for 30 days"},
		{key: "price-read", fallback: "0", env: []string{"STERE_PRICE_READ"}, check: isPrice, help: "of 10^9 bytes of answers"},
		{key: "price-queries", fallback: "0", env: []string{"STERE_PRICE_QUERIES"}, check: isPrice, help: "of 1,000 questions"},
	}
}
