package webhook_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/internal/outward"
	"github.com/stere-log/stere/triage"
	"github.com/stere-log/stere/webhook"
)

var event = webhook.Event{
	Event: "critical_error", Time: 1790000000000000000, Tenant: "shop", Status: "firing", Severity: "critical", Title: "Service <down> & out", Text: "text", Rule: "service_down",
	Query: `level:error "x"`, From: 1, Until: 2, Incident: "inc-1", Tags: []string{"a"}, Key: "shop/service_down",
	Alerts: []webhook.Alert{{Status: "firing", Labels: map[string]string{"host.name": "h1"}, Value: 3, Text: "t", Since: 1790000000000000000}}, More: 2,
}

// TestSign: the signatures are those of the definitions. The second one is the example of
// Standard Webhooks.
func TestSign(t *testing.T) {
	body := []byte(`{"test": 2432232314}`)
	header := webhook.Sign([]string{"whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", "an older secret here"}, "msg_p5jXN8AQM9LWM0D4loKWxJek", time.Unix(1614265330, 0), body)
	if got := header.Get("webhook-signature"); !strings.HasPrefix(got, "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE= v1,") {
		t.Errorf("%s", got)
	}
	if header.Get("webhook-id") != "msg_p5jXN8AQM9LWM0D4loKWxJek" || header.Get("webhook-timestamp") != "1614265330" || len(header.Get(webhook.HeaderSignature)) != len("sha256=")+64 {
		t.Errorf("%v", header)
	}
	if header := webhook.Sign(nil, "a", time.Unix(1, 0), body); header.Get("webhook-signature") != "" || header.Get(webhook.HeaderSignature) != "" || header.Get("webhook-id") != "a" {
		t.Errorf("without a secret: %v", header)
	}
}

// TestRotate: two secrets sign for a while.
func TestRotate(t *testing.T) {
	e := webhook.Endpoint{}
	e.Rotate("first", 100, 50)
	e.Rotate("second", 200, 50)
	for now, want := range map[int64]string{210: "second first", 250: "second"} {
		if got := strings.Join(e.Valid(now), " "); got != want {
			t.Errorf("at %d: %q, want %q", now, got, want)
		}
	}
	for range 10 {
		e.Rotate("next", 201, 50)
	}
	if len(e.Secrets) != webhook.SecretsMax {
		t.Errorf("%d secrets", len(e.Secrets))
	}
}

// TestTemplates: each is JSON with what its receiver needs.
func TestTemplates(t *testing.T) {
	for template, want := range map[string][]string{
		webhook.Generic:      {`"event":"critical_error"`, `"timestamp":"2026-09-21T14:13:20Z"`, `"source":"s"`, `"tenant":"shop"`},
		webhook.Slack:        {`"text":"FIRING [critical] Service &lt;down&gt; &amp; out"`, `"color":"#a30200"`, "host.name=h1: 3"},
		webhook.Teams:        {`"type":"AdaptiveCard"`, `"text":"FIRING [critical] Service <down> & out"`, `"title":"Incident","value":"inc-1"`},
		webhook.PagerDuty:    {`"routing_key":"k"`, `"event_action":"trigger"`, `"dedup_key":"shop/service_down"`, `"severity":"critical"`},
		webhook.Ticket:       {`"title":"[critical] Service <down> & out"`, `"labels":["stere","critical","service_down","a"]`, `"priority":"highest"`, "Incident: inc-1", `"key":"shop/service_down"`},
		webhook.Jira:         {`"project":{"key":"OPS"}`, `"issuetype":{"name":"Task"}`, `"summary":"[critical] Service <down> & out"`, `"priority":{"name":"Highest"}`, "host.name=h1: 3"},
		webhook.GitHub:       {`"title":"[critical]`, `"priority:highest"`, "```\\ntext", `"labels":["stere",`},
		webhook.Alertmanager: {`"alertname":"service_down"`, `"field_host_name":"h1"`, `"startsAt":"2026-09-21T14:13:20Z"`},
	} {
		body, err := webhook.Render(&webhook.Endpoint{Template: template, Key: "k", Project: "OPS"}, &event, "s")
		if err != nil || !json.Valid(body) {
			t.Errorf("%s: %s, %v", template, body, err)
		}
		for _, part := range want {
			if !strings.Contains(string(body), part) {
				t.Errorf("%s: no %s in %s", template, part, body)
			}
		}
	}
	over := event
	over.Status, over.Alerts = "resolved", nil
	if body, _ := webhook.Render(&webhook.Endpoint{Template: webhook.PagerDuty, Key: "k"}, &over, "s"); !strings.Contains(string(body), `"event_action":"resolve"`) {
		t.Errorf("%s", body)
	}
}

