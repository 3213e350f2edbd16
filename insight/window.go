package insight

import (
	"fmt"
	"strings"
	"time"

	"github.com/stere-log/stere/query/syntax"
)

// Window is a stretch of time in Unix nanoseconds, half open.
type Window struct{ From, To int64 }

// windowMax is the longest window.
const windowMax = 10 * 366 * 24 * time.Hour

// Last returns the window of a length that ends now.
func Last(length time.Duration, now time.Time) Window {
	return Window{From: now.Add(-length).UnixNano(), To: now.UnixNano() + 1}
}

// ParseTimeframe reads the length of a window: 1h, 24h, 7d, 1h30m.
func ParseTimeframe(text string, now time.Time) (Window, error) {
	length, err := syntax.ParseDuration(strings.TrimSpace(text))
	if err != nil || length <= 0 || length > windowMax {
		return Window{}, &ParamError{Param: "timeframe", Message: fmt.Sprintf("%.50q is no length of time", text), Expect: []string{"1h", "24h", "7d", "30d"}}
	}
	return Last(length, now), nil
}

// Before returns the window of the same length that ends where this begins.
func (w Window) Before() Window { return Window{From: w.From - (w.To - w.From), To: w.From} }

// Length returns how long it is.
func (w Window) Length() time.Duration { return time.Duration(w.To - w.From) }

// TimeRange is a window as answers have it.
type TimeRange struct {
	Start time.Time `json:"start"`
	End   time.Time `json:"end"`
}

// timeRange returns the window as answers have it.
func (w Window) timeRange() TimeRange {
	return TimeRange{Start: time.Unix(0, w.From).UTC(), End: time.Unix(0, w.To).UTC()}
}
