// Package index may import storage.
package index

import (
	_ "crypto/md5"
	"crypto/tls"
	_ "os/exec"

	_ "bad.example/storage"
	_ "lib.example/disk/v2"
	_ "lib.example/nowhere"
)

func unverified(c *tls.Config) *tls.Config {
	c.InsecureSkipVerify = true
	return &tls.Config{InsecureSkipVerify: true}
}
