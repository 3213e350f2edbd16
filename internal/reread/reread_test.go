package reread_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/internal/reread"
)

// TestFiles changes a file under a clock and looks what is said, how often it is read and
// what is told.
func TestFiles(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	now := time.Unix(1_800_000_000, 0)
	write := func(text string) {
		t.Helper()
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	reads := 0
	var told []string
	cfg := reread.Config[string]{
		Paths: []string{path}, BytesMax: 10, Now: func() time.Time { return now },
		Read: func() (string, error) {
			reads++
			text, err := os.ReadFile(path)
			if err == nil && strings.HasPrefix(string(text), "bad") {
				err = errors.New("it is bad")
			}
			return string(text), err
		},
		Told: func(said string, err error) {
			if err != nil {
				said = err.Error()
			}
			told = append(told, said)
		},
	}
	if _, err := reread.Open(cfg); !errors.Is(err, os.ErrNotExist) {
		t.Fatalf("a file that is not there: %v", err)
	}
	write("one")
	files, err := reread.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	for i, step := range []struct {
		write string // "": nothing; "-": the file goes
		pass  time.Duration
		want  string
		reads int // in all
		told  string
	}{
		{"", reread.Every, "one", 1, ""},
		{"three", reread.Every - 1, "one", 1, ""},
		{"", 1, "three", 2, "three"},
		{"bad", reread.Every, "three", 3, "it is bad"},
		{"", reread.Every, "three", 4, ""}, // tried again, told once
		{"four", reread.Every, "four", 5, "four"},
		{"-", reread.Every, "four", 5, "no such file"},
		{"eleven bytes", reread.Every, "four", 5, ""}, // still failing: told once
		{"sixth", -time.Hour, "sixth", 6, "sixth"},    // a clock that was put back
		{"eleven bytes", reread.Every, "sixth", 6, "the most is 10"},
	} {
		switch step.write {
		case "":
		case "-":
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
		default:
			write(step.write)
		}
		now = now.Add(step.pass)
		told = nil
		if got := files.Current(); got != step.want || reads != step.reads {
			t.Errorf("step %d: says %q after %d reads, want %q after %d", i, got, reads, step.want, step.reads)
		}
		if got := strings.Join(told, "\n"); (got == "") != (step.told == "") || !strings.Contains(got, step.told) {
			t.Errorf("step %d: told %q, want %q", i, got, step.told)
		}
	}
}
