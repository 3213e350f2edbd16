package engine

import (
	"errors"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"

	"github.com/cockroachdb/pebble/v2/vfs"
)

// FS is the file system on which everything of a node lives.
type FS = vfs.FS

// File is an open file of an FS.
type File = vfs.File

// DiskFS returns the file system of the machine.
func DiskFS() FS { return vfs.Default }

// MemFS returns an empty file system in memory.
func MemFS() FS { return vfs.NewMem() }

// MakeDir creates the folder and its parents and makes their names durable.
func MakeDir(fs FS, dir string) error {
	var missing []string
	for at := dir; ; at = fs.PathDir(at) {
		if _, err := fs.Stat(at); err == nil {
			break
		}
		missing = append(missing, at)
		if parent := fs.PathDir(at); parent == at || parent == "." || parent == "" {
			break
		}
	}
	if err := fs.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("create folder %s: %w", dir, err)
	}
	for _, created := range missing {
		if err := SyncDir(fs, fs.PathDir(created)); err != nil {
			return err
		}
	}
	return nil
}

// SyncDir makes the names in the folder durable.
func SyncDir(fs FS, dir string) error {
	if dir == "" {
		dir = "."
	}
	folder, err := fs.OpenDir(dir)
	if err != nil {
		return fmt.Errorf("open folder %s: %w", dir, err)
	}
	if err := errors.Join(folder.Sync(), folder.Close()); err != nil {
		return fmt.Errorf("sync folder %s: %w", dir, err)
	}
	return nil
}

// ReadFile returns the content of a small file, at most limit bytes of it.
func ReadFile(fs FS, name string, limit int64) ([]byte, error) {
	file, err := fs.Open(name)
	if err != nil {
		return nil, err
	}
	content, err := io.ReadAll(io.LimitReader(file, limit))
	return content, errors.Join(err, file.Close())
}

// WriteFile replaces a small file atomically and durably.
func WriteFile(fs FS, name string, content []byte) error {
	temporary := name + ".new"
	file, err := fs.Create(temporary, vfs.WriteCategoryUnspecified)
	if err != nil {
		return fmt.Errorf("create %s: %w", temporary, err)
	}
	_, err = file.Write(content)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return fmt.Errorf("write %s: %w", temporary, err)
	}
	if err := fs.Rename(temporary, name); err != nil {
		return fmt.Errorf("rename %s: %w", temporary, err)
	}
	return SyncDir(fs, fs.PathDir(name))
}

// Names of the files that keep a second process out of a folder. The lock and
// the process id are two files because closing a locked file that was opened
// for reading would give the lock away.
const (
	lockName = "LOCK"
	pidName  = "PID"
)

// LockDir takes the folder for this process until the returned Closer is
// closed. ErrLocked names the folder and the process that has it.
func LockDir(fs FS, dir string) (io.Closer, error) {
	lock, err := fs.Lock(fs.PathJoin(dir, lockName))
	if err != nil {
		if holder, ok := holderOf(fs, dir); ok && lockedElsewhere(err) {
			return nil, fmt.Errorf("open %s: %w (process %d)", dir, ErrLocked, holder)
		} else if lockedElsewhere(err) {
			return nil, fmt.Errorf("open %s: %w", dir, ErrLocked)
		}
		return nil, fmt.Errorf("lock %s: %w", dir, err)
	}
	if err := WriteFile(fs, fs.PathJoin(dir, pidName), []byte(strconv.Itoa(os.Getpid())+"\n")); err != nil {
		return nil, errors.Join(fmt.Errorf("note the process in %s: %w", dir, err), lock.Close())
	}
	return lock, nil
}

// lockedElsewhere tells a lock that is taken from a lock that cannot be tried.
// A lock held within this process has no error value, only its text.
func lockedElsewhere(err error) bool {
	return errors.Is(err, syscall.EAGAIN) || errors.Is(err, syscall.EACCES) ||
		strings.Contains(err.Error(), "lock held")
}

// holderOf returns the process noted in the folder.
func holderOf(fs FS, dir string) (int, bool) {
	text, err := ReadFile(fs, fs.PathJoin(dir, pidName), 32)
	if err != nil {
		return 0, false
	}
	holder, err := strconv.Atoi(strings.TrimSpace(string(text)))
	return holder, err == nil
}

// Free returns the bytes that can still be written to the folder's file
// system and its size; ok is false where it cannot tell.
func Free(fs FS, dir string) (free, total uint64, ok bool) {
	usage, err := fs.GetDiskUsage(dir)
	if err != nil {
		return 0, 0, false
	}
	return usage.AvailBytes, usage.TotalBytes, true
}

// IsNoSpace reports whether an error comes from a full disk.
func IsNoSpace(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT)
}

// ownedBy begins the category of files that belong to somebody.
const ownedBy = "owner:"

// owners is implemented by file systems that keep apart what belongs to different
// owners.
type owners interface {
	Owner(name string) (string, error)
}

// OwnerOf returns to whom belongs what is written in a category, "" for nobody:
// an FS may keep what belongs to one apart from what belongs to others.
func OwnerOf(category vfs.DiskWriteCategory) string {
	owner, _ := strings.CutPrefix(string(category), ownedBy)
	if owner == string(category) {
		return ""
	}
	return owner
}
