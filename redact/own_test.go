package redact

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"
)

var ownKey = []byte("0123456789abcdef0123")

// TestOwn is what becomes of texts and fields where a tenant has rules of its own.
func TestOwn(t *testing.T) {
	node := Config{Key: ownKey, Actions: map[string]Action{"ssn": Off}, Fields: []FieldRule{{"debug.*", Off}, {"kept", Partial}}, Rules: []Rule{{Name: "ticket", Pattern: `T-[0-9]+`, Action: Partial}}}
	none := Own{Set: Nothing}
	with := func(change func(*Own)) Own {
		own := none
		change(&own)
		return own
	}
	for _, c := range []struct {
		what              string
		own               Own
		field, text, want string
	}{
		{"nothing", none, "m", "a@b.example paid with 4111111111111111 for T-123456789012", "a@b.example paid with [redacted:card:*1111] for [redacted:ticket:*9012]"},
		{"a set", with(func(o *Own) { o.Set = Personal }), "m", "mail a@b.example", "mail [redacted:email]"},
		{"a detector that is off", with(func(o *Own) { o.Actions = map[string]Action{"ssn": Mask} }), "m", "my ssn is 123-45-6789.", "my ssn is [redacted:ssn]."},
		{"a stronger action", with(func(o *Own) { o.Actions = map[string]Action{"card": Mask, "ticket": Remove} }), "m", "4111111111111111 for T-123456789012.", "[redacted:card] for ."},
		{"a weaker one has no effect", with(func(o *Own) { o.Actions = map[string]Action{"password": Partial, "jwt": Off} }), "m", "password=hunter2hunter2", "password=[redacted:password]"},
		{"unless it may", with(func(o *Own) { o.Actions, o.Weaker = map[string]Action{"password": Off}, true }), "m", "password=hunter2hunter2", "password=hunter2hunter2"},
		{"a rule", with(func(o *Own) { o.Rules = []Rule{{Name: "badge", Pattern: `badge-([0-9]{4})`, Group: 1}} }), "m", "badge-1234 password=x1y2", "badge-[redacted:badge] password=[redacted:password]"},
		{"a rule over what the node finds", with(func(o *Own) { o.Rules = []Rule{{Name: "all", Pattern: `password=.*`, Action: Partial}} }), "m", "password=hunter2hunter2", "[redacted:password]"},
		{"a field", with(func(o *Own) { o.Fields = []FieldRule{{"note", Mask}} }), "note", "anything", "[redacted:field]"},
		{"a field that the node leaves alone", with(func(o *Own) { o.Fields = []FieldRule{{"debug.x", Mask}} }), "debug.x", "anything", "[redacted:field]"},
		{"a field that the node redacts more strongly", with(func(o *Own) { o.Fields = []FieldRule{{"password", Hash}} }), "password", "hunter2hunter2", "[redacted:field]"},
		{"a field that the node redacts less strongly", with(func(o *Own) { o.Fields = []FieldRule{{"kept", Mask}} }), "kept", "0123456789abcdef", "[redacted:field]"},
		{"a field left alone has no effect", with(func(o *Own) { o.Fields = []FieldRule{{"*", Off}} }), "password", "hunter2hunter2", "[redacted:password]"},
		{"the end of a field shows nothing", with(func(o *Own) { o.Fields = []FieldRule{{"note", Partial}} }), "note", "my password is hunter2hunter2", "[redacted:field]"},
		{"unless it may be left", with(func(o *Own) { o.Fields, o.Weaker = []FieldRule{{"*", Off}}, true }), "password", "hunter2hunter2", "hunter2hunter2"},
		{"a detector that is not there any more", with(func(o *Own) { o.Actions = map[string]Action{"gone": Mask} }), "m", "text", "text"},
	} {
		base, err := New(node)
		if err != nil {
			t.Fatal(err)
		}
		r, err := base.With(c.own)
		if err != nil {
			t.Fatal(err)
		}
		s := r.Scanner()
		s.For("t")
		if got, _ := s.Value(r.NameOf(c.field), c.text); got != c.want {
			t.Errorf("%s: %q became %q, want %q", c.what, c.text, got, c.want)
		}
		s.Flush(1)
		sum := base.FoundByTenants()
		for d := range base.Names() {
			sum += base.Found(Detector(d))
		}
		if redactions := strings.Count(c.want, "[redacted:"); base.Records() != 1 || sum < uint64(redactions) {
			t.Errorf("%s: the node counts %d findings, want at least %d", c.what, sum, redactions)
		}
	}
}

