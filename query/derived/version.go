package derived

import (
	"crypto/sha256"
	"embed"
	"encoding/binary"
	"strings"

	"github.com/stere-log/stere/meaning"
)

// rulesSources are those of the rules: what they made is not read any more by a build in
// which anything of them is another.
//
//go:embed *.go
var rulesSources embed.FS

// version tells apart what builds make.
var version = func() uint64 {
	all := sha256.New()
	for _, of := range []embed.FS{rulesSources, meaning.Sources()} {
		files, err := of.ReadDir(".")
		for _, file := range files {
			if strings.HasSuffix(file.Name(), "_test.go") {
				continue
			}
			text, failed := of.ReadFile(file.Name())
			if err = failed; err == nil {
				all.Write(text)
			}
		}
		if err != nil {
			panic("derived: embedded sources: " + err.Error()) // a fault of the build
		}
	}
	return binary.BigEndian.Uint64(all.Sum(nil))
}()
