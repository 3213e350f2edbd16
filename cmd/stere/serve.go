package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stere-log/stere/api"
	"github.com/stere-log/stere/api/admin"
	"github.com/stere-log/stere/api/certs"
	"github.com/stere-log/stere/api/limits"
	"github.com/stere-log/stere/auth"
	"github.com/stere-log/stere/auth/token"
	"github.com/stere-log/stere/encryption"
	"github.com/stere-log/stere/ingest/pipeline"
	"github.com/stere-log/stere/internal/heap"
	"github.com/stere-log/stere/internal/outward"
	"github.com/stere-log/stere/meaning/geo"
	"github.com/stere-log/stere/node"
	"github.com/stere-log/stere/node/alert"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/derived"
	"github.com/stere-log/stere/webhook"
	"go.yaml.in/yaml/v3"
)

// readyPatience is how long a start may replay its log before a line says so.
const readyPatience = 2 * time.Second

type serveCommand struct {
	nodeFlags
}

// Help teaches by example.
func (serveCommand) Help() string {
	return `Runs a node until Ctrl-C. On the first start it makes an admin key, prints it once
and keeps it in DIR/admin-key; the other commands on this machine find it there.

Examples:
  stere serve
  stere serve --data /var/lib/stere --listen 0.0.0.0:7100
  stere serve --cluster-listen 0.0.0.0 --cluster-secret-file /etc/stere/secret --bootstrap
  stere serve --cluster-listen 0.0.0.0 --cluster-secret-file /etc/stere/secret --join db1,db2
  JWT_SECRET=... LOG_LEVEL=debug stere serve --set body-limit=128MiB
  stere serve --config /etc/stere.yaml`
}

// Run serves until the program is interrupted or the node fails.
func (c *serveCommand) Run(p *program) (err error) {
	effective, err := p.resolve(c.Config, c.given())
	if err != nil {
		return err
	}
	memory := effective.size("memory")
	begin := heap.NewStretch(memory/beginShare, memory/readyShare)
	var backing sync.WaitGroup
	defer backing.Wait()
	backing.Go(begin.Back) // while the node starts
	target := int64(0)
	if p.getenv("GOMEMLIMIT") == "" {
		// The process is this node's; what it decodes comes in bursts whose
		// garbage must not stand beside the next one.
		target = effective.size("memory-target")
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(target))
	}
	if p.getenv("GOMAXPROCS") == "" {
		// Segments are built on a thread that yields to all others; what it
		// holds of the scheduler must not be missed by those.
		defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(runtime.GOMAXPROCS(0) + 1))
	}
	running, err := p.startNode(effective)
	if err != nil {
		return err
	}
	watch := memoryWatch{memory: memory, target: target, collect: p.getenv("GOGC") == "", cached: running.cached, rest: running.rest, begin: begin}
	defer watch.start(p.ctx)()
	if running.keyCreated {
		fmt.Fprintf(p.stdout, "Made the admin key, which is printed only this once and kept in %s/%s:\n  %s\n", effective.text("data"), auth.AdminKeyFile, running.key)
	}
	if effective.bool("insecure-no-auth") {
		fmt.Fprintln(p.stdout, "Authentication is off: everybody on this machine can do everything.")
	}
	fmt.Fprintf(p.stdout, "Serving %s, data in %s. Stop with Ctrl-C.\n", running.url, effective.text("data"))
	return running.Wait()
}

