package column

import (
	"fmt"
	"math/bits"
	"slices"
)

// Limits of prefix codes.
const (
	codeBits   = 11 // longest code: a table of its size stays in the first cache
	symbolsMax = 252
)

// codeLengths sets lengths to those of a prefix code for symbols that occur so
// often: 0 where the count is 0. There are at least two that occur.
func codeLengths(lengths *[symbolsMax]uint8, counts *[symbolsMax]uint32) {
	var order [symbolsMax]uint8
	used := 0
	for symbol, count := range counts {
		lengths[symbol] = 0
		if count > 0 {
			order[used] = uint8(symbol)
			used++
		}
	}
	leaves := order[:used]
	slices.SortFunc(leaves, func(x, y uint8) int {
		if counts[x] != counts[y] {
			return int(min(counts[x], 1<<30)) - int(min(counts[y], 1<<30))
		}
		return int(x) - int(y)
	})
	// Two queues: leaves by count, and inner nodes, which arise in order.
	var weight [2 * symbolsMax]uint64
	var parent [2 * symbolsMax]uint16
	for i, symbol := range leaves {
		weight[i] = uint64(counts[symbol])
	}
	leaf, inner, next := 0, used, used
	lightest := func() int {
		if leaf < used && (inner == next || weight[leaf] <= weight[inner]) {
			leaf++
			return leaf - 1
		}
		inner++
		return inner - 1
	}
	for ; next < 2*used-1; next++ {
		x := lightest()
		y := lightest()
		weight[next] = weight[x] + weight[y]
		parent[x], parent[y] = uint16(next), uint16(next)
	}
	var depth [2 * symbolsMax]uint8
	for i := next - 2; i >= 0; i-- {
		depth[i] = depth[parent[i]] + 1
	}
	for i, symbol := range leaves {
		lengths[symbol] = min(depth[i], codeBits)
	}
	limitLengths(lengths, leaves)
}

// limitLengths makes clamped lengths a complete code again. Leaves are the
// symbols, rarest first.
func limitLengths(lengths *[symbolsMax]uint8, leaves []uint8) {
	room := 1 << codeBits // in units of the longest code
	for _, symbol := range leaves {
		room -= 1 << (codeBits - lengths[symbol])
	}
	for room < 0 {
		for _, symbol := range leaves {
			if lengths[symbol] < codeBits {
				room += 1 << (codeBits - lengths[symbol] - 1)
				lengths[symbol]++
				break
			}
		}
	}
	// What is too much now goes to the most frequent that can take it.
	for i := len(leaves) - 1; i >= 0 && room > 0; i-- {
		for symbol := leaves[i]; lengths[symbol] > 1 && room >= 1<<(codeBits-lengths[symbol]); {
			room -= 1 << (codeBits - lengths[symbol])
			lengths[symbol]--
		}
	}
}

// assignCodes sets codes to the canonical ones of the lengths, with the first
// bit lowest. It reports whether the lengths are those of a complete code.
func assignCodes(codes *[symbolsMax]uint16, lengths *[symbolsMax]uint8) bool {
	var next [codeBits + 2]uint32
	for _, length := range lengths {
		if length > codeBits {
			return false
		}
		if length > 0 {
			next[length+1]++
		}
	}
	code := uint32(0)
	for length := 1; length < len(next); length++ {
		code = (code + next[length]) << 1
		next[length] = code
	}
	filled := uint32(0)
	for symbol, length := range lengths {
		if length == 0 {
			continue
		}
		filled += 1 << (codeBits - length)
		code := next[length]
		next[length]++
		if filled > 1<<codeBits {
			return false
		}
		codes[symbol] = bits.Reverse16(uint16(code)) >> (16 - length)
	}
	return filled == 1<<codeBits
}

// decodeTable maps the next bits of a stream to how many bits a code takes with
// the open bits that follow it (low byte), how many without them (next byte),
// and its symbol (from bit 16 on).
type decodeTable struct {
	entries [1 << codeBits]uint32
	bits    uint // of the longest code
	longest uint // code with its open bits
	usual   uint // bits of a code with its open bits
}

// build fills the table for a code.
func (t *decodeTable) build(lengths, open *[symbolsMax]uint8) error {
	var codes [symbolsMax]uint16
	if !assignCodes(&codes, lengths) {
		return fmt.Errorf("decode prefix code: %w", ErrCorrupt)
	}
	t.bits = uint(slices.Max(lengths[:]))
	size := 1 << t.bits
	for symbol, length := range lengths {
		if length == 0 {
			continue
		}
		whole := uint(length) + uint(open[symbol])
		t.longest = max(t.longest, whole)
		t.usual += whole << (codeBits - length)
		entry := uint32(symbol)<<16 | uint32(length)<<8 | uint32(whole)
		for at := int(codes[symbol]); at < size; at += 1 << length {
			t.entries[at] = entry
		}
	}
	t.usual >>= codeBits
	return nil
}

// single fills the table for one symbol, which has no code.
func (t *decodeTable) single(symbol, open uint8) {
	t.longest, t.usual = uint(open), uint(open)
	t.entries[0] = uint32(symbol)<<16 | uint32(open)
}
