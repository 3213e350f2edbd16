// Command analytics measures how long analytics take on a node that has data:
// the summary and the patterns of everything, facets under a filter, trends,
// counts by two fields. It asks VictoriaLogs the same where its language can say
// it.
//
//	go run ./bench/analytics -url http://127.0.0.1:7100 -data stere-data -victorialogs http://127.0.0.1:9428
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/stere-log/stere/client"
)

// everything is a stretch of time that holds all records.
const everything = "startTime=1970-01-02&endTime=2100-01-01"

// answerMax bounds an answer.
const answerMax = 256 << 20

// question is one question in the words of each store; "" where its language
// does not have it.
type question struct {
	name     string
	path     string // of Stere; a path of /analytics
	query    string // of Stere's language
	victoria string
}

// questions returns what is asked.
func questions() []question {
	return []question{
		{name: "summary of everything", path: "/analytics/summary?includePatterns=false&" + everything},
		{name: "patterns of everything", query: "* | patterns 20"},
		{name: "facets of 5 fields, filter", query: "level:error | facets 5 of level, component, host, category, source"},
		{name: "trend by hour", query: "* | stats count() by (_time:1h)", victoria: "* | stats by (_time:1h) count() n"},
		{name: "count by 2 fields", query: "* | stats count() by (level, component)", victoria: "* | stats by (level, component) count() n"},
		{name: "errors by component", query: "* | stats count_if(level:=error) as errors, count() by (component)", victoria: "* | stats by (component) count() if (level:=error) errors, count() n"},
	}
}

func main() {
	var stereURL, data, victoria string
	var repeats int
	flag.StringVar(&stereURL, "url", client.URLDefault, "the node")
	flag.StringVar(&data, "data", "stere-data", "its data folder, for the key")
	flag.StringVar(&victoria, "victorialogs", "", "VictoriaLogs with the same records; empty: not asked")
	flag.IntVar(&repeats, "repeats", 10, "how often each question is asked")
	flag.Parse()
	if err := run(context.Background(), stereURL, data, victoria, max(1, repeats)); err != nil {
		fmt.Fprintln(os.Stderr, "analytics:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, stereURL, data, victoria string, repeats int) error {
	key, err := client.DiscoverKey(data, os.Getenv)
	if err != nil {
		return err
	}
	fmt.Println("| question | stere first ms | p50 ms | worst ms | victorialogs p50 ms | ratio |")
	fmt.Println("|---|---:|---:|---:|---:|---:|")
	for _, q := range questions() {
		own, err := repeat(repeats, func() (*http.Request, error) { return stere(ctx, stereURL, key, q) })
		if err != nil {
			return fmt.Errorf("%s: %w", q.name, err)
		}
		row := fmt.Sprintf("| %s | %.1f | %.1f | %.1f |", q.name, ms(own[0]), ms(median(own)), ms(slices.Max(own)))
		if q.victoria == "" || victoria == "" {
			fmt.Println(row + " | |")
			continue
		}
		other, err := repeat(repeats, func() (*http.Request, error) {
			return http.NewRequestWithContext(ctx, http.MethodGet, victoria+"/select/logsql/query?query="+url.QueryEscape(q.victoria), nil)
		})
		if err != nil {
			return fmt.Errorf("%s: victorialogs: %w", q.name, err)
		}
		fmt.Printf("%s %.1f | %.2fx |\n", row, ms(median(other)), median(own).Seconds()/median(other).Seconds())
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

// repeat asks several times and returns how long each took, in order.
func repeat(n int, ask func() (*http.Request, error)) ([]time.Duration, error) {
	var took []time.Duration
	for range n {
		request, err := ask()
		if err != nil {
			return nil, err
		}
		started := time.Now()
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
		case strings.Contains(string(text), `"complete":false`):
			return nil, fmt.Errorf("the answer is not complete: %.300s", text)
		}
		took = append(took, time.Since(started))
	}
	return took, nil
}

// median returns the middle of durations.
func median(all []time.Duration) time.Duration {
	sorted := slices.Sorted(slices.Values(all))
	return sorted[len(sorted)/2]
}

// ms returns milliseconds.
func ms(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
