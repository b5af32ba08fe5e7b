package catalog

import (
	"cmp"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
)

// MemoryBudget is about how many bytes of memory a catalog's contracts may take,
// all together. Beyond it those that were not used for the longest time are given
// up, and compiled again when they are needed. A contract of forty fields takes
// about 9 kB, and 8 kB more for each destination that it masks for: ten thousand
// such event types fit. What is for documents that are not plainly valid takes ten
// times that, so a contract has it only while it is in use.
const MemoryBudget = 256 << 20

// cache keeps compiled contracts within a budget.
type cache struct {
	budget int

	mu      sync.RWMutex
	entries map[versionKey]*entry

	uses  atomic.Uint64
	added atomic.Uint64
	sweep sync.Mutex
}

type versionKey struct {
	subject string
	version int
}

// entry compiles its contract once, however many ask for it together.
type entry struct {
	once     sync.Once
	contract atomic.Pointer[contract.Contract]
	err      error
	used     atomic.Uint64 // the cache's uses when it was used last
}

// The cache looks at what its contracts take after so many uses, because they
// grow with what they remember, and after so many have been added: they are at
// their largest when they are new.
const (
	sweepUses  = 1 << 14
	sweepAdded = 1 << 5
)

// get is the contract of a version, which compile makes. What failed isn't kept.
func (c *cache) get(key versionKey, compile func() (*contract.Contract, error)) (*contract.Contract, error) {
	uses := c.uses.Add(1)
	if uses%sweepUses == 0 {
		c.shrink()
	}
	c.mu.RLock()
	e := c.entries[key]
	c.mu.RUnlock()
	if e == nil {
		if e = c.add(key); c.added.Add(1)%sweepAdded == 0 {
			c.shrink()
		}
	}
	e.used.Store(uses)
	if made := e.contract.Load(); made != nil {
		return made, nil
	}
	e.once.Do(func() {
		made, err := compile()
		e.err = err
		e.contract.Store(made)
	})
	if e.err != nil {
		c.remove(key, e)
		return nil, e.err
	}
	return e.contract.Load(), nil
}

func (c *cache) add(key versionKey) *entry {
	c.mu.Lock()
	defer c.mu.Unlock()
	if e := c.entries[key]; e != nil {
		return e
	}
	if c.entries == nil {
		c.entries = map[versionKey]*entry{}
	}
	e := &entry{}
	c.entries[key] = e
	return e
}

func (c *cache) remove(key versionKey, e *entry) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.entries[key] == e {
		delete(c.entries, key)
	}
}

// shrink has the contracts give up what they don't need, and then gives up those
// that were not used for the longest time, until the rest is well within the budget.
// Who uses one of them goes on with it.
func (c *cache) shrink() {
	if !c.sweep.TryLock() {
		return // somebody is at it
	}
	defer c.sweep.Unlock()
	type kept struct {
		key  versionKey
		used uint64
		size int
	}
	total := contract.SharedSize()
	var all []kept
	c.mu.RLock()
	for key, e := range c.entries {
		if made := e.contract.Load(); made != nil {
			made.Rest()
			all = append(all, kept{key, e.used.Load(), made.Size()})
			total += all[len(all)-1].size
		}
	}
	c.mu.RUnlock()
	if total <= c.budget {
		return
	}
	slices.SortFunc(all, func(a, b kept) int { return cmp.Compare(a.used, b.used) })
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, k := range all {
		if total <= c.budget-c.budget/8 {
			return
		}
		delete(c.entries, k.key)
		total -= k.size
	}
}
