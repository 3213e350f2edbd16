package faults

import (
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/cespare/xxhash/v2"
)

// batchID names a batch: writer and number.
type batchID struct{ writer, number int }

func (id batchID) String() string { return strconv.Itoa(id.writer) + "-" + strconv.Itoa(id.number) }

func parseBatchID(s string) (batchID, bool) {
	a, b, ok := strings.Cut(s, "-")
	writer, err1 := strconv.Atoi(a)
	number, err2 := strconv.Atoi(b)
	return batchID{writer, number}, ok && err1 == nil && err2 == nil
}

// batch is what the ledger knows of one batch. Its records follow from id,
// time and run alone.
type batch struct {
	id    batchID
	time  int64 // ns, of the first record; the others follow by a microsecond
	rows  int
	acked bool
	seen  []bool // by the check under way
}

// row is one record as it comes back.
type row struct {
	Timestamp string `json:"timestamp"`
	Message   string `json:"message"`
	Level     string `json:"level"`
	Component string `json:"component"`
	Metadata  struct {
		Run   string      `json:"run"`
		Batch string      `json:"batch"`
		Row   json.Number `json:"row"`
		Sum   string      `json:"sum"`
	} `json:"metadata"`
}

const component = "faults"

// record is the record number i of the batch.
func (b *batch) record(run string, i int) row {
	var r row
	r.Timestamp = time.Unix(0, b.time+int64(i)*int64(time.Microsecond)).UTC().Format("2006-01-02T15:04:05.000000000Z")
	sum := xxhash.Sum64String(run + " " + b.id.String() + " " + strconv.Itoa(i) + " " + r.Timestamp)
	r.Message = fmt.Sprintf("record %d of batch %s with checksum %016x, duration=%dms", i, b.id, sum, sum%1000)
	r.Level = []string{"debug", "info", "warn", "error"}[sum%4]
	r.Component = component
	r.Metadata.Run, r.Metadata.Batch = run, b.id.String()
	r.Metadata.Row, r.Metadata.Sum = json.Number(strconv.Itoa(i)), strconv.FormatUint(sum, 16)
	return r
}

// body is the batch as NDJSON.
func (b *batch) body(run string) ([]byte, error) {
	var body []byte
	for i := range b.rows {
		line, err := json.Marshal(b.record(run, i))
		if err != nil {
			return nil, fmt.Errorf("encode record: %w", err)
		}
		body = append(append(body, line...), '\n')
	}
	return body, nil
}

// ledger is the truth about what was sent. It is safe for concurrent use.
type ledger struct {
	run string // unique, in every record
	mu  struct {
		sync.Mutex
		batches      map[batchID]*batch
		order        []*batch // by time of making
		acked        int64    // records
		unknown      int64    // records
		acks         int64    // requests
		refusals     int64    // answers other than success
		ackedDead    int64    // requests sent after the disk died and acknowledged
		deadFrom     time.Time
		cutting      bool      // the disk is being shut down, or has been
		cutEnd       time.Time // of the last cut
		improper     int64     // refusals by which a client would drop its batch
		improperLast error
	}
}

func newLedger(run string) *ledger {
	l := &ledger{run: run}
	l.mu.batches = map[batchID]*batch{}
	return l
}

// add enters a batch before it is sent for the first time.
func (l *ledger) add(b *batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.batches[b.id] = b
	l.mu.order = append(l.mu.order, b)
	l.mu.unknown += int64(b.rows)
}

// ack enters that the batch, sent at this time, was acknowledged. What comes
// while the disk is cut is no promise, and the batch stays of unknown outcome:
// with the power the node's answers are gone, too, and a file system that is
// being shut down says of a sync under way that it was done.
func (l *ledger) ack(b *batch, sent time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	dead := !l.mu.deadFrom.IsZero() && sent.After(l.mu.deadFrom)
	if !dead && (l.mu.cutting || !sent.After(l.mu.cutEnd)) {
		return
	}
	b.acked = true
	l.mu.acked += int64(b.rows)
	l.mu.unknown -= int64(b.rows)
	l.mu.acks++
	if dead {
		l.mu.ackedDead++
	}
}

// refuse enters that a write was answered other than with success.
func (l *ledger) refuse(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.refusals++
	var r *refusal
	if !errors.As(err, &r) || !r.proper() {
		l.mu.improper++
		l.mu.improperLast = err
	}
}

// setCut enters, before the disk is cut, that answers are no promises from now
// on, and ends that once the process is gone: for requests that are sent later.
func (l *ledger) setCut(cutting bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.cutting = cutting
	if !cutting {
		l.mu.cutEnd = time.Now()
	}
}

// setDead enters from when on nothing may be acknowledged; the zero time ends
// that.
func (l *ledger) setDead(from time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.deadFrom = from
}

// tally is a snapshot of the sums.
type tally struct {
	acked, unknown, acks, refusals, ackedDead, improper int64
	improperLast                                        error
}

func (l *ledger) tally() tally {
	l.mu.Lock()
	defer l.mu.Unlock()
	return tally{l.mu.acked, l.mu.unknown, l.mu.acks, l.mu.refusals, l.mu.ackedDead, l.mu.improper, l.mu.improperLast}
}
