package meaning

import "embed"

//go:embed *.go
var sources embed.FS

// Sources returns the sources of the package: who keeps what it says keeps with it of
// which these were.
func Sources() embed.FS { return sources }
