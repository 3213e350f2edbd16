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

// LoadOrCreateAdminKey returns the admin key of a data folder and creates it,
// and the folder, on the first call. The file is readable by its owner only
// and is durable before the key is returned; of two processes that create it
// at the same time both get the same key.
func LoadOrCreateAdminKey(dir string) (key string, created bool, err error) {
	path := filepath.Join(dir, AdminKeyFile)
	key, err = ReadAdminKey(path)
	if !errors.Is(err, fs.ErrNotExist) {
		return key, false, err
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return "", false, fmt.Errorf("create data folder: %w", err)
	}
	secret := make([]byte, adminKeyRandomBytes)
	if _, err := rand.Read(secret); err != nil {
		return "", false, fmt.Errorf("make admin key: %w", err)
	}
	key = AdminKeyPrefix + base64.RawURLEncoding.EncodeToString(secret)
	err = writeOnce(dir, path, key+"\n")
	if errors.Is(err, fs.ErrExist) {
		key, err = ReadAdminKey(path)
		return key, false, err
	}
	if err != nil {
		return "", false, fmt.Errorf("write admin key: %w", err)
	}
	return key, true, nil
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
	if len(key) < len(AdminKeyPrefix)+adminKeyRandomBytes || !strings.HasPrefix(key, AdminKeyPrefix) {
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
