package cluster

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// flipsMax bounds the bits that flip in one round.
const flipsMax = 3

// rotted flips bits in a node's files, while it runs or while it is down. It
// may end, but must come to itself when it is started again.
func (r *round) rotted(ctx context.Context, victim *node) error {
	r.mayEnd = []*node{victim}
	r.expect(r.crew.names(victim))
	down := r.rng.IntN(2) == 0
	if down {
		r.note("while it is down")
		if err := victim.end(); err != nil {
			return err
		}
	}
	for range 1 + r.rng.IntN(flipsMax) {
		where, err := r.flip(victim.dir)
		if err != nil {
			return err
		}
		r.note("flipped %s", where)
	}
	r.hold(ctx)
	// Whatever it has found by now: it reads the rest when it starts.
	return victim.end()
}

// flip flips a bit of a file of the log, or as often of storage, each byte as
// likely as any other there.
func (r *round) flip(dir string) (where string, err error) {
	parts := []string{"log", "store"}
	if r.rng.IntN(2) == 0 {
		slices.Reverse(parts)
	}
	for _, part := range parts {
		if where, err = r.flipIn(dir, part); !errors.Is(err, errNoFiles) {
			break
		}
	}
	return where, err
}

var errNoFiles = errors.New("there are no files")

// flipIn flips a bit of a file of one of the folders.
func (r *round) flipIn(dir, part string) (where string, err error) {
	type target struct {
		path string
		size int64
	}
	var targets []target
	sum := int64(0)
	err = filepath.WalkDir(filepath.Join(dir, part), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !entry.Type().IsRegular() || slices.Contains([]string{"BALLAST", "LOCK", "reserve"}, entry.Name()) {
			if errors.Is(err, fs.ErrNotExist) {
				return nil
			}
			return err
		}
		info, err := entry.Info()
		if err != nil || info.Size() == 0 {
			return nil // it vanished, or has nothing to flip
		}
		targets = append(targets, target{path, info.Size()})
		sum += info.Size()
		return nil
	})
	if err != nil {
		return "", fmt.Errorf("look for files: %w", err)
	}
	if sum == 0 {
		return "", fmt.Errorf("%w in %s", errNoFiles, filepath.Join(dir, part))
	}
	at := r.rng.Int64N(sum)
	for _, t := range targets {
		if at >= t.size {
			at -= t.size
			continue
		}
		bit := r.rng.IntN(8)
		name, err := filepath.Rel(dir, t.path)
		if err != nil {
			name = t.path
		}
		return fmt.Sprintf("bit %d of byte %d of %s (%d bytes)", bit, at, name, t.size), flipBit(t.path, at, bit)
	}
	return "", errors.New("no byte was found")
}

func flipBit(path string, at int64, bit int) (err error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("flip a bit: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	b := make([]byte, 1)
	if _, err := file.ReadAt(b, at); err != nil {
		return fmt.Errorf("flip a bit: %w", err)
	}
	b[0] ^= 1 << bit
	if _, err := file.WriteAt(b, at); err != nil {
		return fmt.Errorf("flip a bit: %w", err)
	}
	return nil
}
