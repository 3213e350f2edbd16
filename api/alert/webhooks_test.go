package alert

import (
	"context"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/api/admin"
	"github.com/stere-log/stere/auth"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/webhook"
)

// oneWebhook has a webhook, and nothing else.
type oneWebhook struct {
	Desk
	hook webhook.Endpoint
}

func (o *oneWebhook) Webhooks(model.TenantID) []Webhook { return []Webhook{{Endpoint: o.hook}} }

func (o *oneWebhook) Webhook(model.TenantID, string) (Webhook, error) {
	return Webhook{Endpoint: o.hook}, nil
}

func (o *oneWebhook) ChangeWebhook(_ context.Context, _ model.TenantID, _ string, change func(*webhook.Endpoint, bool) error) (Webhook, error) {
	err := change(&o.hook, o.hook.ID != "")
	return Webhook{Endpoint: o.hook}, err
}

func (o *oneWebhook) DropWebhook(context.Context, model.TenantID, string) error { return nil }

// TestSecretsStay: no answer and no entry of the audit trail has a secret or a key of a
// webhook, and only who may change webhooks sees more than the host of its URL.
func TestSecretsStay(t *testing.T) {
	const secret, key, path = "first secret of the test", "key-of-pagerduty", "T0/B0/token-in-path"
	s := &Service{Desk: &oneWebhook{}, Now: func() time.Time { return time.Unix(1_790_000_000, 0) }}
	ask := func(role auth.Role, body string) admin.Request {
		return admin.Request{Principal: auth.Principal{Tenant: "shop", Grants: auth.Grants(role, nil)}, Name: "ops", Body: []byte(body), Param: func(string) string { return "" }}
	}
	body := `{"webhookId":"ops","url":"https://hooks.example/` + path + `","secret":"` + secret + `","key":"` + key + `"}`
	for _, step := range []struct {
		name  string
		do    func(context.Context, admin.Request) (admin.Answer, error)
		role  auth.Role
		body  string
		shows bool // the whole URL
	}{
		{"create", s.CreateWebhook, auth.TenantAdmin, body, true},
		{"rotate", s.ChangeWebhook, auth.TenantAdmin, `{"secret":"second secret of the test"}`, true},
		{"list as reader", s.Webhooks, auth.Reader, "", false},
		{"list", s.Webhooks, auth.TenantAdmin, "", true},
		{"show as reader", s.Webhook, auth.Reader, "", false},
		{"drop", s.DropWebhook, auth.TenantAdmin, "", true},
	} {
		answer, err := step.do(t.Context(), ask(step.role, step.body))
		if err != nil {
			t.Fatalf("%s: %v", step.name, err)
		}
		shown, err := json.Marshal(answer.Body)
		if err != nil {
			t.Fatal(err)
		}
		noted, err := json.Marshal([]any{answer.Before, answer.After()})
		if err != nil {
			t.Fatal(err)
		}
		for _, text := range []string{secret, "second secret", key} {
			if strings.Contains(string(shown)+string(noted), text) {
				t.Errorf("%s: %q is in %s or %s", step.name, text, shown, noted)
			}
		}
		if strings.Contains(string(shown), path) != step.shows || !strings.Contains(string(shown), "https://hooks.example/") {
			t.Errorf("%s: %s", step.name, shown)
		}
		if step.role == auth.TenantAdmin && step.body != "" && strings.Contains(string(noted), path) {
			t.Errorf("%s: the audit trail has %s", step.name, noted)
		}
	}
	for body, want := range map[string]string{
		`{"url":"https://elsewhere.example/` + path + `"}`:                key, // refused: it stays as it was
		`{"url":"https://elsewhere.example/` + path + `","key":"theirs"}`: "theirs",
		`{"url":"https://elsewhere.example/x","key":""}`:                  "",
		`{"url":"https://hooks.example/other"}`:                           key,
	} {
		desk := &oneWebhook{hook: webhook.Endpoint{ID: "ops", URL: "https://hooks.example/" + path, Key: key, Template: webhook.Ticket}}
		s := &Service{Desk: desk, Now: s.Now}
		_, err := s.ChangeWebhook(t.Context(), ask(auth.TenantAdmin, body))
		if e := desk.hook; e.Key != want || e.Key == key && !strings.HasPrefix(e.URL, "https://hooks.example/") || (err == nil) != (e.URL != "https://hooks.example/"+path) {
			t.Errorf("%s: %+v, %v", body, e, err)
		}
	}
	if _, err := s.ChangeWebhook(t.Context(), ask(auth.TenantAdmin, `{"secret":"too short"}`)); err == nil || strings.Contains(err.Error(), "too short") {
		t.Errorf("a secret that is refused: %v", err)
	}
}
