package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net"
	"net/http"
	"net/mail"
	"net/smtp"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode"

	"github.com/stere-log/stere/internal/outward"
)

// The headers of deliveries.
const (
	HeaderSignature = "X-Signature-SHA256"
	headerID        = "webhook-id"
	headerTimestamp = "webhook-timestamp"
	headerStandard  = "webhook-signature"
)

const (
	attemptMax  = 15 * time.Second
	answerShown = 300 // bytes of an answer that are remembered
	retryAfter  = "Retry-After"
)

func sortedKeys(m map[string]string) []string { return slices.Sorted(maps.Keys(m)) }

// Sign returns the headers that prove who sent a body: X-Signature-SHA256 with the newest
// secret over the body alone, and those of Standard Webhooks, with a signature of every
// valid secret over id, time and body.
func Sign(secrets []string, id string, at time.Time, body []byte) http.Header {
	header := http.Header{}
	seconds := strconv.FormatInt(at.Unix(), 10)
	header.Set(headerID, id)
	header.Set(headerTimestamp, seconds)
	var standard []string
	for i, secret := range secrets {
		if i == 0 {
			header.Set(HeaderSignature, "sha256="+hex.EncodeToString(sum([]byte(secret), body)))
		}
		signed := append([]byte(id+"."+seconds+"."), body...)
		standard = append(standard, "v1,"+base64.StdEncoding.EncodeToString(sum(key(secret), signed)))
	}
	if len(standard) > 0 {
		header.Set(headerStandard, strings.Join(standard, " "))
	}
	return header
}

func sum(key, text []byte) []byte {
	mac := hmac.New(sha256.New, key)
	mac.Write(text)
	return mac.Sum(nil)
}

// key is a secret as Standard Webhooks has it: whsec_ and base64, or any text.
func key(secret string) []byte {
	if text, ok := strings.CutPrefix(secret, "whsec_"); ok {
		if raw, err := base64.StdEncoding.DecodeString(text); err == nil {
			return raw
		}
	}
	return []byte(secret)
}

// Mail is how e-mail is sent; without a server none is.
type Mail struct {
	Server   string // host:port
	From     string
	User     string
	Password string
}

// Check reports what is wrong with it.
func (m Mail) Check() error {
	if m.Server == "" {
		return nil
	}
	_, _, err := net.SplitHostPort(m.Server)
	if err == nil {
		_, err = mail.ParseAddress(m.From)
	}
	if err != nil {
		return fmt.Errorf("mail server %q with sender %q: %w", m.Server, m.From, err)
	}
	return nil
}

// Sender makes attempts. Client must be given.
type Sender struct {
	Client  *outward.Client
	Mail    Mail
	Source  string // how it calls itself; default stere
	Version string
}

// Result is what came of an attempt.
type Result struct {
	Attempt
	Gone  bool          // the endpoint is not to be asked any more
	After time.Duration // until when it asks to be left alone
}

// CheckURL reports whether deliveries may go to a URL.
func (s *Sender) CheckURL(url string) error {
	if strings.HasPrefix(url, "mailto:") {
		if s.Mail.Server == "" {
			return errors.New("this node sends no e-mail: its operator sets mail-server and mail-from")
		}
		return nil
	}
	return ReachHint(s.Client.Check(url))
}

// ReachHint adds to an error of an address what lets a node send there.
func ReachHint(err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%w (its operator can allow more, see webhook-reach)", err)
}

// Send makes one attempt, of bounded time.
func (s *Sender) Send(ctx context.Context, e *Endpoint, d *Delivery, now time.Time) Result {
	ctx, cancel := context.WithTimeout(ctx, attemptMax)
	defer cancel()
	r := Result{Attempt: Attempt{At: now.UnixNano()}}
	began := time.Now()
	err := s.try(ctx, e, d, now, &r)
	r.Took = int64(time.Since(began))
	if err != nil {
		r.Error = shortened(printable(err.Error()), answerShown)
	}
	return r
}

func (s *Sender) source() string {
	if s.Source == "" {
		return "stere"
	}
	return s.Source
}

