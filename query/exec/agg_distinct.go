package exec

import (
	"encoding/binary"
	"math"
	"math/bits"
	"slices"

	"github.com/cespare/xxhash/v2"

	"github.com/stere-log/stere/internal/wire"
	"github.com/stere-log/stere/query/plan"
)

// distincts counts different values. It holds a 64-bit hash of each: one
// million values are miscounted with a probability under 1 in 10 million. When
// it holds more than max, big groups change to registers and estimate; with the
// mode plan.DistinctExact it takes no more values instead, and with
// plan.DistinctApprox big groups always change.
type distincts struct {
	max   int
	mode  plan.Func
	kept  int  // hashes in all groups, repeats included
	least int  // kept, when repeats were last dropped everywhere
	full  bool // no more can be held
	of    []distinct
}

// distinct is the state of one group: hashes, or registers. Appending hashes
// and sorting them now and then is several times faster than a map.
type distinct struct {
	hashes    []uint64
	unique    int        // the first so many are sorted and different
	runs      [][]uint64 // of sealed states: each sorted and different; shared
	registers []uint8    // HyperLogLog
}

// slack returns how many values, repeats included, are held before repeats are
// looked for: a third more than the budget, so that this is rare.
func slack(budget int) int { return budget + budget/3 }

// The registers: their number, and from how many hashes on they are smaller.
const (
	registerBits   = 14
	registerCount  = 1 << registerBits
	registersWorth = registerCount / 8
)

func (a *distincts) add(group int, c *cell, _ uint64) {
	hash := xxhash.Sum64String(c.text)
	if c.isTime {
		var whole [8]byte
		binary.LittleEndian.PutUint64(whole[:], uint64(c.whole))
		hash = xxhash.Sum64(whole[:])
	}
	a.insert(at(&a.of, group), hash)
}

// insert adds a hash to a group.
func (a *distincts) insert(d *distinct, hash uint64) {
	if d.registers != nil {
		d.register(hash)
		return
	}
	if a.full {
		return
	}
	d.hashes = append(d.hashes, hash)
	a.kept++
	if len(d.hashes) >= max(registersWorth, 2*d.unique) {
		a.compact(d)
	}
	if a.kept > max(slack(a.max), 2*a.least) {
		a.compactAll()
	}
}

// compactAll makes room: by dropping repeats, else by changing big groups to
// registers. Small groups would not shrink by that; when they alone hold
// distinctOver times the budget, more values are left out.
func (a *distincts) compactAll() {
	for i := range a.of {
		a.compact(&a.of[i])
	}
	if a.kept > a.max && a.mode != plan.DistinctExact {
		for i := range a.of {
			if a.of[i].unique >= registersWorth {
				a.estimate(&a.of[i])
			}
		}
	}
	a.least = a.kept
	most := distinctOver * a.max
	if a.mode == plan.DistinctExact {
		most = a.max
	}
	a.full = a.kept > most
}

// distinctOver is how many times the budget may be held by small groups.
const distinctOver = 4

// compact drops the repeats of a group.
func (a *distincts) compact(d *distinct) {
	before := d.held()
	slices.Sort(d.hashes[d.unique:])
	fresh := slices.Compact(d.hashes[d.unique:])
	if len(d.runs) > 0 || d.unique > 0 && len(fresh) > 0 {
		d.hashes = union(append(d.runs, d.hashes[:d.unique:d.unique], fresh))
	} else {
		d.hashes = d.hashes[:d.unique+len(fresh)]
	}
	d.unique, d.runs = len(d.hashes), nil
	a.kept -= before - d.unique
	if a.mode == plan.DistinctApprox && d.unique >= registersWorth {
		a.estimate(d)
	}
}

// held returns how many hashes, repeats included, a group holds.
func (d *distinct) held() int {
	n := len(d.hashes)
	for _, run := range d.runs {
		n += len(run)
	}
	return n
}

// estimate changes a group to registers.
func (a *distincts) estimate(d *distinct) {
	if d.registers != nil {
		return
	}
	d.registers = make([]uint8, registerCount)
	a.kept -= d.held()
	for _, run := range append(d.runs, d.hashes) {
		for _, hash := range run {
			d.register(hash)
		}
	}
	d.hashes, d.runs, d.unique = nil, nil, 0
}

// union merges sorted lists of different hashes into one, two by two. It may
// change the list of lists, not the lists.
func union(runs [][]uint64) []uint64 {
	for len(runs) > 1 {
		merged := runs[:0]
		for len(runs) > 1 {
			merged = append(merged, unionOf(runs[0], runs[1]))
			runs = runs[2:]
		}
		runs = append(merged, runs...)
	}
	return runs[0]
}

