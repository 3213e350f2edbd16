package meaning

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/stere-log/stere/model/shape"
)

// TestCategories judges messages of which it is known what they are about.
func TestCategories(t *testing.T) {
	for _, test := range []struct {
		message, component string
		want               Category
	}{
		{"SQL injection attack from 1.2.3.4", "", Security},
		{"reverse mapping checking getaddrinfo for x.com [1.2.3.4] failed - POSSIBLE BREAK-IN ATTEMPT!", "sshd", Security},
		{"Suspicious activity: port scan from 10.0.0.1", "", Security},
		{"the author saved the rapid build", "", General},
		{"Invalid user webmaster from 173.234.31.186", "sshd", Authentication},
		{"Failed password for root from 1.2.3.4 port 22 ssh2", "", Authentication},
		{"User logged in", "", Authentication},
		{"Zugriff ok", "AuthService", Authentication},
		{"payment timeout after 30s", "", Payment},
		{"card declined by issuer", "checkout", Payment},
		{"deadlock detected in transaction 7", "", Database},
		{"ERROR: relation \"x\" does not exist", "postgres", Database},
		{"request latency is slow: 300 ms", "", Performance},
		{"GC overhead: heap 97 % used", "", Performance},
		{"connection refused by peer", "", Network},
		{"no route to host 10.0.0.1", "", Network},
		{"no space left on device sda1", "", Storage},
		{"disk full on /var/lib", "", Storage},
		{"GET /api/v1/users 200", "", API},
		{"rate limit reached for the endpoint", "", API},
		{"validation failed: a required field is missing", "", Validation},
		{"malformed input", "", Validation},
		{"kubelet restarted the pod", "", Infrastructure},
		{"deployed version 7 of the config", "", Infrastructure},
		{"order 7 of customer 8 shipped", "", Business},
		{"button clicked on the frontend", "", UI},
		{"something odd", "", General},
	} {
		verdict := Judge(Evidences{Message: Evidence(test.message), Component: Evidence(test.component)})
		if verdict.Labels[0].Category != test.want {
			t.Errorf("%q of %q is %v, want %s: %s", test.message, test.component, verdict.Labels, test.want, verdict.Reason)
		}
		if !strings.HasPrefix(verdict.Reason, string(test.want)) {
			t.Errorf("%q: the reason %q is not one for %s", test.message, verdict.Reason, test.want)
		}
	}
	if v := Judge(Evidences{IsError: true}); v.Labels[0].Category != Error {
		t.Errorf("an error without words is %v", v.Labels)
	}
	if v := Judge(Evidences{Message: Evidence("SQL injection attack")}); v.Reason != `security 12: "sql injection" 5, "attack" 3.5, "injection" 3.5` {
		t.Errorf("the reason is %s", v.Reason)
	}
}

// TestGivenCategories judges records that came with a category: it is the first.
func TestGivenCategories(t *testing.T) {
	words := Judge(Evidences{Message: Evidence("login failed: payment required")})
	for _, test := range []struct {
		verdict Verdict
		given   string
		want    []Category
	}{
		{words, "", []Category{Authentication, Payment}},
		{words, "payment", []Category{Payment, Authentication}},
		{words, "mine", []Category{"mine", Authentication, Payment}},
		{Judge(Evidences{}), "mine", []Category{"mine"}},
		{Judge(Evidences{IsError: true}), "mine", []Category{"mine"}},
	} {
		have := test.verdict.Given(test.given)
		var labels []Category
		for _, label := range have.Labels {
			labels = append(labels, label.Category)
		}
		if !slices.Equal(labels, test.want) || !strings.HasPrefix(have.Reason, string(test.want[0])) {
			t.Errorf("%q: %v because of %q, want %v", test.given, labels, have.Reason, test.want)
		}
	}
}

// TestVocabulary looks for words that can never be found, or be parts of ids.
func TestVocabulary(t *testing.T) {
	if len(known.names) > lexiconMax {
		t.Errorf("%d words and phrases, more than %d", len(known.names), lexiconMax)
	}
	for word := range known.words {
		if strings.Trim(word, "abcdef") == "" && (len(word) == 4 || len(word) == 8 || len(word) == 12) {
			t.Errorf("%q may be a part of a UUID", word)
		}
	}
	for number, name := range known.names {
		if len(known.weights[number]) == 0 {
			continue // only in phrases
		}
		if got := Evidence("x: " + name + "!"); !strings.Contains(","+got+",", ","+name+",") {
			t.Errorf("%q is not found: %q", name, got)
		}
	}
	reached := map[Category]bool{}
	for _, v := range vocabulary {
		reached[v.category] = true
	}
	if len(reached) != scored {
		t.Errorf("words speak for %d categories, want %d", len(reached), scored)
	}
}

// TestEvidenceOfOutlines compares what texts say with what their outlines say, also of
// words that were added.
func TestEvidenceOfOutlines(t *testing.T) {
	added := lexiconWith(t, Vocabulary{Category: "own", Words: []string{"end off", "user login", "größe", "query db", "xf"}})
	random := rand.New(rand.NewPCG(81, 82))
	pieces := []string{"login", "Login", "failed", "disk", "full", "log", "in", "SQLInjection", "user_login", "auth2", "7", " ", " ", " ", "-", ":", ".", "_", "/",
		"deadbeef-dead-beef-cafe-feedfacefeed", "\x01", "\x02", "\x03", "\x11", "\x12", "Größe", "é", "\xff", "PaymentService", "\n", "0x1f", "db.query", "12.3-4", "dead", "end", "xf", "feed", "off"}
	for range 20_000 {
		var text strings.Builder
		for range random.IntN(9) {
			text.WriteString(pieces[random.IntN(len(pieces))])
		}
		outline := shape.MessageOutline(text.String())
		for _, l := range []*Lexicon{known, added} {
			if got, want := l.Evidence(outline), l.Evidence(text.String()); got != want {
				t.Fatalf("%q says %q, its outline %q says %q", text.String(), want, outline, got)
			}
		}
	}
}

func BenchmarkEvidence(b *testing.B) {
	const text = `5.202.214.160 - - [26/Jan/2019:19:45:25 +0330] "GET /image/11/productModel/200x200 HTTP/1.1" 200 30975 "https://www.zanbil.ir/m/filter/b113" "Mozilla/5.0 (Windows NT 6.2; WOW64; rv:21.0) Gecko/20100101 Firefox/21.0" "-"`
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		Evidence(text)
	}
}
