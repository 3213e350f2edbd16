package learn

const SetsMax = setsMax

// Kept returns how many decoded sets there are.
func (l *Learner) Kept() int {
	l.mu.Lock()
	defer l.mu.Unlock()
	return len(l.sets)
}
