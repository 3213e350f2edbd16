package api

import (
	"net"
	"strings"

	"github.com/stere-log/stere/api/admin"
	"github.com/stere-log/stere/api/alert"
	"github.com/stere-log/stere/api/enrich"
	"github.com/stere-log/stere/api/models"
	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/auth"
	"github.com/stere-log/stere/ingest/elastic"
	"github.com/stere-log/stere/query/syntax"
)

// route is one row of the route table.
type route struct {
	methods    []string
	path       string
	permission auth.Permission
	feature    auth.Feature // that the tenant must have
	handle     func(*request) error
	openly     func(*request) error // what who shows no credentials is answered, if Config.OpenIntegrationHealth
	elastic    bool                 // errors and headers as Elasticsearch has them
	asks       bool                 // it is a question about records: counted as such, one of so many at once
}

// routes is the route table: everything that the server serves.
func (s *Server) routes() []route {
	get, post, put := []string{"GET"}, []string{"POST"}, []string{"PUT"}
	del := []string{"DELETE"}
	either := []string{"POST", "PUT"}
	table := []route{
		{methods: post, path: "/logs", permission: auth.Write, handle: handleWrite},
		{methods: get, path: "/logs", permission: auth.Read, handle: handleList, asks: true},
		{methods: post, path: "/logs/search", permission: auth.Read, handle: handleSearch, asks: true},
		{methods: []string{"GET", "POST"}, path: "/logs/export", permission: auth.Export, handle: handleExport, asks: true},
		{methods: get, path: "/logs/tail", permission: auth.Read, handle: handleTail},
		{methods: post, path: "/query/complete", permission: auth.Read, handle: handleComplete},
		{methods: post, path: "/query/sigma", permission: auth.Read, handle: handleSigma},
		{methods: get, path: "/queries", permission: auth.Read, handle: handleSavedQueries},
		{methods: post, path: "/queries", permission: auth.Save, handle: handleSaveQuery},
		{methods: get, path: "/queries/{name}", permission: auth.Read, handle: handleSavedQuery},
		{methods: put, path: "/queries/{name}", permission: auth.Save, handle: handleSaveQuery},
		{methods: del, path: "/queries/{name}", permission: auth.Save, handle: handleDropQuery},
		{methods: get, path: "/lookups", permission: auth.Read, handle: enriches((*enrich.Service).Lookups)},
		{methods: get, path: "/lookups/{name}", permission: auth.Read, handle: enriches((*enrich.Service).Lookup)},
		{methods: put, path: "/lookups/{name}", permission: auth.Save, handle: enriches((*enrich.Service).PutLookup)},
		{methods: del, path: "/lookups/{name}", permission: auth.Save, handle: enriches((*enrich.Service).DropLookup)},
		{methods: get, path: "/logs/{id}", permission: auth.Read, handle: handleGet},
		{methods: get, path: "/logs/{id}/context", permission: auth.Read, handle: handleContext, asks: true},

		{methods: get, path: "/analytics/summary", permission: auth.Read, feature: auth.Analytics, handle: handleSummary, asks: true},
		{methods: get, path: "/analytics/patterns", permission: auth.Read, feature: auth.Analytics, handle: handlePatterns, asks: true},
		{methods: get, path: "/analytics/trends", permission: auth.Read, feature: auth.Analytics, handle: handleTrends, asks: true},
		{methods: get, path: "/analytics/insights", permission: auth.Read, feature: auth.Analytics, handle: handleInsights, asks: true},
		{methods: get, path: "/analytics/users", permission: auth.Read, feature: auth.Analytics, handle: handleUsers, asks: true},
		{methods: get, path: "/analytics/changes", permission: auth.Read, feature: auth.Analytics, handle: handleChanges, asks: true},
		{methods: get, path: "/analytics/deploys", permission: auth.Read, feature: auth.Analytics, handle: enriches((*enrich.Service).Deploys)},
		{methods: post, path: "/analytics/deploys", permission: auth.Save, feature: auth.Analytics, handle: enriches((*enrich.Service).PutDeploy)},
		{methods: del, path: "/analytics/deploys/{name}", permission: auth.Save, feature: auth.Analytics, handle: enriches((*enrich.Service).DropDeploy)},
		{methods: get, path: "/analytics/categories", permission: auth.Read, feature: auth.Analytics, handle: enriches((*enrich.Service).Categories)},
		{methods: get, path: "/analytics/categories/{name}", permission: auth.Read, feature: auth.Analytics, handle: enriches((*enrich.Service).Category)},
		{methods: put, path: "/analytics/categories/{name}", permission: auth.Manage, feature: auth.Analytics, handle: enriches((*enrich.Service).PutCategory)},
		{methods: del, path: "/analytics/categories/{name}", permission: auth.Manage, feature: auth.Analytics, handle: enriches((*enrich.Service).DropCategory)},
		{methods: get, path: "/analytics/feedback", permission: auth.Read, feature: auth.Analytics, handle: handleVerdicts},
		{methods: post, path: "/analytics/insights/{id}/feedback", permission: auth.Save, feature: auth.Analytics, handle: handleVerdict},

		{methods: get, path: "/health", permission: auth.Open, handle: handleHealth},
		{methods: get, path: "/health/live", permission: auth.Open, handle: handleLive},
		{methods: get, path: "/health/ready", permission: auth.Open, handle: handleReady},
		{methods: get, path: "/metrics", permission: auth.Read, handle: handleMetrics},

		{methods: post, path: "/admin/flush", permission: auth.Admin, handle: handleFlush},
		{methods: post, path: "/admin/redaction/test", permission: auth.Manage, handle: handleRedactionTest},
		{methods: put, path: "/admin/log-level", permission: auth.Admin, handle: handleSetLogLevel},
		{methods: get, path: "/admin/log-level", permission: auth.Admin, handle: handleLogLevel},
		{methods: get, path: "/admin/encryption", permission: auth.Admin, handle: handleEncryption},
		{methods: post, path: "/admin/encryption/rotate", permission: auth.Admin, handle: handleRotateEncryption},
		{methods: get, path: "/admin/queries", permission: auth.Admin, handle: handleQueries},
		{methods: del, path: "/admin/queries/{id}", permission: auth.Admin, handle: handleKillQuery},
		{methods: get, path: "/debug/pprof/{profile:*}", permission: auth.Admin, handle: handleProfile},
	}
	table = append(table, tenantRoutes()...)
	table = append(table, triageRoutes()...)
	table = append(table, modelRoutes()...)
	table = append(table, clusterRoutes()...)
	for _, prefix := range []string{"", "/elasticsearch"} {
		table = append(table,
			route{methods: either, path: prefix + "/_bulk", permission: auth.Write, handle: handleBulk, elastic: true},
			route{methods: either, path: prefix + "/{index}/_bulk", permission: auth.Write, handle: handleBulk, elastic: true})
	}
	return table
}

