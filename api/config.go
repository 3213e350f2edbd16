package api

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/netip"
	"strings"
	"time"

	"github.com/VictoriaMetrics/metrics"
	"github.com/stere-log/stere/api/admin"
	"github.com/stere-log/stere/api/alert"
	"github.com/stere-log/stere/api/certs"
	"github.com/stere-log/stere/api/enrich"
	"github.com/stere-log/stere/api/limits"
	"github.com/stere-log/stere/api/models"
	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/audit"
	"github.com/stere-log/stere/auth"
	"github.com/stere-log/stere/consumption"
	"github.com/stere-log/stere/ingest"
	"github.com/stere-log/stere/ingest/pipeline"
	"github.com/stere-log/stere/insight"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/tail"
)

// The defaults of Config.
const (
	BodyBytesDefault      = 64 << 20
	BodyMemoryDefault     = 144 << 20
	RecordMemoryDefault   = 64 << 20
	BodyWaitDefault       = 5 * time.Second
	HeaderBytesDefault    = 32 << 10
	ConnectionsDefault    = 4096
	HeaderTimeoutDefault  = 10 * time.Second
	BodyTimeoutDefault    = 2 * time.Minute
	IdleTimeoutDefault    = 2 * time.Minute
	WriteTimeoutDefault   = 2 * time.Minute
	RequestTimeoutDefault = time.Minute
	FlushTimeoutDefault   = 30 * time.Minute
	RecheckDefault        = 10 * time.Second
	SearchLimitDefault    = 50
)

// Limits that are not configurable.
const (
	searchBodyBytesMax = 1 << 20 // of a search request or a change of the log level
	knownTagsMax       = 16      // of If-None-Match that are looked at
	domainsMax         = 100     // of one search
	searchLimitMax     = 10_000  // records or rows of one answer
	contextRecordsMax  = 1_000   // records before or after
	facetsMax          = 20
	sortKeysMax        = 8
)

// Config is what a Server serves and within which limits. Writer, Engine and
// Status are needed; for everything else zero means the default.
type Config struct {
	Writer *ingest.Writer
	Engine *query.Engine
	// Tails shows records as they come; nil: there is no GET /logs/tail.
	Tails *tail.Hub
	// Auth recognises principals. nil lets everybody do everything, for nodes
	// on the loopback interface only.
	Auth *auth.Authenticator
	// Directory has the API keys, tenants and domains; nil: there are none.
	Directory admin.Registry
	// Erasures removes records; nil: nothing does.
	Erasures admin.Erasures
	// Redactions are the tenants' rules of redaction; nil: there are none.
	Redactions admin.Redactions
	// Desk has rules, incidents, webhooks and services; nil: there are none.
	Desk alert.Desk
	// Flush seals and merges what is there and returns when settled.
	Flush func(ctx context.Context) error
	// Status says how the node is.
	Status func() Status
	// Encryption is how what this node has on disk is encrypted; nil where that is
	// not known.
	Encryption Encryption
	// Cluster is the cluster that the node is one of; nil where it is alone.
	Cluster Cluster
	// Queries are the saved queries; nil: there are none.
	Queries SavedQueries
	// Enrich keeps lookup tables, deployments and categories of tenants' own; nil: there are none.
	Enrich enrich.Store
	// Known is what insights know besides records; nil: nothing.
	Known insight.Known
	// Judge keeps what people say of findings; nil: nobody can.
	Judge insight.Judge
	// Models has what is learned of a tenant's labels; nil: nothing is.
	Models models.Desk
	// LogLevel is changed by PUT /admin/log-level.
	LogLevel *slog.LevelVar
	Logger   *slog.Logger     // default: discards
	Metrics  *metrics.Set     // default: a new set
	Now      func() time.Time // default: time.Now

	Name        string // of the node, default "stere"
	Version     string // of the program
	Environment string // development, staging or production

	// Certificates make the server speak TLS; none: it does not.
	Certificates []certs.Pair
	// Origins are the web sites whose pages may ask, such as https://ui.example or
	// https://*.example; "*" is all. Pages of the server itself always may.
	Origins []string

	// OpenIntegrationHealth answers GET /integration/health without credentials too: the
	// status alone, of the tenant of the host.
	OpenIntegrationHealth bool

	APIKeyHeader   string // default v1.HeaderAPIKey
	ElasticVersion string // the Elasticsearch version reported to shippers; default: the decoder's

	Decode pipeline.Config // limits of one record

	// Proxies are the networks of proxies that are believed when they say whom a
	// request is from (X-Forwarded-For); none is.
	Proxies []netip.Prefix
	// Off are features that nobody has here, whatever is agreed.
	Off auth.Features
	// Limits passes requests; nil: nothing is limited.
	Limits *limits.Gate
	// Book counts what tenants use; nil: nothing does.
	Book *consumption.Book
	// Trail keeps what administrators do and what is refused; nil: nothing does.
	Trail *audit.Trail
	// Prices are those of reports of what is used.
	Prices admin.Prices

	BodyBytes      int64         // of one decompressed body
	BodyMemory     int64         // of all decompressed bodies in memory
	RecordMemory   int64         // of all decoded records in memory; a single body may take more
	BodyWait       time.Duration // for that memory, before 429
	HeaderBytes    int
	Connections    int
	HeaderTimeout  time.Duration // from the first byte to the end of the header
	BodyTimeout    time.Duration // from the end of the header to the end of the body
	IdleTimeout    time.Duration // between requests
	WriteTimeout   time.Duration // of an answer
	RequestTimeout time.Duration // of the work for a request
	FlushTimeout   time.Duration // of POST /admin/flush
	Recheck        time.Duration // between two looks whether who is answered for long may still ask
}

