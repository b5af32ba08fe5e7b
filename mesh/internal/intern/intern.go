// Package intern keeps values that are equal and immutable once, for as long as
// somebody uses them: thousands of schemas say the same of their fields.
//
// What is equal, and what it takes, is known to those who use a pool.
package intern

import (
	"runtime"
	"sync"
	"sync/atomic"
	"weak"
)

// Pool holds values by a key that tells all that matters of them. It doesn't keep
// a value alive: one that nobody uses any more goes, with its key. The key must not
// lead to the value. It is safe for concurrent use.
type Pool[K comparable, V any] struct {
	size  func(*V) int
	bytes atomic.Int64

	mu    sync.RWMutex
	known map[K]weak.Pointer[V]
}

// New is an empty pool. size is about the memory that a value takes, in bytes, its
// key included.
func New[K comparable, V any](size func(*V) int) *Pool[K, V] {
	return &Pool[K, V]{size: size, known: map[K]weak.Pointer[V]{}}
}

// Find is the value with a key; nil if there is none.
func (p *Pool[K, V]) Find(key K) *V {
	p.mu.RLock()
	defer p.mu.RUnlock()
	return p.known[key].Value()
}

// Get is the value with a key, made if there is none. Two that are asked for at once
// may both be made; all get the same one.
func (p *Pool[K, V]) Get(key K, create func() *V) *V {
	if known := p.Find(key); known != nil {
		return known
	}
	made := create()
	p.mu.Lock()
	defer p.mu.Unlock()
	if known := p.known[key].Value(); known != nil {
		return known
	}
	pointer, size := weak.Make(made), int64(p.size(made))
	p.known[key] = pointer
	p.bytes.Add(size)
	runtime.AddCleanup(made, func(key K) { p.forget(key, pointer, size) }, key)
	return made
}

// forget is for a value that is gone; another may have its key by now.
func (p *Pool[K, V]) forget(key K, pointer weak.Pointer[V], size int64) {
	p.bytes.Add(-size)
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.known[key] == pointer {
		delete(p.known, key)
	}
}

// Size is about the memory that the pool's values take together, in bytes.
func (p *Pool[K, V]) Size() int { return int(p.bytes.Load()) }
