//go:build ignore

// convert turns the logs that run.sh left in a folder into one NDJSON stream in
// time order on standard output:
//
//	go run sample/make/convert.go /srv/shop/log | zstd -19 > sample/sample.ndjson.zst
//
// Every line is {timestamp, message, level if the source has one, component,
// metadata}; the level is the source's own word, except that the numbers of the
// JSON logs become the words that they stand for.
package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

const host = "demo-1"

type event struct {
	at        time.Time
	Timestamp string         `json:"timestamp"`
	Message   string         `json:"message"`
	Level     string         `json:"level,omitempty"`
	Component string         `json:"component"`
	Metadata  map[string]any `json:"metadata"`
}

var events []event

func add(layout string, at time.Time, component, level, message string, metadata map[string]any) {
	at = at.UTC()
	metadata["host"] = host
	for name, value := range metadata {
		if value == "" || value == nil || value == "-" {
			delete(metadata, name)
		}
	}
	events = append(events, event{at, at.Format(layout), message, level, component, metadata})
}

const (
	seconds = "2006-01-02T15:04:05Z"
	millis  = "2006-01-02T15:04:05.000Z"
	micros  = "2006-01-02T15:04:05.000000Z"
)

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, "convert:", err)
		os.Exit(1)
	}
}

// lines calls do for every line of a file.
func lines(name string, do func(string)) {
	file, err := os.Open(name)
	check(err)
	defer file.Close()
	scanner := bufio.NewScanner(file)
	scanner.Buffer(nil, 1<<20)
	for scanner.Scan() {
		do(scanner.Text())
	}
	check(scanner.Err())
}

func match(re *regexp.Regexp, line string) []string {
	m := re.FindStringSubmatch(line)
	if m == nil {
		check(fmt.Errorf("line does not look like %s: %s", re, line))
	}
	return m
}

func number(s string) any {
	if s == "" || s == "-" {
		return nil
	}
	return json.Number(s)
}

var accessLine = regexp.MustCompile(`^((\S+) - - \[[^]]+\] "(\S+) (\S+) [^"]*" (\d+) (\d+) "([^"]*)" "([^"]*)" rt=([\d.]+) trace=(\S+)) msec=([\d.]+)$`)

func access(line string) {
	m := match(accessLine, line)
	msec, err := strconv.ParseInt(strings.Replace(m[11], ".", "", 1), 10, 64)
	check(err)
	path, query, _ := strings.Cut(m[4], "?")
	add(millis, time.UnixMilli(msec), "nginx", "", m[1], map[string]any{
		"log": "access", "ip": m[2], "method": m[3], "path": path, "query": query, "status": number(m[5]), "bytes": number(m[6]),
		"referer": m[7], "userAgent": m[8], "duration": number(m[9]), "traceId": m[10]})
}

var (
	errorLine = regexp.MustCompile(`^(\d{4}/\d\d/\d\d \d\d:\d\d:\d\d) \[(\w+)\] (\d+)#\d+: (.*)$`)
	client    = regexp.MustCompile(`client: ([\d.]+)`)
	upstream  = regexp.MustCompile(`upstream: "([^"]+)"`)
)

func group(re *regexp.Regexp, text string) string {
	if m := re.FindStringSubmatch(text); m != nil {
		return m[1]
	}
	return ""
}

func nginxError(line string) {
	m := match(errorLine, line)
	at, err := time.Parse("2006/01/02 15:04:05", m[1])
	check(err)
	add(seconds, at, "nginx", m[2], m[4], map[string]any{
		"log": "error", "pid": number(m[3]), "ip": group(client, m[4]), "upstream": group(upstream, m[4])})
}

var pinoLevels = map[string]string{"20": "debug", "30": "info", "40": "warn", "50": "error", "60": "fatal"}

func pino(line string) {
	var fields map[string]any
	decoder := json.NewDecoder(strings.NewReader(line))
	decoder.UseNumber()
	check(decoder.Decode(&fields))
	ms, err := fields["time"].(json.Number).Int64()
	check(err)
	level, component, message := pinoLevels[fields["level"].(json.Number).String()], fields["name"].(string), fields["msg"].(string)
	for _, name := range []string{"level", "time", "name", "msg", "hostname"} {
		delete(fields, name)
	}
	add(millis, time.UnixMilli(ms), component, level, message, fields)
}

