package raft

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// applied is one command that reached a state machine.
type applied struct {
	Index, Term uint64
	Data        []byte
}

// manifest is what a seal makes durable.
type manifest struct {
	Pos     Position
	Entries []applied
}

// ledger is a state machine that keeps every command. Its manifest is a file.
// The command "seal" is acted on by seal, not by Apply.
type ledger struct {
	fs   vfs.FS
	path string

	mu       sync.Mutex
	entries  []applied
	conf     []byte
	confAt   uint64
	sealed   *manifest
	restores int
	seen     map[string]bool // commands that begin with "id:" count once
}

func newLedger(fs vfs.FS, path string) (*ledger, error) {
	l := &ledger{fs: fs, path: path, seen: map[string]bool{}}
	f, err := fs.Open(path)
	if err != nil {
		return l, nil
	}
	defer f.Close()
	b, err := io.ReadAll(f)
	if err != nil {
		return nil, err
	}
	l.sealed = new(manifest)
	if err := json.Unmarshal(b, l.sealed); err != nil {
		return nil, err
	}
	l.load(l.sealed.Entries)
	l.conf, l.confAt = l.sealed.Pos.Configuration, l.sealed.Pos.ConfigurationIndex
	return l, nil
}

func (l *ledger) load(entries []applied) {
	l.entries = slices.Clone(entries)
	clear(l.seen)
	for _, e := range entries {
		if bytes.HasPrefix(e.Data, []byte("id:")) {
			l.seen[string(e.Data)] = true
		}
	}
}

func (l *ledger) Apply(index, term uint64, command []byte) any {
	l.mu.Lock()
	defer l.mu.Unlock()
	if n := len(l.entries); n > 0 && l.entries[n-1].Index >= index {
		return errors.New("applied twice")
	}
	if l.seen[string(command)] {
		return 0
	}
	if bytes.HasPrefix(command, []byte("id:")) {
		l.seen[string(command)] = true
	}
	l.entries = append(l.entries, applied{index, term, command})
	return len(l.entries)
}

func (l *ledger) Configured(index uint64, configuration []byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.conf, l.confAt = configuration, index
}

func (l *ledger) Snapshot() (Position, bool) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.sealed == nil {
		return Position{}, false
	}
	return l.sealed.Pos, true
}

func (l *ledger) OpenSnapshot() (io.ReadCloser, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	b, err := json.Marshal(l.sealed)
	return io.NopCloser(bytes.NewReader(b)), err
}

func (l *ledger) Restore(pos Position, r io.Reader) error {
	var m manifest
	if err := json.NewDecoder(r).Decode(&m); err != nil {
		return err
	}
	if m.Pos.Index != pos.Index || m.Pos.Term != pos.Term || !bytes.Equal(m.Pos.Configuration, pos.Configuration) {
		return errors.New("content is of another position")
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	l.restores++
	l.load(m.Entries)
	l.conf, l.confAt = pos.Configuration, pos.ConfigurationIndex
	return l.store(&m)
}

// seal makes everything up to the newest command durable.
func (l *ledger) seal() (uint64, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.entries) == 0 {
		return 0, errors.New("nothing to seal")
	}
	last := l.entries[len(l.entries)-1]
	return last.Index, l.store(&manifest{
		Pos:     Position{Index: last.Index, Term: last.Term, Configuration: l.conf, ConfigurationIndex: l.confAt},
		Entries: slices.Clone(l.entries),
	})
}

func (l *ledger) store(m *manifest) error {
	b, err := json.Marshal(m)
	if err != nil {
		return err
	}
	f, err := l.fs.Create(l.path+".new", vfs.WriteCategoryUnspecified)
	if err != nil {
		return err
	}
	_, err = f.Write(b)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := l.fs.Rename(l.path+".new", l.path); err != nil {
		return err
	}
	d, err := l.fs.OpenDir(l.fs.PathDir(l.path))
	if err != nil {
		return err
	}
	l.sealed = m
	return errors.Join(d.Sync(), d.Close())
}

func (l *ledger) data() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	var out []string
	for _, e := range l.entries {
		out = append(out, string(e.Data))
	}
	return out
}
