// Package limits says which limits a request has to keep to, asks package limit
// whether it does, and says it in the headers of the answer.
//
// Gate is the main type. A request passes it by its address before anybody looks at
// its credentials, by who asks before a byte of its body is read, and by its records
// once they are known. What passes has been counted; what does not has taken nothing.
//
// A Gate is safe for concurrent use and keeps nothing itself.
package limits

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"time"

	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/auth"
	"github.com/stere-log/stere/consumption"
	"github.com/stere-log/stere/limit"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/access"
)

// The defaults of Config.
const (
	RequestsDefault = 100
	WindowDefault   = time.Hour
	addressShare    = 10 // an address may do so many times what a client may
	placePatience   = 5 * time.Second
	placeAgain      = 100 * time.Millisecond
)

// The beginnings of the keys of daily limits; the tenant follows.
const (
	LinesOfDay = "lines of a day/"
	BytesOfDay = "bytes of a day/"
)

// Config says what is limited. What is agreed with tenants is limited always.
type Config struct {
	Enabled      bool          // clients and addresses are limited
	Requests     int64         // of a client, of each kind, in Window; default RequestsDefault
	Window       time.Duration // default WindowDefault
	PerMinute    int64         // besides; 0: no limit
	PerHour      int64
	PerDay       int64
	SearchMinute int64 // of questions, besides
	Address      int64 // requests of an address in Window; default ten times Requests
	WarnPercent  int64 // of a limit of a tenant, from which on it is near; default 80
}

// Validate lists every fault.
func (c Config) Validate() error {
	var faults []error
	for name, n := range map[string]int64{"requests": c.Requests, "requests in a minute": c.PerMinute, "requests in an hour": c.PerHour,
		"requests in a day": c.PerDay, "searches in a minute": c.SearchMinute, "requests of an address": c.Address} {
		if n < 0 {
			faults = append(faults, fmt.Errorf("rate limit: %d %s, want 0 (default) or more", n, name))
		}
	}
	if c.Window < 0 || c.Window > limit.WindowMax || c.Window > 0 && c.Window < time.Second {
		faults = append(faults, fmt.Errorf("rate limit: the window is %v, want %v to %v", c.Window, time.Second, time.Duration(limit.WindowMax)))
	}
	return errors.Join(faults...)
}

// Gate is what requests pass.
type Gate struct {
	Config
	Limiter   *limit.Limiter
	Directory auth.Directory    // nil: nothing is agreed with anybody
	Book      *consumption.Book // nil: what is stored is not known
}

// New returns a gate.
func New(cfg Config, limiter *limit.Limiter, directory auth.Directory, book *consumption.Book) *Gate {
	cfg.Requests = cmp.Or(cfg.Requests, RequestsDefault)
	cfg.Window = cmp.Or(cfg.Window, WindowDefault)
	cfg.Address = cmp.Or(cfg.Address, addressShare*cfg.Requests)
	cfg.WarnPercent = cmp.Or(cfg.WarnPercent, 80)
	return &Gate{cfg, limiter, directory, book}
}

// Refusal is why a request does not pass.
type Refusal struct {
	Quota   bool // a limit of a day, of what is stored or of questions at once; else of requests
	Storage bool // of what is stored
	Never   bool // there is more in the request than the whole limit: no time makes it fit
	limit.Verdict
}

// Error implements error.
func (r *Refusal) Error() string {
	return fmt.Sprintf("%s: at most %d", r.Rule.What, r.Rule.Limit)
}

// Kind is what a request does, as far as limits tell it apart.
type Kind string

// The kinds.
const (
	Search Kind = "search"
	Ingest Kind = "ingest"
	Export Kind = "export"
	Change Kind = "change"
	Exempt Kind = ""
)

// KindOf returns the kind of what needs a permission. Administration is not limited:
// it is what ends a flood.
func KindOf(permission auth.Permission) Kind {
	switch permission {
	case auth.Read:
		return Search
	case auth.Write:
		return Ingest
	case auth.Export:
		return Export
	case auth.Save, auth.Feedback:
		return Change
	}
	return Exempt
}

