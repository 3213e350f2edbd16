package encryption

import (
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

var (
	// ErrNoKey says that a folder is encrypted and no master key was given.
	ErrNoKey = errors.New("the data folder is encrypted and there is no encryption key")
	// ErrWrongKey says that the master keys are not those of the folder.
	ErrWrongKey = errors.New("wrong encryption key")
	// ErrKeys says that a text is no list of master keys.
	ErrKeys = errors.New("bad encryption keys")
	// ErrRing says that the list of a folder's data keys is damaged or lost.
	ErrRing = errors.New("the keys of the data folder are damaged or lost")
	// ErrPlain says that a file is not encrypted although it has to be.
	ErrPlain = errors.New("the file is not encrypted")
	// ErrMoved says that a file is not the one that was written under its name.
	ErrMoved = errors.New("the file is not the one that was written under this name")
	// ErrUnknownKey says that the data key of a file is not in the ring.
	ErrUnknownKey = errors.New("the data key of the file is gone")

	errReadOnly  = errors.New("the file is open for reading only")
	errWriteOnly = errors.New("the file is open for writing only")
	errAppend    = errors.New("an encrypted file is written from its start to its end")
	errDiffers   = errors.New("what is written is not what could not be written before")
)

// DamageError says that bytes of a file which had been synced are not what was
// written.
type DamageError struct {
	File     string
	From, To int64 // offsets in what the file holds
}

// Error implements error.
func (e *DamageError) Error() string {
	return fmt.Sprintf("%s: bytes %d to %d are damaged or were changed", e.File, e.From, e.To)
}

// Unwrap lets the keyed store know damage when it meets it.
func (e *DamageError) Unwrap() error { return pebble.ErrCorruption }

// DamagedTo returns where the damage ends: up to there the file had been synced.
func (e *DamageError) DamagedTo() int64 { return e.To }

// wrongFile is an error of a file that cannot be the one that was written: to the
// keyed store that is damage, as if it could not be read.
type wrongFile struct{ error }

// Unwrap returns what is wrong with the file.
func (e *wrongFile) Unwrap() error { return e.error }

// Is reports whether the keyed store takes the error for damage.
func (e *wrongFile) Is(target error) bool { return target == pebble.ErrCorruption }
