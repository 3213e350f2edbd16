package node_test

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/fasthttp/websocket"

	"github.com/stere-log/stere/node"
	"github.com/stere-log/stere/node/nodetest"
)

// event is one Server-Sent Event.
type event struct{ id, kind, data string }

// listen opens a tail over HTTP and returns a function that returns the next event.
func listen(t *testing.T, url, last string) (next func() event) {
	t.Helper()
	request, err := http.NewRequestWithContext(t.Context(), "GET", url, nil)
	if err != nil {
		t.Fatal(err)
	}
	if last != "" {
		request.Header.Set("Last-Event-ID", last)
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = answer.Body.Close() })
	if got := answer.Header.Get("Content-Type"); answer.StatusCode != 200 || !strings.HasPrefix(got, "text/event-stream") {
		t.Fatalf("the answer is %s, %s", answer.Status, got)
	}
	lines := bufio.NewScanner(answer.Body)
	return func() (e event) {
		t.Helper()
		for lines.Scan() {
			name, value, _ := strings.Cut(lines.Text(), ": ")
			switch name {
			case "id":
				e.id = value
			case "event":
				e.kind = value
			case "data":
				e.data = value
			case "":
				return e
			}
		}
		t.Fatalf("the stream ended: %v", lines.Err())
		return e
	}
}

func message(t *testing.T, e event) string {
	t.Helper()
	var record struct{ Message string }
	if err := json.Unmarshal([]byte(e.data), &record); err != nil {
		t.Fatalf("%q: %v", e.data, err)
	}
	return record.Message
}

func TestTailOverHTTP(t *testing.T) {
	running := nodetest.Start(t, node.Config{})
	put := func(line string) {
		t.Helper()
		if _, err := write(running.Node, "default", "", line); err != nil {
			t.Fatal(err)
		}
	}
	for i := range 5 {
		put(fmt.Sprintf("old %d", i))
	}
	next := listen(t, running.URL+"/logs/tail?query=old+OR+new&backlog=2", "")
	var last string
	want := func(next func() event, texts ...string) {
		t.Helper()
		for _, text := range texts {
			e := next()
			for e.kind == "heartbeat" {
				e = next()
			}
			if e.kind != "" || message(t, e) != text {
				t.Fatalf("got %+v, want the record %q", e, text)
			}
			last = e.id
		}
	}
	want(next, "old 3", "old 4")
	put("new 0")
	put("other")
	put("new 1")
	want(next, "new 0", "new 1")
	put("new 2")
	want(listen(t, running.URL+"/logs/tail?query=new&backlog=2", last), "new 2")

	socket, _, err := websocket.DefaultDialer.Dial("ws"+strings.TrimPrefix(running.URL, "http")+"/logs/tail?query=new&since=3000d", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer socket.Close()
	receive := func() event {
		var e struct {
			Type, ID string
			Data     json.RawMessage
		}
		if err := socket.ReadJSON(&e); err != nil {
			t.Fatal(err)
		}
		return event{e.ID, strings.TrimPrefix(e.Type, "record"), string(e.Data)}
	}
	if e := receive(); e.kind != "heartbeat" {
		t.Errorf("the first message is %+v, want a heartbeat: the records are from 1970", e)
	}
	put("new 3")
	want(receive, "new 3")

	for _, bad := range []string{"query=(", "query=*|stats+count()", "backlog=x", "backlog=1000000", "after=x", "since=x", "quary=a"} {
		answer, err := http.Get(running.URL + "/logs/tail?" + bad)
		if err != nil {
			t.Fatal(err)
		}
		_ = answer.Body.Close()
		if answer.StatusCode != 400 {
			t.Errorf("%s: status %d, want 400", bad, answer.StatusCode)
		}
	}
	running.Stop()
	for e := next(); e.kind != "end"; e = next() {
	}
	for e := receive(); e.kind != "end"; e = receive() {
	}
}
