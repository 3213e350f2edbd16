package token

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/golang-jwt/jwt/v5"

	"github.com/stere-log/stere/internal/outward"
)

const secret = "a secret of more than thirty-two bytes"

func start() time.Time { return time.Unix(1_700_000_000, 0) }

// pair is a key with which tokens are signed, and its other half.
type pair struct {
	private, public any
	family          string
}

// pairs makes a key for every kind of algorithm.
func pairs(t testing.TB) map[string]pair {
	t.Helper()
	all := map[string]pair{}
	private, err := rsa.GenerateKey(rand.Reader, rsaBitsMin)
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"} {
		all[name] = pair{private, &private.PublicKey, "RSA"}
	}
	for name, curve := range map[string]elliptic.Curve{"ES256": elliptic.P256(), "ES384": elliptic.P384(), "ES512": elliptic.P521()} {
		key, err := ecdsa.GenerateKey(curve, rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		all[name] = pair{key, &key.PublicKey, name}
	}
	public, ed, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	all["EdDSA"] = pair{ed, public, "Ed25519"}
	for _, name := range []string{"HS256", "HS384", "HS512"} {
		all[name] = pair{[]byte(secret), []byte(secret), "HMAC"}
	}
	return all
}

func toPEM(t testing.TB, public any) []byte {
	t.Helper()
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
}

