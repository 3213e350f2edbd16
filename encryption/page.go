package encryption

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
)

// The numbers here are the format; docs/format/encryption.md describes every byte.
const (
	version   = 1
	suite     = 1 // AES-256-CTR, AES-256-GMAC
	pageBytes = 4096
	slotBytes = 24
	slots     = 2
	pageHead  = slots * slotBytes
	pageData  = pageBytes - pageHead // a multiple of the cipher's block
	tagBytes  = 16
	idSize    = 16

	headCopy  = 4096 // where the second copy of the header is
	headBytes = 2 * headCopy
	headFixed = 48 // what the header's tag is of
	namesAt   = headFixed + tagBytes
	namesMax  = 8
	headUsed  = namesAt + namesMax*tagBytes

	pagesMax = 1 << 32
)

var magic = [8]byte{'s', 't', 'e', 'r', 'e', 'E', 'N', 'C'}

// slot says of the first bytes of a page that they are what was written.
type slot struct {
	length uint16
	final  bool   // the file ends here and is synced
	synced uint32 // all pages below were synced when this was written
	tag    [tagBytes]byte
}

func (s *slot) put(b []byte) {
	clear(b[:slotBytes])
	binary.LittleEndian.PutUint16(b, s.length)
	if s.final {
		b[2] = 1
	}
	binary.LittleEndian.PutUint32(b[4:], s.synced)
	copy(b[8:], s.tag[:])
}

func getSlot(b []byte) (s slot, ok bool) {
	s = slot{length: binary.LittleEndian.Uint16(b), final: b[2] == 1, synced: binary.LittleEndian.Uint32(b[4:])}
	copy(s.tag[:], b[8:])
	return s, s.length > 0 && s.length <= pageData && b[2] <= 1 && b[3] == 0
}

// fileKeys are the keys of one file.
type fileKeys struct {
	block cipher.Block // of the bytes
	mac   cipher.AEAD  // of the slots: only its authentication is used
	head  []byte       // of the header and names
}

func newFileKeys(dataKey, head []byte) (*fileKeys, error) {
	derived, err := hkdf.Key(sha256.New, dataKey, head[:headFixed], "stere file 1", 3*keyBytes)
	if err != nil {
		return nil, err
	}
	k := &fileKeys{head: derived[2*keyBytes:]}
	if k.block, err = aes.NewCipher(derived[:keyBytes]); err != nil {
		return nil, err
	}
	authenticates, err := aes.NewCipher(derived[keyBytes : 2*keyBytes])
	if err != nil {
		return nil, err
	}
	k.mac, err = cipher.NewGCM(authenticates)
	return k, err
}

// seal sets the slot's tag for the encrypted bytes of a page. What is
// authenticated besides the bytes is the nonce, so that no nonce is ever used
// for two texts: the bytes of a page only grow.
func (k *fileKeys) seal(s *slot, page uint32, data []byte) {
	nonce := s.nonce(page)
	k.mac.Seal(s.tag[:0], nonce[:], nil, data)
}

// proves reports whether the slot is of these encrypted bytes.
func (k *fileKeys) proves(s *slot, page uint32, data []byte) bool {
	nonce := s.nonce(page)
	_, err := k.mac.Open(nil, nonce[:], s.tag[:], data)
	return err == nil
}

func (s *slot) nonce(page uint32) (nonce [12]byte) {
	binary.LittleEndian.PutUint32(nonce[:], page)
	binary.LittleEndian.PutUint16(nonce[4:], s.length)
	if s.final {
		nonce[6] = 1
	}
	binary.LittleEndian.PutUint32(nonce[8:], s.synced)
	return nonce
}

// stream encrypts or decrypts what stands one after the other in a file's content.
type stream struct {
	keys   *fileKeys
	cipher cipher.Stream
	at     int64 // of what comes next
}

// crypt encrypts or decrypts what is at an offset.
func (s *stream) crypt(dst, src []byte, offset int64) {
	if s.cipher == nil || s.at != offset {
		var iv [aes.BlockSize]byte
		binary.BigEndian.PutUint64(iv[8:], uint64(offset)/aes.BlockSize)
		s.cipher = cipher.NewCTR(s.keys.block, iv[:])
		if skip := int(offset % aes.BlockSize); skip > 0 {
			var skipped [aes.BlockSize]byte
			s.cipher.XORKeyStream(skipped[:skip], skipped[:skip])
		}
	}
	s.cipher.XORKeyStream(dst[:len(src)], src)
	s.at = offset + int64(len(src))
}

// header is what a file says of itself.
type header struct {
	keyID [idSize]byte
	bytes [headUsed]byte
}

// newHeader returns the header of a new file with its keys.
func newHeader(key *dataKey, names ...string) (*header, *fileKeys, error) {
	h := &header{keyID: key.id}
	b := h.bytes[:]
	copy(b, magic[:])
	binary.LittleEndian.PutUint16(b[8:], version)
	binary.LittleEndian.PutUint16(b[10:], suite)
	binary.LittleEndian.PutUint32(b[12:], pageBytes)
	copy(b[16:], key.id[:])
	rand.Read(b[32:headFixed]) // never fails
	keys, err := newFileKeys(key.secret, b)
	if err != nil {
		return nil, nil, err
	}
	copy(b[headFixed:], keys.tag("header", b[:headFixed]))
	for _, name := range names {
		h.addName(keys, name)
	}
	return h, keys, nil
}

func (k *fileKeys) tag(what string, b []byte) []byte {
	mac := hmac.New(sha256.New, k.head)
	mac.Write([]byte(what))
	mac.Write([]byte{0})
	mac.Write(b)
	return mac.Sum(nil)[:tagBytes]
}

// parseHeader reads one copy of a header, of which nothing is proven yet.
func parseHeader(b []byte) (*header, error) {
	if len(b) < headUsed || !bytes.Equal(b[:len(magic)], magic[:]) {
		return nil, fmt.Errorf("no header")
	}
	if v := binary.LittleEndian.Uint16(b[8:]); v != version {
		return nil, fmt.Errorf("it has version %d of the encrypted form, this program reads %d", v, version)
	}
	if s, p := binary.LittleEndian.Uint16(b[10:]), binary.LittleEndian.Uint32(b[12:]); s != suite || p != pageBytes {
		return nil, fmt.Errorf("it has suite %d and pages of %d bytes, this program reads %d and %d", s, p, suite, pageBytes)
	}
	h := &header{keyID: [idSize]byte(b[16:])}
	copy(h.bytes[:], b)
	return h, nil
}

// open derives the file's keys and checks the header with them.
func (h *header) open(key *dataKey) (*fileKeys, error) {
	keys, err := newFileKeys(key.secret, h.bytes[:])
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(h.bytes[headFixed:namesAt], keys.tag("header", h.bytes[:headFixed])) {
		return nil, fmt.Errorf("its header is damaged or was changed")
	}
	return keys, nil
}

// hasName reports whether the file was given the name.
func (h *header) hasName(keys *fileKeys, name string) bool {
	want := keys.tag("name", []byte(name))
	for at := namesAt; at < headUsed; at += tagBytes {
		if hmac.Equal(h.bytes[at:at+tagBytes], want) {
			return true
		}
	}
	return false
}

// addName gives the file another name. The oldest of too many goes.
func (h *header) addName(keys *fileKeys, name string) {
	names := h.bytes[namesAt:]
	copy(names[tagBytes:], names[:headUsed-namesAt-tagBytes])
	copy(names, keys.tag("name", []byte(name)))
}
