package lab_test

import (
	"bufio"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stere-log/stere/bench/faults/lab"
)

// leaveEnv makes the test binary a run that is killed: its value is the folder
// for its journal.
const leaveEnv = "LAB_TEST_LEAVE"

func TestMain(m *testing.M) {
	if dir := os.Getenv(leaveEnv); dir != "" {
		fmt.Fprintln(os.Stderr, leave(dir))
		os.Exit(1)
	}
	if os.Getenv(tellEnv) != "" {
		tell()
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// tellEnv makes the test binary a program that tells the time.
const tellEnv = "LAB_TEST_TELL"

// tell answers each line of the input with the wall clock, and with how long it
// has run by the other clock.
func tell() {
	began := time.Now()
	for lines := bufio.NewScanner(os.Stdin); lines.Scan(); {
		fmt.Println(time.Now().UnixNano(), int64(time.Since(began)))
	}
}

// TestSetClock sets the clock of a process again and again.
func TestSetClock(t *testing.T) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), tellEnv+"=1")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := errors.Join(in.Close(), cmd.Wait()); err != nil {
			t.Error(err)
		}
	}()
	lines, ran := bufio.NewScanner(out), int64(-1)
	for round, ahead := range []time.Duration{0, time.Hour, -48 * time.Hour, 30 * time.Second, 0} {
		if round > 0 {
			err := lab.SetClock(cmd.Process.Pid, ahead)
			if errors.Is(err, lab.ErrSkip) {
				t.Skip(err)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		before := time.Now()
		if _, err := fmt.Fprintln(in); err != nil || !lines.Scan() {
			t.Fatal(err, lines.Err())
		}
		after, wall, since := time.Now(), int64(0), int64(0)
		if _, err := fmt.Sscan(lines.Text(), &wall, &since); err != nil {
			t.Fatal(err)
		}
		if wall < before.Add(ahead).UnixNano() || wall > after.Add(ahead).UnixNano() {
			t.Errorf("the process believes that it is %v, want %v ahead of %v to %v", time.Unix(0, wall), ahead, before, after)
		}
		if since < ran || since > ran+int64(time.Minute) {
			t.Errorf("by its other clock the process has run for %v after %v", time.Duration(since), time.Duration(ran))
		}
		ran = since
	}
}

// leave makes one of everything and ends without taking it away.
func leave(dir string) error {
	l, _, err := lab.Open(dir)
	if err != nil {
		return err
	}
	cmd := exec.Command("sleep", "60")
	if err := cmd.Start(); err != nil {
		return err
	}
	if err := l.Process(cmd.Process.Pid); err != nil {
		return err
	}
	fmt.Println("process", cmd.Process.Pid)
	d, err := l.NewDisk(dir, "left", 16)
	if err == nil {
		err = d.Freeze()
	}
	if err != nil && !errors.Is(err, lab.ErrSkip) {
		return err
	}
	n, _, err := l.NewNetwork(2, "", 1)
	if err != nil {
		return err
	}
	for _, h := range n.Hosts {
		fmt.Println("host", h.Namespace)
	}
	os.Exit(0)
	return nil
}

func open(t *testing.T) *lab.Lab {
	t.Helper()
	dir := t.TempDir()
	l, _, err := lab.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
		if left, _ := filepath.Glob(filepath.Join(dir, "*")); len(left) != 0 {
			t.Errorf("journals are left: %v", left)
		}
	})
	return l
}

func TestWhatAKilledRunLeftIsRemoved(t *testing.T) {
	dir := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), leaveEnv+"="+dir)
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	l, removed, err := lab.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	t.Logf("left:\n%sremoved: %q", out, removed)
	if !strings.Contains(strings.Join(removed, " "), "process") {
		t.Error("the process is not removed")
	}
	for line := range strings.Lines(string(out)) {
		kind, name, _ := strings.Cut(strings.TrimSpace(line), " ")
		if kind == "host" && name != "" {
			if _, err := os.Stat(name); err == nil {
				t.Errorf("namespace %s is still there", name)
			}
		}
	}
	mounts, _ := os.ReadFile("/proc/self/mounts")
	if strings.Contains(string(mounts), dir) {
		t.Error("the disk is still mounted")
	}
	if _, again, err := lab.Open(dir); err != nil || len(again) != 0 {
		t.Errorf("removed a second time, or from a run that lives: %q, %v", again, err)
	}
}

