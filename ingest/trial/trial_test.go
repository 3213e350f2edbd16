package trial

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/redact"
)

func TestRun(t *testing.T) {
	r, err := redact.New(redact.Config{Fields: []redact.FieldRule{{Pattern: "gone", Action: redact.Remove}}})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ body, want string }{
		{"password=hunter2", `1/1/0 map[password:1] [{1 [{message password=[redacted:password] false}]}]`},
		{"one\ntwo pwd=y\nthree", `3/1/0 map[password:1] [{2 [{message two pwd=[redacted:password] false}]}]`},
		{`{"message":"m","metadata":{"token":"abcdef1"}}`, `1/1/0 map[secret:1] [{1 [{metadata.token [redacted:secret] false}]}]`},
		{` [ {"gone":"x","message":"m"} ]`, `1/1/0 map[field:1] [{1 [{gone  true}]}]`},
		{"{\"a\":1}\n{\"b\":", `1/0/1 map[] []`},
		{"[", `1/0/0 map[] []`},
		{"[ ", `1/0/0 map[] []`},
		{"", `0/0/0 map[] []`},
	} {
		got, err := Run(r, "default", []byte(c.body), time.Unix(1_700_000_000, 0))
		if err != nil {
			t.Fatal(err)
		}
		if text := fmt.Sprintf("%d/%d/%d %v %v", got.Records, got.Redacted, got.Rejected, got.Findings, got.Lines); text != c.want {
			t.Errorf("%q:\n got %s\nwant %s", c.body, text, c.want)
		}
	}
	many, err := Run(r, "default", []byte(strings.Repeat("pwd=y\n", LinesMax+1)), time.Unix(1_700_000_000, 0))
	if err != nil || len(many.Lines) != LinesMax || many.Redacted != LinesMax+1 {
		t.Errorf("%d lines of %d, %v", len(many.Lines), many.Redacted, err)
	}
	if r.Records() != 0 || r.Found(redact.Password) != 0 {
		t.Error("a trial counts")
	}
}
