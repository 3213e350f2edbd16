//go:build !linux

package faults

import "fmt"

// disk exists on Linux only.
type disk struct{ mount string }

func newDisk(string, string, int) (*disk, error) {
	return nil, fmt.Errorf("%w: faults of disks need Linux", errSkip)
}

func (*disk) cut() error            { return errSkip }
func (*disk) remount() error        { return errSkip }
func (*disk) fill() (string, error) { return "", errSkip }
func (*disk) remove() error         { return errSkip }
