package lab

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strconv"

	"golang.org/x/sys/unix"
)

func namespacePath(name string) string { return filepath.Join("/run/netns", name) }

// Inside runs f in a network namespace: sockets that f makes and processes that
// it starts are there, and stay there. f must not switch goroutines for that.
func Inside(namespace string, f func() error) (err error) {
	if namespace == "" {
		return f()
	}
	runtime.LockOSThread()
	home, err := os.Open("/proc/thread-self/ns/net")
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter network namespace: %w", err)
	}
	defer home.Close()
	there, err := os.Open(namespace)
	if err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter network namespace: %w", err)
	}
	defer there.Close()
	if err := unix.Setns(int(there.Fd()), unix.CLONE_NEWNET); err != nil {
		runtime.UnlockOSThread()
		return fmt.Errorf("enter network namespace: %w", err)
	}
	defer func() {
		if back := unix.Setns(int(home.Fd()), unix.CLONE_NEWNET); back != nil {
			err = errors.Join(err, fmt.Errorf("leave network namespace: %w", back))
			return // the thread stays locked, and ends with its goroutine
		}
		runtime.UnlockOSThread()
	}()
	return f()
}

// dialInside makes the socket inside of the namespace and connects it.
func dialInside(ctx context.Context, namespace, network, address string) (conn net.Conn, err error) {
	host, _, err := net.SplitHostPort(address)
	if err != nil {
		return nil, fmt.Errorf("dial in namespace: %w", err)
	}
	if net.ParseIP(host) == nil {
		return nil, fmt.Errorf("dial in namespace: %s is no IP address, and names are looked up elsewhere", host)
	}
	// For one address net.Dialer makes the socket on the goroutine that calls.
	err = Inside(namespace, func() (err error) {
		var d net.Dialer
		conn, err = d.DialContext(ctx, network, address)
		return err
	})
	if err != nil && conn != nil {
		err = errors.Join(err, conn.Close())
		conn = nil
	}
	return conn, err
}

// addressOf is the address of a host in the network of the namespaces.
func addressOf(i int) string { return "10.77.0." + strconv.Itoa(i+1) }

// hubOf is the name of the namespace in which the links of these hosts end.
func hubOf(names []string) string { return names[0] + "h" }

// makeNamespace makes a namespace in which loopback works.
func (l *Lab) makeNamespace(name string) error {
	if err := l.note(thing{Kind: kindNamespace, Name: name}); err != nil {
		return err
	}
	if _, err := command("ip", "netns", "add", name); err != nil {
		return err
	}
	_, err := command("ip", "-n", name, "link", "set", "lo", "up")
	return err
}

// namespaces makes a namespace for each host and one for their links. ErrSkip
// says that this machine or user cannot.
func (l *Lab) namespaces(names []string, linkd string, seed uint64) (*Network, error) {
	if err := missing("for network namespaces", "ip"); err != nil {
		return nil, err
	}
	hub := hubOf(names)
	if err := l.makeNamespace(hub); err != nil {
		return nil, fmt.Errorf("%w: %w", ErrSkip, err)
	}
	n := &Network{}
	for i, name := range names {
		n.Hosts = append(n.Hosts, &Host{Name: name, Address: addressOf(i), Namespace: namespacePath(name)})
	}
	var err error
	if linkd != "" {
		n.Kind = "linkd"
		n.links, err = l.startLinkd(linkd, hub, n.Hosts, seed)
	} else {
		n.Kind = "bridge"
		n.links, err = l.makeBridges(hub, n.Hosts)
	}
	if err != nil {
		return nil, err
	}
	return n, nil
}
