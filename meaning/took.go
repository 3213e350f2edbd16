package meaning

import (
	"math"
	"strconv"
	"strings"
	"time"
)

// durationWords stand before how long something took; of those from overOnly on the word
// before them has to say that it is over.
var durationWords = []string{"took", "duration", "elapsed", "latency", "time", "spent", "in", "after"}

const overOnly = 6

// overWords are words after which "in" and "after" are about what is over; others end
// with -ed.
var overWords = []string{"done", "ran", "built", "sent", "ok", "out", "found", "took", "took:", "read", "written", "success"}

// MayHaveDuration reports whether messages of an outline may say how long something took.
func MayHaveDuration(outline string) (may bool) {
	eachDuration(outline[:min(len(outline), EvidenceMax)], func(after string) bool {
		may = after != ""
		return !may
	})
	return may
}

// DurationOf returns how many milliseconds something took, as a message says it: took 35
// ms, in 1.2s after what is over, duration=1m2s, "latency_ms":12. ok is false if it says
// nothing, or nothing with a unit.
func DurationOf(message string) (milliseconds float64, ok bool) {
	eachDuration(message[:min(len(message), EvidenceMax)], func(after string) bool {
		milliseconds, ok = amountAfter(after)
		return !ok
	})
	return math.Round(milliseconds*1e6) / 1e6, ok // to whole nanoseconds
}

// eachDuration yields what follows words after which it may stand how long something took.
func eachDuration(text string, yield func(after string) bool) {
	for at := 0; at < len(text); at++ {
		if at > 0 && isLetter(text[at-1]) && !startsName(text, at) {
			continue
		}
		for i, word := range durationWords {
			if len(text)-at < len(word) || !strings.EqualFold(text[at:at+len(word)], word) || i >= overOnly && !over(text[:at]) {
				continue
			}
			if !yield(text[at+len(word):]) {
				return
			}
		}
	}
}

// startsName reports whether a word begins within a name, as in responseTime.
func startsName(text string, at int) bool {
	return text[at] >= 'A' && text[at] <= 'Z' && text[at-1] >= 'a' && text[at-1] <= 'z'
}

// over reports whether a text ends with a word that says that something is over.
func over(text string) bool {
	text = strings.TrimRight(text, " ")
	word := strings.ToLower(text[strings.LastIndexAny(text, " \t\"'(:,")+1:])
	if strings.HasSuffix(word, "ed") && len(word) > 3 {
		return true
	}
	for _, one := range overWords {
		if word == one {
			return true
		}
	}
	return false
}

// amountAfter reads the length of time that follows the end of a word: what else the name
// has, which may be the unit, signs, a number, a unit.
func amountAfter(text string) (float64, bool) {
	end := 0
	for end < len(text) && (isLetter(text[end]) || text[end] == '_') {
		end++
	}
	if end > 0 && text[0] != '_' && (text[0] < 'A' || text[0] > 'Z') {
		return 0, false // another word begins with these letters
	}
	name := strings.Trim(text[:end], "_")
	rest := strings.TrimLeft(text[end:], " \"'\\:=~(")
	end = 0
	for end < len(rest) && (rest[end] >= '0' && rest[end] <= '9' || rest[end] == '.' || rest[end] == ',' && thousands(rest[end+1:])) {
		end++
	}
	number, err := strconv.ParseFloat(strings.ReplaceAll(strings.TrimRight(rest[:end], "."), ",", ""), 64)
	if err != nil || rest[0] == '.' {
		return 0, false
	}
	unit := strings.TrimPrefix(rest[end:], " ")
	last := 0
	for last < len(unit) && (isLetter(unit[last]) || unit[last] >= '0' && unit[last] <= '9' || unit[last] == '.' && last+1 < len(unit) && unit[last+1] >= '0' && unit[last+1] <= '9') {
		last++
	}
	if strings.HasPrefix(unit[last:], " ago") {
		return 0, false
	}
	unit = unit[:last]
	if factor, known := millisecondsOf(unit); known {
		return number * factor, true
	}
	// As Go writes it: 1m2.5s.
	if whole, err := time.ParseDuration(rest[:end] + unit); err == nil && unit != "" {
		return float64(whole) / float64(time.Millisecond), true
	}
	if factor, known := millisecondsOf(name); known && unit == "" {
		return number * factor, true
	}
	return 0, false
}

// thousands reports whether a text begins with three digits and no fourth.
func thousands(text string) bool {
	digits := 0
	for digits < len(text) && text[digits] >= '0' && text[digits] <= '9' {
		digits++
	}
	return digits == 3
}

// millisecondsOf returns how many milliseconds a unit has. "m" is none: it may be a
// million, or a metre.
func millisecondsOf(unit string) (float64, bool) {
	switch strings.ToLower(unit) {
	case "ns", "nanos", "nanoseconds":
		return 1e-6, true
	case "us", "µs", "μs", "micros", "microseconds":
		return 1e-3, true
	case "ms", "msec", "msecs", "millis", "milliseconds", "millisecond", "in_ms", "millisec":
		return 1, true
	case "s", "sec", "secs", "second", "seconds":
		return 1e3, true
	case "min", "mins", "minute", "minutes":
		return 60e3, true
	case "h", "hour", "hours":
		return 3600e3, true
	}
	return 0, false
}
