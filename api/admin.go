package api

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/stere-log/stere/api/admin"
	"github.com/stere-log/stere/api/alert"
	"github.com/stere-log/stere/api/enrich"
	"github.com/stere-log/stere/api/models"
	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/auth"
	"github.com/stere-log/stere/ingest/timestamp"
	"github.com/stere-log/stere/ingest/trial"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/admit"
	"github.com/valyala/fasthttp"
	"github.com/valyala/fasthttp/pprofhandler"
)

// handleHealth is GET /health: the status for everybody; with credentials
// their validity, and if they are valid the detail. A degraded node answers
// 200, because it still takes and finds records.
func handleHealth(r *request) error {
	status := r.server.cfg.Status()
	health := v1.Health{Status: status.State, Timestamp: r.server.now()}
	header := &r.ctx.Request.Header
	if len(header.Peek(r.server.cfg.APIKeyHeader)) > 0 || len(header.Peek(fasthttp.HeaderAuthorization)) > 0 || r.server.cfg.Auth == nil {
		principal, err := r.server.authenticate(r.credentials())
		health.Token = tokenOf(principal, err)
		if err == nil {
			r.healthDetail(&health, status)
		}
	}
	answer := &r.ctx.Response.Header
	answer.Set(fasthttp.HeaderCacheControl, "no-cache, no-store, must-revalidate")
	answer.Set("X-Health-Status", status.State)
	code := fasthttp.StatusOK
	if status.State == v1.Unhealthy {
		code = fasthttp.StatusServiceUnavailable
	}
	r.sendJSON(code, health)
	return nil
}

func tokenOf(p auth.Principal, err error) *v1.HealthToken {
	if err != nil {
		return &v1.HealthToken{Error: err.Error()}
	}
	token := &v1.HealthToken{Valid: true, Name: p.Name, Tenant: string(p.Tenant), Role: string(p.Role), Method: p.Method}
	if p.Expires != 0 {
		token.Expires = string(timestamp.Append(nil, time.Unix(p.Expires, 0).UnixNano(), 0))
	}
	return token
}

func (r *request) healthDetail(health *v1.Health, status Status) {
	cfg := &r.server.cfg
	up := cfg.Now().Sub(r.server.started)
	health.Service = &v1.HealthService{Name: cfg.Name, Version: cfg.Version, Environment: cfg.Environment,
		Uptime: v1.Uptime{Milliseconds: up.Milliseconds(), Seconds: int64(up.Seconds()), Human: up.Round(time.Second).String()}}
	health.Checks = status.Checks
	health.Metadata = &v1.HealthMetadata{RequestID: r.id, RespondedAt: r.server.now()}
}

// administer makes a handler of what package admin does with what the path names.
func administer(do func(*admin.Service, context.Context, admin.Request) (admin.Answer, error)) func(*request) error {
	return func(r *request) error {
		if r.server.admin == nil {
			return newProblem(kindUnavailable, "this node keeps no keys, tenants and domains")
		}
		return r.answerWith(adminBodyBytesMax, func(ctx context.Context, asked admin.Request) (admin.Answer, error) {
			return do(r.server.admin, ctx, asked)
		})
	}
}

// triages makes a handler of what package alert does with what the path names, and with
// parameters of these names. Another one is refused: a rule that is tried over another
// time than was meant, or saved where it was to be tried, is worse than an error.
func triages(do func(*alert.Service, context.Context, admin.Request) (admin.Answer, error), params ...string) func(*request) error {
	return func(r *request) error {
		if r.server.alert == nil {
			return errNoDesk()
		}
		for name := range r.ctx.QueryArgs().All() {
			if name := string(name); !slices.Contains(params, name) {
				return admin.UnknownName(name, "parameter", params)
			}
		}
		return r.answerWith(adminBodyBytesMax, func(ctx context.Context, asked admin.Request) (admin.Answer, error) {
			if err := asked.Whole("rules, alerts and incidents tell of"); err != nil {
				return admin.Answer{}, err
			}
			return do(r.server.alert, ctx, asked)
		})
	}
}

func errNoDesk() *problem {
	return newProblem(kindUnavailable, "this node keeps no rules, incidents and webhooks")
}

