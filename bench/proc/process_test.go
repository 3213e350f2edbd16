package proc_test

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"path/filepath"
	"runtime"
	"syscall"
	"testing"
	"time"

	"github.com/stere-log/stere/bench/proc"
)

// helperEnv makes the test binary play a server.
const helperEnv = "PROC_TEST_HELPER"

func TestMain(m *testing.M) {
	switch os.Getenv(helperEnv) {
	case "":
		os.Exit(m.Run())
	case "serve":
		term := make(chan os.Signal, 1)
		signal.Notify(term, syscall.SIGTERM)
		go func() { <-term; os.Exit(0) }()
		fmt.Println("helper serves")
		err := http.ListenAndServe(os.Args[1], http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		fmt.Println(err)
		os.Exit(1)
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		err := http.ListenAndServe(os.Args[1], http.HandlerFunc(func(http.ResponseWriter, *http.Request) {}))
		fmt.Println(err)
		os.Exit(1)
	case "fail":
		os.Exit(3)
	}
}

func config(t *testing.T, mode string) proc.Config {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	address, err := proc.FreeAddress()
	if err != nil {
		t.Fatal(err)
	}
	return proc.Config{
		Path: self, Args: []string{address}, Env: []string{helperEnv + "=" + mode},
		LogPath: filepath.Join(t.TempDir(), "log"),
		Ready: func(ctx context.Context) error {
			req, err := http.NewRequestWithContext(ctx, http.MethodGet, "http://"+address, nil)
			if err != nil {
				return err
			}
			res, err := http.DefaultClient.Do(req)
			if err != nil {
				return err
			}
			return res.Body.Close()
		},
	}
}

func TestStartUsageStop(t *testing.T) {
	cfg := config(t, "serve")
	p, err := proc.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if runtime.GOOS == "linux" {
		u, err := p.Usage()
		if err != nil {
			t.Fatal(err)
		}
		if u.RSSBytes <= 0 || u.PeakRSSBytes < u.RSSBytes {
			t.Errorf("implausible usage %+v", u)
		}
	}
	if !p.Alive() {
		t.Error("process that serves is not alive")
	}
	if err := p.Stop(); err != nil {
		t.Fatal(err)
	}
	if p.Alive() {
		t.Error("stopped process is alive")
	}
	if log, err := os.ReadFile(cfg.LogPath); err != nil || string(log) != "helper serves\n" {
		t.Errorf("log is %q, %v", log, err)
	}
	if err := p.Kill(); err != nil {
		t.Errorf("kill after the end: %v", err)
	}
}

func TestKill(t *testing.T) {
	p, err := proc.Start(t.Context(), config(t, "serve"))
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Kill(); err != nil || p.Alive() {
		t.Fatalf("kill: %v, alive %v", err, p.Alive())
	}
}

func TestStubbornIsKilledAndReported(t *testing.T) {
	cfg := config(t, "stubborn")
	cfg.StopTimeout = 50 * time.Millisecond
	p, err := proc.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	if err := p.Stop(); err == nil || p.Alive() {
		t.Fatalf("stop of a process that ignores SIGTERM: %v, alive %v", err, p.Alive())
	}
}

func TestEarlyEndIsAnError(t *testing.T) {
	if _, err := proc.Start(t.Context(), config(t, "fail")); !errors.Is(err, proc.ErrExited) {
		t.Fatalf("error is %v, want ErrExited", err)
	}
}

func TestValidate(t *testing.T) {
	if _, err := proc.Launch(proc.Config{}); err == nil {
		t.Fatal("empty config accepted")
	}
}

func TestDiskOf(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("sizes are read on Linux only")
	}
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "a", "b"), 0o755); err != nil {
		t.Fatal(err)
	}
	for path, size := range map[string]int{"x": 10, "a/y": 5000, "a/b/z": 0} {
		if err := os.WriteFile(filepath.Join(dir, path), make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	d, err := proc.DiskOf(dir)
	if err != nil {
		t.Fatal(err)
	}
	if d.Parts["a/y"] == 0 || d.Parts["a/b"] == 0 || d.Parts["a/b/z"] != 0 {
		t.Errorf("parts are %v, want them two levels deep", d.Parts)
	}
	if d.Apparent != 5010 || d.Files != 3 {
		t.Errorf("folder is %+v, want 5010 bytes in 3 files", d)
	}
}

// A paused process does not answer, and answers again when it continues.
func TestPause(t *testing.T) {
	cfg := config(t, "serve")
	var surrounded bool
	cfg.Within = func(start func() error) error {
		surrounded = true
		return start()
	}
	p, err := proc.Start(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = p.Kill() }()
	if !surrounded {
		t.Error("the process was not started within its surrounding")
	}
	err = p.Pause()
	if errors.Is(err, proc.ErrUnsupported) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
	defer cancel()
	if err := cfg.Ready(ctx); err == nil {
		t.Error("a paused process answers")
	}
	if err := p.Continue(); err != nil {
		t.Fatal(err)
	}
	if err := p.AwaitReady(t.Context()); err != nil {
		t.Error(err)
	}
}
