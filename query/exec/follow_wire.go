package exec

import (
	"encoding/binary"
	"math"

	"github.com/stere-log/stere/internal/wire"
	"github.com/stere-log/stere/model"
)

// AppendMark appends a mark in the form that TakeMark takes.
func AppendMark(dst []byte, mark model.Mark) []byte {
	return binary.AppendUvarint(binary.AppendUvarint(dst, mark.Index), uint64(mark.Ordinal))
}

// TakeMark takes a mark.
func TakeMark(r *wire.Reader) model.Mark {
	return model.Mark{Index: r.Uvarint(), Ordinal: r.Uint32()}
}

// AppendFollowed appends records of Follow in the form that TakeFollowed takes.
func AppendFollowed(dst []byte, found []Followed) []byte {
	names := namesOut{}
	dst = binary.AppendUvarint(dst, uint64(len(found)))
	for i := range found {
		dst = AppendMark(dst, found[i].ID.Mark())
		dst = binary.AppendUvarint(dst, uint64(len(found[i].Filters)))
		for _, n := range found[i].Filters {
			dst = binary.AppendUvarint(dst, uint64(n))
		}
		dst = names.append(dst, &found[i].Record)
	}
	return dst
}

// followedMin is the least that a record of Follow takes.
const followedMin = 6

// TakeFollowed takes records of a shard that satisfy some of so many filters.
func TakeFollowed(r *wire.Reader, shard model.ShardID, filters int) []Followed {
	n := r.Uvarint()
	if n > uint64(r.Len()/followedMin) {
		r.Fail()
		return nil
	}
	found := make([]Followed, 0, n)
	names := namesIn{}
	for range n {
		mark := TakeMark(r)
		one := Followed{ID: model.RecordID{Shard: shard, Index: mark.Index, Ordinal: mark.Ordinal}}
		for range r.Bounded(uint32(min(filters, math.MaxInt32))) {
			number := r.Bounded(math.MaxInt32)
			if int(number) >= filters || r.Failed() {
				r.Fail()
				return nil
			}
			one.Filters = append(one.Filters, int(number))
		}
		if one.Record = names.take(r); r.Failed() {
			return nil
		}
		found = append(found, one)
	}
	return found
}
