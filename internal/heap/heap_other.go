//go:build !linux

package heap

func (s Stretch) huge() {}

// Plain does nothing here.
func (s Stretch) Plain() {}

func (s Stretch) populate(uintptr) bool { return false }
