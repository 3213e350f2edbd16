package faults

import (
	"context"
	"fmt"
	"strconv"
	"time"
)

// examplesMax bounds the examples of violations that are kept.
const examplesMax = 10

// Violations counts what must not be. Examples are the first few of them.
type Violations struct {
	Lost        int64    `json:"lost"`        // acknowledged and not there
	Duplicated  int64    `json:"duplicated"`  // there more than once
	Altered     int64    `json:"altered"`     // there with another content
	Phantom     int64    `json:"phantom"`     // there and never sent
	AckedDead   int64    `json:"ackedDead"`   // requests acknowledged after the disk died
	NotAlive    int64    `json:"notAlive"`    // the process ended where it must live on
	NotResumed  int64    `json:"notResumed"`  // writes did not resume by themselves
	NotAnswered int64    `json:"notAnswered"` // queries failed where they must work
	Improper    int64    `json:"improper"`    // writes refused other than with 429, 503 or 507
	Examples    []string `json:"examples,omitempty"`
}

// Sum is the number of violations.
func (v *Violations) Sum() int64 {
	return v.Lost + v.Duplicated + v.Altered + v.Phantom + v.AckedDead + v.NotAlive + v.NotResumed + v.NotAnswered + v.Improper
}

func (v *Violations) note(count *int64, n int64, format string, args ...any) {
	*count += n
	if len(v.Examples) < examplesMax {
		v.Examples = append(v.Examples, fmt.Sprintf(format, args...))
	}
}

// check reads back the records from this time on (0: all) and enters what is
// wrong. Nothing may be written meanwhile. It returns how many records there
// were.
func (l *ledger) check(ctx context.Context, a *api, from int64, v *Violations) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var scope []*batch
	for _, b := range l.mu.order {
		b.seen = nil
		if b.time >= from {
			b.seen = make([]bool, b.rows)
			scope = append(scope, b)
		}
	}
	read := int64(0)
	most := 2*(l.mu.acked+l.mu.unknown) + pageRows
	err := a.each(ctx, l.run, from, most, func(r *row) {
		read++
		l.checkRow(r, from, v)
	})
	if err != nil {
		return read, err
	}
	for _, b := range scope {
		missing := int64(0)
		for _, seen := range b.seen {
			if !seen {
				missing++
			}
		}
		if b.acked && missing > 0 {
			v.note(&v.Lost, missing, "lost: %d of %d records of batch %s, sent %s ago", missing, b.rows, b.id, time.Since(time.Unix(0, b.time)).Round(time.Millisecond))
		}
		b.seen = nil
	}
	return read, nil
}

func (l *ledger) checkRow(r *row, from int64, v *Violations) {
	id, ok := parseBatchID(r.Metadata.Batch)
	b := l.mu.batches[id]
	i, err := strconv.Atoi(r.Metadata.Row.String())
	if !ok || b == nil || err != nil || i < 0 || i >= b.rows {
		v.note(&v.Phantom, 1, "phantom: batch %q, record %q, of %s", r.Metadata.Batch, r.Metadata.Row, r.Timestamp)
		return
	}
	if b.seen == nil {
		if b.time < from && b.time+int64(b.rows)*int64(time.Microsecond) >= from {
			return // a batch across the border: its first records are not in this answer
		}
		v.note(&v.Altered, 1, "altered: record %d of batch %s has moved to %s", i, id, r.Timestamp)
		return
	}
	if b.seen[i] {
		v.note(&v.Duplicated, 1, "duplicated: record %d of batch %s", i, id)
		return
	}
	b.seen[i] = true
	if want := b.record(l.run, i); *r != want {
		v.note(&v.Altered, 1, "altered: %+v, want %+v", *r, want)
	}
}

// checkCount compares the number of all records with the ledger.
func (l *ledger) checkCount(ctx context.Context, a *api) (ok bool, err error) {
	n, err := a.count(ctx, l.run)
	if err != nil {
		return false, err
	}
	sums := l.tally()
	return n >= sums.acked && n <= sums.acked+sums.unknown, nil
}
