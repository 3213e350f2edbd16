package admin

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strconv"
	"time"

	"github.com/stere-log/stere/api/v1"
	"github.com/stere-log/stere/client"
	"github.com/stere-log/stere/encryption"
)

// Encryption is stere admin encryption.
type Encryption struct {
	Key    EncryptionKey    `cmd:"" help:"Make a master key."`
	Status EncryptionStatus `cmd:"" help:"What a node has on disk, and by which keys it is encrypted."`
	Rotate EncryptionRotate `cmd:"" help:"Give a node new data keys, under the newest master key of its file."`
}

// Help teaches by example.
func (Encryption) Help() string {
	return `Each node has a file of master keys of its own, and is asked itself (--url).

Examples:
  stere admin encryption key --out /etc/stere/encryption-keys
  stere serve --encryption-key-file /etc/stere/encryption-keys
  stere admin encryption key --out /etc/stere/encryption-keys    # another one, the newest
  stere admin encryption rotate
  stere admin encryption status`
}

// EncryptionKey is stere admin encryption key.
type EncryptionKey struct {
	Out string `help:"The file to write it to; one that is there keeps its keys, and gets another as the newest (default: standard output)." placeholder:"FILE"`
}

// Run makes a key.
func (c *EncryptionKey) Run(w World) error {
	line := encryption.NewMaster()
	if c.Out == "" {
		_, err := io.WriteString(w.Stdout(), line)
		return err
	}
	if err := addMaster(c.Out, line); err != nil {
		return err
	}
	keys, err := encryption.ReadMasters(c.Out)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(w.Stdout(), "Wrote the master key %s to %s.\nKeep a copy of the file elsewhere: without it nothing that the node has written can be read.\n", keys.Newest(), c.Out)
	return err
}

// addMaster adds the line of a key to a file, whole and durable or not at all.
func addMaster(path, line string) (err error) {
	before, err := os.ReadFile(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if len(before) > 0 {
		if _, err := encryption.ReadMasters(path); err != nil {
			return fmt.Errorf("%w; the file was left as it is", err)
		}
		if before[len(before)-1] != '\n' {
			before = append(before, '\n')
		}
	}
	temporary := path + ".new"
	file, err := os.OpenFile(temporary, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o600)
	if err != nil {
		return err
	}
	if _, err = file.Write(append(before, line...)); err == nil {
		err = file.Sync()
	}
	if err = errors.Join(err, file.Close()); err == nil {
		err = os.Rename(temporary, path)
	}
	if err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return nil
}

// EncryptionStatus is stere admin encryption status.
type EncryptionStatus struct{ Remote }

// Run shows how a node is encrypted.
func (c *EncryptionStatus) Run(w World) error {
	return run(w, c.Remote, func(ctx context.Context, node *client.Client) (v1.Encryption, error) { return node.Encryption(ctx) }, showEncryption)
}

// EncryptionRotate is stere admin encryption rotate.
type EncryptionRotate struct{ Remote }

// Run rotates the keys of a node.
func (c *EncryptionRotate) Run(w World) error {
	return run(w, c.Remote, func(ctx context.Context, node *client.Client) (v1.Encryption, error) {
		return node.RotateEncryption(ctx)
	}, showEncryption)
}

func showEncryption(out io.Writer, e v1.Encryption) {
	if !e.Enabled {
		fmt.Fprintln(out, "What this node has on disk is not encrypted.")
		return
	}
	fmt.Fprintf(out, "Encrypted, master key %s.\n", e.MasterKey)
	if e.PlainFiles > 0 {
		fmt.Fprintf(out, "Not encrypted yet: %d files, %d bytes.\n", e.PlainFiles, e.PlainBytes)
	}
	if e.OldFiles > 0 {
		fmt.Fprintf(out, "By older data keys: %d files, %d bytes.\n", e.OldFiles, e.OldBytes)
	}
	if e.Renewing {
		fmt.Fprintln(out, "They are being written anew.")
	}
	if e.Error != "" {
		row(out, "Writing them anew failed: "+e.Error)
	}
	row(out, "DATA KEY", "OF", "CREATED", "NEWEST", "FILES", "BYTES")
	for _, k := range e.Keys {
		of, newest := "node", ""
		if k.Tenant != "" {
			of = "tenant " + k.Tenant
		}
		if k.Newest {
			newest = "yes"
		}
		row(out, k.ID, of, k.Created.UTC().Format(time.DateTime), newest, strconv.Itoa(k.Files), strconv.FormatInt(k.Bytes, 10))
	}
}