// TestOwnIsChecked is what tenants may not agree on.
func TestOwnIsChecked(t *testing.T) {
	base, err := New(Config{Rules: []Rule{{Name: "ticket", Pattern: `T-[0-9]+`}}})
	if err != nil {
		t.Fatal(err)
	}
	rules := func(count int, pattern string) (all []Rule) {
		for i := range count {
			all = append(all, Rule{Name: fmt.Sprintf("r%d", i), Pattern: pattern})
		}
		return all
	}
	for _, c := range []struct {
		own    Own
		want   string // "" : it is right
		weaker bool
	}{
		{Own{Set: Personal, Actions: map[string]Action{"card": Mask, "ticket": Remove, "email": Default}, Fields: []FieldRule{{"a.*", Remove}}, Rules: rules(2, "a[0-9]+")}, "", false},
		{Own{Actions: map[string]Action{"card": Off}}, "detector card: off where the platform does partial", true},
		{Own{Actions: map[string]Action{"password": Partial}}, "detector password", true},
		{Own{Actions: map[string]Action{"ticket": Partial}}, "detector ticket", true},
		{Own{Fields: []FieldRule{{"a", Off}}}, "field rule 1", true},
		{Own{Fields: []FieldRule{{"a", Partial}}}, "field rule 1", true},
		{Own{Actions: map[string]Action{"card": Off}, Fields: []FieldRule{{"a", Off}}, Weaker: true}, "", false},
		{Own{Actions: map[string]Action{"cards": Mask}}, `there is no detector "cards"`, false},
		{Own{Actions: map[string]Action{"email": Hash}}, "needs a key", false},
		{Own{Rules: []Rule{{Name: "ticket", Pattern: "a"}}}, "the name is taken", false},
		{Own{Rules: rules(OwnRulesMax+1, "a")}, "a tenant has at most", false},
		{Own{Rules: rules(8, "(abc[0-9]{3}){20}")}, "instructions together", false},
		{Own{Rules: rules(1, "(a{1000}){1000}")}, "invalid repeat", false},
		{Own{Rules: rules(1, "(?:"+strings.Repeat("a", 1000)+"){1000}")}, "takes 1004002 instructions", false},
		{Own{Rules: rules(1, strings.Repeat("(?:\\w{9}){99}", 70))}, "instructions, want at most", false},
		{Own{Fields: make([]FieldRule, OwnFieldsMax+1)}, "a tenant has at most", false},
	} {
		err := base.Check(c.own)
		if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) || errors.Is(err, ErrWeaker) != c.weaker {
			t.Errorf("%+v: %v, want %q", c.own, err, c.want)
		}
	}
}

