package pipeline

import (
	"slices"
	"strings"
	"testing"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/redact"
)

// redacting returns a Parser that redacts.
func redacting(t testing.TB, cfg redact.Config) *Parser {
	t.Helper()
	r, err := redact.New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return New(Config{Redact: r})
}

func TestRedact(t *testing.T) {
	for _, c := range []struct{ text, want string }{
		{`{"message":"password=hunter2"}`, `receipt | message s "password=[redacted:password]"`},
		{`{"message":"plain","pan":4111111111111111,"m":1}`, `receipt | message s "plain" | pan s "[redacted:card:*1111]" | m n "1"`},
		{`{"metadata":{"password":"x1","token":7,"ok":true,"z":null}}`, `receipt | metadata.password s "[redacted:password]" | metadata.token n "7" | metadata.ok b "true" | metadata.z 0 ""`},
		{`{"list":["a",{"password":"x1"}],"e":{}}`, `receipt | list j "[\"a\",{\"password\":\"[redacted:password]\"}]" | e j "{}"`},
		{`{"level":"pwd=x1","timestamp":"pwd=x1"}`, `receipt | level s "pwd=[redacted:password]" | _original.timestamp s "pwd=[redacted:password]"`},
		{`{"level":"INFO","severity":"pwd=x1"}`, `receipt | level s "info" | _original.level s "INFO" | _original.severity s "pwd=[redacted:password]"`},
		{`{"a\u0040":1,"AKIA` + `QWERTYUIOP234567":{"y":1},"AKIA` + `QWERTYUIOP765432":{"y":2}}`, `receipt | a@ n "1" | [redacted:aws-key].y n "1" | [redacted:aws-key].y~2 n "2"`},
		{`{"p\u0061ssword":"x\u0031"}`, `receipt | password s "[redacted:password]"`},
		// What is clean under one name is not under another.
		{`{"a":"only lower case and spaces","password":"only lower case and spaces"}`, `receipt | a s "only lower case and spaces" | password s "[redacted:password]"`},
		{`{"a":"4111111111111111 more than twenty","b":"4111111111111112 more than twenty","a2":"4111111111111111 more than twenty"}`, `receipt | a s "[redacted:card:*1111] more than twenty" | b s "4111111111111112 more than twenty" | a2 s "[redacted:card:*1111] more than twenty"`},
		{`{"gone":"x","message":"m"}`, `receipt | message s "m"`},
		{`{"gone":"x"}`, `receipt | gone s ""`},
		{`{"gone":["x"],"gone2":1}`, `receipt | gone2 n "1"`},
		{`{"kept":{"password":"hunter2"}}`, `receipt | kept.password s "hunter2"`},
	} {
		p := redacting(t, redact.Config{Fields: []redact.FieldRule{{Pattern: "gone", Action: redact.Remove}, {Pattern: "kept.*", Action: redact.Off}}})
		for range 3 { // names and clean values are known then
			p.Begin(receipt(), len(c.text))
			rec, _, fault := p.Parse(c.text, 0)
			if fault != nil {
				t.Fatalf("%s: %v", c.text, fault)
			}
			if got := show(rec); got != c.want {
				t.Errorf("%s\n got %s\nwant %s", c.text, got, c.want)
			}
			if hit := strings.Contains(c.want, "redacted") || strings.Contains(c.text, "gone"); (p.Redactions() > 0) != hit {
				t.Errorf("%s: %d records redacted", c.text, p.Redactions())
			}
			p.End()
		}
	}
}