// startNode starts a node in this process and returns when it is ready. It
// runs until the program's context ends or it is stopped.
func (p *program) startNode(effective values) (*runningNode, error) {
	running := &runningNode{done: make(chan error, 1)}
	cfg, err := p.nodeConfig(effective, running)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(p.ctx)
	running.cancel = cancel
	opened, err := node.New(ctx, cfg)
	if err != nil {
		cancel()
		return nil, err
	}
	running.cached, running.rest, running.data = opened.CacheBytes, opened.Rest, effective.text("data")
	running.url = urlOf(opened.Addr().String())
	if len(cfg.API.Certificates) > 0 {
		running.url = strings.Replace(running.url, "http:", "https:", 1)
	}
	if err := p.noteNode(running.url, effective.text("data")); err != nil {
		cfg.Logger.Debug("other commands need --data", "error", err)
	}
	go func() { running.done <- opened.Run(ctx) }()
	patience := time.NewTimer(readyPatience)
	defer patience.Stop()
	for {
		select {
		case <-opened.Ready():
			if running.adminKey != nil {
				running.key, running.keyCreated = running.adminKey.Key(), running.adminKey.Made()
			}
			return running, nil
		case err := <-running.done:
			cancel()
			return nil, errors.Join(errors.New("the node ended before it was ready"), err)
		case <-patience.C:
			fmt.Fprintln(p.stdout, waitingFor(cfg.Cluster))
		}
	}
}

// waitingFor says why a node is not ready after a while.
func waitingFor(c node.ClusterConfig) string {
	if c.Enabled() {
		return "Replaying the log, or waiting for the cluster ..."
	}
	return "Replaying the log ..."
}

// alertsOf turns the settings into how others are told.
func alertsOf(effective values) (s alert.Settings, err error) {
	if s.Reach, err = outward.ParseReach(effective.text("webhook-reach")); err != nil {
		return s, fmt.Errorf("webhook-reach: %w", err)
	}
	s.Mail = webhook.Mail{Server: effective.text("mail-server"), From: effective.text("mail-from"), User: effective.text("mail-user"), Password: effective.text("mail-password")}
	s.NoWebhooks, s.NoServices = !effective.bool("enable-webhooks"), !effective.bool("enable-integrations")
	return s, s.Mail.Check()
}

// nodeConfig turns the settings into the node's configuration.
func (p *program) nodeConfig(effective values, running *runningNode) (node.Config, error) {
	level := new(slog.LevelVar)
	wanted, err := api.ParseLogLevel(effective.text("log-level"))
	if err != nil {
		return node.Config{}, usageError{err}
	}
	level.Set(wanted)
	options := &slog.HandlerOptions{Level: level}
	var handler slog.Handler = slog.NewTextHandler(p.stderr, options)
	if effective.text("log-format") == "json" {
		handler = slog.NewJSONHandler(p.stderr, options)
	}
	logger := slog.New(handler)
	for _, s := range settings() {
		if s.later && effective[s.key].origin != "default" {
			logger.Warn("this setting has no effect yet", "setting", s.key, "from", effective[s.key].origin)
		}
	}
	cfg := node.Config{
		DataDir: effective.text("data"), Listen: effective.text("listen"), Shards: effective.count("shards"),
		MemoryBytes: effective.size("memory"), ReserveBytes: effective.size("reserve"), ShutdownTimeout: effective.duration("shutdown-timeout"), Logger: logger, LogLevel: level,
		Query: query.Config{AtOnce: effective.count("queries"), Budgets: effective.budgets("query-budgets")},
		API: api.Config{
			Version: version(), Environment: effective.text("environment"), APIKeyHeader: effective.text("api-key-header"),
			ElasticVersion: effective.text("elastic-version"), BodyBytes: effective.size("body-limit"), BodyMemory: effective.size("body-memory"), RecordMemory: effective.size("record-memory"),
			Connections: effective.count("connections"), RequestTimeout: effective.duration("request-timeout"),
			Decode: pipeline.Config{MaxLineBytes: int(effective.size("line-limit")), MaxFields: effective.count("field-limit")},
		},
	}
	cfg.API.OpenIntegrationHealth = effective.bool("open-integration-health")
	cfg.API.Origins = splitList(effective.text("allowed-origins"))
	if cfg.API.Certificates, err = certificates(effective); err != nil {
		return node.Config{}, usageError{err}
	}
	if cfg.API.Proxies, err = networksOf(effective.text("trusted-proxies")); err != nil {
		return node.Config{}, usageError{err}
	}
	limitsOf(effective, &cfg)
	if cfg.Alerts, err = alertsOf(effective); err != nil {
		return node.Config{}, usageError{err}
	}
	if cfg.Cluster, err = clusterConfig(effective); err != nil {
		return node.Config{}, usageError{fmt.Errorf("configure cluster: %w", err)}
	}
	if cfg.Redaction, err = effective.redaction(); err != nil {
		return node.Config{}, err
	}
	if cfg.Query.Places, err = placesOf(effective, logger); err != nil {
		return node.Config{}, usageError{err}
	}
	if path := effective.text("encryption-key-file"); path != "" {
		cfg.TenantKeys = effective.bool("encryption-tenant-keys")
		cfg.EncryptionKeys = func() (*encryption.Masters, error) { return encryption.ReadMasters(path) }
	}
	if effective.bool("insecure-no-auth") {
		return cfg, nil
	}
	if cfg.Auth, err = authenticator(effective, logger); err != nil {
		return cfg, usageError{err}
	}
	running.adminKey, err = auth.OpenAdminKey(cfg.DataDir, cfg.Auth)
	cfg.AdminKey = running.adminKey
	return cfg, err
}

