// Package outward fetches from addresses that somebody else has named, and sends to
// them: a configuration, a document of an identity provider, a webhook. Client is the main
// type.
//
// Invariants:
//   - A connection is opened only to an address that the Reach allows. The check
//     is of the address that is dialled, after names were resolved, for every
//     connection, so that neither a redirect nor a name that changes its meaning
//     goes around it.
//   - No proxy of the environment is used, no credentials are sent, no cookies
//     are kept, and an answer is read up to a limit.
//
// A Client may be used from any goroutine and owns none but those of net/http.
package outward

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// Reach says how far a client may go.
type Reach uint8

// The reaches. Each has what the one before has.
const (
	Public   Reach = iota // https to addresses of the public internet
	Private               // and to private networks
	Loopback              // and, also without TLS, to this machine
)

// ParseReach reads "public", "private" or "loopback".
func ParseReach(text string) (Reach, error) {
	for reach, name := range [...]string{"public", "private", "loopback"} {
		if text == name {
			return Reach(reach), nil
		}
	}
	return Public, fmt.Errorf("%.20q is not public, private or loopback", text)
}

// Limits of a fetch.
const (
	redirectsMax = 3
	fetchTimeout = 5 * time.Second
	dialTimeout  = 3 * time.Second
	headerMax    = 32 << 10
)

// ErrRefused says that an address may not be fetched from.
var ErrRefused = errors.New("this address may not be fetched from")

// ErrTooLarge says that an answer is larger than the caller takes.
var ErrTooLarge = errors.New("the answer is too large")

// Client fetches documents.
type Client struct {
	reach Reach
	plain bool // also without TLS, where private networks are allowed
	http  *http.Client
}

// NewSender returns a client for Send. Where private networks are allowed it also speaks
// http: what is inside seldom has certificates.
func NewSender(reach Reach) *Client {
	c := New(reach)
	c.plain = true
	return c
}

// New returns a client.
func New(reach Reach) *Client {
	c := &Client{reach: reach}
	dialer := &net.Dialer{Timeout: dialTimeout, Control: func(_, address string, _ syscall.RawConn) error { return c.allowed(address) }}
	c.http = &http.Client{
		Timeout: fetchTimeout,
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: dialTimeout, DisableKeepAlives: true, MaxResponseHeaderBytes: headerMax,
		},
		CheckRedirect: func(req *http.Request, via []*http.Request) error {
			if len(via) > redirectsMax {
				return fmt.Errorf("%w: more than %d redirects", ErrRefused, redirectsMax)
			}
			return c.Check(req.URL.String())
		},
	}
	return c
}

// Shown is what may be told of a URL to everybody: where it leads, but not its path, which
// of some receivers is all that has to be known to use them.
func Shown(u *url.URL) string { return u.Scheme + "://" + u.Host }

// Check reports whether a URL is one that may be tried: https, or http to this
// machine where that is allowed. An address of a kind that may not be dialled is refused;
// what a name stands for is seen when it is dialled.
func (c *Client) Check(address string) error {
	u, err := url.Parse(address)
	if err != nil {
		return fmt.Errorf("%w: it is no URL", ErrRefused)
	}
	switch {
	case portOf(u) < 0:
		return fmt.Errorf("%w: %.100q has a port that there is not", ErrRefused, Shown(u))
	case u.Hostname() == "" || u.User != nil:
		return fmt.Errorf("%w: %.100q names no host, or a user", ErrRefused, Shown(u))
	case u.Scheme != "https" && !(u.Scheme == "http" && (c.reach == Loopback && isLocal(u.Hostname()) || c.plain && c.reach >= Private)):
		return fmt.Errorf("%w: %.100q is not https", ErrRefused, Shown(u))
	}
	if ip, err := netip.ParseAddr(u.Hostname()); err == nil {
		return c.permits(ip)
	}
	return nil
}

