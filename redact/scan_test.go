package redact

import (
	"encoding/binary"
	"math/rand/v2"
	"strings"
	"testing"
)

// TestBlocks compares what is found eight bytes at a time with the classes of the
// bytes.
func TestBlocks(t *testing.T) {
	random := rand.New(rand.NewPCG(1, 2))
	for round := range 100_000 {
		var block [blockBytes]byte
		for i := range block {
			if block[i] = byte(random.Uint32()); round%2 == 0 {
				block[i] &= 0x7f
			}
		}
		w := binary.LittleEndian.Uint64(block[:])
		for i, c := range block {
			at := func(mask uint64) bool { return mask>>(8*i)&0xff == 0x80 }
			if got, want := at(others(w)), !is(c, classWord); got != want {
				t.Fatalf("%q: others at %d is %v", block, i, got)
			}
			if got, want := at(digits(w)), is(c, classDigit); got != want {
				t.Fatalf("%q: digits at %d is %v", block, i, got)
			}
			if got, want := at(joiners(w)), strings.IndexByte("_-~", c) >= 0; c < 0x80 && got != want {
				t.Fatalf("%q: joiners at %d is %v", block, i, got)
			}
		}
	}
}

// TestEndsOfKeys asks for keys around all words that say something and compares with
// a look through all words.
func TestEndsOfKeys(t *testing.T) {
	naive := func(key string) meaning {
		for _, list := range keyWords.lists {
			for _, word := range list {
				if word.exact && key == word.suffix || !word.exact && strings.HasSuffix(key, word.suffix) {
					return word.meaning
				}
			}
		}
		return meaning{}
	}
	s := scanner(t, Config{})
	random := rand.New(rand.NewPCG(1, 2))
	const before = "abcdeiknoprstuwxyz019_-.\"é "
	for _, list := range keyWords.lists {
		for _, word := range list {
			for range 500 {
				text := word.suffix[random.IntN(len(word.suffix)):]
				for range random.IntN(4) {
					i := random.IntN(len(before))
					text = before[i:i+1] + text
				}
				if random.IntN(2) == 0 {
					i := random.IntN(len(text))
					text = text[:i] + "_" + strings.ToUpper(text[i:])
				}
				want := naive(string(fold(nil, text)))
				if got := s.meaningOf(text); got != want {
					t.Fatalf("%q means %v, want %v", text, got, want)
				}
				if last := text[len(text)-min(len(text), endingBytes):]; want.ok && len(fold(nil, last)) == endingBytes && !mayEnd(text) {
					t.Fatalf("no key may end %q", text)
				}
			}
		}
	}
}
