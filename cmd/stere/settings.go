package main

import (
	"errors"
	"fmt"
	"net"
	"net/url"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/stere-log/stere/cmd/stere/redaction"
	"github.com/stere-log/stere/node"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/syntax"
	"github.com/stere-log/stere/redact"
	"go.yaml.in/yaml/v3"
)

// setting is one thing that can be configured. Its key is the name in the
// file, in --set and, where there is one, of the flag.
type setting struct {
	key      string
	fallback string
	env      []string // the first that is set counts
	secret   bool
	later    bool                    // accepted and checked, but nothing uses it yet
	share    func(node.Memory) int64 // what it is where nothing else is said
	check    func(string) error
	help     string
}

// outgoingSettings are those of how others are told.
func outgoingSettings() []setting {
	return []setting{
		{key: "webhook-reach", fallback: "public", env: []string{"STERE_WEBHOOK_REACH"}, check: oneOf("public", "private", "loopback"), help: "where webhooks and registered services may be: public addresses over https, private networks too, or this machine too; of the last two also without TLS"},
		{key: "open-integration-health", fallback: "false", env: []string{"STERE_OPEN_INTEGRATION_HEALTH"}, check: isBool, help: "answer GET /integration/health without credentials too, with the status alone"},
		{key: "mail-server", env: []string{"STERE_MAIL_SERVER"}, check: isMailServer, help: "host:port of the SMTP server that sends e-mail of webhooks; TLS is used if it offers it, from the beginning at port 465 or with smtps:// in front; empty: no e-mail is sent"},
		{key: "mail-from", env: []string{"STERE_MAIL_FROM"}, help: "the sender of e-mail, such as Stere <stere@example.com>"},
		{key: "mail-user", env: []string{"STERE_MAIL_USER"}, help: "who logs in to the SMTP server; empty: nobody does"},
		{key: "mail-password", env: []string{"STERE_MAIL_PASSWORD"}, secret: true, help: "the password of mail-user"},
	}
}

