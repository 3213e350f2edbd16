package link

import (
	"bytes"
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
)

const (
	secretBytes   = 32      // random bytes of a new secret
	secretFileMax = 4 << 10 // bytes of a secret's file
)

// NewSecret returns a new secret: 32 random bytes as base64.
func NewSecret() []byte {
	random := make([]byte, secretBytes)
	rand.Read(random) // never fails
	return base64.StdEncoding.AppendEncode(nil, random)
}

// CreateSecret makes a new secret and writes it to a file that only its owner
// may read. The file is there whole or not at all, and one that is there stays:
// the error is fs.ErrExist then.
func CreateSecret(path string) ([]byte, error) {
	secret := NewSecret()
	f, err := os.CreateTemp(filepath.Dir(path), ".secret-*") // mode 0600
	if err != nil {
		return nil, fmt.Errorf("create cluster secret: %w", err)
	}
	defer os.Remove(f.Name())
	_, err = f.Write(append(secret[:len(secret):len(secret)], '\n'))
	if err == nil {
		err = f.Sync()
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return nil, fmt.Errorf("create cluster secret: %w", err)
	}
	// A link, unlike a rename, never replaces the secret that a cluster has.
	if err := os.Link(f.Name(), path); err != nil {
		return nil, fmt.Errorf("create cluster secret: %w", err)
	}
	if err := syncDir(filepath.Dir(path)); err != nil {
		return nil, fmt.Errorf("create cluster secret: %w", err)
	}
	return secret, nil
}

// LoadSecret reads the secret in a file, without the white space around it. It
// refuses files that everybody may read or the group may write; the group may
// read, since that is how orchestrators hand out secrets. Errors say how to mend
// what is wrong, and never a byte of the secret.
func LoadSecret(path string) ([]byte, error) {
	f, err := os.Open(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("load cluster secret: %w: there is no file %s; copy it from another node of the cluster: %w", ErrSecret, path, err)
	}
	if err != nil {
		return nil, fmt.Errorf("load cluster secret: %w: %w", ErrSecret, err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("load cluster secret: %w: %w", ErrSecret, err)
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("load cluster secret: %w: %s is not a file", ErrSecret, path)
	}
	if mode := info.Mode().Perm(); mode&0o027 != 0 {
		return nil, fmt.Errorf("load cluster secret: %w: %s has mode %04o, so others can read or change it; run: chmod 600 %s", ErrSecret, path, mode, path)
	}
	text, err := io.ReadAll(io.LimitReader(f, secretFileMax+1))
	if err != nil {
		return nil, fmt.Errorf("load cluster secret: %w: %w", ErrSecret, err)
	}
	if len(text) > secretFileMax {
		return nil, fmt.Errorf("load cluster secret: %w: %s has more than %d bytes, this is no secret", ErrSecret, path, secretFileMax)
	}
	secret := bytes.TrimSpace(text)
	if len(secret) < SecretMin {
		return nil, fmt.Errorf("load cluster secret: %w: %s has %d bytes, want at least %d; copy the file from another node of the cluster", ErrSecret, path, len(secret), SecretMin)
	}
	return secret, nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
