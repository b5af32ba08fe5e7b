package intern

import (
	"runtime"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

type value struct{ _ [64]byte }

// Guards against equal values that are kept several times.
func TestEqualValuesAreOne(t *testing.T) {
	p := New[string](func(*value) int { return 100 })
	var mu sync.Mutex
	got := map[*value]bool{}
	var wg sync.WaitGroup
	for range 16 {
		wg.Go(func() {
			v := p.Get("a", func() *value { return &value{} })
			mu.Lock()
			got[v] = true
			mu.Unlock()
		})
	}
	wg.Wait()
	other := p.Get("b", func() *value { return &value{} })
	if len(got) != 1 || got[other] || p.Size() != 200 {
		t.Errorf("%d values for one key; %d bytes", len(got), p.Size())
	}
	runtime.KeepAlive(got)
	runtime.KeepAlive(other)
}

// Guards against a pool that grows with everything that ever was in use.
func TestUnusedValuesGo(t *testing.T) {
	p := New[int](func(*value) int { return 100 })
	kept := p.Get(0, func() *value { return &value{} })
	for i := range 1000 {
		p.Get(i, func() *value { return &value{} })
	}
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		runtime.GC()
		p.mu.RLock()
		n := len(p.known)
		p.mu.RUnlock()
		if n == 1 && p.Size() == 100 {
			break
		}
		if time.Now().After(deadline) {
			t.Fatalf("%d values are left, %d bytes", n, p.Size())
		}
	}
	if again := p.Get(0, func() *value { return &value{} }); again != kept {
		t.Error("a value in use was given up")
	}
}
