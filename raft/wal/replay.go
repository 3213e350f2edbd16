package wal

import (
	"bytes"
	"errors"
	"fmt"

	hraft "github.com/hashicorp/raft"
)

// Replay makes of the records of the files what the groups were, and finds out
// which groups damage concerns. Every record of a group says where the group's
// record before it is in the file, every span where the last one is in the file
// before, every mark where the last ones of some groups are: so it is known of
// which groups something is missing. A group of which nothing behind the damage
// says that nothing is missing counts as lost too.
//
// A group that is lost is found again if a later file carries over its stable
// values and has, or follows with, all entries that it says are the log: then
// what was damaged was not needed any more.

// replayer replays one file.
type replayer struct {
	lane    *lane
	file    *file
	before  *replayer // of the file before; nil: it is not there
	head    head
	ready   bool
	listed  map[uint32]bool   // groups that the head of the file names; nil: not known
	carried map[uint32]bool   // groups of which something is carried over: whether that is a span
	gone    map[uint32]bool   // groups that were carried over as lost
	newest  map[uint32]uint32 // where the last record of a group is
	proven  map[uint32]uint32 // up to where nothing of a group is missing
	gaps    []gap
}

// replay applies the records of one file to the lane's memory.
func (l *lane) replay(f *file, b []byte, limit int64, before *replayer) (*replayer, error) {
	p := &replayer{
		lane: l, file: f, before: before,
		carried: map[uint32]bool{}, gone: map[uint32]bool{}, newest: map[uint32]uint32{}, proven: map[uint32]uint32{},
	}
	end, err := scan(b, f, limit, p.visit, p.damage)
	f.size = end
	if err == nil && limit < 0 && len(p.gaps) > 0 {
		p.doubt()
	}
	if err == nil && len(p.gaps) > 0 && p.head.version != 1 && (p.listed == nil || p.head.lanes == 0) {
		err = p.gaps[0].why // it is not known whom it concerns
	}
	return p, err
}

var (
	errHeadKind = errors.New("record does not belong there in a file")
	errSpan     = errors.New("carried over entries are not those of the older files")
	errGap      = errors.New("entry does not adjoin the one before")
)

// lose forgets all that is known of a group, since something is missing.
func (l *lane) lose(g *group, why *CorruptError) {
	if g.lost == nil {
		g.lost = why
	}
	g.trimSuffix(0, l.drop)
}

// damage takes in a gap.
func (p *replayer) damage(g gap) error {
	p.gaps = append(p.gaps, g)
	if p.head.version == 1 { // nothing tells of which groups records are missing
		if !p.ready {
			return g.why
		}
		for _, one := range p.lane.groups {
			p.lane.lose(one, g.why)
		}
	}
	return nil
}

// doubt is called when the last file has gaps: nothing may follow that tells
// whether something of a group was in them, nor that there was such a group.
func (p *replayer) doubt() {
	last := p.gaps[len(p.gaps)-1]
	p.lane.lose(p.lane.group(nameless), last.why)
	for id, g := range p.lane.groups {
		if p.proven[id] < last.to {
			p.lane.lose(g, last.why)
		}
	}
	for id := range p.listed {
		if p.lane.groups[id] == nil && p.newest[id] == 0 {
			p.lane.lose(p.lane.group(id), last.why)
		}
	}
}

// follows compares where the record of a group before this one is, as this one
// says, with what was read.
func (p *replayer) follows(id uint32, before, offset uint32) {
	if p.head.version == 1 || len(p.gaps) == 0 {
		return
	}
	if before != p.newest[id] {
		p.lane.lose(p.lane.group(id), p.gaps[len(p.gaps)-1].why)
	}
	p.proven[id] = offset
}

func (p *replayer) visit(r record, offset uint32) error {
	if offset == 0 {
		return p.begins(r)
	}
	carrying := r.kind == kindSpan || r.kind == kindReady || r.kind == kindGroups || r.kind == kindLost
	if !p.ready && !carrying && r.kind != kindStable && len(p.gaps) > 0 {
		p.begin() // the ready record was in a gap
	}
	if r.kind.ofGroup() {
		p.follows(r.group, r.before, offset)
		p.newest[r.group] = offset
	}
	if r.kind == kindHead || p.ready && carrying || !p.ready && !carrying && r.kind != kindStable {
		return errHeadKind
	}
	switch r.kind {
	case kindGroups, kindReady:
		return p.list(r)
	case kindSpan:
		return p.span(r)
	case kindStable:
		return p.stable(r)
	case kindLost:
		return p.lost(r)
	case kindEntry:
		return p.entry(r, offset)
	}
	return p.change(r, offset)
}

// begins takes in the first record of a file.
func (p *replayer) begins(r record) error {
	h, err := r.head()
	if err == nil && h.lane != p.lane.number {
		err = fmt.Errorf("file is of lane %d", h.lane)
	}
	p.head = h
	return err
}

