package webhook

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"os"
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
func (s *Sender) CheckURL(address string) error {
	if strings.HasPrefix(address, "mailto:") {
		if s.Mail.Server == "" {
			return errors.New("this node sends no e-mail: its operator sets mail-server and mail-from")
		}
		return nil
	}
	return ReachHint(s.Client.Check(address))
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
	switch {
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, os.ErrDeadlineExceeded):
		r.Error = fmt.Sprintf("no answer within %s", time.Since(began).Round(time.Millisecond))
	case err != nil:
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
		refused, err := s.mail(ctx, e, d, now)
		if err == nil && refused != nil {
			r.Note = shortened(printable(refused.Error()), answerShown)
		}
		return err
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
		to := "another place"
		if u, err := url.Parse(sent.Header.Get("Location")); err == nil && u.Host != "" {
			to = outward.Shown(u)
		}
		return fmt.Errorf("status %d: it redirects to %.200s, which is not followed; register the URL where that leads", sent.Status, to)
	}
	r.After = restOf(sent.Header.Get(retryAfter), now)
	return errors.New(strings.TrimSuffix(fmt.Sprintf("status %d: %s", sent.Status, sent.Body), ": "))
}

// restOf is how long a receiver wants to be left alone, which says it in seconds or names
// the time; 0 if it does not.
func restOf(text string, now time.Time) time.Duration {
	rest := time.Duration(0)
	if seconds, err := strconv.Atoi(text); err == nil {
		rest = time.Duration(min(max(seconds, 0), int(backoffMax/time.Second))) * time.Second
	} else if at, err := http.ParseTime(text); err == nil {
		rest = at.Sub(now)
	}
	return min(max(rest, 0), backoffMax)
}

func printable(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return ' '
		}
		return r
	}, strings.ToValidUTF8(text, ""))
}
