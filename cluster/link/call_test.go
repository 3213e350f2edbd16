package link_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stere-log/stere/cluster/link"
)

// called runs test with a caller of node a and a node b that handler serves.
func called(t *testing.T, config link.CallerConfig, handler link.Handler, test func(t *testing.T, network *network, caller *link.Caller, b *link.Link)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		network := newNetwork()
		a, _ := network.node(t, "a", nil)
		b, _ := network.node(t, "b", nil)
		served := make(chan error, 1)
		go func() { served <- b.Serve(link.ServeConfig{Handler: handler, BodyMax: 1 << 20}) }()
		synctest.Wait()
		config.Dial = a.DialHTTP
		caller := link.NewCaller(config)
		test(t, network, caller, b)
		if err := caller.Close(); err != nil {
			t.Error(err)
		}
		b.Close()
		if err := <-served; err != nil {
			t.Error(err)
		}
	})
}

func repeat(_ context.Context, call *link.Call) link.Reply {
	body, err := io.ReadAll(call.Body)
	if err != nil {
		return link.Reply{Status: 413, Body: []byte(err.Error())}
	}
	status, _ := strconv.Atoi(call.Query("status"))
	return link.Reply{Status: status, Body: []byte(call.NodeID + " " + call.Method + " " + call.Path + " " + string(body))}
}

func TestCallsAreAnswered(t *testing.T) {
	called(t, link.CallerConfig{}, repeat, func(t *testing.T, network *network, caller *link.Caller, _ *link.Link) {
		for range 5 {
			status, answer, err := caller.Do(t.Context(), "b", "POST", "/x/y?status=409", []byte("hello"))
			if err != nil || status != 409 || string(answer) != "a POST /x/y hello" {
				t.Errorf("have %d, %q, %v", status, answer, err)
			}
		}
		status, answer, err := caller.Do(t.Context(), "b", "GET", "/", nil)
		if err != nil || status != 200 || string(answer) != "a GET / " {
			t.Errorf("have %d, %q, %v", status, answer, err)
		}
		if n := network.dialsTo("b:1"); n != 1 {
			t.Errorf("have %d connections for calls one after the other", n)
		}
		time.Sleep(link.DefaultIdleTime + time.Second)
		if _, _, err := caller.Do(t.Context(), "b", "GET", "/", nil); err != nil {
			t.Error(err)
		}
		if n := network.dialsTo("b:1"); n != 2 {
			t.Errorf("have %d connections after one was idle for long", n)
		}
	})
}

