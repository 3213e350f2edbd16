package exec

import (
	"sync"

	"github.com/stere-log/stere/index"
	"github.com/stere-log/stere/storage/part"
)

// reads are the stored fields of which a table computes others, in parts that are visited
// now: the rows that stay and every field that they are grouped by are computed of the same
// texts, which are put together once. What is computed of the rows that stay is there too.
type reads struct {
	mu sync.Mutex
	of map[part.Part]*partReads
}

// partReads are fields of some rows of a part: those that were read last.
type partReads struct {
	rows   *index.DocSet // which does not change, so that it is known by where it is
	inputs map[string]input
	stay   *index.DocSet
	made   map[string]column // virtual fields of those that stay
	reason string            // why some have no values
}

// begin keeps what is read of a part from now on.
func (r *reads) begin(p part.Part) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.of == nil {
		r.of = map[part.Part]*partReads{}
	}
	r.of[p] = &partReads{}
}

// end forgets it.
func (r *reads) end(p part.Part) {
	r.mu.Lock()
	defer r.mu.Unlock()
	delete(r.of, p)
}

// has reports whether what is read of a part is kept.
func (r *reads) has(p part.Part) bool {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.of[p] != nil
}

// noteMade keeps a virtual field of the rows that stay.
func (r *reads) noteMade(p part.Part, stay *index.DocSet, field string, c column) {
	r.mu.Lock()
	defer r.mu.Unlock()
	of := r.of[p]
	if of == nil {
		return
	}
	if of.stay != stay {
		of.stay, of.made = stay, map[string]column{}
	}
	of.made[field] = c
}

// made returns a virtual field of rows, if it is known.
func (r *reads) made(p part.Part, rows *index.DocSet, field string) (c column, ok bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if of := r.of[p]; of != nil && of.stay == rows {
		c, ok = of.made[field]
	}
	return c, ok
}

// leaveOut notes why values of a part are missing.
func (r *reads) leaveOut(p part.Part, reason string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if of := r.of[p]; of != nil {
		of.reason = reason
	}
}

// leftOut returns why values of a part are missing, "" if none are.
func (r *reads) leftOut(p part.Part) string {
	r.mu.Lock()
	defer r.mu.Unlock()
	if of := r.of[p]; of != nil {
		return of.reason
	}
	return ""
}

// known returns a field of rows, if it was read.
func (r *reads) known(p part.Part, rows *index.DocSet, name string) (input, bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if of := r.of[p]; of != nil && of.rows == rows {
		in, ok := of.inputs[name]
		return in, ok
	}
	return input{}, false
}

// note keeps a field of rows, in the place of what was read of others.
func (r *reads) note(p part.Part, rows *index.DocSet, in input) {
	r.mu.Lock()
	defer r.mu.Unlock()
	of := r.of[p]
	if of == nil {
		return
	}
	if of.rows != rows {
		of.rows, of.inputs = rows, map[string]input{}
	}
	of.inputs[in.name] = in
}

// narrow keeps what was read of rows for those that are left, given by their places.
func (r *reads) narrow(p part.Part, rows, left *index.DocSet, places []int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	of := r.of[p]
	if of == nil || of.rows != rows {
		return
	}
	of.rows = left
	for name, in := range of.inputs {
		codes := make([]uint32, len(places))
		for i, n := range places {
			codes[i] = in.codes[n]
		}
		in.codes = codes
		of.inputs[name] = in
	}
}
