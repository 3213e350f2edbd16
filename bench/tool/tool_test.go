package tool_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stere-log/stere/bench/tool"
)

// losses is a report.
type losses struct {
	Lost int `json:"lost"`
}

func (l *losses) WriteTable(w io.Writer) error {
	_, err := io.WriteString(w, "table\n")
	return err
}

const asJSON = "{\n  \"lost\": 3\n}\n"

func TestReportIsATableOrJSONOrBoth(t *testing.T) {
	file := filepath.Join(t.TempDir(), "report.json")
	for _, test := range []struct{ to, stdout, file string }{
		{"", "table\n", ""},
		{"-", asJSON, ""},
		{file, "table\n", asJSON},
	} {
		var stdout bytes.Buffer
		if err := tool.WriteReport(&losses{Lost: 3}, test.to, &stdout); err != nil || stdout.String() != test.stdout {
			t.Errorf("to %q: have %q, %v; want %q", test.to, stdout.String(), err, test.stdout)
		}
		if text, err := os.ReadFile(file); test.file != "" && (err != nil || string(text) != test.file) {
			t.Errorf("to %q: the file has %q, %v; want %q", test.to, text, err, test.file)
		} else if test.file == "" && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("to %q: there is a file, %v", test.to, err)
		}
	}
}

func TestReportThatCannotBeWrittenIsAnError(t *testing.T) {
	var stdout bytes.Buffer
	err := tool.WriteReport(&losses{}, filepath.Join(t.TempDir(), "none", "report.json"), &stdout)
	if !errors.Is(err, fs.ErrNotExist) || stdout.Len() != 0 {
		t.Errorf("have %v and %q, want that there is no such folder and no table", err, stdout.String())
	}
}

// TestBuildSaysWhatTheCompilerSaid builds a module that has no Stere in it.
func TestBuildSaysWhatTheCompilerSaid(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := os.WriteFile("go.mod", []byte("module example\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	path, err := tool.BuildStere(t.Context(), t.TempDir())
	if err == nil || path != "" || !strings.HasPrefix(err.Error(), "build stere: ") || !strings.Contains(err.Error(), "cmd/stere") {
		t.Errorf("have %q, %v; want an error that names what cannot be built", path, err)
	}
}

// TestLinesAreSentOnce sends a file of more than a batch, to its end and up to a number,
// and one that a batch in the middle fails.
func TestLinesAreSentOnce(t *testing.T) {
	path := filepath.Join(t.TempDir(), "lines")
	var want strings.Builder
	for i := range 9_000 {
		fmt.Fprintf(&want, "%d %s\n", i, strings.Repeat("x", 1000))
	}
	if err := os.WriteFile(path, []byte(strings.TrimSuffix(want.String(), "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct{ most, fails, sent int }{{10_000, -1, 9_000}, {8_999, -1, 8_999}, {5, -1, 5}, {9_000, 0, 0}} {
		var got strings.Builder
		batches := 0
		sent, err := tool.SendLines(path, test.most, func(batch []byte) error {
			if batches == test.fails {
				return io.ErrUnexpectedEOF
			}
			batches++
			got.Write(batch)
			return nil
		})
		if sent != test.sent || strings.Count(got.String(), "\n") != test.sent || !strings.HasPrefix(want.String(), got.String()) || (err != nil) != (test.fails >= 0) {
			t.Errorf("%+v: sent %d, %d bytes, %v", test, sent, got.Len(), err)
		}
		if test.most > 5_000 && test.fails < 0 && batches < 2 {
			t.Errorf("%+v: all in one batch", test)
		}
	}
	empty := filepath.Join(t.TempDir(), "empty")
	if err := os.WriteFile(empty, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := tool.SendLines(empty, 1, func([]byte) error { return nil }); err == nil {
		t.Error("a file without lines was sent")
	}
}
