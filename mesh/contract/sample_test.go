package contract_test

import (
	"bytes"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/topology"
	"github.com/lockstep-mesh/lockstep/registry/folder"
	"github.com/lockstep-mesh/lockstep/registry/jsonschema"
	"github.com/lockstep-mesh/lockstep/schemas"
)

// sampleOrders are orders of the sample shop, of about 496 bytes each, with
// their contract.
func sampleOrders(t testing.TB) (orders [][]byte, c *contract.Contract) {
	t.Helper()
	sub, err := fs.Sub(schemas.FS, "orders")
	if err != nil {
		t.Fatal(err)
	}
	files, err := folder.Read("orders", sub)
	if err != nil {
		t.Fatal(err)
	}
	byPath := map[string]*jsonschema.Bundle{}
	for _, f := range files { // every file comes after those that it refers to
		b := &jsonschema.Bundle{Document: f.Document, References: map[string]*jsonschema.Bundle{}}
		for _, r := range f.References {
			b.References[r.Name] = byPath[r.Path]
		}
		byPath[f.Path] = b
		if f.Subject == "orders.order.created" {
			if c, err = contract.Compile(b, contract.Options{Subject: f.Subject, Version: 1}); err != nil {
				t.Fatal(err)
			}
		}
	}
	text, err := os.ReadFile(filepath.Join("testdata", "orders.ndjson"))
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSpace(text), []byte("\n")), c
}

// sampleMasker masks by a policy of the sample mesh.
func sampleMasker(t testing.TB, policy string) *mask.Masker {
	t.Helper()
	mesh, err := topology.LoadFS(schemas.FS, schemas.SampleMesh)
	if err != nil {
		t.Fatal(err)
	}
	p, ok := mesh.Policy(policy)
	if !ok {
		t.Fatalf("the sample mesh has no policy %s", policy)
	}
	key, err := mask.GenerateKey()
	if err != nil {
		t.Fatal(err)
	}
	m, err := mask.New(p.Name, p.Policy, "staging", key)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// The shop's orders under the sample mesh's policy for testers: what the
// measurements engine/validate-order and engine/mask-order of `lockstep bench`
// go through, with nothing around it.
func BenchmarkSampleOrders(b *testing.B) {
	orders, c := sampleOrders(b)
	m := sampleMasker(b, "testers")
	var room []byte
	for _, bench := range []struct {
		name string
		do   func(order []byte) error
	}{
		{"validate", c.Validate},
		{"mask", func(order []byte) (err error) {
			room, _, err = c.Mask(room[:0], order, m)
			return err
		}},
	} {
		b.Run(bench.name, func(b *testing.B) {
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				if err := bench.do(orders[i%len(orders)]); err != nil {
					b.Fatal(err)
				}
				i++
			}
		})
	}
}

// The gate and the route would allocate for each order.
func TestSampleOrdersDontAllocate(t *testing.T) {
	if raceEnabled {
		t.Skip("the race detector has pools lose what is put into them")
	}
	orders, c := sampleOrders(t)
	m := sampleMasker(t, "testers")
	room := make([]byte, 0, 4096)
	all := func(do func(order []byte) error) func() {
		return func() {
			for _, order := range orders {
				if err := do(order); err != nil {
					t.Fatal(err)
				}
			}
		}
	}
	masked := all(func(order []byte) error { _, _, err := c.Mask(room, order, m); return err })
	masked() // what is found out about places once
	for name, do := range map[string]func(){"validating": all(c.Validate), "masking": masked} {
		if n := testing.AllocsPerRun(50, do); n > 0.5 { // a garbage collection may empty a pool
			t.Errorf("%s %d orders: %.1f allocations", name, len(orders), n)
		}
	}
	if slow := c.For(m).Slow(); slow > 0 {
		t.Errorf("%d orders were left to the slow engine", slow)
	}
}
