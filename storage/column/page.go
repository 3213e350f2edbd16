package column

import (
	"encoding/binary"
	"fmt"
	"math/bits"
	"slices"
	"sort"
)

// PageMax is up to how many codes a CodePage has.
const PageMax = 1<<16 - 1

// CodePage is an array of codes in the form in which it was stored: runs stay
// runs and bytes stay bytes, so that to find the places of a code is cheaper
// than to decode all of them. It is read only.
type CodePage struct {
	n         int
	low, high []byte   // of the heads: their codes, of codes below 256 only low
	local     []uint32 // what the heads stand for if not for themselves
	wide      []uint32 // the heads in any other form, instead of low
	ends      []uint16 // where the run of each head ends; nil: each is one value
	bytes     int
	room      []uint16 // for the next page's ends
}

// ParseCodePage reads the n codes that fill src, which the page holds on to.
// Each must be below limit.
func ParseCodePage(src []byte, n int, limit uint32) (*CodePage, error) {
	p := &CodePage{}
	if err := p.Parse(src, n, limit); err != nil {
		return nil, err
	}
	return p, nil
}

// Parse is ParseCodePage in the memory of a page that nobody reads any more.
// After an error the page is of no use but to parse another.
func (p *CodePage) Parse(src []byte, n int, limit uint32) error {
	rest, err := p.ParseFirst(src, n, limit)
	if err == nil && len(rest) != 0 {
		return fmt.Errorf("decode page of codes: %d bytes left: %w", len(rest), ErrCorrupt)
	}
	return err
}

// ParseFirst is Parse of the codes at the start of src and returns the rest.
func (p *CodePage) ParseFirst(src []byte, n int, limit uint32) ([]byte, error) {
	if n <= 0 || n > PageMax {
		return nil, fmt.Errorf("decode page of %d codes: %w", n, ErrTooLong)
	}
	room := p.room
	if p.ends != nil {
		room = p.ends // it may have grown
	}
	*p = CodePage{n: n, room: room[:0]}
	rest, err := p.parse(src)
	if err != nil {
		return nil, err
	}
	p.bytes = len(src) - len(rest) + 4*(len(p.local)+len(p.wide)) + 2*len(p.ends)
	if !p.below(limit) {
		return nil, fmt.Errorf("decode page of codes: not all of them below %d: %w", limit, ErrCorrupt)
	}
	return rest, nil
}

// ConstantPage returns the page of n times the code 0, n up to PageMax.
func ConstantPage(n int) *CodePage {
	return &CodePage{n: n, wide: []uint32{0}, ends: []uint16{uint16(n)}}
}

func (p *CodePage) parse(src []byte) ([]byte, error) {
	encoding, rest, err := readByte(src, "encoding of codes")
	if err != nil {
		return nil, err
	}
	switch encoding {
	case codesConstant:
		p.ends = append(p.room[:0], uint16(p.n))
		return p.parseHeads(src, 1, false)
	case codesRuns:
		count, rest, err := readUvarint(rest, "run count")
		if err != nil || count > uint64(p.n) {
			return nil, fmt.Errorf("decode %d runs of %d codes: %w", count, p.n, ErrCorrupt)
		}
		if rest, err = p.parseHeads(rest, int(count), false); err != nil {
			return nil, err
		}
		return p.parseEnds(rest, int(count))
	}
	return p.parseHeads(src, p.n, true)
}

// parseHeads reads the heads of so many runs, or so many codes.
func (p *CodePage) parseHeads(src []byte, count int, mayNest bool) (rest []byte, err error) {
	encoding, rest, err := readByte(src, "encoding of codes")
	if err != nil {
		return nil, err
	}
	switch {
	case encoding == codesPlanes && len(rest)/2 >= count:
		p.low, p.high = rest[:count:count], rest[count:2*count:2*count]
		return rest[2*count:], nil
	case encoding == codesLocal && mayNest:
		if p.local, rest, err = decodeDistinct(rest, count); err != nil {
			return nil, err
		}
		if width, rest, err := readWidth(rest, count, 32); err == nil && width == 8 {
			p.low = rest[:count:count]
			return rest[count:], nil
		}
		p.local = nil
	case encoding == codesPacked:
		if width, rest, err := readWidth(rest, count, 32); err == nil && width == 8 {
			p.low = rest[:count:count]
			return rest[count:], nil
		}
	}
	p.wide, rest, err = decodeCodes(nil, src, count, mayNest)
	return rest, err
}

