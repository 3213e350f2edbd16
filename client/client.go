package client

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"net/url"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/stere-log/stere/api/v1"
	"github.com/valyala/fasthttp"
)

// The defaults of Config.
const (
	URLDefault        = "http://127.0.0.1:7100"
	TimeoutDefault    = 2 * time.Minute
	AttemptsDefault   = 8
	BackoffDefault    = 200 * time.Millisecond
	BackoffMaxDefault = 15 * time.Second
)

const (
	answerBytesMax = 1 << 30 // of one answer
	connectionsMax = 256
)

// Config says which node to talk to, and how patiently. Zero means the default.
type Config struct {
	URL          string // of the node
	APIKey       string
	APIKeyHeader string        // default v1.HeaderAPIKey
	Token        string        // a bearer token, used where there is no APIKey
	Tenant       string        // for whom, where the credentials may choose; "": who they say
	Timeout      time.Duration // of one attempt
	Attempts     int           // of one call
	Backoff      time.Duration // before the second attempt; doubles each time
	BackoffMax   time.Duration
	// Waits is told how long is waited before a call is made again, and why; by any
	// goroutine. Nil: nobody is told.
	Waits func(wait time.Duration, why error)
	// Dial replaces the network, for tests.
	Dial fasthttp.DialFunc
}

// Validate lists every fault.
func (c Config) Validate() error {
	var faults []error
	if c.URL != "" {
		u, err := url.Parse(c.URL)
		switch {
		case err != nil:
			faults = append(faults, fmt.Errorf("URL: %w", err))
		case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
			faults = append(faults, fmt.Errorf("URL is %q, want for example %s", c.URL, URLDefault))
		}
	}
	if strings.ContainsAny(c.APIKey+c.Token+c.APIKeyHeader+c.Tenant, "\r\n") {
		faults = append(faults, errors.New("credentials contain a line break"))
	}
	if c.Timeout < 0 || c.Backoff < 0 || c.BackoffMax < 0 || c.Attempts < 0 {
		faults = append(faults, errors.New("a negative timeout, backoff or number of attempts"))
	}
	return errors.Join(faults...)
}

// Client talks to one node.
type Client struct {
	cfg  Config
	base string
	http *fasthttp.Client
}

// New returns a client; it does not connect yet.
func New(cfg Config) (*Client, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("configure client: %w", err)
	}
	cfg.URL = cmp.Or(cfg.URL, URLDefault)
	cfg.APIKeyHeader = cmp.Or(cfg.APIKeyHeader, v1.HeaderAPIKey)
	cfg.Timeout = cmp.Or(cfg.Timeout, TimeoutDefault)
	cfg.Attempts = cmp.Or(cfg.Attempts, AttemptsDefault)
	cfg.Backoff = cmp.Or(cfg.Backoff, BackoffDefault)
	cfg.BackoffMax = cmp.Or(cfg.BackoffMax, BackoffMaxDefault)
	return &Client{
		cfg:  cfg,
		base: strings.TrimRight(cfg.URL, "/"),
		http: &fasthttp.Client{
			Name:                "stere-client",
			MaxConnsPerHost:     connectionsMax,
			MaxResponseBodySize: answerBytesMax,
			MaxIdleConnDuration: 30 * time.Second,
			Dial:                cfg.Dial,
			// Only this package decides what is repeated.
			RetryIfErr: func(*fasthttp.Request, int, error) (bool, bool) { return false, false },
		},
	}, nil
}

// headerTenant chooses the tenant of a request.
const headerTenant = "X-Tenant"

// For returns the client for another tenant, which its credentials must be allowed to
// choose. It shares connections with this one.
func (c *Client) For(tenant string) *Client {
	other := *c
	other.cfg.Tenant = tenant
	return &other
}

// Close closes idle connections.
func (c *Client) Close() { c.http.CloseIdleConnections() }

// URL returns the node's address.
func (c *Client) URL() string { return c.base }

// call is one request.
type call struct {
	method, path string
	body         []byte
	contentType  string
	encoding     string
	key          string // Idempotency-Key
	once         bool   // repeating it could do harm
	accept       string
	timeout      time.Duration // of one attempt, 0 for the default
}