func toSet(t testing.TB, keys ...jose.JSONWebKey) []byte {
	t.Helper()
	text, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// sign signs claims; headers are pairs of name and value.
func sign(t testing.TB, algorithm string, key any, claims jwt.MapClaims, headers ...any) string {
	t.Helper()
	if expires, said := claims["exp"]; !said {
		claims["exp"] = start().Add(time.Hour).Unix()
	} else if expires == nil {
		delete(claims, "exp")
	}
	token := jwt.NewWithClaims(jwt.GetSigningMethod(algorithm), claims)
	for i := 0; i+1 < len(headers); i += 2 {
		token.Header[headers[i].(string)] = headers[i+1]
	}
	text, err := token.SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// clock is a time that the test moves.
type clock struct{ atomic.Int64 }

func (c *clock) now() time.Time { return start().Add(time.Duration(c.Load())) }

func verifier(t testing.TB, c *clock, issuers ...Issuer) *Verifier {
	t.Helper()
	if c == nil {
		c = &clock{}
	}
	v, err := New(Config{Issuers: issuers, Reach: outward.Loopback, Now: c.now})
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// TestAlgorithms signs with every algorithm and checks with every key: only what
// belongs together passes. Signatures by HMAC with what everybody knows of a
// public key, algorithm confusion, are among what does not.
func TestAlgorithms(t *testing.T) {
	all := pairs(t)
	passed := 0
	for by, with := range all {
		issuer := Issuer{Secret: secret}
		if with.family != "HMAC" {
			issuer = Issuer{PEM: toPEM(t, with.public)}
		}
		v := verifier(t, nil, issuer)
		for algorithm, signer := range all {
			_, _, err := v.Verify(sign(t, algorithm, signer.private, jwt.MapClaims{"sub": "u"}))
			fits := signer.family == with.family
			if fits != (err == nil) || err != nil && !errors.Is(err, ErrInvalid) {
				t.Errorf("%s with the key of %s: %v", algorithm, by, err)
			}
			if err == nil {
				passed++
			}
		}
		if with.family == "HMAC" {
			continue
		}
		for _, known := range [][]byte{issuer.PEM, []byte(strings.TrimSpace(string(issuer.PEM))), der(issuer.PEM)} {
			for _, algorithm := range []string{"HS256", "HS384", "HS512"} {
				if _, _, err := v.Verify(sign(t, algorithm, known, jwt.MapClaims{"sub": "u"})); !errors.Is(err, ErrInvalid) {
					t.Errorf("%s with the public key of %s as secret: %v", algorithm, by, err)
				}
			}
		}
		if _, _, err := v.Verify(sign(t, "none", jwt.UnsafeAllowNoneSignatureType, jwt.MapClaims{"sub": "u"})); !errors.Is(err, ErrInvalid) {
			t.Errorf("none: %v", err)
		}
	}
	if want := 6*6 + 3 + 1 + 3*3; passed != want {
		t.Errorf("%d combinations passed, want %d", passed, want)
	}
}

func der(text []byte) []byte {
	block, _ := pem.Decode(text)
	return block.Bytes
}

// TestAllowed restricts an issuer to one algorithm of its keys.
func TestAllowed(t *testing.T) {
	key := pairs(t)["RS256"]
	v := verifier(t, nil, Issuer{PEM: toPEM(t, key.public), Algorithms: []string{"PS256"}})
	for algorithm, want := range map[string]bool{"PS256": true, "RS256": false, "PS384": false} {
		if _, _, err := v.Verify(sign(t, algorithm, key.private, jwt.MapClaims{})); (err == nil) != want {
			t.Errorf("%s: %v", algorithm, err)
		}
	}
}

// TestHeaders puts into headers what has opened doors elsewhere.
func TestHeaders(t *testing.T) {
	all := pairs(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "keys.json")
	if err := os.WriteFile(path, toSet(t, jose.JSONWebKey{Key: all["ES256"].public, KeyID: "a"}), 0o600); err != nil {
		t.Fatal(err)
	}
	// A file of zeros as the secret, and a whole key of the attacker.
	if err := os.WriteFile(filepath.Join(dir, "zeros"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	var asked atomic.Int64
	bait := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		_, _ = w.Write(toSet(t, jose.JSONWebKey{Key: all["ES384"].public, KeyID: "evil"}))
	}))
	defer bait.Close()
	v := verifier(t, nil, Issuer{JWKS: path})
	evil, err := json.Marshal(jose.JSONWebKey{Key: all["ES384"].public, KeyID: "evil"})
	if err != nil {
		t.Fatal(err)
	}
	if _, _, err := v.Verify(sign(t, "ES256", all["ES256"].private, jwt.MapClaims{}, "kid", "a")); err != nil {
		t.Fatalf("the right key: %v", err)
	}
	if _, _, err := v.Verify(sign(t, "ES256", all["ES256"].private, jwt.MapClaims{}, "kid", "a", "jku", bait.URL, "x5u", bait.URL)); err != nil {
		t.Errorf("an address beside the right key: %v", err)
	}
	for name, headers := range map[string][]any{
		"path": {"kid", "../../../../dev/null"}, "file": {"kid", filepath.Join(dir, "zeros")}, "url": {"kid", bait.URL},
		"sql": {"kid", "a' UNION SELECT 'x"}, "shell": {"kid", "a|id"}, "nul": {"kid", "a\x00"}, "number": {"kid", 1}, "list": {"kid", []string{"a"}},
		"long": {"kid", strings.Repeat("a", keyIDMax+1)}, "jwk": {"jwk", json.RawMessage(evil), "kid", "evil"}, "jwk alone": {"jwk", json.RawMessage(evil)},
		"jku": {"jku", bait.URL, "kid", "evil"}, "x5u": {"x5u", bait.URL}, "x5c": {"x5c", []string{"AAAA"}}, "crit": {"crit", []string{"exp"}, "kid", "a"},
		"other key": {"kid", "a"},
	} {
		for algorithm, key := range map[string]any{"ES384": all["ES384"].private, "HS256": []byte("\x00"), "HS512": []byte(bait.URL)} {
			if _, _, err := v.Verify(sign(t, algorithm, key, jwt.MapClaims{}, headers...)); !errors.Is(err, ErrInvalid) {
				t.Errorf("%s by %s: %v", name, algorithm, err)
			}
		}
	}
	if asked.Load() != 0 {
		t.Errorf("the address in a header was asked %d times", asked.Load())
	}
	if _, _, err := v.Verify(sign(t, "ES256", all["ES256"].private, jwt.MapClaims{}, "crit", []string{"b64"}, "kid", "a")); !errors.Is(err, ErrInvalid) {
		t.Errorf("critical extensions: %v", err)
	}
}

// TestClaims are the conditions on claims.
func TestClaims(t *testing.T) {
	in := func(d time.Duration) int64 { return start().Add(d).Unix() }
	strict := Issuer{Name: "https://idp", Secret: secret, Audiences: []string{"stere", "logs"}}
	v := verifier(t, nil, strict)
	for name, test := range map[string]struct {
		claims jwt.MapClaims
		ok     bool
	}{
		"good":           {jwt.MapClaims{"iss": "https://idp", "aud": "stere"}, true},
		"one of several": {jwt.MapClaims{"iss": "https://idp", "aud": []string{"x", "logs"}}, true},
		"no audience":    {jwt.MapClaims{"iss": "https://idp"}, false},
		"other audience": {jwt.MapClaims{"iss": "https://idp", "aud": "x"}, false},
		"other issuer":   {jwt.MapClaims{"iss": "https://idp/", "aud": "stere"}, false},
		"no issuer":      {jwt.MapClaims{"aud": "stere"}, false},
		"odd issuer":     {jwt.MapClaims{"iss": 5, "aud": "stere"}, false},
		"leeway":         {jwt.MapClaims{"iss": "https://idp", "aud": "stere", "exp": in(-29 * time.Second)}, true},
		"expired":        {jwt.MapClaims{"iss": "https://idp", "aud": "stere", "exp": in(-31 * time.Second)}, false},
		"soon":           {jwt.MapClaims{"iss": "https://idp", "aud": "stere", "nbf": in(29 * time.Second)}, true},
		"not yet":        {jwt.MapClaims{"iss": "https://idp", "aud": "stere", "nbf": in(31 * time.Second)}, false},
		"odd expiry":     {jwt.MapClaims{"iss": "https://idp", "aud": "stere", "exp": "tomorrow"}, false},
	} {
		if _, _, err := v.Verify(sign(t, "HS256", []byte(secret), test.claims)); (err == nil) != test.ok || err != nil && !errors.Is(err, ErrInvalid) {
			t.Errorf("%s: %v", name, err)
		}
	}
	endless := sign(t, "HS256", []byte(secret), jwt.MapClaims{"iss": "https://idp", "aud": "stere", "exp": nil})
	if _, _, err := v.Verify(endless); !errors.Is(err, ErrInvalid) {
		t.Errorf("without expiry: %v", err)
	}
	strict.NoExpiry = true
	if c, _, err := verifier(t, nil, strict).Verify(endless); err != nil || c.Expires != 0 {
		t.Errorf("without expiry, where it is allowed: %+v %v", c, err)
	}
}

// TestIssuers has two issuers, of which none may speak for the other.
func TestIssuers(t *testing.T) {
	all := pairs(t)
	v := verifier(t, nil, Issuer{Name: "a", PEM: toPEM(t, all["ES256"].public), Claims: Names{Tenant: []string{"https://x/tenant"}, Role: []string{"realm_access.roles"}}}, Issuer{Secret: secret})
	c, by, err := v.Verify(sign(t, "ES256", all["ES256"].private, jwt.MapClaims{
		"iss": "a", "sub": "u", "tenant": "other", "https://x/tenant": "t", "realm_access": map[string]any{"roles": []string{"x", "reader"}}, "permissions": []string{},
	}))
	if err != nil || by.Name != "a" || c.Tenant != "t" || !slices.Equal(c.Roles, []string{"x", "reader"}) || !c.Several || !c.Permitted || len(c.Permissions) != 0 {
		t.Errorf("claims with names of the issuer's own: %+v %v", c, err)
	}
	if _, _, err := v.Verify(sign(t, "HS256", []byte(secret), jwt.MapClaims{"iss": "a"})); !errors.Is(err, ErrInvalid) {
		t.Errorf("the secret speaks for another issuer: %v", err)
	}
	if _, _, err := v.Verify(sign(t, "ES256", all["ES256"].private, jwt.MapClaims{"iss": "b"})); !errors.Is(err, ErrInvalid) {
		t.Errorf("the issuer speaks for others: %v", err)
	}
	for _, iss := range []string{"", "b"} {
		if c, _, err := v.Verify(sign(t, "HS512", []byte(secret), jwt.MapClaims{"iss": iss, "tenant": "t", "role": "reader", "permissions": "logs:read x", "domains": []string{"d"}})); err != nil || c.Tenant != "t" || !slices.Equal(c.Permissions, []string{"logs:read", "x"}) || !slices.Equal(c.Domains, []string{"d"}) {
			t.Errorf("the secret, of %q: %+v %v", iss, c, err)
		}
	}
	for name, value := range map[string]any{"tenant": 5, "role": map[string]any{}, "permissions": []any{1}, "domains": 1.5, "restriction": []string{"x"}, "sub": 7} {
		if _, _, err := v.Verify(sign(t, "HS256", []byte(secret), jwt.MapClaims{name: value})); !errors.Is(err, ErrInvalid) {
			t.Errorf("a %s that is no text: %v", name, err)
		}
	}
}

// provider is an OpenID provider.
type provider struct {
	*httptest.Server
	set     atomic.Pointer[[]byte]
	issuer  atomic.Pointer[string]
	keysAt  atomic.Pointer[string]
	asked   atomic.Int64
	failing atomic.Bool
}

func newProvider(t *testing.T) *provider {
	p := &provider{}
	p.Server = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case p.failing.Load():
			w.WriteHeader(http.StatusInternalServerError)
		case r.URL.Path == "/.well-known/openid-configuration":
			fmt.Fprintf(w, `{"issuer":%q,"jwks_uri":%q}`, *p.issuer.Load(), *p.keysAt.Load())
		default:
			p.asked.Add(1)
			_, _ = w.Write(*p.set.Load())
		}
	}))
	t.Cleanup(p.Close)
	place := p.URL + "/keys"
	p.issuer.Store(&p.URL)
	p.keysAt.Store(&place)
	return p
}

