package lab

import (
	"bytes"
	"debug/elf"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

// A program asks the kernel's vDSO for the time, a piece of code that the kernel
// maps into every process; one written in Go has no other way in between, such as
// a library that could be replaced, and time namespaces do not shift this clock.
// So the code in one process is changed: its first instruction jumps to a stub in
// the unused end of the mapping, which asks the kernel itself and adds a number of
// seconds to the clock that is the time of day. Nothing else of the machine sees
// it, and it ends with the process.

// clockStub is the stub with a number of seconds.
func clockStub(seconds int64) []byte {
	return binary.LittleEndian.AppendUint64([]byte{
		0xb8, 0xe4, 0, 0, 0, // mov eax, SYS_clock_gettime
		0x0f, 0x05, // syscall
		0x85, 0xff, // test edi, edi: CLOCK_REALTIME is 0
		0x75, 0x0a, // jne to ret
		0x48, 0x8b, 0x0d, 0x06, 0, 0, 0, // mov rcx, the seconds
		0x48, 0x01, 0x0e, // add [rsi], rcx
		0xc3,       // ret
		0xcc, 0xcc, // to the next eight bytes
	}, uint64(seconds))
}

const (
	stubSize    = 32
	jumpSize    = 5
	clockSymbol = "__vdso_clock_gettime"
	// stopTries and stopPause bound the wait for the threads of a process to stop.
	stopTries = 1000
	stopPause = time.Millisecond
)

// SetClock lets the wall clock of one process jump: it is ahead of that of the
// machine by whole seconds from then on. ErrSkip says that it cannot be done here.
func SetClock(pid int, ahead time.Duration) (err error) {
	begin, end, err := findVDSO(pid)
	if err != nil {
		return err
	}
	memory, err := os.OpenFile(fmt.Sprintf("/proc/%d/mem", pid), os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("%w: %w", ErrSkip, err)
	}
	defer func() { err = errors.Join(err, memory.Close()) }()
	code := make([]byte, end-begin)
	if _, err := memory.ReadAt(code, begin); err != nil {
		return fmt.Errorf("%w: read the vDSO of process %d: %w", ErrSkip, pid, err)
	}
	entry, stub, err := placeStub(code)
	if err != nil {
		return err
	}
	if err := syscall.Kill(pid, syscall.SIGSTOP); err != nil {
		return fmt.Errorf("stop process %d: %w", pid, err)
	}
	defer func() { err = errors.Join(err, syscall.Kill(pid, syscall.SIGCONT)) }()
	if err := awaitStop(pid, begin+entry); err != nil {
		return err
	}
	patch := clockStub(int64(ahead / time.Second))
	jump := binary.LittleEndian.AppendUint32([]byte{0xe9}, uint32(int32(stub-entry-jumpSize)))
	for _, write := range []struct {
		at int64
		b  []byte
	}{{stub, patch}, {entry, jump}} {
		if _, err := memory.WriteAt(write.b, begin+write.at); err != nil {
			return fmt.Errorf("%w: change the vDSO of process %d: %w", ErrSkip, pid, err)
		}
	}
	return nil
}

// findVDSO returns where the vDSO of a process is.
func findVDSO(pid int) (begin, end int64, err error) {
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	if err != nil {
		return 0, 0, fmt.Errorf("%w: %w", ErrSkip, err)
	}
	for line := range strings.Lines(string(maps)) {
		if strings.Contains(line, "[vdso]") {
			_, err := fmt.Sscanf(line, "%x-%x", &begin, &end)
			return begin, end, err
		}
	}
	return 0, 0, fmt.Errorf("%w: process %d has no vDSO", ErrSkip, pid)
}

// placeStub returns where the clock's function begins and where the stub is, or
// has room.
func placeStub(code []byte) (entry, stub int64, err error) {
	image, err := elf.NewFile(bytes.NewReader(code))
	if err != nil {
		return 0, 0, fmt.Errorf("%w: read the vDSO: %w", ErrSkip, err)
	}
	symbols, err := image.DynamicSymbols()
	if err != nil {
		return 0, 0, fmt.Errorf("%w: read the vDSO: %w", ErrSkip, err)
	}
	for _, symbol := range symbols {
		if symbol.Name == clockSymbol {
			entry = int64(symbol.Value)
		}
	}
	// The stub is at the very end, so that it is found again.
	stub = int64(len(code) - stubSize)
	switch {
	case entry <= 0 || entry+jumpSize > int64(len(code)):
		return 0, 0, fmt.Errorf("%w: the vDSO has no %s", ErrSkip, clockSymbol)
	case code[entry] == 0xe9: // it was changed before
	case len(bytes.Trim(code[stub:], "\x00")) > 0:
		return 0, 0, fmt.Errorf("%w: the vDSO has no room at its end", ErrSkip)
	}
	return entry, stub, nil
}

// awaitStop waits until all threads of a process have stopped, none of them in
// the instructions that are about to be changed.
func awaitStop(pid int, entry int64) error {
	for range stopTries {
		threads, err := filepath.Glob(fmt.Sprintf("/proc/%d/task/*/syscall", pid))
		if err != nil || len(threads) == 0 {
			return errors.Join(fmt.Errorf("process %d has ended", pid), err)
		}
		running := false
		for _, path := range threads {
			text, err := os.ReadFile(path)
			if errors.Is(err, os.ErrNotExist) || errors.Is(err, syscall.ESRCH) {
				continue
			}
			if err != nil {
				return fmt.Errorf("%w: %w", ErrSkip, err)
			}
			words := strings.Fields(string(text))
			if len(words) < 3 {
				running = true // it says so instead of where it is
				continue
			}
			at := int64(0)
			if _, err := fmt.Sscanf(words[len(words)-1], "0x%x", &at); err != nil && !errors.Is(err, io.EOF) {
				return fmt.Errorf("read where a thread is: %w", err)
			}
			if at > entry && at < entry+jumpSize {
				// One instruction later it is out of the way.
				err := syscall.Kill(pid, syscall.SIGCONT)
				running = true
				if err = errors.Join(err, syscall.Kill(pid, syscall.SIGSTOP)); err != nil {
					return err
				}
			}
		}
		if !running {
			return nil
		}
		time.Sleep(stopPause)
	}
	return fmt.Errorf("process %d does not stop", pid)
}