// TestOwnIsNeverWeaker tries what tenants agree on by chance: nothing of a value that
// the node takes out is seen in what is left.
func TestOwnIsNeverWeaker(t *testing.T) {
	random := rand.New(rand.NewPCG(7, 1))
	base, err := New(Config{Key: ownKey, Actions: map[string]Action{"card": Mask, "iban": Remove}})
	if err != nil {
		t.Fatal(err)
	}
	secrets := []string{"hunter2hunter2", "4111111111111111", "DE89370400440532013000"}
	text := "a password=" + secrets[0] + " card " + secrets[1] + " to " + secrets[2] + " b"
	names, actions := base.Names(), []Action{Default, Off, Mask, Partial, Hash, Remove}
	patterns := []string{`password=\S+`, `hunter\d`, `\d+`, `.*`, `[a-z]+ `, `card \d{4}`, `\d{4} to`}
	for range 3000 {
		own := Own{Set: Set(random.IntN(3)), Actions: map[string]Action{}}
		for range random.IntN(4) {
			own.Actions[names[random.IntN(len(names))]] = actions[random.IntN(len(actions))]
		}
		for i := range random.IntN(3) {
			own.Rules = append(own.Rules, Rule{Name: fmt.Sprintf("r%d", i), Pattern: patterns[random.IntN(len(patterns))], Action: actions[random.IntN(len(actions))]})
		}
		if random.IntN(2) == 0 {
			own.Fields = []FieldRule{{[]string{"*", "pass*", "message"}[random.IntN(3)], actions[random.IntN(len(actions))]}}
		}
		r, err := base.With(own)
		if err != nil {
			t.Fatal(err)
		}
		s := r.Scanner()
		for field, value := range map[string]string{"message": text, "password": secrets[0] + " x"} {
			got, _ := s.Value(r.NameOf(field), value)
			for _, secret := range secrets {
				// Four characters are what is shown of a value in part.
				for i := 0; i+4 <= len(secret); i++ {
					if strings.Contains(got, secret[i:i+4]) {
						t.Fatalf("%+v: %s became %q, which has %q", own, field, got, secret[i:i+4])
					}
				}
			}
		}
	}
}

// TestTimeOfOwn: a rule of a tenant that takes too long is not tried any more until there
// is time again. What it would have looked at is taken out as a whole; the rules of the
// node, and of other tenants, go on.
func TestTimeOfOwn(t *testing.T) {
	base, err := New(Config{Rules: []Rule{{Name: "ticket", Pattern: "T-[0-9]+"}}})
	if err != nil {
		t.Fatal(err)
	}
	own := Own{Set: Nothing, Rules: []Rule{{Name: "again", Pattern: "[xX](.*y)?"}}}
	r, err := base.With(own)
	if err != nil {
		t.Fatal(err)
	}
	other, err := base.With(Own{Set: Nothing, Rules: []Rule{{Name: "badge", Pattern: "[b]-[0-9]"}}})
	if err != nil {
		t.Fatal(err)
	}
	var now, took time.Duration // took: of a search
	clock := func() time.Duration { now += took; return now }
	account := r.rules[len(r.rules)-1].account
	account.elapsed, account.spent = clock, clock
	redacted := func(r *Redactor, text string) string {
		out, _ := r.Scanner().Text(text)
		return out
	}
	for i, c := range []struct {
		took     time.Duration
		in, want string
	}{
		{2 * time.Second, "a axa", "a a[redacted:again]a"}, // finds one, and looks for more: four seconds
		{time.Second, "b-2 secret", "[redacted:again]"},
		{0, strings.Repeat("z", 1000), "[redacted:again]"}, // a thousand bytes bring a millisecond
		{0, strings.Repeat("z", 2_000_000), "[redacted:again]"},
		{0, "a axa T-1", "a a[redacted:again]a [redacted:ticket]"},
	} {
		took = c.took
		if got := redacted(r, c.in); got != c.want {
			t.Errorf("%d: %.100s, want %s", i, got, c.want)
		}
	}
	if got := redacted(other, "T-1 b-2 x"); got != "[redacted:ticket] [redacted:badge] x" {
		t.Errorf("another tenant: %s", got)
	}
	if base.Unread() != 3 {
		t.Errorf("%d texts were not read", base.Unread())
	}
}

// TestBusyNode: who waits for a processor does not use it. However long a search takes by
// the clock, a rule that uses little is tried on all texts.
func TestBusyNode(t *testing.T) {
	base, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := base.With(Own{Set: Nothing, Rules: []Rule{{Name: "badge", Pattern: "[b]-[0-9]"}}})
	if err != nil {
		t.Fatal(err)
	}
	var clock, used time.Duration
	account := r.rules[len(r.rules)-1].account
	account.elapsed = func() time.Duration { clock += 300 * time.Millisecond; return clock }
	account.spent = func() time.Duration { used += time.Microsecond; return used }
	for range 100 {
		for _, text := range []string{"x b-2 y", strings.Repeat("word ", 1000)} {
			if out, _ := r.Scanner().Text(text); out != strings.ReplaceAll(text, "b-2", "[redacted:badge]") {
				t.Fatalf("%.50s became %.50s", text, out)
			}
		}
	}
}

