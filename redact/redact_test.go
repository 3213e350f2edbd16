package redact

import (
	"encoding/json"
	"math/rand/v2"
	"strings"
	"testing"
)

// scanner returns a Scanner of a configuration.
func scanner(t testing.TB, cfg Config) *Scanner {
	t.Helper()
	r, err := New(cfg)
	if err != nil {
		t.Fatal(err)
	}
	return r.Scanner()
}

// join keeps what looks like a secret out of the source, where scanners of
// repositories would find it.
func join(parts ...string) string { return strings.Join(parts, "") }

func TestText(t *testing.T) {
	jwt := join("eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9", ".eyJzdWIiOiIxMjM0NTY3ODkwIn0", ".dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U")
	gh := join("ghp", "_", "16C7e42F292c6912E7710c838347Ae178B4a")
	aws := join("AKIA", "IOSFODNN7", "EXAMPLE")
	awsSecret := join("wJalrXUtnFEMI/", "K7MDENG/bPxRfiCY", "EXAMPLEKEY")
	pem := join("-----BEGIN RSA PRIVATE", " KEY-----\nMIIEpAIBAAKCAQEA7v5gGqQ2yT4k1z9xQeXAMPLE\nabcdefghijklmnop\n-----END RSA PRIVATE", " KEY-----")
	for _, c := range []struct{ text, want string }{
		{"paid with 4111111111111111 today", "paid with [redacted:card:*1111] today"},
		{"4111 1111 1111 1111", "[redacted:card:*1111]"},
		{"card=4111-1111-1111-1111, ok", "card=[redacted:card:*1111], ok"},
		{"amex 3782 822463 10005.", "amex [redacted:card:*0005]."},
		{"card 4111111111111112", "card 4111111111111112"},
		{"order_id=4111111111111111", "order_id=4111111111111111"},
		{"blk_-4111111111111111", "blk_-4111111111111111"},
		{"4111 1111 1111 1111 2222", "4111 1111 1111 1111 2222"},
		{"x 4111111111111111.5", "x 4111111111111111.5"},
		{"2023-11-18 4111 1111 1111 1111 123", "2023-11-18 [redacted:card:*1111] 123"},
		{"to DE89370400440532013000 now", "to [redacted:iban:*3000] now"},
		{"to GB29 NWBK 6016 1331 9268 19", "to [redacted:iban:*6819]"},
		{"NL91 ABNA 0417 1643 00 and", "[redacted:iban:*4300] and"},
		{"DE88370400440532013000", "DE88370400440532013000"},
		{"my ssn is 123-45-6789.", "my ssn is [redacted:ssn]."},
		{"part 123-45-6789", "part 123-45-6789"},
		{`{"ssn":"123456789"}`, `{"ssn":"[redacted:ssn]"}`},
		{"token " + jwt + ".", "token [redacted:jwt]."},
		{"Authorization: Bearer " + jwt, "Authorization: Bearer [redacted:jwt]"},
		{"Authorization: Basic dXNlcjpwYXNzd29yZA==", "Authorization: Basic [redacted:authorization]"},
		{`-H "authorization: token abc"`, `-H "authorization: token [redacted:authorization]"`},
		{"sent Bearer f3a9c0d1e2b34455aa and went", "sent Bearer [redacted:authorization] and went"},
		{"eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9 alone", "eyJhbGciOiJIUzI1NiIsInR5cCI6IkpXVCJ9 alone"},
		{"push with " + gh, "push with [redacted:github-token]"},
		{`a\n` + gh + `\n`, `a\n[redacted:github-token]\n`},
		{"GITHUB_TOKEN=" + gh + " x", "GITHUB_TOKEN=[redacted:github-token] x"},
		{"key " + aws + " " + awsSecret, "key [redacted:aws-key] [redacted:aws-key]"},
		{"aws_secret_access_key = " + awsSecret, "aws_secret_access_key = [redacted:aws-key]"},
		{"k: " + pem + " end", "k: [redacted:private-key] end"},
		{strings.ReplaceAll(pem, "\n", `\n`), "[redacted:private-key]"},
		{"postgres://app:s3cr3t@db:5432/x", "postgres://app:[redacted:url-password]@db:5432/x"},
		{"https://user:p@ss@host/", "https://user:[redacted:url-password]@host/"},
		{"http://host:80/@x", "http://host:80/@x"},
		{"redis://:hunter2@cache", "redis://:[redacted:url-password]@cache"},
		{"https://${USER}:${PASS}@host", "https://${USER}:${PASS}@host"},
		{"password=hunter2", "password=[redacted:password]"},
		{"pwd=y", "pwd=[redacted:password]"},
		{"db.password: hunter2, user: x", "db.password: [redacted:password], user: x"},
		{`{"password":"hun\"ter2","a":1}`, `{"password":"[redacted:password]","a":1}`},
		{`msg="{\"password\":\"hunter2\",\"a\":1}"`, `msg="{\"password\":\"[redacted:password]\",\"a\":1}"`},
		{"DB_PASSWORD => 'a b c'", "DB_PASSWORD => '[redacted:password]'"},
		{"run --password hunter2 --x", "run --password [redacted:password] --x"},
		{"<Password>hunter2</Password>", "<Password>[redacted:password]</Password>"},
		{"PWD=/home/x ; USER=root", "PWD=/home/x ; USER=root"},
		{"password: incorrect", "password: incorrect"},
		{"(using password: YES)", "(using password: YES)"},
		{"password=***", "password=***"},
		{"password=%s", "password=%s"},
		{"password=%", "password=[redacted:password]"},
		{"password=${DB_PASSWORD}", "password=${DB_PASSWORD}"},
		{"userPassword={SSHA}abcdefg1234567", "userPassword=[redacted:password]"},
		{"api_key=9f8e7d6c5b4a39281706", "api_key=[redacted:secret]"},
		{"unexpected token: identifier", "unexpected token: identifier"},
		{"secretName: my-tls-1", "secretName: my-tls-1"},
		{"mscorlib, PublicKeyToken=b77a5c561934e089]", "mscorlib, PublicKeyToken=b77a5c561934e089]"},
		{"nextPageToken=CAoQAA12345678", "nextPageToken=CAoQAA12345678"},
		{"key=user:4711", "key=user:4711"},
		{"monkey=abcdefgh12345678", "monkey=abcdefgh12345678"},
		{"a@b.de is left alone", "a@b.de is left alone"},
		{"https://hooks.slack.com/services/T00000000/B00000000/" + "XXXXXXXXXXXXXXXXXXXXXXXX", "https://hooks.slack.com/services/[redacted:slack-token]"},
		{"", ""},
	} {
		s := scanner(t, Config{})
		got, changed := s.Text(c.text)
		if got != c.want || changed != (c.text != c.want) {
			t.Errorf("%s\n got %s\nwant %s", c.text, got, c.want)
		}
		if again, changed := s.Text(got); changed {
			t.Errorf("%s\nbecomes %s\nand then %s", c.text, got, again)
		}
	}
}