// TestRotation rotates keys, with discovery: the new one is believed at once, the
// old one not any more; tokens cannot make the node ask often; a day without an
// answer ends all belief.
func TestRotation(t *testing.T) {
	first, second := pairs(t)["ES256"], pairs(t)["ES256"]
	p, c := newProvider(t), &clock{}
	publish := func(keys ...jose.JSONWebKey) {
		text := toSet(t, keys...)
		p.set.Store(&text)
	}
	publish(jose.JSONWebKey{Key: first.public, KeyID: "1", Use: "sig"})
	v := verifier(t, c, Issuer{Name: p.URL, Discover: true})
	try := func(key pair, id string) error {
		_, _, err := v.Verify(sign(t, "ES256", key.private, jwt.MapClaims{"iss": p.URL, "exp": c.now().Add(time.Hour).Unix()}, "kid", id))
		return err
	}
	expect := func(what string, err, want error) {
		t.Helper()
		if !errors.Is(err, want) || want == nil && err != nil {
			t.Errorf("%s: %v, want %v", what, err, want)
		}
	}
	expect("the first key", try(first, "1"), nil)
	expect("the second key, before it is published", try(second, "2"), ErrInvalid)
	for i := range 100 {
		expect("an invented key", try(second, fmt.Sprint("x", i)), ErrInvalid)
	}
	if p.asked.Load() != 1 {
		t.Fatalf("tokens made the node ask %d times", p.asked.Load())
	}
	publish(jose.JSONWebKey{Key: second.public, KeyID: "2"})
	expect("the second key, too soon", try(second, "2"), ErrInvalid)
	c.Add(int64(unknownWait))
	expect("the second key", try(second, "2"), nil)
	expect("the first key, which is gone", try(first, "1"), ErrInvalid)
	expect("the first key by the name of the second", try(first, "2"), ErrInvalid)
	p.failing.Store(true)
	c.Add(int64(staleAfter))
	expect("the second key, a day old", try(second, "2"), nil)
	c.Add(int64(time.Second))
	expect("the second key, more than a day old", try(second, "2"), ErrKeys)
	p.failing.Store(false)
	c.Add(int64(failedWait))
	expect("the second key, fresh again", try(second, "2"), nil)
}

