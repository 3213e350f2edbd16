package sigma_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/stere-log/stere/detect/sigma"
	"github.com/stere-log/stere/internal/oracle"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/syntax"
)

// record makes one of pairs.
func record(pairs ...string) *model.Record {
	r := &model.Record{}
	for i := 0; i < len(pairs); i += 2 {
		r.Fields = append(r.Fields, model.Field{Name: pairs[i], Kind: model.String, Text: pairs[i+1]})
	}
	return r
}

// TestTranslate asks records whether they are what a rule is about.
func TestTranslate(t *testing.T) {
	head := "title: t\ndetection:\n"
	for _, c := range []struct {
		rule    string
		yes, no []*model.Record
	}{
		{"  sel:\n    EventID: 4625\n    User|startswith: adm\n  condition: sel",
			[]*model.Record{record("EventID", "4625", "User", "Administrator")}, []*model.Record{record("EventID", "4625", "User", "bob"), record("EventID", "46250", "User", "adm")}},
		{"  sel:\n    Image|endswith:\n      - '\\cmd.exe'\n      - '\\powershell.exe'\n  filter:\n    User: SYSTEM\n  condition: sel and not filter",
			[]*model.Record{record("Image", `C:\Windows\CMD.exe`, "User", "bob"), record("Image", `C:\powershell.exe`)}, []*model.Record{record("Image", `C:\cmd.exe`, "User", "system"), record("Image", `C:\cmd.exe.txt`)}},
		{"  words:\n    - union select\n    - '*etc/passwd*'\n  condition: words",
			[]*model.Record{record("message", "id=1 UNION SELECT 2"), record("message", "../etc/passwd%00")}, []*model.Record{record("message", "select union")}},
		{"  words:\n    '|all':\n      - wget\n      - '*/tmp/?'\n  condition: words", []*model.Record{record("message", "cd /tmp/a; WGET x")}, []*model.Record{record("message", "wget x"), record("message", "/tmp/a")}},
		{"  a1:\n    x|contains|all: [foo, bar]\n  a2:\n    x: 'w?ld*'\n  b:\n    y: null\n  condition: 1 of a* and b",
			[]*model.Record{record("x", "barfoo"), record("x", "wildcard")}, []*model.Record{record("x", "foo"), record("x", "barfoo", "y", "1"), record("x", "a wild")}},
		{"  a:\n    x: 1\n  b:\n    y|re: '^/api/v[12]'\n  condition: all of them",
			[]*model.Record{record("x", "1", "y", "/api/v2/x")}, []*model.Record{record("x", "1", "y", "/api/v3"), record("y", "/api/v1")}},
		{"  a:\n    ip|cidr: 10.0.0.0/8\n  b:\n    n|gt: 5\n  condition: not (a or b)",
			[]*model.Record{record("ip", "192.168.0.1", "n", "5")}, []*model.Record{record("ip", "10.2.3.4"), record("n", "6")}},
		{"  a:\n    - x: one\n    - y|exists: true\n  condition: a", []*model.Record{record("x", "ONE"), record("y", "")}, []*model.Record{record("x", "two")}},
		{"  a:\n    x|windash|contains: ' -enc '\n  condition: a", []*model.Record{record("x", "powershell -enc AA"), record("x", "powershell /ENC AA"), record("x", "powershell –enc AA")}, []*model.Record{record("x", "powershell enc AA"), record("x", "a-enc b")}},
		{"  a:\n    x|base64offset|contains: 'http://'\n  condition: a", []*model.Record{record("x", base64.StdEncoding.EncodeToString([]byte("http://a"))), record("x", base64.StdEncoding.EncodeToString([]byte("1http://a"))), record("x", "b "+base64.StdEncoding.EncodeToString([]byte("12http://abc")))}, []*model.Record{record("x", base64.StdEncoding.EncodeToString([]byte("ftp://a"))), record("x", strings.ToLower(base64.StdEncoding.EncodeToString([]byte("http://a"))))}},
		{"  a:\n    x|wide|base64offset|contains: [IEX, Net.Web]\n  condition: a", []*model.Record{record("x", "SQBFAFgAIAAo"), record("x", base64.StdEncoding.EncodeToString([]byte("zN\x00e\x00t\x00.\x00W\x00e\x00b\x00C\x00")))}, []*model.Record{record("x", "SUVY")}},
		{"  a:\n    x|base64: 'a b'\n  condition: a", []*model.Record{record("x", "YSBi")}, []*model.Record{record("x", "ysbi"), record("x", "a b")}},
		{"  a:\n    x|re|i: '^get /ADMIN'\n  condition: a", []*model.Record{record("x", "GET /admin/x")}, []*model.Record{record("x", "a GET /admin")}},
		{"  a:\n    x|cased: One\n  condition: a", []*model.Record{record("x", "One")}, []*model.Record{record("x", "one")}},
	} {
		rule, err := sigma.Translate([]byte(head+c.rule), sigma.Options{})
		if err != nil {
			t.Fatalf("%s: %v", c.rule, err)
		}
		query, err := syntax.Parse(rule.Query)
		if err != nil {
			t.Fatalf("%s: %v", rule.Query, err)
		}
		for want, records := range map[bool][]*model.Record{true: c.yes, false: c.no} {
			for _, r := range records {
				if have := oracle.Holds(query.Filter, &oracle.Entry{Record: *r}); have != want {
					t.Errorf("%s: %v, want %v of %v", rule.Query, have, want, r.Fields)
				}
			}
		}
	}
}

