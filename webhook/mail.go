package webhook

import (
	"context"
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"mime"
	"net"
	"net/mail"
	"net/smtp"
	"net/textproto"
	"slices"
	"strings"
	"time"
)

const (
	smtps     = "smtps://" // before the address of a server that speaks TLS from the beginning
	portSMTPS = "465"      // where servers do that without being asked
)

// Mail is how e-mail is sent; without a server none is.
type Mail struct {
	Server   string // host:port, perhaps with smtps:// in front
	From     string
	User     string
	Password string
}

// Check reports what is wrong with it.
func (m Mail) Check() error {
	if m.Server == "" {
		return nil
	}
	_, _, err := m.address()
	if err == nil {
		_, err = mail.ParseAddress(m.From)
	}
	if err != nil {
		return fmt.Errorf("mail server %q with sender %q: %w", m.Server, m.From, err)
	}
	return nil
}

// address returns the host of the server, and whether it speaks TLS from the beginning.
func (m Mail) address() (host string, encrypted bool, err error) {
	server, encrypted := strings.CutPrefix(m.Server, smtps)
	host, port, err := net.SplitHostPort(server)
	return host, encrypted || port == portSMTPS, err
}

// mailbox is an address as SMTP has it, what is in front of the @ in quotes if it needs them.
func mailbox(of *mail.Address) string {
	return strings.TrimSuffix(strings.TrimPrefix((&mail.Address{Address: of.Address}).String(), "<"), ">")
}

// message is an event as e-mail.
func (s *Sender) message(from *mail.Address, to []string, d *Delivery, now time.Time) []byte {
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\r\n", args...) }
	line("From: %s", from)
	line("To: <%s>", strings.Join(to, ">, <"))
	line("Subject: %s", mime.QEncoding.Encode("utf-8", shortened(printable(Subject(&d.Event)), 200)))
	line("Date: %s", now.UTC().Format(time.RFC1123Z))
	line("Message-ID: <%s@stere>", d.ID)
	line("Auto-Submitted: auto-generated")
	line("MIME-Version: 1.0")
	line("Content-Type: text/plain; charset=utf-8")
	line("Content-Transfer-Encoding: base64")
	line("")
	var text []string
	if d.Event.Text != "" {
		text = append(text, d.Event.Text, "")
	}
	text = append(text, Lines(&d.Event)...)
	for _, fact := range facts(&d.Event) {
		text = append(text, "", fact[0]+": "+fact[1])
	}
	encoded := base64.StdEncoding.EncodeToString([]byte(strings.Join(text, "\r\n")))
	for len(encoded) > 76 {
		line("%s", encoded[:76])
		encoded = encoded[76:]
	}
	line("%s", encoded)
	return []byte(b.String())
}

// mail sends a delivery as e-mail. The server is the operator's, and may be anywhere. Refused
// is why some of the recipients do not have it.
func (s *Sender) mail(ctx context.Context, e *Endpoint, d *Delivery, now time.Time) (refused, err error) {
	if s.Mail.Server == "" {
		return nil, errors.New("this node sends no e-mail: its operator sets mail-server and mail-from")
	}
	list, err := mail.ParseAddressList(strings.TrimPrefix(e.URL, "mailto:"))
	if err != nil {
		return nil, fmt.Errorf("address: %w", err)
	}
	var to []string
	for _, one := range list {
		to = append(to, mailbox(one))
	}
	from, err := mail.ParseAddress(s.Mail.From)
	if err != nil {
		return nil, fmt.Errorf("sender: %w", err)
	}
	c, err := s.Mail.connect(ctx, from.Address[strings.LastIndexByte(from.Address, '@')+1:])
	if err != nil {
		return nil, fmt.Errorf("mail server: %w", err)
	}
	defer c.Close()
	if err := c.Mail(mailbox(from)); err != nil {
		return nil, fmt.Errorf("mail server: %w", err)
	}
	if refused, err = recipients(c, to, d.Tries < OpenAfter); err != nil {
		return nil, err
	}
	if err := say(c, s.message(from, to, d, now)); err != nil {
		return nil, fmt.Errorf("mail server: %w", err)
	}
	_ = c.Quit() // it was taken: what comes after is no reason to send it again
	return refused, nil
}

