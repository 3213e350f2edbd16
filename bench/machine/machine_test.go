package machine_test

import (
	"errors"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/stere-log/stere/bench/machine"
)

func TestDescribe(t *testing.T) {
	m := machine.Describe()
	if m.Cores < 1 || m.OS != runtime.GOOS || !strings.HasPrefix(m.Go, "go") {
		t.Errorf("have %+v", m)
	}
	if runtime.GOOS == "linux" && (m.Kernel == "" || m.MemoryBytes == 0) {
		t.Errorf("have no kernel or no memory: %+v", m)
	}
}

func TestJSONRate(t *testing.T) {
	path := filepath.Join(t.TempDir(), "c.ndjson")
	if err := os.WriteFile(path, []byte(strings.Repeat(`{"a":1,"b":["x",null]}`+"\n\n", 1000)), 0o644); err != nil {
		t.Fatal(err)
	}
	if rate, err := machine.JSONRate(path); err != nil || rate <= 0 {
		t.Errorf("rate is %v, %v", rate, err)
	}
	if err := os.WriteFile(path, []byte("{\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{path, filepath.Join(t.TempDir(), "none")} {
		if _, err := machine.JSONRate(bad); err == nil {
			t.Errorf("%s has a rate", bad)
		}
	}
}

func TestMemcpyRate(t *testing.T) {
	if rate := machine.MemcpyRate(); rate <= 0 {
		t.Errorf("rate is %v", rate)
	}
}

// TestZstd runs the program where there is one, and says so where there is none.
func TestZstd(t *testing.T) {
	text := strings.Repeat("the same line again\n", 100_000)
	var percents []int
	size, _, err := machine.Zstd(t.Context(), strings.NewReader(text), int64(len(text)), func(percent int) { percents = append(percents, percent) })
	if errors.Is(err, machine.ErrNoZstd) {
		size = 1
	} else if err != nil {
		t.Fatal(err)
	} else if len(percents) == 0 || percents[len(percents)-1] != 100 {
		t.Errorf("progress is %v, want it to end with 100", percents)
	}
	if size <= 0 || size > 2_000 {
		t.Errorf("size is %d", size)
	}
	t.Setenv("PATH", t.TempDir())
	if _, _, err := machine.Zstd(t.Context(), strings.NewReader(text), 1, func(int) {}); !errors.Is(err, machine.ErrNoZstd) {
		t.Errorf("without the program: %v", err)
	}
}
