package syntax

import (
	"errors"
	"strconv"
	"strings"
	"time"
)

// durationUnits are the units of durations, from long to short.
var durationUnits = [...]struct {
	name string
	size time.Duration
}{
	{"w", 7 * 24 * time.Hour}, {"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute},
	{"s", time.Second}, {"ms", time.Millisecond}, {"us", time.Microsecond}, {"µs", time.Microsecond}, {"ns", time.Nanosecond},
}

// ErrDuration says that a text is not a duration.
var ErrDuration = errors.New("not a duration, want for example 30s, 5m, 1h30m, 1d or 2w")

// ErrZone says that a name is not that of a time zone.
var ErrZone = errors.New("not a time zone")

// ParseDuration reads a duration such as 500ms, 1h30m, 1d or 2w.
func ParseDuration(text string) (time.Duration, error) {
	var total time.Duration
	for rest := text; rest != ""; {
		n := len(rest) - len(strings.TrimLeft(rest, "0123456789"))
		number, err := strconv.ParseInt(rest[:n], 10, 64)
		if err != nil {
			return 0, ErrDuration
		}
		rest = rest[n:]
		name := rest
		if end := strings.IndexAny(rest, "0123456789"); end >= 0 {
			name = rest[:end]
		}
		size := time.Duration(0)
		for _, unit := range durationUnits {
			if unit.name == name {
				size = unit.size
			}
		}
		if size == 0 || number > int64((1<<63-1-total)/size) {
			return 0, ErrDuration
		}
		total += time.Duration(number) * size
		rest = rest[len(name):]
	}
	if text == "" {
		return 0, ErrDuration
	}
	return total, nil
}

// FormatDuration prints a positive duration so that ParseDuration reads it.
func FormatDuration(d time.Duration) string {
	var b strings.Builder
	for _, unit := range durationUnits {
		if n := d / unit.size; n > 0 && unit.name != "µs" {
			b.WriteString(strconv.FormatInt(int64(n), 10))
			b.WriteString(unit.name)
			d -= n * unit.size
		}
	}
	if b.Len() == 0 {
		return "0s"
	}
	return b.String()
}
