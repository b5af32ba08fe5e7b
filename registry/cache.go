package registry

import "sync"

// cache keeps what was used lately: values whose sizes come to between size and
// twice that together. It is safe for concurrent use.
type cache[K comparable, V any] struct {
	mu         sync.Mutex
	size       int // in bytes, as are the values'
	young, old map[K]sized[V]
	weight     int // of the young ones
}

type sized[V any] struct {
	value V
	size  int
}

func newCache[K comparable, V any](size int) *cache[K, V] {
	return &cache[K, V]{size: size, young: map[K]sized[V]{}}
}

func (c *cache[K, V]) get(key K) (V, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if v, ok := c.young[key]; ok {
		return v.value, true
	}
	v, ok := c.old[key]
	if ok {
		delete(c.old, key)
		c.keep(key, v)
	}
	return v.value, ok
}

// put keeps a value that takes about size bytes, unless that is more than there is
// room for.
func (c *cache[K, V]) put(key K, value V, size int) {
	if size > c.size {
		return
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.keep(key, sized[V]{value, size})
}

func (c *cache[K, V]) keep(key K, v sized[V]) {
	c.weight += v.size - c.young[key].size
	c.young[key] = v
	if c.weight >= c.size {
		c.old, c.young, c.weight = c.young, map[K]sized[V]{}, 0
	}
}
