package query_test

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/query"
)

// TestTablesOfRowsEqualRecords checks that a table of rows at the root, and one
// of computed fields, is the same as one that is made where the records are: for
// all aggregates and pipes that make tables.
func TestTablesOfRowsEqualRecords(t *testing.T) {
	for seed := range uint64(8) {
		random := rand.New(rand.NewPCG(79, seed))
		config := query.Config{CountTime: time.Hour, CountBrief: time.Hour, Now: func() time.Time { return time.Unix(0, day) }}
		shards := deal(t, random, oddRecords(random, 300), 3, 2)
		local := query.New(shards, config)
		apart, _ := scatter(random, shards, 2, config)
		engines := map[string]*query.Engine{"local": local, "leaves": query.New(apart, config)}
		for range 40 {
			request := randomRequest(random)
			request.Limit = 1_000
			want := search(t, local, request)
			filter, pipes := cutFilter(request.Text)
			// Rows have one value of a name.
			if !want.Table || strings.Contains(request.Text, "a.b") || strings.HasSuffix(request.Text, "facets") {
				continue
			}
			for _, pipe := range []string{"limit 100000", "eval zz = n | drop zz", "where n == null or coalesce(n, message) != null", "sort by n | limit 100000 | where true"} {
				if strings.Contains(pipes, "pattern") && (strings.Contains(pipe, "limit") || strings.Contains(pipes, "reset") && strings.Contains(pipe, "eval")) {
					continue // they are not known of rows, which a condition on all fields is tried on
				}
				for name, engine := range engines {
					request.Text = fmt.Sprintf("%s | %s | %s", filter, pipe, pipes)
					have := search(t, engine, request)
					have.Elapsed = want.Elapsed
					if h, w := fmt.Sprint(have), fmt.Sprint(want); h != w {
						t.Errorf("seed %d, %s, %+v:\nhave %s\nwant %s", seed, name, request, h, w)
						return
					}
				}
			}
		}
	}
}

// cutFilter cuts a text at the first bar outside parentheses.
func cutFilter(text string) (filter, pipes string) {
	depth := 0
	for i := range text {
		switch text[i] {
		case '(':
			depth++
		case ')':
			depth--
		case '|':
			if depth == 0 {
				return text[:i], text[i+1:]
			}
		}
	}
	return text, ""
}
