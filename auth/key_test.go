package auth

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"maps"
	"math/big"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"github.com/stere-log/stere/auth/token"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/access"
)

// directory is a directory in memory.
type directory struct {
	keys     map[string]access.Key
	accounts map[model.TenantID]access.Account
	domains  map[string]access.Domain
	current  func() error // nil: nothing is ever new
}

func (d *directory) Current(context.Context) error {
	if d.current == nil {
		return nil
	}
	return d.current()
}

func (d *directory) Key(id string) (access.Key, bool) { k, ok := d.keys[id]; return k, ok }

func (d *directory) Account(id model.TenantID) (access.Account, bool) {
	a, ok := d.accounts[id]
	return a, ok
}

func (d *directory) Domain(host string) (access.Domain, bool) { x, ok := d.domains[host]; return x, ok }

// add makes a key.
func (d *directory) add(t testing.TB, key access.Key) string {
	t.Helper()
	id, err := NewKeyID(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	text, sum, err := NewKeyText(rand.Reader, id)
	if err != nil {
		t.Fatal(err)
	}
	key.ID, key.Secrets = id, append([]access.Secret{{Sum: sum}}, key.Secrets...)
	if err := key.Check(); err != nil {
		t.Fatal(err)
	}
	if d.keys == nil {
		d.keys = map[string]access.Key{}
	}
	d.keys[id] = key
	return text
}

// TestKeyFromElsewhere: a key that was made on another node a moment ago is taken at
// once, and so is a secret that it was given there.
func TestKeyFromElsewhere(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		elsewhere, d := &directory{}, &directory{keys: map[string]access.Key{}}
		text := elsewhere.add(t, access.Key{Tenant: "t", Role: "writer"})
		reads := 0
		d.current = func() error { reads++; maps.Copy(d.keys, elsewhere.keys); return nil }
		a := newTest(t)
		for range 2 {
			if _, err := a.Authenticate(Credentials{APIKey: text}, d); err != nil || reads != 1 {
				t.Fatalf("%v after %d reads", err, reads)
			}
		}
		id, _ := KeyIDOf(text)
		rotated, sum, err := NewKeyText(rand.Reader, id)
		if err != nil {
			t.Fatal(err)
		}
		key := elsewhere.keys[id]
		key.Secrets = []access.Secret{{Sum: sum}}
		elsewhere.keys[id] = key
		if _, err := a.Authenticate(Credentials{APIKey: rotated}, d); err != nil || reads != 2 {
			t.Fatalf("a new secret: %v after %d reads", err, reads)
		}
		if _, err := a.Authenticate(Credentials{APIKey: text}, d); !errors.Is(err, ErrAPIKey) {
			t.Errorf("the old secret: %v", err)
		}
		d.current = func() error { return errors.New("nobody leads") }
		for _, c := range []Credentials{{APIKey: text}, {Authorization: "Bearer " + text}, {Authorization: "ApiKey " + text}, {Authorization: "Basic " + base64.StdEncoding.EncodeToString([]byte("x:"+text))}} {
			if _, err := a.Authenticate(c, d); !errors.Is(err, ErrUnsure) {
				t.Errorf("nobody can say whether a key is new: %v, %+v", err, c)
			}
		}
		if _, err := a.Authenticate(Credentials{APIKey: rotated}, d); err != nil {
			t.Errorf("a key that is known needs nobody: %v", err)
		}
	})
}

// TestGuessesShareReads: however many guess keys, there are few reads for them, and each
// guess has one that began after it.
func TestGuessesShareReads(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		d := &directory{}
		var reads atomic.Int64
		began := time.Now()
		d.current = func() error { reads.Add(1); time.Sleep(10 * time.Millisecond); return nil }
		a := newTest(t)
		var guessing sync.WaitGroup
		for range 200 {
			guessing.Go(func() {
				for time.Since(began) < 10*time.Second {
					guess := (&directory{}).add(t, access.Key{Tenant: "t", Role: "writer"})
					before := reads.Load()
					if _, err := a.Authenticate(Credentials{APIKey: guess}, d); !errors.Is(err, ErrAPIKey) || reads.Load() == before {
						t.Errorf("a guess: %v, %d reads before it and %d after", err, before, reads.Load())
					}
				}
			})
		}
		guessing.Wait()
		if most := int64(time.Since(began)/newestInterval) + 1; reads.Load() > most {
			t.Errorf("%d reads in %v, want at most %d", reads.Load(), time.Since(began), most)
		}
	})
}

