package ledger

import (
	"context"
	"fmt"
	"slices"
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
	Wrong       int64    `json:"wrong"`       // answers that call themselves complete and are not right
	Unmarked    int64    `json:"unmarked"`    // answers that call themselves complete without a quorum
	Incomplete  int64    `json:"incomplete"`  // answers that are not complete although a quorum of every shard is up
	NotHealed   int64    `json:"notHealed"`   // the cluster did not become healthy by itself
	Examples    []string `json:"examples,omitempty"`
}

// Sum is the number of violations.
func (v *Violations) Sum() int64 {
	return v.Lost + v.Duplicated + v.Altered + v.Phantom + v.Other()
}

// Other is the number of violations that do not concern records.
func (v *Violations) Other() int64 {
	return v.AckedDead + v.NotAlive + v.NotResumed + v.NotAnswered + v.Improper + v.Wrong + v.Unmarked + v.Incomplete + v.NotHealed
}

// Note enters n violations in one of v's counts, with an example.
func (v *Violations) Note(count *int64, n int64, format string, args ...any) {
	*count += n
	if len(v.Examples) < examplesMax {
		v.Examples = append(v.Examples, fmt.Sprintf(format, args...))
	}
}

// Check reads back the records from this time on (0: all) and enters what is
// wrong. Nothing may be written meanwhile. It returns how many records there
// were.
func (l *Ledger) Check(ctx context.Context, a *API, from int64, v *Violations) (int64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	var scope []*Batch
	for _, b := range l.mu.order {
		b.seen = nil
		if b.Time >= from {
			b.seen = make([]bool, b.Rows)
			scope = append(scope, b)
		}
	}
	read := int64(0)
	most := 2*(l.mu.sums.Acked+l.mu.sums.Unknown) + pageRows
	err := a.Each(ctx, l.Run, from, most, func(r *Row) {
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
			v.Note(&v.Lost, missing, "lost: %d of %d records of batch %s, sent %s ago", missing, b.Rows, b.ID, time.Since(time.Unix(0, b.Time)).Round(time.Millisecond))
		}
		b.seen = nil
	}
	return read, nil
}

func (l *Ledger) checkRow(r *Row, from int64, v *Violations) {
	id, ok := parseBatchID(r.Metadata.Batch)
	b := l.mu.batches[id]
	i, err := strconv.Atoi(r.Metadata.Row.String())
	if !ok || b == nil || err != nil || i < 0 || i >= b.Rows {
		v.Note(&v.Phantom, 1, "phantom: batch %q, record %q, of %s", r.Metadata.Batch, r.Metadata.Row, r.Timestamp)
		return
	}
	if b.seen == nil {
		if b.Time < from && b.Time+int64(b.Rows)*int64(time.Microsecond) >= from {
			return // a batch across the border: its first records are not in this answer
		}
		v.Note(&v.Altered, 1, "altered: record %d of batch %s has moved to %s", i, id, r.Timestamp)
		return
	}
	if b.seen[i] {
		v.Note(&v.Duplicated, 1, "duplicated: record %d of batch %s", i, id)
		return
	}
	b.seen[i] = true
	if want := b.Record(l.Run, i); *r != want {
		v.Note(&v.Altered, 1, "altered: %+v, want %+v", *r, want)
	}
}

// CheckCount compares the number of all records with the ledger. Nothing may
// be written meanwhile.
func (l *Ledger) CheckCount(ctx context.Context, a *API) (ok bool, err error) {
	n, whole, err := a.Count(ctx, l.Run)
	if err != nil {
		return false, err
	}
	if err := whole.Err(); err != nil {
		return false, err
	}
	sums := l.Tally()
	return n >= sums.Acked && n <= sums.Acked+sums.Unknown, nil
}

// Probe asks for the number of all records while others are being written. An
// answer that calls itself complete has at least what was acknowledged before
// the question and at most what was sent before the answer.
func (l *Ledger) Probe(ctx context.Context, a *API) (wrong string, whole Wholeness, err error) {
	before := l.Tally()
	n, whole, err := a.Count(ctx, l.Run)
	if err != nil || !whole.Complete {
		return "", whole, err
	}
	after := l.Tally()
	if least, most := before.Acked, after.Acked+after.Unknown; n < least || n > most {
		wrong = fmt.Sprintf("count is %d, but %d records were acknowledged before and %d sent", n, least, most)
	}
	return wrong, whole, nil
}

// ProbeBatch asks for the records of one acknowledged batch. An answer that
// calls itself complete has each of them once and unaltered; others have no
// wrong ones.
func (l *Ledger) ProbeBatch(ctx context.Context, a *API, b *Batch) (wrong string, whole Wholeness, err error) {
	rows, whole, err := a.Batch(ctx, l.Run, b)
	if err != nil {
		return "", whole, err
	}
	seen := make([]bool, b.Rows)
	for i := range rows {
		n, err := strconv.Atoi(rows[i].Metadata.Row.String())
		switch {
		case err != nil || n < 0 || n >= b.Rows || rows[i] != b.Record(l.Run, n):
			return fmt.Sprintf("batch %s has an altered record: %+v", b.ID, rows[i]), whole, nil
		case seen[n]:
			return fmt.Sprintf("batch %s has record %d twice", b.ID, n), whole, nil
		}
		seen[n] = true
	}
	if whole.Complete && len(rows) != b.Rows {
		wrong = fmt.Sprintf("%d of the %d records of the acknowledged batch %s", len(rows), b.Rows, b.ID)
	}
	return wrong, whole, nil
}

// Add adds the counts of others, and examples as long as there is room.
func (v *Violations) Add(o Violations) {
	v.Lost += o.Lost
	v.Duplicated += o.Duplicated
	v.Altered += o.Altered
	v.Phantom += o.Phantom
	v.AckedDead += o.AckedDead
	v.NotAlive += o.NotAlive
	v.NotResumed += o.NotResumed
	v.NotAnswered += o.NotAnswered
	v.Improper += o.Improper
	v.Wrong += o.Wrong
	v.Unmarked += o.Unmarked
	v.Incomplete += o.Incomplete
	v.NotHealed += o.NotHealed
	for _, example := range o.Examples {
		if len(v.Examples) < examplesMax {
			v.Examples = append(slices.Clip(v.Examples), example)
		}
	}
}
