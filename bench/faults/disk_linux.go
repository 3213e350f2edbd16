package faults

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"unsafe"
)

// The ext4 shutdown ioctl, _IOR('X', 125, __u32): from then on every access
// fails, and without a log flush what was not synced never reaches the disk.
const (
	shutdownRequest = 0x8004587d
	noLogFlush      = 2
)

// disk is an ext4 file system on a loop device over an image file.
type disk struct {
	image string
	mount string
	loop  string
}

// newDisk makes the image and mounts it. errSkip says that this machine or
// user cannot.
func newDisk(dir, name string, megabytes int) (*disk, error) {
	if os.Geteuid() != 0 {
		return nil, fmt.Errorf("%w: needs root to mount a disk image", errSkip)
	}
	for _, tool := range []string{"losetup", "mkfs.ext4"} {
		if _, err := exec.LookPath(tool); err != nil {
			return nil, fmt.Errorf("%w: needs %s", errSkip, tool)
		}
	}
	d := &disk{image: filepath.Join(dir, name+".img"), mount: filepath.Join(dir, name+"-disk")}
	file, err := os.Create(d.image)
	if err != nil {
		return nil, fmt.Errorf("make disk image: %w", err)
	}
	if err := errors.Join(file.Truncate(int64(megabytes)<<20), file.Close()); err != nil {
		return nil, fmt.Errorf("make disk image: %w", err)
	}
	if _, err := command("mkfs.ext4", "-q", "-F", "-m", "0", d.image); err != nil {
		return nil, err
	}
	if err := os.MkdirAll(d.mount, 0o755); err != nil {
		return nil, fmt.Errorf("make mount point: %w", err)
	}
	if err := d.attach(); err != nil {
		return nil, fmt.Errorf("%w: %w", errSkip, err)
	}
	return d, nil
}

// attach mounts the image through a new loop device: an old one may still be
// held by the dead file system in a copy of this mount namespace.
func (d *disk) attach() error {
	out, err := command("losetup", "-f", "--show", d.image)
	if err != nil {
		return err
	}
	d.loop = string(bytes.TrimSpace(out))
	if err := syscall.Mount(d.loop, d.mount, "ext4", 0, ""); err != nil {
		_, detachErr := command("losetup", "-d", d.loop)
		return errors.Join(fmt.Errorf("mount %s: %w", d.loop, err), detachErr)
	}
	return nil
}

func (d *disk) detach() error {
	err := syscall.Unmount(d.mount, 0)
	if errors.Is(err, syscall.EBUSY) {
		err = syscall.Unmount(d.mount, syscall.MNT_DETACH)
	}
	if err != nil {
		return fmt.Errorf("unmount %s: %w", d.mount, err)
	}
	_, err = command("losetup", "-d", d.loop)
	return err
}

// cut shuts the file system down. Nothing that was not synced before will be
// there after remount.
func (d *disk) cut() error {
	root, err := os.Open(d.mount)
	if err != nil {
		return fmt.Errorf("open disk: %w", err)
	}
	defer root.Close()
	flags := uint32(noLogFlush)
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, root.Fd(), shutdownRequest, uintptr(unsafe.Pointer(&flags)))
	if errno != 0 {
		return fmt.Errorf("shut file system down: %w", errno)
	}
	return nil
}

// remount brings the disk back as it is after the cut.
func (d *disk) remount() error {
	if err := d.detach(); err != nil {
		return err
	}
	return d.attach()
}

// fill takes all space that is left, and returns the file that has it. It can
// be called again to take what became free.
func (d *disk) fill() (path string, err error) {
	path = filepath.Join(d.mount, "filler")
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return path, fmt.Errorf("fill disk: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	info, err := file.Stat()
	if err != nil {
		return path, fmt.Errorf("fill disk: %w", err)
	}
	size := info.Size()
	for piece := int64(16 << 20); piece >= 4<<10; {
		err := syscall.Fallocate(int(file.Fd()), 0, size, piece)
		switch {
		case err == nil:
			size += piece
		case errors.Is(err, syscall.ENOSPC):
			piece /= 2
		default:
			return path, fmt.Errorf("fill disk: %w", err)
		}
	}
	return path, nil
}

// remove unmounts and deletes the image.
func (d *disk) remove() error {
	return errors.Join(d.detach(), os.Remove(d.image))
}

func command(name string, args ...string) ([]byte, error) {
	var stderr bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("run %s: %w: %s", name, err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}
