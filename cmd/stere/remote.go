package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/stere-log/stere/client"
	"github.com/stere-log/stere/internal/plain"
)

// remoteFlags are the flags of the commands that talk to a node.
type remoteFlags struct {
	URL  string `name:"url" help:"The node (default STERE_URL, else the address in the settings, http://127.0.0.1:7100)." placeholder:"URL"`
	Data string `help:"The node's data folder, where its admin key is (default: what the node noted on this machine, else ./stere-data if the node is on this machine)." placeholder:"DIR"`
}

// connect returns a client of the node that the flags mean. Attempts is how
// often it tries: people wait for answers, files wait for nodes.
func (p *program) connect(flags remoteFlags, attempts int) (*client.Client, client.Config, error) {
	effective, err := p.resolve("", nil)
	if err != nil {
		return nil, client.Config{}, err
	}
	cfg := client.Config{URL: flags.URL, APIKeyHeader: effective.text("api-key-header"), Token: p.getenv("STERE_TOKEN"), Attempts: attempts, Waits: (&patience{out: p.stderr}).tell}
	if cfg.URL == "" {
		cfg.URL = p.getenv("STERE_URL")
	}
	if cfg.URL == "" {
		cfg.URL = urlOf(effective.text("listen"))
	}
	if !strings.Contains(cfg.URL, "://") {
		cfg.URL = "http://" + cfg.URL
	}
	dir := flags.Data
	if dir == "" {
		dir = p.notedDataDir(cfg.URL)
	}
	if u, err := url.Parse(cfg.URL); dir == "" && err == nil && isLoopback(net.JoinHostPort(u.Hostname(), "0")) {
		dir = effective.text("data") // another machine must not be sent this machine's key
	}
	if dir == "" {
		cfg.APIKey = p.getenv("STERE_API_KEY")
	} else if cfg.APIKey, err = client.DiscoverKey(dir, p.getenv); err != nil {
		return nil, cfg, err
	}
	c, err := client.New(cfg)
	if err != nil {
		return nil, cfg, usageError{err}
	}
	return c, cfg, nil
}

// patience says why a command waits, where that takes long enough to be wondered at:
// a quota of a day may be for hours.
type patience struct {
	out io.Writer

	mu    sync.Mutex
	said  string
	until time.Time // what was said holds so long
}

// untold is how long a command waits without a word.
const untold = 3 * time.Second

// tell says why, once for all calls that wait for the same.
func (w *patience) tell(wait time.Duration, why error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	now, text := time.Now(), plain.Line(why.Error())
	if wait < untold || text == w.said && now.Before(w.until) {
		return
	}
	w.said, w.until = text, now.Add(wait)
	clear := ""
	if isTerminal(w.out) {
		clear = "\r\x1b[K" // of a bar
	}
	fmt.Fprintf(w.out, "%swaits %v: %s\n", clear, wait.Round(time.Second), text)
}

// adminAttempts is how often a node is asked that is busy or without a leader.
const adminAttempts = 4

// adminWorld is what the commands of stere admin work with.
type adminWorld struct{ *program }

// Context implements admin.World.
func (w adminWorld) Context() context.Context { return w.ctx }

// Stdout implements admin.World.
func (w adminWorld) Stdout() io.Writer { return w.stdout }

// Usage implements admin.World.
func (w adminWorld) Usage(err error) error { return usageError{err} }

// Client implements admin.World.
func (w adminWorld) Client(url, data string) (*client.Client, error) {
	c, _, err := w.connect(remoteFlags{URL: url, Data: data}, adminAttempts)
	return c, err
}

// stateDir is where the command line keeps its notes on this machine: which
// data folder a local node has, and how far files were sent. "" where there is
// no home.
func (p *program) stateDir() string {
	if dir := p.getenv("XDG_STATE_HOME"); filepath.IsAbs(dir) {
		return filepath.Join(dir, "stere")
	}
	if home := p.getenv("HOME"); filepath.IsAbs(home) {
		return filepath.Join(home, ".local", "state", "stere")
	}
	return ""
}

// noteName returns the name of a note about a subject.
func noteName(kind string, subject ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(subject, "\x00")))
	return kind + "-" + hex.EncodeToString(sum[:12]) + ".json"
}

// writeNote replaces a note. Notes are a convenience: where they cannot be
// kept, things work without.
func (p *program) writeNote(name string, note any) error {
	dir := p.stateDir()
	if dir == "" {
		return errors.New("no folder for notes: HOME is not set")
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return fmt.Errorf("keep a note: %w", err)
	}
	text, err := json.Marshal(note)
	if err != nil {
		return fmt.Errorf("keep a note: %w", err)
	}
	path := filepath.Join(dir, name)
	file, err := os.CreateTemp(dir, name+".*")
	if err != nil {
		return fmt.Errorf("keep a note: %w", err)
	}
	_, err = file.Write(text)
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(file.Name(), path)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("keep a note: %w", err), os.Remove(file.Name()))
	}
	return nil
}

// readNote reads a note and reports whether there is one that can be read.
func (p *program) readNote(name string, note any) bool {
	dir := p.stateDir()
	if dir == "" {
		return false
	}
	text, err := os.ReadFile(filepath.Join(dir, name))
	return err == nil && json.Unmarshal(text, note) == nil
}

// removeNote forgets a note.
func (p *program) removeNote(name string) {
	if dir := p.stateDir(); dir != "" {
		_ = os.Remove(filepath.Join(dir, name)) // what is not there is forgotten
	}
}

// nodeNote says where the data of a local node is.
type nodeNote struct {
	Data string `json:"data"`
}

// noteNode notes the data folder of a node that this machine reaches at a URL.
func (p *program) noteNode(address, dataDir string) error {
	dir, err := filepath.Abs(dataDir)
	if err != nil {
		return err
	}
	return p.writeNote(noteName("node", address), nodeNote{Data: dir})
}

func (p *program) notedDataDir(address string) string {
	var note nodeNote
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	base := u.Scheme + "://" + u.Host
	if u.Hostname() == "localhost" {
		base = u.Scheme + "://127.0.0.1:" + u.Port()
	}
	p.readNote(noteName("node", base), &note)
	return note.Data
}