// Address passes a request by who sent it. Addresses of IPv6 count by their network
// of 64 bits: whoever has one has all of it.
func (g *Gate) Address(ctx context.Context, from netip.Addr) *Refusal {
	if !g.Enabled || !from.IsValid() {
		return nil
	}
	from = from.Unmap().WithZone("")
	name := from.String()
	if from.Is6() {
		network, _ := from.Prefix(64) // an address has so many bits
		name = network.String()
	}
	rule := limit.Rule{What: "requests of this address", Key: key("address", name, g.Window), Limit: g.Config.Address, Window: g.Window, Stranger: true}
	if v := g.Limiter.Take(ctx, rule, 1); !v.OK {
		return &Refusal{Verdict: v}
	}
	return nil
}

func key(of, name string, window time.Duration) string {
	return of + "/" + name + "/" + window.String()
}

// account returns what is agreed with a tenant.
func (g *Gate) account(tenant model.TenantID) (terms access.Terms, there bool) {
	if g.Directory == nil {
		return terms, false
	}
	account, there := g.Directory.Account(tenant)
	if !there {
		return terms, false
	}
	return account.All(), true
}

// rules are the limits of requests of a kind by a principal.
func (g *Gate) rules(p *auth.Principal, kind Kind) (rules []limit.Rule) {
	add := func(what, of, name string, most int64, window time.Duration) {
		rules = append(rules, limit.Rule{What: what, Key: key(of+"/"+string(kind), name, window), Limit: most, Window: window})
	}
	client := string(p.Tenant) + "/" + cmp.Or(p.Key, p.Method+"/"+p.Issuer+"/"+p.Name)
	if p.Key != "" && g.Directory != nil {
		if k, there := g.Directory.Key(p.Key); there && k.RequestsPerMin > 0 {
			add(string(kind)+" requests of this key in a minute", "key", p.Key, k.RequestsPerMin, time.Minute)
		}
	}
	terms, agreed := g.account(p.Tenant)
	if agreed {
		add(string(kind)+" requests of this tenant in a minute", "tenant", string(p.Tenant), *terms.RequestsPerMin, time.Minute)
	}
	if !g.Enabled || agreed { // what is agreed goes before what is usual
		return rules
	}
	add(string(kind)+" requests of this client", "client", client, g.Requests, g.Window)
	for _, more := range []struct {
		most   int64
		window time.Duration
	}{{g.PerMinute, time.Minute}, {g.PerHour, time.Hour}, {g.PerDay, 24 * time.Hour}} {
		if more.most > 0 {
			add(string(kind)+" requests of this client", "client", client, more.most, more.window)
		}
	}
	if kind == Search && g.SearchMinute > 0 {
		add("searches of this client in a minute", "searches", client, g.SearchMinute, time.Minute)
	}
	return rules
}

// Request passes a request by who asks. What is returned beside a refusal is the
// limit of which least is left; its Rule has no limit if there is none.
func (g *Gate) Request(ctx context.Context, p *auth.Principal, kind Kind) (tightest limit.Verdict, refusal *Refusal) {
	if kind == Exempt {
		return tightest, nil
	}
	if kind == Ingest {
		if refusal := g.spent(p.Tenant); refusal != nil {
			return tightest, refusal
		}
	}
	rules := g.rules(p, kind)
	for i, rule := range rules {
		v := g.Limiter.Take(ctx, rule, 1)
		if !v.OK {
			for _, taken := range rules[:i] {
				g.Limiter.Give(ctx, taken, 1)
			}
			return v, &Refusal{Verdict: v}
		}
		if tightest.Rule.Key == "" || v.Left < tightest.Left {
			tightest = v
		}
	}
	return tightest, nil
}

// daily are the limits of a tenant's records in a day.
func daily(tenant model.TenantID, terms *access.Terms) (lines, bytes limit.Rule) {
	rule := func(what, key string, most int64) limit.Rule {
		return limit.Rule{What: what, Key: key + string(tenant), Limit: most, Window: 24 * time.Hour, Daily: true, Loose: true}
	}
	return rule("records of this tenant in a day of UTC", LinesOfDay, *terms.LogsPerDay), rule("bytes of this tenant in a day of UTC", BytesOfDay, *terms.BytesPerDay)
}

// spent refuses records of a tenant that has no room left, before they are looked at.
func (g *Gate) spent(tenant model.TenantID) *Refusal {
	terms, agreed := g.account(tenant)
	if !agreed {
		return nil
	}
	lines, bytes := daily(tenant, &terms)
	for _, rule := range []limit.Rule{lines, bytes} {
		// Of a limit of nothing Records says that waiting does not help.
		if v, spent := g.Limiter.Spent(rule); spent && rule.Limit > 0 {
			return &Refusal{Quota: true, Verdict: v}
		}
	}
	if g.Book == nil || g.Book.Now(tenant).Stored < *terms.StorageBytes {
		return nil
	}
	rule := limit.Rule{What: "bytes that this tenant has stored", Limit: *terms.StorageBytes}
	return &Refusal{Quota: true, Storage: true, Verdict: limit.Verdict{Rule: rule, Retry: time.Hour, Reset: time.Hour}}
}