// rounds is a number of rounds, or a few of them where a test must be short.
func rounds(n int) int {
	if testing.Short() {
		return max(n/20, 4)
	}
	return n
}

// unhurried lets the expressions of a tenant take no time, so that what they find does not
// depend on how fast the machine is.
func unhurried(r *Redactor) *Redactor {
	account := r.rules[len(r.rules)-1].account
	still := func() time.Duration { return 0 }
	account.elapsed, account.spent = still, still
	return r
}

// TestWindowsOfOwn: long texts are looked at in windows, and what lies across is found.
func TestWindowsOfOwn(t *testing.T) {
	base, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	r, err := base.With(Own{Set: Nothing, Rules: []Rule{{Name: "badge", Pattern: "[b]adge-[0-9]{4}"}}})
	if err != nil {
		t.Fatal(err)
	}
	unhurried(r)
	random := rand.New(rand.NewPCG(3, 4))
	for range rounds(50) {
		var in, want strings.Builder
		for in.Len() < 3*windowBytes {
			words := strings.Repeat("word ", random.IntN(4000))
			in.WriteString(words + "badge-1234 ")
			want.WriteString(words + "[redacted:badge] ")
		}
		if out, _ := r.Scanner().Text(in.String()); out != want.String() {
			t.Fatalf("a text of %d bytes became one of %d, want %d", in.Len(), len(out), want.Len())
		}
	}
	// One rule that looks again and again must not take a minute for a megabyte.
	slow, err := base.With(Own{Set: Nothing, Rules: []Rule{{Name: "again", Pattern: "x(.*y)?"}}})
	if err != nil {
		t.Fatal(err)
	}
	if out, _ := slow.Scanner().Text(strings.Repeat("x", 1<<20)); strings.Contains(out, "x") {
		t.Errorf("something of it is left: %.100s", out)
	}
}

// TestBordersOfWindows: a rule finds in a long text what it finds in a short one: texts
// between quotes stay those between quotes, whichever begins before a window does, and of
// a secret that goes on behind a window nothing is left.
func TestBordersOfWindows(t *testing.T) {
	base, err := New(Config{})
	if err != nil {
		t.Fatal(err)
	}
	long := strings.Repeat("s", overlapBytes+1000)
	for _, c := range []struct{ name, pattern, piece, want string }{
		{"quotes", `'[^']*'`, "x = 'secret' and ", "x = [redacted:own] and "},
		{"runes", `'[^']*'`, "ü = 'sécrét' ünd ", "ü = [redacted:own] ünd "},
		{"long", `token=[a-z]+`, "a token=" + long + " b ", "a [redacted:own] b "},
	} {
		r, err := base.With(Own{Set: Nothing, Rules: []Rule{{Name: "own", Pattern: c.pattern}}})
		if err != nil {
			t.Fatal(err)
		}
		unhurried(r)
		for shift := range rounds(len("x = 'secret' and ")) {
			before, times := strings.Repeat(".", shift*97), 3*windowBytes/len(c.piece)
			in, want := before+strings.Repeat(c.piece, times), before+strings.Repeat(c.want, times)
			if out, _ := r.Scanner().Text(in); out != want {
				t.Fatalf("%s, %d bytes before: a text of %d bytes became one of %d, want %d", c.name, len(before), len(in), len(out), len(want))
			}
		}
	}
	// What does not end within a window has no end: all of the rest goes.
	r, err := base.With(Own{Set: Nothing, Rules: []Rule{{Name: "own", Pattern: `token=[a-z]+`}}})
	if err != nil {
		t.Fatal(err)
	}
	if out, _ := unhurried(r).Scanner().Text("a token=" + strings.Repeat("s", 3*windowBytes) + " b"); strings.Contains(out, "s") {
		t.Errorf("something of it is left: %.100s", out)
	}
}
