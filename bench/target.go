package bench

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"github.com/stere-log/stere/bench/proc"
)

// ErrNotAsked says that a target has no language for the questions.
var ErrNotAsked = errors.New("target answers no questions")

// ErrNotMeasured says that a figure cannot be read because the server was not
// started here.
var ErrNotMeasured = errors.New("server was not started here")

// Target is a log store under measurement. Ingest may be called from several
// goroutines, everything else from one.
type Target interface {
	// Name is unique among the targets of a run.
	Name() string
	// Start starts the server, or sees that it is there.
	Start(ctx context.Context) error
	// Stop ends the server; its data stays.
	Stop() error
	// Program says what is measured: what it says of its version, and a hash
	// of the program. Empty if the server was not started here.
	Program(ctx context.Context) string
	// Ingest sends one request and returns when it is acknowledged. That lines
	// were refused is no error.
	Ingest(ctx context.Context, b Batch) (Receipt, error)
	// Settle returns when what came in is stored in its final form.
	Settle(ctx context.Context) error
	// Ask asks a question.
	Ask(ctx context.Context, q Question) (Answer, error)
	// Usage is what the server process used since its start.
	Usage() (proc.Usage, error)
	// ResetPeak lets the most ever resident of Usage begin anew.
	ResetPeak() error
	// Disk is the size of the data folder.
	Disk() (proc.Disk, error)
	// Owned reports whether the server was started here and can be restarted.
	Owned() bool
}

// Receipt is what a server says became of a batch.
type Receipt struct {
	Accepted int
	Rejected int
	Reason   string // of a refusal
}

// server is the part of a target that is the same for all: a process, or the
// address of one that others started.
type server struct {
	name    string
	dir     string // of the data; "" if not started here
	path    string // of the program; "" if not started here
	logPath string
	args    func(dir, address string) []string
	ready   func(ctx context.Context) error
	http    *caller
	process *proc.Process
	timeout time.Duration
	// version are the arguments that make the program say its version.
	version []string
	env     []string
}

// Name implements Target.
func (s *server) Name() string { return s.name }

// Owned implements Target.
func (s *server) Owned() bool { return s.path != "" }

// Start implements Target.
func (s *server) Start(ctx context.Context) error {
	if !s.Owned() {
		if err := s.ready(ctx); err != nil {
			return fmt.Errorf("reach %s: %w", s.name, err)
		}
		return nil
	}
	address, err := proc.FreeAddress()
	if err != nil {
		return err
	}
	s.http.base = "http://" + address
	s.process, err = proc.Start(ctx, proc.Config{
		Path: s.path, Args: s.args(s.dir, address), Env: s.env, LogPath: s.logPath, Ready: s.ready, ReadyTimeout: s.timeout, StopTimeout: s.timeout,
	})
	return err
}

// Stop implements Target.
func (s *server) Stop() error {
	s.http.close()
	if s.process == nil {
		return nil
	}
	err := s.process.Stop()
	s.process = nil
	return err
}

// Usage implements Target.
func (s *server) Usage() (proc.Usage, error) {
	if s.process == nil {
		return proc.Usage{}, ErrNotMeasured
	}
	return s.process.Usage()
}

// ResetPeak implements Target.
func (s *server) ResetPeak() error {
	if s.process == nil {
		return ErrNotMeasured
	}
	return s.process.ResetPeak()
}

// programHashBytes is how much of the program's SHA-256 names it.
const programHashBytes = 6

// Program implements Target.
func (s *server) Program(ctx context.Context) string {
	if !s.Owned() {
		return ""
	}
	out, err := exec.CommandContext(ctx, s.path, s.version...).Output()
	if err != nil {
		out = nil // it has no such command; the hash must do
	}
	line, _, _ := strings.Cut(strings.TrimSpace(string(out)), "\n")
	file, err := os.Open(s.path)
	if err != nil {
		return line
	}
	defer file.Close()
	sum := sha256.New()
	if _, err := io.Copy(sum, file); err != nil {
		return line
	}
	return strings.TrimSpace(fmt.Sprintf("%s sha256:%x", line, sum.Sum(nil)[:programHashBytes]))
}

// Disk implements Target.
func (s *server) Disk() (proc.Disk, error) {
	if !s.Owned() {
		return proc.Disk{}, ErrNotMeasured
	}
	return proc.DiskOf(s.dir)
}

// Kinds of targets in a target's spec.
const (
	KindStere        = "stere"
	KindBulk         = "bulk"
	KindVictoriaLogs = "victorialogs"
)

// ParseTarget makes a target from KIND=WHERE. WHERE is the path of a program,
// which is started with an empty data folder in workDir, or the http URL of a
// server that runs already (and then must be empty). A bulk target must be a
// URL, with the path up to /_bulk.
func ParseTarget(spec, workDir string, timeout time.Duration) (Target, error) {
	kind, where, _ := strings.Cut(spec, "=")
	s := server{name: kind, http: newCaller(timeout), timeout: timeout}
	switch {
	case where == "":
		return nil, fmt.Errorf("target %q: want KIND=PATH or KIND=URL", spec)
	case strings.HasPrefix(where, "http://"), strings.HasPrefix(where, "https://"):
		s.http.base = strings.TrimSuffix(where, "/")
	default:
		s.path = where
		s.dir = filepath.Join(workDir, kind+"-data")
		s.logPath = filepath.Join(workDir, kind+".log")
		if err := os.RemoveAll(s.dir); err != nil {
			return nil, fmt.Errorf("empty the data folder of %s: %w", kind, err)
		}
	}
	switch {
	case kind == KindStere:
		return newStere(s), nil
	case kind == KindVictoriaLogs:
		return newVictoriaLogs(s), nil
	case kind == KindBulk && !s.Owned():
		return newBulk(s), nil
	case kind == KindBulk:
		return nil, fmt.Errorf("target %q: a bulk target must be a URL", spec)
	}
	return nil, fmt.Errorf("target %q: unknown kind %q, want %s, %s or %s", spec, kind, KindStere, KindVictoriaLogs, KindBulk)
}
