package sample_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/sample"
)

type line struct {
	Timestamp time.Time      `json:"timestamp"`
	Message   string         `json:"message"`
	Level     string         `json:"level"`
	Component string         `json:"component"`
	Metadata  map[string]any `json:"metadata"`
}

// read decodes the whole sample strictly and returns its lines and its size.
func read(t *testing.T) ([]line, int) {
	t.Helper()
	reader, err := sample.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	var lines []line
	size := 0
	scanner := bufio.NewScanner(reader)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		size += len(scanner.Bytes()) + 1
		decoder := json.NewDecoder(strings.NewReader(scanner.Text()))
		decoder.DisallowUnknownFields()
		var l line
		if err := decoder.Decode(&l); err != nil {
			t.Fatalf("line %d: %v: %s", len(lines)+1, err, scanner.Text())
		}
		lines = append(lines, l)
	}
	if err := scanner.Err(); err != nil {
		t.Fatal(err)
	}
	return lines, size
}

func TestSizeIsAsDeclared(t *testing.T) {
	lines, size := read(t)
	if len(lines) != sample.Lines || size != sample.Bytes {
		t.Fatalf("have %d lines and %d bytes, want %d and %d", len(lines), size, sample.Lines, sample.Bytes)
	}
}

func TestLinesAreCompleteAndInTimeOrder(t *testing.T) {
	lines, _ := read(t)
	var last time.Time
	for i, l := range lines {
		if l.Timestamp.Before(last) {
			t.Fatalf("line %d: time %v is before %v of the line before", i+1, l.Timestamp, last)
		}
		last = l.Timestamp
		if _, offset := l.Timestamp.Zone(); offset != 0 {
			t.Fatalf("line %d: time %v is not UTC", i+1, l.Timestamp)
		}
		if l.Message == "" || l.Component == "" || l.Metadata["host"] != "demo-1" {
			t.Fatalf("line %d has no message, no component or another host: %+v", i+1, l)
		}
		if _, ok := model.ParseLevel(l.Level); l.Level != "" && !ok {
			t.Fatalf("line %d: level %q is unknown", i+1, l.Level)
		}
	}
}

func TestVariety(t *testing.T) {
	lines, _ := read(t)
	components, levels := map[string]int{}, map[model.Level]int{}
	traces := map[string]map[string]bool{}
	stackTraces, phrases := 0, map[string]int{}
	for _, l := range lines {
		components[l.Component]++
		level, _ := model.ParseLevel(l.Level)
		levels[level]++
		if strings.Contains(l.Message, "\n\tat ") {
			stackTraces++
		}
		if id, ok := l.Metadata["traceId"].(string); ok {
			if traces[id] == nil {
				traces[id] = map[string]bool{}
			}
			traces[id][l.Component] = true
		}
		for _, phrase := range []string{
			"deadlock detected", "division by zero", "violates unique constraint", "syntax error at or near", "password authentication failed",
			"Failed password for", "Accepted publickey for demo", "NOT in sudoers", "Connection refused) while connecting to upstream",
			"order placed", "card declined: expired", "duration: ", "checkpoint complete", "java.lang.NullPointerException", "Caused by: ",
		} {
			if strings.Contains(l.Message, phrase) {
				phrases[phrase]++
			}
		}
	}
	t.Logf("components %v, levels %v, %d traces, %d stack traces, phrases %v", components, levels, len(traces), stackTraces, phrases)
	for component, least := range map[string]int{"nginx": 5000, "postgresql": 3000, "checkout": 3000, "payment": 1000, "inventory": 1000, "sshd": 500, "sudo": 100, "jvm": 100} {
		if components[component] < least {
			t.Errorf("component %s has %d lines, want at least %d", component, components[component], least)
		}
	}
	for _, level := range []model.Level{model.LevelNone, model.LevelDebug, model.LevelInfo, model.LevelWarn, model.LevelError, model.LevelCritical} {
		if levels[level] < 20 {
			t.Errorf("level %q has %d lines, want at least 20", level, levels[level])
		}
	}
	if len(phrases) != 15 || stackTraces < 20 {
		t.Errorf("have %d of 15 phrases (%v) and %d stack traces", len(phrases), phrases, stackTraces)
	}
	through := 0
	for _, seen := range traces {
		if seen["nginx"] && seen["checkout"] && seen["inventory"] && seen["payment"] {
			through++
		}
	}
	if through < 500 {
		t.Errorf("%d requests can be followed through nginx, checkout, inventory and payment, want at least 500", through)
	}
}

// TestNothingReal checks that the sample names only loopback, documentation
// addresses (RFC 5737) and example names.
func TestNothingReal(t *testing.T) {
	reader, err := sample.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer reader.Close()
	text, err := io.ReadAll(reader)
	if err != nil {
		t.Fatal(err)
	}
	if i := bytes.IndexByte(text, 0); i >= 0 {
		t.Errorf("byte %d is NUL", i)
	}
	allowed := regexp.MustCompile(`^(127\.|0\.0\.0\.0$|192\.0\.2\.|198\.51\.100\.|203\.0\.113\.)`)
	addresses := map[string]bool{}
	for _, run := range bytes.FieldsFunc(text, func(r rune) bool { return r != '.' && (r < '0' || r > '9') }) {
		if address := strings.Trim(string(run), "."); strings.Count(address, ".") == 3 {
			addresses[address] = true
		}
	}
	if len(addresses) < 100 {
		t.Errorf("found only %d addresses: the search is broken", len(addresses))
	}
	for address := range addresses {
		if !allowed.MatchString(address) && !browserVersion(address) {
			t.Errorf("address %s is neither loopback nor for documentation", address)
		}
	}
	for _, path := range []string{"/work/", "/tmp/", "/root", "/mnt/", "/Users/"} {
		if i := bytes.Index(text, []byte(path)); i >= 0 {
			t.Errorf("a path of the recording machine: %s", text[max(0, i-40):min(len(text), i+60)])
		}
	}
	mail := regexp.MustCompile(`[\w.+-]+@([\w-]+\.)+[a-z]{2,}`)
	for rest := text; ; {
		at := bytes.IndexByte(rest, '@')
		if at < 0 {
			break
		}
		around := rest[max(0, at-64):min(len(rest), at+64)]
		for _, name := range mail.FindAllString(string(around), -1) {
			if !strings.HasSuffix(name, "@example.com") && !strings.HasSuffix(name, "@openssh.com") {
				t.Errorf("mail address %s", name)
			}
		}
		rest = rest[at+1:]
	}
}

// browserVersion says that four numbers are the version in a user agent.
func browserVersion(s string) bool { return s == "126.0.0.0" }