// TestAlertmanagerJoins: an alert has the same labels from its beginning to its end, and fires
// there until it is told that it is over, or of it again.
func TestAlertmanagerJoins(t *testing.T) {
	type alert struct {
		Labels           map[string]string
		StartsAt, EndsAt time.Time
	}
	renderAll := func(e webhook.Event) (list []alert) {
		t.Helper()
		body, err := webhook.Render(&webhook.Endpoint{Template: webhook.Alertmanager}, &e, "s")
		if failed := json.Unmarshal(body, &list); err != nil || failed != nil {
			t.Fatalf("%s: %v, %v", body, err, failed)
		}
		return list
	}
	render := func(e webhook.Event) alert {
		t.Helper()
		list := renderAll(e)
		if len(list) != 1 {
			t.Fatalf("%+v", list)
		}
		return list[0]
	}
	at := time.Unix(0, event.Time).UTC()
	begins, ends := event, event
	begins.Repeat = int64(4 * time.Hour)
	ends.Time, ends.Status, ends.Alerts = event.Time+int64(time.Hour), triage.Resolved, slices.Clone(event.Alerts)
	ends.Alerts[0].Status = triage.Resolves
	first, last := render(begins), render(ends)
	if !maps.Equal(first.Labels, last.Labels) || !first.EndsAt.Equal(at.Add(4*time.Hour+webhook.GiveUpAfter)) || !last.EndsAt.Equal(at.Add(time.Hour)) {
		t.Errorf("an alert: %+v, then %+v", first, last)
	}
	opened, closed := event, event
	opened.Event, closed.Event, closed.Status = triage.EventIncidentOpened, triage.EventIncidentChanged, triage.Resolved
	opened.Alerts, closed.Alerts = nil, nil
	for _, rule := range []string{"", event.Rule} { // of no rule if a person opened it
		opened.Rule, closed.Rule = rule, rule
		if first, last = render(opened), render(closed); !maps.Equal(first.Labels, last.Labels) {
			t.Errorf("an incident of rule %q: %+v, then %+v", rule, first, last)
		}
	}
	if !maps.Equal(first.Labels, last.Labels) || first.Labels["incident"] != "inc-1" || first.EndsAt.Before(at.Add(7*24*time.Hour)) || last.EndsAt.After(at) {
		t.Errorf("an incident: %+v, then %+v", first, last)
	}
	worse := opened
	worse.Event, worse.Severity, worse.Was = triage.EventIncidentChanged, triage.Low, opened.Severity
	two := renderAll(worse)
	if len(two) != 2 || two[0].Labels["severity"] != triage.Low || two[0].EndsAt.Before(at.Add(7*24*time.Hour)) || !maps.Equal(two[1].Labels, first.Labels) || two[1].EndsAt.After(at) {
		t.Errorf("an incident that is not as bad any more: %+v", two)
	}
	test := event
	test.Event, test.Alerts = triage.EventTest, nil
	if got := render(test); got.EndsAt.After(at.Add(5 * time.Minute)) {
		t.Errorf("a test fires until %s", got.EndsAt)
	}
}

// TestJoinedByKey: keys that PagerDuty does not take whole stay apart.
func TestJoinedByKey(t *testing.T) {
	seen := map[string]bool{}
	for _, end := range []string{"a", "b"} {
		one := event
		one.Key = strings.Repeat("\u9053", 100) + end
		body, err := webhook.Render(&webhook.Endpoint{Template: webhook.PagerDuty, Key: "k"}, &one, "s")
		var told struct {
			Key string `json:"dedup_key"`
		}
		if failed := json.Unmarshal(body, &told); err != nil || failed != nil || len(told.Key) > 255 || len(told.Key) < 200 || seen[told.Key] {
			t.Errorf("%s: %v, %v", body, err, failed)
		}
		seen[told.Key] = true
	}
}

