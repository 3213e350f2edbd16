package raft

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log"
	"log/slog"
	"strings"

	"github.com/hashicorp/go-hclog"
	hraft "github.com/hashicorp/raft"
)

// logger hands the library's messages to slog. Names and per-logger levels of
// hclog are not kept: slog's handler decides.
type logger struct {
	slog    *slog.Logger
	implied []any
}

var _ hclog.Logger = (*logger)(nil)

func newLogger(l *slog.Logger) *logger { return &logger{slog: l} }

func slogLevel(l hclog.Level) slog.Level {
	switch l {
	case hclog.Trace:
		return slog.LevelDebug - 4
	case hclog.Debug:
		return slog.LevelDebug
	case hclog.Warn:
		return slog.LevelWarn
	case hclog.Error:
		return slog.LevelError
	}
	return slog.LevelInfo
}

// Log writes a message of a level.
func (l *logger) Log(level hclog.Level, msg string, args ...any) {
	if !l.enabled(level) {
		return
	}
	for i, a := range args {
		if f, ok := a.(hclog.Format); ok && len(f) > 0 {
			args[i] = fmt.Sprintf(fmt.Sprint(f[0]), f[1:]...)
		}
	}
	l.slog.Log(context.Background(), slogLevel(level), msg, args...)
}

func (l *logger) enabled(level hclog.Level) bool {
	return l.slog.Enabled(context.Background(), slogLevel(level))
}

// Trace writes a message.
func (l *logger) Trace(msg string, args ...any) { l.Log(hclog.Trace, msg, args...) }

// Debug writes a message.
func (l *logger) Debug(msg string, args ...any) { l.Log(hclog.Debug, msg, args...) }

// Info writes a message. What the library finds worth an info is detail here:
// a node has many groups.
func (l *logger) Info(msg string, args ...any) { l.Log(hclog.Debug, msg, args...) }

// Warn writes a message, as a detail, too: what the library warns of happens
// whenever a node stops, starts or is slow, in every group, and is gone with it.
func (l *logger) Warn(msg string, args ...any) { l.Log(hclog.Debug, msg, args...) }

// Error writes a message. That a member cannot be reached is a detail: who is
// there and who is not is told once for the node, not again and again for each
// group. So is that a member needs a snapshot, as every new one does.
func (l *logger) Error(msg string, args ...any) {
	level := hclog.Error
	for _, start := range []string{
		"failed to heartbeat", "failed to appendEntries", "failed to pipeline appendEntries", "failed to start pipeline replication",
		"failed to make request", "failed to accept connection", "failed to decode incoming command", "failed to flush response",
		"failed to send snapshot to", "failed to install snapshot", "peer has newer term",
	} {
		if strings.HasPrefix(msg, start) {
			level = hclog.Debug
		}
	}
	if err, is := last(args).(error); is && msg == "failed to get log" && errors.Is(err, hraft.ErrLogNotFound) {
		level = hclog.Debug
	}
	l.Log(level, msg, args...)
}

// last is the last argument, in which the library says the error.
func last(args []any) any {
	if len(args) == 0 {
		return nil
	}
	return args[len(args)-1]
}

// IsTrace reports whether Trace writes.
func (l *logger) IsTrace() bool { return l.enabled(hclog.Trace) }

// IsDebug reports whether Debug writes.
func (l *logger) IsDebug() bool { return l.enabled(hclog.Debug) }

// IsInfo reports whether Info writes.
func (l *logger) IsInfo() bool { return l.enabled(hclog.Debug) }

// IsWarn reports whether Warn writes.
func (l *logger) IsWarn() bool { return l.enabled(hclog.Debug) }

// IsError reports whether Error writes.
func (l *logger) IsError() bool { return l.enabled(hclog.Error) }

// ImpliedArgs returns what With added.
func (l *logger) ImpliedArgs() []any { return l.implied }

// With returns a logger that adds args to every message.
func (l *logger) With(args ...any) hclog.Logger {
	return &logger{slog: l.slog.With(args...), implied: append(l.implied[:len(l.implied):len(l.implied)], args...)}
}

// Name returns nothing: loggers have no names.
func (l *logger) Name() string { return "" }

// Named returns the logger itself.
func (l *logger) Named(string) hclog.Logger { return l }

// ResetNamed returns the logger itself.
func (l *logger) ResetNamed(string) hclog.Logger { return l }

// SetLevel does nothing.
func (l *logger) SetLevel(hclog.Level) {}

// GetLevel returns the lowest level that is written.
func (l *logger) GetLevel() hclog.Level {
	for _, level := range []hclog.Level{hclog.Trace, hclog.Debug, hclog.Info, hclog.Warn} {
		if l.enabled(level) {
			return level
		}
	}
	return hclog.Error
}

// StandardLogger returns a logger of the standard library.
func (l *logger) StandardLogger(o *hclog.StandardLoggerOptions) *log.Logger {
	return log.New(l.StandardWriter(o), "", 0)
}

// StandardWriter returns a writer of which every write is a message.
func (l *logger) StandardWriter(*hclog.StandardLoggerOptions) io.Writer { return logWriter{l} }

type logWriter struct{ l *logger }

// Write logs b as one message.
func (w logWriter) Write(b []byte) (int, error) {
	w.l.Info(string(b))
	return len(b), nil
}
