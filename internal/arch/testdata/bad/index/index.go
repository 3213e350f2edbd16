// Package index may import storage.
package index

import (
	_ "bad.example/storage"
	_ "lib.example/disk/v2"
	_ "lib.example/nowhere"
)
