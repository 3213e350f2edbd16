package cluster_test

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

// fakeEnv makes the test binary play a node of a cluster; its value is the bug
// that the node has.
const fakeEnv = "CLUSTER_TEST_FAKE"

// The bugs of fake nodes. Each must be caught.
const (
	soundNode    = "sound"
	hastyNode    = "hasty"    // acknowledges what it alone has
	lazyNode     = "lazy"     // does not sync
	boastingNode = "boasting" // calls what it alone has complete
	silentNode   = "silent"   // never says that an answer is not complete
	shyNode      = "shy"      // calls every third answer incomplete
	doublingNode = "doubling" // has a batch twice
	garblingNode = "garbling" // alters a record
	losingNode   = "losing"   // forgets a record
	mortalNode   = "mortal"   // does not start a second time
	crashingNode = "crashing" // crashes when another does not answer
)

const fakeTimeout = time.Second

func TestMain(m *testing.M) {
	if bug := os.Getenv(fakeEnv); bug != "" {
		fmt.Fprintln(os.Stderr, serveFake(bug, os.Args[1:]))
		os.Exit(1)
	}
	os.Exit(m.Run())
}

// fake is a node of the smallest cluster that keeps its promises. What is
// written is a set that only grows, so no order has to be agreed on: a batch is
// acknowledged when more than half of the members have synced it, an answer is
// complete when it is made of what more than half of the members have.
type fake struct {
	bug, name, self, dir string
	client               *http.Client
	mu                   struct {
		sync.Mutex
		file    *os.File
		batches map[string]string // bodies by key
		members map[string]string // addresses by name
		ready   bool
		asked   int
	}
}

func serveFake(bug string, args []string) error {
	flags := flag.NewFlagSet("serve", flag.ContinueOnError)
	dir, listen := flags.String("data", "", ""), flags.String("listen", "", "")
	name, gossip, join := flags.String("node", "", ""), flags.String("gossip-listen", "", ""), flags.String("join", "", "")
	bootstrap := flags.Bool("bootstrap", false, "")
	for _, other := range []string{"zone", "cluster-listen", "advertise", "replicas", "cluster-secret-file"} {
		flags.String(other, "", "")
	}
	if err := flags.Parse(args[1:]); err != nil {
		return err
	}
	if err := os.MkdirAll(*dir, 0o755); err != nil {
		return err
	}
	f := &fake{bug: bug, name: *name, self: *gossip, dir: *dir, client: &http.Client{Timeout: fakeTimeout}}
	f.mu.batches, f.mu.members = map[string]string{}, map[string]string{*name: *gossip}
	text, err := os.ReadFile(filepath.Join(*dir, "members"))
	again := err == nil
	if again {
		if bug == mortalNode {
			return errors.New("this node starts once only")
		}
		if err := json.Unmarshal(text, &f.mu.members); err != nil {
			return err
		}
	}
	if err := f.open(); err != nil {
		return err
	}
	if *bootstrap {
		if err := os.WriteFile(filepath.Join(*dir, "admin-key"), []byte("secret\n"), 0o600); err != nil {
			return err
		}
	}
	peers := http.NewServeMux()
	peers.HandleFunc("/join", f.serveJoin)
	peers.HandleFunc("/members", f.serveMembers)
	peers.HandleFunc("/store", f.serveStore)
	peers.HandleFunc("/dump", f.serveDump)
	failed := make(chan error, 2)
	go func() { failed <- http.ListenAndServe(*gossip, peers) }()
	go func() { failed <- http.ListenAndServe(*listen, f) }()
	if again || *bootstrap {
		f.mu.Lock()
		f.mu.ready = true
		f.mu.Unlock()
		if err := f.saveMembers(); err != nil {
			return err
		}
	} else {
		go func() {
			for f.join(strings.Split(*join, ",")) != nil {
				time.Sleep(50 * time.Millisecond)
			}
		}()
	}
	return <-failed
}

// open reads the file back up to the last whole batch: a line with its key and
// length, and the body.
func (f *fake) open() (err error) {
	if f.mu.file, err = os.OpenFile(filepath.Join(f.dir, "log"), os.O_CREATE|os.O_RDWR, 0o600); err != nil {
		return err
	}
	size := int64(0)
	for in := bufio.NewReader(f.mu.file); ; {
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
		f.mu.batches[key] = string(body)
		size += int64(len(head) + length)
	}
	if err := f.mu.file.Truncate(size); err != nil {
		return err
	}
	_, err = f.mu.file.Seek(size, io.SeekStart)
	return err
}

