package api

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"sync"
	"time"

	"github.com/fasthttp/router"
	"github.com/stere-log/stere/api/admin"
	"github.com/stere-log/stere/api/alert"
	"github.com/stere-log/stere/api/budget"
	"github.com/stere-log/stere/api/certs"
	"github.com/stere-log/stere/api/models"
	"github.com/stere-log/stere/auth"
	"github.com/stere-log/stere/ingest/body"
	"github.com/stere-log/stere/ingest/elastic"
	"github.com/stere-log/stere/ingest/ndjson"
	"github.com/stere-log/stere/insight"
	"github.com/valyala/fasthttp"
)

// prefetchBytes is how much of a body fasthttp reads before the handler runs;
// the rest is streamed, so that credentials and sizes are checked first. It
// cannot be zero, which would mean fasthttp's default of 4 MiB.
const prefetchBytes = 1

// Server serves the HTTP interface.
type Server struct {
	cfg      Config
	http     *fasthttp.Server
	router   *router.Router
	decoder  *ndjson.Decoder
	bulk     *elastic.Decoder
	unpacker body.Decoder
	bodies   *budget.Budget
	records  *budget.Budget
	meters   *meters
	insight  *insight.Service
	admin    *admin.Service  // nil without a directory
	alert    *alert.Service  // nil without a desk
	models   *models.Service // nil without models
	certs    *certs.Store    // nil without TLS
	started  time.Time
	streams  sync.WaitGroup // what goes on after its handler
	mu       struct {
		sync.Mutex
		listeners []net.Listener
		conns     map[net.Conn]struct{} // of streams
		stopped   bool
	}
	// base is the context of the work for requests: it ends when Shutdown has
	// waited long enough.
	base   context.Context
	cancel context.CancelFunc
}

// New returns a server; Serve starts it.
func New(cfg Config) (*Server, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configure api: %w", err)
	}
	cfg = cfg.withDefaults()
	s := &Server{cfg: cfg, bodies: budget.New(cfg.BodyMemory), records: budget.New(cfg.RecordMemory), started: cfg.Now()}
	s.decoder, s.bulk = ndjson.NewDecoder(cfg.Decode), elastic.NewDecoder(cfg.Decode)
	s.meters = newMeters(cfg.Metrics, cfg.Now)
	cfg.Metrics.GetOrCreateGauge("stere_api_body_memory_free_bytes", func() float64 { return float64(s.bodies.Free()) })
	cfg.Metrics.GetOrCreateGauge("stere_api_record_memory_free_bytes", func() float64 { return float64(s.records.Free()) })
	s.insight = insight.New(cfg.Engine, cfg.Judge, cfg.Now)
	if cfg.Known != nil {
		s.insight = s.insight.Knowing(cfg.Known)
	}
	if cfg.Directory != nil {
		s.admin = &admin.Service{Registry: cfg.Directory, Erasures: cfg.Erasures, Redactions: cfg.Redactions, Used: func(string) int64 { return 0 }, Now: cfg.Now, Random: rand.Reader, Book: cfg.Book, Prices: cfg.Prices}
		if cfg.Limits != nil && cfg.Book != nil {
			s.admin.Shares = cfg.Limits.Shares
		}
		if cfg.Trail != nil {
			s.admin.Search = cfg.Engine.Search
		}
		if cfg.Auth != nil {
			s.admin.Used = cfg.Auth.Used
		}
	}
	if cfg.Desk != nil {
		s.alert = &alert.Service{Desk: cfg.Desk, Now: cfg.Now}
	}
	if cfg.Models != nil {
		s.models = &models.Service{Desk: cfg.Models, Engine: cfg.Engine, Redact: s.redacted, Now: cfg.Now}
		if cfg.Judge != nil {
			s.models.Verdicts = cfg.Judge.Verdicts
		}
	}
	if len(cfg.Certificates) > 0 {
		var err error
		if s.certs, err = certs.Open(cfg.Certificates, cfg.Now, cfg.Logger); err != nil {
			return nil, fmt.Errorf("configure api: %w", err)
		}
	}
	s.mu.conns = map[net.Conn]struct{}{}
	s.base, s.cancel = context.WithCancel(context.Background())
	if err := s.buildRouter(); err != nil {
		s.cancel()
		return nil, fmt.Errorf("configure api: %w", err)
	}
	s.http = &fasthttp.Server{
		Handler:                      s.router.Handler,
		ErrorHandler:                 s.serveBroken,
		HeaderReceived:               s.headerReceived,
		Name:                         "stere",
		Concurrency:                  cfg.Connections,
		ReadBufferSize:               cfg.HeaderBytes,
		ReadTimeout:                  cfg.HeaderTimeout,
		WriteTimeout:                 cfg.WriteTimeout,
		IdleTimeout:                  cfg.IdleTimeout,
		MaxRequestBodySize:           prefetchBytes,
		StreamRequestBody:            true,
		DisablePreParseMultipartForm: true,
		NoDefaultDate:                true, // its clock would be a goroutine shared by the process
		NoDefaultContentType:         true,
		SecureErrorLogMessage:        true, // headers hold credentials
		CloseOnShutdown:              true,
		TCPKeepalive:                 true,
		Logger:                       quietLogger{cfg.Logger},
	}
	return s, nil
}

