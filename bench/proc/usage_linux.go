package proc

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// clockTicks is USER_HZ: /proc reports CPU time in hundredths of a second on
// every Linux that Go runs on.
const clockTicks = 100

// statBlock is the unit of st_blocks, whatever the file system.
const statBlock = 512

// Usage reads what the process used so far.
func (p *Process) Usage() (Usage, error) { return UsageOf(p.PID()) }

// ResetPeak lets PeakRSSBytes begin anew with what is resident now.
func (p *Process) ResetPeak() error {
	const resetPeak = "5"
	if err := os.WriteFile(filepath.Join("/proc", strconv.Itoa(p.PID()), "clear_refs"), []byte(resetPeak), 0); err != nil {
		return fmt.Errorf("reset peak: %w", err)
	}
	return nil
}

// UsageOf reads what the process with this id used so far.
func UsageOf(pid int) (Usage, error) {
	dir := filepath.Join("/proc", strconv.Itoa(pid))
	var u Usage
	stat, err := os.ReadFile(filepath.Join(dir, "stat"))
	if err != nil {
		return u, fmt.Errorf("read usage: %w", err)
	}
	// The command name may hold blanks and parentheses; fields count from
	// behind it. utime and stime are fields 14 and 15.
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if len(fields) < 13 {
		return u, fmt.Errorf("read usage of %d: stat has %d fields", pid, len(fields))
	}
	user, err1 := strconv.ParseInt(fields[11], 10, 64)
	system, err2 := strconv.ParseInt(fields[12], 10, 64)
	if err := errors.Join(err1, err2); err != nil {
		return u, fmt.Errorf("read usage of %d: %w", pid, err)
	}
	u.CPUSeconds = float64(user+system) / clockTicks
	status, err := keyed(filepath.Join(dir, "status"))
	if err != nil {
		return u, err
	}
	u.RSSBytes, u.PeakRSSBytes = status["VmRSS"]<<10, status["VmHWM"]<<10
	io, err := keyed(filepath.Join(dir, "io"))
	if err != nil {
		return u, err
	}
	u.BytesWritten = io["write_bytes"]
	return u, nil
}

// keyed reads the numeric values of a "key: value" file.
func keyed(path string) (map[string]int64, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("read usage: %w", err)
	}
	values := map[string]int64{}
	for line := range strings.Lines(string(text)) {
		key, rest, ok := strings.Cut(line, ":")
		first := strings.Fields(rest)
		if !ok || len(first) == 0 {
			continue
		}
		if n, err := strconv.ParseInt(first[0], 10, 64); err == nil {
			values[key] = n
		}
	}
	return values, nil
}

// DiskOf measures a folder and all below it. Files that vanish meanwhile are
// left out.
func DiskOf(dir string) (Disk, error) {
	d := Disk{Parts: map[string]int64{}}
	err := filepath.WalkDir(dir, func(path string, entry fs.DirEntry, err error) error {
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		info, err := entry.Info()
		if errors.Is(err, fs.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			d.Allocated += stat.Blocks * statBlock
			d.Parts[partOf(dir, path)] += stat.Blocks * statBlock
		}
		if info.Mode().IsRegular() {
			d.Apparent += info.Size()
			d.Files++
		}
		return nil
	})
	if err != nil {
		return Disk{}, fmt.Errorf("measure folder %s: %w", dir, err)
	}
	return d, nil
}

// partOf names the part of dir that path counts for.
func partOf(dir, path string) string {
	names := strings.Split(strings.TrimPrefix(strings.TrimPrefix(path, dir), string(filepath.Separator)), string(filepath.Separator))
	return filepath.Join(names[:min(len(names), partDepth)]...)
}

// DropCaches writes dirty pages and empties the page cache of the machine. It
// needs root.
func DropCaches() error {
	syscall.Sync()
	if err := os.WriteFile("/proc/sys/vm/drop_caches", []byte("3\n"), 0); err != nil {
		return fmt.Errorf("drop page cache: %w", err)
	}
	return nil
}

// Pause stops the process where it is, until Continue. It returns when all its
// threads have stopped: the signal alone is only on its way.
func (p *Process) Pause() error {
	if err := p.signal(syscall.SIGSTOP); err != nil {
		return err
	}
	for range pauseLooks {
		stopped, err := p.stopped()
		if err != nil || stopped {
			return err
		}
		time.Sleep(pauseInterval)
	}
	return fmt.Errorf("pause %d: it does not stop", p.PID())
}

// A pause is looked for so often, with so long between two looks.
const (
	pauseLooks    = 2000
	pauseInterval = time.Millisecond
)

// stopped reports whether all threads are stopped.
func (p *Process) stopped() (bool, error) {
	stats, err := filepath.Glob(filepath.Join("/proc", strconv.Itoa(p.PID()), "task", "*", "stat"))
	if err != nil || len(stats) == 0 {
		return false, errors.Join(fmt.Errorf("pause %d: no such process", p.PID()), err)
	}
	for _, path := range stats {
		stat, err := os.ReadFile(path)
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
			continue // the thread has ended
		}
		if err != nil {
			return false, fmt.Errorf("pause %d: %w", p.PID(), err)
		}
		if _, state, found := strings.Cut(string(stat[strings.LastIndexByte(string(stat), ')'):]), " "); !found || !strings.HasPrefix(state, "T") {
			return false, nil
		}
	}
	return true, nil
}

// Continue ends Pause.
func (p *Process) Continue() error { return p.signal(syscall.SIGCONT) }
