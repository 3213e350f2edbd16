package derived

import "math/bits"

// packed is an array of small numbers, each in as many bits as the largest of its
// stretch needs. It never changes.
type packed struct {
	n      int
	pieces []piece
}

// pieceRows is how many numbers are a stretch.
const pieceRows = 1 << 12

// piece is a stretch of numbers; without words all are 0.
type piece struct {
	words []uint64
	width uint8
}

// pack packs numbers.
func pack(numbers []uint32) packed {
	p := packed{n: len(numbers), pieces: make([]piece, 0, (len(numbers)+pieceRows-1)/pieceRows)}
	for len(numbers) > 0 {
		some := numbers[:min(len(numbers), pieceRows)]
		numbers = numbers[len(some):]
		all := uint32(0)
		for _, number := range some {
			all |= number
		}
		width := bits.Len32(all)
		one := piece{width: uint8(width), words: make([]uint64, (len(some)*width+63)/64)}
		for i, number := range some {
			if width == 0 {
				break
			}
			at, shift := i*width/64, i*width%64
			one.words[at] |= uint64(number) << shift
			if shift+width > 64 {
				one.words[at+1] |= uint64(number) >> (64 - shift)
			}
		}
		p.pieces = append(p.pieces, one)
	}
	return p
}

// at returns a number.
func (p *packed) at(i uint32) uint32 {
	one := &p.pieces[i/pieceRows]
	return one.at(int(i % pieceRows))
}

func (p *piece) at(i int) uint32 {
	if p.width == 0 {
		return 0
	}
	width := int(p.width)
	at, shift := i*width/64, i*width%64
	number := p.words[at] >> shift
	if shift+width > 64 {
		number |= p.words[at+1] << (64 - shift)
	}
	return uint32(number & (1<<width - 1))
}

// bytes returns about how many it takes.
func (p *packed) bytes() (n int64) {
	for i := range p.pieces {
		n += 32 + 8*int64(len(p.pieces[i].words))
	}
	return n
}
