package cluster

import (
	"sync"
	"time"
)

// secondsMax bounds the seconds of a window whose rates are kept.
const secondsMax = 3_600

// meter measures acknowledgements: the longest gap between two of them, and how
// many records there were in each second. It is safe for concurrent use.
type meter struct {
	mu struct {
		sync.Mutex
		begin   time.Time
		last    time.Time
		longest time.Duration
		rows    []int64 // by second from begin
	}
}

// begin starts a window.
func (m *meter) begin() {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.mu.begin = time.Now()
	m.mu.last, m.mu.longest, m.mu.rows = m.mu.begin, 0, nil
}

// ack enters an acknowledgement of so many records.
func (m *meter) ack(rows int) {
	m.mu.Lock()
	defer m.mu.Unlock()
	if m.mu.begin.IsZero() {
		return
	}
	now := time.Now()
	m.mu.longest = max(m.mu.longest, now.Sub(m.mu.last))
	m.mu.last = now
	second := int(now.Sub(m.mu.begin) / time.Second)
	if second >= secondsMax {
		return
	}
	for len(m.mu.rows) <= second {
		m.mu.rows = append(m.mu.rows, 0)
	}
	m.mu.rows[second] += int64(rows)
}

// reading is what a window showed.
type reading struct {
	gap   time.Duration // longest time without an acknowledgement
	rate  float64       // records a second
	worst int64         // records in the worst whole second; -1: there was none
}

// read ends the window.
func (m *meter) read() reading {
	m.mu.Lock()
	defer m.mu.Unlock()
	now := time.Now()
	took := now.Sub(m.mu.begin)
	r := reading{gap: max(m.mu.longest, now.Sub(m.mu.last)), worst: -1}
	sum := int64(0)
	whole := min(int(took/time.Second), secondsMax)
	for second := range whole {
		n := int64(0)
		if second < len(m.mu.rows) {
			n = m.mu.rows[second]
		}
		if r.worst < 0 || n < r.worst {
			r.worst = n
		}
	}
	for _, n := range m.mu.rows {
		sum += n
	}
	r.rate = float64(sum) / took.Seconds()
	return r
}
