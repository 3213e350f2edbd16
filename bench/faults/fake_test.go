package faults_test

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"
)

// fakeEnv makes the test binary play a Stere node; its value is the bug that
// the node has.
const fakeEnv = "FAULTS_TEST_FAKE"

// The bugs of fake nodes. Each must be caught.
const (
	soundNode     = "sound"
	forgetfulNode = "forgetful" // acknowledges what it keeps in memory only
	doublingNode  = "doubling"  // stores a batch twice
	garblingNode  = "garbling"  // alters a record
	inventingNode = "inventing" // makes up a record
	lazyNode      = "lazy"      // writes, but does not sync
	deadNode      = "dead"      // does not start a second time
	rudeNode      = "rude"      // answers 500 now and then
	lateNode      = "late"      // none: its file system says of the sync during a cut that it was done
)

func TestMain(m *testing.M) {
	if bug := os.Getenv(fakeEnv); bug != "" {
		fmt.Fprintln(os.Stderr, serveFake(bug, os.Args[1:]))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

type fakeRecord struct {
	time time.Time
	json string
}

// fake is the smallest node that keeps its promises: an append-only file,
// synced before each acknowledgement, read back at the start.
type fake struct {
	bug string
	mu  struct {
		sync.Mutex
		file    *os.File
		keys    map[string]bool
		records []fakeRecord
		size    int64
		failed  bool
		writes  int
	}
}

func serveFake(bug string, args []string) error {
	if len(args) == 0 || args[0] != "serve" {
		return fmt.Errorf("arguments are %q", args)
	}
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	dir, listen := flags.String("data", "", ""), flags.String("listen", "", "")
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if err := os.MkdirAll(*dir, 0o755); err != nil {
		return err
	}
	key := filepath.Join(*dir, "admin-key")
	if _, err := os.Stat(key); err == nil && bug == deadNode {
		return errors.New("this node starts once only")
	}
	if err := os.WriteFile(key, []byte("secret\n"), 0o600); err != nil {
		return err
	}
	f := &fake{bug: bug}
	if err := f.open(filepath.Join(*dir, "log")); err != nil {
		return err
	}
	return http.ListenAndServe(*listen, f)
}

// open reads the log back up to the last whole batch. A batch is a line with
// its key and length, and the body.
func (f *fake) open(path string) error {
	f.mu.keys = map[string]bool{}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	in := bufio.NewReader(file)
	for {
		head, err := in.ReadString('\n')
		if err != nil {
			break
		}
		key, lengthText, _ := strings.Cut(strings.TrimSpace(head), " ")
		length, err := strconv.Atoi(lengthText)
		if err != nil {
			break
		}
		body := make([]byte, length)
		if _, err := io.ReadFull(in, body); err != nil {
			break
		}
		f.keep(key, body)
		f.mu.size += int64(len(head) + length)
	}
	f.mu.file = file
	return file.Truncate(f.mu.size)
}

func (f *fake) keep(key string, body []byte) {
	f.mu.keys[key] = true
	for line := range bytes.Lines(body) {
		var r struct{ Timestamp time.Time }
		if json.Unmarshal(line, &r) == nil {
			f.mu.records = append(f.mu.records, fakeRecord{time: r.Timestamp, json: string(bytes.TrimSpace(line))})
		}
	}
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if r.URL.Path != "/health/ready" && r.Header.Get("X-API-Key") != "secret" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	switch r.URL.Path {
	case "/health/ready":
	case "/logs":
		if f.mu.writes++; f.bug == rudeNode && f.mu.writes%5 == 0 {
			w.WriteHeader(http.StatusInternalServerError)
			return
		}
		if err := f.write(r.Header.Get("Idempotency-Key"), body); err != nil {
			w.WriteHeader(http.StatusInsufficientStorage)
			fmt.Fprint(w, err)
			return
		}
		fmt.Fprintf(w, `{"success":true,"data":{"accepted":%d}}`, bytes.Count(body, []byte("\n")))
	case "/logs/search":
		f.search(w, body)
	}
}

func (f *fake) write(key string, body []byte) error {
	if f.mu.keys[key] {
		return nil
	}
	if f.mu.failed {
		return errors.New("no writes after an error")
	}
	stored := body
	switch f.bug {
	case doublingNode:
		stored = append(slices.Clone(body), body...)
	case garblingNode:
		stored = bytes.Replace(body, []byte("checksum"), []byte("chexum"), 1)
	case inventingNode:
		stored = append(bytes.Replace(body[:bytes.IndexByte(body, '\n')+1], []byte(`"batch":"`), []byte(`"batch":"9`), 1), body...)
	}
	if f.bug != forgetfulNode {
		out := fmt.Appendf(nil, "%s %d\n%s", key, len(stored), stored)
		_, err := f.mu.file.WriteAt(out, f.mu.size)
		if err == nil && f.bug != lazyNode {
			err = f.mu.file.Sync()
			f.mu.failed = err != nil
		}
		if err != nil && f.bug == lateNode {
			f.mu.failed = true
			return nil
		}
		if err != nil {
			return err
		}
		f.mu.size += int64(len(out))
	}
	f.keep(key, stored)
	return nil
}

func (f *fake) search(w io.Writer, body []byte) {
	var request struct {
		Query   string
		Limit   int
		Cursor  string
		Filters struct{ TimeRange struct{ Start time.Time } }
	}
	if err := json.Unmarshal(body, &request); err != nil {
		fmt.Fprint(w, err)
		return
	}
	if strings.HasSuffix(request.Query, "| stats count()") {
		fmt.Fprintf(w, `{"success":true,"data":{"rows":[[%d]]}}`, len(f.mu.records))
		return
	}
	var found []string
	for _, r := range f.mu.records {
		if !r.time.Before(request.Filters.TimeRange.Start) {
			found = append(found, r.json)
		}
	}
	from, _ := strconv.Atoi(request.Cursor)
	to := min(from+request.Limit, len(found))
	fmt.Fprintf(w, `{"success":true,"data":[%s],"pagination":{"nextCursor":"%d","hasMore":%v,"searchMeta":{"complete":true}}}`,
		strings.Join(found[from:to], ","), to, to < len(found))
}
