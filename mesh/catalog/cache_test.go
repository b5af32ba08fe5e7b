package catalog

import (
	"errors"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
)

const schema = `{"$schema":"http://json-schema.org/draft-07/schema#","type":"object","required":["id","customer","lines"],"properties":{
	"id":{"type":"string","format":"uuid","x-lockstep-class":"uuid"},
	"customer":{"type":"object","required":["email"],"properties":{"email":{"type":"string","format":"email","x-lockstep-class":"email"},
		"name":{"type":"string","maxLength":120,"x-lockstep-class":"person-name"}}},
	"lines":{"type":"array","minItems":1,"items":{"type":"object","required":["sku"],"properties":{
		"sku":{"type":"string","x-lockstep-class":"public"},"quantity":{"type":"integer","minimum":1,"x-lockstep-class":"public"}}}},
	"kind":{"const":"%d"}}}`

const event = `{"id":"5f2c1c1e-7a8d-4b7e-9d6a-2f8a1f0c9b11","customer":{"email":"ada@example.org","name":"Ada Lovelace"},` +
	`"lines":[{"sku":"A-1001","quantity":2},{"sku":"B-7","quantity":1}],"kind":"%d"}`

func bundle(t testing.TB, i int) *jsonschema.Bundle {
	t.Helper()
	d, err := jsonschema.Parse([]byte(fmt.Sprintf(schema, i)))
	if err != nil {
		t.Fatal(err)
	}
	return &jsonschema.Bundle{Document: d}
}

func compile(t testing.TB, i int) *contract.Contract {
	t.Helper()
	c, err := contract.Compile(bundle(t, i), contract.Options{Subject: key(i).subject, Version: 1})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func key(i int) versionKey { return versionKey{fmt.Sprintf("shop.order%d.created", i), 1} }

func masker(t testing.TB) *mask.Masker {
	t.Helper()
	root, err := mask.NewKey([]byte(strings.Repeat("k", mask.KeySize)))
	if err != nil {
		t.Fatal(err)
	}
	p := mask.Policy{Classes: map[string]mask.Rule{
		"uuid": {Technique: mask.Token}, "email": {Technique: mask.Token}, "person-name": {Technique: mask.Token}, "public": {Technique: mask.Pass},
	}}
	m, err := mask.New("p", p, "staging", root)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// A mesh with very many event types would fill the memory with contracts, or
// give those up that are in use.
func TestCacheKeepsToItsBudget(t *testing.T) {
	const types = 600
	rested := compile(t, 0)
	rested.Rest()
	one := rested.Size()
	c := cache{budget: contract.SharedSize() + 100*one}
	compiled := 0
	for i := range types {
		for _, i := range []int{i, 0} { // the first is always in use
			made, err := c.get(key(i), func() (*contract.Contract, error) {
				compiled++
				return compile(t, i), nil
			})
			if err != nil || made.Subject() != key(i).subject {
				t.Fatalf("%v, %v", made, err)
			}
		}
	}
	if len(c.entries) > 100+sweepAdded || len(c.entries) < 50 || compiled != types {
		t.Errorf("%d contracts are kept, %d were compiled", len(c.entries), compiled)
	}
	if c.entries[key(0)] == nil || c.entries[key(types-1)] == nil || c.entries[key(1)] != nil {
		t.Error("what was used last is gone, or what wasn't is kept")
	}
}

// Contracts that grow with what they remember of masking would not count.
func TestSizeGrows(t *testing.T) {
	c := compile(t, 1)
	before := c.Size()
	if _, _, err := c.Mask(nil, fmt.Appendf(nil, event, 1), masker(t)); err != nil {
		t.Fatal(err)
	}
	if c.Size() < before+10_000 {
		t.Errorf("%d bytes before, %d with a masking", before, c.Size())
	}
}

// Guards against a budget that says less, or far more, than what is taken.
func TestSizeIsHonest(t *testing.T) {
	const types = 300
	m := masker(t)
	bundles := make([]*jsonschema.Bundle, types)
	gather := func(i int) func() (*jsonschema.Bundle, error) {
		return func() (*jsonschema.Bundle, error) { return bundles[i], nil }
	}
	for i := range bundles {
		bundles[i] = bundle(t, i)
	}
	c := cache{budget: MemoryBudget}
	get := func(i int) *contract.Contract {
		made, err := c.get(key(i), func() (*contract.Contract, error) {
			return contract.Compile(bundles[i], contract.Options{Subject: key(i).subject, Version: 1, Gather: gather(i)})
		})
		if err != nil {
			t.Fatal(err)
		}
		return made
	}
	said := func() (n int) {
		for _, e := range c.entries {
			n += e.contract.Load().Size()
		}
		return n + contract.SharedSize()
	}
	rest := func() {
		for range 2 { // what was needed is kept once
			c.shrink()
		}
	}
	get(0) // what the first one makes for all
	emptyHeap, emptySaid := heap(), said()
	check := func(what string, atLeast, atMost float64) {
		t.Helper()
		taken, counted := heap()-emptyHeap, said()-emptySaid
		t.Logf("%s: %d bytes each, %d by their own account", what, taken/types, counted/types)
		if ratio := float64(counted) / float64(taken); ratio < atLeast || ratio > atMost {
			t.Errorf("%s: %d bytes are taken, %d are counted", what, taken, counted)
		}
	}
	for i := range types {
		if err := get(i).Validate(fmt.Appendf(nil, event, i)); err != nil {
			t.Fatal(err)
		}
	}
	rest()
	check("validating", 0.8, 1.5)
	for i := range types {
		if _, _, err := get(i).Mask(nil, fmt.Appendf(nil, event, i), m); err != nil {
			t.Fatal(err)
		}
	}
	rest()
	check("masking", 0.8, 1.5)
	for i := range types {
		if get(i).Validate([]byte(`{}`)) == nil {
			t.Fatal("valid")
		}
	}
	check("with reasons", 0.7, 1.7)
	rest()
	check("at rest again", 0.8, 1.5)
	runtime.KeepAlive(bundles)
}

// heap is what lives.
func heap() int {
	runtime.GC()
	runtime.GC() // what a finalizer or a pool has kept
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int(stats.HeapAlloc)
}

// Many who ask for one contract at once would each compile it; or one that
// could not be compiled once would never be.
func TestCacheCompilesOnce(t *testing.T) {
	c := cache{budget: 1 << 20}
	var mu sync.Mutex
	compiled := 0
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() {
			made, err := c.get(key(7), func() (*contract.Contract, error) {
				mu.Lock()
				defer mu.Unlock()
				compiled++
				return compile(t, 7), nil
			})
			if err != nil || made == nil {
				t.Error(made, err)
			}
		})
	}
	wg.Wait()
	if compiled != 1 {
		t.Errorf("compiled %d times", compiled)
	}
	broken := errors.New("a reference is missing yet")
	if _, err := c.get(key(8), func() (*contract.Contract, error) { return nil, broken }); !errors.Is(err, broken) {
		t.Error(err)
	}
	if made, err := c.get(key(8), func() (*contract.Contract, error) { return compile(t, 8), nil }); err != nil || made == nil {
		t.Error(made, err)
	}
}

