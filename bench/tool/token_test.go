package tool

import (
	"strings"
	"testing"

	"github.com/stere-log/stere/auth"
)

// TestTokenIsTaken checks that a node takes the tokens.
func TestTokenIsTaken(t *testing.T) {
	const secret = "token-token-token-token-token-token"
	authenticator, err := auth.New(auth.Config{AdminKey: strings.Repeat("k", 48), JWTSecret: secret})
	if err != nil {
		t.Fatal(err)
	}
	p, err := authenticator.Authenticate(auth.Credentials{Authorization: "Bearer " + Token(secret, "somebody", "tenant-admin", "large")}, nil)
	if err != nil || p.Tenant != "large" || p.Role != auth.TenantAdmin || p.Name != "somebody" {
		t.Errorf("%+v, %v", p, err)
	}
}
