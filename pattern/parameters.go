package pattern

import (
	"cmp"
	"math"
	"net/netip"
	"slices"
	"strconv"
	"strings"
)

// Limits of parameters.
const (
	ParametersMax  = 16 // positions of a pattern that are looked at
	parameterValue = 256
	topValues      = 5
	mostlyNumbers  = 0.95 // of values that are numbers, so that a position is one of numbers
)

// Parameters is what stands at the variable positions of a pattern.
type Parameters struct {
	Records   int         `json:"records"` // that were looked at
	Of        int64       `json:"of"`      // all of the pattern
	Unmatched int         `json:"unmatched"`
	Positions []Parameter `json:"positions"`
}

// Parameter is what stands at one position.
type Parameter struct {
	Position int          `json:"position"` // of the star, from 1
	After    string       `json:"after"`    // the word before it
	Type     string       `json:"type"`     // number, address, id, text
	Distinct Distinct     `json:"distinct"`
	Values   []ValueCount `json:"values"` // the most frequent ones
	Numbers  *Numbers     `json:"numbers,omitempty"`
}

// Distinct is how many different values there are among all records. Where only some were
// looked at it is an estimate, at most by the factor sqrt(Of/Records) away on average,
// that lies between what was seen and what there can be.
type Distinct struct {
	Estimate int64 `json:"estimate"`
	Low      int64 `json:"low"`
	High     int64 `json:"high"`
	Exact    bool  `json:"exact"`
}

// ValueCount is a value and how many of the records that were looked at have it.
type ValueCount struct {
	Value string  `json:"value"`
	Count int     `json:"count"`
	Share float64 `json:"percentage"`
}

// Numbers are those at a position.
type Numbers struct {
	Min    float64 `json:"min"`
	Median float64 `json:"median"`
	P95    float64 `json:"p95"`
	Max    float64 `json:"max"`
}

// ParametersOf returns what stands at the variable positions of a pattern in some of its
// messages, of so many in all.
func ParametersOf(form string, messages []string, all int64) *Parameters {
	plain := strings.TrimSuffix(strings.Join(strings.Fields(form), " "), " "+tail)
	texts, rows := strings.Split(plain, star), strings.Split(closeRows(plain), star)
	p := &Parameters{Records: len(messages), Of: max(all, int64(len(messages))), Positions: []Parameter{}}
	positions := min(len(texts)-1, ParametersMax)
	values := make([][]string, positions)
	var found []string
	for _, message := range messages {
		var ok bool
		message = strings.Join(strings.Fields(message), " ")
		if found, ok = align(found[:0], texts, message); !ok {
			if found, ok = align(found[:0], rows, closeRows(message)); !ok {
				p.Unmatched++
				continue
			}
		}
		for i := range values {
			values[i] = append(values[i], found[i])
		}
	}
	scale := 1.0
	if matched := len(messages) - p.Unmatched; matched > 0 {
		scale = max(1, float64(p.Of)/float64(matched))
	}
	for i := range values {
		one := parameter(values[i], p.Of, scale)
		one.Position = i + 1
		if words := strings.Fields(strings.TrimRight(texts[i], " \"'([{<=:")); len(words) > 0 {
			one.After = words[len(words)-1]
		}
		p.Positions = append(p.Positions, one)
	}
	return p
}

// closeRows returns a text without spaces behind commas: a pattern has them between the
// values of a row where messages have none.
func closeRows(text string) string { return strings.ReplaceAll(text, ", ", ",") }

// align appends what stands between texts in a message; ok is false if it does not have
// them in this order.
func align(dst, texts []string, message string) (between []string, ok bool) {
	rest, ok := strings.CutPrefix(message, texts[0])
	if !ok {
		return dst, false
	}
	for i, text := range texts[1:] {
		at := len(rest)
		switch last := i == len(texts)-2; {
		case last && text != "":
			if at = strings.LastIndex(rest, text); at >= 0 && at+len(text) != len(rest) {
				at = strings.Index(rest, text) // what was cut off the pattern comes behind it
			}
		case !last && text != "":
			at = strings.Index(rest, text)
		case !last: // two stars side by side
			at = 0
		}
		if at < 0 {
			return dst, false
		}
		dst = append(dst, rest[:at])
		rest = rest[at+len(text):]
	}
	return dst, true
}

// parameter describes values of one position, scale times as many as were looked at.
func parameter(values []string, all int64, scale float64) Parameter {
	p := Parameter{Type: "text", Values: []ValueCount{}}
	counts := map[string]int{}
	var numbers []float64
	addresses, ids := 0, 0
	for _, value := range values {
		counts[value]++
		if n, err := strconv.ParseFloat(value, 64); err == nil && !math.IsNaN(n) && !math.IsInf(n, 0) {
			numbers = append(numbers, n)
		} else if isIP(value) {
			addresses++
		} else if len(value) >= 8 && strings.ContainsAny(value, "0123456789") && strings.Trim(value, "0123456789abcdefABCDEF-") == "" {
			ids++
		}
	}
	most := int(math.Ceil(mostlyNumbers * float64(len(values))))
	switch {
	case len(values) == 0:
	case len(numbers) >= most:
		p.Type = "number"
		slices.Sort(numbers)
		at := func(q float64) float64 { return numbers[int(q*float64(len(numbers)-1))] }
		p.Numbers = &Numbers{Min: at(0), Median: at(0.5), P95: at(0.95), Max: at(1)}
	case addresses >= most:
		p.Type = "address"
	case ids >= most:
		p.Type = "id"
	}
	once := 0
	for value, n := range counts {
		if n == 1 {
			once++
		}
		p.Values = append(p.Values, ValueCount{Value: value, Count: n, Share: math.Round(10_000*float64(n)/float64(len(values))) / 100})
	}
	p.Distinct = distinct(len(counts), once, all, scale)
	slices.SortFunc(p.Values, func(a, b ValueCount) int {
		return cmp.Or(cmp.Compare(b.Count, a.Count), cmp.Compare(a.Value, b.Value))
	})
	p.Values = p.Values[:min(len(p.Values), topValues)]
	for i, v := range p.Values {
		if len(v.Value) > parameterValue {
			p.Values[i].Value = strings.ToValidUTF8(v.Value[:parameterValue], "") + tail
		}
	}
	return p
}

// distinct estimates how many different values there are where so many were seen, some of
// them once: those seen twice are most likely all that there are, those seen once stand
// for up to scale others (the guaranteed-error estimator of Charikar et al., 2000).
func distinct(seen, once int, all int64, scale float64) Distinct {
	d := Distinct{Low: int64(seen), Exact: scale == 1}
	d.Estimate = min(all, int64(math.Round(float64(seen-once)+math.Sqrt(scale)*float64(once))))
	d.High = min(all, int64(math.Ceil(float64(seen-once)+scale*float64(once))))
	return d
}

// isIP reports whether a text is an IP address, perhaps with a port.
func isIP(text string) bool {
	if _, err := netip.ParseAddr(text); err == nil {
		return true
	}
	_, err := netip.ParseAddrPort(text)
	return err == nil
}
