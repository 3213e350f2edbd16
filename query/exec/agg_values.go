package exec

import (
	"cmp"
	"encoding/binary"
	"encoding/json"
	"slices"
	"strconv"
	"strings"

	"github.com/stere-log/stere/internal/wire"
	"github.com/stere-log/stere/model"
)

// ValuesMax is how many distinct values of a group values() returns: the first
// in order, where there are more.
const ValuesMax = 100

// listings collect the distinct values of groups: in order, each with how often
// it occurs. Of more than ValuesMax the first are kept, whatever the order in
// which parts are read.
type listings struct {
	field  string
	counts bool // the result says how often, most important first
	of     []listing
	left   bool // values were left out
}

// listing is the state of one group.
type listing struct{ values []listed }

// listed is a value.
type listed struct {
	text string
	n    uint64
	kind model.Kind
}

// compare orders values as sort does; equal texts are one value.
func (a *listings) compare(v, w listed) int {
	if v.text == w.text {
		return 0
	}
	return cmp.Or(sortValue(a.field, v.kind, v.text).compare(sortValue(a.field, w.kind, w.text)), cmp.Compare(v.text, w.text))
}

func (a *listings) add(group int, c *cell, n uint64) {
	value := listed{kind: c.kind, text: c.text, n: n}
	if c.isTime {
		value.text = instant(c.whole).String()
	}
	a.insert(at(&a.of, group), value)
}

func (a *listings) insert(l *listing, value listed) {
	if n := len(l.values); n == ValuesMax && a.compare(l.values[n-1], value) < 0 { // as most are
		a.left = true
		return
	}
	i, found := slices.BinarySearchFunc(l.values, value, a.compare)
	switch {
	case found:
		l.values[i].n += value.n
		if l.values[i].kind != value.kind {
			l.values[i].kind = model.String
		}
		return
	}
	value.text = strings.Clone(value.text) // it is a piece of a page
	if l.values == nil {
		l.values = make([]listed, 0, 1) // many groups have one value
	}
	l.values = slices.Insert(l.values, i, value)
	if len(l.values) > ValuesMax {
		a.left = true
		l.values = l.values[:ValuesMax]
	}
}

func (a *listings) seal(n int) { grow(&a.of, n) }

func (a *listings) bytes() (bytes int64) {
	for i := range a.of {
		bytes += 24
		for _, value := range a.of[i].values {
			bytes += 32 + int64(len(value.text))
		}
	}
	return bytes
}

func (a *listings) merge(group int, other aggregate, from int) {
	o := other.(*listings)
	a.left = a.left || o.left
	for _, value := range at(&o.of, from).values {
		a.insert(at(&a.of, group), value)
	}
}

func (a *listings) value(group int) any {
	values := at(&a.of, group).values
	if len(values) == 0 {
		return nil
	}
	if a.counts {
		parts := make([]string, 0, len(values))
		for _, value := range slices.Backward(values) { // the most severe level first
			parts = append(parts, value.text+" "+strconv.FormatUint(value.n, 10))
		}
		return strings.Join(parts, ", ")
	}
	list := make([]any, len(values))
	for i, value := range values {
		list[i] = render(value.kind, value.text)
		if value.kind == model.JSON {
			list[i] = json.RawMessage(value.text)
		}
	}
	text, err := json.Marshal(list)
	if err != nil {
		return nil // values are texts, numbers and JSON
	}
	return string(text)
}

func (a *listings) approximate() bool { return false }

func (a *listings) over() bool { return a.left }

func (a *listings) encode(dst []byte, n int) []byte {
	left := byte(0)
	if a.left {
		left = 1
	}
	dst = append(dst, left)
	for group := range n {
		values := at(&a.of, group).values
		dst = binary.AppendUvarint(dst, uint64(len(values)))
		for _, value := range values {
			dst = binary.AppendUvarint(appendText(append(dst, byte(value.kind)), value.text), value.n)
		}
	}
	return dst
}

func (a *listings) decode(r *wire.Reader, n int) {
	a.left = r.Byte() != 0
	for group := 0; group < n && !r.Failed(); group++ {
		l := listing{}
		for range r.Bounded(ValuesMax) {
			value := listed{kind: model.Kind(r.Byte()), text: r.String(), n: r.Uvarint()}
			if !value.kind.Valid() {
				r.Fail()
			}
			if r.Failed() {
				return
			}
			if k := len(l.values); k > 0 && a.compare(l.values[k-1], value) >= 0 {
				r.Fail()
				return
			}
			l.values = append(l.values, value)
		}
		a.of = append(a.of, l)
	}
}
