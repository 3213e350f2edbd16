package segment

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// CheckValue checks one stored value on its own: its checksum, and that it is
// under a key of the format. For the directory, which has the last key, it
// returns the segment's description, else nil.
func CheckValue(key, value []byte) (*Meta, error) {
	if len(key) == 0 || key[0] < sectionTimes || key[0] > sectionMeta {
		return nil, fmt.Errorf("segment key %x: %w", key, ErrCorrupt)
	}
	if key[0] == sectionMeta {
		return ParseMeta(value)
	}
	if len(value) < 4 || crc32.Checksum(value[:len(value)-4], castagnoli) != binary.LittleEndian.Uint32(value[len(value)-4:]) {
		return nil, fmt.Errorf("segment value %x: %w: checksum does not match", key, ErrCorrupt)
	}
	return nil, nil
}

// DirectoryKey returns the key of the directory, the last of a segment.
func DirectoryKey() []byte { return []byte{sectionMeta} }
