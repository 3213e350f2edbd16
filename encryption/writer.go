package encryption

import (
	"bytes"
	"errors"
	"io"
	"slices"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// chunkBytes is how much of a file that nobody reads before it is whole is
// collected before it is encrypted and written.
const chunkBytes = 16 * pageData

// keptBytes is up to how large a buffer is kept for the next write.
const keptBytes = 1 << 20

// writer writes a file from its start to its end.
type writer struct {
	vfs.File
	path    string
	keys    *fileKeys
	collect bool // until chunkBytes, Sync or Close

	// mu is held during a Sync, too: what proves what is being synced must not
	// be written over before it is.
	mu      sync.Mutex
	size    int64 // on the disk, perhaps not synced
	synced  int64
	page    []byte // encrypted bytes of the newest page, none only in an empty file
	spare   []byte // for the next one
	slots   [slots]slot
	next    int    // which slot is written: the other one may be all that proves what is synced
	pending []byte // collected
	refused []byte // could not be written; nothing else may stand there
	buf     []byte
}

// PageBytes returns how many bytes of the file are encrypted and written together.
func (w *writer) PageBytes() int { return pageData }

// number returns the newest page's.
func (w *writer) number() int64 { return max(w.size-1, 0) / pageData }

// Write implements vfs.File.
func (w *writer) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.collect { // else what was refused is collected yet, and goes first
		if n := min(len(p), len(w.refused)); !bytes.Equal(p[:n], w.refused[:n]) {
			return 0, errDiffers
		}
		if err := w.put(p); err != nil {
			return 0, err
		}
		return len(p), nil
	}
	if len(w.pending)+len(p) >= chunkBytes {
		if err := w.flush(); err != nil {
			return 0, err
		}
	}
	w.pending = append(w.pending, p...)
	return len(p), nil
}

func (w *writer) flush() error {
	if len(w.pending) == 0 {
		return nil
	}
	if err := w.put(w.pending); err != nil {
		return err
	}
	w.pending = w.pending[:0]
	return nil
}

// put encrypts and writes what follows. After an error all is as before, except
// that nothing else may be put there: the same bytes of the cipher must not be
// used for two texts.
func (w *writer) put(p []byte) error {
	if len(p) == 0 {
		return nil
	}
	page, size, next, ends := w.number(), w.size, w.next, w.slots
	begin := page * pageData
	filled := len(w.page)
	if filled == pageData {
		page, begin, filled, next, ends = page+1, begin+pageData, 0, 0, [slots]slot{}
	}
	if (size+int64(len(p)))/pageData >= pagesMax {
		return errors.New("the file is too large to be encrypted")
	}
	first := page
	w.buf = slices.Grow(w.buf[:0], int(onDisk(size+int64(len(p)))-headBytes-first*pageBytes))
	cipher := stream{keys: w.keys}
	for rest := p; ; {
		at := len(w.buf)
		n := min(len(rest), pageData-filled)
		w.buf = w.buf[:at+pageHead+filled+n]
		data := w.buf[at+pageHead:]
		if filled > 0 {
			copy(data, w.page)
		}
		cipher.crypt(data[filled:], rest[:n], begin+int64(filled))
		ends[next] = slot{length: uint16(filled + n), synced: uint32(w.synced / pageData)}
		w.keys.seal(&ends[next], uint32(page), data)
		for i := range ends {
			ends[i].put(w.buf[at+i*slotBytes:])
		}
		if rest = rest[n:]; len(rest) == 0 {
			break
		}
		page, begin, filled, next, ends = page+1, begin+pageData, 0, 0, [slots]slot{}
	}
	// A file may change the bytes that it is given.
	w.spare = append(w.spare[:0], w.buf[(page-first)*pageBytes+pageHead:]...)
	if _, err := w.File.WriteAt(w.buf, headBytes+first*pageBytes); err != nil {
		if len(p) > len(w.refused) {
			w.refused = slices.Clone(p)
		}
		return err
	}
	w.refused = w.refused[min(len(p), len(w.refused)):]
	w.size, w.next, w.slots = size+int64(len(p)), next, ends
	w.page, w.spare = w.spare, w.page
	if cap(w.buf) > keptBytes {
		w.buf = nil
	}
	return nil
}

// durable is called when everything that was put has been synced.
func (w *writer) durable() {
	if w.synced < w.size {
		w.synced = w.size
		w.next = 1 - w.next
	}
}

// sync makes everything durable by one of the file's ways to do that.
func (w *writer) sync(how func() error) error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.flush()
	if err == nil {
		err = how()
	}
	if err == nil {
		w.durable()
	}
	return err
}

// Sync implements vfs.File.
func (w *writer) Sync() error { return w.sync(w.File.Sync) }

// SyncData implements vfs.File.
func (w *writer) SyncData() error { return w.sync(w.File.SyncData) }

// SyncTo implements vfs.File.
func (w *writer) SyncTo(length int64) (full bool, err error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.flush(); err != nil {
		return false, err
	}
	full, err = w.File.SyncTo(onDisk(length))
	if full && err == nil {
		w.durable()
	}
	return full, err
}

// Preallocate implements vfs.File.
func (w *writer) Preallocate(offset, length int64) error {
	return w.File.Preallocate(onDisk(offset), onDisk(offset+length)-onDisk(offset))
}

// Stat implements vfs.File.
func (w *writer) Stat() (vfs.FileInfo, error) {
	info, err := w.File.Stat()
	if err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return sized{info, w.size + int64(len(w.pending))}, nil
}

// Close implements vfs.File. It says in the file that all of it is synced, if
// that is so: then damage anywhere in it is known as such.
func (w *writer) Close() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	err := w.flush()
	if err == nil && w.size > 0 && w.synced == w.size {
		page := w.number()
		last := slot{length: uint16(len(w.page)), final: true, synced: uint32(page + 1)}
		w.keys.seal(&last, uint32(page), w.page)
		var b [slotBytes]byte
		last.put(b[:])
		// Without it the file is what it would be after a crash.
		_, _ = w.File.WriteAt(b[:], headBytes+page*pageBytes+int64(w.next)*slotBytes)
	}
	return errors.Join(err, w.File.Close())
}

// Read implements vfs.File.
func (w *writer) Read([]byte) (int, error) { return 0, errWriteOnly }

// ReadAt implements vfs.File.
func (w *writer) ReadAt([]byte, int64) (int, error) { return 0, errWriteOnly }

// WriteAt implements vfs.File.
func (w *writer) WriteAt([]byte, int64) (int, error) { return 0, errAppend }

// onDisk returns where in the file on the disk it ends if it has so many bytes.
func onDisk(length int64) int64 {
	if length <= 0 {
		return headBytes
	}
	pages, rest := length/pageData, length%pageData
	if rest > 0 {
		rest += pageHead
	}
	return headBytes + pages*pageBytes + rest
}

// inFile returns how many bytes a file has that is so large on the disk.
func inFile(size int64) int64 {
	size = max(size-headBytes, 0)
	return size/pageBytes*pageData + max(size%pageBytes-pageHead, 0)
}

// sized is what is known of a file, with the size of what it holds.
type sized struct {
	vfs.FileInfo
	size int64
}

// Size implements os.FileInfo.
func (s sized) Size() int64 { return s.size }

var _ io.Writer = (*writer)(nil)
