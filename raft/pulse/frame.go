package pulse

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"io"
)

// Limits of a message.
const (
	// BeatsMax is how many groups one message has at most.
	BeatsMax = 4096
	// nodeMax is the most bytes of a node's id.
	nodeMax = 255

	frameHead = 12
	bodyMax   = 2 + nodeMax + BeatsMax*(binary.MaxVarintLen32+binary.MaxVarintLen64)

	beatsMagic   = "Strb"
	answersMagic = "Strc"
	version      = 1
)

var (
	// ErrFrame says that bytes are no message of this package.
	ErrFrame = errors.New("not a message of heartbeats")

	checksum = crc32.MakeTable(crc32.Castagnoli)
)

// Beat says that the sender leads a group in a term.
type Beat struct {
	Group uint32
	Term  uint64
}

// Answer is what the receiver says of one beat.
type Answer struct {
	// Follows: it follows the sender in this term. Else nothing is said.
	Follows bool
	// Commit is the index up to which it knows the group's entries to be
	// committed.
	Commit uint64
}

// frame appends a message: magic (4 bytes), version (1), three of zero, length of
// the body (4), the body, CRC-32C of all in front (4).
func frame(dst []byte, magic string, body []byte) []byte {
	start := len(dst)
	dst = append(append(dst, magic...), version, 0, 0, 0)
	dst = append(binary.BigEndian.AppendUint32(dst, uint32(len(body))), body...)
	return binary.BigEndian.AppendUint32(dst, crc32.Checksum(dst[start:], checksum))
}

// readFrame reads one message into a buffer and returns its body, and the buffer
// for the next one.
func readFrame(r io.Reader, magic string, buffer []byte) (body, reuse []byte, err error) {
	if cap(buffer) < frameHead {
		buffer = make([]byte, frameHead, 512)
	}
	head := buffer[:frameHead]
	if _, err := io.ReadFull(r, head); err != nil {
		return nil, buffer, err
	}
	length := binary.BigEndian.Uint32(head[8:])
	if string(head[:4]) != magic || head[4] != version || length > bodyMax {
		return nil, buffer, ErrFrame
	}
	all := frameHead + int(length) + crc32.Size
	if cap(buffer) < all {
		buffer = append(make([]byte, 0, all), head...)
	}
	buffer = buffer[:all]
	if _, err := io.ReadFull(r, buffer[frameHead:]); err != nil {
		return nil, buffer, fmt.Errorf("%w: %w", ErrFrame, err)
	}
	end := all - crc32.Size
	if binary.BigEndian.Uint32(buffer[end:]) != crc32.Checksum(buffer[:end], checksum) {
		return nil, buffer, fmt.Errorf("%w: its checksum is wrong", ErrFrame)
	}
	return buffer[frameHead:end], buffer, nil
}

// appendBeats appends the body of beats: the sender (a byte of length, the id),
// then for each its group and term as uvarints.
func appendBeats(dst []byte, from string, beats []Beat) []byte {
	dst = append(append(dst, byte(len(from))), from...)
	for _, b := range beats {
		dst = binary.AppendUvarint(dst, uint64(b.Group))
		dst = binary.AppendUvarint(dst, b.Term)
	}
	return dst
}

func parseBeats(body []byte) (from string, beats []Beat, err error) {
	if len(body) == 0 || int(body[0]) >= len(body) || body[0] == 0 {
		return "", nil, fmt.Errorf("%w: it does not say who it is of", ErrFrame)
	}
	from, body = string(body[1:1+body[0]]), body[1+body[0]:]
	for len(body) > 0 {
		group, n := binary.Uvarint(body)
		if n <= 0 || group > 1<<32-1 || len(beats) == BeatsMax {
			return "", nil, fmt.Errorf("%w: beat %d has no group", ErrFrame, len(beats))
		}
		term, m := binary.Uvarint(body[n:])
		if m <= 0 {
			return "", nil, fmt.Errorf("%w: beat %d has no term", ErrFrame, len(beats))
		}
		beats, body = append(beats, Beat{uint32(group), term}), body[n+m:]
	}
	return from, beats, nil
}

// appendAnswers appends the body of answers, in the order of the beats: one more
// than the index that is committed, or 0 of who does not follow.
func appendAnswers(dst []byte, answers []Answer) []byte {
	for _, a := range answers {
		value := uint64(0)
		if a.Follows {
			value = min(a.Commit, 1<<63) + 1
		}
		dst = binary.AppendUvarint(dst, value)
	}
	return dst
}

// parseAnswers reads the answers to so many beats.
func parseAnswers(body []byte, beats int) ([]Answer, error) {
	answers := make([]Answer, 0, beats)
	for len(body) > 0 && len(answers) < beats {
		value, n := binary.Uvarint(body)
		if n <= 0 {
			break
		}
		a := Answer{}
		if value > 0 {
			a = Answer{Follows: true, Commit: value - 1}
		}
		answers, body = append(answers, a), body[n:]
	}
	if len(body) > 0 || len(answers) != beats {
		return nil, fmt.Errorf("%w: it has %d answers to %d beats", ErrFrame, len(answers), beats)
	}
	return answers, nil
}
