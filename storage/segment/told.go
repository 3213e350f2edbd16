package segment

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/internal/wire"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/column"
	"github.com/stere-log/stere/storage/part"
)

// What was made of all records of a segment can be kept beside it, also for later
// starts. Most of it follows from the shape of a message, so it is written as one value
// for each code of the messages and the rows for which that is not right.

// Beside is where values are kept beside a segment.
type Beside interface {
	// Get returns nil if there is no value.
	Get(name string) ([]byte, error)
	Set(name string, value []byte) error
}

// Limits of what is kept.
const (
	toldVersion  byte = 1
	toldDictMax       = 1 << 12 // distinct values
	toldLevel         = 9       // of compression
	toldFree          = 512     // bytes that are always worth it
	toldBytesMax      = 1 << 20
	toldRawMax        = 16 << 20 // before they are compressed
	toldShare         = 16       // beyond that one byte for so many rows
	toldGridMax       = 1 << 20  // counts that are in an array
)

// KeepBeside says where values are kept beside the segment. It must be called before
// anything is read.
func (s *Segment) KeepBeside(beside Beside) { s.beside = beside }

var _ part.Teller = (*Segment)(nil)

// fingerprint stands for the segment as it was built: what is kept is of its codes.
func (s *Segment) fingerprint() uint64 { return uint64(s.meta.Rows)<<32 | uint64(s.print) }

// messageCodes returns the column of messages, nil if there is none.
func (s *Segment) messageCodes() *columnReader {
	for _, source := range s.named[model.FieldMessage] {
		if c := source.(*columnReader); c.meta.kind == model.String {
			return c
		}
	}
	return nil
}

// eachMessageCode calls yield with the code of each row's message and 1, 0 for none, in order.
func (s *Segment) eachMessageCode(ctx context.Context, yield func(row, code uint32)) error {
	next := uint32(0)
	c := s.messageCodes()
	if c != nil {
		present, places, err := c.places(index.DocSetRange(0, s.meta.Rows))
		if err != nil {
			return err
		}
		var room []uint32
		err = c.eachCodePage(ctx, places, func(page uint32, from, to int, codes *column.CodePage) error {
			room = codes.AppendAt(room[:0], places[from:to], page*PageRows)
			for i, code := range room {
				for row := present[from+i]; next < row; next++ {
					yield(next, 0)
				}
				yield(next, code+1)
				next++
			}
			return ctx.Err()
		})
		if err != nil {
			return err
		}
	}
	for ; next < s.meta.Rows; next++ {
		yield(next, 0)
	}
	return nil
}

// codesMax is how many numbers eachMessageCode yields.
func (s *Segment) codesMax() uint32 {
	if c := s.messageCodes(); c != nil {
		return c.meta.dict + c.meta.codeBase() + 1
	}
	return 1
}

// toldHead is how long what stands before the frame is: version, fingerprint, what made it.
const toldHead = 1 + 8 + 8

// Tells implements part.Teller.
func (s *Segment) Tells(name string, by uint64) bool {
	if s.beside == nil {
		return false
	}
	value, err := s.beside.Get(name)
	return err == nil && len(value) > toldHead && s.ofThis(value) && madeBy(value) == by
}

// ofThis reports whether a value says that it is of this segment.
func (s *Segment) ofThis(value []byte) bool {
	return value[0] == toldVersion && binary.LittleEndian.Uint64(value[1:]) == s.fingerprint()
}

// madeBy returns the version of what made a value.
func madeBy(value []byte) uint64 { return binary.LittleEndian.Uint64(value[9:]) }

// Told implements part.Teller.
func (s *Segment) Told(ctx context.Context, name string, by uint64) (*part.Telling, error) {
	if s.beside == nil {
		return nil, nil
	}
	value, err := s.beside.Get(name)
	if err != nil || value == nil {
		return nil, err
	}
	t, ofCode, rows, numbers, err := s.parseTold(value, by)
	if err != nil || t == nil {
		return nil, err
	}
	t.Of = make([]uint32, s.meta.Rows)
	if err := s.eachMessageCode(ctx, func(row, code uint32) { t.Of[row] = ofCode[code] }); err != nil {
		return nil, err
	}
	for i, row := range rows {
		t.Of[row] = numbers[i]
	}
	return t, nil
}

