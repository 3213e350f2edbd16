package encryption

import (
	"errors"
	"io"
	"sync"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// reader reads an encrypted file, of which more may be written meanwhile.
type reader struct {
	vfs.File
	path    string
	keys    *fileKeys
	buffers *sync.Pool // of *[]byte

	at int64 // of Read

	mu      sync.Mutex
	checked int64 // size on the disk when below was found out
	below   int64 // pages that are known to have been synced
}

// Read implements vfs.File. What is damaged is an error, and none of it is read.
func (r *reader) Read(p []byte) (int, error) {
	n, err := r.ReadAt(p, r.at)
	var damage *DamageError
	if errors.As(err, &damage) {
		n = max(int(damage.From-r.at), 0)
	}
	r.at += int64(n)
	if n > 0 && err == io.EOF {
		err = nil
	}
	return n, err
}

// readPages is how many pages are read from the disk at once.
const readPages = 64

// ReadAt implements vfs.File. Where bytes are damaged it reads zeros, and
// returns as many bytes as there are together with a *DamageError.
func (r *reader) ReadAt(p []byte, offset int64) (got int, err error) {
	if offset < 0 {
		return 0, errors.New("negative offset")
	}
	buffer := r.buffers.Get().(*[]byte)
	defer r.buffers.Put(buffer)
	var damage *DamageError
	for got < len(p) {
		at := offset + int64(got)
		want := min(len(p)-got, int(readPages*pageData-at%pageData))
		n, err := r.read(p[got:got+want], at, buffer, &damage)
		if err != nil {
			return got, err
		}
		if got += n; n < want {
			break
		}
	}
	switch {
	case damage != nil:
		return got, damage
	case got < len(p):
		return got, io.EOF
	}
	return got, nil
}

// read reads at most readPages, by way of a buffer, and notes damage.
func (r *reader) read(p []byte, offset int64, buffer *[]byte, damage **DamageError) (got int, err error) {
	first, last := offset/pageData, (offset+int64(len(p))-1)/pageData
	if need := int(last-first+1) * pageBytes; cap(*buffer) < need {
		*buffer = make([]byte, need)
	}
	b := (*buffer)[:int(last-first+1)*pageBytes]
	n, err := r.File.ReadAt(b, headBytes+first*pageBytes)
	if err != nil && err != io.EOF {
		return 0, err
	}
	b = b[:n]
	cipher := stream{keys: r.keys}
	for page := first; len(b) > pageHead && got < len(p); page++ {
		one := b[:min(len(b), pageBytes)]
		b = b[len(one):]
		begin := page * pageData
		from := max(offset-begin, 0)
		to := min(int64(len(one)-pageHead), offset+int64(len(p))-begin)
		if from >= to {
			break
		}
		out := p[got : got+int(to-from)]
		got += len(out)
		good, used := r.proven(one, page)
		readable := max(min(int64(good), to)-from, 0)
		if readable > 0 {
			cipher.crypt(out[:readable], one[pageHead+from:pageHead+from+readable], begin+from)
		}
		if readable == int64(len(out)) {
			continue
		}
		clear(out[readable:])
		synced, err := r.wasSynced(page, good, used)
		if err != nil {
			return 0, err
		}
		if synced && *damage == nil {
			*damage = &DamageError{File: r.path, From: begin + from + readable}
		}
		if synced {
			(*damage).To = begin + to
		}
	}
	return got, nil
}

// proven returns how many bytes of a page are what was written, and how many of
// its slots have been used.
func (r *reader) proven(b []byte, page int64) (good, used int) {
	var found [slots]slot
	for i := range found {
		s, ok := getSlot(b[i*slotBytes:])
		if s != (slot{}) {
			used++
		}
		if ok {
			found[i] = s
		}
	}
	if found[0].length < found[1].length {
		found[0], found[1] = found[1], found[0]
	}
	for i := range found {
		s, data := &found[i], b[pageHead:]
		if s.length > 0 && int(s.length) <= len(data) && r.keys.proves(s, uint32(page), data[:s.length]) {
			return int(s.length), used
		}
	}
	return 0, used
}

// wasSynced reports whether all of a page was synced of which only a part can be
// proven. If both slots were used, one of them is of something that was.
func (r *reader) wasSynced(page int64, good, used int) (bool, error) {
	if good == 0 && used == slots {
		return true, nil
	}
	info, err := r.File.Stat()
	if err != nil {
		return false, err
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	if page < r.below || r.checked == info.Size() {
		return page < r.below, nil
	}
	r.checked = info.Size()
	b := make([]byte, pageBytes)
	for at := (info.Size() - headBytes - 1) / pageBytes; at >= max(page, r.below); at-- {
		n, err := r.File.ReadAt(b, headBytes+at*pageBytes)
		if err != nil && err != io.EOF {
			return false, err
		}
		r.below = max(r.below, r.says(b[:n], at))
	}
	return page < r.below, nil
}

// says returns how many pages a page says were synced.
func (r *reader) says(b []byte, page int64) (below int64) {
	for i := range slots {
		if len(b) <= pageHead {
			break
		}
		s, ok := getSlot(b[i*slotBytes:])
		if ok && int(s.length) <= len(b)-pageHead && r.keys.proves(&s, uint32(page), b[pageHead:pageHead+int(s.length)]) {
			below = max(below, int64(s.synced))
		}
	}
	return below
}

// Stat implements vfs.File.
func (r *reader) Stat() (vfs.FileInfo, error) {
	info, err := r.File.Stat()
	if err != nil {
		return nil, err
	}
	return sized{info, inFile(info.Size())}, nil
}

// Prefetch implements vfs.File.
func (r *reader) Prefetch(offset, length int64) error {
	from := headBytes + offset/pageData*pageBytes
	return r.File.Prefetch(from, onDisk(offset+length)-from)
}

// Write implements vfs.File.
func (r *reader) Write([]byte) (int, error) { return 0, errReadOnly }

// WriteAt implements vfs.File.
func (r *reader) WriteAt([]byte, int64) (int, error) { return 0, errReadOnly }
