package main

import (
	"bytes"
	"strings"
	"testing"
)

func TestExitCodes(t *testing.T) {
	for _, tc := range []struct {
		args []string
		code int
		says string
	}{
		{[]string{"--help"}, exitOK, "--rounds"},
		{[]string{"--fault", "flood", "--stere", "/does/not/exist", "--work", t.TempDir()}, exitUsage, "unknown fault"},
		{[]string{"--nodes", "3", "--fault", "kill,flood", "--stere", "/does/not/exist", "--work", t.TempDir()}, exitUsage, `unknown fault "flood"`},
		{[]string{"--nodes", "2", "--stere", "/does/not/exist", "--work", t.TempDir()}, exitUsage, "nodes is 2"},
		{[]string{"--nodes", "3", "--loopback", "--fault", "kill", "--stere", "/does/not/exist", "--work", t.TempDir(), "-q"}, exitViolated, "no such file"},
		{[]string{"--rounds", "x"}, exitUsage, "rounds"},
		{[]string{"--fault", "kill", "--stere", "/does/not/exist", "--work", t.TempDir(), "-q"}, exitViolated, "VIOLATED"},
	} {
		var out, errs bytes.Buffer
		if code := run(tc.args, &out, &errs); code != tc.code || !strings.Contains(out.String()+errs.String(), tc.says) {
			t.Errorf("%v: exit code %d, want %d; output: %s%s", tc.args, code, tc.code, &out, &errs)
		}
	}
}
