package meaning

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"slices"
	"strings"
	"testing"
)

// lexiconWith returns the built-in lexicon with what is added.
func lexiconWith(t testing.TB, own ...Vocabulary) *Lexicon {
	t.Helper()
	l, err := NewLexicon(own)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// warehouse is a lexicon with a category of its own, and words for built-in ones.
func warehouse(t testing.TB) *Lexicon {
	t.Helper()
	return lexiconWith(t,
		Vocabulary{Category: "warehouse", Words: []string{"SKU", "pallet", "goods  Receipt", "übergabe"}, Components: []string{" WMS "}},
		Vocabulary{Category: Security, Words: []string{"badge"}, Weight: 5}, Vocabulary{Category: Business, Words: []string{"order"}, Weight: 1})
}

// TestLexicon judges by words of its own: in inflections and whatever letters are
// capitals, for built-in categories too, and what was added wins.
func TestLexicon(t *testing.T) {
	l := warehouse(t)
	for _, test := range []struct{ message, component, want string }{
		{"Pallets 7 moved", "", `warehouse 3: "pallet" 3`},
		{"palletMoved goodsReceipts", "", `warehouse 6: "pallet" 3, "goods receipt" 3`},
		{"goods_receipt 7", "", `warehouse 3: "goods receipt" 3`},
		{"receipt of goods", "", "general: no words that speak for another category"},
		{"Übergabe", "", `warehouse 3: "übergabe" 3`},
		{"ÜBERGABE 7", "", `warehouse 3: "übergabe" 3`},
		{"hello", "wms", `warehouse 10: "wms" as component 10`},
		{"hello", "wms2", "general: no words that speak for another category"},
		{"sql injection attack", "Wms", `security 12: "sql injection" 5, "attack" 3.5, "injection" 3.5; warehouse 10: "wms" as component 10`},
		{"badge denied", "", `security 6: "badge" 5, "denied" 1`},
		{"order 7", "", "general: no words that speak for another category"},
		{"sku of the invoice", "", `warehouse 3: "sku" 3; payment 3: "invoice" 3`},
	} {
		verdict := l.Judge(Evidences{Message: l.Evidence(test.message), Component: l.EvidenceOfComponent(test.component)})
		if verdict.Reason != test.want {
			t.Errorf("%q of %q: %s, want %s", test.message, test.component, verdict.Reason, test.want)
		}
	}
	if v := Judge(Evidences{Message: Evidence("pallet of the order"), Component: BuiltIn().EvidenceOfComponent("wms")}); v.Labels[0].Category != Business {
		t.Errorf("the built-in lexicon has learned: %s", v.Reason)
	}
	text, err := l.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if again, err := DecodeLexicon(text); err != nil || !reflect.DeepEqual(again, l) {
		t.Errorf("%s is another lexicon when it is read: %v", text, err)
	}
	for _, bad := range []string{"", "{}", `[{"name":"x"}]`, `[{"name":"x","words":["1"]}]`} {
		if _, err := DecodeLexicon([]byte(bad)); err == nil {
			t.Errorf("%q is a lexicon", bad)
		}
	}
	a, b := Vocabulary{Category: "a", Words: []string{"xx"}}, Vocabulary{Category: "b", Words: []string{"yy"}}
	if one := lexiconWith(t, a, b).Version(); one != lexiconWith(t, b, a).Version() || one == lexiconWith(t, a).Version() || one == 0 || BuiltIn().Version() != 0 {
		t.Error("versions do not tell lexicons apart")
	}
}

// TestAddedWordsSpeak: each word that was added speaks for its category, whatever other
// words there are: inflections of it, the same in other categories, parts of phrases.
func TestAddedWordsSpeak(t *testing.T) {
	const seed = 92
	random := rand.New(rand.NewPCG(seed, 1))
	pool := []string{"order", "orders", "ordering", "login", "goods", "receipt", "receipts", "goods receipt", "sql", "sql injection", "injection", "disk full", "full", "box", "boxes", "größe", "xx"}
	for range 500 {
		own := make([]Vocabulary, 1+random.IntN(4))
		for i := range own {
			own[i].Category = []Category{"own", "other", Security, Business}[i]
			own[i].Weight = float64(10+random.IntN(91)) / 10
			for range 1 + random.IntN(5) {
				own[i].Words = append(own[i].Words, pool[random.IntN(len(pool))])
			}
		}
		l := lexiconWith(t, own...)
		for _, v := range own {
			for _, word := range v.Words {
				speaks := 0
				l.each(Evidences{Message: l.Evidence("7: " + word + "!")}, func(_, _ string, weights []weight) {
					for _, w := range weights {
						if l.categories[w.category] == v.Category {
							speaks += int(w.tenths)
						}
					}
				})
				if least := int(v.Weight*10 + 0.5); speaks < least {
					t.Fatalf("seed %d: %q speaks %d for %s, want %d, of %+v", seed, word, speaks, v.Category, least, own)
				}
			}
		}
	}
}

// TestVocabularyFaults: what is wrong is named with its place.
func TestVocabularyFaults(t *testing.T) {
	many := make([]string, OwnWordsMax+1)
	for i := range many {
		many[i] = "word"
	}
	for _, test := range []struct {
		v    Vocabulary
		want string
	}{
		{Vocabulary{Category: "Own", Words: []string{"xx"}}, `name: "Own", want a small letter`},
		{Vocabulary{Category: Category(strings.Repeat("x", CategoryMax+1)), Words: []string{"xx"}}, "name: "},
		{Vocabulary{Category: General, Words: []string{"xx"}}, "name: general is of records for which no words speak"},
		{Vocabulary{Category: "own"}, "words: there are none"},
		{Vocabulary{Category: "own", Words: many}, "words: 1001 words and components, at most 1000"},
		{Vocabulary{Category: "own", Words: []string{"xx"}, Weight: 0.9}, "weight: 0.9, want 1 to 10"},
		{Vocabulary{Category: "own", Words: []string{"xx"}, Weight: -1}, "weight: -1"},
		{Vocabulary{Category: "own", Words: []string{"xx", "a b c"}}, `words[1]: "a b c" has 3 words`},
		{Vocabulary{Category: "own", Words: []string{"xx", " "}}, "words[1]: "},
		{Vocabulary{Category: "own", Words: []string{"sku7"}}, `words[0]: "sku7" has something else than letters`},
		{Vocabulary{Category: "own", Words: []string{"a-b"}}, "words[0]: "},
		{Vocabulary{Category: "own", Words: []string{"x\xff"}}, "words[0]: "},
		{Vocabulary{Category: "own", Words: []string{"x"}}, "words[0]: \"x\" has a word of 1 bytes, want 2 to 20"},
		{Vocabulary{Category: "own", Words: []string{"ok", strings.Repeat("x", 21)}}, "words[1]: "},
		{Vocabulary{Category: "own", Words: []string{"cafe"}}, "words[0]: \"cafe\" may be a part of an id"},
		{Vocabulary{Category: "own", Words: []string{"new face"}}, "words[0]: "},
		{Vocabulary{Category: "own", Components: []string{"ok", "a,b"}}, `components[1]: "a,b", want 1 to 100 bytes`},
		{Vocabulary{Category: "own", Components: []string{" "}}, "components[0]: "},
	} {
		_, err := test.v.Checked()
		var fault *Fault
		if !errors.As(err, &fault) || !strings.HasPrefix(err.Error(), test.want) {
			t.Errorf("%+v: %v, want %s", test.v.Category, err, test.want)
		}
	}
	if _, err := (Vocabulary{Category: "own", Words: []string{"x", "ok", "cafe"}, Components: []string{" "}}).Checked(); err == nil || strings.Count(err.Error(), "\n") != 2 || !strings.Contains(err.Error(), "\nwords[2]: ") || !strings.Contains(err.Error(), "\ncomponents[0]: ") {
		t.Errorf("of three faults: %v", err)
	}
	var own []Vocabulary
	for i := range OwnMax + 1 {
		own = append(own, Vocabulary{Category: Category(fmt.Sprint("c", i)), Words: []string{"xx"}, Weight: 3})
	}
	if _, err := NewLexicon(own); err == nil {
		t.Errorf("%d categories are taken", len(own))
	}
	if _, err := NewLexicon(own[1:]); err != nil {
		t.Errorf("%d categories: %v", OwnMax, err)
	}
}

// TestLargestLexicon adds as much as can be added.
func TestLargestLexicon(t *testing.T) {
	var words []string
	for i := range OwnWordsMax {
		letters := string([]byte{'g' + byte(i/100), 'g' + byte(i/10%10), 'g' + byte(i%10)})
		words = append(words, "q"+letters+" z"+letters)
	}
	l := lexiconWith(t, Vocabulary{Category: "own", Words: words})
	if len(l.names) > lexiconMax || !slices.Equal(distinct(words), words) {
		t.Fatalf("%d words and phrases, more than %d", len(l.names), lexiconMax)
	}
	if v := l.Judge(Evidences{Message: l.Evidence("a " + words[OwnWordsMax-1])}); v.Labels[0].Category != "own" {
		t.Errorf("the last word says %s", v.Reason)
	}
}