// say sends a message to the recipients that were named.
func say(c *smtp.Client, message []byte) error {
	w, err := c.Data()
	if err != nil {
		return err
	}
	if _, err := w.Write(message); err != nil {
		return err
	}
	return w.Close()
}

// recipients names who is to have the mail. Those whom the server does not take for good are no
// reason to keep it from the others, nor are those that it does not take now if the others have
// waited for them: who asks a stranger to come again takes him within minutes, and a mailbox
// that is full may be so for days.
func recipients(c *smtp.Client, to []string, waits bool) (refused, err error) {
	var faults []error
	later := false // it may take one that it does not take now
	for _, one := range to {
		err := c.Rcpt(one)
		if err == nil {
			continue
		}
		err = fmt.Errorf("mail to %s: %w", one, err)
		var answer *textproto.Error
		if !errors.As(err, &answer) {
			return nil, err
		}
		if later = later || answer.Code < 500; later && waits {
			return nil, err
		}
		faults = append(faults, err)
	}
	refused = errors.Join(faults...)
	if len(faults) == len(to) {
		return nil, refused
	}
	return refused, nil
}

// connect returns a connection to the server, encrypted if the server can, and logged in
// if there is a user. Name is how we call ourselves: many servers hang up on a "localhost".
func (m Mail) connect(ctx context.Context, name string) (*smtp.Client, error) {
	host, encrypted, err := m.address()
	if err != nil {
		return nil, err
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", strings.TrimPrefix(m.Server, smtps))
	if err != nil {
		return nil, err
	}
	deadline, _ := ctx.Deadline()
	if err := conn.SetDeadline(deadline); err != nil {
		return nil, errors.Join(err, conn.Close())
	}
	secure := &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12}
	if encrypted {
		conn = tls.Client(conn, secure)
	}
	c, err := smtp.NewClient(conn, host) // which closes the connection if it fails
	if err != nil {
		return nil, err
	}
	if err := c.Hello(name); err != nil {
		return nil, errors.Join(err, c.Close())
	}
	if offered, _ := c.Extension("STARTTLS"); offered && !encrypted {
		if err := c.StartTLS(secure); err != nil {
			return nil, errors.Join(err, c.Close())
		}
	}
	if m.User == "" {
		return c, nil
	}
	auth, err := m.auth(c, host)
	if err == nil {
		err = c.Auth(auth)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("log in as %s: %w", m.User, err), c.Close())
	}
	return c, nil
}

// auth chooses among the ways to log in that the server offers.
func (m Mail) auth(c *smtp.Client, host string) (smtp.Auth, error) {
	_, offered := c.Extension("AUTH")
	switch ways := strings.Fields(strings.ToUpper(offered)); {
	case slices.Contains(ways, "PLAIN"):
		return smtp.PlainAuth("", m.User, m.Password, host), nil
	case slices.Contains(ways, "LOGIN"):
		return &loginAuth{Mail: m, host: host}, nil
	}
	return nil, fmt.Errorf("it offers %q, want PLAIN or LOGIN", offered)
}

// loginAuth logs in as servers want it that do not know PLAIN.
type loginAuth struct {
	Mail
	host string
	said int
}

// Start implements smtp.Auth. As with PLAIN nothing is said without encryption, but to
// this machine.
func (a *loginAuth) Start(server *smtp.ServerInfo) (string, []byte, error) {
	local := slices.Contains([]string{"localhost", "127.0.0.1", "::1"}, server.Name)
	switch {
	case !server.TLS && !local:
		return "", nil, errors.New("the connection is not encrypted")
	case server.Name != a.host:
		return "", nil, errors.New("it is another host")
	}
	return "LOGIN", nil, nil
}

// Next implements smtp.Auth: the server asks for the user, then for the password.
func (a *loginAuth) Next(_ []byte, more bool) ([]byte, error) {
	if !more {
		return nil, nil
	}
	a.said++
	switch a.said {
	case 1:
		return []byte(a.User), nil
	case 2:
		return []byte(a.Password), nil
	}
	return nil, errors.New("it asks for more than user and password")
}
