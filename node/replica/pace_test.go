package replica

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stere-log/stere/storage"
)

// TestPace: blocks come as fast as they like while the head has room, then ever more
// slowly by how long building takes, and none is held back for ever.
func TestPace(t *testing.T) {
	now := time.Unix(1000, 0)
	wait := func(p *Pace, filled float64) time.Duration { return p.wait(now, 0.1, filled) }
	unknown := &Pace{}
	if got := wait(unknown, 1) + wait(unknown, 1); got != 0 {
		t.Errorf("held back for %v before anything was built", got)
	}
	for _, c := range []struct {
		filled float64
		want   time.Duration // between two blocks of a tenth of a head that takes a second
	}{{0, 0}, {paceFrom - 0.01, 0}, {paceFrom, 50 * time.Millisecond}, {(1 + paceFrom) / 2, 80 * time.Millisecond}, {1, 200 * time.Millisecond}, {3, 200 * time.Millisecond}} {
		p := &Pace{}
		p.built(0.5, 500*time.Millisecond)
		for i := range 3 {
			if got, want := wait(p, c.filled), time.Duration(i)*c.want; got.Round(time.Microsecond) != want {
				t.Errorf("block %d into a head filled to %v waits %v, want %v", i, c.filled, got, want)
			}
		}
		now = now.Add(time.Hour)
		if got := wait(p, c.filled); got != 0 {
			t.Errorf("a block that comes late waits %v", got)
		}
	}
	p := &Pace{}
	p.built(1, time.Hour)
	for range 10 {
		if got := wait(p, 1); got > paceMax {
			t.Fatalf("held back for %v, want at most %v", got, paceMax)
		}
	}
	if got := p.wait(now, paceLeast/2, 1); got != 0 {
		t.Errorf("a small block is held back for %v", got)
	}
	p.built(0, time.Second)             // nothing was built
	p.built(0.001, 50*time.Millisecond) // a minute's few records
	p.built(0.5, 30*time.Minute)
	if p.head != time.Hour {
		t.Errorf("a head takes %v, want an hour", p.head)
	}
}

// TestAppendKeepsPace: what comes into a head that fills up is held back, and what is
// built says by how much.
func TestAppendKeepsPace(t *testing.T) {
	r, _ := start(t, vfs.NewMem(), &memoryLog{}, Config{SealRows: 1000, HeadFactor: 2, SealAge: time.Hour})
	for i, c := range []struct {
		rows  int
		known bool
	}{{10, false}, {500, true}} {
		if _, err := r.Append(t.Context(), appendOf(t, c.rows, int64(i))); err != nil {
			t.Fatal(err)
		}
		if err := r.Flush(t.Context()); err != nil {
			t.Fatal(err)
		}
		if known := r.cfg.Pace.head > 0; known != c.known {
			t.Errorf("after a seal of %d rows of 1000 it is %v that building has a speed", c.rows, known)
		}
	}

	waits := storage.Status{Pending: 4, FrozenRows: 3000} // as while a log is replayed
	if got := r.frozen(waits); got != 0.75 {
		t.Errorf("one of four seals of 3000 rows is %v of a head of 1000, want 0.75", got)
	}

	full, _ := start(t, vfs.NewMem(), &memoryLog{}, Config{SealRows: 10, HeadFactor: 2, Room: func(int64) bool { return false }})
	full.cfg.Pace.built(1, time.Hour)
	ended, cancel := context.WithCancel(t.Context())
	cancel()
	for i, want := range []error{nil, nil, nil, ErrBusy} { // 0, 8, 16, 17 rows of 20; the third block has no block before it
		rows := []int{8, 8, 1, 1}[i]
		if _, err := full.Append(ended, appendOf(t, rows, int64(i))); !errors.Is(err, want) {
			t.Errorf("append %d gives %v, want %v", i, err, want)
		}
	}
}
