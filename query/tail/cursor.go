package tail

import (
	"encoding/base64"
	"encoding/binary"
	"errors"
	"hash/crc32"

	"github.com/stere-log/stere/internal/wire"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query"
	"github.com/stere-log/stere/query/exec"
)

// ErrCursor says that a cursor is damaged, or not one of a tail.
var ErrCursor = errors.New("invalid cursor: it is damaged, or not one of a tail")

// CursorMax is the longest cursor in bytes.
const CursorMax = 64 << 10

const (
	cursorVersion = 1
	shardsMax     = 4096
	checksumBytes = 4
)

// cursor says what a client has seen: in each shard, and of the backlog, if it is
// not through that.
type cursor struct {
	marks   query.Marks
	backlog *exec.Position
}

// append appends the text of a cursor.
func (c *cursor) append(dst []byte) []byte {
	data := make([]byte, 0, 128)
	data = c.marks.Append(append(data, cursorVersion))
	if c.backlog != nil {
		data = c.backlog.Append(data)
	}
	data = binary.LittleEndian.AppendUint32(data, crc32.ChecksumIEEE(data))
	return base64.RawURLEncoding.AppendEncode(dst, data)
}

// parseCursor reads the text of a cursor.
func parseCursor(text string) (*cursor, error) {
	if len(text) > CursorMax {
		return nil, ErrCursor
	}
	data, err := base64.RawURLEncoding.DecodeString(text)
	end := len(data) - checksumBytes
	if err != nil || end < 1 || data[0] != cursorVersion || crc32.ChecksumIEEE(data[:end]) != binary.LittleEndian.Uint32(data[end:]) {
		return nil, ErrCursor
	}
	r := wire.NewReader(data[1:end])
	c := &cursor{marks: query.Marks{}}
	for n := r.Bounded(shardsMax); n > 0 && !r.Failed(); n-- {
		shard := model.ShardID(r.Uint32())
		c.marks[shard] = exec.TakeMark(&r)
	}
	if r.Len() > 0 {
		at := exec.TakePosition(&r, 0)
		c.backlog = &at
	}
	if !r.Done() {
		return nil, ErrCursor
	}
	return c, nil
}
