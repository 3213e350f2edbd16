// Command analytics measures how long analytics take on a node that has data:
// the summary and the patterns of everything, facets under a filter, trends,
// percentiles, the most frequent values. It asks VictoriaLogs the same where its
// language can say it: one that runs and has the same records, or one that it starts
// and gives them.
//
//	go run ./bench/analytics -url http://127.0.0.1:7100 -data stere-data -victorialogs http://127.0.0.1:9428
//	go run ./bench/analytics -data stere-data -victorialogs /usr/local/bin/victoria-logs -corpus records.ndjson
package main

import (
	"context"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/stere-log/stere/bench/tool"
	"github.com/stere-log/stere/client"
)

// everything is a stretch of time that holds all records.
const everything = "startTime=1970-01-02&endTime=2100-01-01"

// answerMax bounds an answer.
const answerMax = 256 << 20

// question is one question in the words of each store. Where one of VictoriaLogs'
// language needs several, they are asked one after the other; none are where it
// cannot say it.
type question struct {
	name     string
	path     string // of Stere; a path of /analytics
	query    string // of Stere's language
	victoria []string
}

// questions returns what is asked.
func questions() []question {
	one := func(text string) []string { return []string{text} }
	return []question{
		{name: "summary of everything", path: "/analytics/summary?includePatterns=false&" + everything, victoria: summary()},
		{name: "patterns of everything", query: "* | patterns 20", victoria: one("* | collapse_nums at _msg | top 20 by (_msg)")},
		{name: "facets of 5 fields, filter", query: "level:error | facets 5 of level, component, host, category, source", victoria: []string{
			"level:=error | top 5 by (level)", "level:=error | top 5 by (component)", "level:=error | top 5 by (host)", "level:=error | top 5 by (category)", "level:=error | top 5 by (source)",
		}},
		{name: "facets of all fields, filter", query: "level:error | facets 5", victoria: one("level:=error | facets 5")},
		{name: "trend by hour", query: "* | stats count() by (_time:1h)", victoria: one("* | stats by (_time:1h) count() n")},
		{name: "trend by minute and level", query: "* | stats count() by (_time:1m, level)", victoria: one("* | stats by (_time:1m, level) count() n")},
		{name: "count by 2 fields", query: "* | stats count() by (level, component)", victoria: one("* | stats by (level, component) count() n")},
		{name: "errors by component", query: "* | stats count_if(level:=error) as errors, count() by (component)", victoria: one("* | stats by (component) count() if (level:=error) errors, count() n")},
		{name: "top 10 components", query: "* | top 10 component", victoria: one("* | top 10 by (component)")},
		{name: "percentiles by component", query: "* | stats median(duration), p95(duration), max(duration) by (component)", victoria: one("* | stats by (component) median(duration) a, quantile(0.95, duration) b, max(duration) c")},
		{name: "components, counted exactly", query: "* | stats count_distinct(component)", victoria: one("* | stats count_uniq(component) n")},
	}
}

// summary returns what a summary asks, but for the examples of records.
func summary() []string {
	return []string{
		"* | stats count() n, count_uniq(component) c, count_uniq(endpoint) e, min(_time) first, max(_time) last",
		"* | stats by (level) count() n, min(_time) first, max(_time) last", "* | stats by (category) count() n", "* | stats by (component) count() n",
		"* | stats count(duration) n, avg(duration) a, min(duration) b, max(duration) c, quantile(0.5, duration) d, quantile(0.9, duration) e, quantile(0.95, duration) f, quantile(0.99, duration) g",
		"* | stats by (_time:1h) count() n", `duration:* or category:=performance or performance | stats count() n`, "duration:>=1000 | stats count() n", "memory or heap | stats count() n",
		"level:in(error, critical) | stats count() n", "level:in(error, critical) | collapse_nums at _msg | top 10 by (_msg)",
	}
}

type options struct {
	url, data, victoria, corpus, dir string
	repeats                          int
}

