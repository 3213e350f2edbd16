package webhook_test

import (
	"bufio"
	"crypto/tls"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/internal/outward"
	"github.com/stere-log/stere/webhook"
)

// mailServer takes one mail from a user who logs in as it wants; what was said to it comes
// from the channel, passwords in plain words.
func mailServer(t *testing.T, ways string, encrypted bool) (address string, got <-chan string) {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	said := make(chan string, 1)
	go func() {
		conn, err := listener.Accept()
		if err != nil {
			return
		}
		defer conn.Close()
		if encrypted {
			any := httptest.NewTLSServer(http.NotFoundHandler())
			defer any.Close()
			conn = tls.Server(conn, &tls.Config{Certificates: any.TLS.Certificates})
		}
		var all strings.Builder
		say := func(text string) { fmt.Fprint(conn, text+"\r\n") }
		in := bufio.NewScanner(conn)
		read := func() bool {
			more := in.Scan()
			line := in.Text()
			for _, word := range strings.Fields(line) {
				if plain, err := base64.StdEncoding.DecodeString(word); err == nil {
					line += " (" + strings.ReplaceAll(string(plain), "\x00", "/") + ")"
				}
			}
			all.WriteString(line + "\n")
			return more
		}
		say("220 hello")
		for data := false; read(); {
			switch line := in.Text(); {
			case data && line != ".":
			case strings.Contains(line, "<nobody@"):
				say("550 5.1.1 there is nobody")
			case strings.Contains(line, "<busy@"):
				say("450 4.2.2 later")
			case strings.HasSuffix(line, "LO nobody.example"):
				say("554 5.7.1 go away")
			case strings.HasPrefix(line, "EHLO"):
				say("250-hello\r\n250 AUTH " + ways)
			case line == "AUTH LOGIN":
				for _, question := range []string{"VXNlcm5hbWU6", "UGFzc3dvcmQ6"} {
					say("334 " + question)
					read()
				}
				say("235 welcome")
			case strings.HasPrefix(line, "AUTH PLAIN"):
				say("235 welcome")
			case line == "DATA":
				data = true
				say("354 go on")
			case line == ".":
				data = false
				say("250 taken")
				said <- all.String()
				return // it ends without a farewell: the mail was taken all the same
			default:
				say("250 ok")
			}
		}
		said <- all.String()
	}()
	return listener.Addr().String(), said
}

// TestMailLogsIn: who sends e-mail logs in in the way that the server offers, and sends
// nothing to a server that offers none, or whose certificate nobody knows.
func TestMailLogsIn(t *testing.T) {
	e := &webhook.Endpoint{ID: "m", URL: "mailto:a@example.com", Template: webhook.Email}
	for _, c := range []struct {
		ways, prefix string
		want, says   string
	}{
		{ways: "PLAIN LOGIN", want: "(/user/word)"},
		{ways: "NTLM LOGIN", want: "(user)\nd29yZA== (word)"},
		{ways: "NTLM", says: `log in as user: it offers "NTLM", want PLAIN or LOGIN`},
		{ways: "PLAIN", prefix: "smtps://", says: "certificate"},
	} {
		address, got := mailServer(t, c.ways, c.prefix != "")
		s := &webhook.Sender{Client: outward.NewSender(outward.Public), Mail: webhook.Mail{Server: c.prefix + address, From: "Störe <s@example.com>", User: "user", Password: "word"}}
		if err := s.Mail.Check(); err != nil {
			t.Fatal(err)
		}
		r := s.Send(t.Context(), e, &webhook.Delivery{ID: "msg_1", Event: event}, time.Unix(5, 0))
		if (r.Error == "") != (c.says == "") || !strings.Contains(r.Error, c.says) {
			t.Errorf("%s%s: %q, want %q", c.prefix, c.ways, r.Error, c.says)
		}
		text := <-got
		if !strings.Contains(text, c.want) || strings.Contains(text, "word") != (c.says == "") {
			t.Errorf("%s%s: %s", c.prefix, c.ways, text)
		}
		if c.says == "" && !strings.Contains(text, "From: =?utf-8?q?St=C3=B6re?= <s@example.com>\n") {
			t.Errorf("the sender is not encoded: %s", text)
		}
	}
}

// TestMailIsOneMail: whatever logs say, and however an address is written, a mail has the
// headers that it is to have.
func TestMailIsOneMail(t *testing.T) {
	address, got := mailServer(t, "PLAIN", false)
	s := &webhook.Sender{Client: outward.NewSender(outward.Public), Mail: webhook.Mail{Server: address, From: "s@example.com", User: "user", Password: "word"}}
	e := &webhook.Endpoint{ID: "m", URL: `mailto:"a, b"@example.com`, Template: webhook.Email}
	bad := event
	bad.Title = "down\r\nBcc: c@example.com\r\n\r\n.\r\nQUIT\r\n" + strings.Repeat("\u9053", 300)
	bad.Text = "text\r\n.\r\nMAIL FROM:<d@example.com>\r\n"
	if r := s.Send(t.Context(), e, &webhook.Delivery{ID: "msg_1", Event: bad}, time.Unix(5, 0)); r.Error != "" {
		t.Fatal(r.Error)
	}
	said, head, _ := strings.Cut(<-got, "\nFrom: ")
	if !strings.Contains(said, "\nRCPT TO:<\"a, b\"@example.com>") || strings.Count(said, "RCPT") != 1 {
		t.Errorf("said %s", said)
	}
	head, _, _ = strings.Cut("From: "+head, "\n\n")
	var names []string
	for line := range strings.SplitSeq(head, "\n") {
		name, value, _ := strings.Cut(line, ": ")
		if names = append(names, name); len(line) > 998 {
			t.Errorf("%s has %d bytes", name, len(line))
		}
		if name == "To" && value != `<"a, b"@example.com>` {
			t.Errorf("to %s", value)
		}
	}
	if want := "From To Subject Date Message-ID Auto-Submitted MIME-Version Content-Type Content-Transfer-Encoding"; strings.Join(names, " ") != want {
		t.Errorf("headers %v, want %s", names, want)
	}
}

