package pattern

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"slices"
	"strings"
)

// ErrSet says that bytes are no set, or a damaged one.
var ErrSet = errors.New("not a set of patterns")

// Version is one of the saved form of sets: the first that has all that is in the set.
type Version byte

// Versions.
const (
	VersionWords   Version = 1 + iota // single words vary
	VersionNames                      // names of several words, too
	VersionReasons                    // reasons, too
)

const sumBytes = 4

// version returns that of the saved form of the set.
func (s *Set) version() Version {
	of := VersionWords
	for _, p := range s.Patterns() {
		of = max(of, versionOf(p.form))
	}
	return of
}

// versionOf returns the first version that has a form.
func versionOf(form string) Version {
	switch {
	case strings.Contains(form, reason):
		return VersionReasons
	case strings.Contains(form, wide):
		return VersionNames
	}
	return VersionWords
}

// SetMax is how many bytes the saved form of a set has at most.
const SetMax = 1 + 2*binary.MaxVarintLen32 + FormsMax + 5*PatternsMax + BecameMax*2*idBytes + sumBytes

// Encode returns the saved form of a set; docs/format/patterns.md describes it.
func (s *Set) Encode() []byte {
	dst := []byte{byte(s.version())}
	dst = binary.AppendUvarint(dst, uint64(len(s.Patterns())))
	for _, p := range s.Patterns() {
		dst = append(binary.AppendUvarint(dst, uint64(len(p.form))), p.form...)
	}
	var became map[string]string
	if s != nil {
		became = s.became
	}
	dst = binary.AppendUvarint(dst, uint64(len(became)))
	for _, id := range slices.Sorted(maps.Keys(became)) {
		dst = appendID(appendID(dst, id), became[id])
	}
	return binary.LittleEndian.AppendUint32(dst, crc32.Checksum(dst, crc32.MakeTable(crc32.Castagnoli)))
}

// Decode is the inverse of Encode.
func Decode(data []byte) (*Set, error) {
	n := len(data) - sumBytes
	switch {
	case n < 1 || len(data) > SetMax:
		return nil, fmt.Errorf("%w: %d bytes", ErrSet, len(data))
	case Version(data[0]) < VersionWords || Version(data[0]) > VersionReasons:
		return nil, fmt.Errorf("%w: version %d, know %d to %d", ErrSet, data[0], VersionWords, VersionReasons)
	case crc32.Checksum(data[:n], crc32.MakeTable(crc32.Castagnoli)) != binary.LittleEndian.Uint32(data[n:]):
		return nil, fmt.Errorf("%w: its checksum is wrong", ErrSet)
	}
	r := reader{rest: data[1:n]}
	version := Version(data[0])
	forms := r.forms(version)
	s := newSet(forms)
	for range r.count(BecameMax) {
		id, now := r.id(), r.id()
		if s.byID[id] != nil || s.became[id] != "" {
			r.failed = true
		}
		if r.failed {
			break
		}
		s.became[id] = now
	}
	if r.failed || len(r.rest) > 0 || len(s.patterns) != len(forms) || s.version() != version {
		return nil, fmt.Errorf("%w: it does not read as one", ErrSet)
	}
	s.seal()
	return s, nil
}

// reader takes values from the front of bytes.
type reader struct {
	rest   []byte
	failed bool
}

// forms reads the patterns of a set.
func (r *reader) forms(version Version) []string {
	forms := make([]string, 0, min(PatternsMax, len(r.rest)))
	last := ""
	for range r.count(PatternsMax) {
		form := string(r.take(r.count(FormsMax)))
		of := versionOf(form)
		varies := strings.Contains(form, wild) || of > VersionWords && (of <= version || version == VersionNames && strings.Contains(form, wide))
		if !varies || form <= last {
			r.failed = true
			break
		}
		last = form
		if of <= version { // else a byte of a message in sets of old
			forms = append(forms, form)
		}
	}
	return forms
}

func (r *reader) count(most int) int {
	v, n := binary.Uvarint(r.rest)
	if n <= 0 || v > uint64(most) {
		r.failed = true
		return 0
	}
	r.rest = r.rest[n:]
	return int(v)
}

func (r *reader) take(n int) []byte {
	if n > len(r.rest) {
		r.failed = true
		return nil
	}
	taken := r.rest[:n]
	r.rest = r.rest[n:]
	return taken
}

func (r *reader) id() string { return fmt.Sprintf("%x", r.take(idBytes)) }

// appendID appends an id as bytes.
func appendID(dst []byte, id string) []byte {
	for i := 0; i+1 < len(id); i += 2 {
		dst = append(dst, unhex(id[i])<<4|unhex(id[i+1]))
	}
	return dst
}

func unhex(c byte) byte {
	if c >= 'a' {
		return c - 'a' + 10
	}
	return c - '0'
}
