//go:build !linux

package engine

// forget asks the system to drop what it has of the file in memory; this one
// cannot be asked.
func forget(File) {}