// Status is how the node is.
type Status struct {
	State  string // v1.Healthy, v1.Degraded or v1.Unhealthy
	Ready  bool   // takes and finds records
	Checks map[string]v1.Check
}

// Validate lists every fault.
func (c Config) Validate() error {
	var faults []error
	fault := func(bad bool, format string, args ...any) {
		if bad {
			faults = append(faults, fmt.Errorf(format, args...))
		}
	}
	fault(c.Writer == nil, "no writer")
	fault(c.Engine == nil, "no query engine")
	fault(c.Status == nil, "no status")
	if err := c.Prices.Validate(); err != nil {
		faults = append(faults, err)
	}
	for _, origin := range c.Origins {
		fault(origin != "*" && !strings.HasPrefix(origin, "https://") && !strings.HasPrefix(origin, "http://"), "the origin %.100q has no scheme, want for example https://ui.example", origin)
	}
	fault(c.BodyBytes < 0 || c.BodyBytes > 1<<30, "body limit is %d bytes, want at most 1 GiB", c.BodyBytes)
	fault(c.BodyMemory < 0, "body memory is %d bytes", c.BodyMemory)
	fault(c.RecordMemory < 0, "record memory is %d bytes", c.RecordMemory)
	d := c.withDefaults()
	fault(d.BodyMemory < d.BodyBytes, "body memory is %d bytes, less than the limit of one body, %d", d.BodyMemory, d.BodyBytes)
	fault(c.Connections < 0, "connection limit is %d", c.Connections)
	fault(c.HeaderBytes < 0 || c.HeaderBytes > 0 && c.HeaderBytes < 4<<10, "header limit is %d bytes, want at least 4096", c.HeaderBytes)
	for name, d := range map[string]time.Duration{"body wait": c.BodyWait, "header timeout": c.HeaderTimeout, "body timeout": c.BodyTimeout,
		"idle timeout": c.IdleTimeout, "write timeout": c.WriteTimeout, "request timeout": c.RequestTimeout, "flush timeout": c.FlushTimeout, "recheck": c.Recheck} {
		fault(d < 0, "%s is %v", name, d)
	}
	return errors.Join(faults...)
}

func (c Config) withDefaults() Config {
	c.BodyBytes = cmp.Or(c.BodyBytes, BodyBytesDefault)
	c.BodyMemory = cmp.Or(c.BodyMemory, BodyMemoryDefault)
	c.RecordMemory = cmp.Or(c.RecordMemory, RecordMemoryDefault)
	c.BodyWait = cmp.Or(c.BodyWait, BodyWaitDefault)
	c.HeaderBytes = cmp.Or(c.HeaderBytes, HeaderBytesDefault)
	c.Connections = cmp.Or(c.Connections, ConnectionsDefault)
	c.HeaderTimeout = cmp.Or(c.HeaderTimeout, HeaderTimeoutDefault)
	c.BodyTimeout = cmp.Or(c.BodyTimeout, BodyTimeoutDefault)
	c.IdleTimeout = cmp.Or(c.IdleTimeout, IdleTimeoutDefault)
	c.WriteTimeout = cmp.Or(c.WriteTimeout, WriteTimeoutDefault)
	c.RequestTimeout = cmp.Or(c.RequestTimeout, RequestTimeoutDefault)
	c.FlushTimeout = cmp.Or(c.FlushTimeout, FlushTimeoutDefault)
	c.Recheck = cmp.Or(c.Recheck, RecheckDefault)
	c.APIKeyHeader = cmp.Or(c.APIKeyHeader, v1.HeaderAPIKey)
	c.Name = cmp.Or(c.Name, "stere")
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	if c.LogLevel == nil {
		c.LogLevel = new(slog.LevelVar)
	}
	if c.Metrics == nil {
		c.Metrics = metrics.NewSet()
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	return c
}
