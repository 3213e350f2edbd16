package api

import (
	"fmt"
	"strings"
	"sync"
	"testing"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/model"
)

// TestBodiesAreApart checks that the memory of a body and its records is given
// to the next request only when nothing points into it: many clients write at
// once what can be told apart line by line, and get faults that name what they
// sent. Under the race detector a body given back too soon is a race.
func TestBodiesAreApart(t *testing.T) {
	const clients, requests, lines = 8, 25, 40
	w := newWorld(t, nil)
	var group sync.WaitGroup
	for client := range clients {
		group.Go(func() {
			for request := range requests {
				who := fmt.Sprintf("c%dr%d", client, request)
				var body strings.Builder
				for line := range lines {
					if request%5 == 4 {
						body.WriteString("{\"create\":{}}\n")
					}
					pad := strings.Repeat("x", (client*7+request*31+line)%500)
					fmt.Fprintf(&body, `{"who":"%s","line":%d,"message":"%s \"%d\"\t%s","pad":"%s"}`+"\n", who, line, who, line, pad, pad)
				}
				path := "/logs"
				switch request % 5 {
				case 4:
					path = "/_bulk"
				case 3: // a refused line is described from the body
					fmt.Fprintf(&body, `garbage of %s`+"\n", who)
				case 2: // refused as a whole, rendered after the handler
					got := w.do("POST", "/logs", "broken "+who)
					if got.status != 422 && got.status != 400 || !strings.Contains(got.body, "broken "+who) {
						t.Errorf("%s is refused with %d: %s", who, got.status, got.body)
					}
				}
				got := w.do("POST", path, body.String())
				if got.status != 200 || request%5 == 3 && !strings.Contains(got.body, "garbage of "+who) {
					t.Errorf("%s gets %d: %s", who, got.status, got.body)
				}
			}
		})
	}
	group.Wait()
	seen := map[string]bool{}
	for _, p := range w.memory.mu.parts[model.DefaultTenant] {
		rows := index.NewDocSet()
		rows.AddRange(0, uint64(p.Rows()))
		records, err := p.Records(t.Context(), rows)
		if err != nil {
			t.Fatal(err)
		}
		for i := range records {
			text := func(name string) string {
				f, _ := records[i].Get(name)
				return f.Text
			}
			key := text("who") + " \"" + text("line") + "\""
			if text("message") != key+"\t"+text("pad") || seen[key] {
				t.Errorf("record %s (there before: %v) is %.300q", key, seen[key], text("message"))
			}
			seen[key] = true
		}
	}
	if len(seen) != clients*requests*lines {
		t.Errorf("%d records are stored, want %d", len(seen), clients*requests*lines)
	}
}