// TestKeyText is the form of keys: any change of a letter is seen.
func TestKeyText(t *testing.T) {
	text, _, err := NewKeyText(rand.Reader, "0123456789abcdef")
	if err != nil {
		t.Fatal(err)
	}
	if id, ok := KeyIDOf(text); !ok || id != "0123456789abcdef" {
		t.Fatalf("%q has the id %q, %v", text, id, ok)
	}
	for i := range len(text) {
		bad := []byte(text)
		if bad[i]++; bad[i] == 'g' && i < 22 {
			bad[i] = '0'
		}
		if _, ok := KeyIDOf(string(bad)); ok {
			t.Errorf("a change of letter %d is not seen", i)
		}
		if _, ok := KeyIDOf(text[:i]); ok {
			t.Errorf("a key of %d letters is taken", i)
		}
	}
	for _, secret := range []*big.Int{new(big.Int), new(big.Int).Sub(new(big.Int).Lsh(big.NewInt(1), 256), big.NewInt(1))} {
		if got := base62(secret, keySecretDigits); len(got) != keySecretDigits {
			t.Errorf("%v has %d digits", secret, len(got))
		}
	}
	if got := base62(big.NewInt(62*62+61), 4); got != "010z" {
		t.Errorf("base 62: %q", got)
	}
}

// TestKeys recognises keys, in every way to send them.
func TestKeys(t *testing.T) {
	now := testNow().UnixNano()
	d := &directory{}
	good := access.Key{Name: "shipper", Tenant: "t", Role: "writer"}
	with := func(change func(*access.Key)) string { k := good; change(&k); return d.add(t, k) }
	texts := map[string]string{
		"good": with(func(*access.Key) {}), "expired": with(func(k *access.Key) { k.Expires = now }), "lasting": with(func(k *access.Key) { k.Expires = now + 1 }),
		"revoked": with(func(k *access.Key) { k.Revoked = 1 }), "odd role": with(func(k *access.Key) { k.Role = "root" }),
		"near": with(func(k *access.Key) { k.Networks = []string{"10.0.0.0/8", "2001:db8::1"} }), "far": with(func(k *access.Key) { k.Networks = []string{"192.168.0.0/16"} }),
		"nameless": with(func(k *access.Key) { k.Name = "" }),
	}
	a := newTest(t)
	for name, want := range map[string]string{"good": "shipper", "lasting": "shipper", "near": "shipper", "nameless": "key", "expired": "", "revoked": "", "odd role": "", "far": ""} {
		text := texts[name]
		for how, c := range map[string]Credentials{
			"header": {APIKey: text}, "bearer": {Authorization: "Bearer " + text}, "ApiKey": {Authorization: "ApiKey " + text},
			"ApiKey base64": {Authorization: "ApiKey " + base64.StdEncoding.EncodeToString([]byte("x:"+text))}, "basic": {Authorization: "Basic " + base64.StdEncoding.EncodeToString([]byte("x:"+text))},
		} {
			c.From = netip.MustParseAddr("::ffff:10.1.2.3")
			p, err := a.Authenticate(c, d)
			if want == "" {
				if !errors.Is(err, ErrAPIKey) || strings.Contains(err.Error(), "revoked") {
					t.Errorf("%s by %s: %+v, %v", name, how, p, err)
				}
				continue
			}
			if err != nil || !strings.HasPrefix(p.Name, want) || p.Tenant != "t" || p.Role != Writer || p.Grants != Grants(Writer, nil) || p.Method != "api-key" || p.Key == "" {
				t.Errorf("%s by %s: %+v, %v", name, how, p, err)
			}
		}
	}
	if _, err := a.Authenticate(Credentials{APIKey: texts["near"]}, d); !errors.Is(err, ErrAPIKey) {
		t.Errorf("from nowhere: %v", err)
	}
	if _, err := a.Authenticate(Credentials{APIKey: texts["good"]}, nil); !errors.Is(err, ErrAPIKey) {
		t.Errorf("without a directory: %v", err)
	}
	id, _ := KeyIDOf(texts["good"])
	forged, _, err := NewKeyText(rand.Reader, id)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Authenticate(Credentials{APIKey: forged}, d); !errors.Is(err, ErrAPIKey) {
		t.Errorf("another secret of a known key: %v", err)
	}
	uses := a.TakeUses()
	if uses[id] != now || len(uses) != 4 || a.Used(id) != 0 {
		t.Errorf("uses: %v", uses)
	}
	a.GiveBack(uses)
	if a.Used(id) != now {
		t.Error("uses that were given back are lost")
	}
}