// join asks to be a member, and takes what all others have.
func (f *fake) join(seeds []string) error {
	err := errors.New("nobody answers")
	for _, seed := range seeds {
		var members map[string]string
		if err = f.call(seed, "/join?name="+f.name+"&address="+f.self, nil, &members); err != nil {
			continue
		}
		for name, address := range members {
			var batches map[string]string
			if name == f.name {
				continue
			}
			if err := f.call(address, "/dump", nil, &batches); err != nil {
				return err
			}
			if err := f.store(batches); err != nil {
				return err
			}
		}
		f.mu.Lock()
		f.mu.members, f.mu.ready = members, true
		f.mu.Unlock()
		return f.saveMembers()
	}
	return err
}

func (f *fake) call(address, path string, body []byte, into any) error {
	res, err := f.client.Post("http://"+address+path, "", bytes.NewReader(body))
	if err != nil {
		return err
	}
	defer res.Body.Close()
	text, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d, %w", res.StatusCode, err)
	}
	if into == nil {
		return nil
	}
	return json.Unmarshal(text, into)
}

func (f *fake) saveMembers() error {
	f.mu.Lock()
	text, err := json.Marshal(f.mu.members)
	f.mu.Unlock()
	if err != nil {
		return err
	}
	path := filepath.Join(f.dir, "members")
	file, err := os.Create(path + ".new")
	if err != nil {
		return err
	}
	_, err = file.Write(text)
	return errors.Join(err, file.Sync(), file.Close(), os.Rename(path+".new", path))
}

// serveJoin takes a node in, and lets go of members that do not answer.
func (f *fake) serveJoin(w http.ResponseWriter, r *http.Request) {
	members := map[string]string{}
	for name, address := range f.others() {
		if f.call(address, "/members", nil, nil) == nil {
			members[name] = address
		}
	}
	members[f.name] = f.self
	members[r.URL.Query().Get("name")] = r.URL.Query().Get("address")
	text, _ := json.Marshal(members)
	for _, address := range members {
		if address != r.URL.Query().Get("address") {
			_ = f.call(address, "/members", text, nil)
		}
	}
	_, _ = w.Write(text)
}

func (f *fake) serveMembers(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	var members map[string]string
	if json.Unmarshal(body, &members) != nil {
		return
	}
	f.mu.Lock()
	f.mu.members = members
	f.mu.Unlock()
	if f.saveMembers() != nil {
		w.WriteHeader(http.StatusInternalServerError)
	}
}

func (f *fake) serveStore(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = f.store(map[string]string{r.URL.Query().Get("key"): string(body)})
	}
	if err != nil {
		w.WriteHeader(http.StatusInternalServerError)
	}
}

func (f *fake) serveDump(w http.ResponseWriter, _ *http.Request) {
	f.mu.Lock()
	text, _ := json.Marshal(f.mu.batches)
	ready := f.mu.ready
	f.mu.Unlock()
	if !ready { // it has not got what the others have
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	_, _ = w.Write(text)
}

func (f *fake) others() map[string]string {
	f.mu.Lock()
	defer f.mu.Unlock()
	others := map[string]string{}
	for name, address := range f.mu.members {
		if name != f.name {
			others[name] = address
		}
	}
	return others
}

// store keeps batches and syncs them.
func (f *fake) store(batches map[string]string) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	for key, body := range batches {
		if _, ok := f.mu.batches[key]; ok {
			continue
		}
		if _, err := fmt.Fprintf(f.mu.file, "%s %d\n%s", key, len(body), body); err != nil {
			return err
		}
		f.mu.batches[key] = body
	}
	if f.bug == lazyNode {
		return nil
	}
	return f.mu.file.Sync()
}

// gather asks all others at once and returns how many answered, itself included.
func (f *fake) gather(ask func(address string) error) (answered, members int) {
	others := f.others()
	done := make(chan error, len(others))
	for _, address := range others {
		go func() {
			err := ask(address)
			if err != nil && f.bug == crashingNode {
				panic("another does not answer")
			}
			done <- err
		}()
	}
	answered = 1
	for range others {
		if <-done == nil {
			answered++
		}
	}
	return answered, len(others) + 1
}

