package tool_test

import (
	"bytes"
	"errors"
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