// TestMailToSeveral: who is not known to the server keeps a mail from nobody else; it is sent
// again where somebody may have it later, for a while, and fails where nobody has it. A server is
// told our name, not that of its own machine.
func TestMailToSeveral(t *testing.T) {
	refused, busy := `mail to nobody@example.com: 550 "5.1.1 there is nobody"`, `mail to busy@example.com: 450 "4.2.2 later"`
	for _, c := range []struct {
		to        string
		tries     int // before
		err, note string
	}{
		{to: "a@example.com,nobody@example.com,b@example.com", note: refused},
		{to: "a@example.com,busy@example.com", err: busy},
		{to: "a@example.com,busy@example.com", tries: webhook.OpenAfter - 1, err: busy},
		{to: "a@example.com,busy@example.com,b@example.com", tries: webhook.OpenAfter, note: busy},
		{to: "busy@example.com", tries: webhook.OpenAfter, err: busy},
		{to: "nobody@example.com", err: refused},
	} {
		address, got := mailServer(t, "PLAIN", false)
		s := &webhook.Sender{Client: outward.NewSender(outward.Public), Mail: webhook.Mail{Server: address, From: "Stere <\"s@home\"@logs.example.com>"}}
		r := s.Send(t.Context(), &webhook.Endpoint{ID: "m", URL: "mailto:" + c.to, Template: webhook.Email}, &webhook.Delivery{ID: "msg_1", Event: event, Tries: c.tries}, time.Unix(5, 0))
		said := <-got
		if r.Error != c.err || r.Note != c.note || strings.Contains(said, "\nDATA ") != (c.err == "") || !strings.HasPrefix(said, "EHLO logs.example.com ") {
			t.Errorf("%s: %+v after %s", c.to, r, said)
		}
	}
}

// TestMailHangsUp: a server that does not want us keeps no connection of ours.
func TestMailHangsUp(t *testing.T) {
	address, got := mailServer(t, "PLAIN", false)
	s := &webhook.Sender{Client: outward.NewSender(outward.Public), Mail: webhook.Mail{Server: address, From: "s@nobody.example"}}
	r := s.Send(t.Context(), &webhook.Endpoint{ID: "m", URL: "mailto:a@example.com", Template: webhook.Email}, &webhook.Delivery{ID: "msg_1", Event: event}, time.Unix(5, 0))
	if want := `mail server: 554 "5.7.1 go away"`; r.Error != want {
		t.Errorf("%q, want %q", r.Error, want)
	}
	select {
	case <-got:
	case <-time.After(30 * time.Second):
		t.Error("the connection is open")
	}
}

// TestRedirectIsTold: of where a receiver points to only the host is told, as of its own
// URL: the rest may be a secret.
func TestRedirectIsTold(t *testing.T) {
	for to, says := range map[string]string{"https://new.example/secret": "redirects to https://new.example, ", "/secret": "redirects to another place, "} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Location", to)
			w.WriteHeader(http.StatusPermanentRedirect)
		}))
		s := &webhook.Sender{Client: outward.NewSender(outward.Loopback)}
		r := s.Send(t.Context(), &webhook.Endpoint{URL: server.URL, Template: webhook.Generic}, &webhook.Delivery{ID: "msg_1", Event: event}, time.Unix(5, 0))
		server.Close()
		if !strings.Contains(r.Error, says) || strings.Contains(r.Error, "secret") || r.Status != http.StatusPermanentRedirect {
			t.Errorf("%s: %+v", to, r)
		}
	}
}

// TestRetryAfter: a receiver is left alone for as long as it says, in seconds or by time,
// and for six hours at most.
func TestRetryAfter(t *testing.T) {
	now := time.Unix(1_790_000_000, 0)
	for header, want := range map[string]time.Duration{
		"7": 7 * time.Second, "-7": 0, "soon": 0, "999999": 6 * time.Hour,
		now.Add(time.Minute).UTC().Format(http.TimeFormat): time.Minute, now.Add(-time.Minute).UTC().Format(http.TimeFormat): 0, now.Add(time.Hour * 99).UTC().Format(http.TimeFormat): 6 * time.Hour,
	} {
		server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", header)
			w.WriteHeader(http.StatusTooManyRequests)
		}))
		s := &webhook.Sender{Client: outward.NewSender(outward.Loopback)}
		r := s.Send(t.Context(), &webhook.Endpoint{URL: server.URL, Template: webhook.Generic}, &webhook.Delivery{ID: "msg_1", Event: event}, now)
		server.Close()
		if r.After != want || r.Status != http.StatusTooManyRequests {
			t.Errorf("%s: %v, %+v, want %v", header, r.After, r, want)
		}
	}
}