// tenantRoutes are those that look after tenants: who may do what, what is kept of
// them and for how long, what they used and who did what.
func tenantRoutes() []route {
	get, post, put := []string{"GET"}, []string{"POST"}, []string{"PUT"}
	del, patch := []string{"DELETE"}, []string{"PATCH"}
	return []route{
		{methods: get, path: "/admin/keys", permission: auth.Manage, handle: administer((*admin.Service).Keys)},
		{methods: post, path: "/admin/keys", permission: auth.Manage, handle: administer((*admin.Service).CreateKey)},
		{methods: get, path: "/admin/keys/{name}", permission: auth.Manage, handle: administer((*admin.Service).Key)},
		{methods: del, path: "/admin/keys/{name}", permission: auth.Manage, handle: administer((*admin.Service).RevokeKey)},
		{methods: post, path: "/admin/keys/{name}/rotate", permission: auth.Manage, handle: administer((*admin.Service).RotateKey)},
		{methods: get, path: "/admin/tenants", permission: auth.Admin, handle: administer((*admin.Service).Tenants)},
		{methods: post, path: "/admin/tenants", permission: auth.Admin, handle: administer((*admin.Service).CreateTenant)},
		{methods: get, path: "/admin/tenants/{name}", permission: auth.Manage, handle: administer((*admin.Service).Tenant)},
		{methods: patch, path: "/admin/tenants/{name}", permission: auth.Manage, handle: administer((*admin.Service).ChangeTenant)},
		{methods: del, path: "/admin/tenants/{name}", permission: auth.Admin, handle: administer((*admin.Service).DeleteTenant)},
		{methods: get, path: "/admin/tenants/{name}/retention", permission: auth.Manage, handle: administer((*admin.Service).Retention)},
		{methods: put, path: "/admin/tenants/{name}/retention", permission: auth.Manage, handle: administer((*admin.Service).SetRetention)},
		{methods: get, path: "/admin/tenants/{name}/redaction", permission: auth.Manage, handle: administer((*admin.Service).Redaction)},
		{methods: put, path: "/admin/tenants/{name}/redaction", permission: auth.Manage, handle: administer((*admin.Service).SetRedaction)},
		{methods: del, path: "/admin/tenants/{name}/redaction", permission: auth.Manage, handle: administer((*admin.Service).DropRedaction)},
		{methods: get, path: "/admin/deletions", permission: auth.Manage, handle: administer((*admin.Service).Deletions)},
		{methods: post, path: "/admin/deletions", permission: auth.Manage, handle: administer((*admin.Service).CreateDeletion)},
		{methods: get, path: "/admin/deletions/{name}", permission: auth.Manage, handle: administer((*admin.Service).Deletion)},
		{methods: del, path: "/admin/deletions/{name}", permission: auth.Manage, handle: administer((*admin.Service).CancelDeletion)},
		{methods: get, path: "/admin/holds", permission: auth.Manage, handle: administer((*admin.Service).Holds)},
		{methods: post, path: "/admin/holds", permission: auth.Admin, handle: administer((*admin.Service).CreateHold)},
		{methods: del, path: "/admin/holds/{name}", permission: auth.Admin, handle: administer((*admin.Service).DropHold)},
		{methods: get, path: "/admin/domains", permission: auth.Admin, handle: administer((*admin.Service).Domains)},
		{methods: post, path: "/admin/domains", permission: auth.Admin, handle: administer((*admin.Service).CreateDomain)},
		{methods: get, path: "/admin/domains/{name}", permission: auth.Admin, handle: administer((*admin.Service).Domain)},
		{methods: patch, path: "/admin/domains/{name}", permission: auth.Admin, handle: administer((*admin.Service).ChangeDomain)},
		{methods: del, path: "/admin/domains/{name}", permission: auth.Admin, handle: administer((*admin.Service).DropDomain)},
		{methods: get, path: "/admin/usage", permission: auth.Manage, handle: administer((*admin.Service).Usage)},
		{methods: get, path: "/admin/audit", permission: auth.Manage, handle: administer((*admin.Service).Audit)},
		{methods: get, path: "/admin/audit/heads", permission: auth.Admin, handle: administer((*admin.Service).AuditHeads)},
	}
}

