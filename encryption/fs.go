package encryption

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stere-log/stere/storage/engine"
)

// Config says what is encrypted with what.
type Config struct {
	FS  engine.FS // where it lives
	Dir string    // the data folder, which this process has for itself
	// Keys reads the master keys, now and at each rotation.
	Keys func() (*Masters, error)
	// Files are those that are written through the FS into the folder itself, not
	// into folders in it. The first is one that every data folder has: without a
	// ring it says whether the folder was used before, and was encrypted.
	Files []string
	Now   func() time.Time // default: time.Now
}

// FS is a file system of which the files are encrypted.
type FS struct {
	vfs.FS
	dir     string
	files   []string
	ring    *Ring
	buffers *sync.Pool
}

// Open opens the encrypted file system of a data folder. A folder that was not
// encrypted so far is from now on: what is in its files stays readable, and new
// files are encrypted.
func Open(cfg Config) (*FS, error) {
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	masters, err := cfg.Keys()
	if err != nil {
		return nil, err
	}
	ring, err := openRing(cfg, masters)
	if err != nil {
		return nil, fmt.Errorf("open encryption of %s: %w", cfg.Dir, err)
	}
	f := &FS{FS: cfg.FS, dir: cfg.Dir, files: cfg.Files, ring: ring, buffers: &sync.Pool{New: func() any { return new([]byte) }}}
	if err := f.adopt(); err != nil {
		return nil, fmt.Errorf("open encryption of %s: %w", cfg.Dir, err)
	}
	return f, nil
}

