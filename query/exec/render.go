package exec

import (
	"encoding/json"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/stere-log/stere/model"
)

// render returns a value for an answer: numbers as int64 or float64 where
// those are written with the same digits, else as their text. So 1 and 1.0,
// which are different values, look different, and no digit is lost.
func render(kind model.Kind, text string) any {
	switch kind {
	case model.Null:
		return nil
	case model.Bool:
		return text == "true"
	case model.Number:
		if whole, err := strconv.ParseInt(text, 10, 64); err == nil && strconv.FormatInt(whole, 10) == text {
			return whole
		}
		if number, err := strconv.ParseFloat(text, 64); err == nil && strconv.FormatFloat(number, 'f', -1, 64) == text && strings.Contains(text, ".") {
			return number
		}
		return json.Number(text)
	}
	return text
}

// renderParsed returns the number that a text of any kind reads as.
func renderParsed(c *cell) any {
	switch {
	case c.kind == model.Number:
		return render(model.Number, c.text)
	case c.isWhole:
		return c.whole
	}
	return renderNumber(c.number, true)
}

// instant is a time in a row that is still to be ordered: as text, times with
// and without a fraction do not sort.
type instant int64

// String returns the time for an answer.
func (t instant) String() string { return time.Unix(0, int64(t)).UTC().Format(time.RFC3339Nano) }

// instantBytes is how long the text of a time without a fraction is.
const instantBytes = len("2006-01-02T15:04:05Z")

const (
	secondNanos = int64(time.Second)
	dayNanos    = 24 * int64(time.Hour)
)

// instantWriter writes times one after the other: most are of the day of the one before.
type instantWriter struct {
	date []byte // as it is written, with what separates it from the time
	day  int64
}

// append appends what String returns.
func (w *instantWriter) append(dst []byte, at instant) []byte {
	day, rest := int64(at)/dayNanos, int64(at)%dayNanos
	if rest < 0 {
		day, rest = day-1, rest+dayNanos
	}
	if w.date == nil || w.day != day {
		w.day = day
		w.date = time.Unix(day*(dayNanos/secondNanos), 0).UTC().AppendFormat(w.date[:0], "2006-01-02T")
	}
	second, fraction := rest/secondNanos, rest%secondNanos
	dst = append(dst, w.date...)
	dst = append(appendPair(dst, second/3600), ':')
	dst = append(appendPair(dst, second/60%60), ':')
	dst = appendPair(dst, second%60)
	if fraction > 0 {
		dst = append(dst, '.')
		for unit := secondNanos / 10; fraction > 0; unit /= 10 {
			dst = append(dst, byte('0'+fraction/unit))
			fraction %= unit
		}
	}
	return append(dst, 'Z')
}

// appendPair appends a number of two digits.
func appendPair(dst []byte, n int64) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }

// renderInstants replaces the times in rows by what is answered; the texts of all of
// them are one piece of memory.
func renderInstants(rows [][]any) {
	var text strings.Builder
	var writer instantWriter
	var one []byte
	for _, row := range rows {
		for _, value := range row {
			if at, ok := value.(instant); ok {
				if text.Len() == 0 {
					text.Grow(instantBytes * len(rows))
				}
				one = writer.append(one[:0], at)
				text.Write(one)
			}
		}
	}
	rest := text.String()
	for _, row := range rows {
		for i, value := range row {
			if _, ok := value.(instant); ok {
				end := strings.IndexByte(rest, 'Z') + 1
				row[i], rest = rest[:end], rest[end:]
			}
		}
	}
}

// wholeMax is the number up to which float64 holds every whole number.
const wholeMax = 1 << 53

// renderNumber returns a computed number: whole ones as int64 if wanted, nil
// for what JSON cannot hold.
func renderNumber(v float64, whole bool) any {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return nil
	case whole && v == math.Trunc(v) && math.Abs(v) <= wholeMax:
		return int64(v)
	}
	return v
}
