package shape

import (
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
)

func TestSplit(t *testing.T) {
	for _, test := range []struct {
		message, shape string
		vars           []string
	}{
		{"", "", nil},
		{"no digits here", "no digits here", nil},
		{"took 15 ms", "took \x11 ms", []string{"15"}},
		{"from 10.0.0.1:80", "from \x11:\x11", []string{"10.0.0.1", "80"}},
		{"blk_-16 ok", "blk_-\x11 ok", []string{"16"}},
		{"a\x13b", "a\x12\x13b", nil},
		{"a\x11b\x12c 1", "a\x12\x11b\x12\x12c \x11", []string{"1"}},
		{"v1.x.2", "\x11.x.\x11", []string{"v1", "2"}},
		{"at 2024-01-02T03:04:05.678Z", "at \x11:\x11.\x11", []string{"2024-01-02T03", "04:05", "678Z"}},
		{"id abcdefab-cdef-abcd-abcd-abcdefabcdef.", "id \x11.", []string{"abcdefab-cdef-abcd-abcd-abcdefabcdef"}},
		{"id 12345678-1234-1234-1234-123456789abcd", "id \x11", []string{"12345678-1234-1234-1234-123456789abcd"}},
		{"1.", "\x11.", []string{"1"}},
	} {
		shape, vars, ok := Split(nil, test.message)
		if !ok || shape != test.shape || !slices.Equal(vars, test.vars) {
			t.Errorf("%q: got %q %q %v, want %q %q", test.message, shape, vars, ok, test.shape, test.vars)
		}
		if Variables(shape) != len(vars) {
			t.Errorf("%q: %d variables, want %d", test.message, Variables(shape), len(vars))
		}
		message, err := Join(nil, shape, vars, nil)
		if err != nil || string(message) != test.message {
			t.Errorf("%q: joined to %q, %v", test.message, message, err)
		}
	}
}

// TestSplitIsScan compares Split, which looks at eight bytes at once, with a walk from word
// to word.
func TestSplitIsScan(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	tokens := []string{"word", "a", "x1", "7", "2024", "abcdefab", "abcdefab-cdef-abcd-abcd-abcdefabcdef", "12345678-1234-1234-1234-123456789abc",
		".", ":", "-", "/", " ", "  ", "\x11", "\x12", "\x13", "\x10", "\x14", "_", "\xc3\xa9", "\xe4\xb8\xad", "\xff", ",", "0", "9", "ABCDEFGH"}
	for range 20_000 {
		var b strings.Builder
		for range rng.IntN(12) {
			b.WriteString(tokens[rng.IntN(len(tokens))])
		}
		message := b.String()
		shape, vars, ok := Split(nil, message)
		wantShape, wantVars, wantOK := splitByWords(message)
		if ok != wantOK || shape != wantShape && ok || !slices.Equal(vars, wantVars) {
			t.Fatalf("%q: got %q %q %v, want %q %q %v", message, shape, vars, ok, wantShape, wantVars, wantOK)
		}
	}
}

func splitByWords(message string) (shape string, vars []string, ok bool) {
	for i := 0; i < len(message); {
		switch class := classes[message[i]]; {
		case class&inWord != 0:
			end, variable := variableEnd(message, i)
			if !variable {
				end, _ = word(message, i)
				shape += message[i:end]
				i = end
				continue
			}
			if denseIn(message[i:end]) {
				return "", nil, false
			}
			shape, vars = shape+string(rune(Placeholder)), append(vars, message[i:end])
			i = end
		case class == reserved:
			shape += string(rune(Escape)) + message[i:i+1]
			i++
		default:
			shape += message[i : i+1]
			i++
		}
	}
	return shape, vars, true
}

func TestSplitLimits(t *testing.T) {
	for _, message := range []string{strings.Repeat("x", MessageMax+1), strings.Repeat("1 ", VariablesMax+1)} {
		if _, vars, ok := Split([]string{"kept"}, message); ok || len(vars) != 1 {
			t.Errorf("%d bytes: got ok %v with %d variables", len(message), ok, len(vars))
		}
	}
	if _, vars, ok := Split(nil, strings.Repeat("1 ", VariablesMax)); !ok || len(vars) != VariablesMax {
		t.Errorf("got ok %v with %d variables, want %d", ok, len(vars), VariablesMax)
	}
}