// unionOf merges two sorted lists of different hashes.
func unionOf(a, b []uint64) []uint64 {
	out := make([]uint64, 0, len(a)+len(b))
	i, j := 0, 0
	for i < len(a) && j < len(b) {
		v, w := a[i], b[j]
		out = append(out, min(v, w))
		if v <= w {
			i++
		}
		if w <= v {
			j++
		}
	}
	return append(append(out, a[i:]...), b[j:]...)
}

// register notes a hash: the register keeps the longest run of zeros.
func (d *distinct) register(hash uint64) {
	i := hash >> (64 - registerBits)
	run := uint8(bits.LeadingZeros64(hash<<registerBits|1<<(registerBits-1))) + 1
	d.registers[i] = max(d.registers[i], run)
}

// runMin is from how many hashes on those of a sealed state are taken over as
// they are.
const runMin = 256

func (a *distincts) seal(n int) {
	grow(&a.of, n)
	for i := range a.of {
		a.compact(&a.of[i])
	}
}

func (a *distincts) bytes() (bytes int64) {
	for i := range a.of {
		d := &a.of[i]
		bytes += 96 + 8*int64(cap(d.hashes)) + int64(len(d.registers))
	}
	return bytes
}

func (a *distincts) merge(group int, other aggregate, from int) {
	d, o := at(&a.of, group), at(&other.(*distincts).of, from)
	switch {
	case o.registers != nil:
	case d.registers != nil || len(o.hashes) < runMin:
		for _, hash := range o.hashes {
			a.insert(d, hash)
		}
		return
	case a.full:
		return
	default:
		d.runs = append(d.runs, o.hashes)
		a.kept += len(o.hashes)
		if a.kept > max(slack(a.max), 2*a.least) {
			a.compactAll()
		}
		return
	}
	a.estimate(d)
	for i, run := range o.registers {
		d.registers[i] = max(d.registers[i], run)
	}
}

func (a *distincts) value(group int) any {
	d := at(&a.of, group)
	if d.registers == nil {
		a.compact(d)
	}
	if d.registers == nil {
		return int64(d.unique)
	}
	sum, zeros := 0.0, 0
	for _, run := range d.registers {
		sum += math.Ldexp(1, -int(run))
		if run == 0 {
			zeros++
		}
	}
	const alpha = 0.7213 / (1 + 1.079/registerCount)
	estimate := alpha * registerCount * registerCount / sum
	if estimate <= 2.5*registerCount && zeros > 0 {
		estimate = registerCount * math.Log(float64(registerCount)/float64(zeros))
	}
	return int64(math.Round(estimate))
}

func (a *distincts) over() bool { return a.full }

func (a *distincts) approximate() bool {
	if a.mode == plan.DistinctApprox {
		return true
	}
	for i := range a.of {
		if a.of[i].registers != nil {
			return true
		}
	}
	return false
}

// registerWidest is the most that a register can hold.
const registerWidest = 64 - registerBits + 1

func (a *distincts) encode(dst []byte, n int) []byte {
	full := byte(0)
	if a.full {
		full = 1
	}
	dst = append(dst, full)
	for group := range n {
		d := at(&a.of, group)
		if d.registers != nil {
			dst = append(append(dst, 0), d.registers...)
			continue
		}
		dst = binary.AppendUvarint(dst, uint64(len(d.hashes))+1)
		for _, hash := range d.hashes {
			dst = binary.LittleEndian.AppendUint64(dst, hash)
		}
	}
	return dst
}

func (a *distincts) decode(r *wire.Reader, n int) {
	a.full = r.Byte() != 0
	for group := 0; group < n && !r.Failed(); group++ {
		a.of = append(a.of, takeDistinct(r))
	}
}

// takeDistinct takes the state of one group.
func takeDistinct(r *wire.Reader) (d distinct) {
	const size = 8
	held := r.Uvarint()
	if held == 0 {
		d.registers = slices.Clone(r.Take(registerCount))
		if len(d.registers) > 0 && slices.Max(d.registers) > registerWidest {
			r.Fail()
		}
		return d
	}
	if held--; held > uint64(r.Len()/size) {
		r.Fail()
		return d
	}
	taken := r.Take(held * size)
	d.hashes, d.unique = make([]uint64, held), int(held)
	for i := range d.hashes {
		if d.hashes[i] = binary.LittleEndian.Uint64(taken[size*i:]); i > 0 && d.hashes[i] <= d.hashes[i-1] {
			r.Fail()
		}
	}
	return d
}
