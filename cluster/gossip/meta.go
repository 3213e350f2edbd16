package gossip

import (
	"encoding/binary"
	"fmt"
	"math"

	"github.com/stere-log/stere/internal/wire"
)

// MetaMax is how many bytes a node's description may have on the wire; the
// library's limit.
const MetaMax = 512

const (
	metaVersion  = 2
	metaTextMax  = 255 // bytes of one text
	metaLeaving  = 1 << 0
	metaExpects  = 1 << 1
	loadFraction = 1000 // the load travels as thousandths
)

// Meta is what a node says of itself.
type Meta struct {
	// Cluster is the id of the node's cluster, empty as long as it is not known.
	// Members of another one are not taken note of.
	Cluster string
	// Name is for people.
	Name string
	// ClusterAddress and APIAddress are host:port of the node's cluster port
	// and of its HTTP interface.
	ClusterAddress, APIAddress string
	// Zone is what fails together with the node: a rack, a data centre.
	Zone string
	// Version is that of the program.
	Version string
	// Formats are the versions of the formats on disk and wire that it reads.
	Formats Formats
	// DiskFree and DiskTotal are bytes.
	DiskFree, DiskTotal uint64
	// Load is the share of the processors that is busy; more than 1 if work
	// waits. It travels as thousandths.
	Load float64
	// Leaders and Replicas are how many replicas of shards the node has, and
	// how many of these lead.
	Leaders, Replicas uint32
	// Expects says that the node waits for others to begin a cluster with, Expected
	// how many it wants together with itself; 0 if its version does not say.
	Expects  bool
	Expected uint32

	leaving bool // set by Leave: what follows is no death
}

// Formats is a range of versions, both included.
type Formats struct{ Min, Max uint16 }

// Validate reports whether the description fits.
func (m Meta) Validate() error {
	for _, text := range m.texts() {
		if len(*text) > metaTextMax {
			return fmt.Errorf("%w: a text has %d bytes, want at most %d", ErrMeta, len(*text), metaTextMax)
		}
	}
	if n := len(m.append(nil)); n > MetaMax {
		return fmt.Errorf("%w: it takes %d bytes, want at most %d; shorten name, zone or addresses", ErrMeta, n, MetaMax)
	}
	return nil
}

// texts returns the texts in the order of the wire.
func (m *Meta) texts() []*string {
	return []*string{&m.Cluster, &m.Name, &m.ClusterAddress, &m.APIAddress, &m.Zone, &m.Version}
}

// append appends the description as it travels: version, flags, texts, numbers
// (docs/format/gossip.md).
func (m Meta) append(dst []byte) []byte {
	flags := byte(0)
	if m.leaving {
		flags |= metaLeaving
	}
	if m.Expects {
		flags |= metaExpects
	}
	dst = append(dst, metaVersion, flags)
	for _, text := range m.texts() {
		dst = append(binary.AppendUvarint(dst, uint64(len(*text))), *text...)
	}
	load := uint64(0)
	if m.Load > 0 { // not for NaN
		load = uint64(min(math.Round(m.Load*loadFraction), math.MaxUint32))
	}
	for _, n := range []uint64{
		uint64(m.Formats.Min), uint64(m.Formats.Max), m.DiskFree, m.DiskTotal, load, uint64(m.Leaders), uint64(m.Replicas),
		uint64(m.Expected),
	} {
		dst = binary.AppendUvarint(dst, n)
	}
	return dst
}

// parseMeta reads a description. Later versions append fields and leave these.
func parseMeta(b []byte) (Meta, error) {
	r := wire.NewReader(b)
	version := r.Byte()
	if version == 0 {
		return Meta{}, ErrMeta
	}
	flags := r.Byte()
	m := Meta{leaving: flags&metaLeaving != 0, Expects: flags&metaExpects != 0}
	for _, text := range m.texts() {
		*text = string(r.Take(uint64(r.Bounded(metaTextMax))))
	}
	m.Formats = Formats{Min: uint16(r.Bounded(math.MaxUint16)), Max: uint16(r.Bounded(math.MaxUint16))}
	m.DiskFree, m.DiskTotal = r.Uvarint(), r.Uvarint()
	m.Load = float64(r.Uint32()) / loadFraction
	m.Leaders, m.Replicas = r.Uint32(), r.Uint32()
	if version >= 2 {
		m.Expected = r.Uint32()
	}
	if r.Failed() {
		return Meta{}, ErrMeta
	}
	return m, nil
}
