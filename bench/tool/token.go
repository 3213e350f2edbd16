package tool

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"time"
)

// tokenTime is how long a token is taken.
const tokenTime = 24 * time.Hour

// Token returns a bearer token of somebody with a role in a tenant, for a node that was
// started with the secret.
func Token(secret, name, role, tenant string) string {
	encode := base64.RawURLEncoding.EncodeToString
	claims := fmt.Sprintf(`{"sub":%q,"role":%q,"tenant":%q,"exp":%d}`, name, role, tenant, time.Now().Add(tokenTime).Unix())
	text := encode([]byte(`{"alg":"HS256","typ":"JWT"}`)) + "." + encode([]byte(claims))
	sum := hmac.New(sha256.New, []byte(secret))
	_, _ = sum.Write([]byte(text)) // a hash takes everything
	return text + "." + encode(sum.Sum(nil))
}
