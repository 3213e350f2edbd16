package encryption

import (
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/stere-log/stere/storage/engine"
)

// Names of the ring in the data folder. It is there twice, since nothing can be
// read without it.
const (
	RingName = "encryption.ring"
	ringCopy = "encryption.ring.copy"
)

// Limits of a ring.
const (
	ringFormat = 1
	ringMax    = 64 << 20 // bytes
	ownerMax   = 1 << 10  // bytes of an owner's name
)

// dataKey encrypts the files of an owner: of the node, "", or of a tenant.
type dataKey struct {
	id      [idSize]byte
	owner   string
	created time.Time
	secret  []byte
}

// Ring is the list of a folder's data keys.
type Ring struct {
	fs     engine.FS
	dir    string
	now    func() time.Time
	source func() (*Masters, error)

	// using is held for reading while a file is begun or gets a name, so that who
	// holds it for writing sees which keys are in use.
	using sync.RWMutex

	mu         sync.RWMutex
	masters    *Masters
	master     string // which wrapped the ring
	plain      bool   // files that are not encrypted are read
	generation uint64
	keys       []*dataKey // oldest first
}

// ringFile is the ring on the disk.
type ringFile struct {
	Format     int       `json:"format"`
	Generation uint64    `json:"generation"`
	Master     string    `json:"master"`
	Plain      bool      `json:"plain"`
	Keys       []ringKey `json:"keys"`
	Proof      []byte    `json:"proof,omitempty"` // of all above by the master key
}

type ringKey struct {
	ID      string    `json:"id"`
	Owner   string    `json:"owner,omitempty"`
	Created time.Time `json:"created"`
	Wrapped []byte    `json:"wrapped"`
}

func (k *ringKey) about() []byte {
	return fmt.Appendf(nil, "stere data key 1\x00%s\x00%s\x00%s", k.ID, k.Owner, k.Created.UTC().Format(time.RFC3339))
}

// newDataKey returns a data key that never was.
func newDataKey(owner string, now time.Time) *dataKey {
	k := &dataKey{owner: owner, created: now.UTC().Truncate(time.Second), secret: make([]byte, keyBytes)}
	rand.Read(k.id[:])
	rand.Read(k.secret)
	return k
}

func ringAEAD(master []byte, what string) (cipher.AEAD, []byte, error) {
	derived, err := hkdf.Key(sha256.New, master, nil, "stere ring 1 "+what, keyBytes)
	if err != nil {
		return nil, nil, err
	}
	block, err := aes.NewCipher(derived)
	if err != nil {
		return nil, nil, err
	}
	aead, err := cipher.NewGCM(block)
	return aead, derived, err
}

// prove returns the proof of a ring's file.
func (f ringFile) prove(master []byte) ([]byte, error) {
	f.Proof = nil
	text, err := json.Marshal(f)
	if err != nil {
		return nil, err
	}
	_, key, err := ringAEAD(master, "proof")
	if err != nil {
		return nil, err
	}
	mac := hmac.New(sha256.New, key)
	mac.Write(text)
	return mac.Sum(nil), nil
}

// encode wraps the ring with the newest master key. It is called with mu held.
func (r *Ring) encode() ([]byte, error) {
	master := r.masters.newest()
	wrap, _, err := ringAEAD(master.key, "wrap")
	if err != nil {
		return nil, err
	}
	file := ringFile{Format: ringFormat, Generation: r.generation, Master: master.id, Plain: r.plain, Keys: []ringKey{}}
	for _, k := range r.keys {
		one := ringKey{ID: hex.EncodeToString(k.id[:]), Owner: k.owner, Created: k.created}
		nonce := make([]byte, wrap.NonceSize())
		rand.Read(nonce)
		one.Wrapped = wrap.Seal(nonce, nonce, k.secret, one.about())
		file.Keys = append(file.Keys, one)
	}
	if file.Proof, err = file.prove(master.key); err != nil {
		return nil, err
	}
	text, err := json.MarshalIndent(file, "", " ")
	return append(text, '\n'), err
}

