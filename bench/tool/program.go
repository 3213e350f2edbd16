package tool

import (
	"context"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"github.com/alecthomas/kong"
)

// ExitUsage is the exit code of a program that could not begin or finish what
// it was asked for.
const ExitUsage = 2

// Act does what the flags say and returns the exit code. The context ends when
// the program is interrupted.
type Act[F any] func(ctx context.Context, flags F, stdout, stderr io.Writer) (code int, err error)

// Run parses a command line, acts, prints an error and returns the exit code.
func Run[F any](name, description string, args []string, stdout, stderr io.Writer, act Act[F]) int {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var flags F
	done := -1 // exit code of what kong does by itself
	parser, err := kong.New(&flags, kong.Name(name), kong.Description(description),
		kong.Writers(stdout, stderr), kong.Exit(func(code int) { done = code }))
	if err == nil {
		_, err = parser.Parse(args)
	}
	if done >= 0 {
		return done
	}
	code := ExitUsage
	if err == nil {
		code, err = act(ctx, flags, stdout, stderr)
	}
	if err != nil {
		fmt.Fprintf(stderr, "%s: %v\n", name, err)
	}
	return code
}

// Main runs a program of one purpose, whose flags are read, prints an error and ends with
// 1 if there is one. The context ends when the program is interrupted.
func Main(name string, run func(ctx context.Context, out io.Writer) error) {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Stdout)
	stop()
	if err != nil {
		fmt.Fprintf(os.Stderr, "%s: %v\n", name, err)
		os.Exit(1)
	}
}

// Folder returns the folder, or a temporary one for the named program if it is empty, and
// what removes that in the end.
func Folder(folder, name string) (path string, remove func() error, err error) {
	if folder != "" {
		return folder, func() error { return nil }, nil
	}
	path, err = WorkFolder("", name)
	return path, func() error { return os.RemoveAll(path) }, err
}

// WorkFolder makes the folder, or a temporary one for the named program if it
// is empty; that is the caller's to remove.
func WorkFolder(folder, name string) (path string, err error) {
	if folder == "" {
		folder, err = os.MkdirTemp("", "stere-"+name+"-")
	} else {
		err = os.MkdirAll(folder, 0o755)
	}
	if err != nil {
		return "", fmt.Errorf("make work folder: %w", err)
	}
	return folder, nil
}
