package encryption

import (
	"bufio"
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"time"
)

// Limits of master keys.
const (
	keyBytes      = 32
	mastersMax    = 64
	mastersText   = 64 << 10 // bytes of a key file
	idBytes       = 8
	socketTimeout = 10 * time.Second
)

// keyMark begins the line of a key; the number is the version of the form.
const keyMark = "stere-master-key-1"

// Masters are the master keys of a node, oldest first: the last one wraps what
// is wrapped anew, the others unwrap.
type Masters struct {
	keys []master
	from string
}

type master struct {
	id  string
	key []byte
}

// NewMaster returns the line of a new master key.
func NewMaster() string {
	random := make([]byte, idBytes+keyBytes)
	rand.Read(random) // never fails
	return keyMark + " " + hex.EncodeToString(random[:idBytes]) + " " + base64.StdEncoding.EncodeToString(random[idBytes:]) + "\n"
}

// ParseMasters reads lines of master keys: the mark, an id, 32 bytes as base64.
// Empty lines and those that begin with # say nothing. No error has a byte of a
// key.
func ParseMasters(text []byte, from string) (*Masters, error) {
	m := &Masters{from: from}
	if len(text) > mastersText {
		return nil, fmt.Errorf("%w: %s has more than %d bytes", ErrKeys, from, mastersText)
	}
	lines := bufio.NewScanner(bytes.NewReader(text))
	for number := 1; lines.Scan(); number++ {
		line := strings.TrimSpace(lines.Text())
		if line == "" || line[0] == '#' {
			continue
		}
		bad := func(format string, args ...any) error {
			return fmt.Errorf("%w: %s, line %d: %s; stere admin encryption key makes a key", ErrKeys, from, number, fmt.Sprintf(format, args...))
		}
		words := strings.Fields(line)
		if len(words) != 3 || words[0] != keyMark {
			return nil, bad("want %s, an id and a key", keyMark)
		}
		if id, err := hex.DecodeString(words[1]); err != nil || len(id) != idBytes {
			return nil, bad("the id is not %d hex digits", 2*idBytes)
		}
		key, err := base64.StdEncoding.DecodeString(words[2])
		if err != nil || len(key) != keyBytes {
			return nil, bad("the key is not %d bytes as base64", keyBytes)
		}
		if m.find(words[1]) != nil {
			return nil, bad("there is another key with the id %s", words[1])
		}
		if m.keys = append(m.keys, master{words[1], key}); len(m.keys) > mastersMax {
			return nil, bad("there are more than %d keys", mastersMax)
		}
	}
	if err := lines.Err(); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrKeys, from, err)
	}
	if len(m.keys) == 0 {
		return nil, fmt.Errorf("%w: %s has no key; stere admin encryption key makes one", ErrKeys, from)
	}
	return m, nil
}

// newest returns the key that wraps.
func (m *Masters) newest() master { return m.keys[len(m.keys)-1] }

// Newest returns the id of the key that wraps.
func (m *Masters) Newest() string { return m.newest().id }

func (m *Masters) find(id string) []byte {
	if i := slices.IndexFunc(m.keys, func(k master) bool { return k.id == id }); i >= 0 {
		return m.keys[i].key
	}
	return nil
}

// ids returns the ids of all keys, for errors.
func (m *Masters) ids() string {
	ids := make([]string, len(m.keys))
	for i, k := range m.keys {
		ids[i] = k.id
	}
	return strings.Join(ids, ", ")
}

// ReadMasters reads master keys from a file that others can neither read nor
// change, or from a Unix socket, on which whoever keeps the keys writes the same
// text and closes.
func ReadMasters(path string) (*Masters, error) {
	info, err := os.Stat(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("read encryption keys: %w: there is no file %s; bring it back, without it nothing of an encrypted folder can be read: %w", ErrKeys, path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("read encryption keys: %w: %w", ErrKeys, err)
	}
	var text []byte
	if info.Mode()&fs.ModeSocket != 0 {
		text, err = fromSocket(path)
	} else {
		text, err = fromFile(path, info)
	}
	if err != nil {
		return nil, fmt.Errorf("read encryption keys: %w: %w", ErrKeys, err)
	}
	m, err := ParseMasters(text, path)
	clear(text)
	return m, err
}

func fromFile(path string, info fs.FileInfo) ([]byte, error) {
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("%s is neither a file nor a socket", path)
	}
	// The group may read: so orchestrators hand out secrets.
	if mode := info.Mode().Perm(); mode&0o027 != 0 {
		return nil, fmt.Errorf("%s has mode %04o, so others can read or change it; run: chmod 600 %s", path, mode, path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, mastersText+1))
}

func fromSocket(path string) ([]byte, error) {
	conn, err := net.DialTimeout("unix", path, socketTimeout)
	if err != nil {
		return nil, err
	}
	defer conn.Close()
	if err := conn.SetDeadline(time.Now().Add(socketTimeout)); err != nil {
		return nil, err
	}
	text, err := io.ReadAll(io.LimitReader(conn, mastersText+1))
	if err != nil {
		return nil, fmt.Errorf("read from %s: %w", path, err)
	}
	return text, nil
}
