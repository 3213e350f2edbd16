package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/client"
)

// corpus is where real logs are, beside the repository.
const corpus = "../../../shared/data"

// sampleLines is how many lines of each file take part.
const sampleLines = 400

// corpusFiles returns the first lines of every file of the corpus.
func corpusFiles(t *testing.T) map[string][]string {
	t.Helper()
	packed, err := filepath.Glob(filepath.Join(corpus, "ndjson", "*.zst"))
	if err != nil {
		t.Fatal(err)
	}
	packed = append(packed, filepath.Join(corpus, "smoke_5k.ndjson.gz"))
	files := map[string][]string{}
	for _, path := range packed {
		file, err := os.Open(path)
		if err != nil {
			t.Skip("the corpus is not on this machine: ", err)
		}
		var reader io.Reader
		if strings.HasSuffix(path, ".zst") {
			decoder, err := zstd.NewReader(file, zstd.WithDecoderConcurrency(1))
			if err != nil {
				t.Fatal(err)
			}
			defer decoder.Close()
			reader = decoder
		} else if reader, err = gzip.NewReader(file); err != nil {
			t.Fatal(err)
		}
		lines := bufio.NewScanner(reader)
		lines.Buffer(nil, 4<<20)
		for len(files[path]) < sampleLines && lines.Scan() {
			files[path] = append(files[path], lines.Text())
		}
		if err := lines.Err(); err != nil {
			t.Fatalf("%s: %v", path, err)
		}
		if err := file.Close(); err != nil {
			t.Fatal(err)
		}
	}
	return files
}

// TestRoundTrip sends lines of every file of the corpus in by each of the
// three ways, before and after sealing, and compares what comes out.
func TestRoundTrip(t *testing.T) {
	files := corpusFiles(t)
	ways := map[string]func(m *terminal, c *client.Client, name string, lines []string){
		"send": func(m *terminal, _ *client.Client, name string, lines []string) {
			m.want(exitOK, []string{"send", m.file(filepath.Base(name), strings.Join(lines, "\n"))}, fmt.Sprintf("accepted %d, rejected 0", len(lines)))
		},
		"logs": func(m *terminal, c *client.Client, name string, lines []string) {
			written, err := c.Write(context.Background(), []byte(strings.Join(lines, "\n")), client.WriteOptions{})
			if err != nil || written.Accepted != len(lines) || written.Rejected != 0 {
				m.t.Errorf("%s: %+v, error %v", name, written, err)
			}
		},
		"bulk": func(m *terminal, _ *client.Client, name string, lines []string) {
			text := "{\"create\":{}}\n" + strings.Join(lines, "\n{\"create\":{}}\n") + "\n"
			req, err := http.NewRequest("POST", m.url+"/_bulk", strings.NewReader(text))
			if err != nil {
				m.t.Fatal(err)
			}
			key, err := client.DiscoverKey(filepath.Join(m.dir, "data"), func(string) string { return "" })
			if err != nil {
				m.t.Fatal(err)
			}
			req.Header.Set("Authorization", "ApiKey "+key)
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				m.t.Fatal(err)
			}
			defer resp.Body.Close()
			body, err := io.ReadAll(resp.Body)
			if err != nil || resp.StatusCode != 200 || !bytes.Contains(body, []byte(`"errors":false`)) || bytes.Count(body, []byte(`"status":201`)) != len(lines) {
				m.t.Errorf("%s: status %d, error %v: %.300s", name, resp.StatusCode, err, body)
			}
		},
	}
	for name, way := range ways {
		t.Run(name, func(t *testing.T) {
			m := newTerminal(t)
			m.env = append(m.env, "STERE_REDACTION=off") // the lines hold passwords
			m.serve()
			p := &program{ctx: t.Context(), stdout: io.Discard, stderr: io.Discard, environ: m.env}
			c, _, err := p.connect(remoteFlags{}, 1)
			if err != nil {
				t.Fatal(err)
			}
			defer c.Close()
			for file, lines := range files {
				way(m, c, file, lines)
			}
			compare(t, c, files)
			if err := c.Flush(t.Context()); err != nil {
				t.Fatal(err)
			}
			compare(t, c, files)
		})
	}
}

// compare reads everything and compares it with the lines as sent.
func compare(t *testing.T, c *client.Client, files map[string][]string) {
	t.Helper()
	got := map[string]int{}
	total := 0
	for request := (v1.SearchRequest{Limit: 5000}); ; {
		found, err := c.Search(t.Context(), request)
		if err != nil {
			t.Fatal(err)
		}
		for _, record := range found.Records {
			got[asSent(t, record)]++
			total++
		}
		if request.Cursor = found.Pagination.NextCursor; request.Cursor == "" {
			break
		}
	}
	sent, missing := 0, 0
	for file, lines := range files {
		for n, line := range lines {
			sent++
			text := canonical(t, unmarshal(t, []byte(line)))
			if got[text] > 0 {
				got[text]--
				continue
			}
			if missing++; missing <= 5 {
				t.Errorf("%s:%d did not come back: %.1000s", file, n+1, text)
			}
		}
	}
	if missing > 0 || total != sent {
		t.Errorf("%d records came back of %d, %d lines are missing", total, sent, missing)
	}
}

func unmarshal(t *testing.T, text []byte) map[string]any {
	t.Helper()
	var all map[string]any
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.UseNumber()
	if err := decoder.Decode(&all); err != nil {
		t.Fatalf("%v: %.300s", err, text)
	}
	return all
}

func canonical(t *testing.T, record map[string]any) string {
	t.Helper()
	text, err := json.Marshal(record)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// asSent takes off what Stere added and puts back what it normalised.
func asSent(t *testing.T, text []byte) string {
	t.Helper()
	record := unmarshal(t, text)
	if record["id"] == record["_id"] {
		delete(record, "id")
	}
	delete(record, "_id")
	delete(record, "severity")
	delete(record, "_index") // of bulk requests
	if original, ok := record["_original"].(map[string]any); ok {
		if _, ok := original["level"]; !ok {
			if _, ok := original["severity"]; ok {
				delete(record, "level")
			}
		}
		for name, value := range original {
			record[name] = value
		}
		delete(record, "_original")
	}
	return canonical(t, record)
}