// triageRoutes are those of rules and what follows from them, and of what is connected.
func triageRoutes() []route {
	get, post, put := []string{"GET"}, []string{"POST"}, []string{"PUT"}
	del, patch := []string{"DELETE"}, []string{"PATCH"}
	return []route{
		{methods: get, path: "/triage/rules", permission: auth.Read, handle: triages((*alert.Service).Rules)},
		{methods: post, path: "/triage/rules", permission: auth.Manage, handle: triages((*alert.Service).CreateRule, "replace", "dryRun", "over", "from", "to")},
		{methods: get, path: "/triage/rules/{name}", permission: auth.Read, handle: triages((*alert.Service).Rule)},
		{methods: put, path: "/triage/rules/{name}", permission: auth.Manage, handle: triages((*alert.Service).PutRule, "dryRun", "over", "from", "to")},
		{methods: patch, path: "/triage/rules/{name}", permission: auth.Manage, handle: triages((*alert.Service).SwitchRule)},
		{methods: del, path: "/triage/rules/{name}", permission: auth.Manage, handle: triages((*alert.Service).DropRule)},
		{methods: post, path: "/triage/rules/{name}/rollback", permission: auth.Manage, handle: triages((*alert.Service).RollBack)},
		{methods: post, path: "/triage/test", permission: auth.Read, handle: triages((*alert.Service).TryRule, "over", "from", "to"), asks: true},
		{methods: post, path: "/triage/rules/{name}/test", permission: auth.Read, handle: triages((*alert.Service).TryStored, "over", "from", "to"), asks: true},
		{methods: get, path: "/triage/alerts", permission: auth.Read, handle: triages((*alert.Service).Alerts)},
		{methods: post, path: "/triage/rules/{name}/acknowledge", permission: auth.Feedback, handle: triages((*alert.Service).Acknowledge)},
		{methods: get, path: "/triage/silences", permission: auth.Read, handle: triages((*alert.Service).Silences)},
		{methods: post, path: "/triage/silences", permission: auth.Feedback, handle: triages((*alert.Service).CreateSilence)},
		{methods: del, path: "/triage/silences/{name}", permission: auth.Feedback, handle: triages((*alert.Service).DropSilence)},
		{methods: get, path: "/triage/incidents", permission: auth.Read, handle: triages((*alert.Service).Incidents, "state", "class", "limit")},
		{methods: post, path: "/triage/incidents", permission: auth.Feedback, handle: triages((*alert.Service).OpenIncident)},
		{methods: get, path: "/triage/incidents/{name}", permission: auth.Read, handle: triages((*alert.Service).Incident)},
		{methods: patch, path: "/triage/incidents/{name}", permission: auth.Feedback, handle: triages((*alert.Service).ChangeIncident)},
		{methods: del, path: "/triage/incidents/{name}", permission: auth.Manage, handle: triages((*alert.Service).DropIncident)},

		{methods: get, path: "/integration/webhooks", permission: auth.Read, feature: auth.Webhooks, handle: triages((*alert.Service).Webhooks)},
		{methods: post, path: "/integration/webhooks", permission: auth.Manage, feature: auth.Webhooks, handle: triages((*alert.Service).CreateWebhook)},
		{methods: get, path: "/integration/webhooks/{name}", permission: auth.Read, feature: auth.Webhooks, handle: triages((*alert.Service).Webhook)},
		{methods: patch, path: "/integration/webhooks/{name}", permission: auth.Manage, feature: auth.Webhooks, handle: triages((*alert.Service).ChangeWebhook)},
		{methods: del, path: "/integration/webhooks/{name}", permission: auth.Manage, feature: auth.Webhooks, handle: triages((*alert.Service).DropWebhook)},
		{methods: get, path: "/integration/webhooks/{name}/deliveries", permission: auth.Read, feature: auth.Webhooks, handle: triages((*alert.Service).Deliveries, "state")},
		{methods: post, path: "/integration/webhooks/{name}/redeliver", permission: auth.Manage, feature: auth.Webhooks, handle: triages((*alert.Service).Redeliver)},
		{methods: post, path: "/integration/webhooks/{name}/test", permission: auth.Manage, feature: auth.Webhooks, handle: triages((*alert.Service).TestWebhook)},

		{methods: get, path: "/integration/services", permission: auth.Read, feature: auth.Integrations, handle: triages((*alert.Service).Services, "includeHealth")},
		{methods: post, path: "/integration/services", permission: auth.Manage, feature: auth.Integrations, handle: triages((*alert.Service).RegisterService)},
		{methods: del, path: "/integration/services/{name}", permission: auth.Manage, feature: auth.Integrations, handle: triages((*alert.Service).DropService)},
		{methods: get, path: "/integration/health", permission: auth.Read, feature: auth.Integrations, handle: triages((*alert.Service).IntegrationHealth), openly: handleOpenIntegrationHealth},
		{methods: get, path: "/integration/metrics", permission: auth.Read, feature: auth.Integrations, handle: triages((*alert.Service).IntegrationMetrics)},
		{methods: get, path: "/integration/graph", permission: auth.Read, feature: auth.Integrations, handle: handleGraph, asks: true},
		{methods: get, path: "/integration/timeline", permission: auth.Read, feature: auth.Integrations, handle: handleTimeline, asks: true},
		{methods: post, path: "/integration/cross-service", permission: auth.Write, feature: auth.Integrations, handle: handleCrossService},
	}
}

