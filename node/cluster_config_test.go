package node

import (
	"slices"
	"strings"
	"testing"

	"github.com/stere-log/stere/cluster/link"
)

// TestClusterConfig looks at what becomes of a configuration, and at the faults
// that are found in it.
func TestClusterConfig(t *testing.T) {
	secret := []byte("a secret of a cluster")
	tls := &link.TLS{CertFile: "a", KeyFile: "b", CAFile: "c"}
	open := ClusterConfig{Listen: "0.0.0.0", Secret: secret}
	with := func(change func(*ClusterConfig)) ClusterConfig {
		c := open
		change(&c)
		return c
	}
	for _, test := range []struct {
		name   string
		config ClusterConfig
		api    string
		addrs  string // cluster port, gossip, seeds
		faults []string
	}{
		{"alone", ClusterConfig{Name: "db1", Zone: "rack_1"}, "0.0.0.0:7100", " ", nil},
		{"everywhere", open, "0.0.0.0:7100", "0.0.0.0:7101 0.0.0.0:7102", nil},
		{"local names", ClusterConfig{Listen: "localhost:9", Secret: secret}, "", "localhost:9 127.0.0.1:7102", nil},
		{"from the interface", ClusterConfig{Bootstrap: true, Secret: secret}, "127.0.0.1:7100", "127.0.0.1:7101 127.0.0.1:7102", nil},
		{"all of an interface", ClusterConfig{Bootstrap: true, Secret: secret}, ":7100", ":7101 :7102", nil},
		{"version 6", ClusterConfig{Listen: "::1", Gossip: "[::1]", Join: []string{"::1", "[::1]:5"}, Secret: secret}, "", "[::1]:7101 [::1]:7102 [::1]:7102 [::1]:5", nil},
		{"seeds", with(func(c *ClusterConfig) { c.Join = []string{"db1", "10.0.0.7:9"} }), "", "0.0.0.0:7101 0.0.0.0:7102 db1:7102 10.0.0.7:9", nil},
		{"together", with(func(c *ClusterConfig) { c.Join, c.BootstrapExpect, c.Replicas = []string{"db1"}, 3, 3 }), "", "0.0.0.0:7101 0.0.0.0:7102 db1:7102", nil},
		{"certificates and secret", with(func(c *ClusterConfig) { c.TLS = tls }), "", "0.0.0.0:7101 0.0.0.0:7102", nil},
		{"look first", with(func(c *ClusterConfig) { c.Bootstrap, c.Join = true, []string{"db1"} }), "", "0.0.0.0:7101 0.0.0.0:7102 db1:7102", nil},
		{"look first, alone", with(func(c *ClusterConfig) { c.BootstrapExpect, c.Join = 1, []string{"db1"} }), "", "0.0.0.0:7101 0.0.0.0:7102 db1:7102", nil},
		{"forwarded", ClusterConfig{Join: []string{"db1"}, Advertise: "db9", Secret: secret}, "127.0.0.1:7100", "127.0.0.1:7101 127.0.0.1:7102 db1:7102", nil},

		{"alone with a secret", ClusterConfig{Secret: secret}, "", "", []string{"--cluster-listen"}},
		{"alone with replicas", ClusterConfig{Replicas: 3}, "", "", []string{"--cluster-listen"}},
		{"names", with(func(c *ClusterConfig) { c.Name, c.Zone = "DB 1", "Zone A" }), "", "", []string{"--node", "--zone"}},
		{"plain", ClusterConfig{Listen: "10.0.0.5"}, "", "", []string{"stere cluster secret", "--cluster-secret-file"}},
		{"plain everywhere", ClusterConfig{Bootstrap: true}, ":7100", "", []string{"stere cluster secret"}},
		{"plain on one machine", ClusterConfig{Listen: "127.0.0.1"}, "", "", []string{"every user of this machine", "stere cluster secret"}},
		{"certificates alone", ClusterConfig{Listen: "0.0.0.0", TLS: tls}, "", "", []string{"gossip on 0.0.0.0:7102, which certificates do not protect"}},
		{"half a certificate", with(func(c *ClusterConfig) { c.TLS = &link.TLS{CertFile: "a"} }), "", "", []string{"--cluster-tls-ca"}},
		{"short secret", with(func(c *ClusterConfig) { c.Secret = []byte("short") }), "", "", []string{"5 bytes, want at least 16"}},
		{"make twice", with(func(c *ClusterConfig) { c.Bootstrap, c.BootstrapExpect = true, 3 }), "", "", []string{"--bootstrap-expect 3"}},
		{"even numbers", with(func(c *ClusterConfig) { c.BootstrapExpect, c.Replicas = 4, -1 }), "", "", []string{"--bootstrap-expect is 4, want 1, 3 or 5", "--replicas is -1, want 1, 3 or 5"}},
		{"addresses", with(func(c *ClusterConfig) {
			c.Listen, c.Gossip, c.Advertise, c.Join = "a:b:c", "db1:7102", "db1:7101", []string{":7102", "db1:0", "x y"}
		}), "", "", []string{"--cluster-listen is", "--gossip-listen is", "--advertise is", `":7102"`, `"db1:0"`, `"x y:7102"`}},
		{"one port for both", with(func(c *ClusterConfig) { c.Listen, c.Gossip = "0.0.0.0:5", "0.0.0.0:5" }), "", "", []string{"want another port"}},
		{"out of reach", ClusterConfig{Join: []string{"db1"}, Secret: secret}, "127.0.0.1:7100", "", []string{"--join names db1", "--cluster-listen 0.0.0.0"}},
		{"many seeds", with(func(c *ClusterConfig) { c.Join = slices.Repeat([]string{"db1"}, 65) }), "", "", []string{"65 addresses, want at most 64"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			got := test.config.WithDefaults(test.api)
			err := got.Validate()
			if test.faults == nil {
				if err != nil {
					t.Fatal(err)
				}
				if addrs := strings.Join(append([]string{got.Listen, got.Gossip}, got.Join...), " "); addrs != test.addrs {
					t.Errorf("addresses are %q, want %q", addrs, test.addrs)
				}
				return
			}
			if err == nil {
				t.Fatalf("no fault in %+v", got)
			}
			for line := range strings.SplitSeq(err.Error(), "\n") {
				if !slices.ContainsFunc(test.faults, func(text string) bool { return strings.Contains(line, text) }) {
					t.Errorf("unexpected fault: %s", line)
				}
			}
			for _, fault := range test.faults {
				if !strings.Contains(err.Error(), fault) {
					t.Errorf("no fault with %q in\n%v", fault, err)
				}
			}
		})
	}
}