func main() {
	var o options
	flag.StringVar(&o.url, "url", client.URLDefault, "the node")
	flag.StringVar(&o.data, "data", "stere-data", "its data folder, for the key")
	flag.StringVar(&o.victoria, "victorialogs", "", "VictoriaLogs: the address of one with the same records, or the program; empty: not asked")
	flag.StringVar(&o.corpus, "corpus", "", "the records, NDJSON, for a VictoriaLogs that is started; empty: those in -dir")
	flag.StringVar(&o.dir, "dir", "", "its folder; empty: a temporary one")
	flag.IntVar(&o.repeats, "repeats", 10, "how often each question is asked")
	flag.Parse()
	tool.Main("analytics", func(ctx context.Context, _ io.Writer) error { return o.run(ctx) })
}

func (o *options) run(ctx context.Context) (err error) {
	key, err := client.DiscoverKey(o.data, os.Getenv)
	if err != nil {
		return err
	}
	victoria := o.victoria
	if victoria != "" && !strings.Contains(victoria, "://") {
		var stop func() error
		if victoria, stop, err = o.start(ctx); err != nil {
			return err
		}
		defer func() { err = errors.Join(err, stop()) }()
	}
	fmt.Println("| question | stere first ms | p50 ms | worst ms | victorialogs first ms | p50 ms | ratio of p50 |")
	fmt.Println("|---|---:|---:|---:|---:|---:|---:|")
	for _, q := range questions() {
		own, err := repeat(o.repeats, func() ([]*http.Request, error) {
			request, err := stere(ctx, o.url, key, q)
			return []*http.Request{request}, err
		})
		if err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
		row := fmt.Sprintf("| %s | %.1f | %.1f | %.1f |", q.name, ms(own[0]), ms(median(own)), ms(slices.Max(own)))
		if len(q.victoria) == 0 || victoria == "" {
			fmt.Println(row + " | | |")
			continue
		}
		other, err := repeat(o.repeats, func() ([]*http.Request, error) { return asked(ctx, victoria, q.victoria) })
		if err != nil {
			return fmt.Errorf("%s: victorialogs: %w", q.name, err)
		}
		fmt.Printf("%s %.1f | %.1f | %.3fx |\n", row, ms(other[0]), ms(median(other)), median(own).Seconds()/median(other).Seconds())
	}
	return nil
}

// stere returns the request of a question.
func stere(ctx context.Context, base, key string, q question) (*http.Request, error) {
	method, body := http.MethodGet, io.Reader(nil)
	path := q.path
	if path == "" {
		text, err := json.Marshal(map[string]any{"query": q.query, "limit": 10_000})
		if err != nil {
			return nil, fmt.Errorf("encode query: %w", err)
		}
		method, path, body = http.MethodPost, "/logs/search", strings.NewReader(string(text))
	}
	request, err := http.NewRequestWithContext(ctx, method, base+path, body)
	if err == nil {
		request.Header.Set("X-API-Key", key)
	}
	return request, err
}

// repeat asks several times and returns how long each took, in order; what needs
// several requests takes as long as all of them.
func repeat(n int, ask func() ([]*http.Request, error)) ([]time.Duration, error) {
	var took []time.Duration
	for range n {
		requests, err := ask()
		if err != nil {
			return nil, err
		}
		started := time.Now()
		for _, request := range requests {
			text, err := answer(request)
			if err != nil {
				return nil, err
			}
			if strings.Contains(string(text), `"complete":false`) {
				return nil, fmt.Errorf("the answer is not complete: %.300s", text)
			}
		}
		took = append(took, time.Since(started))
	}
	return took, nil
}

// answer returns the body of an answer that is a success.
func answer(request *http.Request) ([]byte, error) {
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(response.Body, answerMax))
	closeErr := response.Body.Close()
	switch {
	case err != nil:
		return nil, fmt.Errorf("read answer: %w", err)
	case closeErr != nil:
		return nil, fmt.Errorf("close answer: %w", closeErr)
	case response.StatusCode != http.StatusOK:
		return nil, fmt.Errorf("status %d: %.300s", response.StatusCode, text)
	}
	return text, nil
}

// median returns the middle of durations.
func median(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// ms returns milliseconds.
func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
