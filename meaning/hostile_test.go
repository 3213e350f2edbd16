package meaning

import (
	"strings"
	"testing"
)

// TestHostileTexts reads texts that are made to take long: none takes
// memory for each of its places, and what is behind or within such a text is still found.
func TestHostileTexts(t *testing.T) {
	for _, piece := range []string{
		"/* ", "/*!", "base64", "|base64", "-e ", "-enc A", "%", "%25", "${", "${${lower:", "&#x", "\\u", "'", "union select ", "{{", "<!entity ",
		"../", "' or ", "; ", "wget ", "level=", "(((((((", "Mozilla/5.0 (", "[[[[", "{\"a\":", "\xff", "\x00",
	} {
		text := strings.Repeat(piece, EvidenceMax/4/len(piece))
		allocs := testing.AllocsPerRun(1, func() {
			Attacks(text)
			MayAttack(text)
			SignalsIn(text)
		})
		if allocs > 5_000 {
			t.Errorf("%q: %.0f allocations", piece, allocs)
		}
	}
	// What is behind a comment without an end, and after many that have one, is found.
	for _, text := range []string{
		"GET /?q=1' union/*" + strings.Repeat("x", 100) + "*/select null,null-- HTTP/1.1",
		"GET /?q=1' union/**/select null,null--%20/* HTTP/1.1",
	} {
		if found := Attacks(text); len(found) == 0 || found[0].Attack != SQLInjection {
			t.Errorf("%q: have %v", text, found)
		}
	}
	open := []byte(strings.Repeat("/* ", 100))
	if n := unescape(open); n != 300 {
		t.Errorf("comments without an end became %q", open[:n])
	}
	if _, size := comment([]byte("/* */"), true); size != 0 {
		t.Error("where no comment ends, one was looked for")
	}
}
