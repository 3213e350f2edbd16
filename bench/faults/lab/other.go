//go:build !linux

package lab

import (
	"context"
	"fmt"
	"net"
	"os"
)

func lock(*os.File) error { return nil }

func processStart(int) (string, error) { return "", os.ErrNotExist }

func removeThing(t thing) (gone bool, err error) {
	return false, fmt.Errorf("cannot remove %s %s here", t.Kind, t.Name)
}

// Disk exists on Linux only.
type Disk struct{ Mount string }

// NewDisk is ErrSkip here.
func (*Lab) NewDisk(string, string, int) (*Disk, error) {
	return nil, fmt.Errorf("%w: faults of disks need Linux", ErrSkip)
}

// Cut is ErrSkip here.
func (*Disk) Cut() error { return ErrSkip }

// Remount is ErrSkip here.
func (*Disk) Remount() error { return ErrSkip }

// Freeze is ErrSkip here.
func (*Disk) Freeze() error { return ErrSkip }

// Thaw is ErrSkip here.
func (*Disk) Thaw() error { return ErrSkip }

// Fill is ErrSkip here.
func (*Disk) Fill() (string, error) { return "", ErrSkip }

// Remove is ErrSkip here.
func (*Disk) Remove(bool) error { return ErrSkip }

// Inside runs f; there is one network namespace here.
func Inside(_ string, f func() error) error { return f() }

func (l *Lab) namespaces([]string, string, uint64) (*Network, error) {
	return nil, fmt.Errorf("%w: network namespaces need Linux", ErrSkip)
}

func dialInside(ctx context.Context, _, network, address string) (net.Conn, error) {
	var d net.Dialer
	return d.DialContext(ctx, network, address)
}
