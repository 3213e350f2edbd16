package wal

// cache bounds the bytes of entries in memory: the oldest leave first. The
// lane's mu guards it.
type cache struct {
	limit int64
	bytes int64
	live  int      // entries of queue that are cached
	queue []*entry // oldest first, with entries that have left in between
}

func (e *entry) bytes() int64 { return int64(len(e.data) + len(e.ext)) }

func (c *cache) add(e *entry) {
	e.cached = true
	c.queue = append(c.queue, e)
	c.bytes += e.bytes()
	c.live++
	for c.bytes > max(c.limit, 0) && len(c.queue) > 0 {
		c.remove(c.queue[0])
		c.queue[0] = nil
		c.queue = c.queue[1:]
	}
	if len(c.queue) > 2*c.live+1024 {
		kept := make([]*entry, 0, c.live)
		for _, e := range c.queue {
			if e.cached {
				kept = append(kept, e)
			}
		}
		c.queue = kept
	}
}

func (c *cache) remove(e *entry) {
	if !e.cached {
		return
	}
	c.bytes -= e.bytes()
	c.live--
	e.cached, e.data, e.ext = false, nil, nil
}
