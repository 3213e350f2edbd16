package ingest

import (
	"crypto/sha256"
	"encoding/binary"
	"time"

	"github.com/stere-log/stere/model"
)

// Digest returns a hash of records, for requests whose body must not be hashed
// because a part of it was redacted. The time of receipt does not count: it
// differs each time that a request comes.
func Digest(records []model.Record, received time.Time) [sha256.Size]byte {
	h := sha256.New()
	var room []byte
	text := func(s string) {
		room = append(binary.AppendUvarint(room, uint64(len(s))), s...)
	}
	for i := range records {
		rec := &records[i]
		room = room[:0]
		if rec.Time != received.UnixNano() {
			room = append(binary.AppendVarint(room, rec.Time), rec.TimeDigits)
		}
		room = binary.AppendUvarint(room, uint64(len(rec.Fields)))
		for _, f := range rec.Fields {
			text(f.Name)
			room = append(room, byte(f.Kind))
			text(f.Text)
		}
		h.Write(room)
	}
	return [sha256.Size]byte(h.Sum(nil))
}
