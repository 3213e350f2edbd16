// Command export measures what an export of any size takes on a node that has data:
// it reads all records, or those that a query finds, counts them, and looks at the
// memory of the node on the way. A node that needs the same memory for the last tenth
// as for the first sends any number of records.
//
//	go run ./bench/export -url http://127.0.0.1:7100 -data stere-data -format ndjson
package main

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"github.com/stere-log/stere/bench/proc"
	"github.com/stere-log/stere/bench/tool"
	"github.com/stere-log/stere/client"
)

const (
	bufferBytes = 256 << 10
	// lookEvery is how often the memory is looked at.
	lookEvery = 250 * time.Millisecond
	// stretches is into how many the time is cut for the table.
	stretches = 10
	megabyte  = 1 << 20
)

type options struct {
	url, data, format, query string
	time                     time.Duration
}

func main() {
	var o options
	flag.StringVar(&o.url, "url", client.URLDefault, "the node")
	flag.StringVar(&o.data, "data", "stere-data", "its data folder, for the key and its process")
	flag.StringVar(&o.format, "format", "ndjson", "ndjson, csv or parquet")
	flag.StringVar(&o.query, "query", "*", "what is exported")
	flag.DurationVar(&o.time, "time", 0, "after how long it is left alone; 0: it is read to its end")
	flag.Parse()
	tool.Main("export", o.run)
}

// look is the memory of the node at a time.
type look struct {
	at  time.Duration
	rss int64
}

func (o *options) run(ctx context.Context, out io.Writer) (err error) {
	key, err := client.DiscoverKey(o.data, os.Getenv)
	if err != nil {
		return err
	}
	text, err := os.ReadFile(filepath.Join(o.data, "PID"))
	if err != nil {
		return fmt.Errorf("find the process: %w", err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return fmt.Errorf("find the process: %w", err)
	}
	before, err := proc.UsageOf(pid)
	if err != nil {
		return err
	}
	parameters := url.Values{"format": {o.format}, "query": {o.query}}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, o.url+"/logs/export?"+parameters.Encode(), nil)
	if err != nil {
		return fmt.Errorf("make request: %w", err)
	}
	request.Header.Set("X-API-Key", key)
	began := time.Now()
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return fmt.Errorf("ask: %w", err)
	}
	defer func() { err = errors.Join(err, response.Body.Close()) }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("status %d", response.StatusCode)
	}
	lines, size, looks, err := read(response.Body, pid, began, o.time)
	if err != nil {
		return err
	}
	after, err := proc.UsageOf(pid)
	if err != nil {
		return err
	}
	took := time.Since(began)
	if o.format == "parquet" {
		lines = 0 // it has none
	}
	fmt.Fprintf(out, "%d lines, %.1f MB in %.1f s; %.1f s of processors; memory before %d MiB\n", lines, float64(size)/1e6, took.Seconds(), after.CPUSeconds-before.CPUSeconds, before.RSSBytes/megabyte)
	fmt.Fprintln(out, "| tenth of the time | least MiB | most MiB |")
	fmt.Fprintln(out, "|---:|---:|---:|")
	for n := range stretches {
		least, most := int64(0), int64(0)
		for _, l := range looks {
			if int(l.at*stretches/took) == n {
				if least == 0 || l.rss < least {
					least = l.rss
				}
				most = max(most, l.rss)
			}
		}
		fmt.Fprintf(out, "| %d | %d | %d |\n", n+1, least/megabyte, most/megabyte)
	}
	return nil
}

// read reads a body to its end, or for so long, and looks at the memory of the node on the way.
func read(body io.Reader, pid int, began time.Time, most time.Duration) (lines, size int64, looks []look, err error) {
	buffer := make([]byte, bufferBytes)
	for last := time.Duration(0); ; {
		n, err := body.Read(buffer)
		lines, size = lines+int64(bytes.Count(buffer[:n], []byte("\n"))), size+int64(n)
		if at := time.Since(began); at-last >= lookEvery {
			usage, err := proc.UsageOf(pid)
			if err != nil {
				return 0, 0, nil, err
			}
			looks, last = append(looks, look{at, usage.RSSBytes}), at
		}
		if errors.Is(err, io.EOF) || most > 0 && time.Since(began) > most {
			return lines, size, looks, nil
		}
		if err != nil {
			return 0, 0, nil, fmt.Errorf("read: %w", err)
		}
	}
}
