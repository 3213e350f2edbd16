package lab

import (
	"errors"
	"fmt"
	"strconv"
	"time"
)

// bridges are links that end in the bridges of one namespace: hosts on the same
// bridge reach each other.
type bridges struct {
	lab   *Lab
	hub   string
	hosts []*Host
}

func bridgeName(i int) string { return "group" + strconv.Itoa(i) }

func portName(i int) string { return "port" + strconv.Itoa(i) }

// makeBridges makes as many bridges as there are hosts, and puts all hosts on
// the first.
func (l *Lab) makeBridges(hub string, hosts []*Host) (*bridges, error) {
	b := &bridges{lab: l, hub: hub, hosts: hosts}
	for i, h := range hosts {
		if err := l.makeNamespace(h.Name); err != nil {
			return nil, err
		}
		for _, args := range [][]string{
			{"-n", hub, "link", "add", bridgeName(i), "type", "bridge"},
			{"-n", hub, "link", "set", bridgeName(i), "up"},
			{"-n", hub, "link", "add", portName(i), "type", "veth", "peer", "name", "eth0", "netns", h.Name},
			{"-n", h.Name, "addr", "add", h.Address + "/24", "dev", "eth0"},
			{"-n", h.Name, "link", "set", "eth0", "up"},
			{"-n", hub, "link", "set", portName(i), "up"},
		} {
			if _, err := command("ip", args...); err != nil {
				return nil, fmt.Errorf("make links: %w", err)
			}
		}
	}
	return b, b.heal()
}

func (b *bridges) partition(groups []int) error {
	for i, group := range groups {
		if _, err := command("ip", "-n", b.hub, "link", "set", portName(i), "master", bridgeName(group)); err != nil {
			return fmt.Errorf("move link: %w", err)
		}
	}
	return nil
}

func (*bridges) block(int, int) error {
	return fmt.Errorf("%w: one direction can only be cut with linkd", ErrSkip)
}

func (*bridges) slow(int, time.Duration, float64) error {
	return fmt.Errorf("%w: links can only be slowed down with linkd", ErrSkip)
}

func (b *bridges) heal() error { return b.partition(make([]int, len(b.hosts))) }

func (b *bridges) close() error {
	var wrong []error
	for _, h := range b.hosts {
		_, err := removeThing(thing{Kind: kindNamespace, Name: h.Name})
		wrong = append(wrong, err)
	}
	_, err := removeThing(thing{Kind: kindNamespace, Name: b.hub})
	return errors.Join(append(wrong, err)...)
}