// TestRotation overlaps an old secret with a new one.
func TestRotation(t *testing.T) {
	now := testNow().UnixNano()
	d := &directory{}
	old := d.add(t, access.Key{Tenant: "t", Role: "reader"})
	id, _ := KeyIDOf(old)
	text, sum, err := NewKeyText(rand.Reader, id)
	if err != nil {
		t.Fatal(err)
	}
	a := newTest(t)
	for until, oldWorks := range map[int64]bool{now + 1: true, now: false, now - 1: false} {
		key := d.keys[id]
		key.Secrets = []access.Secret{{Sum: sum}, {Sum: key.Secrets[len(key.Secrets)-1].Sum, Until: until}}
		d.keys[id] = key
		if _, err := a.Authenticate(Credentials{APIKey: text}, d); err != nil {
			t.Errorf("the new secret: %v", err)
		}
		if _, err := a.Authenticate(Credentials{APIKey: old}, d); (err == nil) != oldWorks {
			t.Errorf("the old secret until %d: %v", until-now, err)
		}
	}
}

// TestTenants decides for whom a request is.
func TestTenants(t *testing.T) {
	off := false
	d := &directory{
		accounts: map[model.TenantID]access.Account{
			"stopped": {Plan: access.Premium, Status: access.Suspended}, "going": {Plan: access.Premium, Status: access.Deleting},
			"plain": {Plan: access.Basic, Status: access.Active}, "rich": {Plan: access.Premium, Status: access.Active}, "poor": {Plan: access.Premium, Status: access.Active, Terms: access.Terms{Analytics: &off}},
		},
		domains: map[string]access.Domain{
			"a.example": {Name: "a.example", Tenant: "a", Status: access.Active}, "b.example": {Name: "b.example", Tenant: "b", Status: access.Active},
			"logs.a.example": {Name: "logs.a.example", Tenant: "a", Status: access.Active}, "off.example": {Name: "off.example", Tenant: "a", Status: access.Suspended},
		},
	}
	of := func(role Role, tenant model.TenantID) Principal {
		return Principal{Name: "u", Role: role, Grants: Grants(role, nil), Tenant: tenant}
	}
	anywhere := of(Reader, model.DefaultTenant)
	anywhere.Anywhere, anywhere.Domains = true, []string{"a.example"}
	unlisted := anywhere
	unlisted.Domains = nil
	star := anywhere
	star.Domains = []string{"*"}
	limited := of(Reader, "a")
	limited.Domains = []string{"*.LOGS.a.example"}
	admin := of(PlatformAdmin, model.DefaultTenant)
	for name, test := range map[string]struct {
		p    Principal
		ask  Ask
		want model.TenantID
		err  error
	}{
		"own":                        {of(Reader, "a"), Ask{}, "a", nil},
		"own, by name":               {of(Reader, "a"), Ask{Tenant: "a"}, "a", nil},
		"own, by host":               {of(Reader, "a"), Ask{Host: "A.example.:7100"}, "a", nil},
		"by a host that is nobody's": {of(Reader, "a"), Ask{Host: "localhost:7100"}, "a", nil},
		"foreign, by name":           {of(TenantAdmin, "a"), Ask{Tenant: "b"}, "", ErrForbidden},
		"foreign, by host":           {of(TenantAdmin, "a"), Ask{Host: "b.example"}, "", ErrForbidden},
		"own name, foreign host":     {of(Reader, "a"), Ask{Tenant: "a", Host: "b.example"}, "", ErrForbidden},
		"foreign name, own host":     {of(Reader, "a"), Ask{Tenant: "b", Host: "a.example"}, "", ErrForbidden},
		"no tenant":                  {of(Reader, "a"), Ask{Tenant: "a/b"}, "", ErrTenantID},
		"any tenant, listed host":    {anywhere, Ask{Host: "a.example"}, "a", nil},
		"any tenant, host below":     {anywhere, Ask{Host: "logs.a.example"}, "a", nil},
		"any tenant, other host":     {anywhere, Ask{Host: "b.example"}, "", ErrForbidden},
		"any tenant, no host":        {anywhere, Ask{}, "", ErrForbidden},
		"any tenant, strange host":   {star, Ask{Host: "10.0.0.1:7100"}, "", ErrForbidden},
		"no domains, no host":        {unlisted, Ask{}, model.DefaultTenant, nil},
		"any tenant, by name":        {anywhere, Ask{Host: "a.example", Tenant: "b"}, "", ErrForbidden},
		"no domains, any host":       {unlisted, Ask{Host: "a.example"}, "", ErrForbidden},
		"all domains":                {star, Ask{Host: "b.example"}, "b", nil},
		"limited, below":             {limited, Ask{Host: "logs.a.example"}, "a", nil},
		"limited, above":             {limited, Ask{Host: "a.example"}, "", ErrForbidden},
		"suspended domain":           {of(Reader, "a"), Ask{Host: "off.example"}, "", ErrSuspended},
		"admin":                      {admin, Ask{}, model.DefaultTenant, nil},
		"admin, by name":             {admin, Ask{Tenant: "b"}, "b", nil},
		"admin, by host":             {admin, Ask{Host: "b.example"}, "b", nil},
		"admin, name before host":    {admin, Ask{Tenant: "a", Host: "b.example"}, "a", nil},
		"suspended":                  {of(Reader, "stopped"), Ask{}, "", ErrSuspended},
		"suspended, admin":           {admin, Ask{Tenant: "stopped"}, "", ErrSuspended},
		"suspended, its admin":       {of(TenantAdmin, "stopped"), Ask{Permission: Manage}, "", ErrSuspended},
		"suspended, managed":         {admin, Ask{Tenant: "stopped", Permission: Manage}, "stopped", nil},
		"deleting":                   {of(TenantAdmin, "going"), Ask{}, "", ErrSuspended},
		"basic":                      {of(Reader, "plain"), Ask{}, "plain", nil},
		"basic, analytics":           {of(Reader, "plain"), Ask{Feature: Analytics}, "", ErrFeature},
		"premium, analytics":         {of(Reader, "rich"), Ask{Feature: Analytics}, "rich", nil},
		"premium without analytics":  {of(Reader, "poor"), Ask{Feature: Analytics}, "", ErrFeature},
		"basic, integrations":        {of(Reader, "plain"), Ask{Feature: Integrations}, "", ErrFeature},
		"basic, webhooks":            {of(TenantAdmin, "plain"), Ask{Feature: Webhooks, Permission: Manage}, "", ErrFeature},
		"basic, content analysis":    {of(Reader, "plain"), Ask{Feature: ContentAnalysis}, "", ErrFeature},
		"basic, set up by the admin": {admin, Ask{Feature: Webhooks, Permission: Manage, Tenant: "plain"}, "plain", nil},
		"premium, all of them":       {of(Reader, "rich"), Ask{Feature: ContentAnalysis}, "rich", nil},
		"no account, analytics":      {of(Reader, "a"), Ask{Feature: Analytics}, "a", nil},
	} {
		if test.ask.Permission == Undeclared {
			test.ask.Permission = Read
		}
		got, err := Authorize(test.p, test.ask, d)
		if !errors.Is(err, test.err) || test.err == nil && (err != nil || got.Tenant != test.want) {
			t.Errorf("%s: tenant %s, %v, want %s, %v", name, got.Tenant, err, test.want, test.err)
		}
		if err != nil && test.ask.Tenant == "" && strings.Contains(err.Error(), "tenant b") {
			t.Errorf("%s: the error tells whose the host is: %v", name, err)
		}
	}
}