// settings is the table of everything that can be configured.
func settings() []setting {
	one := func(name string) []string { return []string{"STERE_" + name, name} }
	table := []setting{
		{key: "data", fallback: "./stere-data", env: []string{"STERE_DATA"}, check: notEmpty, help: "the data folder"},
		{key: "listen", fallback: "127.0.0.1:7100", env: []string{"STERE_LISTEN"}, check: isAddress, help: "the address to listen on"},
		{key: "insecure-no-auth", fallback: "false", env: []string{"STERE_INSECURE_NO_AUTH"}, check: isBool, help: "let everybody on this machine do everything; on a loopback address only"},
		{key: "log-level", fallback: "info", env: one("LOG_LEVEL"), check: isLogLevel, help: "debug, info, warn or error"},
		{key: "log-format", fallback: "text", env: []string{"STERE_LOG_FORMAT"}, check: oneOf("text", "json"), help: "text or json"},
		{key: "environment", fallback: "development", env: one("ENVIRONMENT"), check: oneOf("development", "staging", "production"), help: "development, staging or production"},
		{key: "jwt-secret", env: one("JWT_SECRET"), secret: true, help: "signs bearer tokens (HS256, HS384, HS512)"},
		{key: "jwt-public-key-file", env: []string{"STERE_JWT_PUBLIC_KEY_FILE"}, help: "PEM file: public keys or certificates of who signs bearer tokens"},
		{key: "jwt-jwks", env: []string{"STERE_JWT_JWKS"}, help: "the key set of who signs bearer tokens: an https address, or a file"},
		{key: "jwt-oidc", env: []string{"STERE_JWT_OIDC"}, check: isBool, fallback: "false", help: "find the key set by the OpenID configuration of jwt-issuer"},
		{key: "jwt-issuer", env: []string{"STERE_JWT_ISSUER"}, help: "the claim iss of tokens by public keys, of the secret if there are none; empty: any"},
		{key: "jwt-audience", env: []string{"STERE_JWT_AUDIENCE"}, help: "with commas: of which the claim aud must have one; empty: it is not looked at"},
		{key: "jwt-algorithms", env: []string{"STERE_JWT_ALGORITHMS"}, help: "with commas: by which tokens by public keys may be signed; empty: all that fit the keys"},
		{key: "jwt-leeway", fallback: "30s", env: []string{"STERE_JWT_LEEWAY"}, check: isDuration, help: "by which clocks may differ"},
		{key: "jwt-require-expiry", fallback: "true", env: []string{"STERE_JWT_REQUIRE_EXPIRY"}, check: isBool, help: "refuse tokens without the claim exp"},
		{key: "jwt-issuers-file", env: []string{"STERE_JWT_ISSUERS_FILE"}, help: "YAML file: a list of more issuers of tokens, see docs/security.md"},
		{key: "jwt-fetch-from", fallback: "public", env: []string{"STERE_JWT_FETCH_FROM"}, check: oneOf("public", "private", "loopback"), help: "where key sets may be: public addresses, private networks too, or this machine too, also without TLS"},
		{key: "tls-cert", env: []string{"STERE_TLS_CERT"}, help: "PEM files with commas: certificates of the HTTP port, read again when they change; the name that a client asks for chooses"},
		{key: "tls-key", env: []string{"STERE_TLS_KEY"}, help: "PEM files with commas: their keys, in the same order"},
		{key: "allowed-origins", env: one("ALLOWED_ORIGINS"), help: "with commas: web sites whose pages may ask, such as https://*.example; * for all"},
		{key: "api-key-header", fallback: "X-API-Key", env: one("API_KEY_HEADER"), check: isHeader, help: "the header with the API key"},
		{key: "elastic-version", env: []string{"STERE_ELASTIC_VERSION"}, check: isVersion, help: "the Elasticsearch version reported to shippers"},
		{key: "memory", fallback: "512MiB", env: []string{"STERE_MEMORY"}, check: isMemory, help: "that the process takes at most, about; the sizes of bodies, of records and of caches and the target are shares of it"},
		{key: "body-limit", share: func(m node.Memory) int64 { return m.Body }, env: []string{"STERE_BODY_LIMIT"}, check: isSize, help: "of one request body, decompressed"},
		{key: "body-memory", share: func(m node.Memory) int64 { return m.Bodies }, env: []string{"STERE_BODY_MEMORY"}, check: isSize, help: "of all request bodies in memory"},
		{key: "record-memory", share: func(m node.Memory) int64 { return m.Records }, env: []string{"STERE_RECORD_MEMORY"}, check: isSize, help: "of the decoded records of all requests under way"},
		{key: "memory-target", share: func(m node.Memory) int64 { return m.Work }, env: []string{"STERE_MEMORY_TARGET"}, check: isSize, help: "of the process without its caches: near it memory is collected harder; GOMEMLIMIT goes before"},
		{key: "queries", env: []string{"STERE_QUERIES"}, check: isCount, help: "that run at once; empty: twice GOMAXPROCS, that is the processors and one more, at least 4"},
		{key: "query-budgets", env: []string{"STERE_QUERY_BUDGETS"}, check: areBudgets, help: "what each query of a role may take, for example user=time:5s+read:1GiB+memory:64MiB+rows:10000+at-once:2,reader=time:20s"},
		{key: "connections", fallback: "4096", env: []string{"STERE_CONNECTIONS"}, check: isCount, help: "at the same time"},
		{key: "line-limit", fallback: "1MiB", env: []string{"STERE_LINE_LIMIT"}, check: isSize, help: "of one record as sent"},
		{key: "field-limit", fallback: "1000", env: []string{"STERE_FIELD_LIMIT"}, check: isCount, help: "fields of one record"},
		{key: "request-timeout", fallback: "1m", env: []string{"STERE_REQUEST_TIMEOUT"}, check: isDuration, help: "of the work for a request"},
		{key: "shards", env: []string{"STERE_SHARDS"}, check: isCount, help: "of a new cluster, an existing one keeps its number; empty: 2 for each node that is expected to begin it"},
		{key: "node", env: []string{"STERE_NODE"}, check: isNodeName, help: "the node's name in the cluster; empty: the machine's"},
		{key: "zone", env: []string{"STERE_ZONE"}, check: isZone, help: "what fails together with the node: a rack, a data centre; replicas are spread over zones"},
		{key: "cluster-listen", env: []string{"STERE_CLUSTER_LISTEN"}, check: isHostPort, help: "the address of the cluster port, for other nodes; empty: the host of listen, port 7101, if there is a cluster"},
		{key: "gossip-listen", env: []string{"STERE_GOSSIP_LISTEN"}, check: isHostPort, help: "the IP address of gossip, TCP and UDP; empty: the host of cluster-listen, port 7102"},
		{key: "advertise", env: []string{"STERE_ADVERTISE"}, check: isHost, help: "the host by which other nodes reach this one; empty: that of cluster-listen, or a private address of the machine"},
		{key: "join", env: []string{"STERE_JOIN"}, check: isHostPorts, help: "gossip addresses of some nodes of the cluster, with commas; names may stand for several"},
		{key: "bootstrap", fallback: "false", env: []string{"STERE_BOOTSTRAP"}, check: isBool, help: "a new data folder becomes the first node of a new cluster, unless one answers at the addresses to join"},
		{key: "bootstrap-expect", env: []string{"STERE_BOOTSTRAP_EXPECT"}, check: oneOf("1", "3", "5"), help: "new data folders make a new cluster together as soon as so many have found each other: 1, 3 or 5"},
		{key: "replicas", env: []string{"STERE_REPLICAS"}, check: oneOf("1", "3", "5"), help: "of a shard in a new cluster: 1, 3 or 5; empty: as many as its nodes allow; later: stere cluster replicas"},
		{key: "cluster-secret-file", env: []string{"STERE_CLUSTER_SECRET_FILE"}, help: "the file with the secret that all nodes share, made by stere cluster secret"},
		{key: "cluster-tls-cert", env: []string{"STERE_CLUSTER_TLS_CERT"}, help: "PEM file: this node's certificate for the cluster port, for servers and clients"},
		{key: "cluster-tls-key", env: []string{"STERE_CLUSTER_TLS_KEY"}, help: "PEM file: its key"},
		{key: "cluster-tls-ca", env: []string{"STERE_CLUSTER_TLS_CA"}, help: "PEM file: the authority of the nodes' certificates, and of nothing else"},
		{key: "cluster-tls-mode", fallback: "require", env: []string{"STERE_CLUSTER_TLS_MODE"}, check: oneOf("require", "names", "both"), help: "with certificates: require them of every node; require that they have the names of the nodes, too; or take both, nodes with and without, while they are switched one by one"},
		{key: "reserve", env: []string{"STERE_RESERVE"}, check: isSize, help: "of the disk that stays free; empty: 512 MiB or 2 %, whichever is less"},
		{key: "redaction", fallback: "on", env: []string{"STERE_REDACTION"}, check: oneOf("on", "personal", "off"), help: "take secrets out of records before they are stored: on, personal (also e-mail addresses and telephone numbers) or off"},
		{key: "redaction-actions", env: []string{"STERE_REDACTION_ACTIONS"}, check: redaction.ArePairs, help: "what to do with the findings of detectors, for example email=hash,ip=mask,card=off"},
		{key: "redaction-fields", env: []string{"STERE_REDACTION_FIELDS"}, check: redaction.ArePairs, help: "what to do with fields by their names, for example metadata.note=remove,*.token=mask"},
		{key: "redaction-rules-file", env: []string{"STERE_REDACTION_RULES_FILE"}, help: "a YAML file with rules of one's own"},
		{key: "redaction-key-file", env: []string{"STERE_REDACTION_KEY_FILE"}, help: "the file with the key that tokens are made with, the same on all nodes"},
		{key: "encryption-key-file", env: []string{"STERE_ENCRYPTION_KEY_FILE"}, help: "encrypt what is on the disk: the file with the master keys, made by stere admin encryption key, or a Unix socket that gives them"},
		{key: "encryption-tenant-keys", fallback: "false", env: []string{"STERE_ENCRYPTION_TENANT_KEYS"}, check: isBool, help: "with encryption: keep the segments of each tenant in files with keys of their own, so that no copy of them can be read after the tenant was removed; costs files"},
		{key: "shutdown-timeout", fallback: "30s", env: []string{"STERE_SHUTDOWN_TIMEOUT"}, check: isDuration, help: "to finish accepted work on shutdown"},
		{key: "enable-analytics", fallback: "true", env: one("ENABLE_ANALYTICS"), check: isBool, help: "the analytics endpoints, of tenants whose plan has them"},
		{key: "enable-integrations", fallback: "true", env: one("ENABLE_INTEGRATIONS"), check: isBool, help: "the integration endpoints, and looking at registered services"},
		{key: "enable-webhooks", fallback: "true", env: one("ENABLE_WEBHOOKS"), check: isBool, help: "webhooks; off: what is to be told waits, for a day at most"},
		{key: "enable-content-analysis", fallback: "true", env: one("ENABLE_CONTENT_ANALYSIS"), check: isBool, help: "labels of texts and the models that learn from them"},
		{key: "auth-service-url", env: one("AUTH_SERVICE_URL"), check: isURL, later: true, help: "a service that validates tokens"},
		{key: "data-service-url", env: one("DATA_SERVICE_URL"), check: isURL, later: true, help: "a service that receives copies"},
		{key: "content-skimmer-url", env: one("CONTENT_SKIMMER_URL"), check: isURL, later: true, help: "a service that analyses content"},
	}
	return slices.Concat(table, knowledgeSettings(), outgoingSettings(), limitSettings())
}

