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
	savedVersion = 1
	sumBytes     = 4
)

// saved is what a Store keeps, see docs/format/catalogue.md.
type saved struct {
	Index              uint64 `json:"index"` // of the newest command that was applied, also if it was refused
	Term               uint64 `json:"term"`
	Configuration      []byte `json:"configuration"`
	ConfigurationIndex uint64 `json:"configuration_index"`
	State              *State `json:"state"`
}

// encodeSaved returns version, JSON, CRC32C.
func encodeSaved(state *State, pos raft.Position) ([]byte, error) {
	var out bytes.Buffer
	out.WriteByte(savedVersion)
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

// decodeSaved is the inverse of encodeSaved; damage is ErrCorrupt.
func decodeSaved(b []byte) (*State, raft.Position, error) {
	fail := func(format string, args ...any) (*State, raft.Position, error) {
		return nil, raft.Position{}, fmt.Errorf("%w: %w", ErrCorrupt, fmt.Errorf(format, args...))
	}
	if len(b) < 1+sumBytes || len(b) > SavedMax {
		return fail("%d bytes", len(b))
	}
	if b[0] != savedVersion {
		return fail("version %d, this program reads %d", b[0], savedVersion)
	}
	content, sum := b[:len(b)-sumBytes], binary.LittleEndian.Uint32(b[len(b)-sumBytes:])
	if crc32.Checksum(content, crc32.MakeTable(crc32.Castagnoli)) != sum {
		return fail("checksum does not match")
	}
	s := saved{State: newState()}
	if err := decodeStrictly(content[1:], &s); err != nil {
		return fail("%w", err)
	}
	if s.State == nil || s.Index == 0 || s.Term == 0 || s.State.Index > s.Index || s.ConfigurationIndex > s.Index || len(s.Configuration) == 0 {
		return fail("no usable position, index %d, term %d, members of index %d", s.Index, s.Term, s.ConfigurationIndex)
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
	for _, shard := range s.Shards {
		s.bytes += shard.size()
	}
	for id, tenant := range s.Tenants {
		s.putTenant(id, tenant)
	}
}
