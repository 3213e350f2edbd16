package shape

import (
	"cmp"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"
)

func TestMessagePattern(t *testing.T) {
	for _, c := range []struct {
		message string
		values  []string
		want    string
	}{
		{"GET /api/v1/users 200", nil, "GET /api/*/users *"},
		{"from 10.0.0.1:80 to 10.0.0.2", nil, "from * to *"},
		{"no variables", nil, "no variables"},
		{"", nil, ""},
		{"user alice logged in", []string{"alice"}, "user * logged in"},
		{"malice of alice", []string{"alice"}, "malice of *"}, // whole words alone
		{"id 550e8400-e29b-41d4-a716-446655440000 done", nil, "id * done"},
		{"a1 b2", nil, "* *"},
		{"abc abc", []string{"abc"}, "abc abc"}, // too short
		{"on alice.example.com now", []string{"alice.example.com", "example"}, "on * now"},
		{"grün 5 größe", []string{"größe"}, "grün * *"},
		{strings.Repeat("ä", 300), nil, strings.Repeat("ä", 128) + "…"},
	} {
		if have := MessagePattern(c.message, c.values); have != c.want {
			t.Errorf("%q: have %q, want %q", c.message, have, c.want)
		}
	}
}

// TestPatternOfShape checks that a stored shape, references included, has the
// pattern of the message that it was made of.
func TestPatternOfShape(t *testing.T) {
	const seed = 81
	random := rand.New(rand.NewPCG(seed, 1))
	words := []string{"user", "alice", "10.0.0.1", "v2", " ", " ", "-", ":", ".", "/", "é", "\x11", "*", "550e8400-e29b-41d4-a716-446655440000", "x_9", "(", "12:30:01", "example.com"}
	for round := range 20_000 {
		message := ""
		for range random.IntN(14) {
			message += words[random.IntN(len(words))]
		}
		var values []string
		for range random.IntN(3) {
			values = append(values, words[random.IntN(len(words))])
		}
		slices.SortStableFunc(values, func(a, b string) int { return cmp.Compare(len(b), len(a)) })
		var cuts []stretch
		for _, value := range values {
			cuts = cutOut(cuts, message, value)
		}
		slices.SortFunc(cuts, func(a, b stretch) int { return cmp.Compare(a.start, b.start) })
		var shape []byte
		at, ok := 0, true
		for _, cut := range cuts {
			if shape, _, ok = AppendSpans(shape, nil, message, at, cut.start); !ok {
				t.Fatal("beyond the limits")
			}
			shape = AppendReference(shape, 7)
			at = cut.end
		}
		shape, _, _ = AppendSpans(shape, nil, message, at, len(message))
		have, want := Pattern(string(shape)), MessagePattern(message, values)
		if have != want || utf8.ValidString(message) && !utf8.ValidString(have) {
			t.Fatalf("seed %d, round %d: %q with %q: of the shape %q, of the message %q", seed, round, message, values, have, want)
		}
	}
}

// TestScriptsWithoutSpaces looks at messages in which a word with a digit says more than
// that: they stay text, and their outlines have the number cut out alone.
func TestScriptsWithoutSpaces(t *testing.T) {
	for message, want := range map[string]string{
		"订单953支付成功，金额325.024元":            "订单\x11支付成功，金额\x11元",
		"用户 王芳 登录，IP地址：8.67.224.14:80 ok": "用户 王芳 登录，IP地址：\x11:\x11 ok",
		"注文12件、合計3,500円":                  "注文\x11件、合計\x11,\x11円",
		"주문 953번이 완료되었습니다":                "주문 \x11번이 완료되었습니다",
		"编号a7-b9-完成":                      "编号\x11-完成",
	} {
		if outline := MessageOutline(message); outline != want {
			t.Errorf("%q: the outline is %q, want %q", message, outline, want)
		}
		if shape, vars, ok := Split(nil, message); ok {
			t.Errorf("%q has the shape %q and %q", message, shape, vars)
		}
	}
	for message, want := range map[string]string{
		"waited 12µs for 7€, Größe7": "waited \x11 for \x11, \x11", "Route ID：f3d4d4ef": "Route \x11", "数据库 7 ok": "数据库 \x11 ok",
	} {
		shape, _, ok := Split(nil, message)
		if outline := MessageOutline(message); outline != want || !ok || Outline(shape) != want {
			t.Errorf("%q: the outline is %q, that of the shape %q, want %q", message, outline, shape, want)
		}
	}
}