// TestIssuerLimits is what an issuer may not say.
func TestIssuerLimits(t *testing.T) {
	a, err := New(Config{Now: testNow, Issuers: []token.Issuer{
		{Name: "limited", Secret: testSecret, Tenants: []string{"t", "u"}, Tenant: "t", Roles: []string{"reader", "platform-admin"}}, {Name: "fixed", Secret: testSecret, Tenant: "f"},
	}})
	if err != nil {
		t.Fatal(err)
	}
	for name, test := range map[string]struct {
		claims jwt.MapClaims
		tenant model.TenantID // "": refused
		grants string
	}{
		"default tenant": {jwt.MapClaims{"iss": "limited"}, "t", "read"}, "other": {jwt.MapClaims{"iss": "limited", "tenant": "u"}, "u", "read"},
		"foreign": {jwt.MapClaims{"iss": "limited", "tenant": "x"}, "", ""}, "role": {jwt.MapClaims{"iss": "limited", "role": "writer"}, "", ""},
		"nobody's": {jwt.MapClaims{"iss": "x"}, "", ""}, "fixed": {jwt.MapClaims{"iss": "fixed", "role": "analyst", "permissions": "read admin"}, "f", "read"},
		"beyond": {jwt.MapClaims{"iss": "limited", "role": "admin"}, "t", "read write export save feedback manage"},
		"scoped": {jwt.MapClaims{"iss": "fixed", "permissions": []string{"logs:write", "manage"}}, "f", "write"},
	} {
		test.claims["exp"] = testNow().Add(time.Hour).Unix()
		p, err := a.Authenticate(Credentials{Authorization: "Bearer " + sign(t, jwt.SigningMethodHS256, []byte(testSecret), test.claims)}, nil)
		if test.tenant == "" {
			if !errors.Is(err, ErrToken) {
				t.Errorf("%s: %+v, %v", name, p, err)
			}
		} else if err != nil || p.Tenant != test.tenant || p.Anywhere || !slices.Equal(p.Grants.Names(), strings.Fields(test.grants)) {
			t.Errorf("%s: %+v, %v", name, p, err)
		}
	}
}

