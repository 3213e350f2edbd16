package classifier

import (
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"github.com/stere-log/stere/model/shape"
)

// Limits of what is looked at of a text.
const (
	TextMax   = 2 << 10 // bytes
	wordsMax  = 64      // different ones
	wordLeast = 2       // letters
	wordMost  = 32      // bytes
)

// Outline returns what of a message is learned from and judged: it is to be made of texts
// that are none yet.
func Outline(message string) string {
	message = cut(strings.ToValidUTF8(message, ""), TextMax)
	return shape.MessageOutline(message)
}

// cut returns the beginning of a text, of whole characters.
func cut(text string, most int) string {
	if len(text) <= most {
		return text
	}
	for most > 0 && !utf8.RuneStart(text[most]) {
		most--
	}
	return text[:most]
}

// words returns the different words of an outline, sorted: runs of letters, in lower case.
// What has a digit in it is no word, as it varies.
func words(outline string) []string {
	var found []string
	for run := range strings.FieldsFuncSeq(cut(outline, TextMax), func(r rune) bool { return !unicode.IsLetter(r) && !unicode.IsDigit(r) }) {
		if len(run) > wordMost || utf8.RuneCountInString(run) < wordLeast || strings.ContainsFunc(run, func(r rune) bool { return !unicode.IsLetter(r) }) {
			continue
		}
		// What becomes longer in lower case is no word that people write.
		if run = strings.ToLower(run); len(run) <= wordMost && !slices.Contains(found, run) {
			if found = append(found, run); len(found) == wordsMax {
				break
			}
		}
	}
	slices.Sort(found)
	return found
}

// Teaches reports whether there is a word in an outline to learn from.
func Teaches(outline string) bool { return len(words(outline)) > 0 }

// ValidLabel reports whether a text can be a label: 1 to 64 of a-z, 0-9, '.', '_' and '-',
// the first a letter or a digit.
func ValidLabel(label string) bool {
	const first, all = "abcdefghijklmnopqrstuvwxyz0123456789", "abcdefghijklmnopqrstuvwxyz0123456789_.-"
	return label != "" && len(label) <= labelMax && strings.Contains(first, label[:1]) && strings.Trim(label, all) == ""
}
