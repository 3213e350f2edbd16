package pipeline

import (
	"strings"

	"github.com/stere-log/stere/model"
)

// Sizes of the chunks from which records get their memory. A chunk lives as
// long as a record that uses it.
const (
	chunkFieldsMin = 128
	chunkFieldsMax = 4096
	chunkBytesMin  = 256
	chunkBytesMax  = 64 << 10
)

// Chunks that a Memory keeps; more are left to the collector.
const (
	keptFieldChunks = 16
	keptByteChunks  = 32
)

// Memory is what the records of one input are made of: chunks of fields and of
// texts. An input that is done with gives its chunks to the next one; that
// spares the collector most of what a node allocates. The zero value is empty.
type Memory struct {
	fields [][]model.Field // all chunks, used ones first
	bytes  [][]byte
	inUse  struct{ fields, bytes int } // chunks in use
	dirty  int                         // fields of the last chunk in use that were written to
}

// Reset makes the memory empty. No record that was made of it may be used any
// more.
func (m *Memory) Reset() {
	if len(m.fields) > keptFieldChunks {
		clear(m.fields[keptFieldChunks:])
		m.fields = m.fields[:keptFieldChunks]
	}
	if len(m.bytes) > keptByteChunks {
		clear(m.bytes[keptByteChunks:])
		m.bytes = m.bytes[:keptByteChunks]
	}
	for i := range min(m.inUse.fields, len(m.fields)) {
		chunk := m.fields[i]
		if i == m.inUse.fields-1 {
			chunk = chunk[:m.dirty]
		}
		clear(chunk) // its strings belong to the input
	}
	m.inUse.fields, m.inUse.bytes, m.dirty = 0, 0, 0
}

// arena hands out memory for fields and texts in few allocations. Nothing is
// handed out twice before its Memory is reset.
type arena struct {
	memory     *Memory
	freeFields []model.Field
	freeBytes  []byte
	nextFields int // size of the next chunk
	nextBytes  int
	scratch    []byte // for building a text before its length is known
}

// begin sets the size of the first chunks for an input of this many bytes. Nil
// stands for a memory of its own.
func (a *arena) begin(memory *Memory, size int) {
	if memory == nil {
		memory = new(Memory)
	}
	a.memory = memory
	a.freeFields, a.freeBytes = nil, nil
	a.nextFields = min(max(size/32, chunkFieldsMin), chunkFieldsMax)
	a.nextBytes = min(max(size/16, chunkBytesMin), chunkBytesMax)
}

// end lets go of the memory and keeps what builds texts.
func (a *arena) end() {
	*a = arena{scratch: a.scratch}
	if cap(a.scratch) > chunkBytesMax {
		a.scratch = nil
	}
}

// source returns where chunks come from.
func (a *arena) source() *Memory {
	if a.memory == nil { // nobody called begin
		a.begin(nil, 0)
	}
	return a.memory
}

// room returns an empty slice of free fields to append to, with room for what
// most records have; one that has more moves out by growing. Take says which
// of it are used.
func (a *arena) room() []model.Field {
	if len(a.freeFields) < chunkFieldsMin {
		m := a.source()
		if m.inUse.fields == len(m.fields) {
			m.fields = append(m.fields, make([]model.Field, a.nextFields))
			a.nextFields = min(2*a.nextFields, chunkFieldsMax)
		}
		a.freeFields = m.fields[m.inUse.fields]
		m.inUse.fields++
		m.dirty = 0
	}
	return a.freeFields[:0]
}

// wrote notes that fields appended to the room were written, used or not.
func (a *arena) wrote(fields []model.Field) {
	if len(fields) == 0 {
		return
	}
	chunk := a.memory.fields[a.memory.inUse.fields-1]
	if !a.isRoom(fields) { // moved out: how far it was written before is not known
		a.memory.dirty = len(chunk)
		return
	}
	a.memory.dirty = max(a.memory.dirty, len(chunk)-len(a.freeFields)+len(fields))
}

// isRoom reports whether fields begin where the free fields do: a slice of the
// room that has not moved out by growing.
func (a *arena) isRoom(fields []model.Field) bool {
	return len(fields) > 0 && len(a.freeFields) > 0 && &fields[0] == &a.freeFields[0]
}

// take makes fields that were written to the room the caller's for good.
func (a *arena) take(fields []model.Field) []model.Field {
	a.wrote(fields)
	if a.isRoom(fields) {
		a.freeFields = a.freeFields[len(fields):]
	}
	return fields[:len(fields):len(fields)]
}

// open returns an empty slice of the free bytes to append to; close says that
// the text is whole.
func (a *arena) open() []byte { return a.freeBytes[:0] }

// close makes a text that was begun with open the caller's for good.
func (a *arena) close(text []byte) string {
	if len(text) == 0 {
		return ""
	}
	if len(a.freeBytes) == 0 || &text[0] != &a.freeBytes[0] { // moved out by growing
		return a.text(unsafeString(text))
	}
	a.freeBytes = a.freeBytes[len(text):]
	return unsafeString(text)
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
		a.moreBytes(len(s))
	}
	n := copy(a.freeBytes, s)
	out := unsafeString(a.freeBytes[:n])
	a.freeBytes = a.freeBytes[n:]
	return out
}

// moreBytes begins a chunk with room for at least n bytes.
func (a *arena) moreBytes(n int) {
	m := a.source()
	for m.inUse.bytes < len(m.bytes) && len(m.bytes[m.inUse.bytes]) < n {
		m.inUse.bytes++
	}
	if m.inUse.bytes == len(m.bytes) {
		m.bytes = append(m.bytes, make([]byte, max(n, a.nextBytes)))
		a.nextBytes = min(max(2*a.nextBytes, chunkBytesMin), chunkBytesMax)
	}
	a.freeBytes = m.bytes[m.inUse.bytes]
	m.inUse.bytes++
}