// TestNoLinksOfLogs: what a record says is not a link in a message.
func TestNoLinksOfLogs(t *testing.T) {
	one := event
	one.Title, one.Text, one.Query = "[a](http://b.example)", "[a](http://b.example)", "[a](http://b.example)"
	one.Alerts = []webhook.Alert{{Status: "firing", Labels: map[string]string{"user": "[a](http://b.example)"}}}
	body, err := webhook.Render(&webhook.Endpoint{Template: webhook.Teams}, &one, "s")
	if err != nil || strings.Contains(string(body), "](") || strings.Count(string(body), "[a] (http://b.example)") != 4 {
		t.Errorf("%s, %v", body, err)
	}
}

// TestTicketsAreAuthorized: with a token, or with a header as it is; no one else is told it.
func TestTicketsAreAuthorized(t *testing.T) {
	got := ""
	receiver := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) { got = r.Header.Get("Authorization") }))
	defer receiver.Close()
	s := &webhook.Sender{Client: outward.NewSender(outward.Loopback)}
	for _, one := range []struct{ template, key, want string }{
		{webhook.GitHub, "token", "Bearer token"}, {webhook.Jira, "Basic bWU6dG9rZW4=", "Basic bWU6dG9rZW4="}, {webhook.Ticket, "", ""}, {webhook.PagerDuty, "token", ""},
	} {
		e := &webhook.Endpoint{ID: "a", URL: "https://a.example/", Template: one.template, Key: one.key, Project: "OPS"}
		if err := e.Check(); err != nil {
			t.Errorf("%s: %v", one.template, err)
		}
		e.URL = receiver.URL
		if r := s.Send(t.Context(), e, &webhook.Delivery{ID: "a", Event: event}, time.Unix(5, 0)); r.Error != "" || got != one.want {
			t.Errorf("%s: %+v, authorized by %q, want %q", one.template, r, got, one.want)
		}
	}
	if err := (&webhook.Endpoint{ID: "a", URL: "https://a.example/", Template: webhook.Jira, Key: "a\r\nb"}).Check(); err == nil || !strings.Contains(err.Error(), "project") || !strings.Contains(err.Error(), "in one line") {
		t.Error(err)
	}
}

// TestReceivers: what they answer, and do not.
func TestReceivers(t *testing.T) {
	inside := 0
	private := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { inside++ }))
	defer private.Close()
	hang := make(chan struct{})
	receiver := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.Path {
		case "/fails":
			w.Header().Set("Retry-After", "77")
			http.Error(w, "not\x00now", http.StatusServiceUnavailable)
		case "/gone":
			w.WriteHeader(410)
		case "/redirects":
			http.Redirect(w, r, private.URL, http.StatusTemporaryRedirect)
		case "/hangs":
			<-hang
		}
	}))
	defer receiver.Close()
	defer close(hang)
	s := &webhook.Sender{Client: outward.NewSender(outward.Loopback), Version: "1"}
	for path, want := range map[string]webhook.Result{
		"/":          {Attempt: webhook.Attempt{Status: 200}},
		"/fails":     {Attempt: webhook.Attempt{Status: 503, Error: "status 503: not now"}, After: 77 * time.Second},
		"/gone":      {Attempt: webhook.Attempt{Status: 410, Error: "410 Gone"}, Gone: true},
		"/redirects": {Attempt: webhook.Attempt{Status: 307, Error: "which is not followed"}},
		"/hangs":     {Attempt: webhook.Attempt{Error: "no answer within "}},
	} {
		ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
		if path == "/hangs" {
			cancel()
			ctx, cancel = context.WithTimeout(t.Context(), 50*time.Millisecond)
		}
		got := s.Send(ctx, &webhook.Endpoint{URL: receiver.URL + path, Template: webhook.Generic}, &webhook.Delivery{ID: "a", Event: event}, time.Unix(5, 0))
		cancel()
		if got.Status != want.Status || got.Gone != want.Gone || got.After != want.After || !strings.Contains(got.Error, want.Error) || (got.Error == "") != (want.Error == "") {
			t.Errorf("%s: %+v", path, got)
		}
	}
	if inside != 0 {
		t.Error("a redirect was followed")
	}
	// Of an error nobody learns a URL that is a secret.
	gone := httptest.NewServer(nil)
	gone.Close()
	if got := s.Send(t.Context(), &webhook.Endpoint{URL: gone.URL + "/token-in-path", Template: webhook.Generic}, &webhook.Delivery{ID: "a", Event: event}, time.Unix(5, 0)); got.Error == "" || strings.Contains(got.Error, "token-in-path") {
		t.Errorf("%+v", got)
	}
	for _, url := range []string{strings.Replace(private.URL, "http:", "https:", 1), "https://169.254.169.254/latest", "https://[::ffff:127.0.0.1]/", "https://10.0.0.1/"} {
		public := &webhook.Sender{Client: outward.NewSender(outward.Public)}
		if got := public.Send(t.Context(), &webhook.Endpoint{URL: url, Template: webhook.Generic}, &webhook.Delivery{ID: "a", Event: event}, time.Unix(5, 0)); !strings.Contains(got.Error, "may not be fetched from") {
			t.Errorf("%s: %+v", url, got)
		}
	}
	if err := (&webhook.Sender{Client: outward.NewSender(outward.Public)}).CheckURL(private.URL); !errors.Is(err, outward.ErrRefused) {
		t.Errorf("http: %v", err)
	}
}

