package client

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// eventBytesMax bounds one event of a tail: a record and its cursor.
const eventBytesMax = 128 << 20

// openTimeout is how long an answer without end may take to begin.
const openTimeout = time.Minute

// Event is one event of a tail.
type Event struct {
	ID   string // the cursor after it
	Type string // "" for a record; else heartbeat, dropped, missing or end
	Data []byte // JSON; good until the next event
}

// TailRequest asks for records as they come.
type TailRequest struct {
	Query   string
	Backlog int    // newest records first, or
	Since   string // all from then on first, or
	After   string // those after an event
}

// Tail calls take with every event until the context or the connection ends, or
// take returns an error. It does not connect again: the id of the last event says
// where to go on.
func (c *Client) Tail(ctx context.Context, request TailRequest, take func(Event) error) error {
	params := url.Values{"query": {request.Query}}
	if request.Backlog > 0 {
		params.Set("backlog", strconv.Itoa(request.Backlog))
	}
	for name, value := range map[string]string{"since": request.Since, "after": request.After} {
		if value != "" {
			params.Set(name, value)
		}
	}
	answer, err := c.open(ctx, "/logs/tail?"+params.Encode())
	if err != nil {
		return fmt.Errorf("tail: %w", err)
	}
	defer answer.Body.Close()
	lines := bufio.NewScanner(answer.Body)
	lines.Buffer(make([]byte, 64<<10), eventBytesMax)
	for event := (Event{}); lines.Scan(); {
		name, value, _ := bytes.Cut(lines.Bytes(), []byte(": "))
		switch string(name) {
		case "id":
			event.ID = string(value)
		case "event":
			event.Type = string(value)
		case "data":
			event.Data = append(event.Data[:0], value...)
		case "":
			if err := take(event); err != nil {
				return err
			}
			event = Event{Data: event.Data[:0]}
		}
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return fmt.Errorf("tail: %w: %w", ErrUnreachable, errors.Join(lines.Err(), io.ErrUnexpectedEOF))
}

// Export is an export under way.
type Export struct {
	io.ReadCloser        // an error other than io.EOF says that it is not whole
	Token         string // with which it goes on after one of its records
}

// Export begins an export, or goes on with one; docs/api.md has the parameters.
func (c *Client) Export(ctx context.Context, params url.Values) (*Export, error) {
	answer, err := c.open(ctx, "/logs/export?"+params.Encode())
	if err != nil {
		return nil, fmt.Errorf("export: %w", err)
	}
	return &Export{ReadCloser: answer.Body, Token: answer.Header.Get("Stere-Export")}, nil
}

// open makes a request whose answer is read as it comes.
func (c *Client) open(ctx context.Context, path string) (*http.Response, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.base+path, nil)
	if err != nil {
		return nil, err
	}
	if c.cfg.Tenant != "" {
		request.Header.Set(headerTenant, c.cfg.Tenant)
	}
	switch {
	case c.cfg.APIKey != "":
		request.Header.Set(c.cfg.APIKeyHeader, c.cfg.APIKey)
	case c.cfg.Token != "":
		request.Header.Set("Authorization", "Bearer "+c.cfg.Token)
	}
	transport := &http.Transport{DisableKeepAlives: true, DisableCompression: true, ResponseHeaderTimeout: openTimeout}
	if c.cfg.Dial != nil {
		transport.DialContext = func(_ context.Context, _, address string) (net.Conn, error) { return c.cfg.Dial(address) }
	}
	answer, err := (&http.Client{Transport: transport}).Do(request)
	if err != nil && ctx.Err() != nil {
		return nil, ctx.Err()
	}
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	if answer.StatusCode == http.StatusOK {
		return answer, nil
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(io.LimitReader(answer.Body, 1<<20))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrUnreachable, err)
	}
	return nil, errorOf(answer.StatusCode, answer.Header.Get("Retry-After"), body)
}

// Temporary reports whether the same request may succeed later.
func Temporary(err error) bool { return temporary(err) }
