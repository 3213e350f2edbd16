package pulse

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// TestFramesComeBack writes random messages and reads them back, whole and with
// every bit flipped.
func TestFramesComeBack(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 200 {
		var beats []Beat
		var answers []Answer
		for range rng.IntN(40) {
			beats = append(beats, Beat{rng.Uint32() >> rng.IntN(32), rng.Uint64() >> rng.IntN(64)})
			a := Answer{Follows: rng.IntN(3) > 0}
			if a.Follows {
				a.Commit = rng.Uint64() >> (1 + rng.IntN(63))
			}
			answers = append(answers, a)
		}
		message := frame(nil, beatsMagic, appendBeats(nil, "n1", beats))
		body, _, err := readFrame(bytes.NewReader(message), beatsMagic, nil)
		if err != nil {
			t.Fatal(err)
		}
		if from, got, err := parseBeats(body); err != nil || from != "n1" || !slices.Equal(got, beats) {
			t.Fatalf("beats of %q: %v, %v, want %v", from, got, err, beats)
		}
		if got, err := parseAnswers(appendAnswers(nil, answers), len(answers)); err != nil || !slices.Equal(got, answers) {
			t.Fatalf("answers %v, %v, want %v", got, err, answers)
		}
		if _, err := parseAnswers(appendAnswers(nil, answers), len(answers)+1); err == nil {
			t.Fatal("an answer too few is taken")
		}
		for bit := range 8 * len(message) {
			flipped := bytes.Clone(message)
			flipped[bit/8] ^= 1 << (bit % 8)
			if bit/8 >= 5 && bit/8 < 8 {
				continue // not looked at, but for the checksum
			}
			if _, _, err := readFrame(bytes.NewReader(flipped), beatsMagic, nil); err == nil {
				t.Fatalf("bit %d is flipped and nobody notices", bit)
			}
		}
	}
	if _, _, err := readFrame(bytes.NewReader(frame(nil, answersMagic, nil)), beatsMagic, nil); !errors.Is(err, ErrFrame) {
		t.Fatalf("answers as beats: %v", err)
	}
}

// FuzzFrames reads what no node has sent.
func FuzzFrames(f *testing.F) {
	f.Add(frame(nil, beatsMagic, appendBeats(nil, "n1", []Beat{{1, 2}, {3, 4}})), 2)
	f.Add(frame(nil, answersMagic, appendAnswers(nil, []Answer{{true, 7}, {}})), 2)
	f.Fuzz(func(t *testing.T, b []byte, n int) {
		for _, magic := range []string{beatsMagic, answersMagic} {
			body, _, err := readFrame(bytes.NewReader(b), magic, nil)
			if err != nil {
				continue
			}
			if from, beats, err := parseBeats(body); err == nil {
				if again := appendBeats(nil, from, beats); len(again) > len(body) {
					t.Fatalf("%d beats have grown", len(beats))
				}
			}
			if answers, err := parseAnswers(body, max(n, 0)%BeatsMax); err == nil && len(answers) != max(n, 0)%BeatsMax {
				t.Fatal("wrong number of answers")
			}
		}
	})
}

// wires are connections in memory between nodes by name.
type wires struct {
	mu    sync.Mutex
	nodes map[string]*wire
	dials int
}

type wire struct {
	all      *wires
	incoming chan net.Conn
	closed   chan struct{}
	once     sync.Once
}

func (w *wires) node(name string) *wire {
	w.mu.Lock()
	defer w.mu.Unlock()
	one := &wire{all: w, incoming: make(chan net.Conn, 8), closed: make(chan struct{})}
	w.nodes[name] = one
	return one
}

func (w *wire) Accept() (net.Conn, error) {
	select {
	case c := <-w.incoming:
		return c, nil
	case <-w.closed:
		return nil, net.ErrClosed
	}
}

func (w *wire) Close() error { w.once.Do(func() { close(w.closed) }); return nil }

func (w *wire) Dial(node string, _ time.Duration) (net.Conn, error) {
	w.all.mu.Lock()
	to := w.all.nodes[node]
	w.all.dials++
	w.all.mu.Unlock()
	if to == nil {
		return nil, fmt.Errorf("no node %s", node)
	}
	a, b := net.Pipe()
	to.incoming <- b
	return a, nil
}

// TestPulse sends beats between two nodes, to one that is not there, and to one
// that comes back.
func TestPulse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		all := &wires{nodes: map[string]*wire{}}
		var mu sync.Mutex
		var got []Answer
		heard := map[string]int{}
		config := func(name string) Config {
			return Config{
				NodeID: name, Streams: all.node(name), Interval: 100 * time.Millisecond, Timeout: 500 * time.Millisecond,
				Led: func() map[string]Batch { return nil },
				Follow: func(from string, beats []Beat) []Answer {
					mu.Lock()
					defer mu.Unlock()
					heard[from]++
					answers := make([]Answer, len(beats))
					for i, b := range beats {
						answers[i] = Answer{Follows: b.Group%2 == 1, Commit: b.Term * uint64(b.Group%2)}
					}
					return answers
				},
			}
		}
		leader := config("a")
		leader.Led = func() map[string]Batch {
			batch := Batch{Beats: []Beat{{1, 10}, {2, 20}, {3, 30}}, Answered: func(answers []Answer) {
				mu.Lock()
				defer mu.Unlock()
				got = answers
			}}
			return map[string]Batch{"b": batch, "nobody": {Beats: batch.Beats, Answered: func([]Answer) { t.Error("nobody has answered") }}}
		}
		b := Start(config("b"))
		a := Start(leader)
		time.Sleep(10 * time.Second)
		mu.Lock()
		if want := []Answer{{true, 10}, {}, {true, 30}}; !slices.Equal(got, want) {
			t.Errorf("answers %v, want %v", got, want)
		}
		if heard["a"] < 90 || heard["a"] > 100 {
			t.Errorf("%d messages in 100 intervals", heard["a"])
		}
		got = nil
		mu.Unlock()
		if all.dials > 12 {
			t.Errorf("%d connections were tried", all.dials)
		}
		if err := b.Close(); err != nil {
			t.Error(err)
		}
		b = Start(config("b"))
		time.Sleep(20 * time.Second)
		mu.Lock()
		if got == nil {
			t.Error("no answers after the other node was restarted")
		}
		mu.Unlock()
		for _, p := range []*Pulse{a, b} {
			if err := p.Close(); err != nil {
				t.Error(err)
			}
		}
	})
}