// Records passes so many records of so many bytes. What is not stored in the end is
// given back. More than a whole day holds is refused for good: who sends it again has the
// same answer tomorrow.
func (g *Gate) Records(ctx context.Context, tenant model.TenantID, lines, bytes int64) (back func(), refusal *Refusal) {
	nothing := func() {}
	terms, agreed := g.account(tenant)
	if !agreed || lines == 0 {
		return nothing, nil
	}
	ofLines, ofBytes := daily(tenant, &terms)
	for rule, n := range map[*limit.Rule]int64{&ofLines: lines, &ofBytes: bytes} {
		if n > rule.Limit {
			return nothing, &Refusal{Quota: true, Never: true, Verdict: limit.Verdict{Rule: *rule}}
		}
	}
	if v := g.Limiter.Take(ctx, ofLines, lines); !v.OK {
		return nothing, &Refusal{Quota: true, Verdict: v}
	}
	if v := g.Limiter.Take(ctx, ofBytes, bytes); !v.OK {
		g.Limiter.Give(ctx, ofLines, lines)
		return nothing, &Refusal{Quota: true, Verdict: v}
	}
	return func() {
		g.Limiter.Give(ctx, ofLines, lines)
		g.Limiter.Give(ctx, ofBytes, bytes)
	}, nil
}

// Place waits a little for one of the places that a tenant has for questions at once,
// over all nodes; at the latest after the time it is free again.
func (g *Gate) Place(ctx context.Context, tenant model.TenantID, most time.Duration) (release func(), refusal *Refusal) {
	terms, agreed := g.account(tenant)
	if !agreed {
		return func() {}, nil
	}
	rule := limit.Rule{What: "questions of this tenant at once", Key: "places/" + string(tenant), Limit: *terms.Queries, Window: most}
	ctx, cancel := context.WithTimeout(ctx, placePatience)
	defer cancel()
	for {
		if release, ok := g.Limiter.Hold(ctx, rule); ok {
			return release, nil
		}
		timer := time.NewTimer(placeAgain)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			return nil, &Refusal{Quota: true, Verdict: limit.Verdict{Rule: rule, Retry: time.Second, Reset: time.Second}}
		}
	}
}

// Headers calls set with what the answer says of a limit.
func Headers(v limit.Verdict, set func(name, value string)) {
	if v.Rule.What == "" {
		return
	}
	most, left, reset := strconv.FormatInt(v.Rule.Limit, 10), strconv.FormatInt(max(v.Left, 0), 10), strconv.Itoa(Seconds(v.Reset))
	for _, prefix := range []string{"RateLimit-", "X-RateLimit-"} {
		set(prefix+"Limit", most)
		set(prefix+"Remaining", left)
		set(prefix+"Reset", reset)
	}
	if v.Rule.Window > 0 {
		set("RateLimit-Policy", fmt.Sprintf("%s;w=%d", most, Seconds(v.Rule.Window)))
	}
}

// Seconds returns a time in whole seconds, rounded up.
func Seconds(d time.Duration) int { return int((d + time.Second - 1) / time.Second) }

// Shares returns how much of its limits a tenant has used, by the name of the term;
// nil where nothing is agreed, or nothing is counted.
func (g *Gate) Shares(tenant model.TenantID) map[string]v1.Share {
	terms, agreed := g.account(tenant)
	if !agreed || g.Book == nil {
		return nil
	}
	now := g.Book.Now(tenant)
	shares := map[string]v1.Share{}
	for name, row := range map[string][2]int64{"maxLogsPerDay": {now.Lines, *terms.LogsPerDay}, "maxBytesPerDay": {now.BytesIn, *terms.BytesPerDay}, "maxStorageBytes": {now.Stored, *terms.StorageBytes}} {
		used, most := row[0], row[1]
		percent := int64(100)
		if most > 0 {
			percent = int64(float64(used) * 100 / float64(most))
		}
		shares[name] = v1.Share{Used: used, Limit: most, Percent: percent, Near: percent >= g.WarnPercent, Over: percent >= 100}
	}
	return shares
}