// TestQueue takes random answers: deliveries end in their order, none is lost.
func TestQueue(t *testing.T) {
	r := rand.New(rand.NewPCG(3, 4))
	var q webhook.Queue
	waiting := map[uint64]*webhook.Delivery{}
	now, added, ended := int64(1), uint64(0), uint64(0)
	for range 5000 {
		now += int64(r.IntN(3600)) * int64(time.Second)
		if r.IntN(3) == 0 {
			dropped := q.Dropped
			if d := q.Add("id", "e", event, now); d != nil {
				waiting[d.Number] = d
				added++
			} else if q.Waits() != webhook.WaitingMax || q.Dropped != dropped+1 {
				t.Fatalf("no place in %+v", q)
			}
		}
		if q.Waits() == 0 || q.NextTry > now {
			continue
		}
		first := q.First
		d := waiting[first]
		attempt := webhook.Attempt{At: now}
		if r.IntN(10) > 2 {
			attempt.Error = "no"
		}
		q.Note(d, attempt, 0, r.Float64())
		if len(d.Attempts) > webhook.AttemptsMax || (d.State == webhook.Waiting) != (q.First == first) {
			t.Fatalf("%+v in %+v", d, q)
		}
		if d.State != webhook.Waiting {
			delete(waiting, first)
			ended++
		}
		if d.State == webhook.Dead && now-d.Created < int64(webhook.GiveUpAfter) {
			t.Fatalf("given up after %v", time.Duration(now-d.Created))
		}
	}
	if uint64(len(waiting)) != uint64(q.Waits()) || added != ended+uint64(q.Waits()) || q.Delivered+q.Dead != ended || q.Dead == 0 || q.Delivered == 0 {
		t.Errorf("%d added, %d ended, %+v", added, ended, q)
	}
	before := time.Duration(0)
	for n := 1; n < 40; n++ {
		least, most := webhook.Backoff(n, 0), webhook.Backoff(n, 1)
		if least < before*3/4 || most > 8*time.Hour || most <= least || n >= webhook.OpenAfter && least < 3*time.Minute {
			t.Errorf("%d: %v to %v", n, least, most)
		}
		before = least
	}
}

