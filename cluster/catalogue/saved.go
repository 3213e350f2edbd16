package catalogue

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"hash/crc32"

	"github.com/stere-log/stere/raft"
)

const (
	savedVersion  = 3
	savedExtended = 2 // without documents; written while there are none
	savedBefore   = 1 // without what extended counts either; written while there is none of it
	sumBytes      = 4
)

// saved is what a Store keeps, see docs/format/catalogue.md.
type saved struct {
	Index              uint64 `json:"index"` // of the newest command that was applied, also if it was refused
	Term               uint64 `json:"term"`
	Configuration      []byte `json:"configuration"`
	ConfigurationIndex uint64 `json:"configuration_index"`
	State              *State `json:"state"`
}

// extended counts what is there that the first version does not have.
func (s *State) extended() int {
	return len(s.Patterns) + len(s.Keys) + len(s.Accounts) + len(s.Domains) + len(s.Queries) + len(s.Deletions) + len(s.Holds) + len(s.Retention) + int(min(s.NextDeletion, 1)) + len(s.Documents)
}

// encodeSaved returns version, JSON, CRC32C.
func encodeSaved(state *State, pos raft.Position) ([]byte, error) {
	var out bytes.Buffer
	version := byte(savedBefore)
	switch {
	case len(state.Documents) > 0:
		version = savedVersion
	case state.extended() > 0:
		version = savedExtended
	}
	out.WriteByte(version)
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(saved{pos.Index, pos.Term, pos.Configuration, pos.ConfigurationIndex, state})
	if err != nil {
		return nil, fmt.Errorf("encode catalogue: %w", err)
	}
	b := out.Bytes()
	b = binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, crc32.MakeTable(crc32.Castagnoli)))
	if len(b) > SavedMax {
		return nil, fmt.Errorf("encode catalogue: %d bytes, at most %d are allowed", len(b), SavedMax)
	}
	return b, nil
}

// decodeSaved is the inverse of encodeSaved; damage is ErrCorrupt, a
// newer version ErrNewer.
func decodeSaved(b []byte) (*State, raft.Position, error) {
	fail := func(format string, args ...any) (*State, raft.Position, error) {
		return nil, raft.Position{}, fmt.Errorf("%w: %w", ErrCorrupt, fmt.Errorf(format, args...))
	}
	if len(b) < 1+sumBytes || len(b) > SavedMax {
		return fail("%d bytes", len(b))
	}
	content, sum := b[:len(b)-sumBytes], binary.LittleEndian.Uint32(b[len(b)-sumBytes:])
	if crc32.Checksum(content, crc32.MakeTable(crc32.Castagnoli)) != sum {
		return fail("checksum does not match")
	}
	if b[0] > savedVersion {
		return nil, raft.Position{}, fmt.Errorf("%w: it has version %d, this program reads up to %d", ErrNewer, b[0], savedVersion)
	}
	if b[0] < savedBefore {
		return fail("version %d, this program reads %d to %d", b[0], savedBefore, savedVersion)
	}
	s := saved{State: newState()}
	if err := decodeStrictly(content[1:], &s); err != nil {
		return fail("%w", err)
	}
	if s.State == nil || s.Index == 0 || s.Term == 0 || s.State.Index > s.Index || s.ConfigurationIndex > s.Index || len(s.Configuration) == 0 {
		return fail("no usable position, index %d, term %d, members of index %d", s.Index, s.Term, s.ConfigurationIndex)
	}
	if b[0] == savedBefore && s.State.extended() > 0 || b[0] < savedVersion && len(s.State.Documents) > 0 {
		return fail("what version %d does not have", b[0])
	}
	s.State.settle()
	if err := s.State.check(); err != nil {
		return fail("%w", err)
	}
	return s.State, raft.Position{Index: s.Index, Term: s.Term, Configuration: s.Configuration, ConfigurationIndex: s.ConfigurationIndex}, nil
}

// settle gives a state that was read the form that Apply gives one.
func (s *State) settle() {
	fresh := newState()
	if s.Nodes == nil {
		s.Nodes = fresh.Nodes
	}
	if s.Shards == nil {
		s.Shards = fresh.Shards
	}
	if s.Tenants == nil {
		s.Tenants = fresh.Tenants
	}
	if s.Healing == nil {
		s.Healing = fresh.Healing
	}
	if len(s.Actions) == 0 {
		s.Actions = nil
	}
	s.bytes = 0
	s.settleAccess()
	s.settleQueries()
	s.settleDeletions()
	s.settleDocuments()
	for _, shard := range s.Shards {
		s.bytes += shard.size()
	}
	for id, p := range s.Patterns {
		s.bytes += p.size(id)
	}
	for id, tenant := range s.Tenants {
		s.putTenant(id, tenant)
	}
	s.settleWanted()
}
