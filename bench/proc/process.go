package proc

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"
)

// Defaults of Config, and the pause between two looks at a starting process.
const (
	DefaultReadyTimeout = 60 * time.Second
	DefaultStopTimeout  = 60 * time.Second
	pollInterval        = 20 * time.Millisecond
	killTimeout         = 30 * time.Second
)

// ErrUnsupported says that this operating system has no such facility.
var ErrUnsupported = errors.New("not supported on this operating system")

// ErrExited says that the process ended before it was ready.
var ErrExited = errors.New("process ended")

// Config says what to start.
type Config struct {
	// Path is the program, Args its arguments.
	Path string
	Args []string
	// Env is added to this process's environment.
	Env []string
	// Dir is the working directory. Empty means the current one.
	Dir string
	// Within runs the start in another surrounding, as a network namespace of
	// the thread. Nil means as it is.
	Within func(start func() error) error
	// LogPath receives the program's output, appended. Empty discards it.
	LogPath string
	// Ready reports whether the process serves. Nil means at once.
	Ready func(ctx context.Context) error
	// ReadyTimeout bounds the wait for Ready. 0 means DefaultReadyTimeout.
	ReadyTimeout time.Duration
	// StopTimeout bounds the wait after SIGTERM before SIGKILL. 0 means
	// DefaultStopTimeout.
	StopTimeout time.Duration
}

// Validate lists all faults.
func (c Config) Validate() error {
	var faults []error
	if c.Path == "" {
		faults = append(faults, errors.New("path of the program is empty"))
	}
	if c.ReadyTimeout < 0 || c.StopTimeout < 0 {
		faults = append(faults, errors.New("a timeout is negative"))
	}
	return errors.Join(faults...)
}

// Process is one run of a program.
type Process struct {
	cfg    Config
	cmd    *exec.Cmd
	exited chan struct{}
	err    error // of Wait; read after exited is closed
}

// Launch starts the program and does not wait until it is ready.
func Launch(cfg Config) (*Process, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("process config: %w", err)
	}
	if cfg.ReadyTimeout == 0 {
		cfg.ReadyTimeout = DefaultReadyTimeout
	}
	if cfg.StopTimeout == 0 {
		cfg.StopTimeout = DefaultStopTimeout
	}
	p := &Process{cfg: cfg, cmd: exec.Command(cfg.Path, cfg.Args...), exited: make(chan struct{})}
	p.cmd.Dir = cfg.Dir
	p.cmd.Env = append(os.Environ(), cfg.Env...)
	if cfg.LogPath != "" {
		log, err := os.OpenFile(cfg.LogPath, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
		if err != nil {
			return nil, fmt.Errorf("open log of %s: %w", cfg.Path, err)
		}
		defer log.Close() // the child has its own descriptor
		p.cmd.Stdout, p.cmd.Stderr = log, log
	}
	if cfg.Within == nil {
		cfg.Within = func(start func() error) error { return start() }
	}
	if err := cfg.Within(p.cmd.Start); err != nil {
		return nil, fmt.Errorf("start %s: %w", cfg.Path, err)
	}
	go func() {
		p.err = p.cmd.Wait()
		close(p.exited)
	}()
	return p, nil
}

// Start starts the program and waits until it is ready.
func Start(ctx context.Context, cfg Config) (*Process, error) {
	p, err := Launch(cfg)
	if err != nil {
		return nil, err
	}
	if err := p.AwaitReady(ctx); err != nil {
		return nil, errors.Join(err, p.Kill())
	}
	return p, nil
}

// AwaitReady waits until Ready succeeds, the process ends or the limit passes.
func (p *Process) AwaitReady(ctx context.Context) error {
	if p.cfg.Ready == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(ctx, p.cfg.ReadyTimeout)
	defer cancel()
	ticker := time.NewTicker(pollInterval)
	defer ticker.Stop()
	for {
		err := p.cfg.Ready(ctx)
		if err == nil {
			return nil
		}
		select {
		case <-p.exited:
			return fmt.Errorf("wait for %s: %w: %v (see %s)", p.cfg.Path, ErrExited, p.err, p.cfg.LogPath)
		case <-ctx.Done():
			return fmt.Errorf("wait for %s: %w: %w", p.cfg.Path, ctx.Err(), err)
		case <-ticker.C:
		}
	}
}

// PID returns the process id.
func (p *Process) PID() int { return p.cmd.Process.Pid }

// Exited is closed when the process has ended.
func (p *Process) Exited() <-chan struct{} { return p.exited }

// Alive reports whether the process has not ended yet.
func (p *Process) Alive() bool {
	select {
	case <-p.exited:
		return false
	default:
		return true
	}
}

// Stop asks the process to end, and kills it if it does not within the limit;
// that is an error.
func (p *Process) Stop() error {
	if err := p.signal(syscall.SIGTERM); err != nil {
		return err
	}
	timer := time.NewTimer(p.cfg.StopTimeout)
	defer timer.Stop()
	select {
	case <-p.exited:
		return nil
	case <-timer.C:
		err := fmt.Errorf("stop %s: still running %v after SIGTERM", p.cfg.Path, p.cfg.StopTimeout)
		return errors.Join(err, p.Kill())
	}
}

// Kill ends the process with SIGKILL and waits for its end.
func (p *Process) Kill() error {
	if err := p.signal(syscall.SIGKILL); err != nil {
		return err
	}
	timer := time.NewTimer(killTimeout)
	defer timer.Stop()
	select {
	case <-p.exited:
		return nil
	case <-timer.C:
		return fmt.Errorf("kill %s: still there %v after SIGKILL", p.cfg.Path, killTimeout)
	}
}

func (p *Process) signal(sig syscall.Signal) error {
	if err := p.cmd.Process.Signal(sig); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return fmt.Errorf("signal %s with %v: %w", p.cfg.Path, sig, err)
	}
	return nil
}

// FreeAddress returns a loopback address that nothing listens on right now.
func FreeAddress() (string, error) {
	const host = "127.0.0.1"
	port, err := FreePort(host)
	if err != nil {
		return "", err
	}
	return net.JoinHostPort(host, port), nil
}

// FreePort returns a port of an address of this machine that nothing listens on
// right now.
func FreePort(host string) (string, error) {
	listener, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	_, port, err := net.SplitHostPort(listener.Addr().String())
	if err := errors.Join(err, listener.Close()); err != nil {
		return "", fmt.Errorf("find a free port: %w", err)
	}
	return port, nil
}