// TestRefused: what a receiver refuses for what it is holds up what waits behind it for minutes,
// not for a day; a receiver that refuses everything loses nothing by that.
func TestRefused(t *testing.T) {
	began := int64(1_700_000_000_000_000_000)
	for name, c := range map[string]struct {
		status         int
		first          []int // what the first answers are instead
		behind, always bool  // others wait; they are refused as well
		fresh          bool  // none was ever taken
		dead, taken    uint64
	}{
		"one of several":       {status: 422, behind: true, dead: 1, taken: 2},
		"alone":                {status: 400},
		"all":                  {status: 413, behind: true, always: true, dead: 1},
		"all from the start":   {status: 400, behind: true, always: true, fresh: true},
		"nothing is taken now": {status: 503, behind: true, always: true},
		"keys are wrong":       {status: 401, behind: true, always: true},
		"once, after a rest":   {status: 200, first: []int{503, 503, 503, 503, 503, 400}, behind: true, taken: 3},
		"after a rest":         {status: 422, first: []int{503, 503, 503}, behind: true, dead: 1, taken: 2},
	} {
		var q webhook.Queue
		if !c.fresh {
			q.Note(q.Add("id", "e", event, began), webhook.Attempt{At: began, Status: 200}, 0, 0.5)
		}
		waiting, given := map[uint64]*webhook.Delivery{}, q.Delivered
		for n := range 3 {
			if n == 0 || c.behind {
				d := q.Add("id", "e", event, began)
				waiting[d.Number] = d
			}
		}
		first := q.First
		for now := began; q.Waits() > 0 && now < began+int64(6*time.Hour); now = max(now+1, q.NextTry) {
			d := waiting[q.First]
			attempt := webhook.Attempt{At: now, Status: 200}
			if d.Number == first || c.always {
				attempt.Status = c.status
			}
			if d.Number == first && d.Tries < len(c.first) {
				attempt.Status = c.first[d.Tries]
			}
			if attempt.Status != 200 {
				attempt.Error = "no"
			}
			q.Note(d, attempt, 0, 0.5)
			if d.Number == first && c.first == nil && d.State == webhook.Dead && now-began > int64(5*time.Minute) {
				t.Errorf("%s: given up after %s", name, time.Duration(now-began))
			}
			if d.State == webhook.Waiting && attempt.Status != 503 && attempt.Status != 401 && q.NextTry-now > int64(10*time.Minute) {
				t.Errorf("%s: the next try is after %s", name, time.Duration(q.NextTry-now))
			}
		}
		if q.Dead != c.dead || q.Delivered-given != c.taken {
			t.Errorf("%s: %d dead, %d taken, want %d and %d", name, q.Dead, q.Delivered-given, c.dead, c.taken)
		}
	}
	// Who asks for more time gets it, also behind what was given up.
	var q webhook.Queue
	q.Note(q.Add("id", "e", event, began), webhook.Attempt{At: began, Status: 200}, 0, 0.5)
	d := q.Add("id", "e", event, began)
	q.Add("id", "e", event, began)
	for range webhook.OpenAfter {
		q.Note(d, webhook.Attempt{At: began, Status: 413, Error: "no"}, time.Hour, 0.5)
	}
	if d.State != webhook.Dead || q.NextTry != began+int64(time.Hour) {
		t.Errorf("a delivery is %s, the next is tried after %s", d.State, time.Duration(q.NextTry-began))
	}
}

// TestDeadLetter goes through the time of a delivery that nobody takes: it is tried more and
// more seldom, the circuit opens, and after just GiveUpAfter it is given up.
func TestDeadLetter(t *testing.T) {
	for _, chance := range []float64{0, 0.5, 1} {
		for _, after := range []time.Duration{0, 5 * time.Hour} {
			var q webhook.Queue
			began := int64(1_700_000_000_000_000_000)
			d := q.Add("id", "e", event, began)
			second := q.Add("id2", "e", event, began)
			now, opened := began, false
			for d.State == webhook.Waiting {
				if now-began > int64(webhook.GiveUpAfter) {
					t.Fatalf("it waits after %v", time.Duration(now-began))
				}
				q.Note(d, webhook.Attempt{At: now, Error: "status 500"}, after, chance)
				opened = opened || q.Open()
				if d.State == webhook.Waiting && q.NextTry <= now {
					t.Fatal("it is tried again at once")
				}
				now = q.NextTry
			}
			if d.State != webhook.Dead || d.Ended-began != int64(webhook.GiveUpAfter) || q.Dead != 1 || q.First != second.Number {
				t.Errorf("chance %v: %s after %v, %+v", chance, d.State, time.Duration(d.Ended-began), q)
			}
			if least, most := 5, 25; d.Tries < least || d.Tries > most || len(d.Attempts) > webhook.AttemptsMax || after == 0 && !opened {
				t.Errorf("chance %v: %d tries, open %v", chance, d.Tries, opened)
			}
		}
	}
}