func TestDiskLosesWhatWasNotSynced(t *testing.T) {
	l, dir := open(t), t.TempDir()
	d, err := l.NewDisk(dir, "disk", 16)
	if errors.Is(err, lab.ErrSkip) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	for name, sync := range map[string]bool{"synced": true, "not": false} {
		file, err := os.Create(filepath.Join(d.Mount, name))
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprint(file, name)
		if sync {
			err = file.Sync()
		}
		if err := errors.Join(err, file.Close()); err != nil {
			t.Fatal(err)
		}
	}
	if err := d.Cut(); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Create(filepath.Join(d.Mount, "late")); err == nil {
		t.Error("a file was made on a disk that is cut")
	}
	if err := d.Remount(); err != nil {
		t.Fatal(err)
	}
	if text, err := os.ReadFile(filepath.Join(d.Mount, "synced")); err != nil || string(text) != "synced" {
		t.Errorf("what was synced is %q, %v", text, err)
	}
	if text, err := os.ReadFile(filepath.Join(d.Mount, "not")); err == nil && len(text) > 0 {
		t.Errorf("what was not synced is there: %q", text)
	}
	if err := d.Remove(false); err != nil {
		t.Error(err)
	}
}

// A loop device that another hand has detached, or the system when the last user
// of a dead file system went, is no error of whoever removes the disk.
func TestDiskIsDetachedAlready(t *testing.T) {
	l, dir := open(t), t.TempDir()
	d, err := l.NewDisk(dir, "disk", 16)
	if errors.Is(err, lab.ErrSkip) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	mounts, err := os.ReadFile("/proc/self/mounts")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(mounts)) {
		if fields := strings.Fields(line); fields[1] == d.Mount {
			// While it is mounted this marks it to go with its last user, who is Remove.
			if out, err := exec.Command("losetup", "-d", fields[0]).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, out)
			}
		}
	}
	if err := d.Remove(false); err != nil {
		t.Error(err)
	}
}

func TestFrozenDiskWaits(t *testing.T) {
	l, dir := open(t), t.TempDir()
	d, err := l.NewDisk(dir, "disk", 16)
	if errors.Is(err, lab.ErrSkip) {
		t.Skip(err)
	}
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Freeze(); err != nil {
		t.Fatal(err)
	}
	wrote := make(chan error)
	go func() { wrote <- os.WriteFile(filepath.Join(d.Mount, "file"), []byte("x"), 0o600) }()
	select {
	case err := <-wrote:
		t.Errorf("a write on a frozen disk returned: %v", err)
		wrote <- nil
	case <-time.After(100 * time.Millisecond): // it cannot be seen that something will never happen
	}
	if err := d.Thaw(); err != nil {
		t.Fatal(err)
	}
	if err := <-wrote; err != nil {
		t.Error(err)
	}
}

