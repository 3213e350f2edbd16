package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestIssuerSettings turns settings and files into issuers.
func TestIssuerSettings(t *testing.T) {
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	secret := write("secret", "a secret of more than thirty-two bytes\n")
	good := write("good.yaml", "- name: https://idp.example\n  jwks: https://idp.example/keys\n  algorithms: [ES256]\n  audience: [stere]\n  leeway: 5s\n  tenants: [a]\n  roles: [reader]\n"+
		"  claims: {tenant: [\"https://x/tenant\"], role: [realm_access.roles]}\n- name: b\n  secret-file: "+secret+"\n  require-expiry: false\n")
	for name, test := range map[string]struct {
		settings []string
		fault    string // "": none
	}{
		"nothing": {nil, ""}, "secret": {[]string{"jwt-secret=x"}, ""}, "file": {[]string{"jwt-issuers-file=" + good}, ""},
		"all":     {[]string{"jwt-secret=x", "jwt-issuer=https://idp2.example", "jwt-oidc=true", "jwt-issuers-file=" + good, "jwt-audience=a,b"}, ""},
		"twice":   {[]string{"jwt-secret=x", "jwt-issuer=b", "jwt-issuers-file=" + good}, "twice"},
		"http":    {[]string{"jwt-jwks=http://idp.example/keys"}, "not https"},
		"no file": {[]string{"jwt-public-key-file=" + filepath.Join(dir, "none")}, "jwt-public-key-file"},
		"no name": {[]string{"jwt-oidc=true"}, "discovery needs"},
		"unknown": {[]string{"jwt-issuers-file=" + write("bad.yaml", "- nam: x\n")}, "nam"},
		"two":     {[]string{"jwt-jwks=https://idp.example/keys", "jwt-oidc=true", "jwt-issuer=https://idp.example"}, "2 sources"},
		"alg":     {[]string{"jwt-jwks=https://idp.example/keys", "jwt-algorithms=none"}, "not an algorithm"},
	} {
		given := map[string]value{}
		for _, setting := range test.settings {
			key, text, _ := strings.Cut(setting, "=")
			given[key] = value{text, "test"}
		}
		p := &program{ctx: t.Context(), environ: []string{"STERE_CONFIG=" + write("empty.yaml", "")}}
		effective, err := p.resolve("", given)
		if err != nil {
			t.Fatal(err)
		}
		_, err = authenticator(effective, slog.New(slog.DiscardHandler))
		if test.fault == "" && err != nil || test.fault != "" && (err == nil || !strings.Contains(err.Error(), test.fault)) {
			t.Errorf("%s: %v, want %q", name, err, test.fault)
		}
	}
}
