package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime/debug"
	"time"

	"github.com/stere-log/stere/api"
	"github.com/stere-log/stere/auth"
	"github.com/stere-log/stere/ingest/pipeline"
	"github.com/stere-log/stere/internal/heap"
	"github.com/stere-log/stere/node"
	"github.com/stere-log/stere/query"
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
	begin := heap.NewStretch()
	target := int64(0)
	if p.getenv("GOMEMLIMIT") == "" {
		// The process is this node's; what it decodes comes in bursts whose
		// garbage must not stand beside the next one.
		target = effective.size("memory-target")
		defer debug.SetMemoryLimit(debug.SetMemoryLimit(target))
	}
	running, err := p.startNode(effective)
	if err != nil {
		return err
	}
	defer watchMemory(p.ctx, target, running.cached, begin)()
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
	running.cached, running.data = opened.CacheBytes, effective.text("data")
	running.url = urlOf(opened.Addr().String())
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
		Query: query.Config{AtOnce: effective.count("queries")},
		API: api.Config{
			Version: version(), Environment: effective.text("environment"), APIKeyHeader: effective.text("api-key-header"),
			ElasticVersion: effective.text("elastic-version"), BodyBytes: effective.size("body-limit"), BodyMemory: effective.size("body-memory"), RecordMemory: effective.size("record-memory"),
			Connections: effective.count("connections"), RequestTimeout: effective.duration("request-timeout"),
			Decode: pipeline.Config{MaxLineBytes: int(effective.size("line-limit")), MaxFields: effective.count("field-limit")},
		},
	}
	if cfg.Cluster, err = clusterConfig(effective); err != nil {
		return node.Config{}, usageError{fmt.Errorf("configure cluster: %w", err)}
	}
	if effective.bool("insecure-no-auth") {
		return cfg, nil
	}
	secret := effective.text("jwt-secret")
	if secret != "" && len(secret) < 32 {
		logger.Warn("the JWT secret is shorter than the 32 bytes that HS256 deserves", "bytes", len(secret))
	}
	if cfg.Auth, err = auth.New(auth.Config{KeyLater: true, JWTSecret: secret}); err != nil {
		return cfg, err
	}
	running.adminKey, err = auth.OpenAdminKey(cfg.DataDir, cfg.Auth)
	cfg.AdminKey = running.adminKey
	return cfg, err
}