// echo answers on every host with the host's name.
func echo(t *testing.T, n *lab.Network) {
	t.Helper()
	for _, h := range n.Hosts {
		var listener net.Listener
		err := lab.Inside(h.Namespace, func() (err error) {
			listener, err = net.Listen("tcp", net.JoinHostPort(h.Address, "7000"))
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { listener.Close() })
		go func() {
			for {
				conn, err := listener.Accept()
				if err != nil {
					return
				}
				fmt.Fprint(conn, h.Name)
				conn.Close()
			}
		}()
	}
}

// reaches reports whether one host can talk to another, and how long it took.
func reaches(t *testing.T, n *lab.Network, from, to int) (bool, time.Duration) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 700*time.Millisecond)
	defer cancel()
	began := time.Now()
	conn, err := n.Hosts[from].Dial(ctx, "tcp", net.JoinHostPort(n.Hosts[to].Address, "7000"))
	if err != nil {
		return false, 0
	}
	defer conn.Close()
	_ = conn.SetDeadline(time.Now().Add(5 * time.Second))
	text, err := io.ReadAll(conn)
	if err != nil || string(text) != n.Hosts[to].Name {
		t.Errorf("host %d answers host %d %q, %v", to, from, text, err)
	}
	return true, time.Since(began)
}

func wantReach(t *testing.T, n *lab.Network, when string, want func(from, to int) bool) {
	t.Helper()
	for from := range n.Hosts {
		for to := range n.Hosts {
			if got, _ := reaches(t, n, from, to); got != want(from, to) {
				t.Errorf("%s: host %d reaches host %d: %v", when, from, to, got)
			}
		}
	}
}

var linkd = flag.String("linkd", "", "a program that forwards between namespaces")

func network(t *testing.T, linkd string) *lab.Network {
	t.Helper()
	l := open(t)
	n, why, err := l.NewNetwork(3, linkd, 1)
	if err != nil {
		t.Fatal(err)
	}
	if n.Kind == "loopback" {
		t.Skip(why)
	}
	echo(t, n)
	return n
}

func testPartitions(t *testing.T, n *lab.Network) {
	wantReach(t, n, "whole", func(int, int) bool { return true })
	if err := n.Partition([]int{0, 1, 1}); err != nil {
		t.Fatal(err)
	}
	wantReach(t, n, "host 0 apart", func(from, to int) bool { return (from == 0) == (to == 0) })
	if err := n.Heal(); err != nil {
		t.Fatal(err)
	}
	wantReach(t, n, "healed", func(int, int) bool { return true })
}

func TestBridges(t *testing.T) {
	n := network(t, "")
	testPartitions(t, n)
	if err := n.Block(0, 1); !errors.Is(err, lab.ErrSkip) {
		t.Errorf("one way: %v", err)
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
}

func TestLinkd(t *testing.T) {
	if *linkd == "" {
		t.Skip("no -linkd")
	}
	n := network(t, *linkd)
	testPartitions(t, n)
	if err := n.Slow(1, 50*time.Millisecond, 0); err != nil {
		t.Fatal(err)
	}
	if ok, took := reaches(t, n, 0, 1); !ok || took < 100*time.Millisecond {
		t.Errorf("a connection over slow links took %v, %v", took, ok)
	}
	if err := n.Heal(); err != nil {
		t.Fatal(err)
	}
	if err := n.Block(0, 1); err != nil {
		t.Fatal(err)
	}
	if ok, _ := reaches(t, n, 0, 1); ok {
		t.Error("a blocked link works")
	}
	if ok, _ := reaches(t, n, 0, 2); !ok {
		t.Error("another link than the blocked one does not work")
	}
	if err := n.Close(); err != nil {
		t.Error(err)
	}
}

// A host is reached from inside of it whatever its links are.
func TestDialFromInside(t *testing.T) {
	n := network(t, "")
	if err := n.Partition([]int{0, 1, 2}); err != nil {
		t.Fatal(err)
	}
	wantReach(t, n, "all apart", func(from, to int) bool { return from == to })
}

func TestLoopback(t *testing.T) {
	n := lab.Loopback(3)
	if len(n.Hosts) != 3 || n.Hosts[0].Namespace != "" {
		t.Fatalf("hosts are %+v", n.Hosts)
	}
	echo(t, n)
	wantReach(t, n, "loopback", func(int, int) bool { return true })
	if err := n.Partition([]int{0, 0, 1}); !errors.Is(err, lab.ErrSkip) {
		t.Errorf("partition on loopback: %v", err)
	}
}
