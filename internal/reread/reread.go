// Package reread keeps what files say and reads them again when they change, as
// certificates do that are renewed. Files is the main type. It is safe for concurrent use
// and owns no goroutine: files are looked at by whoever asks, at most every few seconds.
package reread

import (
	"fmt"
	"os"
	"slices"
	"sync"
	"time"
)

// Every is the least time between two looks whether files have changed.
const Every = 5 * time.Second

// Config says which files there are and what is made of them.
type Config[T any] struct {
	Paths    []string
	BytesMax int64 // of a file; 0: not looked at
	Read     func() (T, error)
	Now      func() time.Time
	// Told is called when changed files were read again, or, once until that, when they
	// cannot be.
	Told func(said T, err error)
}

// Files is what files say.
type Files[T any] struct {
	cfg Config[T]
	mu  struct {
		sync.Mutex
		looked time.Time
		stamps []stamp
		said   T
		failed bool // what is there cannot be read, which was told
	}
}

// stamp tells whether a file has changed.
type stamp struct {
	at    time.Time
	bytes int64
}

// Open reads the files for the first time.
func Open[T any](cfg Config[T]) (*Files[T], error) {
	f := &Files[T]{cfg: cfg}
	f.mu.looked = cfg.Now()
	stamps, said, err := f.read(nil)
	if err != nil {
		return nil, err
	}
	f.mu.stamps, f.mu.said = stamps, said
	return f, nil
}

// Current returns what the files say now. Of files that cannot be read, as while they are
// written, it is what they said before.
func (f *Files[T]) Current() T {
	f.mu.Lock()
	defer f.mu.Unlock()
	now := f.cfg.Now()
	// A clock that was put back is no reason to look no more.
	if d := now.Sub(f.mu.looked); d >= 0 && d < Every {
		return f.mu.said
	}
	f.mu.looked = now
	stamps, said, err := f.read(f.mu.stamps)
	switch {
	case err != nil && !f.mu.failed:
		f.mu.failed = true
		f.cfg.Told(f.mu.said, err)
	case err == nil && stamps == nil:
		f.mu.failed = false // they are what they were before
	case err == nil:
		f.mu.stamps, f.mu.said, f.mu.failed = stamps, said, false
		f.cfg.Told(said, nil)
	}
	return f.mu.said
}

// read reads the files unless they are those of the stamps; then it returns no stamps. What
// is too large is not read.
func (f *Files[T]) read(before []stamp) (stamps []stamp, said T, err error) {
	for _, path := range f.cfg.Paths {
		info, err := os.Stat(path)
		if err != nil {
			return nil, said, err
		}
		if f.cfg.BytesMax > 0 && info.Size() > f.cfg.BytesMax {
			return nil, said, fmt.Errorf("%s has %d bytes, the most is %d", path, info.Size(), f.cfg.BytesMax)
		}
		stamps = append(stamps, stamp{info.ModTime(), info.Size()})
	}
	if slices.EqualFunc(stamps, before, func(a, b stamp) bool { return a.at.Equal(b.at) && a.bytes == b.bytes }) {
		return nil, said, nil
	}
	said, err = f.cfg.Read()
	return stamps, said, err
}
