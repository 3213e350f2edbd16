package pipeline

import (
	"strings"

	"github.com/stere-log/stere/model"
)

// Sizes of the chunks from which records get their memory. A chunk lives as
// long as a record that uses it.
const (
	chunkFieldsMin = 16
	chunkFieldsMax = 4096
	chunkBytesMin  = 256
	chunkBytesMax  = 64 << 10
)

// arena hands out memory for fields and texts in few allocations. What it hands
// out is never reused.
type arena struct {
	freeFields []model.Field
	freeBytes  []byte
	nextFields int // size of the next chunk
	nextBytes  int
	scratch    []byte // for building a text before its length is known
	scratch2   []byte // the same, while scratch is in use
}

// begin sets the size of the first chunks for an input of this many bytes.
func (a *arena) begin(size int) {
	a.freeFields, a.freeBytes = nil, nil
	a.nextFields = min(max(size/32, chunkFieldsMin), chunkFieldsMax)
	a.nextBytes = min(max(size/16, chunkBytesMin), chunkBytesMax)
}

// fields returns n zero fields with no room behind them.
func (a *arena) fields(n int) []model.Field {
	if n > len(a.freeFields) {
		a.freeFields = make([]model.Field, max(n, a.nextFields))
		a.nextFields = min(max(2*a.nextFields, chunkFieldsMin), chunkFieldsMax)
	}
	out := a.freeFields[:n:n]
	a.freeFields = a.freeFields[n:]
	return out
}

// text returns a copy of s.
func (a *arena) text(s string) string {
	if len(s) == 0 {
		return ""
	}
	if len(s) > len(a.freeBytes) {
		if len(s) > chunkBytesMax/4 { // would waste the rest of a chunk
			return strings.Clone(s)
		}
		a.freeBytes = make([]byte, max(len(s), a.nextBytes))
		a.nextBytes = min(max(2*a.nextBytes, chunkBytesMin), chunkBytesMax)
	}
	n := copy(a.freeBytes, s)
	out := unsafeString(a.freeBytes[:n])
	a.freeBytes = a.freeBytes[n:]
	return out
}
