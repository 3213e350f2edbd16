package api

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/valyala/fasthttp"

	"github.com/stere-log/stere/auth"
	"github.com/stere-log/stere/model/access"
)

// TestLastingEnds checks how long an answer that has no end goes on: as long as its
// credentials, also where these cannot be checked any more.
func TestLastingEnds(t *testing.T) {
	for name, test := range map[string]struct {
		expires time.Duration // 0: never
		still   error
		ends    bool // within an hour
	}{
		"good": {0, nil, false}, "good for a time": {time.Minute, auth.ErrToken, true}, "refused": {0, auth.ErrForbidden, true},
		"cannot be checked": {0, auth.ErrIssuer, false}, "cannot be checked, over": {time.Minute, auth.ErrIssuer, true},
	} {
		synctest.Test(t, func(t *testing.T) {
			server := &Server{cfg: Config{Now: time.Now, Recheck: RecheckDefault}, base: context.Background()}
			r := &request{server: server, still: func() error { return test.still }}
			if test.expires > 0 {
				r.principal.Expires = time.Now().Add(test.expires).Unix()
			}
			ctx, end := r.lasting()
			defer end()
			time.Sleep(time.Hour)
			synctest.Wait()
			if ended := ctx.Err() != nil; ended != test.ends {
				t.Errorf("%s: ended %v, want %v", name, ended, test.ends)
			}
		})
	}
}

// TestStillTheSame checks that credentials which come to mean another tenant end what
// goes on for the one from before.
func TestStillTheSame(t *testing.T) {
	w, registry, _, _ := matrixWorld(t)
	registry.domains["shop.example"] = access.Domain{Name: "shop.example", Tenant: "shop", Status: access.Active}
	text, err := jwt.NewWithClaims(jwt.SigningMethodHS256, jwt.MapClaims{"sub": "u", "domains": []string{"shop.example"}, "exp": time.Now().Add(time.Hour).Unix()}).SignedString([]byte("secret"))
	if err != nil {
		t.Fatal(err)
	}
	ctx := &fasthttp.RequestCtx{}
	ctx.Request.Header.SetHost("shop.example")
	ctx.Request.Header.Set("Authorization", "Bearer "+text)
	r := &request{server: w.server, ctx: ctx}
	if err := r.authorize(auth.Read, auth.Always); err != nil || r.principal.Tenant != "shop" {
		t.Fatalf("tenant %s, %v", r.principal.Tenant, err)
	}
	if err := r.still(); err != nil {
		t.Fatal(err)
	}
	registry.domains["shop.example"] = access.Domain{Name: "shop.example", Tenant: "other", Status: access.Active}
	if err := r.still(); !errors.Is(err, auth.ErrForbidden) {
		t.Errorf("the domain is another tenant's: %v", err)
	}
}