// What an event costs must not grow with the number of event types.
func BenchmarkEventTypes(b *testing.B) {
	m := masker(b)
	for _, types := range []int{10, 1_000, 10_000} {
		c := cache{budget: MemoryBudget}
		events := make([][]byte, types)
		keys := make([]versionKey, types)
		get := func(i int) *contract.Contract {
			made, err := c.get(keys[i], func() (*contract.Contract, error) { return compile(b, i), nil })
			if err != nil {
				b.Fatal(err)
			}
			return made
		}
		for i := range types {
			events[i], keys[i] = fmt.Appendf(nil, event, i), key(i)
		}
		var room []byte
		run := func(name string, work func(i int) error) {
			b.Run(fmt.Sprintf("%s/%d", name, types), func(b *testing.B) {
				b.ReportAllocs()
				for i := range types {
					if err := work(i); err != nil {
						b.Fatal(err)
					}
				}
				i := 0
				for b.Loop() {
					if i = (i + 7919) % types; work(i) != nil {
						b.Fatal(i)
					}
				}
				size := 0
				for _, e := range c.entries {
					size += e.contract.Load().Size()
				}
				b.ReportMetric(float64(len(c.entries)), "contracts")
				b.ReportMetric(float64(size)/(1<<20), "MB")
			})
		}
		run("validate", func(i int) error { return get(i).Validate(events[i]) })
		run("mask", func(i int) error {
			var err error
			room, _, err = get(i).Mask(room[:0], events[i], m)
			return err
		})
	}
}
