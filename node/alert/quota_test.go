package alert

import (
	"bufio"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/model/access"
	"github.com/stere-log/stere/triage"
	"github.com/stere-log/stere/webhook"
)

// mailbox is a mail server that takes everything.
type mailbox struct {
	net.Listener
	mails chan string
}

func newMailbox(t *testing.T) *mailbox {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	m := &mailbox{listener, make(chan string, 16)}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			conn, err := listener.Accept()
			if err != nil {
				return
			}
			m.take(conn)
		}
	}()
	return m
}

func (m *mailbox) take(conn net.Conn) {
	defer conn.Close()
	fmt.Fprint(conn, "220 hello\r\n")
	var all, body strings.Builder
	data, text := false, false
	for in := bufio.NewScanner(conn); in.Scan(); {
		line := in.Text()
		all.WriteString(line + "\n")
		text = data && line != "." && (text || line == "")
		if text {
			body.WriteString(line)
		}
		switch {
		case line == "DATA":
			data = true
			fmt.Fprint(conn, "354 go on\r\n")
		case line == "QUIT":
			plain, _ := base64.StdEncoding.DecodeString(body.String())
			m.mails <- all.String() + string(plain) // before who sent it goes on
			fmt.Fprint(conn, "221 bye\r\n")
			return
		case !data || line == ".":
			data = false
			fmt.Fprint(conn, "250 ok\r\n")
		}
	}
}

// agree writes what is agreed with a tenant.
func agree(t *testing.T, a *agreement, account access.Account) {
	t.Helper()
	if _, err := a.propose(t.Context(), catalogue.PutAccount{Account: account, If: a.newest().Accounts[account.ID].Version}); err != nil {
		t.Fatal(err)
	}
}

// TestQuotas: the contact of a tenant is told by e-mail when a quota is nearly used up and
// when it is, each once, and that it is over; tenants that are far from their limits write
// nothing into the catalogue.
func TestQuotas(t *testing.T) {
	a, c, box := newAgreement(t), &clock{now: time.Unix(1_790_000_040, 0)}, newMailbox(t)
	agree(t, a, access.Account{ID: tenant, Plan: access.Basic, Status: access.Active, Contact: "ops@shop.example"})
	agree(t, a, access.Account{ID: "calm", Plan: access.Basic, Status: access.Active, Contact: "ops@calm.example"})
	w := newWatcher(a, c, a.newest)
	w.Mail = webhook.Mail{Server: box.Addr().String(), From: "stere@example.com"}
	w.Sender.Mail = w.Mail
	var used int64
	w.Finder.Quotas = func(of model.TenantID) []Quota {
		if of != tenant {
			return []Quota{{"maxLogsPerDay", 79, 100}, {"maxBytesPerDay", 5, 0}}
		}
		return []Quota{{"maxLogsPerDay", used, 10_000}, {"maxStorageBytes", 10, 1000}}
	}
	over := slices.Repeat([]int64{3}, 62) // minutes: it is over when it has been for an hour
	for _, used = range append([]int64{7_999, 8_000, 9_000, 10_000, 10_000}, over...) {
		c.add(time.Minute)
		w.round(t.Context())
		for i := 0; i < 2; i++ { // of two deliveries each is written down before the next
			w.deliver(t.Context())
			w.sending.Wait()
		}
	}
	want := []string{
		"FIRING [medium] A quota is nearly used up|quota=maxLogsPerDay|8000 of 10000 are used, 80 %", "FIRING [high] A quota is used up|10000 of 10000",
		"RESOLVED [medium]", "RESOLVED [high]",
	}
	for _, parts := range want {
		select {
		case mail := <-box.mails:
			for part := range strings.SplitSeq("RCPT TO:<ops@shop.example>|"+parts, "|") {
				if !strings.Contains(mail, part) {
					t.Errorf("no %q in %s", part, mail)
				}
			}
		default:
			t.Fatalf("nobody was told of %q", parts)
		}
	}
	if len(box.mails) > 0 {
		t.Errorf("and also of %s", <-box.mails)
	}
	state := a.newest()
	if n := len(state.DocumentIDs(kindAlerts, "calm")); n != 0 {
		t.Errorf("%d documents of a tenant of which there is nothing to tell", n)
	}
	if ids := state.DocumentIDs(kindAlerts, tenant); len(ids) != 2 {
		t.Errorf("only rules on quotas are for who has no webhook, not %v", ids)
	}
}

// TestSwitchedOff: what is to be told waits while webhooks are switched off, for everybody
// or in what is agreed, and comes when they are on again. Services are not looked at.
func TestSwitchedOff(t *testing.T) {
	var mu sync.Mutex
	var asked []string
	server := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		mu.Lock()
		defer mu.Unlock()
		asked = append(asked, r.URL.Path)
	}))
	defer server.Close()
	a, c := newAgreement(t), &clock{now: time.Unix(1_790_000_040, 0)}
	prepare(t, a, server.URL+"/hook")
	w := newWatcher(a, c, a.newest)
	if _, err := (Desk{w, a.propose}).PutService(t.Context(), tenant, triage.Registered{Name: "pay", URL: server.URL, Health: "/service"}); err != nil {
		t.Fatal(err)
	}
	mu.Lock()
	asked = nil // it is looked at when it is registered
	mu.Unlock()
	on, off := true, false
	look := func(what string, want bool) {
		t.Helper()
		for minute := 0; minute < 7; minute++ { // something is found within seven minutes
			c.add(time.Minute)
			w.round(t.Context())
		}
		w.deliver(t.Context())
		w.lookAtServices(t.Context())
		w.sending.Wait()
		mu.Lock()
		defer mu.Unlock()
		got := strings.Join(asked, " ")
		if strings.Contains(got, "/hook") != want || strings.Contains(got, "/service") != want {
			t.Errorf("%s: asked %s", what, got)
		}
		asked = nil
	}
	w.NoWebhooks, w.NoServices = true, true
	look("switched off by the operator", false)
	w.NoWebhooks, w.NoServices = false, false
	account := access.Account{ID: tenant, Plan: access.Standard, Status: access.Active, Terms: access.Terms{Webhooks: &off, Integrations: &off}}
	agree(t, a, account)
	look("not agreed", false)
	account.Terms = access.Terms{Webhooks: &on, Integrations: &on}
	agree(t, a, account)
	look("on", true)
}

// TestAgreedThreshold: the rule on critical errors has the threshold of the tenant's terms.
func TestAgreedThreshold(t *testing.T) {
	a, c := newAgreement(t), &clock{now: time.Unix(1_790_000_040, 0)}
	agree(t, a, access.Account{ID: tenant, Plan: access.Premium, Status: access.Active})
	desk := Desk{newWatcher(a, c, a.newest), a.propose}
	for of, want := range map[model.TenantID]float64{tenant: 5, "nobody": 10} {
		if r, err := desk.Rule(of, triage.CriticalErrors); err != nil || *r.When.AtLeast != want {
			t.Errorf("%s: at least %v, %v, want %v", of, *r.When.AtLeast, err, want)
		}
	}
}
