// Package encrypt keeps what a node has on disk encrypted by the newest keys: it
// rotates them, writes anew what older ones encrypted, and forgets those that
// nothing has any more. Keeper is the main type.
//
// What there is to do is read off the files, so a Keeper goes on where the one
// before it was killed. Run is called from one goroutine, everything else from any.
package encrypt

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"sync"
	"time"

	"github.com/stere-log/stere/api"
	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/encryption"
	"github.com/stere-log/stere/internal/pause"
	"github.com/stere-log/stere/storage"
)

const (
	// lookInterval is how often it is looked whether there is something to do.
	lookInterval = 10 * time.Minute
	// renewBytes is how much of the store is written anew in a second at most.
	renewBytes = 64 << 20
)

// Keeper looks after the encryption of a node. All fields must be given but the
// last.
type Keeper struct {
	FS  *encryption.FS // nil: the node is not encrypted
	Env storage.Env
	// LeaveLog makes the log begin new files.
	LeaveLog func() error
	Logger   *slog.Logger

	mu struct {
		sync.Mutex
		asked    chan struct{} // Run is to look at once
		renewing bool
		fault    string
		last     encryption.Status
	}
}

var _ api.Encryption = (*Keeper)(nil)

// wanted returns the channel on which Run is asked to look.
func (k *Keeper) wanted() chan struct{} {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.mu.asked == nil {
		k.mu.asked = make(chan struct{}, 1)
	}
	return k.mu.asked
}

// Run works until the context ends.
func (k *Keeper) Run(ctx context.Context) error {
	if k.FS == nil {
		<-ctx.Done()
		return nil
	}
	ticker := time.NewTicker(lookInterval)
	defer ticker.Stop()
	for {
		err := k.renew(ctx)
		if ctx.Err() != nil {
			return nil
		}
		k.mu.Lock()
		k.mu.renewing, k.mu.fault = false, ""
		if err != nil {
			k.mu.fault = err.Error()
		}
		k.mu.Unlock()
		if err != nil {
			k.Logger.Warn("not all is encrypted by the newest keys", "error", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-ticker.C:
		case <-k.wanted():
		}
	}
}

// renew writes anew what older keys encrypted, or none, and forgets the keys that
// nothing has.
func (k *Keeper) renew(ctx context.Context) error {
	s, err := k.look()
	if err != nil {
		return err
	}
	var faults []error
	if s.OldFiles+s.PlainFiles > 0 {
		k.mu.Lock()
		k.mu.renewing = true
		k.mu.Unlock()
		pace := func(ctx context.Context, bytes int) error {
			return pause.For(ctx, time.Duration(bytes)*time.Second/renewBytes)
		}
		faults = append(faults, storage.Renew(ctx, k.Env, k.FS.IsOld, pace))
	}
	faults = append(faults, k.FS.Prune())
	_, err = k.look()
	return errors.Join(append(faults, err)...)
}

// look notes how things are.
func (k *Keeper) look() (encryption.Status, error) {
	s, err := k.FS.Status()
	if err != nil {
		return s, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	k.mu.last = s
	return s, nil
}

// Figures returns how many bytes are not encrypted by the newest keys, as far as
// that was looked at last.
func (k *Keeper) Figures() (old, plain int64) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.mu.last.Old, k.mu.last.Plain
}

// State implements api.Encryption.
func (k *Keeper) State() (v1.Encryption, error) {
	if k.FS == nil {
		return v1.Encryption{Keys: []v1.EncryptionKey{}}, nil
	}
	s, err := k.look()
	if err != nil {
		return v1.Encryption{}, err
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	state := v1.Encryption{
		Enabled: true, MasterKey: s.Master, TenantKeys: k.Env.Apart, Renewing: k.mu.renewing, Error: k.mu.fault,
		PlainFiles: s.PlainFiles, PlainBytes: s.Plain, OldFiles: s.OldFiles, OldBytes: s.Old, Keys: []v1.EncryptionKey{},
	}
	for _, key := range s.Keys {
		state.Keys = append(state.Keys, v1.EncryptionKey{ID: key.ID, Tenant: key.Owner, Created: key.Created, Newest: key.Newest, Files: key.Files, Bytes: key.Bytes})
	}
	return state, nil
}

// Rotate implements api.Encryption.
func (k *Keeper) Rotate() (v1.Encryption, error) {
	if k.FS == nil {
		return v1.Encryption{}, fmt.Errorf("%w: start the node with encryption-key-file", api.ErrNotEncrypted)
	}
	if err := k.FS.Ring().Rotate(); err != nil {
		return v1.Encryption{}, fmt.Errorf("%w: %w", api.ErrRotation, err)
	}
	if err := k.LeaveLog(); err != nil {
		k.Logger.Warn("the log goes on in files of the old key", "error", err)
	}
	select {
	case k.wanted() <- struct{}{}:
	default: // it is asked already
	}
	return k.State()
}
