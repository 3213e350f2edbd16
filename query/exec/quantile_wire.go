package exec

import (
	"encoding/binary"
	"maps"
	"math"
	"slices"

	"github.com/stere-log/stere/internal/wire"
)

func (a *quantiles) encode(dst []byte, n int) []byte {
	sketched := byte(0)
	if a.sketched {
		sketched = 1
	}
	dst = append(dst, sketched)
	for group := range n {
		q := at(&a.of, group)
		if a.sketched {
			dst = appendBuckets(appendBuckets(binary.AppendUvarint(dst, q.zero), q.negative), q.buckets)
			continue
		}
		values := q.run.appendTo(q.values[:len(q.values):len(q.values)])
		dst = binary.AppendUvarint(dst, uint64(len(values)))
		for _, w := range values {
			dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(w.value))
			dst = binary.AppendUvarint(dst, w.n)
		}
	}
	return dst
}

func (a *quantiles) decode(r *wire.Reader, n int) {
	a.sketched = r.Byte() != 0
	for group := 0; group < n && !r.Failed(); group++ {
		q := quantile{}
		if a.sketched {
			q.zero = r.Uvarint()
			q.n = q.zero
			q.negative = takeBuckets(r, &q.n)
			q.buckets = takeBuckets(r, &q.n)
		} else {
			q.take(r)
			q.pack()
		}
		a.of = append(a.of, q)
	}
}

// weighedMin is the least that a weighed value takes.
const weighedMin = 8 + 1

// take takes values that ascend, each with how often it occurs.
func (q *quantile) take(r *wire.Reader) {
	n := r.Uvarint()
	if n > uint64(r.Len()/weighedMin) {
		r.Fail()
		return
	}
	q.values = make([]weighed, 0, n)
	for i := range int(n) {
		w := weighed{math.Float64frombits(takeUint64(r)), r.Uvarint()}
		finite := !math.IsNaN(w.value) && !math.IsInf(w.value, 0)
		if !finite || i > 0 && w.value <= q.values[i-1].value || !counted(&q.n, w.n) {
			r.Fail()
		}
		if r.Failed() {
			q.values = nil
			return
		}
		q.values = append(q.values, w)
	}
	q.compact = len(q.values)
}

// counted adds to a number of values and reports whether it still makes sense.
func counted(sum *uint64, n uint64) bool {
	*sum += n
	return n > 0 && n <= math.MaxInt64 && *sum <= math.MaxInt64
}

// appendBuckets appends buckets of a sketch, in order.
func appendBuckets(dst []byte, buckets map[int32]uint64) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(buckets)))
	last := int32(0)
	for _, bucket := range slices.Sorted(maps.Keys(buckets)) {
		dst = binary.AppendVarint(dst, int64(bucket)-int64(last))
		dst = binary.AppendUvarint(dst, buckets[bucket])
		last = bucket
	}
	return dst
}

// bucketMost is beyond every bucket of a finite number, either way.
const bucketMost = 1 << 20

// takeBuckets takes buckets that ascend and adds to the number of their values.
func takeBuckets(r *wire.Reader, sum *uint64) map[int32]uint64 {
	const least = 2 // bytes of a bucket
	n := r.Uvarint()
	if n > uint64(r.Len()/least) {
		r.Fail()
		return nil
	}
	buckets := make(map[int32]uint64, n)
	last := int64(0)
	for i := range int(n) {
		step, of := r.Varint(), r.Uvarint()
		if i > 0 && step <= 0 || step > 2*bucketMost || step < -bucketMost || last+step > bucketMost || !counted(sum, of) {
			r.Fail()
		}
		if r.Failed() {
			return nil
		}
		last += step
		buckets[int32(last)] = of
	}
	return buckets
}