// endsChunk is how many lengths of runs are decoded at a time: they stay in the
// nearest cache, and what is kept is small.
const endsChunk = 256

// parseEnds reads the lengths of so many runs.
func (p *CodePage) parseEnds(src []byte, count int) ([]byte, error) {
	p.ends = slices.Grow(p.room[:0], count)
	if count == 0 || len(src) < 2 || src[0] != intsSkewed || src[1]&15 != skewedOffsets {
		lengths, rest, err := decodeInts(nil, src, count, nil)
		if err != nil || !p.addEnds(lengths, 0) {
			return nil, fmt.Errorf("decode %d runs of codes: %w", count, ErrCorrupt)
		}
		return rest, p.endsWhole()
	}
	var r skewedReader
	if err := r.header(src[1:]); err != nil {
		return nil, err
	}
	if count >= pairedMin {
		r.pair()
	}
	var chunk [endsChunk]int64
	for count > 0 {
		lengths := chunk[:min(count, endsChunk)]
		if err := r.next(lengths); err != nil {
			return nil, err
		}
		if !p.addEnds(lengths, r.base) {
			return nil, fmt.Errorf("decode runs of codes: %w", ErrCorrupt)
		}
		count -= len(lengths)
	}
	return r.rest(), p.endsWhole()
}

// addEnds adds runs of these lengths and base, each one less than it is.
func (p *CodePage) addEnds(lengths []int64, base int64) bool {
	at := uint64(0)
	if len(p.ends) > 0 {
		at = uint64(p.ends[len(p.ends)-1])
	}
	ends := p.ends[len(p.ends) : len(p.ends)+len(lengths)]
	for i, length := range lengths {
		if uint64(length+base) >= uint64(p.n)-at {
			return false
		}
		at += uint64(length+base) + 1
		ends[i] = uint16(at)
	}
	p.ends = p.ends[:len(p.ends)+len(lengths)]
	return true
}

// endsWhole checks that the runs make up the page.
func (p *CodePage) endsWhole() error {
	if len(p.ends) == 0 || int(p.ends[len(p.ends)-1]) != p.n {
		return fmt.Errorf("decode runs of codes: not %d in all: %w", p.n, ErrCorrupt)
	}
	return nil
}

// below reports whether all codes are below limit, and all positions those of
// distinct codes.
func (p *CodePage) below(limit uint32) bool {
	switch {
	case p.high != nil:
		if limit == 0 || anyAbove(p.high, (limit-1)>>8) {
			return false
		}
		return !anyAbove(p.low, (limit-1)&0xff) || !topAbove(p.low, p.high, limit-1)
	case p.local != nil:
		if len(p.local) == 0 || anyAbove(p.low, uint32(len(p.local)-1)) {
			return false
		}
		for _, code := range p.local {
			if code >= limit {
				return false
			}
		}
		return true
	case p.low != nil:
		return limit > 0 && !anyAbove(p.low, limit-1)
	}
	for _, code := range p.wide {
		if code >= limit {
			return false
		}
	}
	return true
}

// anyAbove reports whether some byte is greater than most; eight are compared
// at a time.
func anyAbove(src []byte, most uint32) bool {
	const (
		each  = 0x0101010101010101
		highs = 0x80 * each
	)
	if most >= 0xff {
		return false
	}
	// Of a byte below 128 the sum with add has the highest bit if it is above
	// most, or above most - 128; of others it matters what their own one is.
	add, upper := uint64(0x7f-most&0x7f)*each, most >= 0x80
	var found uint64
	for ; len(src) >= 8; src = src[8:] {
		word := binary.LittleEndian.Uint64(src)
		sum := word&^highs + add
		if upper {
			found |= sum & word
		} else {
			found |= sum | word
		}
	}
	for _, b := range src {
		if uint32(b) > most {
			return true
		}
	}
	return found&highs != 0
}