// TestNames renames fields.
func TestNames(t *testing.T) {
	rule, err := sigma.Translate([]byte("title: t\ndetection:\n  a:\n    EventID: 1\n    User: 2\n  condition: a"), sigma.Options{Prefix: "metadata.", Names: map[string]string{"User": "userId"}})
	if err != nil || !strings.Contains(rule.Query, "metadata.EventID:=") || !strings.Contains(rule.Query, "userId:=") {
		t.Errorf("%v: %+v", err, rule)
	}
}

// TestRefused checks that what is not understood is refused, with its line.
func TestRefused(t *testing.T) {
	for rule, want := range map[string]string{
		"title: t\ndetection:\n  a:\n    x|fieldref: y\n  condition: a":                                                         "line 4: the modifier \"fieldref\" is not supported",
		"title: t\ndetection:\n  a:\n    x|base64: 'y*'\n  condition: a":                                                        "line 4: a value that is encoded",
		"title: t\ndetection:\n  a:\n    x|wide: y\n  condition: a":                                                             "line 4: wide and utf16le",
		"title: t\ndetection:\n  a:\n    x: y\n  condition: a\n---\ndetection:\n  a:\n    x: y\n":                               "several documents",
		"title: t\ndetection:\n  a:\n    x: y\n  condition: a | count() by x > 5":                                               "line 5: aggregations",
		"title: t\ndetection:\n  a:\n    x: y\n  timeframe: 5m\n  condition: a":                                                 "line 5: timeframe",
		"title: t\ndetection:\n  a:\n    x: y\n  condition: b":                                                                  `line 5: there is no selection "b"`,
		"title: t\ndetection:\n  a:\n    x: y\n  condition: (a":                                                                 "line 5: a parenthesis",
		"title: t\ndetection:\n  a:\n    x: y\n  condition: a a":                                                                `line 5: "a" is not expected`,
		"title: t\ndetection:\n  a:\n    x: y":                                                                                  "no condition",
		"title: t\ndetection:\n  a:\n    x:\n      z: y\n  condition: a":                                                        "line 5: a value",
		"title: t\ndetection:\n  a:\n    '|all': []\n  condition: a":                                                            "line 4: want a list of keywords",
		"title: t\ndetection:\n  a:\n    '|re': [x]\n  condition: a":                                                            "line 4: keywords with other modifiers",
		"title: t\ndetection:\n  a: []\n  condition: a":                                                                         "line 3: the selection is empty",
		"title: t\ncorrelation:\n  type: event_count":                                                                           "correlations",
		"title: t\ndetection:\n  a:\n    x|re: '('\n  condition: a":                                                             "no valid query",
		"title: t\ndetection:\n  a:\n    x|cidr: '10.0.0.0/8) OR *:*'\n  condition: a":                                          "line 4: \"10.0.0.0/8) OR *:*\" is no network",
		"title: t\ndetection:\n  a: &a\n    x: y\n  b: *a\n  condition: a":                                                      "line 3: anchors and aliases",
		"title: t\ndetection: {" + strings.Repeat("a,", 100_000) + "a}":                                                         "a mapping has 100001 keys",
		"title: t\ntags: [" + strings.Repeat("[],", 60_000) + "a]":                                                              "more than 20000 values",
		"title: t\ndetection:\n  a: " + strings.Repeat("[", 5_000) + "x" + strings.Repeat("]", 5_000):                           "nested more than 64",
		"title: t\ndetection:\n  a: " + strings.Repeat("[", 50_000):                                                             "no YAML",
		"title: t\ndetection:\n  a: " + strings.Repeat("x", 60_000) + "\n  condition: " + strings.Repeat("a or ", 20_000) + "a": "a query of more than",
		"title: " + strings.Repeat("t", 1<<20):                                                                                  "at most 262144",
		"title: t\ndetection:\n  a:\n    x: [" + strings.Repeat("y,", 2_000) + "y]\n  condition: a":                             "2001 values",
		"detection: 3": "no title",
		"\t":           "no YAML",
		"title: t\ndetection:\n  a:\n   x: y\n  - c\n":                                         "line 3: the rule is no YAML",
		"title: t\ndetection:\n  a:\n    x: y\n  condition: 1 of z*":                           `line 5: no selection is called "z*"`,
		"title: t\ndetection:\n  a:\n    x: y\n  condition: " + strings.Repeat("(", 100) + "a": "nested",
	} {
		_, err := sigma.Translate([]byte(rule), sigma.Options{})
		var fault *sigma.Error
		if !errors.As(err, &fault) || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: have %v, want %s", rule, err, want)
		}
	}
}
