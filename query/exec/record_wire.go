package exec

import (
	"encoding/binary"
	"math"

	"github.com/stere-log/stere/internal/wire"
	"github.com/stere-log/stere/model"
)

// namesOut numbers the names of fields that were written before, so that each
// is in an answer once.
type namesOut map[string]int

// append appends a record.
func (names namesOut) append(dst []byte, record *model.Record) []byte {
	dst = append(binary.AppendVarint(dst, record.Time), record.TimeDigits)
	dst = binary.AppendUvarint(dst, uint64(len(record.Fields)))
	for _, field := range record.Fields {
		number, known := names[field.Name]
		if !known {
			number = len(names)
			names[field.Name] = number
		}
		if dst = binary.AppendUvarint(dst, uint64(number)); !known {
			dst = appendText(dst, field.Name)
		}
		dst = appendText(append(dst, byte(field.Kind)), field.Text)
	}
	return dst
}

// namesIn are the names of fields that were read before.
type namesIn []string

// fieldMin is the least that a field takes: a name's number, kind and length;
// timeDigitsMax is the most digits that a time's fraction has.
const (
	fieldMin      = 3
	timeDigitsMax = 9
)

// take takes a record.
func (names *namesIn) take(r *wire.Reader) model.Record {
	record := model.Record{Time: r.Varint(), TimeDigits: r.Byte()}
	n := r.Uvarint()
	if n > uint64(r.Len()/fieldMin) || record.TimeDigits > timeDigitsMax {
		r.Fail()
		return record
	}
	if n > 0 {
		record.Fields = make([]model.Field, n)
	}
	for i := range record.Fields {
		number := r.Uvarint()
		switch {
		case r.Failed() || number > uint64(len(*names)):
			r.Fail()
			return record
		case number == uint64(len(*names)):
			*names = append(*names, r.String())
		}
		field := model.Field{Name: (*names)[number], Kind: model.Kind(r.Byte()), Text: r.String()}
		if !field.Kind.Valid() {
			r.Fail()
		}
		record.Fields[i] = field
	}
	return record
}

// Append appends the position in the form that TakePosition takes.
func (p *Position) Append(dst []byte) []byte {
	dst = appendID(binary.AppendVarint(dst, p.Time), p.ID)
	for i := range p.Values {
		v := &p.Values[i]
		dst = append(dst, byte(v.Class))
		switch v.Class {
		case ClassNumber:
			dst = binary.LittleEndian.AppendUint64(dst, math.Float64bits(v.Number))
			dst = binary.AppendVarint(dst, v.Whole)
		case ClassText:
			dst = appendText(dst, v.Text)
		}
	}
	return dst
}

// TakePosition takes a position with so many sort values.
func TakePosition(r *wire.Reader, sorts int) Position {
	p := Position{Time: r.Varint(), ID: takeID(r)}
	if sorts > 0 && sorts <= r.Len() {
		p.Values = make([]SortValue, sorts)
	} else if sorts > 0 {
		r.Fail()
	}
	for i := range p.Values {
		v := SortValue{Class: Class(r.Byte())}
		switch v.Class {
		case ClassNumber:
			v.Number, v.Whole = math.Float64frombits(takeUint64(r)), r.Varint()
			if math.IsNaN(v.Number) {
				r.Fail()
			}
		case ClassText:
			v.Text = r.String()
		case ClassMissing:
		default:
			r.Fail()
		}
		p.Values[i] = v
	}
	return p
}

// appendID appends a record's id.
func appendID(dst []byte, id model.RecordID) []byte {
	dst = binary.AppendUvarint(dst, uint64(id.Shard))
	dst = binary.AppendUvarint(dst, id.Index)
	return binary.AppendUvarint(dst, uint64(id.Ordinal))
}

// takeID takes a record's id.
func takeID(r *wire.Reader) model.RecordID {
	return model.RecordID{Shard: model.ShardID(r.Uint32()), Index: r.Uvarint(), Ordinal: r.Uint32()}
}
