package derived

import (
	"embed"
	"runtime/debug"
	"testing"

	"github.com/stere-log/stere/meaning"
	"github.com/stere-log/stere/model"
)

// TestVersion: all that decides what is made decides the version, and nothing else does.
func TestVersion(t *testing.T) {
	of := func(agent string, sources ...embed.FS) uint64 {
		return versionOf([]*debug.Module{{Path: "example.org/other", Version: agent + "x"}, {Path: agentModule, Version: agent}}, sources...)
	}
	known := map[uint64]bool{}
	for _, one := range []uint64{
		of("v1", rulesSources, meaning.Sources(), model.Sources()), of("v2", rulesSources, meaning.Sources(), model.Sources()),
		of("v1", rulesSources, meaning.Sources()), of("v1", rulesSources), of("v1"),
	} {
		known[one] = true
	}
	if len(known) != 5 {
		t.Errorf("%d versions of 5 builds", len(known))
	}
	others := []*debug.Module{{Path: agentModule, Version: "v1"}, {Path: "example.org/other", Version: "v9"}}
	if versionOf(others, rulesSources) != of("v1", rulesSources) {
		t.Error("a module that no rule uses changes the version")
	}
}