// TestPoison publishes key sets that must not be believed.
func TestPoison(t *testing.T) {
	all := pairs(t)
	weak, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	good := jose.JSONWebKey{Key: all["RS256"].public, KeyID: "good", Algorithm: "RS256", Use: "sig"}
	p := newProvider(t)
	text := toSet(t, good,
		jose.JSONWebKey{Key: []byte(secret), KeyID: "secret"}, jose.JSONWebKey{Key: weak.Public(), KeyID: "weak"},
		jose.JSONWebKey{Key: all["ES256"].private, KeyID: "private"}, jose.JSONWebKey{Key: all["ES384"].public, KeyID: "enc", Use: "enc"})
	text = []byte(strings.Replace(string(text), `"keys":[`, `"keys":[{"kty":"EC","crv":"P-256","x":"AA","y":"AA","kid":"odd"},{"kty":"none","kid":"none"},7,`, 1))
	p.set.Store(&text)
	v := verifier(t, nil, Issuer{JWKS: p.URL + "/keys"})
	for id, test := range map[string]struct {
		algorithm string
		key       any
		ok        bool
	}{
		"good": {"RS256", all["RS256"].private, true}, "good ": {"RS256", all["RS256"].private, false}, "secret": {"HS256", []byte(secret), false},
		"weak": {"RS256", weak, false}, "private": {"ES256", all["ES256"].private, false}, "enc": {"ES384", all["ES384"].private, false},
	} {
		if _, _, err := v.Verify(sign(t, test.algorithm, test.key, jwt.MapClaims{}, "kid", id)); (err == nil) != test.ok {
			t.Errorf("%s: %v", id, err)
		}
	}
	if _, _, err := v.Verify(sign(t, "PS256", all["RS256"].private, jwt.MapClaims{}, "kid", "good")); !errors.Is(err, ErrInvalid) {
		t.Errorf("a key by another algorithm than its own: %v", err)
	}
	for name, change := range map[string]func(p *provider){
		"another issuer":    func(p *provider) { other := p.URL + "/"; p.issuer.Store(&other) },
		"an address inside": func(p *provider) { other := "http://169.254.169.254/"; p.keysAt.Store(&other) },
		"a file":            func(p *provider) { other := "file:///etc/passwd"; p.keysAt.Store(&other) },
		"too many keys": func(p *provider) {
			s := toSet(t, slices.Repeat([]jose.JSONWebKey{good}, keysMax+1)...)
			p.set.Store(&s)
		},
		"a large document": func(p *provider) { s := slices.Concat(text, make([]byte, documentMax)); p.set.Store(&s) },
		"no JSON":          func(p *provider) { s := []byte("<html>"); p.set.Store(&s) },
		"no usable key":    func(p *provider) { s := []byte(`{"keys":[]}`); p.set.Store(&s) },
	} {
		p := newProvider(t)
		p.set.Store(&text)
		change(p)
		v := verifier(t, nil, Issuer{Name: p.URL, Discover: true})
		if _, _, err := v.Verify(sign(t, "RS256", all["RS256"].private, jwt.MapClaims{"iss": p.URL}, "kid", "good")); !errors.Is(err, ErrKeys) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestConfig(t *testing.T) {
	public := toPEM(t, pairs(t)["RS256"].public)
	for name, issuers := range map[string][]Issuer{
		"no keys": {{}}, "two": {{Secret: "x", PEM: public}}, "discovery of nobody": {{Discover: true}}, "twice": {{Secret: "x"}, {PEM: public}},
		"HMAC of a public key": {{PEM: public, Algorithms: []string{"HS256"}}}, "RSA of a secret": {{Secret: "x", Algorithms: []string{"RS256"}}},
		"none": {{Secret: "x", Algorithms: []string{"none"}}}, "PEM": {{PEM: []byte("x")}}, "http": {{JWKS: "http://idp.example/keys"}},
		"leeway": {{Secret: "x", Leeway: -1}}, "private key": {{PEM: pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: []byte{1}})}},
		"http discovery": {{Name: "http://idp.example", Discover: true}},
	} {
		if _, err := New(Config{Issuers: issuers}); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}

// FuzzVerify looks for what passes without a signature.
func FuzzVerify(f *testing.F) {
	v := verifier(f, nil, Issuer{Secret: secret}, Issuer{Name: "a", PEM: toPEM(f, pairs(f)["ES256"].public)})
	good := sign(f, "HS256", []byte(secret), jwt.MapClaims{"sub": "u"})
	f.Add(good)
	f.Add("eyJhbGciOiJub25lIn0.eyJleHAiOjk5OTk5OTk5OTl9.")
	f.Fuzz(func(t *testing.T, text string) {
		if _, _, err := v.Verify(text); err == nil && text != good {
			t.Fatalf("%q passed", text)
		} else if err != nil && !errors.Is(err, ErrInvalid) {
			t.Fatal(err)
		}
	})
}

// FuzzKeySet looks for documents that cannot be read without a panic.
func FuzzKeySet(f *testing.F) {
	f.Add([]byte(`{"keys":[{"kty":"RSA","n":"AQAB","e":"AQAB"},{"kty":"EC","crv":"P-256","x":"","y":""}]}`))
	f.Add(toPEM(f, pairs(f)["ES256"].public))
	f.Fuzz(func(t *testing.T, text []byte) {
		sets, err := parseSet(text)
		pems, err2 := parsePEM(text)
		if err == nil && len(sets) == 0 || err2 == nil && len(pems) == 0 {
			t.Fatal("no key and no error")
		}
	})
}
