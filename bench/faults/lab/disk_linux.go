package lab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"syscall"
	"unsafe"
)

// Requests of ioctl. The ext4 shutdown is _IOR('X', 125, __u32): from then on
// every access fails, and without a log flush what was not synced never reaches
// the disk. Freeze and thaw are _IOWR('X', 119 and 120, int). LOOP_CLR_FD is that
// of a loop device.
const (
	shutdownRequest = 0x8004587d
	noLogFlush      = 2
	freezeRequest   = 0xc0045877
	thawRequest     = 0xc0045878
	loopClear       = 0x4c01 // LOOP_CLR_FD
)

// Disk is an ext4 file system on a loop device over an image file.
type Disk struct {
	Mount string // its folder

	image string
	loop  string
}

// NewDisk makes an image in a folder and mounts it. ErrSkip says that this
// machine or user cannot.
func (l *Lab) NewDisk(dir, name string, megabytes int) (*Disk, error) {
	if err := missing("for disk images", "losetup", "mkfs.ext4"); err != nil {
		return nil, err
	}
	dir, err := filepath.Abs(dir)
	if err != nil {
		return nil, fmt.Errorf("make disk image: %w", err)
	}
	d := &Disk{image: filepath.Join(dir, name+".img"), Mount: filepath.Join(dir, name+"-disk")}
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
	if err := os.MkdirAll(d.Mount, 0o755); err != nil {
		return nil, fmt.Errorf("make mount point: %w", err)
	}
	if err := errors.Join(l.note(thing{Kind: kindImage, Name: d.image}), l.note(thing{Kind: kindMount, Name: d.Mount})); err != nil {
		return nil, err
	}
	if err := d.attach(); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSkip, err)
	}
	return d, nil
}

// attach mounts the image through a new loop device: an old one may still be
// held by the dead file system in a copy of this mount namespace.
func (d *Disk) attach() error {
	out, err := command("losetup", "-f", "--show", d.image)
	if err != nil {
		return err
	}
	d.loop = string(bytes.TrimSpace(out))
	if err := syscall.Mount(d.loop, d.Mount, "ext4", 0, ""); err != nil {
		return errors.Join(fmt.Errorf("mount %s: %w", d.loop, err), detachLoop(d.loop))
	}
	return nil
}

func (d *Disk) detach() error {
	if d.loop == "" {
		return nil
	}
	err := syscall.Unmount(d.Mount, 0)
	if errors.Is(err, syscall.EBUSY) {
		err = syscall.Unmount(d.Mount, syscall.MNT_DETACH)
	}
	if err != nil {
		return fmt.Errorf("unmount %s: %w", d.Mount, err)
	}
	loop := d.loop
	d.loop = ""
	return detachLoop(loop)
}

// detachLoop takes the image away from a loop device. One that a file system
// still uses goes when that does, so that it may be gone already by the time
// somebody who saw it detaches it: that is no error.
func detachLoop(device string) error {
	if err := control(device, loopClear, 0); err != nil && !errors.Is(err, syscall.ENXIO) {
		return fmt.Errorf("detach %s: %w", device, err)
	}
	return nil
}

// Cut shuts the file system down. Nothing that was not synced before will be
// there after Remount; until then every access fails.
func (d *Disk) Cut() error {
	flags := uint32(noLogFlush)
	err := control(d.Mount, shutdownRequest, uintptr(unsafe.Pointer(&flags)))
	runtime.KeepAlive(&flags)
	if err != nil {
		return fmt.Errorf("shut file system down: %w", err)
	}
	return nil
}

// Remount brings the disk back as it is after a cut.
func (d *Disk) Remount() error {
	if err := d.detach(); err != nil {
		return err
	}
	return d.attach()
}

// Freeze lets every write wait until Thaw.
func (d *Disk) Freeze() error {
	if err := control(d.Mount, freezeRequest, 0); err != nil {
		return fmt.Errorf("freeze file system: %w", err)
	}
	return nil
}

// Thaw ends Freeze.
func (d *Disk) Thaw() error { return thaw(d.Mount) }

func thaw(mount string) error {
	if err := control(mount, thawRequest, 0); err != nil {
		return fmt.Errorf("thaw file system: %w", err)
	}
	return nil
}

// Fill takes all space that is left, and returns the file that has it. It can
// be called again to take what became free.
func (d *Disk) Fill() (path string, err error) {
	path = filepath.Join(d.Mount, "filler")
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

// Remove unmounts the disk; its image stays only if keep says so.
func (d *Disk) Remove(keep bool) error {
	err := d.detach()
	if !keep {
		err = errors.Join(err, os.Remove(d.image), os.Remove(d.Mount))
	}
	return err
}
