package exec

import (
	"encoding/json"
	"math"
	"strconv"
	"time"

	"github.com/stere-log/stere/model"
)

// render returns a value for an answer: numbers as int64, float64 or, when
// neither holds them, as their text.
func render(kind model.Kind, text string) any {
	switch kind {
	case model.Null:
		return nil
	case model.Bool:
		return text == "true"
	case model.Number:
		if whole, err := strconv.ParseInt(text, 10, 64); err == nil {
			return whole
		}
		if number, err := strconv.ParseFloat(text, 64); err == nil && !math.IsInf(number, 0) {
			return number
		}
		return json.Number(text)
	}
	return text
}

// renderTime returns a time for an answer.
func renderTime(t int64) string { return time.Unix(0, t).UTC().Format(time.RFC3339Nano) }

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
