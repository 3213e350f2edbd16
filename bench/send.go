package bench

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/stere-log/stere/bench/proc"
	"github.com/stere-log/stere/bench/result"
)

const megabyte = 1e6

// ingest sends a part of the corpus and measures until it is settled and has
// been left alone for a while. Before is the step before, nil for the first.
func (r *run) ingest(ctx context.Context, t Target, s step, figures *result.Ingest, before *result.Target) error {
	if before != nil {
		if err := t.ResetPeak(); err != nil && !unmeasured(err) {
			return err
		}
	}
	start, err := usage(t)
	if err != nil {
		return err
	}
	r.say("%s: sending %d lines", t.Name(), s.part.Lines)
	began := time.Now()
	times, err := r.send(ctx, t, s.part, &figures.Retries)
	if err != nil {
		return err
	}
	took := time.Since(began)
	r.say("%s: settling", t.Name())
	settleCtx, cancel := context.WithTimeout(ctx, r.cfg.SettleTimeout)
	defer cancel()
	settling := time.Now()
	if err := t.Settle(settleCtx); err != nil {
		return fmt.Errorf("settle: %w", err)
	}
	figures.SettleSeconds = time.Since(settling).Seconds()
	settled, err := usage(t)
	if err != nil {
		return err
	}
	if err := idle(ctx, r.cfg.Idle); err != nil {
		return err
	}
	rested, err := usage(t)
	if err != nil {
		return err
	}
	lines, raw := float64(s.part.Lines), float64(s.part.Bytes)
	figures.Lines, figures.Bytes = s.part.Lines, s.part.Bytes
	figures.Seconds = took.Seconds()
	figures.LinesPerSec = lines / took.Seconds()
	figures.MBPerSec = raw / megabyte / took.Seconds()
	figures.RequestP50MS, figures.RequestP99MS = quantiles(times)
	figures.CPUSeconds = settled.CPUSeconds - start.CPUSeconds
	figures.CPUPerMillion = figures.CPUSeconds / lines * 1e6
	figures.IdleCPUSeconds = rested.CPUSeconds - settled.CPUSeconds
	figures.PeakRSSMB = float64(settled.PeakRSSBytes) / megabyte
	figures.RestRSSMB = float64(rested.RSSBytes) / megabyte
	figures.WrittenBytes = rested.BytesWritten - start.BytesWritten
	if before != nil {
		figures.WrittenBytes += before.Ingest.WrittenBytes
	}
	return diskFigures(t, s, figures)
}

// diskFigures are of all that the target holds.
func diskFigures(t Target, s step, figures *result.Ingest) error {
	disk, err := t.Disk()
	if err != nil && !unmeasured(err) {
		return err
	}
	lines, raw := float64(s.figures.Corpus.Lines), float64(s.figures.Corpus.Bytes)
	figures.DiskBytes, figures.DiskApparent, figures.DiskFiles = disk.Allocated, disk.Apparent, disk.Files
	figures.DiskParts = disk.Parts
	figures.DiskPerLine = float64(disk.Allocated) / lines
	figures.DiskPerRaw = float64(disk.Allocated) / raw
	figures.WrittenPerRaw = float64(figures.WrittenBytes) / raw
	if disk.Allocated > 0 {
		figures.WriteAmp = float64(figures.WrittenBytes) / float64(disk.Allocated)
	}
	return nil
}

// idle leaves the target alone for a while.
func idle(ctx context.Context, wait time.Duration) error {
	if wait <= 0 {
		return nil
	}
	timer := time.NewTimer(wait)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

func unmeasured(err error) bool {
	return errors.Is(err, ErrNotMeasured) || errors.Is(err, proc.ErrUnsupported)
}

// usage is the usage of the server, zero where it cannot be read.
func usage(t Target) (proc.Usage, error) {
	u, err := t.Usage()
	if err != nil && unmeasured(err) {
		return proc.Usage{}, nil
	}
	return u, err
}

// send lets the workers send the corpus and returns the times of all requests.
func (r *run) send(ctx context.Context, t Target, part *Corpus, retries *int64) ([]time.Duration, error) {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	batches := make(chan Batch, r.cfg.Workers)
	var workers sync.WaitGroup
	var retried atomic.Int64
	times := make([][]time.Duration, r.cfg.Workers)
	workers.Go(func() {
		if err := part.Batches(ctx, r.cfg.BatchLines, batches); err != nil {
			cancel(err)
		}
	})
	for i := range times {
		workers.Go(func() {
			for b := range batches {
				start := time.Now()
				receipt, n, err := Send(ctx, t, b)
				times[i] = append(times[i], time.Since(start))
				retried.Add(n)
				if err == nil && receipt.Accepted != b.Lines {
					err = fmt.Errorf("%d of %d lines accepted: %s", receipt.Accepted, b.Lines, receipt.Reason)
				}
				if err != nil {
					cancel(err)
					return
				}
			}
		})
	}
	workers.Wait()
	*retries = retried.Load()
	if err := context.Cause(ctx); err != nil {
		return nil, err
	}
	return slices.Concat(times...), nil
}

// Send sends one batch, again and again while the server is overloaded. The
// time of a request includes that.
func Send(ctx context.Context, t Target, b Batch) (receipt Receipt, retries int64, err error) {
	for {
		receipt, err = t.Ingest(ctx, b)
		var status *statusError
		if err == nil || !errors.As(err, &status) || !status.overloaded() || retries == retriesMax {
			return receipt, retries, err
		}
		retries++
		if err := idle(ctx, min(status.retryAfter, retryPauseMax)); err != nil {
			return receipt, retries, context.Cause(ctx)
		}
	}
}