// topAbove reports whether some code of planes is greater than most, none of which has a
// greater high byte. Eight codes are compared at a time.
func topAbove(lows, highs []byte, most uint32) bool {
	const (
		each   = 0x0101010101010101
		sevens = 0x7f * each
	)
	lows = lows[:len(highs)]
	low, high := most&0xff, byte(most>>8)
	// See anyAbove for add and upper.
	add, upper := uint64(0x7f-low&0x7f)*each, low >= 0x80
	var found uint64
	at := 0
	for ; at+8 <= len(highs); at += 8 {
		differ := binary.LittleEndian.Uint64(highs[at:]) ^ uint64(high)*each
		same := ^((differ&sevens + sevens) | differ | sevens) // the highest bit of bytes that are high
		word := binary.LittleEndian.Uint64(lows[at:])
		sum := word&sevens + add
		if upper {
			found |= sum & word & same
		} else {
			found |= (sum | word) & same
		}
	}
	for ; at < len(highs); at++ {
		if highs[at] == high && uint32(lows[at]) > low {
			return true
		}
	}
	return found != 0
}

// Bytes returns about how much memory the page takes.
func (p *CodePage) Bytes() int64 { return int64(p.bytes) }

// head returns the code of a run, or of a place if there are no runs.
func (p *CodePage) head(i int) uint32 {
	switch {
	case p.high != nil:
		return uint32(p.high[i])<<8 | uint32(p.low[i])
	case p.local != nil:
		return p.local[p.low[i]]
	case p.low != nil:
		return uint32(p.low[i])
	}
	return p.wide[i]
}

// Runs returns how many runs the page has: stretches with one code. Two that
// touch may have the same.
func (p *CodePage) Runs() int {
	if p.ends == nil {
		return p.n
	}
	return len(p.ends)
}

// Run returns the code of a run and the place after it.
func (p *CodePage) Run(i int) (code, end uint32) {
	if p.ends == nil {
		return p.head(i), uint32(i) + 1
	}
	return p.head(i), uint32(p.ends[i])
}

// AppendTo appends all codes.
func (p *CodePage) AppendTo(dst []uint32) []uint32 {
	all, added := grow(dst, p.n)
	if p.ends == nil {
		for i := range added {
			added[i] = p.head(i)
		}
		return all
	}
	from := 0
	for i, end := range p.ends {
		code, run := p.head(i), added[from:end]
		for j := range run {
			run[j] = code
		}
		from = int(end)
	}
	return all
}

// fewAsked is the share of the runs, one in so many, up to which the run of
// each asked place is searched for.
const fewAsked = 16

// AppendAt appends the codes at places, which ascend; first is the place at
// which the page begins.
func (p *CodePage) AppendAt(dst []uint32, places []uint32, first uint32) []uint32 {
	if len(places) == p.n {
		return p.AppendTo(dst)
	}
	all, added := grow(dst, len(places))
	if p.ends == nil {
		for i, place := range places {
			added[i] = p.head(int(place - first))
		}
		return all
	}
	run := 0
	few := len(places) < len(p.ends)/fewAsked
	for i, place := range places {
		place -= first
		if few {
			left := p.ends[run:]
			run += sort.Search(len(left), func(k int) bool { return uint32(left[k]) > place })
		}
		for uint32(p.ends[run]) <= place {
			run++
		}
		added[i] = p.head(run)
	}
	return all
}