// knowledgeSettings are those of what is known of the world besides records.
func knowledgeSettings() []setting {
	return []setting{
		{key: "geoip-file", env: []string{"STERE_GEOIP_FILE"}, help: "MMDB files with commas: where addresses are and whose, for example GeoLite2-City.mmdb,GeoLite2-ASN.mmdb; read again when they change; the same on all nodes"},
	}
}

// value is a setting's effective text and where it comes from.
type value struct{ text, origin string }

// values are the effective settings by key. They passed their checks.
type values map[string]value

func (v values) text(key string) string { return v[key].text }
func (v values) bool(key string) bool   { b, _ := parseBool(v[key].text); return b }
func (v values) count(key string) int   { n, _ := strconv.Atoi(v[key].text); return n }
func (v values) size(key string) int64  { n, _ := parseSize(v[key].text); return n }
func (v values) budgets(key string) map[string]query.Budget {
	budgets, _ := roleBudgets(v[key].text)
	return budgets
}
func (v values) duration(key string) time.Duration {
	d, _ := syntax.ParseDuration(v[key].text)
	return d
}

// settingFlags are the flags of the commands that need settings. The secrets
// have none: other users can read command lines.
type settingFlags struct {
	Config         string            `help:"A YAML file with settings (default: ./stere.yaml if it is there)." placeholder:"FILE"`
	Data           *string           `help:"The data folder (default ./stere-data)." placeholder:"DIR"`
	Listen         *string           `help:"The address to listen on (default 127.0.0.1:7100)." placeholder:"ADDR"`
	LogLevel       *string           `help:"debug, info, warn or error (default info)." placeholder:"LEVEL"`
	InsecureNoAuth bool              `help:"Let everybody on this machine do everything; on a loopback address only."`
	Set            map[string]string `help:"Any setting, see stere config." placeholder:"KEY=VALUE" mapsep:"none"`
}

