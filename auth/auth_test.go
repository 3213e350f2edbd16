package auth

import (
	"encoding/base64"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stere-log/stere/model"
)

const (
	testKey    = "stere_0123456789abcdef0123456789abcdef0123456789a"
	testSecret = "a secret of more than thirty-two bytes"
)

func testNow() time.Time { return time.Unix(1_700_000_000, 0) }

func newTest(t testing.TB) *Authenticator {
	t.Helper()
	a, err := New(Config{AdminKey: testKey, JWTSecret: testSecret, Now: testNow})
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func sign(t testing.TB, method jwt.SigningMethod, key any, c jwt.MapClaims) string {
	t.Helper()
	text, err := jwt.NewWithClaims(method, c).SignedString(key)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestAuthenticateKey(t *testing.T) {
	a := newTest(t)
	basic := func(s string) string { return base64.StdEncoding.EncodeToString([]byte(s)) }
	for name, test := range map[string]struct {
		credentials Credentials
		want        error
	}{
		"key":            {Credentials{APIKey: testKey}, nil},
		"wrong key":      {Credentials{APIKey: testKey + "x"}, ErrAPIKey},
		"short key":      {Credentials{APIKey: "x"}, ErrAPIKey},
		"bearer key":     {Credentials{Authorization: "Bearer " + testKey}, nil},
		"ApiKey":         {Credentials{Authorization: "ApiKey " + testKey}, nil},
		"ApiKey base64":  {Credentials{Authorization: "apikey " + basic("id:"+testKey)}, nil},
		"ApiKey wrong":   {Credentials{Authorization: "ApiKey " + basic("id:x")}, ErrAPIKey},
		"basic":          {Credentials{Authorization: "Basic " + basic("elastic:"+testKey)}, nil},
		"basic wrong":    {Credentials{Authorization: "Basic " + basic("elastic:changeme")}, ErrAPIKey},
		"basic no colon": {Credentials{Authorization: "Basic " + basic(testKey)}, ErrAPIKey},
		"basic garbage":  {Credentials{Authorization: "Basic ***"}, ErrAPIKey},
		"nothing":        {Credentials{}, ErrNoCredentials},
		"space":          {Credentials{Authorization: "  "}, ErrNoCredentials},
		"scheme":         {Credentials{Authorization: "Digest x"}, ErrToken},
		"too long":       {Credentials{APIKey: strings.Repeat("x", CredentialBytesMax+1)}, ErrToken},
		"key decides":    {Credentials{APIKey: "x", Authorization: "Bearer " + testKey}, ErrAPIKey},
	} {
		p, err := a.Authenticate(test.credentials, nil)
		if !errors.Is(err, test.want) {
			t.Errorf("%s: error %v, want %v", name, err, test.want)
		}
		if test.want == nil && (p.Role != PlatformAdmin || p.Tenant != model.DefaultTenant || p.Method != "api-key") {
			t.Errorf("%s: principal %+v", name, p)
		}
	}
}

func TestAuthenticateNoKey(t *testing.T) {
	a, err := New(Config{JWTSecret: testSecret})
	if err != nil {
		t.Fatal(err)
	}
	// The hash of the empty key must not open the door.
	for _, c := range []Credentials{{Authorization: "ApiKey "}, {Authorization: "Basic Og=="}, {Authorization: "Bearer stere_"}} {
		if _, err := a.Authenticate(c, nil); err == nil {
			t.Errorf("%+v accepted without an admin key", c)
		}
	}
	if _, err := New(Config{}); err == nil {
		t.Error("a configuration that lets nobody in was accepted")
	}
}

func TestAuthenticateToken(t *testing.T) {
	a := newTest(t)
	in := func(d time.Duration) int64 { return testNow().Add(d).Unix() }
	hs, secret := jwt.SigningMethodHS256, []byte(testSecret)
	good := jwt.MapClaims{"sub": "u1", "exp": in(time.Minute)}
	for name, test := range map[string]struct {
		text string
		want Principal // zero: refused
	}{
		"minimal":     {sign(t, hs, secret, good), Principal{Name: "u1", Tenant: "default", Role: Reader}},
		"user_id":     {sign(t, hs, secret, jwt.MapClaims{"user_id": "u2", "exp": in(time.Minute)}), Principal{Name: "u2", Tenant: "default", Role: Reader}},
		"tenant":      {sign(t, hs, secret, jwt.MapClaims{"sub": "u", "tenant": "a", "org_id": "b", "exp": in(time.Minute)}), Principal{Name: "u", Tenant: "a", Role: Reader}},
		"tenantId":    {sign(t, hs, secret, jwt.MapClaims{"sub": "u", "tenantId": "c", "exp": in(time.Minute)}), Principal{Name: "u", Tenant: "c", Role: Reader}},
		"org_id":      {sign(t, hs, secret, jwt.MapClaims{"sub": "u", "org_id": "b", "exp": in(time.Minute)}), Principal{Name: "u", Tenant: "b", Role: Reader}},
		"admin":       {sign(t, hs, secret, jwt.MapClaims{"sub": "u", "role": "admin", "exp": in(time.Minute)}), Principal{Name: "u", Tenant: "default", Role: PlatformAdmin}},
		"tenantadmin": {sign(t, hs, secret, jwt.MapClaims{"sub": "u", "role": "Tenant_Admin", "exp": in(time.Minute)}), Principal{Name: "u", Tenant: "default", Role: TenantAdmin}},
		"leeway":      {sign(t, hs, secret, jwt.MapClaims{"sub": "u", "exp": in(-29 * time.Second)}), Principal{Name: "u", Tenant: "default", Role: Reader}},
		"expired":     {sign(t, hs, secret, jwt.MapClaims{"sub": "u", "exp": in(-31 * time.Second)}), Principal{}},
		"no expiry":   {sign(t, hs, secret, jwt.MapClaims{"sub": "u"}), Principal{}},
		"not before":  {sign(t, hs, secret, jwt.MapClaims{"sub": "u", "exp": in(time.Hour), "nbf": in(time.Minute)}), Principal{}},
		"wrong key":   {sign(t, hs, []byte("other"), good), Principal{}},
		"none":        {sign(t, jwt.SigningMethodNone, jwt.UnsafeAllowNoneSignatureType, good), Principal{}},
		"HS512":       {sign(t, jwt.SigningMethodHS512, secret, good), Principal{Name: "u1", Tenant: "default", Role: Reader}},
		"user":        {sign(t, hs, secret, jwt.MapClaims{"sub": "u", "role": "user", "exp": in(time.Minute)}), Principal{Name: "u", Tenant: "default", Role: User}},
		"nameless":    {sign(t, hs, secret, jwt.MapClaims{"role": "user", "exp": in(time.Minute)}), Principal{}},
		"roles":       {sign(t, hs, secret, jwt.MapClaims{"sub": "u", "roles": []string{"x", "reader", "writer"}, "exp": in(time.Minute)}), Principal{Name: "u", Tenant: "default", Role: Writer}},
		"odd roles":   {sign(t, hs, secret, jwt.MapClaims{"sub": "u", "roles": []string{"x"}, "exp": in(time.Minute)}), Principal{}},
		"scoped role": {sign(t, hs, secret, jwt.MapClaims{"sub": "u", "role": "scoped", "exp": in(time.Minute)}), Principal{}},
		"bad tenant":  {sign(t, hs, secret, jwt.MapClaims{"sub": "u", "tenant": "a/b", "exp": in(time.Minute)}), Principal{}},
		"bad role":    {sign(t, hs, secret, jwt.MapClaims{"sub": "u", "role": "root", "exp": in(time.Minute)}), Principal{}},
		"garbage":     {"a.b.c", Principal{}},
		"empty":       {"", Principal{}},
	} {
		got, err := a.Authenticate(Credentials{Authorization: "Bearer " + test.text}, nil)
		if test.want.Name == "" {
			if !errors.Is(err, ErrToken) {
				t.Errorf("%s: got %+v, error %v, want ErrToken", name, got, err)
			}
			continue
		}
		if err != nil || got.Name != test.want.Name || got.Tenant != test.want.Tenant || got.Role != test.want.Role || got.Method != "jwt" || got.Expires == 0 {
			t.Errorf("%s: got %+v, error %v", name, got, err)
		}
	}
	critical := jwt.NewWithClaims(hs, good)
	critical.Header["crit"] = []string{"x"}
	text, err := critical.SignedString(secret)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Authenticate(Credentials{Authorization: "Bearer " + text}, nil); !errors.Is(err, ErrToken) {
		t.Errorf("a token with unknown critical extensions: error %v, want ErrToken", err)
	}
	tampered := []byte(sign(t, hs, secret, good))
	tampered[len(tampered)/2] ^= 1
	if _, err := a.Authenticate(Credentials{Authorization: "Bearer " + string(tampered)}, nil); err == nil {
		t.Error("a tampered token was accepted")
	}
}

// TestPermissions is the table of roles.
func TestPermissions(t *testing.T) {
	all := []Permission{Known, Read, Write, Export, Save, Feedback, Manage, Choose, Admin}
	table := map[Role]string{
		Reader: "known read", Analyst: "known read export save feedback", Writer: "known write", User: "known read write",
		Scoped: "known read write export save feedback", TenantAdmin: "known read write export save feedback manage",
		PlatformAdmin: "known read write export save feedback manage choose admin", "nobody": "",
	}
	for role, allowed := range table {
		p := Principal{Role: role, Grants: Grants(role, nil), Tenant: "t"}
		for _, permission := range all {
			_, err := Authorize(p, Ask{Permission: permission}, nil)
			if want := slices.Contains(strings.Fields(allowed), permission.String()); (err == nil) != want {
				t.Errorf("%s %s: error %v, want allowed %v", role, permission, err, want)
			}
			if err != nil && !errors.Is(err, ErrForbidden) {
				t.Errorf("%s %s: error %v is not ErrForbidden", role, permission, err)
			}
		}
		if _, err := Authorize(p, Ask{Permission: Open}, nil); err != nil {
			t.Errorf("%s may not use an open route", role)
		}
		if _, err := Authorize(p, Ask{}, nil); err == nil {
			t.Errorf("%s may use an undeclared route", role)
		}
	}
	for _, test := range []struct {
		role Role
		list []string
		want string
	}{
		{Reader, nil, "read"}, {Reader, []string{}, ""}, {Reader, []string{"logs:read", "logs:write", "admin"}, "read"}, {Analyst, []string{"EXPORT", "x"}, "export"},
		{Scoped, []string{"write", "manage", "admin", "choose"}, "write"}, {PlatformAdmin, []string{"write", "choose"}, "write choose"},
	} {
		if got := strings.Join(Grants(test.role, test.list).Names(), " "); got != test.want {
			t.Errorf("%s with %q may %q, want %q", test.role, test.list, got, test.want)
		}
	}
}

func TestAdminKey(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "data")
	const callers = 8
	keys := make([]string, callers)
	var made sync.Map
	var wg sync.WaitGroup
	for i := range callers {
		wg.Go(func() {
			key, err := openKey(t, dir)
			if err == nil {
				err = key.Make()
			}
			if err != nil {
				t.Error(err)
				return
			}
			if key.Made() {
				made.Store(i, true)
			}
			keys[i] = key.Key()
		})
	}
	wg.Wait()
	count := 0
	made.Range(func(any, any) bool { count++; return true })
	for _, key := range keys {
		if key != keys[0] || len(key) != 49 {
			t.Fatalf("keys differ or are odd: %d bytes", len(key))
		}
	}
	if count != 1 {
		t.Errorf("%d callers created the key, want 1", count)
	}
	path := filepath.Join(dir, AdminKeyFile)
	if err := os.Chmod(path, 0o644); err != nil {
		t.Fatal(err)
	}
	if key, err := openKey(t, dir); err != nil || key.Key() != keys[0] || key.Make() != nil || key.Made() || key.Take(testKey) != nil || key.Key() != keys[0] {
		t.Errorf("second start: the key is not kept, error %v", err)
	}
	if info, _ := os.Stat(path); info.Mode().Perm() != 0o600 {
		t.Errorf("mode is %v, want 0600", info.Mode().Perm())
	}
	if entries, _ := os.ReadDir(dir); len(entries) != 1 {
		t.Errorf("temporary files are left: %v", entries)
	}
	if err := os.WriteFile(path, []byte("secret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := openKey(t, dir); err == nil {
		t.Error("a file without a key was accepted")
	}
}

func openKey(t *testing.T, dir string) (*AdminKey, error) {
	t.Helper()
	a, err := New(Config{KeyLater: true})
	if err != nil {
		t.Fatal(err)
	}
	return OpenAdminKey(dir, a)
}

func TestAdminKeyOfACluster(t *testing.T) {
	dir := t.TempDir()
	a, err := New(Config{KeyLater: true})
	if err != nil {
		t.Fatal(err)
	}
	key, err := OpenAdminKey(dir, a)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := a.Authenticate(Credentials{APIKey: testKey}, nil); !errors.Is(err, ErrKeyLater) {
		t.Errorf("a key before there is one: %v", err)
	}
	if err := key.Take("nonsense"); err == nil {
		t.Error("nonsense was taken for a key")
	}
	if err := key.Take(testKey); err != nil {
		t.Fatal(err)
	}
	if _, err := a.Authenticate(Credentials{APIKey: testKey}, nil); err != nil {
		t.Errorf("the cluster's key is refused: %v", err)
	}
	if again, err := openKey(t, dir); err != nil || again.Key() != testKey {
		t.Errorf("the cluster's key is not kept: %v", err)
	}
}

func FuzzAuthenticate(f *testing.F) {
	a := newTest(f)
	f.Add("", "Bearer a.b.c")
	f.Add("k", "Basic Og==")
	f.Fuzz(func(t *testing.T, key, authorization string) {
		p, err := a.Authenticate(Credentials{APIKey: key, Authorization: authorization}, nil)
		if err == nil && key != testKey && !strings.Contains(authorization, testKey) {
			t.Fatalf("%q %q got in as %+v", key, authorization, p)
		}
	})
}