// limitsOf sets what is limited, switched off, counted and kept.
func limitsOf(effective values, cfg *node.Config) {
	count := func(key string) int64 { return int64(effective.count(key)) }
	price := func(key string) float64 { p, _ := strconv.ParseFloat(effective.text(key), 64); return p } // it was checked
	cfg.Limits = limits.Config{
		Enabled: effective.bool("rate-limit-enabled"), Requests: count("rate-limit-requests"), Window: time.Duration(count("rate-limit-window")) * time.Second,
		PerMinute: count("rate-limit-per-minute"), PerHour: count("rate-limit-per-hour"), PerDay: count("rate-limit-per-day"),
		SearchMinute: count("search-rate-limit-per-minute"), Address: count("rate-limit-address"),
	}
	cfg.Usage, cfg.Audit = effective.text("usage") == "on", effective.text("audit") == "on"
	cfg.API.Prices = admin.Prices{Currency: effective.text("price-currency"), In: price("price-in"), Stored: price("price-stored"), Read: price("price-read"), Questions: price("price-queries")}
	for key, feature := range map[string]auth.Feature{"enable-analytics": auth.Analytics, "enable-integrations": auth.Integrations, "enable-webhooks": auth.Webhooks, "enable-content-analysis": auth.ContentAnalysis} {
		if !effective.bool(key) {
			cfg.API.Off |= auth.FeaturesOf(feature)
		}
	}
	cfg.Settings = map[string]string{}
	for _, s := range settings() {
		if v := effective[s.key]; !s.secret && v.origin != "default" {
			cfg.Settings[s.key] = v.text
		}
	}
}

// placesOf returns what is known of where addresses are, nil if no files say it.
func placesOf(effective values, logger *slog.Logger) (func() derived.Places, error) {
	paths := splitList(effective.text("geoip-file"))
	if len(paths) == 0 {
		return nil, nil
	}
	files, err := geo.Open(paths, time.Now, logger)
	if err != nil {
		return nil, fmt.Errorf("geoip-file: %w", err)
	}
	return func() derived.Places { return files.Current() }, nil
}

// certificates returns the files of the HTTP port's certificates.
func certificates(effective values) ([]certs.Pair, error) {
	files, keys := splitList(effective.text("tls-cert")), splitList(effective.text("tls-key"))
	if len(files) != len(keys) {
		return nil, fmt.Errorf("tls-cert has %d files and tls-key %d, want as many", len(files), len(keys))
	}
	pairs := make([]certs.Pair, len(files))
	for i := range files {
		pairs[i] = certs.Pair{Cert: files[i], Key: keys[i]}
	}
	return pairs, nil
}

