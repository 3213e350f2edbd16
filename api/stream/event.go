package stream

import (
	"strconv"
	"time"

	"github.com/stere-log/stere/api/render"
	"github.com/stere-log/stere/ingest/timestamp"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/tail"
)

// The types of events.
const (
	TypeRecord    = "record"
	TypeDropped   = "dropped"
	TypeMissing   = "missing"
	TypeHeartbeat = "heartbeat"
	TypeEnd       = "end"
)

// renderRecord renders a record for all tails that show it.
func renderRecord(id model.RecordID, record *model.Record) []byte {
	var encoder render.Encoder
	return encoder.Append(nil, id, record)
}

// appendDropped appends what is said of records that were left out.
func appendDropped(dst []byte, e *tail.Event) []byte {
	dst = strconv.AppendUint(append(dst, `{"dropped":`...), e.Dropped, 10)
	return append(strconv.AppendUint(append(dst, `,"total":`...), e.Total, 10), '}')
}

// appendMissing appends which segments cannot be read.
func appendMissing(dst []byte, m tail.Missing) []byte {
	dst = strconv.AppendUint(append(dst, `{"shard":`...), uint64(m.Shard), 10)
	return append(strconv.AppendInt(append(dst, `,"segments":`...), int64(m.Segments), 10), '}')
}

// isHeartbeat reports whether an event says nothing but that all is well.
func isHeartbeat(e *tail.Event) bool {
	return len(e.Lines) == 0 && e.Dropped == 0 && len(e.Missing) == 0
}

// appendHeartbeat appends how a tail is.
func appendHeartbeat(dst []byte, e *tail.Event, now time.Time) []byte {
	dst = timestamp.Append(append(dst, `{"time":"`...), now.UnixNano(), 3)
	dst = strconv.AppendUint(append(dst, `","dropped":`...), e.Total, 10)
	dst = append(dst, `,"behind":[`...)
	for i, shard := range e.Behind {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = strconv.AppendUint(dst, uint64(shard), 10)
	}
	return append(dst, "]}"...)
}

// appendEnd appends why a tail ends.
func appendEnd(dst []byte, reason string) []byte {
	return append(render.AppendString(append(dst, `{"reason":`...), reason), '}')
}
