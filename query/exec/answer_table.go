package exec

import (
	"context"
	"encoding/binary"

	"github.com/stere-log/stere/internal/wire"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/query/plan"
	"github.com/stere-log/stere/storage/part"
)

// The first byte of an answer says what it is.
const (
	answerRecords byte = iota + 1
	answerTable
	answerFetch
)

// TableAnswer returns what the parts amount to in a table, in the form that
// Remote.Answer hands to Table.
func TableAnswer(ctx context.Context, parts []part.Part, p *plan.Plan, limits Limits) ([]byte, error) {
	r := newRun(ctx, Source{Parts: parts}, p, limits)
	defer r.cancel()
	g := newGroups(r)
	if err := g.visitAll(); err != nil {
		return nil, err
	}
	whole := g.whole()
	whole.reason = r.outcome().Reason
	return whole.encode([]byte{answerTable}), nil
}

// whole returns what all parts amount to together. Nothing can be added after.
func (g *groups) whole() *partial {
	g.mu.Lock()
	defer g.mu.Unlock()
	keys := g.keys()
	whole := newPartial(g.mu.matched, len(g.mu.labels), keys, g.mu.aggs)
	whole.labels = make([]cell, 0, keys*whole.groups)
	for _, label := range g.mu.labels {
		whole.labels = append(whole.labels, label...)
	}
	whole.first, whole.last = g.mu.first, g.mu.last
	whole.differ = true
	whole.seal()
	return whole
}

// encode appends a sealed partial.
func (p *partial) encode(dst []byte) []byte {
	dst = appendText(dst, p.reason)
	dst = binary.AppendUvarint(dst, p.matched)
	dst = binary.AppendVarint(binary.AppendVarint(dst, p.first), p.last)
	dst = binary.AppendUvarint(dst, uint64(p.groups))
	for i := range p.labels {
		dst = appendCell(dst, &p.labels[i])
	}
	for _, agg := range p.aggs {
		dst = agg.encode(dst, p.groups)
	}
	return dst
}

// decode returns the partial that another node answered.
func (g *groups) decode(answer []byte) (*partial, error) {
	r := wire.NewReader(answer)
	if r.Byte() != answerTable {
		r.Fail()
	}
	found := newPartial(0, 0, g.keys(), g.newAggs())
	found.reason = r.String()
	found.matched = r.Uvarint()
	found.first, found.last = r.Varint(), r.Varint()
	groups := r.Uvarint()
	if groups > uint64(g.max) || groups > uint64(r.Len()) || found.keys == 0 && groups > 1 {
		r.Fail()
	}
	if r.Failed() {
		return nil, ErrAnswer
	}
	found.groups = int(groups)
	for i := 0; i < found.groups*found.keys && !r.Failed(); i++ {
		found.labels = append(found.labels, takeCell(&r))
	}
	for _, agg := range found.aggs {
		agg.decode(&r, found.groups)
	}
	if !r.Done() {
		return nil, ErrAnswer
	}
	return found, nil
}

// cellTime is where the kind of a cell stands if the cell is a time.
const cellTime = 255

// appendCell appends a value, or that there is none.
func appendCell(dst []byte, c *cell) []byte {
	switch {
	case c.isTime:
		return binary.LittleEndian.AppendUint64(append(dst, cellTime), uint64(c.whole))
	case c.kind == 0:
		return append(dst, 0)
	}
	return appendText(append(dst, byte(c.kind)), c.text)
}

// takeCell takes a value; its kind is 0 if there is none. Texts are not parsed.
func takeCell(r *wire.Reader) cell {
	switch kind := r.Byte(); {
	case kind == cellTime:
		return timeCell(int64(takeUint64(r)))
	case kind == 0:
		return cell{}
	case model.Kind(kind).Valid():
		return cell{kind: model.Kind(kind), text: r.String()}
	}
	r.Fail()
	return cell{}
}

// appendText appends a text with its length in front.
func appendText(dst []byte, text string) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(text))), text...)
}

// takeUint64 takes eight bytes as a number.
func takeUint64(r *wire.Reader) uint64 {
	const size = 8
	taken := r.Take(size)
	if r.Failed() {
		return 0
	}
	return binary.LittleEndian.Uint64(taken)
}