// TestSeenValues checks that values which look alike where they are hashed are told apart, and
// that what was seen of one input is not known of the next.
func TestSeenValues(t *testing.T) {
	p := redacting(t, redact.Config{})
	for range 2 {
		text := `{"a":"starting here, 4111111111111112, in the middle of it all, and an end of it"}`
		secret := strings.Replace(text, "4111111111111112", "4111111111111111", 1)
		p.Begin(receipt(), 2*len(text))
		for _, c := range []struct {
			text string
			hit  bool
		}{{text, false}, {text, false}, {secret, true}, {secret, true}, {text, false}} {
			before := p.Redactions()
			rec, _, fault := p.Parse(c.text, 0)
			if fault != nil || (p.Redactions() > before) != c.hit || strings.Contains(show(rec), "4111111111111111") {
				t.Errorf("%s: %s, %v", c.text, show(rec), fault)
			}
		}
		if p.hide.inSeen == 0 {
			t.Error("nothing was seen")
		}
		p.End()
		if slices.ContainsFunc(p.hide.seen, func(v cleanValue) bool { return v.text != "" }) {
			t.Error("values of an input are kept after its end")
		}
	}
}

// TestRedactEverywhereElse checks lines, fields that come with a record, what
// faults show, and the counts.
func TestRedactEverywhereElse(t *testing.T) {
	p := redacting(t, redact.Config{})
	p.Begin(receipt(), 0)
	rec, fault := p.Text("password=hunter2 ok")
	if fault != nil || rec.Fields[0].Text != "password=[redacted:password] ok" {
		t.Errorf("%+v, %v", rec, fault)
	}
	p.Extra = []model.Field{{Name: "_index", Kind: model.String, Text: "password=hunter2"}}
	if rec, _, fault = p.Parse(`{"message":"m"}`, 0); fault != nil || rec.Fields[1].Text != "password=[redacted:password]" {
		t.Errorf("%+v, %v", rec, fault)
	}
	for _, text := range []string{
		`{"password=hunter2 ` + strings.Repeat("x", 300) + `":1}`,
		`{"password=hunter2 ":` + strings.Repeat("[", 40) + strings.Repeat("]", 40) + `}`,
	} {
		if _, _, fault := p.Parse(text, 0); fault == nil || strings.Contains(fault.Error(), "hunter2") || !strings.Contains(fault.Error(), "[redacted:password]") {
			t.Errorf("%.60s: %v", text, fault)
		}
	}
	// A name that a marker makes longer is no reason to refuse a record.
	long := `{"` + strings.Repeat("n", 240) + ` pwd=y":1}`
	if _, _, fault := p.Parse(long, 0); fault != nil {
		t.Errorf("%.60s: %v", long, fault)
	}
	if p.Redactions() != 3 {
		t.Errorf("%d records redacted, want 3", p.Redactions())
	}
	r := p.cfg.Redact
	p.End()
	if r.Records() != 3 || r.Found(redact.Password) < 3 {
		t.Errorf("counted %d records and %d passwords", r.Records(), r.Found(redact.Password))
	}
}

// TestCleanValuesAreOfTheirInput checks that what is remembered as clean is not
// taken for clean when the memory has become something else.
func TestCleanValuesAreOfTheirInput(t *testing.T) {
	p := redacting(t, redact.Config{})
	body := []byte(`{"message":"ordinary=value1"}`)
	for _, text := range []string{`{"message":"ordinary=value1"}`, `{"message":"password=value1"}`} {
		copy(body, text)
		p.Begin(receipt(), len(body))
		rec, _, fault := p.Parse(unsafeString(body), 0)
		if fault != nil {
			t.Fatal(fault)
		}
		if got := rec.Fields[0].Text; strings.Contains(text, "password") != strings.Contains(got, "redacted") {
			t.Errorf("%s: %s", text, got)
		}
		p.End()
	}
}

// TestTokensAreOfTheirTenant checks that the tenant reaches the tokens.
func TestTokensAreOfTheirTenant(t *testing.T) {
	key := []byte("0123456789abcdef")
	p := redacting(t, redact.Config{Key: key, Actions: map[string]redact.Action{"password": redact.Hash}})
	for _, tenant := range []model.TenantID{"a", "b"} {
		p.Tenant = tenant
		p.Begin(receipt(), 0)
		rec, _ := p.Text("password=hunter2")
		if want := "password=[redacted:password:#" + p.cfg.Redact.Token(string(tenant), redact.Password, "hunter2") + "]"; rec.Fields[0].Text != want {
			t.Errorf("%s, want %s", rec.Fields[0].Text, want)
		}
		p.End()
	}
}
