package registry_test

import (
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/registry/compat"
	"github.com/lockstep-mesh/lockstep/registry/natstest"
	"github.com/lockstep-mesh/lockstep/registry/store"
)

// Guards against clients that keep the registry busy with schemas made for it: each is
// answered, and whoever reads or registers something ordinary meanwhile does not wait
// for all of them.
func TestHostileClients(t *testing.T) {
	js := natstest.Start(t).Connect()
	if err := store.Create(t.Context(), js, store.Options{}); err != nil {
		t.Fatal(err)
	}
	r := openOn(t, js)
	branches := func(i int, more string) string {
		var b strings.Builder
		for j := range 120 {
			fmt.Fprintf(&b, `{"required":["a%d"],"properties":{"a%d":{"type":"string"%s}}},`, j, j, more)
		}
		return fmt.Sprintf(`{"title":"%d","oneOf":[%s false]}`, i, b.String())
	}
	if _, err := r.Register(t.Context(), "hostile", registry.Schema{Type: registry.JSON, Text: branches(0, "")}); err != nil {
		t.Fatal(err)
	}
	if _, err := r.Register(t.Context(), "ordinary", registry.Schema{Type: registry.JSON, Text: `{"type":"object"}`}); err != nil {
		t.Fatal(err)
	}
	var work sync.WaitGroup
	for i := range 16 {
		work.Go(func() {
			v, err := r.Check("hostile", 1, registry.Schema{Type: registry.JSON, Text: branches(i, fmt.Sprintf(`,"minLength":%d`, i+1))})
			if err != nil || v.Result == compat.Compatible || len(v.Findings) == 0 {
				t.Errorf("%v, %v", v.Result, err)
			}
		})
	}
	done := make(chan struct{})
	go func() { work.Wait(); close(done) }()
	var slowest time.Duration
	for reads := 0; ; reads++ {
		began := time.Now()
		if _, ok := r.Latest("ordinary"); !ok {
			t.Fatal("it is gone")
		}
		if reads%10 == 0 {
			text := fmt.Sprintf(`{"type":"object","properties":{"p%d":{"type":"string"}}}`, reads)
			if _, err := r.Check("ordinary", 1, registry.Schema{Type: registry.JSON, Text: text}); err != nil {
				t.Error(err)
			}
		}
		slowest = max(slowest, time.Since(began))
		select {
		case <-done:
			if t.Logf("%d reads meanwhile, the slowest took %v", reads, slowest); slowest > effortBound {
				t.Errorf("a read took %v", slowest)
			}
			return
		case <-time.After(time.Millisecond):
		}
	}
}

// effortBound is what an ordinary request may wait beside hostile ones, on a machine
// that has other things to do.
const effortBound = 10 * time.Second
