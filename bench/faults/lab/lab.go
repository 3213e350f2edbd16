package lab

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"
)

// ErrSkip says that something cannot be done on this machine.
var ErrSkip = errors.New("cannot be done here")

// The kinds of things that outlive a process.
const (
	kindProcess   = "process"
	kindNamespace = "namespace"
	kindMount     = "mount"
	kindImage     = "image"
)

// thing is one line of a journal.
type thing struct {
	Kind string `json:"kind"`
	// Name is the name of a namespace, the path of a mount or of an image.
	Name string `json:"name,omitempty"`
	// PID and Start identify a process.
	PID   int    `json:"pid,omitempty"`
	Start string `json:"start,omitempty"`
}

// Lab is what one run has made of the machine.
type Lab struct {
	id      string // in the names of namespaces
	path    string
	journal *os.File // locked while the run lives
	things  []thing
}

// journalSuffix ends the names of journals.
const journalSuffix = ".journal"

// idMax bounds the id of a lab to six digits to the base of 36: names of links
// are short.
const idMax = 36 * 36 * 36 * 36 * 36 * 36

// thingsMax bounds the lines of a journal that are read back.
const thingsMax = 1 << 20

// DefaultFolder is where runs of this user keep their journals.
func DefaultFolder() string {
	const name = "stere-faults"
	if os.Geteuid() == 0 {
		if info, err := os.Stat("/run"); err == nil && info.IsDir() {
			return filepath.Join("/run", name)
		}
	}
	if cache, err := os.UserCacheDir(); err == nil {
		return filepath.Join(cache, name)
	}
	return filepath.Join(os.TempDir(), name+"-"+strconv.Itoa(os.Getuid()))
}

// Open begins a journal in the folder, DefaultFolder if it is empty, and takes away what runs that are no
// more left behind. removed says what that was.
func Open(folder string) (l *Lab, removed []string, err error) {
	if folder == "" {
		folder = DefaultFolder()
	}
	if err := os.MkdirAll(folder, 0o700); err != nil {
		return nil, nil, fmt.Errorf("make folder for journals: %w", err)
	}
	left, err := filepath.Glob(filepath.Join(folder, "*"+journalSuffix))
	if err != nil {
		return nil, nil, fmt.Errorf("look for journals: %w", err)
	}
	for _, path := range left {
		names, err := sweep(path)
		removed = append(removed, names...)
		if err != nil {
			return nil, removed, err
		}
	}
	id := strconv.FormatInt(time.Now().UnixNano()%idMax, 36)
	path := filepath.Join(folder, strconv.Itoa(os.Getpid())+"-"+id+journalSuffix)
	journal, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, removed, fmt.Errorf("begin journal: %w", err)
	}
	if err := lock(journal); err != nil {
		return nil, removed, errors.Join(fmt.Errorf("lock journal: %w", err), journal.Close(), os.Remove(path))
	}
	return &Lab{id: id, path: path, journal: journal}, removed, nil
}

// sweep takes away what the journal names, unless its run lives.
func sweep(path string) (removed []string, err error) {
	file, err := os.OpenFile(path, os.O_RDWR, 0)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("open journal of an ended run: %w", err)
	}
	defer file.Close()
	if err := lock(file); err != nil {
		return nil, nil // its run lives
	}
	var things []thing
	for lines := bufio.NewScanner(file); lines.Scan() && len(things) < thingsMax; {
		var t thing
		if json.Unmarshal(lines.Bytes(), &t) == nil { // the last line may be torn
			things = append(things, t)
		}
	}
	var wrong []error
	for _, t := range slices.Backward(things) {
		gone, err := t.remove()
		if gone {
			removed = append(removed, t.Kind+" "+t.Name+t.pidText())
		}
		wrong = append(wrong, err)
	}
	if err := errors.Join(wrong...); err != nil {
		return removed, fmt.Errorf("take away what an ended run left (%s): %w", path, err)
	}
	return removed, os.Remove(path)
}

func (t thing) pidText() string {
	if t.PID == 0 {
		return ""
	}
	return strconv.Itoa(t.PID)
}

// note writes into the journal what is going to be made.
func (l *Lab) note(t thing) error {
	line, err := json.Marshal(t)
	if err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	if _, err := l.journal.Write(append(line, '\n')); err != nil {
		return fmt.Errorf("write journal: %w", err)
	}
	l.things = append(l.things, t)
	return nil
}

// Process notes a process that was started.
func (l *Lab) Process(pid int) error {
	start, err := processStart(pid)
	if err != nil {
		return nil // it has ended already, or there is no way to tell
	}
	return l.note(thing{Kind: kindProcess, PID: pid, Start: start})
}

// Close takes away everything that is still there, and the journal.
func (l *Lab) Close() error {
	var wrong []error
	for _, t := range slices.Backward(l.things) {
		_, err := t.remove()
		wrong = append(wrong, err)
	}
	if err := errors.Join(wrong...); err != nil {
		return errors.Join(err, l.journal.Close()) // the journal stays for the next run
	}
	return errors.Join(os.Remove(l.path), l.journal.Close())
}

// endWait bounds the wait for the end of a process that was killed.
const endWait = 5 * time.Second

// remove takes one thing away if it is still there.
func (t thing) remove() (gone bool, err error) {
	if t.Kind != kindProcess {
		return removeThing(t)
	}
	if start, err := processStart(t.PID); err != nil || start != t.Start {
		return false, nil
	}
	process, err := os.FindProcess(t.PID)
	if err != nil {
		return false, nil
	}
	if err := process.Kill(); err != nil && !errors.Is(err, os.ErrProcessDone) {
		return false, fmt.Errorf("end process %d: %w", t.PID, err)
	}
	for began := time.Now(); time.Since(began) < endWait; time.Sleep(10 * time.Millisecond) {
		if start, err := processStart(t.PID); err != nil || start != t.Start {
			break
		}
	}
	return true, nil
}