// key is a key for tokens.
func key() []byte { return []byte("0123456789abcdef0123456789abcdef") }

func TestActions(t *testing.T) {
	const text = "card 4111111111111111 of max@example.com"
	for _, c := range []struct {
		card, email Action
		want        string
	}{
		{Default, Default, "card [redacted:card:*1111] of max@example.com"},
		{Off, Mask, "card 4111111111111111 of [redacted:email]"},
		{Remove, Partial, "card  of [redacted:email:*.com]"},
		{Mask, Off, "card [redacted:card] of max@example.com"},
	} {
		s := scanner(t, Config{Actions: map[string]Action{"card": c.card, "email": c.email}})
		if got, _ := s.Text(text); got != c.want {
			t.Errorf("card %v, email %v: %s, want %s", c.card, c.email, got, c.want)
		}
	}
	if got, _ := scanner(t, Config{Set: Personal}).Text("max@example.com or +49 30 12345678 at 10.1.2.3"); got != "[redacted:email] or [redacted:phone] at 10.1.2.3" {
		t.Errorf("personal: %s", got)
	}
	if got, _ := scanner(t, Config{Actions: map[string]Action{"ip": Mask}}).Text("10.1.2.3:80 and [2001:db8::1] but not 127.0.0.1, 1.2.3 or 1.2.3.4.5"); got != "[redacted:ip]:80 and [[redacted:ip]] but not 127.0.0.1, 1.2.3 or 1.2.3.4.5" {
		t.Errorf("addresses: %s", got)
	}
}

