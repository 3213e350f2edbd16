//go:build !linux

package background

// lower does nothing: elsewhere threads have no priority of their own.
func lower() {}