// decodeRing reads a ring with the master keys.
func decodeRing(text []byte, masters *Masters) (*Ring, error) {
	var file ringFile
	decoder := json.NewDecoder(bytes.NewReader(text))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&file); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrRing, err)
	}
	if file.Format != ringFormat {
		return nil, fmt.Errorf("%w: it has format %d, this program reads %d", ErrRing, file.Format, ringFormat)
	}
	master := masters.find(file.Master)
	if master == nil {
		return nil, fmt.Errorf("%w: the data folder needs the master key %.40q, and %s has %s; add the line of that key", ErrWrongKey, file.Master, masters.from, masters.ids())
	}
	proof, err := file.prove(master)
	if err != nil {
		return nil, err
	}
	if !hmac.Equal(proof, file.Proof) {
		return nil, fmt.Errorf("%w: the master key %s in %s does not prove it", ErrRing, file.Master, masters.from)
	}
	wrap, _, err := ringAEAD(master, "wrap")
	if err != nil {
		return nil, err
	}
	r := &Ring{master: file.Master, plain: file.Plain, generation: file.Generation}
	for _, one := range file.Keys {
		id, err := hex.DecodeString(one.ID)
		if err != nil || len(id) != idSize || len(one.Wrapped) < wrap.NonceSize() {
			return nil, fmt.Errorf("%w: data key %.40q", ErrRing, one.ID)
		}
		secret, err := wrap.Open(nil, one.Wrapped[:wrap.NonceSize()], one.Wrapped[wrap.NonceSize():], one.about())
		if err != nil || len(secret) != keyBytes {
			return nil, fmt.Errorf("%w: data key %s cannot be unwrapped", ErrRing, one.ID)
		}
		r.keys = append(r.keys, &dataKey{id: [idSize]byte(id), owner: one.Owner, created: one.Created, secret: secret})
	}
	return r, nil
}

// Exists reports whether a folder has a ring.
func Exists(files engine.FS, dir string) bool {
	for _, name := range []string{RingName, ringCopy} {
		if _, err := files.Stat(files.PathJoin(dir, name)); err == nil {
			return true
		}
	}
	return false
}

// readRing reads the newer of the two copies that is whole; nil: there is none.
func readRing(files engine.FS, dir string, masters *Masters) (*Ring, error) {
	var best *Ring
	var faults []error
	for _, name := range []string{RingName, ringCopy} {
		path := files.PathJoin(dir, name)
		text, err := engine.ReadFile(files, path, ringMax)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		var r *Ring
		if err == nil {
			r, err = decodeRing(text, masters)
		}
		switch {
		case err != nil:
			faults = append(faults, fmt.Errorf("read %s: %w", path, err))
		case best == nil || r.generation > best.generation:
			best = r
		}
	}
	if best == nil {
		return nil, errors.Join(faults...)
	}
	return best, nil
}

// openRing reads the ring of a folder, or makes one. Both copies are there and
// wrapped by the newest master key afterwards.
func openRing(cfg Config, masters *Masters) (*Ring, error) {
	r, err := readRing(cfg.FS, cfg.Dir, masters)
	if err != nil {
		return nil, err
	}
	if r == nil {
		plain, err := begins(cfg)
		if err != nil {
			return nil, err
		}
		r = &Ring{plain: plain, keys: []*dataKey{newDataKey("", cfg.Now())}}
	}
	r.fs, r.dir, r.now, r.source, r.masters = cfg.FS, cfg.Dir, cfg.Now, cfg.Keys, masters
	return r, nil
}

// begins looks at a folder without a ring: whether it is one that was not
// encrypted so far. One that was has lost its ring.
func begins(cfg Config) (plain bool, err error) {
	path := cfg.FS.PathJoin(cfg.Dir, cfg.Files[0])
	file, err := cfg.FS.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, fmt.Errorf("look at %s: %w", path, err)
	}
	var begin [len(magic)]byte
	n, err := file.ReadAt(begin[:], 0)
	if err == io.EOF {
		err = nil
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return false, fmt.Errorf("look at %s: %w", path, err)
	}
	if begin == magic {
		return false, fmt.Errorf("%w: %s is encrypted, but neither %s nor %s is in the folder; bring one of them back from a backup, or give the node an empty data folder", ErrRing, path, RingName, ringCopy)
	}
	return n > 0, nil
}

// save writes the ring. It is called with mu held.
func (r *Ring) save() error {
	r.generation++
	text, err := r.encode()
	if err != nil {
		return err
	}
	if len(text) >= ringMax {
		return fmt.Errorf("write the keys of the data folder: %d data keys take %d bytes, want less than %d; let older ones go first, or do without encryption-tenant-keys", len(r.keys), len(text), ringMax)
	}
	for _, name := range []string{ringCopy, RingName} {
		// A file may change the bytes that it is given.
		if err := engine.WriteFile(r.fs, r.fs.PathJoin(r.dir, name), bytes.Clone(text)); err != nil {
			return fmt.Errorf("write the keys of the data folder: %w", err)
		}
	}
	r.master = r.masters.newest().id
	return nil
}

