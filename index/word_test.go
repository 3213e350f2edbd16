package index

import (
	"strings"
	"testing"
	"unicode"
)

// TestFold checks that both ways to fold give the lower case of each rune.
func TestFold(t *testing.T) {
	for _, text := range []string{"", "a", "A", "@[`{AZaz", "Größe ÄÖ", "İstanbul", "ABC\xffDEF", "\xc3", "K", "ǅ", strings.Repeat("Ab9 ", 100), strings.Repeat("Ab", 50) + "É"} {
		want := strings.Map(unicode.ToLower, text)
		if have := Fold(text); have != want {
			t.Errorf("Fold(%q) is %q, want %q", text, have, want)
		}
		if have := string(AppendFold([]byte("X"), text)); have != "X"+want {
			t.Errorf("AppendFold(%q) is %q, want %q", text, have, "X"+want)
		}
	}
}
