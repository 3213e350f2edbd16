package api

import (
	"net"
	"strings"

	"github.com/stere-log/stere/auth"
	"github.com/stere-log/stere/ingest/elastic"
)

// route is one row of the route table.
type route struct {
	methods    []string
	path       string
	permission auth.Permission
	handle     func(*request) error
	elastic    bool // errors and headers as Elasticsearch has them
}

// routes is the route table: everything that the server serves.
func (s *Server) routes() []route {
	get, post, put := []string{"GET"}, []string{"POST"}, []string{"PUT"}
	del := []string{"DELETE"}
	either := []string{"POST", "PUT"}
	table := []route{
		{methods: post, path: "/logs", permission: auth.Write, handle: handleWrite},
		{methods: get, path: "/logs", permission: auth.Read, handle: handleList},
		{methods: post, path: "/logs/search", permission: auth.Read, handle: handleSearch},
		{methods: []string{"GET", "POST"}, path: "/logs/export", permission: auth.Read, handle: handleExport},
		{methods: get, path: "/logs/tail", permission: auth.Read, handle: handleTail},
		{methods: post, path: "/query/complete", permission: auth.Read, handle: handleComplete},
		{methods: get, path: "/logs/{id}", permission: auth.Read, handle: handleGet},
		{methods: get, path: "/logs/{id}/context", permission: auth.Read, handle: handleContext},

		{methods: get, path: "/analytics/summary", permission: auth.Read, handle: handleSummary},
		{methods: get, path: "/analytics/patterns", permission: auth.Read, handle: handlePatterns},
		{methods: get, path: "/analytics/trends", permission: auth.Read, handle: handleTrends},
		{methods: get, path: "/analytics/insights", permission: auth.Read, handle: handleInsights},

		{methods: get, path: "/health", permission: auth.Open, handle: handleHealth},
		{methods: get, path: "/health/live", permission: auth.Open, handle: handleLive},
		{methods: get, path: "/health/ready", permission: auth.Open, handle: handleReady},
		{methods: get, path: "/metrics", permission: auth.Read, handle: handleMetrics},

		{methods: post, path: "/admin/flush", permission: auth.Admin, handle: handleFlush},
		{methods: put, path: "/admin/log-level", permission: auth.Admin, handle: handleSetLogLevel},
		{methods: get, path: "/admin/log-level", permission: auth.Admin, handle: handleLogLevel},
		{methods: get, path: "/admin/queries", permission: auth.Admin, handle: handleQueries},
		{methods: del, path: "/admin/queries/{id}", permission: auth.Admin, handle: handleKillQuery},
		{methods: get, path: "/admin/cluster", permission: auth.Admin, handle: handleCluster},
		{methods: post, path: "/admin/cluster/nodes/{node}/drain", permission: auth.Admin, handle: handleDrain},
		{methods: del, path: "/admin/cluster/nodes/{node}/drain", permission: auth.Admin, handle: handleUndrain},
		{methods: del, path: "/admin/cluster/nodes/{node}", permission: auth.Admin, handle: handleRemoveNode},
		{methods: post, path: "/admin/cluster/moves", permission: auth.Admin, handle: handleMove},
		{methods: put, path: "/admin/cluster/settings", permission: auth.Admin, handle: handleClusterSettings},
		{methods: post, path: "/admin/cluster/pause", permission: auth.Admin, handle: handlePause},
		{methods: post, path: "/admin/cluster/resume", permission: auth.Admin, handle: handleResume},
		{methods: get, path: "/admin/self-healing", permission: auth.Admin, handle: handleHealing},
		{methods: post, path: "/admin/self-healing/actions", permission: auth.Admin, handle: handleHealingAction},
		{methods: get, path: "/debug/pprof/{profile:*}", permission: auth.Admin, handle: handleProfile},
	}
	for _, prefix := range []string{"", "/elasticsearch"} {
		table = append(table,
			route{methods: either, path: prefix + "/_bulk", permission: auth.Write, handle: handleBulk, elastic: true},
			route{methods: either, path: prefix + "/{index}/_bulk", permission: auth.Write, handle: handleBulk, elastic: true})
	}
	return table
}

// handleUnknownPath answers the handshakes of Elasticsearch's clients, whose
// paths are too many for the table, and 404 to everything else. The answers of
// handshakes need valid credentials.
func handleUnknownPath(r *request) error {
	path := string(r.ctx.Path())
	handshake := strings.TrimSuffix(strings.TrimPrefix(path, "/elasticsearch"), "/")
	if handshake == "" {
		handshake = "/"
	}
	info := elastic.Info{Name: r.server.cfg.Name, Cluster: r.server.cfg.Name, Version: r.server.cfg.ElasticVersion, Address: withPort(string(r.ctx.Host()))}
	status, contentType, body, ok := elastic.Handshake(string(r.ctx.Method()), handshake, string(r.ctx.QueryArgs().QueryString()), info)
	if !ok {
		r.elastic = isElastic(path)
		return newProblem(kindNotFound, "no such path: %.10s %.200s", r.ctx.Method(), path)
	}
	r.elastic = true
	if err := r.authorize(auth.Known); err != nil {
		return err
	}
	r.sendRaw(status, contentType, body)
	return nil
}

// isElastic reports whether only a client of Elasticsearch asks for such a path.
func isElastic(path string) bool {
	return strings.HasPrefix(path, "/elasticsearch") || strings.Contains(path, "/_")
}

// withPort adds the port that a Host header leaves out: clients that look for
// nodes would take Elasticsearch's.
func withPort(host string) string {
	if _, _, err := net.SplitHostPort(host); err == nil || host == "" {
		return host
	}
	return net.JoinHostPort(strings.Trim(host, "[]"), "80")
}

// handleUnknownMethod answers a method that a path does not have; the router
// has set Allow.
func handleUnknownMethod(r *request) error {
	r.elastic = isElastic(string(r.ctx.Path()))
	return newProblem(kindMethod, "%.10s is not a method of %.200s", r.ctx.Method(), r.ctx.Path())
}

// handleOptions answers which methods a path has; the router has set Allow.
func handleOptions(r *request) error {
	r.ctx.SetStatusCode(204)
	return nil
}
