package limit

import (
	"sync"
	"time"
)

// sampled is of how many keys the least used is forgotten where there are too many.
const sampled = 8

// table is a bounded map from keys to what is known of them. Where there are too
// many, the least of some that are picked at random goes.
type table[V any] struct {
	most   int
	weight func(v *V, now time.Time) float64 // the least goes first

	mu  sync.Mutex
	all map[string]*V
}

func newTable[V any](most int, weight func(v *V, now time.Time) float64) *table[V] {
	return &table[V]{most: most, weight: weight, all: map[string]*V{}}
}

// get returns what is known of a key, nil if nothing is.
func (t *table[V]) get(key string) *V {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.all[key]
}

// make returns what is known of a key, and makes it if nothing is.
func (t *table[V]) make(key string, now time.Time) (v *V, made bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if v := t.all[key]; v != nil {
		return v, false
	}
	if len(t.all) >= t.most {
		least, name, n := 0.0, "", 0
		for other, v := range t.all { // begins anywhere
			if weight := t.weight(v, now); n == 0 || weight < least {
				least, name = weight, other
			}
			if n++; n == sampled {
				break
			}
		}
		delete(t.all, name)
	}
	v = new(V)
	t.all[key] = v
	return v, true
}

// len returns how many keys there are.
func (t *table[V]) len() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return len(t.all)
}
