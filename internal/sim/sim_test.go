package sim_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"net"
	"os"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/stere-log/stere/internal/sim"
)

// bubble runs a test on a network of two machines in virtual time.
func bubble(t *testing.T, base sim.Link, test func(t *testing.T, n *sim.Network, a, b *sim.Host)) {
	synctest.Test(t, func(t *testing.T) {
		n := sim.NewNetwork(rand.New(rand.NewPCG(1, 1)), base)
		test(t, n, n.Host("10.0.0.1"), n.Host("10.0.0.2"))
	})
}

// connect returns both ends of a connection from a to b.
func connect(t *testing.T, a, b *sim.Host) (here, there net.Conn) {
	t.Helper()
	l, err := b.Listen(1)
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if here, err = a.Dial(t.Context(), l.Addr().String()); err != nil {
		t.Fatal(err)
	}
	if there, err = l.Accept(); err != nil {
		t.Fatal(err)
	}
	return here, there
}

func send(t *testing.T, c net.Conn, text string) {
	t.Helper()
	if _, err := c.Write([]byte(text)); err != nil {
		t.Fatal(err)
	}
}

func receive(t *testing.T, c net.Conn, want string) {
	t.Helper()
	b := make([]byte, len(want))
	if _, err := io.ReadFull(c, b); err != nil || string(b) != want {
		t.Fatalf("received %q, %v, want %q", b, err, want)
	}
}

func TestBytesArriveInOrderAfterTheirTime(t *testing.T) {
	bubble(t, sim.Link{Delay: time.Second, Jitter: time.Second, Rate: 1 << 20}, func(t *testing.T, n *sim.Network, a, b *sim.Host) {
		here, there := connect(t, a, b)
		began := time.Now()
		var want bytes.Buffer
		for i := range 100 {
			piece := bytes.Repeat([]byte{byte(i)}, i)
			want.Write(piece)
			send(t, here, string(piece))
		}
		if err := here.Close(); err != nil {
			t.Fatal(err)
		}
		got, err := io.ReadAll(there)
		if err != nil || !bytes.Equal(got, want.Bytes()) {
			t.Errorf("%d bytes, %v, want %d", len(got), err, want.Len())
		}
		if took := time.Since(began); took < time.Second || took > 3*time.Second {
			t.Errorf("took %v", took)
		}
		if _, err := there.Write([]byte("x")); !errors.Is(err, syscall.EPIPE) {
			t.Errorf("write to a closed connection: %v", err)
		}
	})
}

// What is cut waits, in one direction alone if only that is cut.
func TestCuts(t *testing.T) {
	bubble(t, sim.Link{}, func(t *testing.T, n *sim.Network, a, b *sim.Host) {
		here, there := connect(t, a, b)
		n.Change("10.0.0.1", "10.0.0.2", func(l *sim.Link) { l.Cut = true })
		send(t, here, "waits")
		send(t, there, "arrives")
		receive(t, here, "arrives")
		if err := there.SetReadDeadline(time.Now().Add(time.Second)); err != nil {
			t.Fatal(err)
		}
		if _, err := there.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
			t.Errorf("read over a cut: %v", err)
		}
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		if _, err := b.Dial(ctx, "10.0.0.1:1"); !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("dial over a cut: %v", err)
		}
		n.Heal()
		if err := there.SetReadDeadline(time.Time{}); err != nil {
			t.Fatal(err)
		}
		receive(t, there, "waits")
		if _, err := b.Dial(t.Context(), "10.0.0.1:1"); !errors.Is(err, syscall.ECONNREFUSED) {
			t.Errorf("dial where nobody listens: %v", err)
		}
	})
}

