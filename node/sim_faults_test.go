package node_test

import "time"

// fault is something that can go wrong, or that an operator does.
type fault struct {
	name   string
	weight int
	do     func(*world)
}

var faults = []fault{
	{"kill", 3, func(w *world) { w.crash(false) }},
	{"power", 3, func(w *world) { w.crash(true) }},
	{"power of all", 1, func(w *world) {
		w.kill(true, w.machines...)
		w.back()
	}},
	{"restart", 1, func(w *world) {
		if m := w.some(true); m != nil {
			m.stop()
			m.start()
		}
	}},
	{"start", 4, func(w *world) {
		if m := w.some(false); m != nil {
			m.start()
		}
	}},
}

// fail does something at random.
func (w *world) fail() {
	sum := 0
	for _, f := range faults {
		sum += f.weight
	}
	n := w.rng.IntN(sum)
	for _, f := range faults {
		if n -= f.weight; n < 0 {
			w.counts[f.name]++
			f.do(w)
			return
		}
	}
}

// some returns a machine that runs a node, or one that does not; nil if there
// is none.
func (w *world) some(running bool) *machine {
	machines := w.running(running)
	if len(machines) == 0 {
		return nil
	}
	return machines[w.rng.IntN(len(machines))]
}

// crash ends a node; mostly it comes back soon.
func (w *world) crash(power bool) {
	m := w.some(true)
	if m == nil {
		return
	}
	w.kill(power, m)
	if w.rng.IntN(4) > 0 {
		w.back()
	}
}

// back starts what is down, after a while.
func (w *world) back() {
	time.Sleep(time.Duration(w.rng.Int64N(int64(time.Second))))
	for _, m := range w.running(false) {
		m.start()
	}
}
