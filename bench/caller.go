package bench

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"time"
)

// Limits of one request.
const (
	answerBytesMax    = 256 << 20
	connectionsMax    = 64
	retriesMax        = 50
	retryPauseMax     = 2 * time.Second
	errorTextBytesMax = 300
)

// statusError is an answer that is not a success.
type statusError struct {
	status     int
	retryAfter time.Duration
	text       string
}

// Error implements error.
func (e *statusError) Error() string { return fmt.Sprintf("status %d: %s", e.status, e.text) }

// overloaded reports whether the request was refused as a whole and may be
// sent again.
func (e *statusError) overloaded() bool {
	return e.status == http.StatusTooManyRequests || e.status == http.StatusServiceUnavailable
}

// caller sends requests to one server.
type caller struct {
	base   string
	header http.Header
	client *http.Client
}

func newCaller(timeout time.Duration) *caller {
	return &caller{
		header: http.Header{},
		client: &http.Client{
			Timeout:   timeout,
			Transport: &http.Transport{MaxIdleConnsPerHost: connectionsMax, MaxConnsPerHost: connectionsMax, DisableCompression: true},
		},
	}
}

// with is the caller with one more header; the connections are shared.
func (c *caller) with(name, value string) *caller {
	other := *c
	other.header = c.header.Clone()
	other.header.Set(name, value)
	return &other
}

func (c *caller) close() { c.client.CloseIdleConnections() }

// do sends one request and reads the whole answer. Elapsed is the time of
// that.
func (c *caller) do(ctx context.Context, method, path, contentType string, body []byte) (answer []byte, elapsed time.Duration, err error) {
	req, err := http.NewRequestWithContext(ctx, method, c.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, 0, fmt.Errorf("make request: %w", err)
	}
	for name, values := range c.header {
		req.Header[name] = values
	}
	if contentType != "" {
		req.Header.Set("Content-Type", contentType)
	}
	start := time.Now()
	res, err := c.client.Do(req)
	if err != nil {
		return nil, 0, fmt.Errorf("send request: %w", err)
	}
	defer res.Body.Close()
	answer, err = io.ReadAll(io.LimitReader(res.Body, answerBytesMax))
	elapsed = time.Since(start)
	if err != nil {
		return nil, elapsed, fmt.Errorf("read answer: %w", err)
	}
	if res.StatusCode >= http.StatusMultipleChoices {
		seconds, err := strconv.Atoi(res.Header.Get("Retry-After"))
		if err != nil || seconds < 0 {
			seconds = 1
		}
		return nil, elapsed, &statusError{
			status: res.StatusCode, retryAfter: time.Duration(seconds) * time.Second,
			text: string(bytes.TrimSpace(answer[:min(len(answer), errorTextBytesMax)])),
		}
	}
	return answer, elapsed, nil
}