// A process that is killed resets its connections; a machine without power says
// nothing until it is back.
func TestCrashes(t *testing.T) {
	for _, power := range []bool{false, true} {
		bubble(t, sim.Link{}, func(t *testing.T, n *sim.Network, a, b *sim.Host) {
			here, there := connect(t, a, b)
			went := make(chan time.Time, 1)
			go func() {
				if _, err := here.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
					t.Errorf("read from a machine that crashed: %v", err)
				}
				went <- time.Now()
			}()
			synctest.Wait()
			crashed := time.Now()
			b.Crash(power)
			if _, err := there.Write([]byte("x")); !errors.Is(err, net.ErrClosed) {
				t.Errorf("a crashed machine writes: %v", err)
			}
			if _, err := b.Dial(t.Context(), "10.0.0.1:1"); !errors.Is(err, syscall.ENETDOWN) {
				t.Errorf("a crashed machine dials: %v", err)
			}
			time.Sleep(time.Minute)
			n.Host("10.0.0.2")
			if at := <-went; power != (at.Sub(crashed) == time.Minute) {
				t.Errorf("noticed after %v, power cut is %v", at.Sub(crashed), power)
			}
		})
	}
}

func TestPackets(t *testing.T) {
	bubble(t, sim.Link{Delay: time.Millisecond, Loss: 0.5}, func(t *testing.T, n *sim.Network, a, b *sim.Host) {
		from, err := a.Packets(7)
		if err != nil {
			t.Fatal(err)
		}
		to, err := b.Packets(7)
		if err != nil {
			t.Fatal(err)
		}
		for range 1000 {
			if _, err := from.WriteTo([]byte("packet"), "10.0.0.2:7"); err != nil {
				t.Fatal(err)
			}
		}
		time.Sleep(time.Second)
		if got := len(to.PacketCh()); got < 400 || got > 600 {
			t.Errorf("%d of 1000 packets arrived, want about half", got)
		}
		if p := <-to.PacketCh(); string(p.Buf) != "packet" || p.From.String() != "10.0.0.1:7" {
			t.Errorf("packet %q from %s", p.Buf, p.From)
		}
		here, err := from.DialTimeout("10.0.0.2:7", time.Second)
		if err != nil {
			t.Fatal(err)
		}
		there := <-to.StreamCh()
		send(t, here, "stream")
		receive(t, there, "stream")
		if ip, port, err := to.FinalAdvertiseAddr("", 0); err != nil || ip.String() != "10.0.0.2" || port != 7 {
			t.Errorf("address %s:%d, %v", ip, port, err)
		}
		for _, p := range []*sim.Packets{from, to} {
			if err := p.Shutdown(); err != nil {
				t.Error(err)
			}
		}
	})
}

// A cut of the power takes what was not synced, a killed process nothing.
func TestDisk(t *testing.T) {
	lost := 0
	for seed := range uint64(50) {
		d := sim.NewDisk()
		if err := d.MkdirAll("dir", 0o755); err != nil {
			t.Fatal(err)
		}
		root, err := d.OpenDir("")
		if err != nil {
			t.Fatal(err)
		}
		if err := errors.Join(root.Sync(), root.Close()); err != nil {
			t.Fatal(err)
		}
		for _, name := range []string{"dir/synced", "dir/unsynced"} {
			f, err := d.Create(name, vfs.WriteCategoryUnspecified)
			if err != nil {
				t.Fatal(err)
			}
			if _, err = f.Write([]byte("text")); err == nil && name == "dir/synced" {
				err = f.Sync()
				dir, _ := d.OpenDir("dir")
				err = errors.Join(err, dir.Sync(), dir.Close())
			}
			if err := errors.Join(err, f.Close()); err != nil {
				t.Fatal(err)
			}
		}
		has := func(d *sim.Disk, name string) bool {
			info, err := d.Stat(name)
			return err == nil && info.Size() == 4
		}
		cut, killed := d.Cut(rand.New(rand.NewPCG(seed, 1))), d.Kill()
		if !has(cut, "dir/synced") || !has(killed, "dir/synced") || !has(killed, "dir/unsynced") {
			t.Fatalf("seed %d: what must stay is lost", seed)
		}
		if !has(cut, "dir/unsynced") {
			lost++
		}
	}
	if lost == 0 {
		t.Error("no power cut took anything")
	}
}
