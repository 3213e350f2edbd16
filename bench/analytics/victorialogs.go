package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"sync"
	"time"

	"github.com/stere-log/stere/bench"
	"github.com/stere-log/stere/bench/proc"
)

const (
	victoriaInsert = "/insert/jsonline?_stream_fields=level,component&_time_field=timestamp&_msg_field=message"
	sendLines      = 5_000 // of a request
	senders        = 2
	settleTime     = 10 * time.Second // for its merges, once all is there
)

// asked returns the requests of questions to VictoriaLogs.
func asked(ctx context.Context, base string, questions []string) (requests []*http.Request, err error) {
	for _, text := range questions {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/select/logsql/query?query="+url.QueryEscape(text), nil)
		if err != nil {
			return nil, fmt.Errorf("make request: %w", err)
		}
		requests = append(requests, request)
	}
	return requests, nil
}

// start starts VictoriaLogs, gives it the corpus and returns its address and what
// stops it.
func (o *options) start(ctx context.Context) (base string, stop func() error, err error) {
	dir, remove := o.dir, func() error { return nil }
	if dir == "" {
		if dir, err = os.MkdirTemp("", "stere-analytics-"); err != nil {
			return "", nil, fmt.Errorf("make folder: %w", err)
		}
		remove = func() error { return os.RemoveAll(dir) }
	}
	address, err := proc.FreeAddress()
	if err != nil {
		return "", nil, errors.Join(err, remove())
	}
	base = "http://" + address
	process, err := proc.Start(ctx, proc.Config{
		Path: o.victoria, Args: []string{"-storageDataPath=" + filepath.Join(dir, "victorialogs"), "-httpListenAddr=" + address, "-retentionPeriod=100y", "-search.maxQueryDuration=10m"},
		LogPath: filepath.Join(dir, "victorialogs.log"),
		Ready: func(ctx context.Context) error {
			request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+"/health", nil)
			if err == nil {
				_, err = answer(request)
			}
			return err
		},
	})
	if err != nil {
		return "", nil, errors.Join(err, remove())
	}
	stop = func() error { return errors.Join(process.Stop(), remove()) }
	if o.corpus != "" {
		if err := o.load(ctx, base, dir); err != nil {
			return "", nil, errors.Join(err, stop())
		}
	}
	return base, stop, nil
}

// load sends the corpus and lets VictoriaLogs merge it.
func (o *options) load(ctx context.Context, base, dir string) error {
	corpus, err := bench.OpenCorpus(ctx, o.corpus, dir)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	batches := make(chan bench.Batch, senders)
	var sending sync.WaitGroup
	sending.Go(func() {
		if err := corpus.Batches(ctx, sendLines, batches); err != nil {
			cancel(err)
		}
	})
	for range senders {
		sending.Go(func() {
			for b := range batches {
				request, err := http.NewRequestWithContext(ctx, http.MethodPost, base+victoriaInsert, bytes.NewReader(b.Text))
				if err == nil {
					_, err = answer(request)
				}
				if err != nil {
					cancel(fmt.Errorf("send records: %w", err))
				}
			}
		})
	}
	sending.Wait()
	if err := context.Cause(ctx); err != nil {
		return err
	}
	for _, path := range []string{"/internal/force_flush", "/internal/force_merge"} {
		request, err := http.NewRequestWithContext(ctx, http.MethodGet, base+path, nil)
		if err == nil {
			_, err = answer(request)
		}
		if err != nil {
			return fmt.Errorf("settle: %w", err)
		}
	}
	select {
	case <-time.After(settleTime):
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