// change saves a ring with other keys; without that it stays as it was.
func (r *Ring) change(keys []*dataKey, plain bool) error {
	old, oldPlain := r.keys, r.plain
	r.keys, r.plain = keys, plain
	if err := r.save(); err != nil {
		r.keys, r.plain = old, oldPlain
		return err
	}
	return nil
}

// newestOf returns the newest key of an owner.
func (r *Ring) newestOf(owner string) *dataKey {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, k := range slices.Backward(r.keys) {
		if k.owner == owner {
			return k
		}
	}
	return nil
}

// use returns the key for a new file of an owner, and makes one where there is none.
func (r *Ring) use(owner string) (*dataKey, error) {
	if k := r.newestOf(owner); k != nil {
		return k, nil
	}
	if len(owner) > ownerMax {
		return nil, fmt.Errorf("make a data key: the name of its owner has %d bytes, want at most %d", len(owner), ownerMax)
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, k := range slices.Backward(r.keys) {
		if k.owner == owner {
			return k, nil
		}
	}
	k := newDataKey(owner, r.now())
	return k, r.change(append(slices.Clone(r.keys), k), r.plain)
}

func (r *Ring) find(id [idSize]byte) *dataKey {
	r.mu.RLock()
	defer r.mu.RUnlock()
	for _, k := range r.keys {
		if k.id == id {
			return k
		}
	}
	return nil
}

// takesPlain reports whether files that are not encrypted are read.
func (r *Ring) takesPlain() bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.plain
}

// Rotate reads the master keys again, gives every owner a new data key for new
// files and wraps all with the newest master key.
func (r *Ring) Rotate() error {
	masters, err := r.source()
	if err != nil {
		return err
	}
	r.using.Lock()
	defer r.using.Unlock()
	r.mu.Lock()
	defer r.mu.Unlock()
	if masters.find(r.master) == nil {
		return fmt.Errorf("%w: the data folder is wrapped by the master key %s, which %s does not have any more (it has %s); leave its line there until the next rotation is done", ErrWrongKey, r.master, masters.from, masters.ids())
	}
	old := r.masters
	r.masters = masters
	keys := slices.Clone(r.keys)
	for _, owner := range r.owners() {
		keys = append(keys, newDataKey(owner, r.now()))
	}
	if err := r.change(keys, r.plain); err != nil {
		r.masters = old
		return err
	}
	return nil
}

// owners returns whose keys there are. It is called with mu held.
func (r *Ring) owners() (owners []string) {
	for _, k := range r.keys {
		if !slices.Contains(owners, k.owner) {
			owners = append(owners, k.owner)
		}
	}
	return owners
}

// wanted returns the keys without those that no file has and no further file will
// get: the newest one of an owner stays as long as there are files of older ones,
// which are to be written anew with it. It also says whether that, with all else, is how the ring is on the disk.
func (r *Ring) wanted(used map[[idSize]byte]bool, plain bool) (keys []*dataKey, same bool) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	newest, owns := map[string]*dataKey{}, map[string]bool{"": true}
	for _, k := range r.keys {
		newest[k.owner] = k
		owns[k.owner] = owns[k.owner] || used[k.id]
	}
	keys = slices.DeleteFunc(slices.Clone(r.keys), func(k *dataKey) bool {
		return !used[k.id] && (newest[k.owner] != k || !owns[k.owner])
	})
	return keys, len(keys) == len(r.keys) && plain == r.plain && r.master == r.masters.newest().id && r.bothThere()
}

// keep forgets the keys that no file has and no further file will get, and whether
// there were plain files. It is called with using held.
func (r *Ring) keep(used map[[idSize]byte]bool, plain bool) error {
	keys, same := r.wanted(used, plain)
	if same {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	// Also if this fails: what is forgotten may be gone from one of the copies, so no
	// further file may get it.
	r.keys, r.plain = keys, plain
	return r.save()
}

// bothThere reports whether both copies are there and the same.
func (r *Ring) bothThere() bool {
	var texts [2][]byte
	for i, name := range []string{RingName, ringCopy} {
		text, err := engine.ReadFile(r.fs, r.fs.PathJoin(r.dir, name), ringMax)
		if err != nil {
			return false
		}
		texts[i] = text
	}
	return bytes.Equal(texts[0], texts[1]) && strings.HasSuffix(string(texts[0]), "}\n")
}