// handleOpenIntegrationHealth says no more than how it is with what the tenant of the
// host has connected.
func handleOpenIntegrationHealth(r *request) error {
	if r.server.alert == nil {
		return errNoDesk()
	}
	of := model.DefaultTenant
	if domain, ok := auth.DomainOf(string(r.ctx.Request.Header.Host()), r.server.cfg.Directory); ok {
		of = domain.Tenant
	}
	r.sendData(fasthttp.StatusOK, r.server.alert.OpenHealth(of))
	return nil
}

// enriches makes a handler of what package enrich does with what the path names.
func enriches(do func(*enrich.Service, context.Context, admin.Request) (admin.Answer, error)) func(*request) error {
	return func(r *request) error {
		if r.server.cfg.Enrich == nil {
			return newProblem(kindUnavailable, "this node keeps no lookup tables, deployments and categories")
		}
		return r.answerWith(lookupBodyBytesMax, func(ctx context.Context, asked admin.Request) (admin.Answer, error) {
			return do(&enrich.Service{Store: r.server.cfg.Enrich, Now: r.server.cfg.Now}, ctx, asked)
		})
	}
}

// redacted returns a text without what would be redacted if it came as a message, "" for
// one that could not be stored as such.
func (s *Server) redacted(tenant model.TenantID, text string) string {
	line, err := json.Marshal(map[string]string{model.FieldMessage: text})
	if err != nil {
		return ""
	}
	decoded, err := s.decoder.Decode(tenant, nil, line, s.cfg.Now())
	if err != nil || len(decoded.Records) != 1 {
		return ""
	}
	message, _ := decoded.Records[0].Get(model.FieldMessage)
	return message.Text
}

// modelled makes a handler of what package models does with what the path names.
func modelled(do func(*models.Service, context.Context, admin.Request) (admin.Answer, error)) func(*request) error {
	return func(r *request) error {
		if r.server.models == nil {
			return newProblem(kindUnavailable, "this node keeps no models")
		}
		return r.answerWith(modelBytesMax, func(ctx context.Context, asked admin.Request) (admin.Answer, error) {
			if err := asked.Whole("models are made of"); err != nil {
				return admin.Answer{}, err
			}
			return do(r.server.models, ctx, asked)
		})
	}
}

// lookupBodyBytesMax is the largest body with a lookup table, which takes less when it is kept.
const lookupBodyBytesMax = 2 << 20

// modelBytesMax is how large a request about models is: it may have many examples.
const modelBytesMax = 1 << 20

// answerWith answers a request, with a body of at most so many bytes, with what is done
// about it.
func (r *request) answerWith(most int64, do func(ctx context.Context, asked admin.Request) (admin.Answer, error)) error {
	text, release, err := r.readBody(most)
	if err != nil {
		return err
	}
	defer release()
	asked := admin.Request{Principal: r.principal, Tenant: string(r.ctx.QueryArgs().Peek("tenant")), Confirm: string(r.ctx.QueryArgs().Peek("confirm")), Body: text}
	asked.Param = func(name string) string { return string(r.ctx.QueryArgs().Peek(name)) }
	asked.Name, _ = r.ctx.UserValue("name").(string)
	if plain, err := url.PathUnescape(asked.Name); err == nil {
		asked.Name = plain
	}
	ctx, cancel := r.work(r.server.cfg.RequestTimeout)
	defer cancel()
	r.target = asked.Name
	if err := r.current(ctx); err != nil {
		return fmt.Errorf("administer: %w", err)
	}
	answer, err := do(ctx, asked)
	if err != nil {
		return fmt.Errorf("administer: %w", err)
	}
	if !r.ctx.IsGet() {
		r.before, r.after = answer.Before, answer.After()
		r.server.cfg.Logger.Info("administration", "method", string(r.ctx.Method()), "path", string(r.ctx.Path()), "by", r.principal.Name, "request_id", r.id)
	}
	r.ctx.Response.Header.Set(fasthttp.HeaderCacheControl, "no-store") // there may be a secret in it
	if answer.Bare {
		r.sendJSON(answer.Status, answer.Body)
		return nil
	}
	r.sendData(answer.Status, answer.Body)
	return nil
}

// leaderlessReadPatience is how long an administrator's question waits for what is newest
// when nobody can say what that is.
const leaderlessReadPatience = time.Second

