package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"time"
)

const (
	// linkdControl is where linkd takes orders, inside of its own namespace.
	linkdControl = "127.0.0.1:7070"
	// linkdReady bounds its start, linkdTimeout one order.
	linkdReady   = 20 * time.Second
	linkdTimeout = 5 * time.Second
	linkdPoll    = 50 * time.Millisecond
	// linkdEnd is how long it has to take its namespaces away.
	linkdEnd = 10 * time.Second
	// answerMax bounds what is read of an answer.
	answerMax = 1 << 16
)

// linkdLinks are links that a process forwards, frame by frame. It makes the
// namespaces of the hosts by itself.
type linkdLinks struct {
	hub    string
	hosts  []*Host
	cmd    *exec.Cmd
	ended  chan error
	client *http.Client
}

func (l *Lab) startLinkd(path, hub string, hosts []*Host, seed uint64) (*linkdLinks, error) {
	ends := make([]string, len(hosts))
	for i, h := range hosts {
		ends[i] = h.Name + "=" + h.Address
		if err := l.note(thing{Kind: kindNamespace, Name: h.Name}); err != nil {
			return nil, err
		}
	}
	d := &linkdLinks{hub: hub, hosts: hosts, ended: make(chan error, 1)}
	d.cmd = exec.Command(path, "-up", strings.Join(ends, ","), "-ctl", linkdControl, "-seed", strconv.FormatUint(seed>>1, 10))
	d.cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // Ctrl-C is not for it
	if err := Inside(namespacePath(hub), d.cmd.Start); err != nil {
		return nil, fmt.Errorf("start %s: %w", path, err)
	}
	go func() { d.ended <- d.cmd.Wait() }()
	if err := l.Process(d.cmd.Process.Pid); err != nil {
		return nil, errors.Join(err, d.close())
	}
	d.client = &http.Client{Timeout: linkdTimeout, Transport: &http.Transport{DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
		return dialInside(ctx, namespacePath(hub), network, address)
	}}}
	for began := time.Now(); ; time.Sleep(linkdPoll) {
		err := d.heal()
		if err == nil {
			return d, nil
		}
		select {
		case ended := <-d.ended:
			d.ended <- ended
			return nil, fmt.Errorf("start %s: it ended: %w", path, errors.Join(ended, err))
		default:
		}
		if time.Since(began) > linkdReady {
			return nil, errors.Join(fmt.Errorf("start %s: %w", path, err), d.close())
		}
	}
}

// set gives an order.
func (d *linkdLinks) set(order url.Values) error {
	res, err := d.client.PostForm("http://"+linkdControl+"/set", order)
	if err != nil {
		return fmt.Errorf("order to linkd: %w", err)
	}
	text, err := io.ReadAll(io.LimitReader(res.Body, answerMax))
	if err = errors.Join(err, res.Body.Close()); err != nil {
		return fmt.Errorf("order to linkd: %w", err)
	}
	if res.StatusCode != http.StatusOK {
		return fmt.Errorf("order to linkd: status %d: %s", res.StatusCode, text)
	}
	return nil
}

func (d *linkdLinks) block(from, to int) error {
	return d.set(url.Values{"from": {d.hosts[from].Name}, "to": {d.hosts[to].Name}, "block": {"1"}})
}

func (d *linkdLinks) partition(groups []int) error {
	for from := range groups {
		for to := range groups {
			if groups[from] == groups[to] {
				continue
			}
			if err := d.block(from, to); err != nil {
				return err
			}
		}
	}
	return nil
}

func (d *linkdLinks) slow(host int, delay time.Duration, loss float64) error {
	how := url.Values{"delay": {delay.String()}, "loss": {strconv.FormatFloat(loss, 'f', -1, 64)}}
	how.Set("from", "*")
	how.Set("to", d.hosts[host].Name)
	if err := d.set(how); err != nil {
		return err
	}
	how.Set("from", d.hosts[host].Name)
	how.Set("to", "*")
	return d.set(how)
}

func (d *linkdLinks) heal() error { return d.set(url.Values{"reset": {"1"}}) }

func (d *linkdLinks) close() error {
	var wrong []error
	if err := d.cmd.Process.Signal(os.Interrupt); err != nil && !errors.Is(err, os.ErrProcessDone) {
		wrong = append(wrong, fmt.Errorf("end linkd: %w", err))
	}
	timer := time.NewTimer(linkdEnd)
	defer timer.Stop()
	select {
	case <-d.ended: // its exit code says nothing: it was interrupted
	case <-timer.C:
		wrong = append(wrong, d.cmd.Process.Kill())
		<-d.ended
	}
	for _, h := range d.hosts {
		_, err := removeThing(thing{Kind: kindNamespace, Name: h.Name})
		wrong = append(wrong, err)
	}
	_, err := removeThing(thing{Kind: kindNamespace, Name: d.hub})
	return errors.Join(append(wrong, err)...)
}