// authenticator turns the settings into who is recognised.
func authenticator(effective values, logger *slog.Logger) (*auth.Authenticator, error) {
	common := token.Issuer{Audiences: splitList(effective.text("jwt-audience")), Leeway: effective.duration("jwt-leeway"), NoExpiry: !effective.bool("jwt-require-expiry")}
	secret, public := common, common
	secret.Secret = effective.text("jwt-secret")
	if secret.Secret != "" && len(secret.Secret) < 32 {
		logger.Warn("the JWT secret is shorter than the 32 bytes that HS256 deserves", "bytes", len(secret.Secret))
	}
	public.JWKS, public.Discover, public.Algorithms = effective.text("jwt-jwks"), effective.bool("jwt-oidc"), splitList(effective.text("jwt-algorithms"))
	var err error
	if path := effective.text("jwt-public-key-file"); path != "" {
		if public.PEM, err = os.ReadFile(path); err != nil {
			return nil, fmt.Errorf("jwt-public-key-file: %w", err)
		}
	}
	reach, err := outward.ParseReach(effective.text("jwt-fetch-from"))
	if err != nil {
		return nil, fmt.Errorf("jwt-fetch-from: %w", err)
	}
	cfg := auth.Config{KeyLater: true, Reach: reach, Logger: logger}
	if path := effective.text("jwt-issuers-file"); path != "" {
		if cfg.Issuers, err = readIssuers(path); err != nil {
			return nil, fmt.Errorf("jwt-issuers-file: %w", err)
		}
	}
	if len(public.PEM) > 0 || public.JWKS != "" || public.Discover {
		public.Name = effective.text("jwt-issuer")
		cfg.Issuers = append(cfg.Issuers, public)
	} else {
		secret.Name = effective.text("jwt-issuer")
	}
	if secret.Secret != "" {
		cfg.Issuers = append(cfg.Issuers, secret)
	}
	return auth.New(cfg)
}

// issuerFile is one issuer as the file has it.
type issuerFile struct {
	Name, JWKS, Tenant string
	SecretFile         string `yaml:"secret-file"`
	PublicKeyFile      string `yaml:"public-key-file"`
	OIDC               bool   `yaml:"oidc"`
	Algorithms         []string
	Audience           []string
	Leeway             time.Duration
	RequireExpiry      *bool `yaml:"require-expiry"`
	Tenants, Roles     []string
	Claims             struct{ Subject, Tenant, Role, Domains, Permissions, Restriction []string }
}

// readIssuers reads the file with issuers.
func readIssuers(path string) ([]token.Issuer, error) {
	text, err := os.ReadFile(path)
	if err == nil && len(text) > configBytesMax {
		err = fmt.Errorf("%s has %d bytes, want at most %d", path, len(text), configBytesMax)
	}
	if err != nil {
		return nil, err
	}
	var list []issuerFile
	decoder := yaml.NewDecoder(bytes.NewReader(text))
	decoder.KnownFields(true)
	if err := decoder.Decode(&list); err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	issuers := make([]token.Issuer, len(list))
	for i, one := range list {
		issuers[i] = token.Issuer{
			Name: one.Name, JWKS: one.JWKS, Discover: one.OIDC, Algorithms: one.Algorithms, Audiences: one.Audience, Leeway: one.Leeway,
			NoExpiry: one.RequireExpiry != nil && !*one.RequireExpiry, Claims: token.Names(one.Claims), Tenant: one.Tenant, Tenants: one.Tenants, Roles: one.Roles,
		}
		if one.SecretFile != "" {
			secret, err := os.ReadFile(one.SecretFile)
			if err != nil {
				return nil, fmt.Errorf("%s: issuer %q: %w", path, one.Name, err)
			}
			issuers[i].Secret = strings.TrimSpace(string(secret))
		}
		if one.PublicKeyFile != "" {
			if issuers[i].PEM, err = os.ReadFile(one.PublicKeyFile); err != nil {
				return nil, fmt.Errorf("%s: issuer %q: %w", path, one.Name, err)
			}
		}
	}
	return issuers, nil
}