// modelRoutes are those of what is learned of labels.
func modelRoutes() []route {
	get, post, del := []string{"GET"}, []string{"POST"}, []string{"DELETE"}
	return []route{
		{methods: get, path: "/models", permission: auth.Read, feature: auth.ContentAnalysis, handle: modelled((*models.Service).Models)},
		{methods: post, path: "/models", permission: auth.Manage, feature: auth.ContentAnalysis, handle: modelled((*models.Service).Train), asks: true},
		{methods: get, path: "/models/labels", permission: auth.Read, feature: auth.ContentAnalysis, handle: modelled((*models.Service).Labels)},
		{methods: post, path: "/models/labels", permission: auth.Feedback, feature: auth.ContentAnalysis, handle: modelled((*models.Service).PutLabel)},
		{methods: del, path: "/models/labels/{name}", permission: auth.Feedback, feature: auth.ContentAnalysis, handle: modelled((*models.Service).DropLabel)},
		{methods: get, path: "/models/{name}", permission: auth.Read, feature: auth.ContentAnalysis, handle: modelled((*models.Service).Model)},
		{methods: del, path: "/models/{name}", permission: auth.Manage, feature: auth.ContentAnalysis, handle: modelled((*models.Service).DropModel)},
		{methods: post, path: "/models/{name}/activate", permission: auth.Manage, feature: auth.ContentAnalysis, handle: modelled((*models.Service).Activate)},
		{methods: post, path: "/models/{name}/rollback", permission: auth.Manage, feature: auth.ContentAnalysis, handle: modelled((*models.Service).Rollback)},
		{methods: post, path: "/models/{name}/test", permission: auth.Read, feature: auth.ContentAnalysis, handle: modelled((*models.Service).Test)},
	}
}