// Mark sets the bit of each place whose code is in wanted and clears that of
// each other one, and reports whether there is any. Both are sets of bits: of
// the places of the page, and of all codes below the limit.
func (p *CodePage) Mark(places, wanted []uint64) bool {
	if p.local != nil {
		local := make([]uint64, (len(p.local)+63)/64)
		for i, code := range p.local {
			local[i>>6] |= wanted[code>>6] >> (code & 63) & 1 << (i & 63)
		}
		wanted = local
	}
	places = places[:(p.n+63)/64]
	if p.ends == nil {
		return p.markHeads(places, wanted)
	}
	clear(places)
	var heads [(PageMax + 63) / 64]uint64
	if !p.markHeads(heads[:(len(p.ends)+63)/64], wanted) {
		return false
	}
	for word, set := range heads[:(len(p.ends)+63)/64] {
		for ; set != 0; set &= set - 1 {
			run := word<<6 + bits.TrailingZeros64(set)
			from := uint(0)
			if run > 0 {
				from = uint(p.ends[run-1])
			}
			setRange(places, from, uint(p.ends[run]))
		}
	}
	return true
}

// setRange sets the bits from <= bit < to, of which there is one at least.
func setRange(set []uint64, from, to uint) {
	word, last := from>>6, (to-1)>>6
	if word == last {
		set[word] |= (1<<(to-from) - 1) << (from & 63)
		return
	}
	set[word] |= ^uint64(0) << (from & 63)
	for word++; word < last; word++ {
		set[word] = ^uint64(0)
	}
	set[last] |= ^uint64(0) >> (-to & 63)
}

// markHeads sets the bits of those heads that are wanted, clears the others and
// reports whether there is any.
func (p *CodePage) markHeads(marks, wanted []uint64) bool {
	if codes, few := fewOf(wanted); few && p.high != nil {
		return p.markFew(marks, codes)
	}
	if p.high != nil && len(wanted) <= tableCodes/64 {
		return p.markTable(marks, wanted)
	}
	if p.low != nil && p.high == nil {
		return p.markLow(marks, wanted)
	}
	low, high, wide := p.low, p.high, p.wide
	var any uint64
	for word := range marks {
		var set uint64
		if high != nil {
			n := min(64, len(low))
			top := high[:n]
			for i, b := range low[:n] {
				set |= wanted[uint(top[i])<<2|uint(b)>>6] >> (b & 63) & 1 << (i & 63)
			}
			low, high = low[n:], high[n:]
		} else {
			n := min(64, len(wide))
			for i, code := range wide[:n] {
				set |= wanted[code>>6] >> (code & 63) & 1 << (i & 63)
			}
			wide = wide[n:]
		}
		marks[word] = set
		any |= set
	}
	return any != 0
}

// tableCodes is up to how many codes a page may have for what is wanted of them to be
// looked up in a table of bytes, which stays in the nearest cache.
const tableCodes = 1 << 13

// markTable is markHeads of planes of codes below tableCodes.
func (p *CodePage) markTable(marks, wanted []uint64) bool {
	var table [tableCodes]byte
	for word, set := range wanted {
		for ; set != 0; set &= set - 1 {
			table[(word<<6|bits.TrailingZeros64(set))&(tableCodes-1)] = 1
		}
	}
	at := func(high, low byte) byte { return table[(uint(high)<<8|uint(low))&(tableCodes-1)] }
	whole := len(p.low) &^ 63
	var any uint64
	for from := 0; from < whole; from += 64 {
		var set uint64
		for i := from; i < from+64; i += 8 {
			low, high := p.low[i:i+8:i+8], p.high[i:i+8:i+8]
			eight := at(high[0], low[0]) | at(high[1], low[1])<<1 | at(high[2], low[2])<<2 | at(high[3], low[3])<<3 |
				at(high[4], low[4])<<4 | at(high[5], low[5])<<5 | at(high[6], low[6])<<6 | at(high[7], low[7])<<7
			set |= uint64(eight) << (i & 63)
		}
		marks[from>>6] = set
		any |= set
	}
	if whole < len(p.low) {
		var set uint64
		for i := whole; i < len(p.low); i++ {
			set |= uint64(at(p.high[i], p.low[i])) << (i & 63)
		}
		marks[whole>>6] = set
		any |= set
	}
	return any != 0
}

