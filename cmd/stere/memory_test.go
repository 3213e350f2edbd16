package main

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"compress/zlib"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// memoryMax is what a node with default settings may take at most, whatever
// its clients send.
const memoryMax = 512 << 20

// TestMemory starts a node as a process of its own, sends what unpacks or
// decodes to far more than was sent, many at once, and reads how much memory
// the node ever had.
func TestMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("builds the program and sends it some GB")
	}
	if _, err := os.Stat("/proc/self/status"); err != nil {
		t.Skip("this system does not say how much memory a process had: ", err)
	}
	n := startProcess(t)
	mib := bytes.Repeat([]byte{' '}, 1<<20)
	tiny := bytes.Repeat([]byte("{\"a\":1}\n"), 1<<17)
	pairs := bytes.Repeat([]byte("{\"index\":{}}\n{\"a\":1}\n"), 1<<16)
	deletes := bytes.Repeat([]byte("{\"delete\":{\"_id\":\"1\"}}\n"), 1<<15)
	messages := bytes.Repeat(fmt.Appendf(nil, "{\"message\":\"%s\",\"level\":\"info\"}\n", strings.Repeat("lorem ipsum ", 80)), 1000)
	garbage := bytes.Repeat([]byte("x\n"), 1<<19)
	for _, test := range []struct {
		name, path, encoding string
		piece                []byte
		pieces, requests     int
		statuses             string
	}{
		{"gzip bomb", "/logs", "gzip", mib, 128, 4, "413 429"},
		{"deflate bomb", "/logs", "deflate", mib, 128, 4, "413 429"},
		{"tiny records", "/logs", "gzip", tiny, 60, 3, "413 429"},
		{"tiny documents", "/_bulk", "gzip", pairs, 45, 2, "413 429"},
		{"tiny deletes", "/_bulk", "gzip", deletes, 80, 2, "413 429"},
		{"garbage", "/logs", "gzip", garbage, 63, 2, "200 429"},
		{"large bodies", "/logs", "gzip", messages, 60, 4, "200 429"},
	} {
		body := pack(t, test.encoding, test.piece, test.pieces)
		var wait sync.WaitGroup
		statuses := make(chan string, test.requests)
		for range test.requests {
			wait.Go(func() { statuses <- n.post(test.path, test.encoding, body) })
		}
		wait.Wait()
		close(statuses)
		for status := range statuses {
			if !strings.Contains(test.statuses, status) {
				t.Errorf("%s: status %s, want one of %s", test.name, status, test.statuses)
			}
		}
		if peak := n.peak(); peak > memoryMax {
			t.Errorf("after %s the node has had %d MiB, want at most %d", test.name, peak>>20, memoryMax>>20)
		}
	}
	if status := n.post("/logs", "gzip", pack(t, "gzip", []byte(`{"message":"still here"}`), 1)); status != "201" {
		t.Errorf("a record after all that: %s", status)
	}
	t.Logf("the node had %d MiB at most", n.peak()>>20)
}

func pack(t *testing.T, encoding string, piece []byte, pieces int) []byte {
	t.Helper()
	var out bytes.Buffer
	var z io.WriteCloser = gzip.NewWriter(&out)
	if encoding == "deflate" {
		z = zlib.NewWriter(&out)
	}
	for range pieces {
		if _, err := z.Write(piece); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// process is a node that runs as a process of its own.
type process struct {
	t        *testing.T
	cmd      *exec.Cmd
	url, key string
}

// startProcess builds the program, without what the test itself is built
// with, and starts a node with default settings.
func startProcess(t *testing.T) *process {
	t.Helper()
	dir := t.TempDir()
	binary := filepath.Join(dir, "stere")
	if out, err := exec.Command("go", "build", "-o", binary, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	p := &process{t: t, cmd: exec.Command(binary, "serve", "--data", filepath.Join(dir, "data"), "--listen", "127.0.0.1:0")}
	p.cmd.Env, p.cmd.Stderr = []string{"HOME=" + dir}, os.Stderr
	stdout, err := p.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := p.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := p.cmd.Process.Signal(os.Interrupt); err != nil {
			t.Error(err)
		}
		if err := p.cmd.Wait(); err != nil {
			t.Errorf("the node ended with %v", err)
		}
	})
	address := regexp.MustCompile(`Serving (http://[^,]+),`)
	for lines := bufio.NewScanner(stdout); p.url == "" && lines.Scan(); {
		if found := address.FindStringSubmatch(lines.Text()); found != nil {
			p.url = found[1]
		}
	}
	key, err := os.ReadFile(filepath.Join(dir, "data", "admin-key"))
	if err != nil || p.url == "" {
		t.Fatalf("the node did not start: %v", err)
	}
	p.key = strings.TrimSpace(string(key))
	return p
}

// post sends a body and returns the status, or the error.
func (p *process) post(path, encoding string, body []byte) string {
	req, err := http.NewRequest(http.MethodPost, p.url+path, bytes.NewReader(body))
	if err != nil {
		return err.Error()
	}
	req.Header.Set("X-API-Key", p.key)
	req.Header.Set("Content-Encoding", encoding)
	resp, err := (&http.Client{Timeout: 2 * time.Minute}).Do(req)
	if err != nil {
		return err.Error()
	}
	_, err = io.Copy(io.Discard, resp.Body)
	if err = joinClose(err, resp.Body); err != nil {
		return err.Error()
	}
	return fmt.Sprint(resp.StatusCode)
}

func joinClose(err error, c io.Closer) error {
	if closeErr := c.Close(); err == nil {
		err = closeErr
	}
	return err
}

// peak returns the most memory that the process ever had resident.
func (p *process) peak() int64 {
	p.t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	var kib int64
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, "VmHWM:"); ok {
			if _, err := fmt.Sscan(rest, &kib); err != nil {
				p.t.Fatal(err)
			}
		}
	}
	return kib << 10
}