// TestTokens checks that a token depends on the value in any form, on the tenant
// and on the key, and on nothing else.
func TestTokens(t *testing.T) {
	cfg := Config{Key: key(), Actions: map[string]Action{"card": Hash, "email": Hash}}
	s := scanner(t, cfg)
	s.For("a")
	token := s.Token("a", Card, "4111111111111111")
	for _, text := range []string{"4111111111111111", "4111 1111 1111 1111", "4111-1111-1111-1111"} {
		if got, _ := s.Text(text); got != "[redacted:card:#"+token+"]" {
			t.Errorf("%s: %s, want the token %s", text, got, token)
		}
	}
	if a, b := s.Token("a", Email, "Max@Example.com"), s.Token("a", Email, "max@example.com"); a != b {
		t.Errorf("the case of an address makes the tokens %s and %s", a, b)
	}
	if len(token) != 2*tokenBytes || token == s.Token("b", Card, "4111111111111111") || token == s.Token("a", Card, "4012888888881881") {
		t.Errorf("token %s is that of another tenant or value", token)
	}
	cfg.Key = append(key(), 'x')
	if token == scanner(t, cfg).Token("a", Card, "4111111111111111") {
		t.Error("another key makes the same token")
	}
	if got := scanner(t, Config{}).Token("a", Card, "4111111111111111"); got != "" {
		t.Errorf("without a key there is the token %s", got)
	}
	if got, changed := s.Text("[redacted:card:#" + token + "]"); changed {
		t.Errorf("a marker becomes %s", got)
	}
}

func TestNames(t *testing.T) {
	s := scanner(t, Config{
		Fields: []FieldRule{{Pattern: "metadata.note", Action: Mask}, {Pattern: "*.pin", Action: Remove}, {Pattern: "Keep.*", Action: Off}, {Pattern: "user*name", Action: Partial}},
	})
	for _, c := range []struct{ name, value, want string }{
		{"metadata.password", "hunter2", "[redacted:password]"},
		{"dbPassword", "x y z", "[redacted:password]"},
		{"password.old", "hunter2", "[redacted:password]"},
		{"password", "", ""},
		{"password", "***", "***"},
		{"password", "[redacted:password]", "[redacted:password]"},
		{"metadata.apiKey", "abcdef", "[redacted:secret]"},
		{"token", "(", "("},
		{"nextPageToken", "CAoQAA12345678", "CAoQAA12345678"},
		{"pwd", "/home/x", "/home/x"},
		{"authorization", "Bearer abc", "Bearer [redacted:authorization]"},
		{"metadata.note", "anything", "[redacted:field]"},
		{"pin", "1", ""},
		{"a.b.pin", "1", ""},
		{"keep.password", "hunter2", "hunter2"},
		{"userfirstname", "Maximilian Mustermann", "[redacted:field:*mann]"},
		{"username", "max", "[redacted:field]"},
		{"card", "4222222222222", "[redacted:card:*2222]"},
		{"orderId", "4111111111111111", "4111111111111111"},
		{"ssn", "123-45-6789", "[redacted:ssn]"},
		{"message", "password=hunter2", "password=[redacted:password]"},
	} {
		if got, _ := s.Value(s.NameOf(c.name), c.value); got != c.want {
			t.Errorf("%s=%s: %s, want %s", c.name, c.value, got, c.want)
		}
	}
}