// portOf returns the port that a URL names, 0 if it names none, below 0 if there is no such.
func portOf(u *url.URL) int {
	if u.Port() == "" {
		return 0
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil || port == 0 {
		return -1
	}
	return int(port)
}

func isLocal(host string) bool {
	ip, err := netip.ParseAddr(host)
	return strings.EqualFold(host, "localhost") || err == nil && ip.Unmap().IsLoopback()
}

// allowed reports whether an IP address with a port may be dialled.
func (c *Client) allowed(address string) error {
	at, err := netip.ParseAddrPort(address)
	if err != nil {
		return fmt.Errorf("%w: %.60q", ErrRefused, address)
	}
	return c.permits(at.Addr())
}

// permits reports whether an IP address may be dialled.
func (c *Client) permits(ip netip.Addr) error {
	switch kind := kindOf(ip); {
	case kind == kindPublic, kind == kindPrivate && c.reach >= Private, kind == kindLoopback && c.reach == Loopback:
		return nil
	}
	return fmt.Errorf("%w: %s is not on the public internet", ErrRefused, ip)
}

// kind is what an address is for.
type kind uint8

const (
	kindNobody kind = iota // nothing that is worth fetching has it
	kindPublic
	kindPrivate
	kindLoopback
)

// special are the ranges that netip does not tell apart from public ones. Those
// that carry an IPv4 address inside could lead anywhere.
func special() []netip.Prefix {
	return []netip.Prefix{
		netip.MustParsePrefix("0.0.0.0/8"), netip.MustParsePrefix("100.64.0.0/10"), netip.MustParsePrefix("192.0.0.0/24"),
		netip.MustParsePrefix("192.0.2.0/24"), netip.MustParsePrefix("198.18.0.0/15"), netip.MustParsePrefix("198.51.100.0/24"),
		netip.MustParsePrefix("203.0.113.0/24"), netip.MustParsePrefix("240.0.0.0/4"), netip.MustParsePrefix("::/96"),
		netip.MustParsePrefix("64:ff9b::/96"), netip.MustParsePrefix("64:ff9b:1::/48"), netip.MustParsePrefix("2001::/32"),
		netip.MustParsePrefix("2002::/16"), netip.MustParsePrefix("2001:db8::/32"), netip.MustParsePrefix("fec0::/10"),
	}
}

func kindOf(ip netip.Addr) kind {
	ip = ip.Unmap().WithZone("")
	switch {
	case ip.IsLoopback():
		return kindLoopback
	case ip.IsPrivate():
		return kindPrivate
	case !ip.IsGlobalUnicast(): // link-local with the metadata services of clouds, multicast, unspecified
		return kindNobody
	}
	for _, prefix := range special() {
		if prefix.Contains(ip) {
			return kindNobody
		}
	}
	return kindPublic
}

// Fetch returns the body of what a URL has, of at most so many bytes, and the
// header of the answer.
func (c *Client) Fetch(ctx context.Context, address string, most int) ([]byte, http.Header, error) {
	if err := c.Check(address); err != nil {
		return nil, nil, err
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("fetch: %w", err)
	}
	req.Header.Set("Accept", "application/json")
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, nil, fmt.Errorf("fetch: %w", err)
	}
	body, err := io.ReadAll(io.LimitReader(resp.Body, int64(most)+1))
	err = errors.Join(err, resp.Body.Close())
	switch {
	case err != nil:
		return nil, nil, fmt.Errorf("fetch %s: %w", req.URL.Redacted(), err)
	case resp.StatusCode != http.StatusOK:
		return nil, nil, fmt.Errorf("fetch %s: status %d", req.URL.Redacted(), resp.StatusCode)
	case len(body) > most:
		return nil, nil, fmt.Errorf("fetch %s: %w: more than %d bytes", req.URL.Redacted(), ErrTooLarge, most)
	}
	return body, resp.Header, nil
}

// Sent is what the other side answered: Body is the beginning of it.
type Sent struct {
	Status int
	Header http.Header
	Body   []byte
}

// bare is an error of a request without the URL: of a webhook it may be all that has to
// be known to use it.
func bare(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// Send makes a request with a body, whatever is answered, within the context's time. It
// follows no redirect: what is sent is for the address that was named, and an answer that
// points elsewhere is an answer.
func (c *Client) Send(ctx context.Context, method, address string, header http.Header, body []byte, most int) (Sent, error) {
	if err := c.Check(address); err != nil {
		return Sent{}, err
	}
	req, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return Sent{}, fmt.Errorf("send: %w", err)
	}
	req.Header = header
	once := *c.http
	once.Timeout = 0
	once.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	resp, err := once.Do(req)
	if err != nil {
		return Sent{}, fmt.Errorf("send to %s: %w", req.URL.Host, bare(err))
	}
	answer, err := io.ReadAll(io.LimitReader(resp.Body, int64(most)))
	if err = errors.Join(err, resp.Body.Close()); err != nil && ctx.Err() != nil {
		return Sent{}, fmt.Errorf("send to %s: %w", req.URL.Host, bare(err))
	}
	return Sent{Status: resp.StatusCode, Header: resp.Header, Body: answer}, nil
}
