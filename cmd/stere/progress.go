package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"sync"
	"time"
)

// progress draws a bar on a terminal and is silent elsewhere. Add, Print and
// Stop may be called from any goroutine.
type progress struct {
	out     io.Writer
	name    string
	draws   bool
	share   func() float64 // done, 0 to 1; below 0 if unknown
	started time.Time

	mu struct {
		sync.Mutex
		lines, bytes int64
		drawn        time.Time
	}
}

// drawEvery is how often the bar is drawn.
const drawEvery = 100 * time.Millisecond

// isTerminal reports whether w shows what is written at once to a human.
func isTerminal(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	info, err := file.Stat()
	return err == nil && info.Mode()&os.ModeCharDevice != 0 && file.Name() != os.DevNull
}

func (p *program) newProgress(name string, src *source, quiet bool) *progress {
	return p.progressOf(name, quiet, func() float64 {
		if src.size == 0 {
			return -1
		}
		return float64(src.read.Load()) / float64(src.size)
	})
}

func (p *program) progressOf(name string, quiet bool, share func() float64) *progress {
	return &progress{out: p.stderr, name: name, share: share, draws: !quiet && isTerminal(p.stderr), started: time.Now()}
}

// Add counts lines and draws if it is time.
func (g *progress) Add(lines, bytes int64) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.mu.lines += lines
	g.mu.bytes += bytes
	if now := time.Now(); g.draws && now.Sub(g.mu.drawn) >= drawEvery {
		g.mu.drawn = now
		fmt.Fprint(g.out, "\r\x1b[K"+g.bar(now))
	}
}

// bar returns the line; g.mu is held.
func (g *progress) bar(now time.Time) string {
	const width = 24
	elapsed := now.Sub(g.started).Seconds()
	rate := fmt.Sprintf("%d lines  %.0f lines/s  %s/s", g.mu.lines, float64(g.mu.lines)/max(elapsed, 1e-3), humanBytes(float64(g.mu.bytes)/max(elapsed, 1e-3)))
	share := min(g.share(), 1)
	if share < 0 {
		return g.name + "  " + rate
	}
	full := int(share * width)
	eta := "--"
	if share > 0.01 {
		eta = time.Duration(elapsed * (1 - share) / share * float64(time.Second)).Round(time.Second).String()
	}
	return fmt.Sprintf("%s [%s%s] %3.0f%%  %s  ETA %s", g.name, strings.Repeat("█", full), strings.Repeat("·", width-full), share*100, rate, eta)
}

// Print prints a line above the bar.
func (g *progress) Print(line string) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.draws {
		fmt.Fprint(g.out, "\r\x1b[K")
	}
	fmt.Fprintln(g.out, line)
}

// Stop draws the bar a last time and ends its line.
func (g *progress) Stop() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.draws {
		fmt.Fprintln(g.out, "\r\x1b[K"+g.bar(time.Now()))
	}
}

// humanBytes writes a number of bytes for people.
func humanBytes(n float64) string {
	units := []string{"B", "kB", "MB", "GB", "TB"}
	i := 0
	for n >= 1000 && i < len(units)-1 {
		n /= 1000
		i++
	}
	if i == 0 {
		return fmt.Sprintf("%.0f %s", n, units[i])
	}
	return fmt.Sprintf("%.1f %s", n, units[i])
}
