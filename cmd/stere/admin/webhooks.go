package admin

import (
	"context"
	"fmt"
	"io"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/stere-log/stere/client"
)

// Webhook is stere webhook.
type Webhook struct {
	List       listWebhooks  `cmd:"" help:"List webhooks and how their deliveries go."`
	Add        addWebhook    `cmd:"" help:"Make a webhook, or replace the one that has the id."`
	Rotate     rotateWebhook `cmd:"" help:"Give a webhook a new secret; the one before signs too for a while."`
	Enable     onWebhook     `cmd:"" help:"Tell a webhook again, also of what waits."`
	Disable    offWebhook    `cmd:"" help:"Tell a webhook nothing for now; what waits is kept for a day."`
	Test       testWebhook   `cmd:"" help:"Send something and say what came of it."`
	Deliveries deliveries    `cmd:"" help:"What waits for a webhook, and what was sent last."`
	Redeliver  redeliver     `cmd:"" help:"Send a delivery once more."`
	Drop       dropWebhook   `cmd:"" help:"Forget a webhook and what waits for it."`
}

// Help teaches by example.
func (Webhook) Help() string {
	return `docs/webhooks.md says what is sent, when and where. A secret comes from a file, so that
it is in no list of processes.

Examples:
  stere webhook add ops --to https://ops.example/hook --event critical_error --secret-file secret
  stere webhook add chat --to https://hooks.slack.com/services/T0/B0/X --template slack --severity high
  stere webhook add mail --to mailto:ops@example.com --template email
  stere webhook add issues --to https://api.github.com/repos/me/ops/issues --template github --key-file token
  stere webhook test ops
  stere webhook deliveries ops`
}

const webhooksPath = "/integration/webhooks"

type shownWebhook struct {
	ID       string     `json:"id"`
	URL      string     `json:"url"`
	Template string     `json:"template"`
	Events   []string   `json:"events"`
	Active   bool       `json:"active"`
	Why      string     `json:"inactiveBecause"`
	Circuit  string     `json:"circuit"`
	Waiting  int        `json:"waiting"`
	Total    uint64     `json:"totalTriggers"`
	Dead     uint64     `json:"deadLetters"`
	Last     *time.Time `json:"lastTriggered"`
	Error    string     `json:"lastError"`
}

func rowsOfWebhooks(out io.Writer, list []shownWebhook) {
	row(out, "ID", "ACTIVE", "CIRCUIT", "WAITING", "SENT", "DEAD", "LAST", "TEMPLATE", "EVENTS", "URL", "TROUBLE")
	for _, h := range list {
		trouble := h.Error
		if h.Why != "" {
			trouble = h.Why
		}
		row(out, h.ID, fmt.Sprint(h.Active), h.Circuit, fmt.Sprint(h.Waiting), fmt.Sprint(h.Total), fmt.Sprint(h.Dead), day(h.Last), h.Template, strings.Join(h.Events, ","), h.URL, trouble)
	}
}

type listWebhooks struct {
	Remote
}

// Run lists webhooks.
func (l *listWebhooks) Run(w World) error {
	return askList(w, l.Remote, webhooksPath, rowsOfWebhooks)
}

// secretOf reads a secret from a file, without the end of the line.
func secretOf(file string) (string, error) {
	text, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("read the secret: %w", err)
	}
	return strings.TrimRight(string(text), "\r\n"), nil
}

type addWebhook struct {
	Remote
	ID         string   `arg:"" help:"a-z, 0-9, '.', '_' and '-'."`
	To         string   `name:"to" required:"" help:"Where deliveries go: https, or mailto:." placeholder:"URL"`
	Event      []string `help:"What is told (default: everything)." placeholder:"EVENT"`
	Severity   string   `help:"Only this bad or worse." placeholder:"SEVERITY"`
	Template   string   `default:"generic" enum:"generic,slack,teams,pagerduty,alertmanager,email,ticket,jira,github" help:"In whose words: generic, slack, teams, pagerduty, alertmanager, email, ticket, jira or github."`
	KeyFile    string   `type:"existingfile" help:"PagerDuty's integration key, or what tickets are opened with: a token, or all of the header Authorization." placeholder:"FILE"`
	Project    string   `help:"The key of Jira's project." placeholder:"KEY"`
	SecretFile string   `type:"existingfile" help:"Signs deliveries." placeholder:"FILE"`
}

