package link_test

import (
	"context"
	"testing"

	"github.com/stere-log/stere/cluster/link"
)

// BenchmarkCall makes calls over TCP and TLS: 256 KB is about a block.
func BenchmarkCall(b *testing.B) {
	for name, size := range map[string]int{"1KB": 1 << 10, "256KB": 256 << 10} {
		b.Run(name, func(b *testing.B) {
			address := ""
			open := func(id string) *link.Link {
				l, err := link.Open(link.Config{
					NodeID: id, Listen: "127.0.0.1:0", Secret: secretA,
					Resolve: func(string) (string, bool) { return address, true },
				})
				if err != nil {
					b.Fatal(err)
				}
				return l
			}
			from, to := open("a"), open("b")
			defer from.Close()
			defer to.Close()
			address = to.Addr().String()
			to.HTTP()
			go to.Serve(link.ServeConfig{Handler: repeat})
			caller := link.NewCaller(link.CallerConfig{Dial: from.DialHTTP})
			defer caller.Close()
			body := make([]byte, size)
			b.SetBytes(int64(size))
			for b.Loop() {
				if _, _, err := caller.Do(context.Background(), "b", "POST", "/", body); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// BenchmarkDial makes connections over TCP: TLS, preamble, answer.
func BenchmarkDial(b *testing.B) {
	address := ""
	open := func(id string) *link.Link {
		l, err := link.Open(link.Config{
			NodeID: id, Listen: "127.0.0.1:0", Secret: secretA,
			Resolve: func(string) (string, bool) { return address, true },
		})
		if err != nil {
			b.Fatal(err)
		}
		return l
	}
	from, to := open("a"), open("b")
	defer from.Close()
	defer to.Close()
	address = to.Addr().String()
	g, err := to.Group(1)
	if err != nil {
		b.Fatal(err)
	}
	go echo(g)
	dialler, err := from.Group(1)
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		conn, err := dialler.Dial("b", patience)
		if err != nil {
			b.Fatal(err)
		}
		conn.Close()
	}
}