func (f *fake) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return
	}
	f.mu.Lock()
	ready := f.mu.ready
	f.mu.Unlock()
	if !ready {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	if r.URL.Path != "/health/ready" && r.Header.Get("X-API-Key") != "secret" {
		w.WriteHeader(http.StatusUnauthorized)
		return
	}
	switch r.URL.Path {
	case "/logs":
		f.write(w, r.Header.Get("Idempotency-Key"), string(body))
	case "/logs/search":
		f.search(w, body)
	case "/admin/cluster":
		f.status(w)
	}
}

func (f *fake) write(w http.ResponseWriter, key, body string) {
	err := f.store(map[string]string{key: body})
	answered, members := f.gather(func(address string) error {
		if f.bug == hastyNode {
			return nil
		}
		return f.call(address, "/store?key="+key, []byte(body), nil)
	})
	if err != nil || 2*answered <= members {
		w.WriteHeader(http.StatusServiceUnavailable)
		return
	}
	fmt.Fprintf(w, `{"success":true,"data":{"accepted":%d}}`, strings.Count(body, "\n"))
}

// records returns what this node and all that answer have.
func (f *fake) records() (records []string, complete bool) {
	var mu sync.Mutex
	batches := map[string]string{}
	add := func(more map[string]string) {
		mu.Lock()
		defer mu.Unlock()
		for key, body := range more {
			batches[key] = body
		}
	}
	f.mu.Lock()
	add(f.mu.batches)
	f.mu.asked++
	asked := f.mu.asked
	f.mu.Unlock()
	complete = true
	if f.bug != boastingNode {
		answered, members := f.gather(func(address string) error {
			var more map[string]string
			err := f.call(address, "/dump", nil, &more)
			add(more)
			return err
		})
		complete = 2*answered > members || f.bug == silentNode
	}
	mu.Lock()
	defer mu.Unlock()
	for _, key := range slices.Sorted(mapKeys(batches)) {
		body := batches[key]
		first := strings.Contains(key, "-0-1") // a few batches of the first writer
		switch {
		case f.bug == doublingNode && first:
			body += body
		case f.bug == garblingNode && first:
			body = strings.Replace(body, "checksum", "chexum", 1)
		case f.bug == losingNode && first:
			body = body[strings.IndexByte(body, '\n')+1:]
		}
		records = append(records, slices.Collect(strings.Lines(body))...)
	}
	return records, complete && (f.bug != shyNode || asked%3 != 0)
}

func mapKeys(m map[string]string) func(yield func(string) bool) {
	return func(yield func(string) bool) {
		for key := range m {
			if !yield(key) {
				return
			}
		}
	}
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
	records, complete := f.records()
	var found []string
	_, batch, _ := strings.Cut(request.Query, "metadata.batch:=")
	for _, record := range records {
		var r struct{ Timestamp time.Time }
		if json.Unmarshal([]byte(record), &r) != nil || r.Timestamp.Before(request.Filters.TimeRange.Start) {
			continue
		}
		if strings.Contains(record, `"batch":`+batch) {
			found = append(found, strings.TrimSpace(record))
		}
	}
	page := fmt.Sprintf(`"searchMeta":{"complete":%v,"reason":"too few answer"}`, complete)
	if strings.HasSuffix(request.Query, "| stats count()") {
		fmt.Fprintf(w, `{"success":true,"data":{"rows":[[%d]]},"pagination":{%s}}`, len(records), page)
		return
	}
	from, _ := strconv.Atoi(request.Cursor)
	from = min(from, len(found))
	to := min(from+request.Limit, len(found))
	fmt.Fprintf(w, `{"success":true,"data":[%s],"pagination":{"nextCursor":"%d","hasMore":%v,%s}}`, strings.Join(found[from:to], ","), to, to < len(found), page)
}

func (f *fake) status(w io.Writer) {
	f.mu.Lock()
	names := slices.Sorted(mapKeys(f.mu.members))
	f.mu.Unlock()
	var nodes, replicas []string
	for _, name := range names {
		nodes = append(nodes, fmt.Sprintf(`{"id":"id-%s","name":%q}`, name, name))
		replicas = append(replicas, fmt.Sprintf(`{"node":"id-%s","role":"voter","complete":true}`, name))
	}
	fmt.Fprintf(w, `{"success":true,"data":{"catalogue":{"leader":"id-%s"},"nodes":[%s],"shards":[{"number":1,"leader":"id-%s","replicas":[%s]}]}}`,
		names[0], strings.Join(nodes, ","), names[0], strings.Join(replicas, ","))
}