// current waits for what other nodes were told before: a change is made of what is newest.
// Who only asks is answered without a leader too, from what this node knows.
func (r *request) current(ctx context.Context) error {
	registry := r.server.cfg.Directory
	switch {
	case registry == nil:
		return nil
	case !r.ctx.IsGet():
		return registry.Current(ctx)
	}
	ctx, cancel := context.WithTimeout(ctx, leaderlessReadPatience)
	defer cancel()
	if err := registry.Current(ctx); err != nil {
		r.server.cfg.Logger.Debug("answered from what this node knows", "error", err, "request_id", r.id)
	}
	return nil
}

// handleLive is GET /health/live: the process runs.
func handleLive(r *request) error {
	r.sendJSON(fasthttp.StatusOK, map[string]string{"status": "alive"})
	return nil
}

// handleReady is GET /health/ready: the node takes and finds records.
func handleReady(r *request) error {
	if !r.server.cfg.Status().Ready {
		r.ctx.Response.Header.Set(fasthttp.HeaderRetryAfter, "1")
		r.sendJSON(fasthttp.StatusServiceUnavailable, map[string]string{"status": "starting"})
		return nil
	}
	r.sendJSON(fasthttp.StatusOK, map[string]string{"status": "ready"})
	return nil
}

// handleMetrics is GET /metrics: JSON, or Prometheus text where Accept or
// ?format=prometheus asks for it.
func handleMetrics(r *request) error {
	r.server.meterVerdicts()
	accept := string(r.ctx.Request.Header.Peek(fasthttp.HeaderAccept))
	format := string(r.ctx.QueryArgs().Peek("format"))
	switch {
	case format == "prometheus", format == "" && (strings.Contains(accept, "text/plain") || strings.Contains(accept, "openmetrics")):
		r.sendRaw(fasthttp.StatusOK, "text/plain; version=0.0.4; charset=utf-8", r.server.meters.prometheus())
		return nil
	case format != "" && format != "json":
		return invalid("format", "%.20q is neither json nor prometheus", format)
	}
	cfg := &r.server.cfg
	answer := r.server.meters.json()
	answer["service"] = map[string]any{"name": cfg.Name, "environment": cfg.Environment, "version": cfg.Version, "timestamp": r.server.now()}
	status := cfg.Status()
	answer["health"] = map[string]any{"status": status.State, "checks": status.Checks,
		"service": map[string]any{"uptime": cfg.Now().Sub(r.server.started).Milliseconds()}}
	answer["system"] = r.system()
	r.sendJSON(fasthttp.StatusOK, answer)
	return nil
}

// handleFlush is POST /admin/flush.
func handleFlush(r *request) error {
	if r.server.cfg.Flush == nil {
		return newProblem(kindUnavailable, "this node cannot flush")
	}
	ctx, cancel := r.work(r.server.cfg.FlushTimeout)
	defer cancel()
	if err := r.server.cfg.Flush(ctx); err != nil {
		return fmt.Errorf("flush: %w", err)
	}
	r.sendData(fasthttp.StatusOK, map[string]any{"settled": true, "executionTime": r.server.cfg.Now().Sub(r.start).Milliseconds()})
	return nil
}

// handleLogLevel is GET /admin/log-level.
func handleLogLevel(r *request) error {
	r.sendData(fasthttp.StatusOK, map[string]string{"level": strings.ToLower(r.server.cfg.LogLevel.Level().String())})
	return nil
}

// handleSetLogLevel is PUT /admin/log-level.
func handleSetLogLevel(r *request) error {
	text, release, err := r.readBody(searchBodyBytesMax)
	if err != nil {
		return err
	}
	defer release()
	var body struct{ Level string }
	if err := json.Unmarshal(text, &body); err != nil {
		return invalid("body", "want {\"level\":\"debug\"}: %v", err)
	}
	level, err := ParseLogLevel(body.Level)
	if err != nil {
		return invalid("level", "%v", err)
	}
	r.before, r.after = map[string]any{"level": r.server.cfg.LogLevel.Level()}, map[string]any{"level": level}
	r.server.cfg.LogLevel.Set(level)
	r.server.cfg.Logger.Info("log level changed", "level", level, "by", r.principal.Name, "request_id", r.id)
	return handleLogLevel(r)
}

// ParseLogLevel reads a level of the node's own log.
func ParseLogLevel(text string) (slog.Level, error) {
	switch strings.ToLower(text) {
	case "debug":
		return slog.LevelDebug, nil
	case "info":
		return slog.LevelInfo, nil
	case "warn", "warning":
		return slog.LevelWarn, nil
	case "error", "fatal", "critical":
		return slog.LevelError, nil
	}
	return 0, fmt.Errorf("%q is not a log level, want debug, info, warn or error", text)
}

