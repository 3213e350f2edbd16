package derived

import (
	"crypto/sha256"
	"embed"
	"encoding/binary"
	"runtime/debug"
	"strings"

	"github.com/stere-log/stere/meaning"
	"github.com/stere-log/stere/model"
)

// rulesSources are those of the rules: what they made is not read any more by a build in
// which anything of them is another.
//
//go:embed *.go
var rulesSources embed.FS

// agentModule is the module that reads user agents for the rules.
const agentModule = "github.com/mileusna/useragent"

// version tells apart what builds make.
var version = func() uint64 {
	var modules []*debug.Module
	if info, ok := debug.ReadBuildInfo(); ok {
		modules = info.Deps
	}
	return versionOf(modules, rulesSources, meaning.Sources(), model.Sources())
}()

// versionOf is a hash of all that decides what is made.
func versionOf(modules []*debug.Module, sources ...embed.FS) uint64 {
	all := sha256.New()
	for _, module := range modules {
		if module.Path == agentModule {
			all.Write([]byte(module.Version + module.Sum))
		}
	}
	for _, of := range sources {
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
}
