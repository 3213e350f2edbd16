package segment

import (
	"slices"
	"testing"
)

// FuzzTermChunk checks that no chunk makes a reader panic or give numbers
// beyond the limit.
func FuzzTermChunk(f *testing.F) {
	f.Add([]byte("\x00\x05after\x02\x01\x03\x03\x02ms\x01\x07"))
	f.Add([]byte("\x00\x01a\xff\xff\xff\xff\x0f\x01"))
	f.Add([]byte("\x00\x01a\x02\x01\x80"))
	f.Fuzz(func(t *testing.T, raw []byte) {
		chunk, err := parseTermChunk(raw)
		if err != nil {
			return
		}
		for i := range chunk.ends {
			numbers, err := chunk.appendNumbers(nil, i, 1000)
			if err == nil && len(numbers) > 0 && slices.Max(numbers) >= 1000 {
				t.Fatalf("word %d has numbers %d", i, numbers)
			}
			chunk.search(string(chunk.word(i)))
		}
		for _, word := range []string{"", "a", "after", "zz"} {
			if numbers, err := findTerm(raw, word, 1000); err == nil && len(numbers) > 0 && slices.Max(numbers) >= 1000 {
				t.Fatalf("word %q has numbers %d", word, numbers)
			}
		}
	})
}

// TestTermChunk reads words that share their starts.
func TestTermChunk(t *testing.T) {
	raw := []byte("\x00\x05after\x02\x01\x03\x03\x02ms\x01\x07")
	chunk, err := parseTermChunk(raw)
	if err != nil || len(chunk.ends) != 2 || string(chunk.word(1)) != "aftms" || chunk.search("afterx") != 1 {
		t.Fatalf("%+v, %v", chunk, err)
	}
	for i, want := range [][]uint32{{1, 4}, {7}} {
		if got, err := chunk.appendNumbers(nil, i, 8); err != nil || !slices.Equal(got, want) {
			t.Errorf("word %d: %d, %v, want %d", i, got, err, want)
		}
	}
	for word, want := range map[string][]uint32{"a": nil, "after": {1, 4}, "aftm": nil, "aftms": {7}, "b": nil} {
		if got, err := findTerm(raw, word, 8); err != nil || !slices.Equal(got, want) {
			t.Errorf("term %q: %d, %v, want %d", word, got, err, want)
		}
	}
	if _, err := chunk.appendNumbers(nil, 1, 7); err == nil {
		t.Error("a number beyond the limit is read")
	}
}
