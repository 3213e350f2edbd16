package segment

import (
	"fmt"
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/stere-log/stere/index"
)

// TestPlainTexts checks searches in texts without a shape: all ASCII, all
// beyond and mixed, with repeats, and such as go on in the next text.
func TestPlainTexts(t *testing.T) {
	alphabets := map[string][]string{
		"ASCII": {"a", "B", "k", "K", "i", " ", "_", "."},
		"odd":   {"k", "\u212a", "\u0130", "é", "É", " ", "\xff", "i"},
		"mixed": {"a", "B", "k", "K", "i", "a", "B", "k", "K", "i", "k", "K", "b", "i", " ", "_", ".", " ", " ", "\u212a", "\u0130"},
	}
	for name, alphabet := range alphabets {
		for _, repeats := range []int{1, 3} {
			t.Run(fmt.Sprintf("%s %d", name, repeats), func(t *testing.T) {
				random := rand.New(rand.NewPCG(1, 2))
				lines := make([]string, 3000)
				for i := range lines {
					if i%repeats > 0 {
						lines[i] = lines[i-1]
						continue
					}
					var b strings.Builder
					for range random.IntN(14) {
						b.WriteString(alphabet[random.IntN(len(alphabet))])
					}
					lines[i] = b.String()
				}
				var preds []index.Predicate
				for _, text := range []string{"k", "ak", "ki", "kik", "i", "é", "ék", "bk_", "\ufffd", "b"} {
					preds = append(preds, index.Word{Folded: text}, index.Prefix{Folded: text})
				}
				for _, text := range []string{"k i", "a k", "k .", ". k", "i\u212a", "k \ufffd", "é k", "b."} {
					preds = append(preds, index.NewPhrase(text))
				}
				for _, text := range []string{"kik", "KKK", "(?i)kab", "bak.*i", "k i$", "ÉÉ"} {
					preds = append(preds, index.Regex{Re: regexp.MustCompile(text)})
				}
				compareMatches(t, lines, nil, preds...)
			})
		}
	}
}