// markLow is markHeads of codes of one byte.
func (p *CodePage) markLow(marks, wanted []uint64) bool {
	var table [256]byte
	for code := range min(len(table), 64*len(wanted)) {
		table[code] = byte(wanted[code>>6] >> (code & 63) & 1)
	}
	whole := len(p.low) &^ 63
	var any uint64
	for from := 0; from < whole; from += 64 {
		var set uint64
		for i := from; i < from+64; i += 8 {
			low := p.low[i : i+8 : i+8]
			eight := table[low[0]] | table[low[1]]<<1 | table[low[2]]<<2 | table[low[3]]<<3 |
				table[low[4]]<<4 | table[low[5]]<<5 | table[low[6]]<<6 | table[low[7]]<<7
			set |= uint64(eight) << (i & 63)
		}
		marks[from>>6] = set
		any |= set
	}
	if whole < len(p.low) {
		var set uint64
		for i, code := range p.low[whole:] {
			set |= uint64(table[code]) << (i & 63)
		}
		marks[whole>>6] = set
		any |= set
	}
	return any != 0
}

// fewCodes is up to how many codes are looked for one after the other.
const fewCodes = 3

// fewOf returns the members of a set if they are few.
func fewOf(wanted []uint64) (codes []uint32, few bool) {
	codes = make([]uint32, 0, fewCodes)
	for word, set := range wanted {
		for ; set != 0; set &= set - 1 {
			if len(codes) == fewCodes {
				return nil, false
			}
			codes = append(codes, uint32(word)<<6|uint32(bits.TrailingZeros64(set)))
		}
	}
	return codes, true
}

// markFew is markHeads of planes for few codes: eight heads are compared at a
// time.
func (p *CodePage) markFew(marks []uint64, codes []uint32) bool {
	const (
		each   = 0x0101010101010101
		sevens = 0x7f * each
		gather = 0x0102040810204080 // brings the lowest bits of eight bytes together
	)
	clear(marks)
	whole := len(p.low) &^ 63
	var any uint64
	for _, code := range codes {
		low, high := uint64(code&0xff)*each, uint64(code>>8)*each
		for at := 0; at < whole; at += 64 {
			lows, highs := p.low[at:at+64:at+64], p.high[at:at+64:at+64]
			var set uint64
			for i := 0; i < 64; i += 8 {
				differ := (binary.LittleEndian.Uint64(lows[i:]) ^ low) | (binary.LittleEndian.Uint64(highs[i:]) ^ high)
				same := ^((differ&sevens + sevens) | differ | sevens)
				set |= (same >> 7 * gather) >> 56 << i
			}
			marks[at>>6] |= set
			any |= set
		}
		for i := whole; i < len(p.low); i++ {
			if uint32(p.high[i])<<8|uint32(p.low[i]) == code {
				marks[i>>6] |= 1 << (i & 63)
				any = 1
			}
		}
	}
	return any != 0
}

// AppendMapped appends, as an array of codes that is read at once, for each of some
// codes what a table has for it, less 1. It returns the places for which the table has
// 0, to be filled in by FillMapped. The table has all codes; what it has is at most
// 1<<16.
func AppendMapped(dst []byte, codes, table, unknown []uint32) (mapped []byte, places []uint32) {
	n := len(codes)
	all, planes := grow(append(dst, codesPlanes), 2*n)
	low, high := planes[:n], planes[n:]
	for i, code := range codes {
		own := table[code]
		if own == 0 {
			unknown = append(unknown, uint32(i))
			continue
		}
		low[i], high[i] = byte(own-1), byte((own-1)>>8)
	}
	return all, unknown
}

// FillMapped puts codes, below 1<<16, at places of a page of n codes that
// AppendMapped has made.
func FillMapped(mapped []byte, n int, places, codes []uint32) {
	low, high := mapped[1:][:n], mapped[1+n:][:n]
	for i, place := range places {
		low[place], high[place] = byte(codes[i]), byte(codes[i]>>8)
	}
}
