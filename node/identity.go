package node

import (
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"

	"github.com/stere-log/stere/cluster/catalogue"
	"github.com/stere-log/stere/model"
	"github.com/stere-log/stere/storage/engine"
)

// folderFormat is the version of the data folder's layout (docs/format/manifest.md).
const folderFormat = 1

// The versions of everything that nodes send each other and keep, as one
// number: a version that changes any of it raises formatMax, and formatMin when
// it can no longer be read. Nodes of one cluster must have one in common.
const (
	formatMin = 1
	formatMax = catalogue.Format
)

// carriedFormat is since when batches can have keys that nodes gave.
const carriedFormat = 2

// Names in the data folder.
const (
	identityName = "node.json"
	logName      = "log"
	storeName    = "store"
)

// identity is what a data folder says of itself. It is written once.
type identity struct {
	Format int    `json:"format"`
	Node   string `json:"node"`
	Shards int    `json:"shards"`
}

// loadIdentity reads the folder's identity, or writes one into a new folder.
func loadIdentity(files engine.FS, dir string, shards int) (identity, error) {
	path := files.PathJoin(dir, identityName)
	text, err := engine.ReadFile(files, path, 1<<16)
	if err == nil {
		var id identity
		if err := json.Unmarshal(text, &id); err != nil {
			return identity{}, fmt.Errorf("read %s: %w: %w", path, ErrFolder, err)
		}
		if id.Format != folderFormat {
			return identity{}, fmt.Errorf("read %s: %w: it has format %d, this program reads %d", path, ErrFolder, id.Format, folderFormat)
		}
		if id.Node == "" || id.Shards < 1 || id.Shards > ShardsMax {
			return identity{}, fmt.Errorf("read %s: %w: node %q, %d shards", path, ErrFolder, id.Node, id.Shards)
		}
		return id, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return identity{}, fmt.Errorf("read %s: %w", path, err)
	}
	// A folder with records but without identity has lost a file.
	for _, name := range []string{logName, storeName} {
		if _, err := files.Stat(files.PathJoin(dir, name)); err == nil {
			return identity{}, fmt.Errorf("read %s: %w: it is missing, but there is %s", path, ErrFolder, name)
		}
	}
	// An earlier start may have made the folder and died before its name was
	// durable. Who may not read the parent has not made it.
	if err := engine.SyncDir(files, files.PathDir(dir)); err != nil && !errors.Is(err, fs.ErrPermission) {
		return identity{}, err
	}
	random := make([]byte, 8)
	if _, err := rand.Read(random); err != nil {
		return identity{}, fmt.Errorf("choose node id: %w", err)
	}
	id := identity{Format: folderFormat, Node: hex.EncodeToString(random), Shards: shards}
	if text, err = json.MarshalIndent(id, "", "  "); err != nil {
		return identity{}, fmt.Errorf("write %s: %w", path, err)
	}
	return id, engine.WriteFile(files, path, append(text, '\n'))
}

func shardID(number uint32) model.ShardID { return model.ShardID(number) }

// formats are the versions of the formats on disk and wire that this program
// reads.
func formats() catalogue.Formats { return catalogue.Formats{Min: formatMin, Max: formatMax} }