// given returns the settings that were given as flags.
func (f *settingFlags) given() map[string]value {
	given := map[string]value{}
	for key, text := range f.Set {
		given[key] = value{text, "--set " + key}
	}
	for key, text := range map[string]*string{"data": f.Data, "listen": f.Listen, "log-level": f.LogLevel} {
		if text != nil {
			given[key] = value{*text, "--" + key}
		}
	}
	if f.InsecureNoAuth {
		given["insecure-no-auth"] = value{"true", "--insecure-no-auth"}
	}
	return given
}

// defaultConfigFile is read where it exists and no other is named.
const defaultConfigFile = "stere.yaml"

// resolve finds every effective value, of a configuration file, "" for the
// default one, and of what was given as flags. Its error lists all faults at once.
func (p *program) resolve(config string, given map[string]value) (values, error) {
	var faults []error
	table := settings()
	fromFile, fileFaults := readConfigFile(config, p.getenv("STERE_CONFIG"))
	faults = append(faults, fileFaults...)
	for _, key := range slices.Sorted(mapKeys(given)) {
		if find(table, key) == nil {
			faults = append(faults, fmt.Errorf("--set %s: unknown setting%s", key, didYouMean(key, keysOf(table))))
		}
	}
	effective := values{}
	for _, s := range table {
		v := value{s.fallback, "default"}
		if file, ok := fromFile[s.key]; ok {
			v = file
		}
		for i := len(s.env) - 1; i >= 0; i-- {
			if text := p.getenv(s.env[i]); text != "" {
				v = value{text, "environment " + s.env[i]}
			}
		}
		if flag, ok := given[s.key]; ok {
			v = flag
		}
		effective[s.key] = v
		if s.check == nil || v.text == "" && s.fallback == "" {
			continue
		}
		if err := s.check(v.text); err != nil {
			faults = append(faults, fmt.Errorf("%s (%s): %w", s.key, v.origin, err))
		}
	}
	if len(faults) == 0 {
		effective.share(table)
	}
	faults = append(faults, p.misspelt(table)...)
	if listen := effective.text("listen"); effective.bool("insecure-no-auth") && isAddress(listen) == nil && !isLoopback(listen) {
		faults = append(faults, fmt.Errorf("insecure-no-auth (%s): only allowed on a loopback address, not on %s", effective["insecure-no-auth"].origin, listen))
	}
	if len(faults) > 0 {
		return nil, usageError{fmt.Errorf("the configuration has %d fault(s):\n%w", len(faults), errors.Join(faults...))}
	}
	return effective, nil
}

