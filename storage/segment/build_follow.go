package segment

import (
	"encoding/binary"
	"slices"
)

// Which columns may follow the messages. Few values take little as they are,
// and are often asked for alone; of a field that few rows have, the pages of
// the guide would be read for little.
const (
	followDistinct = 12        // values that a column has at least
	followRows     = 8         // one row in so many has it at least
	followListed   = 4         // one value in so many may be listed
	followDictMax  = 1 << 16   // values at most
	followKept     = 128 << 20 // bytes of codes that wait for those of the guide
)

// follower is a column whose codes wait for those of the messages, which are
// built last.
type follower struct {
	number      uint32
	rows, codes []uint32
}

// guideCodes are the codes of the messages, one for each row.
type guideCodes struct {
	number uint32
	size   uint32 // codes that are possible
	codes  []uint32
}

// mayFollow reports whether the column's codes are worth waiting, and keeps
// them if so.
func (c *columnBuilder) mayFollow(data *columnData) bool {
	dict, bytes := len(data.dict), 8*len(data.rows)
	if dict < followDistinct || dict > followDictMax || len(data.rows) < int(c.rows)/followRows || c.followKept+bytes > followKept {
		return false
	}
	c.followKept += bytes
	c.followers = append(c.followers, follower{c.number, data.rows, data.codes})
	return true
}

// emitFollowers writes the codes of the columns that waited.
func (b *builder) emitFollowers() error {
	for i := range b.followers {
		if err := b.emitFollower(&b.followers[i]); err != nil {
			return err
		}
	}
	b.followers, b.guide = nil, guideCodes{}
	return nil
}

func (b *builder) emitFollower(f *follower) error {
	meta := &b.meta.columns[f.number]
	own, listed := b.followed(f)
	meta.follows = listed <= len(f.codes)/followListed
	var some []uint32
	for lo := 0; lo < len(f.codes); lo += PageRows {
		page := f.codes[lo:min(lo+PageRows, len(f.codes))]
		var spread []byte
		if meta.follows {
			rows := f.rows[lo:][:len(page)]
			first := rows[0] / PageRows
			listed := make([]uint64, rows[len(rows)-1]/PageRows-first+1) // by page of rows
			some = some[:0]
			for i, code := range page {
				if own[b.guide.codes[rows[i]]] == 0 {
					some = append(some, code)
					listed[rows[i]/PageRows-first]++
				}
			}
			page = some
			if b.meta.version > VersionMinutes {
				for _, n := range listed {
					spread = binary.AppendUvarint(spread, n)
				}
			}
		}
		if len(page) == 0 {
			continue
		}
		b.raw = b.encoder.AppendCodes(append(b.raw[:0], spread...), page)
		if err := b.emit(followKey(f.number, uint32(lo/PageRows)), b.compress(b.raw)); err != nil {
			return err
		}
	}
	if !meta.follows {
		return nil
	}
	raw := binary.AppendUvarint(nil, uint64(b.guide.number))
	return b.emit(followKey(f.number, followMap), b.compress(b.encoder.AppendCodes(raw, own)))
}

// followed returns for each code of the guide the code, plus 1, that the
// column has wherever the guide has that one, 0 if there is no such code; and
// how many values of the column have none. All have none without a guide.
func (b *builder) followed(f *follower) (own []uint32, listed int) {
	if b.guide.codes == nil {
		return nil, len(f.codes)
	}
	const several = ^uint32(0)
	own, counts := make([]uint32, b.guide.size), make([]int, b.guide.size)
	for i, row := range f.rows {
		guiding, code := b.guide.codes[row], f.codes[i]+1
		if own[guiding] == 0 {
			own[guiding] = code
		} else if own[guiding] != code {
			own[guiding] = several
		}
		counts[guiding]++
	}
	for guiding, code := range own {
		if code == several {
			own[guiding] = 0
			listed += counts[guiding]
		}
	}
	return own, listed
}

// beGuide notes the codes of a column that all rows have as those that others may
// follow.
func (c *columnBuilder) beGuide(codes []uint32) {
	if c.meta.count == c.rows {
		c.guide = guideCodes{number: c.number, size: c.meta.dict + 1, codes: slices.Clip(codes)}
	}
}
