package exec

import (
	"encoding/binary"

	"github.com/stere-log/stere/internal/wire"
)

// counts counts records, or values that are there.
type counts struct{ of []uint64 }

func (a *counts) add(group int, _ *cell, n uint64) { *at(&a.of, group) += n }

func (a *counts) seal(n int) { grow(&a.of, n) }

func (a *counts) bytes() int64 { return 8 * int64(len(a.of)) }

func (a *counts) merge(group int, other aggregate, from int) {
	*at(&a.of, group) += *at(&other.(*counts).of, from)
}

func (a *counts) value(group int) any { return int64(*at(&a.of, group)) }

func (a *counts) approximate() bool { return false }

func (a *counts) over() bool { return false }

func (a *counts) encode(dst []byte, n int) []byte {
	for group := range n {
		dst = binary.AppendUvarint(dst, *at(&a.of, group))
	}
	return dst
}

func (a *counts) decode(r *wire.Reader, n int) {
	for group := 0; group < n && !r.Failed(); group++ {
		a.of = append(a.of, r.Uvarint())
	}
}