// redaction returns what is to be redacted.
func (v values) redaction() (redact.Config, error) {
	cfg, err := redaction.Settings(redaction.Texts{Mode: v.text("redaction"), Actions: v.text("redaction-actions"), Fields: v.text("redaction-fields"),
		RulesFile: v.text("redaction-rules-file"), KeyFile: v.text("redaction-key-file")})
	if err != nil {
		return cfg, usageError{fmt.Errorf("configure redaction: %w", err)}
	}
	return cfg, nil
}

// redactionEnv is what the commands about redaction work with.
func (p *program) redactionEnv() *redaction.Env {
	return &redaction.Env{
		Stdin: p.stdin, Stdout: p.stdout, Usage: func(err error) error { return usageError{err} },
		Client: adminWorld{p}.Client, Context: adminWorld{p}.Context,
		Settings: func(config string, set map[string]string) (redact.Config, error) {
			flags := settingFlags{Set: set}
			effective, err := p.resolve(config, flags.given())
			if err != nil {
				return redact.Config{}, err
			}
			return effective.redaction()
		},
	}
}

// share gives the settings that are shares of the memory theirs.
func (v values) share(table []setting) {
	memory := node.DivideMemory(v.size("memory"))
	for _, s := range table {
		if s.share != nil && v[s.key].text == "" {
			v[s.key] = value{sizeText(s.share(memory)), "share of memory"}
		}
	}
}

// clientVariables are the STERE_ variables that are no settings.
func clientVariables() []string {
	return []string{"STERE_URL", "STERE_API_KEY", "STERE_TOKEN", "STERE_CONFIG"}
}

// misspelt finds STERE_ variables that are nearly known. Others are left
// alone: container platforms invent variables from the names of services.
func (p *program) misspelt(table []setting) (faults []error) {
	known := clientVariables()
	for _, s := range table {
		known = append(known, s.env...)
	}
	for _, entry := range p.environ {
		name, _, _ := strings.Cut(entry, "=")
		if !strings.HasPrefix(name, "STERE_") || slices.Contains(known, name) {
			continue
		}
		if near := syntax.Nearest(strings.TrimPrefix(name, "STERE_"), trimmed(known)); near != "" {
			faults = append(faults, fmt.Errorf("environment %s: unknown variable, did you mean STERE_%s?", name, near))
		}
	}
	return faults
}

