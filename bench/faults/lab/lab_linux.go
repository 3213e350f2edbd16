package lab

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// lock takes a lock that ends with the process.
func lock(file *os.File) error {
	return syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
}

// processStart is what tells a process from a later one with the same id:
// field 22 of /proc/PID/stat. A process that has ended and was not waited for
// is none.
func processStart(pid int) (string, error) {
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		return "", err
	}
	fields := strings.Fields(string(stat[bytes.LastIndexByte(stat, ')')+1:]))
	const state, start = 0, 19
	if len(fields) <= start || fields[state] == "Z" {
		return "", os.ErrNotExist
	}
	return fields[start], nil
}

// mountsMax bounds how many mounts on top of each other are taken away.
const mountsMax = 16

func removeThing(t thing) (gone bool, err error) {
	switch t.Kind {
	case kindNamespace:
		if _, err := os.Stat(namespacePath(t.Name)); err != nil {
			return false, nil
		}
		_, err := command("ip", "netns", "del", t.Name)
		return true, err
	case kindMount:
		for range mountsMax {
			mounted, err := isMounted(t.Name)
			if err != nil || !mounted {
				return gone, err
			}
			_ = thaw(t.Name) // most are not frozen
			if err := syscall.Unmount(t.Name, 0); err != nil {
				if err := syscall.Unmount(t.Name, syscall.MNT_DETACH); err != nil {
					return gone, fmt.Errorf("unmount %s: %w", t.Name, err)
				}
			}
			gone = true
		}
		return gone, nil
	case kindImage:
		loops, err := loopsOf(t.Name)
		if err != nil {
			return false, err
		}
		for _, loop := range loops {
			if err := detachLoop(loop); err != nil {
				return gone, err
			}
			gone = true
		}
		return gone, nil
	}
	return false, fmt.Errorf("unknown thing %q in a journal", t.Kind)
}

func isMounted(path string) (bool, error) {
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		return false, fmt.Errorf("read mounts: %w", err)
	}
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); len(fields) > 1 && fields[1] == strings.ReplaceAll(path, " ", `\040`) {
			return true, nil
		}
	}
	return false, nil
}

// loopsOf lists the loop devices over an image.
func loopsOf(image string) ([]string, error) {
	files, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		return nil, fmt.Errorf("list loop devices: %w", err)
	}
	var loops []string
	for _, file := range files {
		backing, err := os.ReadFile(file)
		if err != nil {
			continue // detached meanwhile
		}
		if strings.TrimSuffix(string(bytes.TrimSpace(backing)), " (deleted)") == image {
			loops = append(loops, "/dev/"+strings.Split(file, "/")[3])
		}
	}
	return loops, nil
}

// missing says which of the programs are not there, or that the user may not.
func missing(what string, tools ...string) error {
	if os.Geteuid() != 0 {
		return fmt.Errorf("%w: needs root %s", ErrSkip, what)
	}
	for _, tool := range tools {
		if _, err := exec.LookPath(tool); err != nil {
			return fmt.Errorf("%w: needs %s %s", ErrSkip, tool, what)
		}
	}
	return nil
}

func command(name string, args ...string) ([]byte, error) {
	var stderr bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("run %s %s: %w: %s", name, strings.Join(args, " "), err, bytes.TrimSpace(stderr.Bytes()))
	}
	return out, nil
}

// control is an ioctl on a file system, by its mount point, or on a device.
func control(mount string, request uintptr, argument uintptr) error {
	root, err := os.Open(mount)
	if err != nil {
		return fmt.Errorf("open %s: %w", mount, err)
	}
	_, _, errno := syscall.Syscall(syscall.SYS_IOCTL, root.Fd(), request, argument)
	err = root.Close()
	if errno != 0 {
		return errors.Join(errno, err)
	}
	return err
}