// TestWholeOutline puts messages together of values and what is between them, all that a
// word, a variable or a UUID can be made of, and compares what is sure of the outline
// with that of the whole message.
func TestWholeOutline(t *testing.T) {
	const seed, n = 29, 60_000
	random := rand.New(rand.NewPCG(seed, 0))
	pieces := []string{
		"", " ", "-", ".", ":", "--", "x", "x1", "7", "cafe", "face", "babe", "deadbeef", "1234abcd", "feedfacebeef", "0123456789ab", "\x11", "\x13", "=",
		"deadbeef-cafe-babe-face-feedfacebeef", "cafe-babe-face-feedfacebeef", "deadbeef-cafe-babe-face", "-cafe-", "babe-face-feedfacebeef",
		"7号", "号", "订单9", "：8", "é9", "10.0.0.7", "7-x1", "x1:7", "1.", "-2", ":3", ".4", "a-", "deadbeef-", "C-",
	}
	text := func(most int) (text string) {
		for range random.IntN(most + 1) {
			text += pieces[random.IntN(len(pieces))]
		}
		return text
	}
	sure := 0
	for i := range n {
		var values []string
		message := text(2)
		var cuts []stretch
		for range 1 + random.IntN(2) {
			value := text(3)
			values, cuts = append(values, value), append(cuts, stretch{len(message), len(message) + len(value)})
			message += value + text(2)
		}
		var shape []byte
		var outlines []Value
		from, good := 0, true
		for i, cut := range cuts {
			good = good && cut.start < cut.end && Border(message, cut.start) && Border(message, cut.end)
			var ok bool
			shape, _, ok = AppendSpans(shape, nil, message, from, cut.start)
			good = good && ok // else the message stays text
			shape = AppendReference(shape, uint32(i))
			outlines, from = append(outlines, Value{MessageOutline(values[i]), TailOf(values[i])}), cut.end
		}
		shape, _, ok := AppendSpans(shape, nil, message, from, len(message))
		if !good || !ok {
			continue
		}
		outline, is := WholeOutline(string(shape), outlines)
		if !is {
			continue
		}
		sure++
		if want := MessageOutline(message); outline != want {
			t.Fatalf("seed %d: message %d, %q, repeats %q: the outline is %q, want %q", seed, i, message, values, outline, want)
		}
	}
	// A dash alone is what many lines have instead of a value.
	dash := string(AppendReference([]byte(`"GET /" 200 "`), 3)) + `" "agent"`
	if outline, is := WholeOutline(dash, []Value{{"-", TailOf("-")}}); !is || outline != `"GET /" 200 "-" "agent"` {
		t.Errorf("the outline is %q, sure: %v", outline, is)
	}
	// An address and its port are two variables, whatever the port is.
	address := string(AppendReference(append(AppendReference([]byte("from "), 1), ':'), 2))
	if outline, is := WholeOutline(address, []Value{{"\x11", TailOf("10.0.0.7")}, {"\x11", 0}}); !is || outline != MessageOutline("from 10.0.0.7:5060") {
		t.Errorf("the outline is %q, sure: %v", outline, is)
	}
	if outline, is := WholeOutline(string(AppendReference([]byte("C-"), 1))+": up", []Value{{"\x11", 0}}); !is || outline != "C-\x11: up" {
		t.Errorf("the outline is %q, sure: %v", outline, is)
	}
	if _, is := WholeOutline("deadbeef"+string(AppendReference(nil, 1))+"cafe-babe-face-feedfacebeef", []Value{{"-", 0}}); is {
		t.Error("a dash in a UUID is a value, and the outline is sure")
	}
	if sure < n/20 {
		t.Errorf("seed %d: %d outlines of %d were sure: the test is of no use", seed, sure, n)
	}
}
