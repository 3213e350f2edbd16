package complete_test

import (
	"slices"
	"testing"
	"time"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/complete"
)

// TestHints checks what is said of questions that found nothing.
func TestHints(t *testing.T) {
	at := time.Date(2020, 1, 1, 0, 0, 0, 0, time.UTC).UnixNano()
	p := oneOf(t, []model.Record{
		{Time: at, Fields: []model.Field{{Name: "component", Kind: model.String, Text: "web"}, {Name: "metadata.status", Kind: model.Number, Text: "200"}}},
		{Time: at, Fields: []model.Field{{Name: "component", Kind: model.String, Text: "db"}, {Name: "secret", Kind: model.String, Text: "x"}}},
	})
	engine := query.New(p, query.Config{})
	hints := func(request query.Request) []string {
		request.Tenant = model.DefaultTenant
		return complete.Hints(t.Context(), engine, request)
	}
	for text, want := range map[string][]string{
		"component:x level:error category:zzz _time>now-1h pattern:x": nil,
		"compnent:web (NOT componet:x OR component:y)":                {`no record has the field "compnent"; did you mean component?`, `no record has the field "componet"; did you mean component?`},
		"status:500": {`no record has the field "status"; did you mean metadata.status?`},
		"metadata:x": {`no record has the field "metadata"; did you mean metadata.status?`},
		"qqqq:x":     {`no record has the field "qqqq"`},
		"* | where upper(compnent) == \"X\" | eval later = 1 | where later > 2": {`no record has the field "compnent"; did you mean component?`},
		"a in (b) component>field(c)":                                           {`no record has the field "a"`, `no record has the field "c"`},
		"component==web":                                                        {`"component==web" is looked for as a text; did you mean component:=web?`},
		"component='web'":                                                       {`"component='web'" is looked for as a text; did you mean component:=web?`},
		"component:'web'":                                                       {`the quotes of 'web' are part of the text; a text stands in double quotes`},
		"(":                                                                     nil,
	} {
		if have := hints(query.Request{Text: text}); !slices.Equal(have, want) {
			t.Errorf("%s: %q, want %q", text, have, want)
		}
	}
	if have := hints(query.Request{Filters: []query.Filter{{Field: "compnent"}, {Field: "severity"}}, To: 5}); len(have) != 1 {
		t.Errorf("filters: %q", have)
	}
	// Who may not see a field is not told that it is there.
	restricted := query.Request{Audience: query.Audience{Restriction: "component:=web"}, Text: "secrt:x"}
	if have := hints(restricted); !slices.Equal(have, []string{`no record has the field "secrt"`}) {
		t.Errorf("restricted: %q", have)
	}
}