func TestStatic(t *testing.T) {
	if got := Static("a\x11b\x12\x11c"); got != "a b\x11c" {
		t.Errorf("got %q", got)
	}
}

func TestReferences(t *testing.T) {
	message := "GET /a/b1 took 15 from 10.0.0.1 by x"
	out, spans, ok := AppendSpans(nil, nil, message, 0, 4)
	out = AppendReference(out, 7)
	out, spans, ok2 := AppendSpans(out, spans, message, 9, 23)
	out = AppendReference(out, 12)
	out, spans, ok3 := AppendSpans(out, spans, message, 31, len(message))
	name := string(out)
	if want := "GET \x137\x13 took \x11 from \x1312\x13 by x"; name != want || !ok || !ok2 || !ok3 {
		t.Fatalf("got %q", name)
	}
	if len(spans) != 1 || message[spans[0].Start:spans[0].End] != "15" || Variables(name) != 1 {
		t.Errorf("spans %v", spans)
	}
	if got, err := References(name); err != nil || !slices.Equal(got, []uint32{7, 12}) {
		t.Errorf("references %v, %v", got, err)
	}
	if got, err := Join(nil, name, []string{"15"}, []string{"/a/b1", "10.0.0.1"}); err != nil || string(got) != message {
		t.Errorf("joined to %q, %v", got, err)
	}
	if got := Static(name); got != "GET   took   from   by x" {
		t.Errorf("static %q", got)
	}
	for at, want := range map[int]bool{0: true, 3: true, 4: true, 1: false, 8: false, 9: true} {
		if Border(message, at) != want {
			t.Errorf("border at %d: not %v", at, want)
		}
	}
}

func TestJoinFaults(t *testing.T) {
	for _, test := range []struct {
		shape string
		vars  []string
	}{{"\x11", nil}, {"", []string{"a"}}, {"\x12", nil}, {"\x131\x13", nil}, {"\x13x\x13", nil}, {"\x131", nil}} {
		if got, err := Join(nil, test.shape, test.vars, nil); err == nil {
			t.Errorf("%q with %q: joined to %q", test.shape, test.vars, got)
		}
	}
}

// words is the plain reading of what a word is: letters of any script may be
// joined to more here than in package index, never to less.
func words(text string) []string {
	return strings.FieldsFunc(text, func(r rune) bool {
		return r < 0x80 && r != '_' && (r < '0' || r > '9') && (r < 'a' || r > 'z') && (r < 'A' || r > 'Z')
	})
}

func FuzzSplit(f *testing.F) {
	for _, seed := range []string{"", "a1 b", "10.0.0.1:80 - x", "\x11\x12", "2024-01-02T03:04:05.6Z", "é1-2 ü", "\xff1"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, message string) {
		shape, vars, ok := Split(nil, message)
		if !ok {
			t.Skip("beyond the limits")
		}
		joined, err := Join(nil, shape, vars, nil)
		if err != nil || string(joined) != message {
			t.Fatalf("%q: joined to %q, %v", message, joined, err)
		}
		split := words(Static(shape))
		for _, v := range vars {
			split = append(split, words(v)...)
		}
		whole := words(message)
		slices.Sort(split)
		slices.Sort(whole)
		if !slices.Equal(split, whole) {
			t.Fatalf("%q: words %q, split %q", message, whole, split)
		}
	})
}

func BenchmarkSplit(b *testing.B) {
	messages := []string{
		"Received block blk_-1608999687919862906 of size 67108864 from /10.251.42.84",
		"pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=173.234.31.186",
		"Registering application attempt with the scheduler and nothing else to say about it",
	}
	bytes := 0
	for _, message := range messages {
		bytes += len(message)
	}
	b.SetBytes(int64(bytes))
	var shape []byte
	var vars []string
	for b.Loop() {
		for _, message := range messages {
			shape, vars, _ = Append(shape[:0], vars[:0], message)
		}
	}
}