// TestDeadLettersBehind has many deliveries wait for an endpoint that never answers: each is
// tried once at least, and given up when its time is over, not long after.
func TestDeadLettersBehind(t *testing.T) {
	for _, between := range []time.Duration{0, time.Second, 10 * time.Minute} {
		var q webhook.Queue
		began := int64(1_700_000_000_000_000_000)
		var all []*webhook.Delivery
		for i := range webhook.WaitingMax {
			all = append(all, q.Add("id", "e", event, began+int64(i)*int64(between)))
		}
		now := began + int64(len(all))*int64(between)
		const took = 15 * time.Second
		for q.Waits() > 0 {
			d := all[q.First-1]
			now = max(now, q.Due(d))
			q.Note(d, webhook.Attempt{At: now, Error: "no answer"}, 0, 0.5)
			now += int64(took)
		}
		for i, d := range all {
			late := time.Duration(d.Ended-d.Created) - webhook.GiveUpAfter
			if d.State != webhook.Dead || d.Tries == 0 || late < 0 || late > took*webhook.WaitingMax {
				t.Fatalf("one every %v, %d: %s after %d tries, %v too late", between, i, d.State, d.Tries, late)
			}
		}
	}
}

// TestMail: a message arrives at a server.
func TestMail(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	got := make(chan string, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		say := func(text string) { _, _ = conn.Write([]byte(text + "\r\n")) }
		say("220 hello")
		var all strings.Builder
		data := false
		for in := bufio.NewScanner(conn); in.Scan(); {
			line := in.Text()
			all.WriteString(line + "\n")
			switch {
			case data && line != ".":
			case data:
				data = false
				say("250 taken")
			case line == "DATA":
				data = true
				say("354 go on")
			case line == "QUIT":
				say("221 bye")
				got <- all.String()
				return
			default:
				say("250 ok")
			}
		}
	}()
	s := &webhook.Sender{Client: outward.NewSender(outward.Public), Mail: webhook.Mail{Server: listener.Addr().String(), From: "Stere <s@example.com>"}}
	e := &webhook.Endpoint{ID: "m", URL: "mailto:a@example.com,b@example.com", Template: webhook.Email}
	if err := errors.Join(e.Check(), s.Mail.Check(), s.CheckURL(e.URL)); err != nil {
		t.Fatal(err)
	}
	odd := event
	odd.Title = "evil\r\nBcc: x@example.com"
	if r := s.Send(t.Context(), e, &webhook.Delivery{ID: "msg_1", Event: odd}, time.Unix(5, 0)); r.Error != "" {
		t.Fatal(r.Error)
	}
	text := <-got
	for _, part := range []string{"RCPT TO:<a@example.com>", "RCPT TO:<b@example.com>", "Subject: FIRING [critical] evil  Bcc: x@example.com\n", "Message-ID: <msg_1@stere>"} {
		if !strings.Contains(text, part) {
			t.Errorf("no %q in %s", part, text)
		}
	}
}

// TestEndpointFaults are named.
func TestEndpointFaults(t *testing.T) {
	good := webhook.Endpoint{ID: "a", URL: "https://a.example/", Template: webhook.Generic}
	if err := good.Check(); err != nil {
		t.Error(err)
	}
	for says, change := range map[string]func(e *webhook.Endpoint){
		"webhookId": func(e *webhook.Endpoint) { e.ID = "A" }, "url": func(e *webhook.Endpoint) { e.URL = "" }, "template: \"x\"": func(e *webhook.Endpoint) { e.Template = "x" },
		"e-mail goes to": func(e *webhook.Endpoint) { e.URL = "mailto:a@b.c" }, "key: is missing": func(e *webhook.Endpoint) { e.Template = webhook.PagerDuty },
		"events[0]: \"x\"": func(e *webhook.Endpoint) { e.Events = []string{"x"} }, "severity": func(e *webhook.Endpoint) { e.Severity = "x" },
		"secret: 5 bytes": func(e *webhook.Endpoint) { e.Secrets = []webhook.Secret{{Text: "short"}} },
	} {
		bad := good
		change(&bad)
		if err := bad.Check(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %q", err, says)
		}
	}
}
