package labelled

import (
	"fmt"
	"math/rand/v2"
	"strings"

	"github.com/stere-log/stere/redact"
)

// Span is a part of a line that is a secret.
type Span struct {
	Detector   redact.Detector
	Start, End int
}

// Line is a line and what is to be found in it, in order.
type Line struct {
	Text  string
	Spans []Span
}

// Kinds returns the detectors whose findings lines have.
func Kinds() []redact.Detector {
	kinds := make([]redact.Detector, 0, len(redact.BuiltIn()))
	for d := redact.PrivateKey; d < redact.FieldName; d++ {
		kinds = append(kinds, d)
	}
	return kinds
}

// Make returns n lines made from a seed: half of them with a secret, each kind
// as often, half of them without.
func Make(seed uint64, n int) []Line {
	m := &maker{rand.New(rand.NewPCG(seed, 0x5ec2e7))}
	kinds := Kinds()
	lines := make([]Line, n)
	for i := range lines {
		if i%2 == 0 {
			lines[i] = m.positive(kinds[i/2%len(kinds)])
		} else {
			lines[i] = Line{Text: m.negative()}
		}
	}
	return lines
}

// maker makes values and lines by chance.
type maker struct{ *rand.Rand }

const (
	digits  = "0123456789"
	capital = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
	small   = "abcdefghijklmnopqrstuvwxyz"
	hexes   = "0123456789abcdef"
	alnum   = digits + capital + small
	url64   = alnum + "-_"
	base64s = alnum + "+/"
)

func pick[T any](m *maker, of ...T) T { return of[m.IntN(len(of))] }

// text returns n characters of an alphabet.
func (m *maker) text(alphabet string, n int) string {
	out := make([]byte, n)
	for i := range out {
		out[i] = alphabet[m.IntN(len(alphabet))]
	}
	return string(out)
}

// mixed is text that has a digit, a capital and a small letter, as nearly all
// keys have.
func (m *maker) mixed(alphabet string, n int) string {
	for {
		if out := m.text(alphabet, n); strings.ContainsAny(out, digits) && strings.ContainsAny(out, small) && strings.ContainsAny(out, capital) {
			return out
		}
	}
}

func (m *maker) uuid() string {
	return m.text(hexes, 8) + "-" + m.text(hexes, 4) + "-4" + m.text(hexes, 3) + "-" + pick(m, "8", "9", "a", "b") + m.text(hexes, 3) + "-" + m.text(hexes, 12)
}

// line joins parts; a part after a NUL is the secret.
func line(d redact.Detector, parts ...string) Line {
	var out Line
	var b strings.Builder
	for _, part := range parts {
		if secret, ok := strings.CutPrefix(part, "\x00"); ok {
			out.Spans = append(out.Spans, Span{d, b.Len(), b.Len() + len(secret)})
			part = secret
		}
		b.WriteString(part)
	}
	out.Text = b.String()
	return out
}

// secret marks a part as the secret.
func secret(text string) string { return "\x00" + text }

// around puts a secret that is known by its own form into a line.
func (m *maker) around(d redact.Detector, value string) Line {
	v := secret(value)
	switch m.IntN(12) {
	case 0:
		return line(d, v)
	case 1:
		return line(d, m.clock()+" INFO handler: got ", v, " from client")
	case 2:
		return line(d, `{"level":"info","msg":"request","value":"`, v, `","status":200}`)
	case 3:
		return line(d, "retry 3/5 failed for (", v, ")")
	case 4:
		return line(d, "GET /v1/items?id="+m.text(digits, 5)+"&q=", v, "&page=2 HTTP/1.1")
	case 5:
		return line(d, "env: HOME=/root X=", v, " LANG=C")
	case 6:
		return line(d, "error: unexpected value '", v, "' at line "+m.text(digits, 2))
	case 7:
		return line(d, m.uuid()+" ", v)
	case 8:
		return line(d, `payload={\"v\":\"`, v, `\",\"n\":1}`)
	case 9:
		return line(d, "user said: ", v, ", please check")
	case 10:
		return line(d, "args=[", v, "] took "+m.text(digits, 3)+"ms")
	}
	return line(d, "multi\nline "+m.words(3)+"\n", v, "\nend")
}

func (m *maker) clock() string {
	return fmt.Sprintf("2026-%02d-%02dT%02d:%02d:%02d.%03dZ", 1+m.IntN(12), 1+m.IntN(28), m.IntN(24), m.IntN(60), m.IntN(60), m.IntN(1000))
}

func (m *maker) words(n int) string {
	out := make([]string, n)
	for i := range out {
		out[i] = pick(m, "connection", "reset", "by", "peer", "while", "reading", "response", "from", "upstream", "worker", "pool", "exhausted", "retrying", "in", "the", "scheduler", "key", "token",
			"password", "secret", "card", "order", "session", "expired", "for", "user", "admin", "authentication", "failed", "accepted", "publickey", "request", "queue", "cache", "miss")
	}
	return strings.Join(out, " ")
}