func TestBodiesAreBounded(t *testing.T) {
	called(t, link.CallerConfig{AnswerMax: 100}, repeat, func(t *testing.T, _ *network, caller *link.Caller, _ *link.Link) {
		if _, _, err := caller.Do(t.Context(), "b", "POST", "/", make([]byte, 200)); !errors.Is(err, link.ErrAnswerTooLarge) {
			t.Errorf("have %v", err)
		}
		for _, size := range []int64{2 << 20, -1} {
			answer, err := caller.Stream(t.Context(), "b", "POST", "/", io.LimitReader(zeros{}, 2<<20), size)
			if err == nil {
				if answer.Status != 413 {
					t.Errorf("size %d: have status %d", size, answer.Status)
				}
				answer.Close()
			} else if !errors.Is(err, link.ErrUncertain) {
				t.Errorf("size %d: have %v", size, err)
			}
		}
	})
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestStreams(t *testing.T) {
	content := bytes.Repeat([]byte("0123456789abcdef"), 50_000)
	handler := func(_ context.Context, call *link.Call) link.Reply {
		switch call.Path {
		case "/get":
			size, _ := strconv.ParseInt(call.Query("size"), 10, 64)
			return link.Reply{Stream: io.NopCloser(bytes.NewReader(content)), Size: size}
		case "/broken":
			return link.Reply{Stream: io.NopCloser(bytes.NewReader(content[:len(content)/2])), Size: int64(len(content))}
		}
		body, err := io.ReadAll(call.Body)
		if err != nil || !bytes.Equal(body, content) {
			return link.Reply{Status: 500}
		}
		return link.Reply{Status: 204}
	}
	called(t, link.CallerConfig{}, handler, func(t *testing.T, network *network, caller *link.Caller, _ *link.Link) {
		for _, size := range []int64{-1, int64(len(content))} {
			answer, err := caller.Stream(t.Context(), "b", "GET", "/get?size="+strconv.FormatInt(size, 10), nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			body, err := io.ReadAll(answer)
			if err != nil || !bytes.Equal(body, content) || answer.Size != size {
				t.Errorf("have %d bytes, %v, size %d, want size %d", len(body), err, answer.Size, size)
			}
			if _, err := answer.Read(body); err != io.EOF {
				t.Errorf("have %v after the end", err)
			}
			answer.Close()
			if answer, err = caller.Stream(t.Context(), "b", "PUT", "/put", bytes.NewReader(content), size); err != nil {
				t.Fatal(err)
			}
			if answer.Status != 204 {
				t.Errorf("have status %d", answer.Status)
			}
			if n, err := answer.Read(body); n != 0 || err != io.EOF {
				t.Errorf("have %d bytes, %v", n, err)
			}
			answer.Close()
		}
		if n := network.dialsTo("b:1"); n != 1 {
			t.Errorf("have %d connections", n)
		}
		answer, err := caller.Stream(t.Context(), "b", "GET", "/broken", nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.ReadAll(answer); !errors.Is(err, link.ErrUncertain) {
			t.Errorf("have %v for half a body", err)
		}
		answer.Close()
		if answer, err = caller.Stream(t.Context(), "b", "GET", "/get?size=-1", nil, 0); err != nil {
			t.Fatal(err)
		}
		answer.Read(make([]byte, 10))
		answer.Close() // the rest is of no interest
		if _, err := answer.Read(make([]byte, 10)); err != io.EOF {
			t.Errorf("have %v after Close", err)
		}
		if _, _, err := caller.Do(t.Context(), "b", "GET", "/get?size=-1", nil); err != nil {
			t.Error(err)
		}
	})
}

func TestErrorsSayWhetherTheCallWasSent(t *testing.T) {
	var handled atomic.Int32
	handler := func(ctx context.Context, call *link.Call) link.Reply {
		handled.Add(1)
		switch call.Path {
		case "/wait":
			<-ctx.Done()
			time.Sleep(time.Second) // so that the caller is the first to notice
		case "/panic":
			panic("no")
		}
		return link.Reply{Body: []byte("ok")}
	}
	called(t, link.CallerConfig{CallsPerNode: 1}, handler, func(t *testing.T, network *network, caller *link.Caller, b *link.Link) {
		check := func(ctx context.Context, node, path string, want, also error) {
			t.Helper()
			before := handled.Load()
			_, _, err := caller.Do(ctx, node, "POST", path, []byte("x"))
			if !errors.Is(err, want) || !errors.Is(err, also) {
				t.Errorf("%s: have %v, want %v, %v", path, err, want, also)
			}
			synctest.Wait()
			if errors.Is(err, link.ErrNotReached) && handled.Load() != before {
				t.Errorf("%s: it was reached", path)
			}
		}
		check(t.Context(), "nobody", "/", link.ErrNotReached, link.ErrUnknownNode)
		check(t.Context(), "z", "/", link.ErrNotReached, link.ErrUnreachable)
		ended, cancel := context.WithCancel(t.Context())
		cancel()
		check(ended, "b", "/", link.ErrNotReached, context.Canceled)
		short, cancel := context.WithTimeout(t.Context(), time.Second)
		check(short, "b", "/wait", link.ErrUncertain, context.DeadlineExceeded)
		cancel()
		ended, cancel = context.WithCancel(t.Context())
		go func() {
			for handled.Load() < 2 {
				time.Sleep(time.Millisecond)
			}
			cancel()
		}()
		check(ended, "b", "/wait", link.ErrUncertain, context.Canceled)
		// One call waits and takes the only place.
		long, cancelLong := context.WithCancel(t.Context())
		done := make(chan struct{})
		go func() { defer close(done); caller.Do(long, "b", "GET", "/wait", nil) }()
		synctest.Wait()
		short, cancel = context.WithTimeout(t.Context(), time.Second)
		check(short, "b", "/", link.ErrNotReached, context.DeadlineExceeded)
		cancel()
		cancelLong()
		<-done
		check(t.Context(), "b", "/wait", link.ErrUncertain, link.ErrUncertain) // the caller's patience
		if status, _, err := caller.Do(t.Context(), "b", "GET", "/panic", nil); status != 500 || err != nil {
			t.Errorf("have %d, %v", status, err)
		}
		if _, _, err := caller.Do(t.Context(), "b", "GET", "/", nil); err != nil {
			t.Error(err)
		}
		// The idle connection ends with the node: that is no uncertainty.
		b.Close()
		synctest.Wait()
		check(t.Context(), "b", "/", link.ErrNotReached, link.ErrUnreachable)
		caller.Close()
		check(t.Context(), "b", "/", link.ErrNotReached, link.ErrClosed)
	})
}

// TestAnswerThatNeverComesIsUncertain calls what takes a call and hangs up.
func TestAnswerThatNeverComesIsUncertain(t *testing.T) {
	caller := link.NewCaller(link.CallerConfig{Dial: func(context.Context, string) (net.Conn, error) {
		here, there := net.Pipe()
		go func() {
			there.Read(make([]byte, 1<<10))
			there.Close()
		}()
		return here, nil
	}})
	defer caller.Close()
	if _, _, err := caller.Do(t.Context(), "b", "POST", "/", []byte("x")); !errors.Is(err, link.ErrUncertain) {
		t.Errorf("have %v", err)
	}
	caller2 := link.NewCaller(link.CallerConfig{Dial: func(context.Context, string) (net.Conn, error) {
		here, there := net.Pipe()
		there.Close()
		return here, nil
	}})
	defer caller2.Close()
	if _, _, err := caller2.Do(t.Context(), "b", "POST", "/", []byte("x")); !errors.Is(err, link.ErrNotReached) {
		t.Errorf("have %v", err)
	}
}

func TestCallsAtOnce(t *testing.T) {
	called(t, link.CallerConfig{CallsPerNode: 16, IdlePerNode: 4}, repeat, func(t *testing.T, network *network, caller *link.Caller, _ *link.Link) {
		failed := make(chan error, 400)
		for i := range cap(failed) {
			go func() {
				want := strings.Repeat("x", i)
				_, answer, err := caller.Do(t.Context(), "b", "PUT", "/", []byte(want))
				if err == nil && string(answer) != "a PUT / "+want {
					err = errors.New("another call's answer: " + string(answer))
				}
				failed <- err
			}()
		}
		for range cap(failed) {
			if err := <-failed; err != nil {
				t.Error(err)
			}
		}
		synctest.Wait()
		before := network.dialsTo("b:1")
		for range 4 {
			if _, _, err := caller.Do(t.Context(), "b", "GET", "/", nil); err != nil {
				t.Error(err)
			}
		}
		if n := network.dialsTo("b:1"); n != before {
			t.Errorf("idle connections are not used")
		}
	})
}