// adopt encrypts the files in the folder itself, which are seldom written, looks
// which data keys are in use and forgets others. Nothing else uses the folder
// meanwhile.
func (f *FS) adopt() error {
	// The ring is there before anything is encrypted by it.
	if err := f.Prune(); err != nil {
		return err
	}
	for _, base := range f.files {
		name := f.FS.PathJoin(f.dir, base)
		old, err := f.IsOld(name)
		if err == nil && old {
			err = f.renew(name)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// renew writes a small file anew, with the newest key.
func (f *FS) renew(name string) error {
	text, err := engine.ReadFile(f, name, 1<<30)
	if err != nil {
		return err
	}
	return engine.WriteFile(f, name, text)
}

// Ring returns the folder's data keys.
func (f *FS) Ring() *Ring { return f.ring }

// Unwrap implements vfs.FS: nobody goes around the encryption.
func (f *FS) Unwrap() vfs.FS { return nil }

// name returns a file's name within the data folder.
func (f *FS) name(name string) string {
	within := path.Clean(filepath.ToSlash(name))
	return strings.TrimPrefix(strings.TrimPrefix(within, path.Clean(filepath.ToSlash(f.dir))), "/")
}

// laterNames are the endings of names that files have while they are written.
var laterNames = [...]string{".new", ".dbtmp"}

// Create implements vfs.FS.
func (f *FS) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	f.ring.using.RLock()
	defer f.ring.using.RUnlock()
	key, err := f.ring.use(engine.OwnerOf(category))
	if err != nil {
		return nil, err
	}
	names := []string{f.name(name)}
	for _, ending := range laterNames {
		if final, ok := strings.CutSuffix(names[0], ending); ok {
			names = append(names, final)
		}
	}
	h, keys, err := newHeader(key, names...)
	if err != nil {
		return nil, fmt.Errorf("create %s: %w", name, err)
	}
	file, err := f.FS.Create(name, category)
	if err != nil {
		return nil, err
	}
	b := make([]byte, headCopy+headUsed, headBytes)
	copy(b, h.bytes[:])
	copy(b[headCopy:], h.bytes[:])
	if _, err := file.WriteAt(b[:headBytes], 0); err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return &writer{File: file, path: name, keys: keys, collect: strings.HasSuffix(name, ".sst")}, nil
}

// what a file is.
type kind uint8

const (
	isEmpty kind = iota // or was begun and never synced: nothing is in it
	isPlain
	isEncrypted
)

// look finds out what a file is; it returns the copies of a header that can be
// read, also of a file in which nothing is yet: more of it may be written.
func (f *FS) look(name string) (copies []*header, what kind, err error) {
	file, err := f.FS.Open(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, isEmpty, nil
	}
	if err != nil {
		return nil, 0, err
	}
	defer file.Close()
	return f.lookAt(file, name)
}

func (f *FS) lookAt(file vfs.File, name string) (copies []*header, what kind, err error) {
	info, err := file.Stat()
	if err != nil {
		return nil, 0, err
	}
	var both [headCopy + headUsed]byte
	n, err := file.ReadAt(both[:], 0)
	if err != nil && err != io.EOF {
		return nil, 0, err
	}
	marked, other := false, false
	var fault error
	for _, at := range []int{0, headCopy} {
		b := both[min(at, n):min(at+headUsed, n)]
		if h, err := parseHeader(b); err == nil {
			copies = append(copies, h)
		} else if len(b) >= len(magic) && [len(magic)]byte(b) == magic {
			marked, fault = true, err
		}
		other = other || strings.Trim(string(b), "\x00") != ""
	}
	switch {
	case len(copies) > 0 && info.Size() <= headBytes:
		return copies, isEmpty, nil
	case len(copies) > 0:
		return copies, isEncrypted, nil
	case marked && info.Size() > headBytes:
		return nil, 0, fmt.Errorf("open %s: %w: %w", name, &DamageError{File: name, To: inFile(info.Size())}, fault)
	case marked, !other, !f.ring.takesPlain() && info.Size() < int64(len(magic)):
		return nil, isEmpty, nil
	}
	return nil, isPlain, nil
}

// open returns the first copy of a header that is whole, and the keys of the file.
func (f *FS) open(copies []*header, name string) (*header, *fileKeys, error) {
	var fault error
	for _, one := range copies {
		h, keys, err := f.unlock(one, name)
		if err == nil {
			return h, keys, nil
		}
		if fault == nil {
			fault = err
		}
	}
	return nil, nil, &wrongFile{fmt.Errorf("open %s: %w", name, fault)}
}

func (f *FS) unlock(h *header, name string) (*header, *fileKeys, error) {
	key := f.ring.find(h.keyID)
	if key == nil {
		return nil, nil, fmt.Errorf("%w: %x; either what had it was removed, and this is a copy, or %s is older than the file", ErrUnknownKey, h.keyID, RingName)
	}
	keys, err := h.open(key)
	if err != nil {
		return nil, nil, fmt.Errorf("%w: %w", &DamageError{File: name}, err)
	}
	return h, keys, nil
}

// Open implements vfs.FS.
func (f *FS) Open(name string, options ...vfs.OpenOption) (vfs.File, error) {
	file, err := f.FS.Open(name, options...)
	if err != nil {
		return nil, err
	}
	opened, err := f.opened(file, name)
	if err != nil {
		return nil, errors.Join(err, file.Close())
	}
	return opened, nil
}

func (f *FS) opened(file vfs.File, name string) (vfs.File, error) {
	copies, what, err := f.lookAt(file, name)
	switch {
	case err != nil:
		return nil, err
	case what == isEmpty:
		return empty{file}, nil
	case what == isPlain && f.ring.takesPlain():
		return file, nil
	case what == isPlain:
		return nil, &wrongFile{fmt.Errorf("open %s: %w, and every file of the folder is: it was put there by somebody else, or is damaged; give the node an empty data folder to get its replicas anew, or bring the file back from a backup", name, ErrPlain)}
	}
	h, keys, err := f.open(copies, name)
	if err != nil {
		return nil, err
	}
	if !h.hasName(keys, f.name(name)) {
		return nil, &wrongFile{fmt.Errorf("open %s: %w", name, ErrMoved)}
	}
	return &reader{File: file, path: name, keys: keys, buffers: f.buffers}, nil
}

// empty is a file in which nothing is, though there may be bytes on the disk.
type empty struct{ vfs.File }

// Read implements vfs.File.
func (empty) Read([]byte) (int, error) { return 0, io.EOF }

// ReadAt implements vfs.File.
func (empty) ReadAt([]byte, int64) (int, error) { return 0, io.EOF }

// Stat implements vfs.File.
func (e empty) Stat() (vfs.FileInfo, error) {
	info, err := e.File.Stat()
	if err != nil {
		return nil, err
	}
	return sized{info, 0}, nil
}

// Stat implements vfs.FS.
func (f *FS) Stat(name string) (vfs.FileInfo, error) {
	info, err := f.FS.Stat(name)
	if err != nil || info.IsDir() || info.Size() == 0 {
		return info, err
	}
	_, what, err := f.look(name)
	switch {
	case err != nil && !errors.As(err, new(*DamageError)):
		return nil, err
	case what == isPlain:
		return info, nil
	case err == nil && what == isEmpty:
		return sized{info, 0}, nil
	}
	return sized{info, inFile(info.Size())}, nil
}

// OpenReadWrite implements vfs.FS.
func (f *FS) OpenReadWrite(name string, _ vfs.DiskWriteCategory, _ ...vfs.OpenOption) (vfs.File, error) {
	return nil, fmt.Errorf("open %s: %w", name, errAppend)
}

// ReuseForWrite implements vfs.FS. No file is written twice.
func (f *FS) ReuseForWrite(old, name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if err := f.FS.Remove(old); err != nil {
		return nil, err
	}
	return f.Create(name, category)
}

// Link implements vfs.FS.
func (f *FS) Link(old, name string) error {
	f.ring.using.RLock()
	defer f.ring.using.RUnlock()
	if err := f.alias(old, name); err != nil {
		return err
	}
	return f.FS.Link(old, name)
}

// Rename implements vfs.FS.
func (f *FS) Rename(old, name string) error {
	f.ring.using.RLock()
	defer f.ring.using.RUnlock()
	if info, err := f.FS.Stat(old); err == nil && !info.IsDir() {
		if err := f.alias(old, name); err != nil {
			return err
		}
	}
	return f.FS.Rename(old, name)
}

// alias writes into a file that it has another name from now on.
func (f *FS) alias(old, name string) error {
	file, err := f.FS.Open(old)
	if err != nil {
		return err
	}
	copies, what, err := f.lookAt(file, old)
	if err != nil || what == isPlain || len(copies) == 0 {
		return errors.Join(err, file.Close())
	}
	h, keys, err := f.open(copies, old)
	if err == nil && !h.hasName(keys, f.name(old)) {
		err = fmt.Errorf("rename %s: %w", old, ErrMoved)
	}
	if err = errors.Join(err, file.Close()); err != nil || h.hasName(keys, f.name(name)) {
		return err
	}
	h.addName(keys, f.name(name))
	out, err := f.FS.OpenReadWrite(old, vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	// One copy after the other: one is whole whenever the power fails.
	for _, at := range []int64{headCopy, 0} {
		if _, err = out.WriteAt(h.bytes[:], at); err == nil {
			err = out.Sync()
		}
		if err != nil {
			break
		}
	}
	return errors.Join(err, out.Close())
}
