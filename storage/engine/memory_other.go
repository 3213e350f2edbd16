//go:build !linux

package engine

// availableMemory returns how many bytes the system could give without taking
// them from processes; this one is not asked.
func availableMemory() int64 { return 0 }
