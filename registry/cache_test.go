package registry

import (
	"sync"
	"testing"
	"time"
)

// Guards against a cache that grows without bounds, or forgets what is used.
func TestCache(t *testing.T) {
	c := newCache[int, string](1000)
	for i := range 10_000 {
		if _, ok := c.get(-1); !ok {
			c.put(-1, "often", 10)
		}
		c.put(i, "seldom", 10+i%50)
		held := 0
		for _, part := range []map[int]sized[string]{c.young, c.old} {
			for _, v := range part {
				held += v.size
			}
		}
		if held > 2*1000+2*60 {
			t.Fatalf("after %d values it holds %d", i+1, held)
		}
		if _, ok := c.get(-1); i%7 == 0 && !ok {
			t.Fatalf("what is used all the time is gone after %d values", i+1)
		}
	}
	c.put(1, "huge", 1001)
	if _, ok := c.get(1); ok {
		t.Error("it holds what is larger than itself")
	}
	c.put(2, "small", 10)
	c.put(2, "larger", 20)
	if v, _ := c.get(2); v != "larger" {
		t.Errorf("it holds %q", v)
	}
}

// Guards against work on schemas that all happens at once, or that never gets its turn.
func TestEffort(t *testing.T) {
	e := newEffort()
	var mu sync.Mutex
	var running, most int
	var work sync.WaitGroup
	for range 50 {
		work.Go(func() {
			if !e.spend(largeText, func() {
				mu.Lock()
				running++
				most = max(most, running)
				mu.Unlock()
				time.Sleep(time.Millisecond)
				mu.Lock()
				running--
				mu.Unlock()
			}) {
				t.Error("its turn did not come")
			}
		})
	}
	work.Wait()
	if most != 1 {
		t.Errorf("%d large schemas were worked on at once", most)
	}
	done := make(chan struct{})
	if !e.spend(largeText, func() {
		// What is large does not hold up what is small.
		for range cap(e.small) {
			work.Go(func() { e.spend(1, func() { <-done }) })
		}
		for len(e.small) < cap(e.small) {
			time.Sleep(time.Millisecond)
		}
		close(done)
	}) {
		t.Error("its turn did not come")
	}
	work.Wait()
}
