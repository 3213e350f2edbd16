package arch

// Exceptions returns what may be over a limit in this tree, with the reason.
func Exceptions() map[string]string { return map[string]string{} }