// headerReceived gives the body its own time once the header is there, and an
// answer that takes long by design enough time to be written.
func (s *Server) headerReceived(header *fasthttp.RequestHeader) fasthttp.RequestConfig {
	return fasthttp.RequestConfig{ReadTimeout: s.cfg.BodyTimeout, MaxRequestBodySize: prefetchBytes}
}

// Serve serves the listener until Shutdown and closes it.
func (s *Server) Serve(ln net.Listener) error {
	s.mu.Lock()
	if s.mu.stopped {
		s.mu.Unlock()
		return ln.Close()
	}
	s.mu.listeners = append(s.mu.listeners, ln)
	s.mu.Unlock()
	served := ln
	if s.certs != nil {
		served = tls.NewListener(ln, s.certs.Config())
	}
	err := s.http.Serve(served)
	s.mu.Lock()
	defer s.mu.Unlock()
	if err != nil && !s.mu.stopped {
		return fmt.Errorf("serve %s: %w", ln.Addr(), err)
	}
	return nil
}

// Shutdown stops accepting requests and waits for those under way until ctx
// ends; then it cancels their work. A Serve that has not begun yet never does.
func (s *Server) Shutdown(ctx context.Context) error {
	defer s.cancel()
	s.mu.Lock()
	s.mu.stopped = true
	s.mu.Unlock()
	err := errors.Join(s.http.ShutdownWithContext(ctx), s.awaitStreams(ctx))
	// fasthttp overlooks a listener whose Serve is just beginning.
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, ln := range s.mu.listeners {
		_ = ln.Close() // mostly the second time
	}
	if err != nil {
		return fmt.Errorf("shut down api: %w", err)
	}
	return nil
}

// buildRouter makes the router from the route table and refuses a route
// without permission.
func (s *Server) buildRouter() error {
	r := router.New()
	r.RedirectTrailingSlash, r.RedirectFixedPath = false, false
	r.HandleOPTIONS = true
	for _, rt := range s.routes() {
		if rt.permission == auth.Undeclared {
			return fmt.Errorf("route %v %s declares no permission", rt.methods, rt.path)
		}
		for _, method := range rt.methods {
			r.Handle(method, rt.path, s.serve(rt))
		}
	}
	r.GlobalOPTIONS = s.serve(route{path: "OPTIONS", permission: auth.Open, handle: handleOptions})
	r.NotFound = s.serve(route{path: "other", permission: auth.Open, handle: handleUnknownPath})
	r.MethodNotAllowed = s.serve(route{path: "other", permission: auth.Open, handle: handleUnknownMethod})
	s.router = r
	return nil
}

// quietLogger passes what fasthttp says of broken connections on as debug
// lines: they are the clients' doing.
type quietLogger struct{ logger *slog.Logger }

// Printf implements fasthttp.Logger.
func (l quietLogger) Printf(format string, args ...any) {
	l.logger.Debug("http connection", "detail", fmt.Sprintf(format, args...))
}
