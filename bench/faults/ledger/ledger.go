package ledger

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

// BatchID names a batch: writer and number.
type BatchID struct{ Writer, Number int }

// String returns the id as records carry it.
func (id BatchID) String() string { return strconv.Itoa(id.Writer) + "-" + strconv.Itoa(id.Number) }

func parseBatchID(s string) (BatchID, bool) {
	a, b, ok := strings.Cut(s, "-")
	writer, err1 := strconv.Atoi(a)
	number, err2 := strconv.Atoi(b)
	return BatchID{writer, number}, ok && err1 == nil && err2 == nil
}

// Batch is what the ledger knows of one batch. Its records follow from ID,
// Time and the run alone.
type Batch struct {
	ID   BatchID
	Time int64 // ns, of the first record; the others follow by a microsecond
	Rows int

	acked bool
	seen  []bool // by the check under way
}

// Row is one record as it comes back.
type Row struct {
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

// Record is the record number i of the batch.
func (b *Batch) Record(run string, i int) Row {
	var r Row
	r.Timestamp = time.Unix(0, b.Time+int64(i)*int64(time.Microsecond)).UTC().Format("2006-01-02T15:04:05.000000000Z")
	sum := xxhash.Sum64String(run + " " + b.ID.String() + " " + strconv.Itoa(i) + " " + r.Timestamp)
	r.Message = fmt.Sprintf("record %d of batch %s with checksum c%016x, duration=%dms", i, b.ID, sum, sum%1000)
	r.Level = []string{"debug", "info", "warn", "error"}[sum%4]
	r.Component = component
	r.Metadata.Run, r.Metadata.Batch = run, b.ID.String()
	r.Metadata.Row, r.Metadata.Sum = json.Number(strconv.Itoa(i)), "c"+strconv.FormatUint(sum, 16) // digits alone may look like a card's
	return r
}

// Body is the batch as NDJSON.
func (b *Batch) Body(run string) ([]byte, error) {
	var body []byte
	for i := range b.Rows {
		line, err := json.Marshal(b.Record(run, i))
		if err != nil {
			return nil, fmt.Errorf("encode record: %w", err)
		}
		body = append(append(body, line...), '\n')
	}
	return body, nil
}

// Ledger is the truth about what was sent.
type Ledger struct {
	// Run is unique and in every record.
	Run string

	mu struct {
		sync.Mutex
		batches  map[BatchID]*Batch
		order    []*Batch // by time of making
		acked    []*Batch // by time of acknowledgement
		sums     Tally
		deadFrom time.Time
		cutting  bool      // the disk is being shut down, or has been
		cutEnd   time.Time // of the last cut
	}
}

// Tally is the sums of a ledger.
type Tally struct {
	Acked        int64 // records
	Unknown      int64 // records sent and not acknowledged
	Acks         int64 // requests
	Refusals     int64 // answers other than success
	AckedDead    int64 // requests sent after the disk died and acknowledged
	Improper     int64 // refusals by which a client would drop its batch
	ImproperLast error
}

// New returns an empty ledger.
func New(run string) *Ledger {
	l := &Ledger{Run: run}
	l.mu.batches = map[BatchID]*Batch{}
	return l
}

// Add enters a batch before it is sent for the first time.
func (l *Ledger) Add(b *Batch) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.batches[b.ID] = b
	l.mu.order = append(l.mu.order, b)
	l.mu.sums.Unknown += int64(b.Rows)
}

// Ack enters that the batch, sent at this time, was acknowledged. What comes
// while the disk is cut is no promise, and the batch stays of unknown outcome:
// with the power the node's answers are gone, too, and a file system that is
// being shut down says of a sync under way that it was done.
func (l *Ledger) Ack(b *Batch, sent time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	dead := !l.mu.deadFrom.IsZero() && sent.After(l.mu.deadFrom)
	if !dead && (l.mu.cutting || !sent.After(l.mu.cutEnd)) {
		return
	}
	b.acked = true
	l.mu.acked = append(l.mu.acked, b)
	l.mu.sums.Acked += int64(b.Rows)
	l.mu.sums.Unknown -= int64(b.Rows)
	l.mu.sums.Acks++
	if dead {
		l.mu.sums.AckedDead++
	}
}

// Refuse enters that a write was answered other than with success.
func (l *Ledger) Refuse(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.sums.Refusals++
	var r *Refusal
	if !errors.As(err, &r) || !r.Proper() {
		l.mu.sums.Improper++
		l.mu.sums.ImproperLast = err
	}
}

// SetCut enters, before the disk is cut, that answers are no promises from now
// on, and ends that once the process is gone: for requests that are sent later.
func (l *Ledger) SetCut(cutting bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.cutting = cutting
	if !cutting {
		l.mu.cutEnd = time.Now()
	}
}

// SetDead enters from when on nothing may be acknowledged; the zero time ends
// that.
func (l *Ledger) SetDead(from time.Time) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.mu.deadFrom = from
}

// Tally returns the sums as they are now.
func (l *Ledger) Tally() Tally {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.mu.sums
}

// Acked returns one of the acknowledged batches: pick gets their number, of
// which the last was acknowledged last, and returns which. Nil if there is none.
func (l *Ledger) Acked(pick func(n int) int) *Batch {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.mu.acked) == 0 {
		return nil
	}
	return l.mu.acked[pick(len(l.mu.acked))]
}
