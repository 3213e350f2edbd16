package main

import (
	"bytes"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"slices"
	"testing"
)

// TestVerdict: what was lost, told twice, out of order or signed wrong is seen, and what
// came again with its id is none of it.
func TestVerdict(t *testing.T) {
	r := newReceiver(nil)
	defer r.Close()
	deliver := func(id, status, until, alarm, secret string) {
		body := fmt.Appendf(nil, `{"data":{"status":%q,"until":"2026-01-31T12:00:%sZ","alerts":[{"labels":{"alarm":%q}}]}}`, status, until, alarm)
		mac := hmac.New(sha256.New, []byte(secret))
		mac.Write(body)
		req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, r.URL, bytes.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("webhook-id", id)
		req.Header.Set("X-Signature-SHA256", "sha256="+hex.EncodeToString(mac.Sum(nil)))
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		resp.Body.Close()
	}
	deliver("1", "firing", "10", "a1", secret)
	deliver("1", "firing", "10", "a1", secret) // again
	deliver("2", "firing", "20", "a2", secret)
	deliver("3", "resolved", "20", "a1", secret)
	if v := r.verdict([]string{"a1"}); v.taken != 3 || v.again != 1 || len(v.lost)+len(v.twice)+v.disordered+v.forged != 0 {
		t.Errorf("nothing is wrong: %+v", v)
	}
	deliver("4", "firing", "10", "a1", secret) // out of order, and twice
	deliver("5", "firing", "30", "a3", "another secret than this one")
	v := r.verdict([]string{"a1", "a2", "a3"})
	if !slices.Equal(v.lost, []string{"resolved:a2", "firing:a3", "resolved:a3"}) || !slices.Equal(v.twice, []string{"firing:a1"}) || v.disordered != 1 || v.forged != 1 || v.requests != 6 {
		t.Errorf("%+v", v)
	}
}
