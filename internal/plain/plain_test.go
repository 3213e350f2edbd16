package plain_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stere-log/stere/internal/plain"
)

const hostile = "a\x1b[31mb\x07c\u009bd\u202ee\u2066f\u200fg\u2028h\x7fi\tj\nk"

// TestForeign: nothing foreign is left, and JSON means what it meant.
func TestForeign(t *testing.T) {
	if got := plain.Text(hostile); got != "a·[31mb·c·d·e·f·g·h·i\tj\nk" {
		t.Errorf("%q", got)
	}
	if got := plain.Line(hostile); got != "a·[31mb·c·d·e·f·g·h·i·j·k" {
		t.Errorf("%q", got)
	}
	encoded, err := json.MarshalIndent(map[string]string{hostile: hostile}, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	safe := plain.JSON(encoded)
	if strings.ContainsFunc(string(safe), func(r rune) bool { return r != '\n' && plain.Foreign(r) }) {
		t.Errorf("%q", safe)
	}
	var back map[string]string
	if err := json.Unmarshal(safe, &back); err != nil || back[hostile] != hostile {
		t.Errorf("%q means %q, %v", safe, back, err)
	}
}
