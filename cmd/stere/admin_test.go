package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stere-log/stere/encryption"
)

// TestAdminCommands makes, lists, rotates and revokes keys, and administers
// tenants and domains of a node.
func TestAdminCommands(t *testing.T) {
	m := newTerminal(t)
	m.serve()
	admin := func(code int, line string, texts ...string) string {
		t.Helper()
		return m.want(code, append([]string{"admin"}, strings.Fields(line)...), texts...)
	}
	key := strings.TrimSpace(admin(0, "key create --role reader --tenant shop --name r --permission read --network 127.0.0.0/8 --expires 9d --restriction component:web"))
	if !strings.HasPrefix(key, "stere_") || len(key) != 72 {
		t.Fatalf("the key is %q", key)
	}
	id := key[6:22]
	list := admin(0, "key list --tenant shop", id, "reader", "active", "component:web")
	if strings.Contains(list, key[23:]) {
		t.Error("the list has a secret")
	}
	admin(0, "key list --json", `"id": "`+id+`"`)
	m.env = append(m.env, "STERE_API_KEY="+key)
	m.want(0, []string{"query", "*"})
	admin(4, "key list", "does not include")
	m.env = m.env[:len(m.env)-1]
	fresh := strings.TrimSpace(admin(0, "key rotate "+id+" --overlap 0"))
	if fresh == key || fresh[6:22] != id {
		t.Errorf("the key became %q", fresh)
	}
	admin(0, "key revoke "+id, "is revoked")
	admin(1, "key rotate "+id, "not active")
	admin(1, "key revoke 0000000000000000", "there is no key")
	admin(2, "key create", "--role")
	admin(1, "key create --role root", "unknown role")

	admin(0, "tenant create shop --plan standard --contact a@shop.example --config maxLogsPerDay=5", "shop", "standard")
	admin(1, "tenant create shop", "already")
	admin(2, "tenant set shop --config maxLogsPerDay=x", "want a number")
	admin(0, "tenant set shop --plan premium", "premium")
	admin(0, "domain add shop.example --tenant shop", "shop.example")
	admin(0, "domain list", "shop.example")
	admin(0, "tenant list", "shop.example")
	rules := filepath.Join(t.TempDir(), "rules.yaml")
	if err := os.WriteFile(rules, []byte("set: personal\nactions: {card: mask}\nrules:\n  - {name: badge, pattern: 'badge-[0-9]+'}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	admin(0, "redact set shop "+rules, "own: mask", "badge-[0-9]+")
	admin(0, "redact show shop", "email", "set personal")
	admin(0, "redact test a@b.example --tenant shop", "[redacted:email]", "email  1  mask")
	admin(0, "redact set shop --may-be-weaker yes", "weaker than the platform: true", "own: mask")
	admin(0, "redact clear shop", "set nothing")
	admin(1, "redact clear shop", "no rules")
	admin(2, "redact set shop", "want a file")
	admin(2, "redact set shop /does/not/exist", "no such file")
	admin(0, "tenant suspend shop --reason unpaid", "suspended", "unpaid")
	admin(0, "tenant resume shop", "active")
	admin(2, "tenant delete shop --yes other", "is not the tenant")
	admin(0, "tenant delete shop --yes shop", "deleting")
	admin(0, "domain remove shop.example", "stands for nobody")
	admin(0, "encryption status", "not encrypted")
	admin(1, "encryption rotate", "encryption-key-file")
}

// TestEncryptionKeys makes master keys, one after the other in a file.
func TestEncryptionKeys(t *testing.T) {
	m := newTerminal(t)
	path := filepath.Join(t.TempDir(), "keys")
	key := func(code int, args []string, texts ...string) string {
		t.Helper()
		return m.want(code, append([]string{"admin", "encryption", "key"}, args...), texts...)
	}
	line := key(0, nil, "stere-master-key-1 ")
	if _, err := encryption.ParseMasters([]byte(line), "the output"); err != nil {
		t.Error(err)
	}
	for n := range 2 {
		key(0, []string{"--out", path}, "Wrote the master key")
		text, err := os.ReadFile(path)
		if err != nil || strings.Count(string(text), "\n") != n+1 {
			t.Fatalf("the file has %d lines: %v", strings.Count(string(text), "\n"), err)
		}
	}
	if err := os.WriteFile(path, []byte("something else\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	key(1, []string{"--out", path}, "line 1", "left as it is")
}

// TestTriageCommands tries, saves and switches rules, and administers a webhook.
func TestTriageCommands(t *testing.T) {
	m := newTerminal(t)
	m.serve()
	file := filepath.Join(m.dir, "rule.yaml")
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	do := func(code int, line string, texts ...string) {
		t.Helper()
		m.want(code, strings.Fields(line), texts...)
	}
	write("id: mine\nwhen:\n  query: 'level:error'\n  atLeast: 3\n")
	do(0, "triage rules test "+file+" --over 7d", "would have fired 0 times in 7d")
	do(0, "triage rules save "+file, "mine", "medium", "on")
	do(1, "triage rules save --new "+file, "there is a rule mine already")
	do(0, "triage rules save "+file, "mine")
	do(0, "triage rules test mine", "would have fired 0 times in 30d")
	do(0, "triage rules disable mine", "off")
	do(0, "triage rules enable mine", "on")
	do(0, "triage rules list", "service_down", "mine")
	do(0, "triage rules show mine", `"revision": 4`)
	write("id: mine\nwhen:\n  query: 'level:('\n")
	do(1, "triage rules save "+file, "when.query")
	write("id: mine\nwhen:\n  query: 'level:error'\n  over: 5m\nactions:\n  - ticket: nowhere\n")
	do(0, "triage rules save "+file, `there is no webhook "nowhere", which the rule is to tell`)
	do(0, "triage rules rollback mine", "mine", "on")
	do(0, "triage rules show mine", `"revision": 6`, `"query": "level:error"`, `"atLeast": 3`)
	do(1, "triage rules rollback mine --to 77", "revision: 77 is not kept, want one of 5, 4, 3")
	do(1, "triage rules rollback data_loss", "no earlier revision is kept")
	do(0, "triage rules test mine --from 2026-01-01T00:00:00Z --to 2026-01-03T00:00:00Z", "would have fired 0 times in 2d;", "2880 windows")
	do(1, "triage ack mine --of host=a", "labels.host: there is no such field")
	do(1, "triage ack mine", "no alert of rule mine fires")
	do(0, "triage rules drop mine", "dropped")
	do(1, "triage rules drop mine", "there is no rule")
	do(0, "triage alerts", "SEVERITY")
	do(0, "triage incidents", "OWNER")
	do(1, "triage incidents show nothing", "there is no incident")
	do(0, "triage incidents open trouble --class security --severity high --owner kim --note seen", "inc-", "security", "high", "kim", "trouble")
	do(0, "triage incidents --class security", "trouble")
	do(1, "triage incidents --state opne", "did you mean open?")

	secret := filepath.Join(m.dir, "secret")
	if err := os.WriteFile(secret, []byte("a secret of sixteen or more\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	do(1, "webhook add ops --to http://ops.example/", "is not https", "webhook-reach")
	do(1, "webhook add ops --to https://127.0.0.1:1/", "not on the public internet", "webhook-reach")
	do(1, "webhook add ops --to mailto:a@b.example --template email", "sends no e-mail")
	do(0, "webhook add ops --to https://localhost:1/ --event critical_error --secret-file "+secret, "ops", "critical_error")
	do(0, "webhook disable ops", "false")
	do(0, "webhook enable ops", "true")
	do(0, "webhook rotate ops --secret-file "+secret, "ops")
	do(0, "webhook test ops", "false", "not on the public internet")
	do(0, "webhook deliveries ops", "ATTEMPTS")
	do(1, "webhook redeliver ops msg_1", "there is no delivery")
	do(0, "webhook list", "closed")
	do(0, "webhook drop ops", "dropped")

	do(0, "triage silences add --reason work --rule database_error --of component=db --for 3h", "sil-", "database_error", "component:db")
	do(1, "triage silences add --reason work --rule nothing", "there is no rule")
	do(0, "triage silences", "work", "true")
	do(1, "triage silences drop sil-1", "there is no silence")
	do(1, "services add auth --at http://auth.example", "is not https", "webhook-reach")
	do(0, "services add auth --at https://localhost:1 --capability logging", "auth", "unknown", "logging")
	do(0, "services", "auth")
	do(0, "services drop auth", "dropped")
}

// TestModelCommands labels texts, trains a model and lets it label records.
func TestModelCommands(t *testing.T) {
	m := newTerminal(t)
	m.serve()
	do := func(code int, line []string, texts ...string) {
		t.Helper()
		m.want(code, append([]string{"models"}, line...), texts...)
	}
	do(1, []string{"train"}, "0 labels")
	for _, place := range []string{"north", "south", "east", "west"} {
		do(0, []string{"label", "payment", "--text", "card declined " + place}, "payment", "lbl-")
		do(0, []string{"label", "disk", "--text", "volume full " + place}, "disk")
	}
	do(2, []string{"label", "disk"}, "--record")
	do(1, []string{"label", "disk", "--text", "77"}, "there is no word")
	do(0, []string{"labels"}, "card declined north")
	file := filepath.Join(m.dir, "examples.ndjson")
	if err := os.WriteFile(file, []byte("{\"text\":\"no way\",\"label\":\"odd\"}\n{\"text\":\"gateway timeout\",\"label\":\"net\"}\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	do(1, []string{"train", "--since", "3d"}, "no field is named")
	do(1, []string{"train", "--field", "ticket"}, `no record of the last 1w has a label in "ticket"`)
	do(0, []string{"train", "--examples", file, "--note", "first"}, "m-000001", "disk,payment", "PRECISION", "left out, as it has too few examples: net (1)")
	do(0, []string{"test", "m-000001", "the card was declined", "what"}, "payment", "card")
	do(0, []string{"activate", "m-000001"}, "m-000001")
	do(0, []string{"list"}, "true", "first")
	do(0, []string{"show", "m-000001"}, `"evaluation"`, `"declined"`)
	do(1, []string{"drop", "m-000001"}, "is active")
	do(0, []string{"rollback", "m-000001"}, "ACTIVE")
	do(0, []string{"drop", "m-000001"}, "dropped")
	do(1, []string{"unlabel", "lbl-1"}, "there is no label")
}