func trimmed(names []string) (out []string) {
	for _, name := range names {
		if rest, ok := strings.CutPrefix(name, "STERE_"); ok {
			out = append(out, rest)
		}
	}
	return out
}

// configBytesMax bounds the configuration file.
const configBytesMax = 1 << 20

// readConfigFile reads the file named by the flag or the variable, or the
// default file where it exists.
func readConfigFile(flag, variable string) (map[string]value, []error) {
	path, wanted := flag, true
	if path == "" {
		path = variable
	}
	if path == "" {
		path, wanted = defaultConfigFile, false
	}
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) && !wanted {
		return nil, nil
	}
	if err == nil && len(text) > configBytesMax {
		err = fmt.Errorf("%s has %d bytes, want at most %d", path, len(text), configBytesMax)
	}
	if err != nil {
		return nil, []error{fmt.Errorf("read configuration: %w", err)}
	}
	return parseConfig(path, text)
}

// parseConfig reads a YAML mapping of keys and values.
func parseConfig(path string, text []byte) (map[string]value, []error) {
	var root yaml.Node
	if err := yaml.Unmarshal(text, &root); err != nil {
		return nil, []error{fmt.Errorf("%s: %w", path, err)}
	}
	if len(root.Content) == 0 { // an empty file
		return nil, nil
	}
	top := root.Content[0]
	if top.Kind != yaml.MappingNode {
		return nil, []error{fmt.Errorf("%s:%d: want lines of the form key: value", path, top.Line)}
	}
	var faults []error
	table := settings()
	found := map[string]value{}
	for i := 0; i+1 < len(top.Content); i += 2 {
		name, content := top.Content[i], top.Content[i+1]
		place := fmt.Sprintf("%s:%d", path, name.Line)
		key := strings.ReplaceAll(name.Value, "_", "-")
		switch _, twice := found[key]; {
		case find(table, key) == nil:
			faults = append(faults, fmt.Errorf("%s: unknown key %q%s", place, name.Value, didYouMean(key, keysOf(table))))
		case twice:
			faults = append(faults, fmt.Errorf("%s: %s is set twice", place, key))
		case content.Kind != yaml.ScalarNode:
			faults = append(faults, fmt.Errorf("%s: %s has a list or a mapping, want one value", place, key))
		case content.Tag != "!!null":
			found[key] = value{content.Value, place}
		}
	}
	return found, faults
}

func didYouMean(word string, known []string) string {
	if near := syntax.Nearest(word, known); near != "" {
		return fmt.Sprintf(", did you mean %q?", near)
	}
	return ", see stere config for all of them"
}

func find(table []setting, key string) *setting {
	if i := slices.IndexFunc(table, func(s setting) bool { return s.key == key }); i >= 0 {
		return &table[i]
	}
	return nil
}

func keysOf(table []setting) []string {
	keys := make([]string, len(table))
	for i, s := range table {
		keys[i] = s.key
	}
	return keys
}

func mapKeys(m map[string]value) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for key := range m {
			if !yield(key) {
				return
			}
		}
	}
}

// isLoopback reports whether only this machine can reach an address.
func isLoopback(address string) bool {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return false
	}
	if host == "localhost" {
		return true
	}
	ip := net.ParseIP(host)
	return ip != nil && ip.IsLoopback()
}

// urlOf returns the URL by which this machine reaches a node that listens on
// an address.
func urlOf(listen string) string {
	host, port, err := net.SplitHostPort(listen)
	if err != nil {
		return listen
	}
	if ip := net.ParseIP(host); host == "" || ip != nil && ip.IsUnspecified() {
		host = "127.0.0.1"
	}
	return (&url.URL{Scheme: "http", Host: net.JoinHostPort(host, port)}).String()
}