// list takes in which groups are carried over. A ready record also repeats the
// head, which may have been in a gap.
func (p *replayer) list(r record) error {
	numbers := 0
	if r.kind == kindReady {
		if p.head.version == 1 {
			p.begin()
			return nil
		}
		numbers = 4
		if err := p.begins(r); err != nil {
			return err
		}
	}
	ids, err := r.ids(numbers)
	if err != nil {
		return err
	}
	p.listed = map[uint32]bool{}
	for _, id := range ids {
		p.listed[id] = true
	}
	if r.kind == kindReady {
		p.begin()
	}
	return nil
}

// carry is called for each record of a group in the head of a file: of a lost
// group, what is carried over is all there is.
func (p *replayer) carry(id uint32, spans bool) *group {
	g := p.lane.group(id)
	if _, known := p.carried[id]; !known && g.lost != nil {
		g.stable = map[string][]byte{}
	}
	p.carried[id] = p.carried[id] || spans
	return g
}

// span checks and completes a group by what was known when the file was
// started.
func (p *replayer) span(r record) error {
	numbers := 3
	if p.head.version == 1 {
		numbers = 2
	}
	n, err := r.numbers(numbers)
	if err != nil {
		return err
	}
	first, last := n[0], n[1]
	if first == 0 || last < first || last == 1<<64-1 {
		return errSpan
	}
	g := p.carry(r.group, true)
	if b := p.before; b != nil && len(b.gaps) > 0 && b.newest[r.group] != uint32(n[2]) {
		p.lane.lose(g, b.gaps[len(b.gaps)-1].why)
	}
	switch {
	case g.first == 0 && g.lost == nil:
		// In older files that are gone; later records must delete it.
		g.first, g.base = first, last+1
		return nil
	case g.last() != last || first < g.first:
		if g.lost == nil {
			p.lane.lose(g, &CorruptError{File: p.file.path, Reason: errSpan.Error()})
		}
		p.lane.lose(g, g.lost)
		return nil
	case g.lost != nil && len(p.gaps) == 0 && g.base <= first:
		g.lost = nil
	}
	g.trimPrefix(first, p.lane.drop)
	return nil
}

func (p *replayer) stable(r record) error {
	key, value, err := r.stable()
	if err != nil {
		return err
	}
	g := p.lane.group(r.group)
	if !p.ready {
		g = p.carry(r.group, false)
	}
	g.stable[key] = bytes.Clone(value)
	return nil
}

// lost takes in that a group was found damaged at an earlier start.
func (p *replayer) lost(r record) error {
	why, err := r.why()
	if err != nil {
		return err
	}
	g := p.carry(r.group, false)
	g.lost = nil
	p.lane.lose(g, why)
	p.gone[r.group] = true
	return nil
}

// begin is called at the ready record: a group that was not carried over was
// gone, and one without a span was empty, if all of that could be read.
func (p *replayer) begin() {
	p.ready = true
	whole := len(p.gaps) == 0
	for id, g := range p.lane.groups {
		spanned, known := p.carried[id]
		known = known || !whole && (p.listed == nil || p.listed[id])
		switch {
		case !known:
			p.lane.dropGroup(id)
		case !spanned:
			g.trimSuffix(0, p.lane.drop)
			if whole && !p.gone[id] {
				g.lost = nil
			}
		}
	}
	if whole && p.lane.groups[nameless] != nil {
		for id := range p.listed {
			p.lane.group(id) // one that was removed is no more in doubt
		}
	}
}

func (p *replayer) entry(r record, offset uint32) error {
	var e hraft.Log
	if err := r.entry(&e); err != nil {
		return err
	}
	if e.Index == 0 {
		return errGap
	}
	g := p.lane.group(r.group)
	if g.first != 0 && e.Index != g.last()+1 {
		if g.lost == nil && len(p.gaps) == 0 {
			return errGap
		}
		p.lane.lose(g, &CorruptError{File: p.file.path, Offset: int64(offset), Reason: errGap.Error()})
	}
	if p.lane.cache.limit > 0 {
		// The file's bytes must not be held by one entry.
		e.Data, e.Extensions = bytes.Clone(e.Data), bytes.Clone(e.Extensions)
	}
	p.lane.add(g, &e, p.file, offset, r.size)
	return nil
}

// change applies what has no place in the head of a file.
func (p *replayer) change(r record, offset uint32) error {
	l := p.lane
	switch r.kind {
	case kindPrefix, kindSuffix, kindEnd:
		n, err := r.numbers(1)
		if err != nil {
			return err
		}
		switch r.kind {
		case kindPrefix:
			l.group(r.group).trimPrefix(n[0], l.drop)
		case kindSuffix:
			l.group(r.group).trimSuffix(n[0], l.drop)
		}
	case kindDrop:
		l.removeGroup(r.group)
	case kindMark:
		return p.mark(r, offset)
	case kindPad:
	default:
		return fmt.Errorf("unknown kind %d", r.kind)
	}
	return nil
}

// mark compares where the last records of some groups are with what was read.
func (p *replayer) mark(r record, offset uint32) error {
	pairs, err := r.ids(0)
	if err != nil || len(pairs)%2 != 0 {
		return errBody
	}
	for i := 0; i < len(pairs); i += 2 {
		p.follows(pairs[i], pairs[i+1], offset)
	}
	return nil
}