func (s *Sender) try(ctx context.Context, e *Endpoint, d *Delivery, now time.Time, r *Result) error {
	if e.Template == Email {
		return s.mail(ctx, e, d, now)
	}
	body, err := Render(e, &d.Event, s.source())
	if err != nil {
		return err
	}
	header := Sign(e.Valid(now.UnixNano()), d.ID, now, body)
	header.Set("Content-Type", "application/json")
	e.authorize(header)
	header.Set("User-Agent", strings.TrimSuffix("stere-webhook/"+s.Version, "/"))
	sent, err := s.Client.Send(ctx, http.MethodPost, e.URL, header, body, answerShown)
	if err != nil {
		return err
	}
	r.Status = sent.Status
	switch {
	case sent.Status >= 200 && sent.Status < 300:
		return nil
	case sent.Status == http.StatusGone:
		r.Gone = true
		return errors.New("410 Gone: the receiver does not want to be told any more")
	case sent.Status >= 300 && sent.Status < 400:
		return fmt.Errorf("status %d: it redirects to %.200q, which is not followed; register that URL", sent.Status, sent.Header.Get("Location"))
	}
	if seconds, err := strconv.Atoi(sent.Header.Get(retryAfter)); err == nil && seconds > 0 {
		r.After = time.Duration(min(seconds, int(backoffMax/time.Second))) * time.Second
	}
	return fmt.Errorf("status %d: %s", sent.Status, sent.Body)
}

func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, ""))
}

// Message is an event as e-mail.
func (s *Sender) message(to []string, d *Delivery, now time.Time) []byte {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("From: %s", s.Mail.From)
	line("To: %s", strings.Join(to, ", "))
	line("Subject: %s", mime.QEncoding.Encode("utf-8", shortened(printable(Subject(&d.Event)), 200)))
	line("Date: %s", now.UTC().Format(time.RFC1123Z))
	line("Message-ID: <%s@stere>", d.ID)
	line("MIME-Version: 1.0")
	line("Content-Type: text/plain; charset=utf-8")
	line("Content-Transfer-Encoding: base64")
	line("")
	var text strings.Builder
	fmt.Fprintf(&text, "%s\r\n\r\n", d.Event.Text)
	for _, one := range Lines(&d.Event) {
		fmt.Fprintf(&text, "%s\r\n", one)
	}
	for _, fact := range facts(&d.Event) {
		fmt.Fprintf(&text, "\r\n%s: %s", fact[0], fact[1])
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(text.String()))
	for len(encoded) > 76 {
		line("%s", encoded[:76])
		encoded = encoded[76:]
	}
	line("%s", encoded)
	return []byte(b.String())
}

// mail sends a delivery as e-mail. The server is the operator's, and may be anywhere.
func (s *Sender) mail(ctx context.Context, e *Endpoint, d *Delivery, now time.Time) (err error) {
	if s.Mail.Server == "" {
		return errors.New("this node sends no e-mail: its operator sets mail-server and mail-from")
	}
	list, err := mail.ParseAddressList(strings.TrimPrefix(e.URL, "mailto:"))
	if err != nil {
		return fmt.Errorf("address: %w", err)
	}
	var to []string
	for _, one := range list {
		to = append(to, one.Address)
	}
	host, _, err := net.SplitHostPort(s.Mail.Server)
	if err != nil {
		return fmt.Errorf("mail server: %w", err)
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", s.Mail.Server)
	if err != nil {
		return fmt.Errorf("mail server: %w", err)
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return fmt.Errorf("mail server: %w", err)
	}
	c, err := smtp.NewClient(conn, host)
	if err != nil {
		return fmt.Errorf("mail server: %w", err)
	}
	defer c.Close()
	if ok, _ := c.Extension("STARTTLS"); ok {
		if err := c.StartTLS(&tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}); err != nil {
			return fmt.Errorf("mail server: %w", err)
		}
	}
	if s.Mail.User != "" {
		if err := c.Auth(smtp.PlainAuth("", s.Mail.User, s.Mail.Password, host)); err != nil {
			return fmt.Errorf("mail server: %w", err)
		}
	}
	from, err := mail.ParseAddress(s.Mail.From)
	if err != nil {
		return fmt.Errorf("sender: %w", err)
	}
	if err := c.Mail(from.Address); err != nil {
		return fmt.Errorf("mail server: %w", err)
	}
	for _, one := range to {
		if err := c.Rcpt(one); err != nil {
			return fmt.Errorf("mail to %s: %w", one, err)
		}
	}
	w, err := c.Data()
	if err != nil {
		return fmt.Errorf("mail server: %w", err)
	}
	if _, err := w.Write(s.message(to, d, now)); err != nil {
		return fmt.Errorf("mail server: %w", err)
	}
	if err := w.Close(); err != nil {
		return fmt.Errorf("mail server: %w", err)
	}
	return c.Quit()
}
