package auth

import (
	"crypto/rand"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
)

// AdminKeyPrefix begins every admin key, so that scanners for leaked secrets
// can tell one.
const AdminKeyPrefix = "stere_"

// AdminKeyFile is the name of the key's file in the data folder.
const AdminKeyFile = "admin-key"

const (
	adminKeyRandomBytes = 32
	adminKeyBytesMax    = 1 << 10
)

// AdminKey is the admin key of a data folder, which is made by the first node
// of a cluster and told to the others. It may be used from any goroutine.
type AdminKey struct {
	dir   string
	knows *Authenticator

	mu   sync.Mutex
	key  string
	made bool
}

// OpenAdminKey reads the key of a data folder, if there is one. The
// authenticator recognises the key from when it is known on.
func OpenAdminKey(dir string, knows *Authenticator) (*AdminKey, error) {
	k := &AdminKey{dir: dir, knows: knows}
	key, err := ReadAdminKey(filepath.Join(dir, AdminKeyFile))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	k.use(key)
	return k, nil
}

func (k *AdminKey) use(key string) {
	if k.key = key; key != "" {
		k.knows.setAdminKey(key)
	}
}

// Key returns the key, "" if it is not known.
func (k *AdminKey) Key() string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.key
}

// Made reports whether Make made the key.
func (k *AdminKey) Made() bool {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.made
}

// Make makes a key if there is none.
func (k *AdminKey) Make() error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.key != "" {
		return nil
	}
	secret := make([]byte, adminKeyRandomBytes)
	if _, err := rand.Read(secret); err != nil {
		return fmt.Errorf("make admin key: %w", err)
	}
	made, err := k.write(AdminKeyPrefix + base64.RawURLEncoding.EncodeToString(secret))
	k.made = made
	return err
}

// Take keeps the key of the cluster that this node has joined.
func (k *AdminKey) Take(key string) error {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.key != "" {
		return nil
	}
	if !isAdminKey(key) {
		return errors.New("take admin key: the cluster told something that is none")
	}
	_, err := k.write(key)
	return err
}

// write keeps a key in the folder, and creates that. The file is readable by
// its owner only and is durable before the key is used; of two processes that
// write at the same time both use the same key.
func (k *AdminKey) write(key string) (written bool, err error) {
	if err := os.MkdirAll(k.dir, 0o700); err != nil {
		return false, fmt.Errorf("create data folder: %w", err)
	}
	path := filepath.Join(k.dir, AdminKeyFile)
	err = writeOnce(k.dir, path, key+"\n")
	if errors.Is(err, fs.ErrExist) {
		if key, err = ReadAdminKey(path); err == nil {
			k.use(key)
		}
		return false, err
	}
	if err != nil {
		return false, fmt.Errorf("write admin key: %w", err)
	}
	k.use(key)
	return true, nil
}

func isAdminKey(key string) bool {
	return len(key) >= len(AdminKeyPrefix)+adminKeyRandomBytes && strings.HasPrefix(key, AdminKeyPrefix)
}

// ReadAdminKey returns the key in a file. It narrows the file's mode where
// others could read it.
func ReadAdminKey(path string) (string, error) {
	info, err := os.Stat(path)
	if err != nil {
		return "", fmt.Errorf("read admin key: %w", err)
	}
	if info.Size() > adminKeyBytesMax {
		return "", fmt.Errorf("read admin key: %s has %d bytes, want at most %d", path, info.Size(), adminKeyBytesMax)
	}
	if info.Mode().Perm()&0o077 != 0 {
		if err := os.Chmod(path, 0o600); err != nil {
			return "", fmt.Errorf("read admin key: %s can be read by others: %w", path, err)
		}
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("read admin key: %w", err)
	}
	key := strings.TrimSpace(string(text))
	if !isAdminKey(key) {
		return "", fmt.Errorf("read admin key: %s does not hold a key that begins with %q; delete it to have a new one made", path, AdminKeyPrefix)
	}
	return key, nil
}

// writeOnce writes a file that must not exist yet: whole, durable and private,
// or not at all.
func writeOnce(dir, path, text string) (err error) {
	file, err := os.CreateTemp(dir, AdminKeyFile+".*.tmp") // mode 0600
	if err != nil {
		return err
	}
	defer func() {
		err = errors.Join(err, os.Remove(file.Name()))
	}()
	_, err = file.WriteString(text)
	if err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err != nil {
		return err
	}
	// A link, unlike a rename, fails where the file exists by now.
	if err := os.Link(file.Name(), path); err != nil {
		return err
	}
	folder, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(folder.Sync(), folder.Close())
}