// handleRedactionTest is POST /admin/redaction/test: what would be redacted of a
// body as POST /logs takes it, if the tenant sent it.
func handleRedactionTest(r *request) error {
	redactor := r.server.cfg.Decode.Redactor(r.principal.Tenant)
	if redactor == nil {
		return newProblem(kindUnavailable, "redaction is off on this node")
	}
	text, release, err := r.readBody(redactionBodyBytesMax)
	if err != nil {
		return err
	}
	defer release()
	report, err := trial.Run(redactor, r.principal.Tenant, text, r.server.cfg.Now())
	if err != nil {
		return fmt.Errorf("test redaction: %w", err)
	}
	r.sendData(fasthttp.StatusOK, report)
	return nil
}

// redactionBodyBytesMax bounds what is tested at once.
const redactionBodyBytesMax = 1 << 20

// handleProfile is GET /debug/pprof/*.
func handleProfile(r *request) error {
	pprofhandler.PprofHandler(r.ctx)
	return nil
}

// handleQueries is GET /admin/queries: what this node is asked at the moment.
func handleQueries(r *request) error {
	queries, leaves := r.server.cfg.Engine.Queries()
	now := r.server.cfg.Now()
	r.sendData(fasthttp.StatusOK, v1.Queries{Queries: shownQueries(queries, now), Leaves: shownQueries(leaves, now)})
	return nil
}

// shownQueries returns queries as answers have them.
func shownQueries(queries []admit.Query, now time.Time) []v1.Query {
	shown := []v1.Query{}
	for _, q := range queries {
		one := v1.Query{ID: q.ID, Tenant: string(q.Tenant), By: q.Who, Query: q.Text, State: v1.QueryWaiting, Since: q.Since.UTC(),
			Elapsed: now.Sub(q.Since).Milliseconds(), MemoryLimit: q.Memory}
		if !q.Started.IsZero() {
			one.State = v1.QueryRunning
		}
		shown = append(shown, one)
	}
	return shown
}

// handleKillQuery is DELETE /admin/queries/{id}.
func handleKillQuery(r *request) error {
	id, _ := r.ctx.UserValue("id").(string)
	if !r.server.cfg.Engine.Kill(id) {
		return newProblem(kindNotFound, "no query %.50q runs or waits on this node", id)
	}
	r.server.cfg.Logger.Info("query ended", "query", id, "by", r.principal.Name, "request_id", r.id)
	r.sendData(fasthttp.StatusOK, map[string]string{"id": id, "state": "ended"})
	return nil
}

// Encryption is how what a node has on disk is encrypted.
type Encryption interface {
	State() (v1.Encryption, error)
	// Rotate reads the master keys again and makes new data keys. Errors wrap
	// ErrNotEncrypted, ErrRotation, or are failures.
	Rotate() (v1.Encryption, error)
}

// Why keys are not rotated.
var (
	ErrNotEncrypted = errors.New("what this node has on disk is not encrypted")
	ErrRotation     = errors.New("the keys were not rotated")
)

// handleEncryption is GET /admin/encryption.
func handleEncryption(r *request) error {
	state := v1.Encryption{Keys: []v1.EncryptionKey{}}
	if r.server.cfg.Encryption != nil {
		var err error
		if state, err = r.server.cfg.Encryption.State(); err != nil {
			return fmt.Errorf("look at the encryption: %w", err)
		}
	}
	r.sendData(fasthttp.StatusOK, state)
	return nil
}

// handleRotateEncryption is POST /admin/encryption/rotate.
func handleRotateEncryption(r *request) error {
	if r.server.cfg.Encryption == nil {
		return newProblem(kindUnavailable, "%v", ErrNotEncrypted)
	}
	state, err := r.server.cfg.Encryption.Rotate()
	if errors.Is(err, ErrNotEncrypted) || errors.Is(err, ErrRotation) {
		return newProblem(kindUnavailable, "%v", err)
	}
	if err != nil {
		return fmt.Errorf("rotate encryption keys: %w", err)
	}
	r.after = map[string]any{"masterKey": state.MasterKey, "dataKeys": len(state.Keys)}
	r.server.cfg.Logger.Info("encryption keys were rotated", "master", state.MasterKey, "by", r.principal.Name, "request_id", r.id)
	r.sendData(fasthttp.StatusOK, state)
	return nil
}
