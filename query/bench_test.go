package query_test

import (
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
)

// BenchmarkSearch measures what a query costs that reads everything in one
// process: enough records for the merging of parts to show, few enough that a
// run takes no minute.
func BenchmarkSearch(b *testing.B) {
	random := rand.New(rand.NewPCG(61, 1))
	engine := query.New(split(b, random, randomRecords(random, 50_000), 20), query.Config{Workers: 1})
	for _, text := range []string{
		"*", "* | sort by duration", "* | stats sum(share), avg(duration) by (level)", "* | stats sum(share), sum(duration) by (n)",
		"* | stats min(n), max(share), count_distinct(n), p99(n) by (level)",
	} {
		b.Run(text, func(b *testing.B) {
			for range b.N {
				if _, err := engine.Search(b.Context(), query.Request{Audience: query.Audience{Tenant: model.DefaultTenant}, Text: text}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkLeaf measures the same where another engine reads half of it.
func BenchmarkLeaf(b *testing.B) {
	random := rand.New(rand.NewPCG(61, 1))
	shards := deal(b, random, randomRecords(random, 50_000), 2, 10)
	for _, text := range []string{"*", "* | stats sum(share), sum(duration) by (n)", "* | stats count_distinct(n), p99(n) by (level)"} {
		for _, far := range []bool{false, true} {
			apart := spread{shards: shards, at: make([]*away, len(shards))}
			if far {
				apart.at[1] = &away{shards: shards, engine: query.New(nil, query.Config{Workers: 1})}
			}
			engine := query.New(apart, query.Config{Workers: 1})
			b.Run(fmt.Sprintf("%s/%v", text, far), func(b *testing.B) {
				for range b.N {
					if _, err := engine.Search(b.Context(), query.Request{Audience: query.Audience{Tenant: model.DefaultTenant}, Text: text}); err != nil {
						b.Fatal(err)
					}
				}
			})
		}
	}
}
