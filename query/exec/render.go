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

// renderInstants replaces the times in rows by what is answered; the texts of all of
// them are one piece of memory.
func renderInstants(rows [][]any) {
	var text []byte
	for _, row := range rows {
		for _, value := range row {
			if at, ok := value.(instant); ok {
				text = time.Unix(0, int64(at)).UTC().AppendFormat(text, time.RFC3339Nano)
			}
		}
	}
	rest := string(text)
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
