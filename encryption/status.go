package encryption

import (
	"encoding/hex"
	"errors"
	"os"
	"slices"
	"time"
)

// Status says what of a folder is encrypted with what.
type Status struct {
	Master     string // the master key that wraps the data keys
	Keys       []KeyStatus
	Plain      int64 // bytes that are not encrypted yet
	PlainFiles int
	Old        int64 // bytes of older data keys
	OldFiles   int
}

// KeyStatus is one data key.
type KeyStatus struct {
	ID      string
	Owner   string // a tenant; empty: the node
	Created time.Time
	Newest  bool // of its owner: new files get it
	Files   int
	Bytes   int64 // on the disk
}

// found is a file of the folder.
type found struct {
	name  string
	what  kind
	keys  [][idSize]byte // of the copies of its header, of which one may be damaged
	bytes int64
}

// walk visits the files of the folder. What is not encrypted in the folder
// itself, but for what is named, is not the file system's.
func (f *FS) walk(dir string, visit func(found)) error {
	names, err := f.FS.List(dir)
	if err != nil {
		return err
	}
	for _, base := range names {
		name := f.FS.PathJoin(dir, base)
		info, err := f.FS.Stat(name)
		if errors.Is(err, os.ErrNotExist) {
			continue // it went meanwhile
		}
		if err != nil {
			return err
		}
		if info.IsDir() {
			if err := f.walk(name, visit); err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
			continue
		}
		copies, what, err := f.look(name)
		if errors.As(err, new(*DamageError)) {
			continue // whoever needs it says so
		}
		if err != nil {
			return err
		}
		one := found{name: name, what: what, bytes: info.Size()}
		for _, h := range copies {
			one.keys = append(one.keys, h.keyID)
		}
		if len(copies) > 0 || what == isPlain && (dir != f.dir || slices.Contains(f.files, base)) {
			visit(one)
		}
	}
	return nil
}

// Prune forgets the data keys that no file has any more, but for those that new
// files of the node get. Nothing is created or named meanwhile.
func (f *FS) Prune() error {
	used, plain, err := f.used()
	if err != nil {
		return err
	}
	if _, same := f.ring.wanted(used, plain); same {
		return nil
	}
	f.ring.using.Lock()
	defer f.ring.using.Unlock()
	if used, plain, err = f.used(); err != nil {
		return err
	}
	return f.ring.keep(used, plain)
}

// used returns the ids of the data keys that files have, also those that were begun
// and have nothing in them yet, and whether there are files that are not encrypted.
func (f *FS) used() (used map[[idSize]byte]bool, plain bool, err error) {
	used = map[[idSize]byte]bool{}
	takes := f.ring.takesPlain()
	err = f.walk(f.dir, func(one found) {
		for _, key := range one.keys {
			used[key] = true
		}
		plain = plain || takes && one.what == isPlain
	})
	return used, plain, err
}

// Status looks at all files.
func (f *FS) Status() (Status, error) {
	f.ring.mu.RLock()
	s := Status{Master: f.ring.master}
	at := map[[idSize]byte]int{}
	newest := map[string]int{}
	for _, k := range f.ring.keys {
		at[k.id], newest[k.owner] = len(s.Keys), len(s.Keys)
		s.Keys = append(s.Keys, KeyStatus{ID: hex.EncodeToString(k.id[:]), Owner: k.owner, Created: k.created})
	}
	f.ring.mu.RUnlock()
	for _, i := range newest {
		s.Keys[i].Newest = true
	}
	err := f.walk(f.dir, func(one found) {
		switch one.what {
		case isEmpty:
			return
		case isPlain:
			s.PlainFiles++
			s.Plain += one.bytes
			return
		}
		i, known := at[one.keys[0]]
		if !known {
			return
		}
		s.Keys[i].Files++
		s.Keys[i].Bytes += one.bytes
		if !s.Keys[i].Newest {
			s.OldFiles++
			s.Old += one.bytes
		}
	})
	return s, err
}

// Owner returns to whom a file belongs, "" for nobody.
func (f *FS) Owner(name string) (string, error) {
	copies, what, err := f.look(name)
	if err != nil || what != isEncrypted {
		return "", err
	}
	key := f.ring.find(copies[0].keyID)
	if key == nil {
		return "", nil
	}
	return key.owner, nil
}

// IsOld reports whether a file is not encrypted by the newest key of its owner.
func (f *FS) IsOld(name string) (bool, error) {
	copies, what, err := f.look(name)
	if err != nil || what == isEmpty {
		return false, err
	}
	if what == isPlain {
		return true, nil
	}
	key := f.ring.find(copies[0].keyID)
	return key != nil && f.ring.newestOf(key.owner) != key, nil
}
