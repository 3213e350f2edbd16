package token

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/stere-log/stere/internal/outward"
)

// How often keys are asked for.
const (
	refreshDefault = 10 * time.Minute // in the background, where the answer says nothing
	refreshMin     = time.Minute
	refreshMax     = time.Hour
	unknownWait    = 30 * time.Second // between two times because of tokens
	failedWait     = 5 * time.Second  // the same after a failure
	staleAfter     = 24 * time.Hour   // without success: nothing is believed any more
	loadTimeout    = 10 * time.Second
	tokenTimeout   = 2 * time.Second // the same where a token waits for it
)

// errStale says that there are no keys that may be believed.
var errStale = errors.New("the keys of the issuer cannot be had")

// source is where the keys of an issuer come from.
type source struct {
	load  func(ctx context.Context) ([]key, time.Duration, error) // nil: keys are fixed
	now   func() time.Time
	asked chan struct{} // has an element while keys are loaded; before mu

	mu struct {
		sync.Mutex
		keys   []key
		loaded time.Time // zero: never
		tried  time.Time
		failed error // of the last try
		next   time.Time
	}
}

// newSource returns the source of an issuer's keys; nothing is asked yet.
func newSource(i Issuer, client *outward.Client, now func() time.Time) (*source, error) {
	s := &source{now: now, asked: make(chan struct{}, 1)}
	var err error
	switch {
	case i.Secret != "":
		s.mu.keys = []key{{material: []byte(i.Secret)}}
	case len(i.PEM) > 0:
		s.mu.keys, err = parsePEM(i.PEM)
	case i.Discover:
		address := strings.TrimSuffix(i.Name, "/") + "/.well-known/openid-configuration"
		err = client.Check(address)
		s.load = func(ctx context.Context) ([]key, time.Duration, error) { return discover(ctx, client, i.Name, address) }
	case remote(i.JWKS):
		err = client.Check(i.JWKS)
		s.load = func(ctx context.Context) ([]key, time.Duration, error) { return fetchSet(ctx, client, i.JWKS) }
	default:
		s.load = func(context.Context) ([]key, time.Duration, error) { return readSet(i.JWKS) }
	}
	if err != nil {
		return nil, fmt.Errorf("issuer %.100q: %w", i.Name, err)
	}
	return s, nil
}

// readSet reads a key set from a file.
func readSet(path string) ([]key, time.Duration, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, 0, fmt.Errorf("read key set: %w", err)
	}
	if info.Size() > documentMax {
		return nil, 0, fmt.Errorf("read key set: %s has %d bytes, want at most %d", path, info.Size(), documentMax)
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, 0, fmt.Errorf("read key set: %w", err)
	}
	keys, err := parseSet(text)
	return keys, refreshMin, err
}

// fetchSet fetches a key set.
func fetchSet(ctx context.Context, client *outward.Client, address string) ([]key, time.Duration, error) {
	text, header, err := client.Fetch(ctx, address, documentMax)
	if err != nil {
		return nil, 0, err
	}
	keys, err := parseSet(text)
	return keys, maxAge(header), err
}

// discover fetches the key set that an OpenID configuration names. It must be
// that of the issuer that is believed.
func discover(ctx context.Context, client *outward.Client, issuer, address string) ([]key, time.Duration, error) {
	text, _, err := client.Fetch(ctx, address, documentMax)
	if err != nil {
		return nil, 0, err
	}
	var document struct {
		Issuer string `json:"issuer"`
		Keys   string `json:"jwks_uri"`
	}
	if err := json.Unmarshal(text, &document); err != nil {
		return nil, 0, fmt.Errorf("read OpenID configuration: %w", err)
	}
	if document.Issuer != issuer {
		return nil, 0, fmt.Errorf("read OpenID configuration: it is that of %.100q", document.Issuer)
	}
	return fetchSet(ctx, client, document.Keys)
}

// maxAge returns how long an answer may be kept.
func maxAge(header http.Header) time.Duration {
	for part := range strings.SplitSeq(header.Get("Cache-Control"), ",") {
		if text, ok := strings.CutPrefix(strings.TrimSpace(part), "max-age="); ok {
			if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
				return min(max(time.Duration(seconds)*time.Second, refreshMin), refreshMax)
			}
		}
	}
	return refreshDefault
}

// candidates returns the keys that a token may have been signed with. Keys that
// are not known yet are asked for once.
func (s *source) candidates(id, algorithm string) ([]key, error) {
	fit, known, err := s.choose(id, algorithm)
	if s.load == nil || err == nil && known {
		return fit, err
	}
	asked := s.refresh(unknownWait, tokenTimeout)
	fit, known, err = s.choose(id, algorithm)
	if err == nil && !known && !asked {
		err = errStale // somebody else still asks: what the key is will be known soon
	}
	return fit, err
}

// choose returns the keys that fit, and whether no other ones need be looked
// for.
func (s *source) choose(id, algorithm string) (fit []key, known bool, err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.load != nil && (s.mu.loaded.IsZero() || s.now().Sub(s.mu.loaded) > staleAfter) {
		return nil, false, errors.Join(errStale, s.mu.failed)
	}
	for _, k := range s.mu.keys {
		// Fixed keys have no names: what a token calls its key says nothing then.
		if id == "" || k.id == "" || k.id == id {
			known = known || k.id == id || k.id == ""
			if k.fits(algorithm) {
				fit = append(fit, k)
			}
		}
	}
	return fit, known || id == "", nil
}

// refresh loads the keys, unless that was tried a moment ago. Who comes meanwhile
// waits for the outcome, as long as loading may take; false says that it has not come.
func (s *source) refresh(wait, timeout time.Duration) bool {
	patience := time.NewTimer(timeout)
	defer patience.Stop()
	select {
	case s.asked <- struct{}{}:
		defer func() { <-s.asked }()
	case <-patience.C:
		return false
	}
	s.mu.Lock()
	tried, failed := s.mu.tried, s.mu.failed
	s.mu.Unlock()
	if failed != nil {
		wait = min(wait, failedWait)
	}
	if !tried.IsZero() && s.now().Sub(tried) < wait {
		return true
	}
	ctx, cancel := context.WithTimeout(context.Background(), timeout)
	defer cancel()
	keys, keep, err := s.load(ctx)
	s.mu.Lock()
	defer s.mu.Unlock()
	now := s.now()
	s.mu.tried, s.mu.failed = now, err
	if err != nil {
		s.mu.next = now.Add(unknownWait)
		return true
	}
	s.mu.keys, s.mu.loaded, s.mu.next = keys, now, now.Add(keep)
	return true
}

// due returns when the keys are to be loaded again, and why they were not the
// last time.
func (s *source) due() (time.Time, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.mu.next, s.mu.failed
}
