package meaning

import "strings"

// wordMax is longer than any word that says something.
const wordMax = 20

// classes of bytes. They are those of shapes (model/shape), so that the words of a
// message are those of its outline: a run with a digit in it is no word.
const (
	classOther = iota
	classLower
	classUpper
	classDigit
	classJoint // holds a run together, and ends a word in it
	classGap   // stands for something that varies, or is a control character
)

var classes = func() (table [256]uint8) {
	for c := range table {
		switch {
		case c >= 'a' && c <= 'z', c >= 0x80:
			table[c] = classLower
		case c >= 'A' && c <= 'Z':
			table[c] = classUpper
		case c >= '0' && c <= '9':
			table[c] = classDigit
		case c == '_':
			table[c] = classJoint
		case c < ' ' && c != '\t' && c != '\n' && c != '\r':
			table[c] = classGap
		}
	}
	return table
}()

// eachWord calls yield with the words of a text in lower case, in order: runs of letters
// without a digit, also the parts of those that "_" or capitals divide. Next says that
// it follows the word before, as the words of a phrase do. What word is holds until
// yield returns.
func eachWord(text string, yield func(word []byte, next bool)) {
	var room [wordMax]byte
	next := false
	for i := 0; i < len(text); {
		switch classes[text[i]] {
		case classOther:
			i++
			continue
		case classGap:
			next = false
			i++
			continue
		}
		start, digits, mixed := i, false, false
		for ; i < len(text); i++ {
			class := classes[text[i]]
			if class == classOther || class == classGap {
				break
			}
			digits = digits || class == classDigit
			mixed = mixed || class == classJoint || class == classUpper && i > start && classes[text[i-1]] == classLower
		}
		if digits {
			next = false
			continue
		}
		run := text[start:i]
		if len(run) <= wordMax {
			yield(lower(room[:0], run), next)
		}
		if mixed {
			eachPart(run, next, yield)
		}
		next = true
	}
}

// eachPart calls yield with the parts of a run that "_" or capitals divide.
func eachPart(run string, next bool, yield func(word []byte, next bool)) {
	var room [wordMax]byte
	from := 0
	for i := 1; i <= len(run); i++ {
		ends := i == len(run) || run[i] == '_' || run[i-1] == '_' ||
			classes[run[i]] == classUpper && (classes[run[i-1]] == classLower || i+1 < len(run) && classes[run[i+1]] == classLower)
		if !ends {
			continue
		}
		if part := run[from:i]; part[0] != '_' && len(part) <= wordMax {
			yield(lower(room[:0], part), next)
			next = true
		}
		from = i
	}
}

func lower(dst []byte, text string) []byte {
	for i := 0; i < len(text); i++ {
		c := text[i]
		if c-'A' <= 'Z'-'A' {
			c += 'a' - 'A'
		}
		dst = append(dst, c)
	}
	return dst
}

// forms returns a word with its inflections.
func forms(word string) []string {
	all := []string{word}
	if strings.Contains(word, " ") || len(word) < 3 {
		return all
	}
	last := word[len(word)-1]
	stem := word
	switch {
	case last == 'e':
		stem = word[:len(word)-1]
		all = append(all, word+"s", stem+"ed", stem+"ing")
	case last == 'y' && !strings.ContainsRune("aeiou", rune(word[len(word)-2])):
		stem = word[:len(word)-1]
		all = append(all, stem+"ies", stem+"ied", word+"ing")
	case strings.HasSuffix(word, "s"), strings.HasSuffix(word, "x"), strings.HasSuffix(word, "ch"), strings.HasSuffix(word, "sh"):
		all = append(all, word+"es", word+"ed", word+"ing")
	default:
		all = append(all, word+"s", word+"ed", word+"ing")
		if before := rune(word[len(word)-2]); strings.ContainsRune("aeiou", before) && strings.ContainsRune("bdgmnptr", rune(last)) {
			all = append(all, word+string(last)+"ed", word+string(last)+"ing")
		}
	}
	return all
}