func TestJSONValues(t *testing.T) {
	s := scanner(t, Config{Fields: []FieldRule{{Pattern: "*.keep", Action: Off}, {Pattern: "list.gone", Action: Mask}}, Rules: []Rule{{Name: "badge", Pattern: `badge-[0-9]{4}`}}})
	for _, c := range []struct{ name, text, want string }{
		{"list", `["a",4111111111111111,"b"]`, `["a",4111111111111111,"b"]`}, {"cards", `["a",4111111111111111,"b"]`, `["a","[redacted:card:*1111]","b"]`},
		{"list", `["password=","x",1.5,true,null]`, `["password=","x",1.5,true,null]`},
		{"list", `[{"password":"hunter2","n":{"token":"abc\"def"}}]`, `[{"password":"[redacted:password]","n":{"token":"[redacted:secret]"}}]`},
		{"list", `["pass\u0077ord=hunter2"]`, `["password=[redacted:password]"]`},
		{"list", `["\n\t\u0001 password=hunter2 \ud83d\ude00"]`, `["\u000a\u0009\u0001 password=[redacted:password] 😀"]`},
		{"list", `[{"keep":"password=hunter2","gone":[1,"x"]}]`, `[{"keep":"password=hunter2","gone":["[redacted:field]","[redacted:field]"]}]`},
		{"list", `["badge-1234"]`, `["[redacted:badge]"]`},
		{"password", `["a1",["b2"],{}]`, `["[redacted:password]",["[redacted:password]"],{}]`},
		{"list", `[{"max":"a\\"}]`, `[{"max":"a\\"}]`},
		{"list", `[[[]],{},{"a":{}}]`, `[[[]],{},{"a":{}}]`},
		{"list", `{}`, `{}`},
	} {
		got, changed := s.JSON(s.NameOf(c.name), c.name, c.text)
		if got != c.want || changed != (got != c.text) || !json.Valid([]byte(got)) {
			t.Errorf("%s=%s:\n got %s\nwant %s", c.name, c.text, got, c.want)
		}
	}
	for _, c := range []struct{ name, text, want string }{
		{"n", "4111111111111111", "4111111111111111"}, {"card_number", "4111111111111111", "[redacted:card:*1111]"}, {"n", "4.1e15", "4.1e15"}, {"ssn", "123456789", "[redacted:ssn]"}, {"n", "123456789", "123456789"},
		{"password", "1234", "[redacted:password]"}, {"token", "512", "512"}, {"order_id", "4111111111111111", "4111111111111111"},
	} {
		if got, _ := s.Number(s.NameOf(c.name), c.text); got != c.want {
			t.Errorf("%s=%s: %s, want %s", c.name, c.text, got, c.want)
		}
	}
}

func TestValidate(t *testing.T) {
	for _, c := range []struct {
		cfg  Config
		want string
	}{
		{Config{Actions: map[string]Action{"cards": Mask}}, `there is no detector "cards"`},
		{Config{Actions: map[string]Action{"card": Hash}}, "needs a key"},
		{Config{Key: []byte("short")}, "the key has 5 bytes"},
		{Config{Rules: []Rule{{Name: "A", Pattern: "x"}}}, "want a name"},
		{Config{Rules: []Rule{{Name: "card", Pattern: "x"}}}, "the name is taken"},
		{Config{Rules: []Rule{{Name: "a", Pattern: "x"}, {Name: "a", Pattern: "y"}}}, "the name is taken"},
		{Config{Rules: []Rule{{Name: "a", Pattern: "x*"}}}, "matches the empty text"},
		{Config{Rules: []Rule{{Name: "a", Pattern: "(x"}}}, "missing closing"},
		{Config{Rules: []Rule{{Name: "a", Pattern: "x", Group: 1}}}, "there is no group 1"},
		{Config{Rules: []Rule{{Name: "a", Pattern: "([a-z]{1,30}[0-9]{1,30}){1,30}"}}}, "instructions"},
		{Config{Rules: []Rule{{Name: "a", Pattern: strings.Repeat("x", PatternBytesMax+1)}}}, "bytes"},
		{Config{Fields: []FieldRule{{}}}, "field rule 1"},
		{Config{Fields: []FieldRule{{Pattern: "a", Action: Hash}}}, "needs a key"},
		{Config{Rules: make([]Rule, RulesMax+1)}, "rules, want at most"},
	} {
		if _, err := New(c.cfg); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%+v: %v, want %q", c.cfg, err, c.want)
		}
	}
}

// TestCounts checks what is counted, and where it goes.
func TestCounts(t *testing.T) {
	s := scanner(t, Config{})
	s.Text("4111111111111111 and 4012888888881881, password=x1")
	s.Text("nothing here")
	if s.Count() != 3 || s.Counts()[Card] != 2 || s.Counts()[Password] != 1 {
		t.Errorf("count %d, %v", s.Count(), s.Counts())
	}
	s.Flush(1)
	if s.Count() != 0 || s.Found(Card) != 2 || s.Found(Password) != 1 || s.Records() != 1 {
		t.Errorf("after Flush: %d, %d cards in %d records", s.Count(), s.Found(Card), s.Records())
	}
}

