package node_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"
	"unsafe"
)

// now is the machine's clock. As on a real machine whose clock is set, its wall
// clock jumps and its monotonic clock does not.
func (m *machine) now() time.Time { return shifted(time.Now(), m.ahead.Load()) }

// shifted is a time of a machine whose wall clock is ahead by seconds and whose
// monotonic clock is not. No function of the standard library makes one, and in a
// bubble times have no monotonic clock at all.
func shifted(t time.Time, seconds int64) time.Time {
	const (
		monotonic = 1 << 63
		nanoBits  = 30
	)
	wall := t.Add(time.Duration(seconds) * time.Second).Round(0)
	since := wall.Unix() - time.Date(1885, 1, 1, 0, 0, 0, 0, time.UTC).Unix()
	words := (*[2]uint64)(unsafe.Pointer(&wall))
	words[0] = monotonic | uint64(since)<<nanoBits | uint64(wall.Nanosecond())
	words[1] = uint64(t.UnixNano())
	return wall
}

// jump sets a machine's clock, mostly by minutes or hours, at times by days.
func (w *world) jump() {
	m := w.machines[w.rng.IntN(len(w.machines))]
	most := []int{30, 3600, 3 * 86400}[w.rng.IntN(3)]
	m.ahead.Store(int64(between(w.rng, -most, most)))
	w.noteClocks()
	w.logger.Info("a clock was set", "at", m.ip, "ahead", m.ahead.Load())
}

// noteClocks notes how far clocks are ahead.
func (w *world) noteClocks() {
	var ahead []int64
	for _, one := range w.machines {
		ahead = append(ahead, one.ahead.Load())
	}
	if slices.Sort(ahead); len(ahead) > 1 {
		ahead = ahead[:len(ahead)-1]
	}
	w.ledger.noteAhead(ahead[len(ahead)-1])
}

// TestShifted looks whether times are made as they are here.
func TestShifted(t *testing.T) {
	for _, seconds := range []int64{0, 90, -90, 3 * 86400, -3 * 86400} {
		now := time.Now()
		before, after := shifted(now, 0), shifted(now.Add(time.Second), seconds)
		if passed := after.Sub(before); passed != time.Second {
			t.Errorf("%v have passed by the monotonic clock, want 1 s", passed)
		}
		if wall := after.Round(0).Sub(now.Round(0)); wall != time.Duration(seconds+1)*time.Second || after.UnixNano() != after.Round(0).UnixNano() {
			t.Errorf("the wall clock is ahead by %v, want %d s", wall, seconds+1)
		}
	}
}

// TestClockSkewIsSeen sets the clock of a node, and looks whether every other one
// measures it and says so, and stops to say so when the clock is right again.
func TestClockSkewIsSeen(t *testing.T) {
	warm(t)
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t, 1, 3)
		defer w.end()
		for _, m := range w.machines {
			m.start()
		}
		for _, m := range w.machines {
			w.until(m.ip+" is ready", m.isReady)
		}
		odd := w.machines[1]
		id := odd.current().node.Cluster().Self()
		for _, ahead := range []int64{90, -7200, 0} {
			odd.ahead.Store(ahead)
			for _, m := range w.machines {
				if m == odd {
					continue
				}
				w.until(fmt.Sprintf("%s sees that a clock is %d s ahead", m.ip, ahead), func() bool {
					status, err := m.current().node.Healer().Status(t.Context())
					if err != nil {
						return false
					}
					for _, n := range status.Observed.Nodes {
						if n.ID == id {
							off := n.ClockSkew - time.Duration(ahead)*time.Second
							return off.Abs() < time.Second && (ahead != 0) == mentions(n.Problems, "clock")
						}
					}
					return false
				})
			}
		}
	})
}

// mentions reports whether one of some texts has a word.
func mentions(texts []string, word string) bool {
	return slices.ContainsFunc(texts, func(text string) bool { return strings.Contains(text, word) })
}
