package model

import "embed"

//go:embed level.go
var sources embed.FS

// Sources returns the sources of how levels are read: who keeps what follows from them
// keeps with it of which these were.
func Sources() embed.FS { return sources }