// Run makes a webhook.
func (a *addWebhook) Run(w World) error {
	body := map[string]any{"webhookId": a.ID, "url": a.To, "template": a.Template, "severity": a.Severity}
	if a.Project != "" {
		body["project"] = a.Project
	}
	if len(a.Event) > 0 {
		body["events"] = a.Event
	}
	for name, file := range map[string]string{"secret": a.SecretFile, "key": a.KeyFile} {
		if file == "" {
			continue
		}
		text, err := secretOf(file)
		if err != nil {
			return err
		}
		body[name] = text
	}
	return askOne(w, a.Remote, "POST", webhooksPath, body, rowsOfWebhooks)
}

type rotateWebhook struct {
	Remote
	ID         string `arg:"" help:"The webhook."`
	SecretFile string `required:"" type:"existingfile" help:"The new secret." placeholder:"FILE"`
	Overlap    string `default:"24h" help:"How long the one before signs too (default 24h)." placeholder:"LENGTH"`
}

// Run rotates a secret.
func (r *rotateWebhook) Run(w World) error {
	secret, err := secretOf(r.SecretFile)
	if err != nil {
		return err
	}
	return askOne(w, r.Remote, "PATCH", webhooksPath+"/"+url.PathEscape(r.ID), map[string]string{"secret": secret, "overlap": r.Overlap}, rowsOfWebhooks)
}

type onWebhook struct {
	Remote
	ID string `arg:"" help:"The webhook."`
}

// Run switches a webhook on.
func (o *onWebhook) Run(w World) error { return switchWebhook(w, o.Remote, o.ID, true) }

type offWebhook struct {
	Remote
	ID string `arg:"" help:"The webhook."`
}

// Run switches a webhook off.
func (o *offWebhook) Run(w World) error { return switchWebhook(w, o.Remote, o.ID, false) }

func switchWebhook(w World, r Remote, id string, active bool) error {
	return askOne(w, r, "PATCH", webhooksPath+"/"+url.PathEscape(id), map[string]bool{"active": active}, rowsOfWebhooks)
}

type testWebhook struct {
	Remote
	ID string `arg:"" help:"The webhook."`
}

type shownAttempt struct {
	Delivered bool    `json:"delivered"`
	Status    int     `json:"status"`
	Error     string  `json:"error"`
	Note      string  `json:"note"`
	Took      float64 `json:"tookMs"`
}

// Run tests a webhook.
func (t *testWebhook) Run(w World) error {
	return run(w, t.Remote, func(ctx context.Context, c *client.Client) (shownAttempt, error) {
		return ask[shownAttempt](ctx, c, "POST", webhooksPath+"/"+url.PathEscape(t.ID)+"/test", nil)
	}, func(out io.Writer, a shownAttempt) {
		row(out, "DELIVERED", "STATUS", "MS", "ERROR")
		row(out, fmt.Sprint(a.Delivered), fmt.Sprint(a.Status), fmt.Sprintf("%.0f", a.Took), a.Error+a.Note)
	})
}

type deliveries struct {
	Remote
	ID    string `arg:"" help:"The webhook."`
	State string `help:"Only these: waiting, delivered or dead." placeholder:"STATE"`
}

type shownDelivery struct {
	ID       string         `json:"id"`
	State    string         `json:"state"`
	Event    string         `json:"event"`
	Title    string         `json:"title"`
	Created  *time.Time     `json:"createdAt"`
	Tries    int            `json:"attempts"`
	Attempts []shownAttempt `json:"lastAttempts"`
}

// Run lists deliveries.
func (d *deliveries) Run(w World) error {
	return askList(w, d.Remote, webhooksPath+"/"+url.PathEscape(d.ID)+"/deliveries?state="+url.QueryEscape(d.State), rowsOfDeliveries)
}

func rowsOfDeliveries(out io.Writer, list []shownDelivery) {
	row(out, "ID", "STATE", "EVENT", "ATTEMPTS", "MADE", "TITLE", "LAST ERROR")
	for _, d := range list {
		last := ""
		if n := len(d.Attempts); n > 0 {
			last = d.Attempts[n-1].Error + d.Attempts[n-1].Note
		}
		row(out, d.ID, d.State, d.Event, fmt.Sprint(d.Tries), day(d.Created), d.Title, last)
	}
}

type redeliver struct {
	Remote
	ID       string `arg:"" help:"The webhook."`
	Delivery string `arg:"" help:"The delivery."`
}

// Run sends a delivery once more.
func (r *redeliver) Run(w World) error {
	return askOne(w, r.Remote, "POST", webhooksPath+"/"+url.PathEscape(r.ID)+"/redeliver", map[string]string{"delivery": r.Delivery}, rowsOfDeliveries)
}

type dropWebhook struct {
	Remote
	ID string `arg:"" help:"The webhook."`
}

// Run forgets a webhook.
func (d *dropWebhook) Run(w World) error {
	return askDrop(w, d.Remote, webhooksPath+"/", d.ID)
}
