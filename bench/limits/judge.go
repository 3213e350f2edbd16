package main

import (
	"fmt"
	"io"
	"slices"
	"time"
)

// pass is a request that was let through: somewhere between when it was sent and when
// it was answered, since a beginning that all have in common.
type pass struct{ sent, answered time.Duration }

// result is what was let through of one client, in percent of its limit.
type result struct {
	whole  float64 // of the limit of all windows together
	window float64 // in the fullest stretch of the length of a window
	failed int     // requests without an answer, or with another than that of a search or the limit
}

// judge compares what was let through with the limit. A request counts for a stretch if
// it was sent and answered within: then it was let through there for sure.
func judge(through []pass, limit int, window time.Duration, windows int) result {
	slices.SortFunc(through, func(a, b pass) int { return int(a.sent - b.sent) })
	most := 0
	for i, first := range through {
		within := 0
		for _, p := range through[i:] {
			if p.sent > first.sent+window {
				break
			}
			if p.answered <= first.sent+window {
				within++
			}
		}
		most = max(most, within)
	}
	percent := 100 / float64(limit)
	return result{whole: percent * float64(len(through)) / float64(windows), window: percent * float64(most)}
}

// row prints what clients got in one way, and returns how far from the limit the
// farthest was, in percent.
func row(out io.Writer, name string, results []result) (off float64) {
	least, most, window, failed := results[0].whole, results[0].whole, 0.0, 0
	for _, r := range results {
		least, most, window, failed = min(least, r.whole), max(most, r.whole), max(window, r.window), failed+r.failed
	}
	fmt.Fprintf(out, "| %s | %.1f | %.1f | %.1f | %d |\n", name, least, most, window, failed)
	return max(100-least, most-100, window-100, 0)
}