// parseTold reads what was kept: the values of codes, and those of some rows; nil if
// another version made it.
func (s *Segment) parseTold(value []byte, by uint64) (t *part.Telling, ofCode, rows, numbers []uint32, err error) {
	fail := func(err error) (*part.Telling, []uint32, []uint32, []uint32, error) {
		return nil, nil, nil, nil, errors.Join(fmt.Errorf("what is kept beside a segment: %w", ErrCorrupt), err)
	}
	content, err := checked(value)
	if err != nil {
		return fail(err)
	}
	if len(content) < toldHead || !s.ofThis(content) {
		return nil, nil, nil, nil, fmt.Errorf("what is kept beside a segment is of another one: %w", ErrCorrupt)
	}
	if madeBy(content) != by {
		return nil, nil, nil, nil, nil
	}
	raw, err := column.Decompress(nil, content[toldHead:], toldRawMax)
	if err != nil {
		return fail(err)
	}
	r := wire.NewReader(raw)
	dict, few := int(r.Bounded(toldDictMax)), int(r.Bounded(s.meta.Rows))
	if r.Failed() {
		return fail(nil)
	}
	t, rest := &part.Telling{By: madeBy(content)}, r.Rest()
	if t.Dict, rest, err = column.Strings(nil, rest, dict); err != nil {
		return fail(err)
	}
	if ofCode, rest, err = column.Codes(nil, rest, int(s.codesMax())); err != nil {
		return fail(err)
	}
	steps, rest, err := column.Codes(nil, rest, few)
	if err != nil {
		return fail(err)
	}
	if numbers, rest, err = column.Codes(nil, rest, few); err != nil || len(rest) > 0 {
		return fail(err)
	}
	row := int64(-1)
	for _, step := range steps {
		if row += int64(step) + 1; row >= int64(s.meta.Rows) {
			return fail(nil)
		}
		rows = append(rows, uint32(row))
	}
	for _, list := range [][]uint32{ofCode, numbers} {
		for _, number := range list {
			if number > uint32(dict) {
				return fail(nil)
			}
		}
	}
	return t, ofCode, rows, numbers, nil
}

// Tell implements part.Teller.
func (s *Segment) Tell(ctx context.Context, name string, t *part.Telling) error {
	if s.beside == nil || len(t.Dict) > toldDictMax || len(t.Of) != int(s.meta.Rows) {
		return nil
	}
	codes := make([]uint32, 0, s.meta.Rows)
	if err := s.eachMessageCode(ctx, func(_, code uint32) { codes = append(codes, code) }); err != nil {
		return err
	}
	ofCode := mostFrequent(codes, t.Of, int(s.codesMax()), len(t.Dict)+1)
	var steps, numbers []uint32
	last := -1
	for row, number := range t.Of {
		if ofCode[codes[row]] != number {
			steps, numbers = append(steps, uint32(row-last-1)), append(numbers, number)
			last = row
		}
	}
	raw := binary.AppendUvarint(binary.AppendUvarint(nil, uint64(len(t.Dict))), uint64(len(steps)))
	raw = column.AppendCodes(column.AppendStrings(raw, t.Dict), ofCode)
	raw = column.AppendCodes(column.AppendCodes(raw, steps), numbers)
	if len(raw) > toldRawMax {
		return nil // it could not be read back
	}
	value := binary.LittleEndian.AppendUint64([]byte{toldVersion}, s.fingerprint())
	value = binary.LittleEndian.AppendUint64(value, t.By)
	value = column.Compress(value, raw, toldLevel)
	value = binary.LittleEndian.AppendUint32(value, crc32.Checksum(value, castagnoli))
	if len(value) > min(toldBytesMax, toldFree+len(t.Of)/toldShare) {
		return nil // dearer to keep than to make
	}
	return s.beside.Set(name, value)
}

// mostFrequent returns the number that most rows of each code have.
func mostFrequent(codes, numbers []uint32, codesMax, numbersMax int) []uint32 {
	best, ofCode := make([]uint32, codesMax), make([]uint32, codesMax)
	note := func(code, number, n uint32) {
		if n > best[code] {
			best[code], ofCode[code] = n, number
		}
	}
	if codesMax*numbersMax <= toldGridMax {
		counts := make([]uint32, codesMax*numbersMax)
		for row, code := range codes {
			n := &counts[int(code)*numbersMax+int(numbers[row])]
			*n++
			note(code, numbers[row], *n)
		}
		return ofCode
	}
	counts := make(map[[2]uint32]uint32, codesMax)
	for row, code := range codes {
		pair := [2]uint32{code, numbers[row]}
		counts[pair]++
		note(code, numbers[row], counts[pair])
	}
	return ofCode
}