// TestEveryPlaceInATextIsLookedAt puts things at every place of texts of every
// length: blocks must not hide what lies over their borders.
func TestEveryPlaceInATextIsLookedAt(t *testing.T) {
	s := scanner(t, Config{})
	for _, thing := range []string{"4111111111111111", "30569309025904", "4111 1111 1111 1111", "DE89370400440532013000", "NL91 ABNA 0417 1643 00", "NO9386011117947", "ssn 123-45-6789", join("AKIA", "IOSFODNN7EXAMPLE"),
		"pwd=y7", "x --password hunter2", "u://a:bc@d", "<passwd>abc</passwd>"} {
		for before := range 40 {
			for after := range 20 {
				for _, fill := range []string{"(", "a "} {
					text := strings.Repeat(fill, before) + " " + thing + strings.Repeat(")", after)
					if found := s.Find(nil, text); len(found) != 1 {
						t.Fatalf("%q: %v", text, found)
					}
				}
			}
		}
	}
}

// pieces are what hostile texts are made of.
func pieces() []string {
	return []string{"password=", "\"", "'", "\\", "\\\"", ":", "=", "@", "://", "u:p@", "4111", "1111", " ", "-", ".", "4111111111111111", "eyJ", "eyJhbGciOiJIUzI1NiJ9.", "AKIA", "IOSFODNN7EXAMPL1", "--token ", "<", "</password>",
		">", "-----BEGIN RSA PRIVATE KEY-----", "-----END ", "[redacted:", "[redacted:card]", "]", "{", "}", "ssn ", "123-45-6789", "DE89", " 3704", "Bearer ", "a1B2c3D4e5F6g7H8", "\n", "\x00", "é", "\xff", "Authorization: Digest ", "+49 30 123456789", "x@y.de", "10.0.0.1", "+"}
}

// TestHostileTexts checks on texts made by chance that nothing panics, that
// findings are in order and inside, and that JSON stays JSON.
func TestHostileTexts(t *testing.T) {
	all := map[string]Action{}
	for _, name := range BuiltIn() {
		all[name] = Mask
	}
	s := scanner(t, Config{Actions: all})
	const seed = 4
	rng := rand.New(rand.NewPCG(seed, seed))
	of := pieces()
	for i := range rounds(100_000) {
		var b strings.Builder
		for range rng.IntN(12) {
			b.WriteString(of[rng.IntN(len(of))])
		}
		checkText(t, s, b.String())
		if t.Failed() {
			t.Fatalf("seed %d, text %d", seed, i)
		}
	}
}

func checkText(t *testing.T, s *Scanner, text string) {
	t.Helper()
	at := 0
	for _, f := range s.Find(nil, text) {
		if f.Start < at || f.End <= f.Start || f.End > len(text) {
			t.Errorf("%q: finding %+v after %d", text, f, at)
		}
		at = f.End
	}
	array, err := json.Marshal([]string{text, text})
	if err != nil {
		t.Fatal(err)
	}
	if got, _ := s.JSON(Name{}, "x", string(array)); !json.Valid([]byte(got)) {
		t.Errorf("%s becomes %s", array, got)
	}
}

func FuzzText(f *testing.F) {
	for _, piece := range pieces() {
		f.Add(piece + " x " + piece)
	}
	all := map[string]Action{}
	for _, name := range BuiltIn() {
		all[name] = Mask
	}
	s := scanner(f, Config{Actions: all})
	f.Fuzz(func(t *testing.T, text string) { checkText(t, s, text) })
}

// TestLongTexts checks that texts of a mebibyte which invite detectors to look
// again and again are done with: what is quadratic would take hours.
func TestLongTexts(t *testing.T) {
	s := scanner(t, Config{Set: Personal, Actions: map[string]Action{"ip": Mask}})
	for _, piece := range pieces() {
		s.Text(strings.Repeat(piece, rounds(1<<20)/len(piece)))
	}
	for _, text := range []string{strings.Repeat("4111 ", 1<<18), strings.Repeat("a", 1<<20), strings.Repeat("1", 1<<20), strings.Repeat("a-", 1<<19), strings.Repeat("password=\"", 1<<17), strings.Repeat("password='\\", 1<<17),
		// Keys whose values are left, and have the next key in them; markers among secrets.
		strings.Repeat("token=", 1<<17), strings.Repeat("authorization=", 1<<16), strings.Repeat("authorization:", 1<<16), strings.Repeat("password:/a/", 1<<16), strings.Repeat("secret=${", 1<<17),
		strings.Repeat(strings.Repeat("-eyJ", 1023)+".", 1<<8),
		strings.Repeat("http://hooks.slack.com/services/", 1<<15), strings.Repeat("[redacted:card] token=a1b2c3d4 ", 1<<15),
	} {
		s.Text(text)
	}
}