// TestOwn restricts users to their own records, whatever they are called.
func TestOwn(t *testing.T) {
	a := newTest(t)
	for name, want := range map[string]string{
		"bob": `userId:=bob OR submitter:=bob`, `x" OR *`: `userId:="x\" OR *" OR submitter:="x\" OR *"`, `\`: `userId:="\\" OR submitter:="\\"`,
	} {
		text := sign(t, jwt.SigningMethodHS256, []byte(testSecret), jwt.MapClaims{"sub": name, "role": "user", "exp": testNow().Add(time.Hour).Unix()})
		p, err := a.Authenticate(Credentials{Authorization: "Bearer " + text}, nil)
		if err != nil || p.Restriction != want || !p.Own {
			t.Errorf("%q is restricted to %s, want %s (%v)", name, p.Restriction, want, err)
		}
	}
	text := sign(t, jwt.SigningMethodHS256, []byte(testSecret), jwt.MapClaims{"sub": "bob", "role": "user", "restriction": "a:b OR c:d", "exp": testNow().Add(time.Hour).Unix()})
	if p, err := a.Authenticate(Credentials{Authorization: "Bearer " + text}, nil); err != nil || p.Restriction != `(a:b OR c:d) AND (userId:=bob OR submitter:=bob)` {
		t.Errorf("both: %s (%v)", p.Restriction, err)
	}
}

// TestOwnIsNotGoneAround has a token of a user whose restriction is none alone, and
// would let everything through beside another one.
func TestOwnIsNotGoneAround(t *testing.T) {
	for restriction, good := range map[string]bool{"": true, "level:error": true, "*) OR (*": false, "(": false} {
		p, err := bearer(token.Claims{Subject: "bob", Tenant: "t", Roles: []string{"user"}, Restriction: restriction}, &token.Issuer{})
		if good != (err == nil) || good && !strings.Contains(p.Restriction, "bob") {
			t.Errorf("%q: %q, %v", restriction, p.Restriction, err)
		}
	}
}