// do makes the attempts of a call and returns the status and the body of the
// answer, which is a success.
func (c *Client) do(ctx context.Context, in call) (status int, body []byte, err error) {
	backoff := c.cfg.Backoff
	for attempt := 1; ; attempt++ {
		status, body, err = c.attempt(ctx, in)
		if err == nil || in.once || attempt >= c.cfg.Attempts || !temporary(err) {
			return status, body, err
		}
		wait := backoff/2 + mathrand.N(backoff/2+1) // spread, so that clients do not come back together
		backoff = min(2*backoff, c.cfg.BackoffMax)
		var answer *Error
		if errors.As(err, &answer) {
			wait = max(wait, answer.RetryAfter)
		}
		if c.cfg.Waits != nil {
			c.cfg.Waits(wait, err)
		}
		timer := time.NewTimer(wait)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return 0, nil, errors.Join(ctx.Err(), err)
		}
	}
}

// attempt makes one attempt. The goroutine owns the request and the response,
// because fasthttp cannot be interrupted; it ends with the attempt's timeout.
func (c *Client) attempt(ctx context.Context, in call) (int, []byte, error) {
	type outcome struct {
		status int
		body   []byte
		err    error
	}
	if err := ctx.Err(); err != nil {
		return 0, nil, err
	}
	done := make(chan outcome, 1)
	go func() {
		status, body, err := c.roundTrip(in)
		done <- outcome{status, body, err}
	}()
	select {
	case o := <-done:
		return o.status, o.body, o.err
	case <-ctx.Done():
		return 0, nil, ctx.Err()
	}
}

func (c *Client) roundTrip(in call) (int, []byte, error) {
	req, resp := fasthttp.AcquireRequest(), fasthttp.AcquireResponse()
	defer fasthttp.ReleaseRequest(req)
	defer fasthttp.ReleaseResponse(resp)
	req.SetRequestURI(c.base + in.path)
	req.Header.SetMethod(in.method)
	switch {
	case c.cfg.APIKey != "":
		req.Header.Set(c.cfg.APIKeyHeader, c.cfg.APIKey)
	case c.cfg.Token != "":
		req.Header.Set(fasthttp.HeaderAuthorization, "Bearer "+c.cfg.Token)
	}
	for name, value := range map[string]string{headerTenant: c.cfg.Tenant, fasthttp.HeaderContentType: in.contentType, fasthttp.HeaderContentEncoding: in.encoding,
		v1.HeaderIdempotencyKey: in.key, fasthttp.HeaderAccept: in.accept} {
		if value != "" {
			req.Header.Set(name, value)
		}
	}
	if in.body != nil {
		req.SetBodyRaw(in.body)
	}
	if err := c.http.DoTimeout(req, resp, cmp.Or(in.timeout, c.cfg.Timeout)); err != nil {
		return 0, nil, fmt.Errorf("%s %s%s: %w: %w", in.method, c.base, in.path, ErrUnreachable, err)
	}
	body := append([]byte(nil), resp.Body()...)
	status := resp.StatusCode()
	if status >= 200 && status < 300 {
		return status, body, nil
	}
	return status, body, errorOf(status, string(resp.Header.Peek(fasthttp.HeaderRetryAfter)), body)
}

// errorOf reads an error answer, of Stere or of a proxy in between.
func errorOf(status int, retryAfter string, body []byte) error {
	answer := &Error{Status: status}
	if seconds, err := strconv.Atoi(retryAfter); err == nil && seconds > 0 {
		answer.RetryAfter = min(time.Duration(seconds), 3600) * time.Second
	}
	var envelope v1.ErrorEnvelope
	if err := json.Unmarshal(body, &envelope); err == nil && envelope.Error.Code != "" {
		answer.Answer = envelope.Error
		return answer
	}
	answer.Answer.Code, answer.Answer.Message = "HTTP", fmt.Sprintf("the answer is %.200q", body)
	return answer
}

// decode reads the envelope of an answer.
func decode[T any](body []byte, err error) (v1.Envelope[T], error) {
	var envelope v1.Envelope[T]
	if err != nil {
		return envelope, err
	}
	if err := json.Unmarshal(body, &envelope); err != nil {
		return envelope, fmt.Errorf("%w: %w", ErrAnswer, err)
	}
	return envelope, nil
}

// NewIdempotencyKey returns a random key.
func NewIdempotencyKey() string { return rand.Text() }

// KeyPath returns where the admin key of a data folder is.
func KeyPath(dataDir string) string { return filepath.Join(dataDir, "admin-key") }