var (
	javaLine = regexp.MustCompile(`^(\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3}) (\w+) +\[([^]]+)\] (\S+) - (.*)$`)
	traceID  = regexp.MustCompile(`trace=(\w+)`)
)

// java joins the lines of a stack trace with the line that they belong to.
func java() (line func(string), end func()) {
	var open []string
	end = func() {
		if len(open) == 0 {
			return
		}
		m := match(javaLine, open[0])
		at, err := time.Parse("2006-01-02 15:04:05.000", m[1])
		check(err)
		add(millis, at, "inventory", m[2], strings.Join(append([]string{m[5]}, open[1:]...), "\n"), map[string]any{
			"thread": m[3], "logger": m[4], "traceId": group(traceID, m[5])})
		open = nil
	}
	return func(text string) {
		if javaLine.MatchString(text) {
			end()
		}
		open = append(open, text)
	}, end
}

var gcLine = regexp.MustCompile(`^\[([^]]+)\]\[(\w+) *\]\[([^]]+?) *\] (.*)$`)

func gc(line string) {
	m := match(gcLine, line)
	at, err := time.Parse("2006-01-02T15:04:05.000-0700", m[1])
	check(err)
	add(millis, at, "jvm", m[2], m[4], map[string]any{"tags": m[3], "service": "inventory"})
}

var duration = regexp.MustCompile(`^duration: ([\d.]+) ms`)

func postgres(line string) {
	var fields map[string]any
	decoder := json.NewDecoder(strings.NewReader(line))
	decoder.UseNumber()
	check(decoder.Decode(&fields))
	at, err := time.Parse("2006-01-02 15:04:05.000 MST", fields["timestamp"].(string))
	check(err)
	level, message := fields["error_severity"].(string), fields["message"].(string)
	for _, name := range []string{"timestamp", "error_severity", "message", "vxid", "txid", "line_num", "query_id", "session_start", "ps"} {
		delete(fields, name)
	}
	if ms := group(duration, message); ms != "" {
		fields["durationMs"] = number(ms)
	}
	add(millis, at, "postgresql", level, message, fields)
}

var (
	syslogLine = regexp.MustCompile(`^(\S+) (\w+) (\w+) (\S+) (\S+)  ?(.*)$`)
	from       = regexp.MustCompile(`(?:from |rhost=|by )(\d+\.\d+\.\d+\.\d+)`)
)

func syslog(line string) {
	m := match(syslogLine, line)
	at, err := time.Parse(time.RFC3339Nano, m[1])
	check(err)
	add(micros, at, m[4], m[2], strings.TrimSpace(m[6]), map[string]any{"facility": m[3], "pid": number(m[5]), "ip": group(from, m[6])})
}

func main() {
	dir := os.Args[1]
	javaOne, javaEnd := java()
	lines(filepath.Join(dir, "nginx-access.log"), access)
	lines(filepath.Join(dir, "nginx-error.log"), nginxError)
	lines(filepath.Join(dir, "checkout.log"), pino)
	lines(filepath.Join(dir, "payment.log"), pino)
	lines(filepath.Join(dir, "inventory.log"), javaOne)
	javaEnd()
	lines(filepath.Join(dir, "gc.log"), gc)
	lines(filepath.Join(dir, "postgresql.json"), postgres)
	lines(filepath.Join(dir, "syslog.log"), syslog)
	slices.SortStableFunc(events, func(a, b event) int { return a.at.Compare(b.at) })
	var out bytes.Buffer
	encoder := json.NewEncoder(&out)
	encoder.SetEscapeHTML(false)
	for _, e := range events {
		check(encoder.Encode(e))
	}
	_, err := os.Stdout.Write(out.Bytes())
	check(err)
	fmt.Fprintf(os.Stderr, "%d lines, %d bytes\n", len(events), out.Len())
}