// clusterRoutes are those that look after a cluster.
func clusterRoutes() []route {
	get, post, put, del := []string{"GET"}, []string{"POST"}, []string{"PUT"}, []string{"DELETE"}
	return []route{
		{methods: get, path: "/admin/cluster", permission: auth.Admin, handle: handleCluster},
		{methods: post, path: "/admin/cluster/nodes/{node}/drain", permission: auth.Admin, handle: handleDrain},
		{methods: del, path: "/admin/cluster/nodes/{node}/drain", permission: auth.Admin, handle: handleUndrain},
		{methods: del, path: "/admin/cluster/nodes/{node}", permission: auth.Admin, handle: handleRemoveNode},
		{methods: post, path: "/admin/cluster/moves", permission: auth.Admin, handle: handleMove},
		{methods: put, path: "/admin/cluster/settings", permission: auth.Admin, handle: handleClusterSettings},
		{methods: []string{"POST", "PUT"}, path: "/admin/cluster/shards", permission: auth.Admin, handle: handleClusterShards},
		{methods: post, path: "/admin/cluster/pause", permission: auth.Admin, handle: handlePause},
		{methods: post, path: "/admin/cluster/resume", permission: auth.Admin, handle: handleResume},
		{methods: get, path: "/admin/self-healing", permission: auth.Admin, handle: handleHealing},
		{methods: post, path: "/admin/self-healing/actions", permission: auth.Admin, handle: handleHealingAction},
	}
}

// paths returns the paths that have no variable in them.
func (s *Server) paths() (paths []string) {
	for _, route := range s.routes() {
		if !strings.Contains(route.path, "{") && !route.elastic {
			paths = append(paths, route.path)
		}
	}
	return paths
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
		p := newProblem(kindNotFound, "no such path: %.10s %.200s", r.ctx.Method(), path)
		if near := syntax.Nearest(path, r.server.paths()); near != "" && !r.elastic {
			p.message += ", did you mean " + near + "?"
			p.details = []v1.Detail{{Field: "path", Message: "there is no such path", Suggestion: near}}
		}
		return p
	}
	r.elastic = true
	if err := r.passAddress(); err != nil {
		return err
	}
	if err := r.authorize(auth.Known, auth.Always); err != nil {
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
