// Package tool is what the programs that measure share: how they begin, the Stere
// they build and run, and a report as a table or as JSON.
//
// Main functions: Run, Main, Folder, WorkFolder, BuildStere, Commit, SendLines and WriteReport. There is no state; each
// program calls them from its one goroutine.
package tool

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
)

// BuildStere builds Stere from the module in the current folder into dir, without cgo as
// the README says, and returns the path of the program.
func BuildStere(ctx context.Context, dir string) (string, error) {
	path := filepath.Join(dir, "stere")
	build := exec.CommandContext(ctx, "go", "build", "-o", path, "./cmd/stere")
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := build.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build stere: %w: %s", err, out)
	}
	return path, nil
}

// Commit returns the commit that the current folder is at, with "-dirty" if
// files that it has are changed.
func Commit(ctx context.Context) (string, error) {
	out, err := exec.CommandContext(ctx, "git", "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*").Output()
	if err != nil {
		return "", fmt.Errorf("read commit: %w", err)
	}
	return strings.TrimSpace(string(out)), nil
}

// Report is what can be written: as a table, and as JSON by its fields.
type Report interface {
	WriteTable(w io.Writer) error
}

// WriteReport writes the table to stdout. If to names a file, that gets the
// report as JSON besides; if to is "-", stdout gets JSON instead.
func WriteReport(report Report, to string, stdout io.Writer) error {
	if to == "" {
		return report.WriteTable(stdout)
	}
	text, err := json.MarshalIndent(report, "", "  ")
	if err != nil {
		return fmt.Errorf("encode report: %w", err)
	}
	text = append(text, '\n')
	if to == "-" {
		_, err = stdout.Write(text)
		return err
	}
	if err := os.WriteFile(to, text, 0o644); err != nil {
		return fmt.Errorf("write report: %w", err)
	}
	return report.WriteTable(stdout)
}
