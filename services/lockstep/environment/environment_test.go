package environment_test

import (
	"context"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/lockstep-mesh/lockstep/mesh/topology"
	"github.com/lockstep-mesh/lockstep/registry/natstest"
	"github.com/lockstep-mesh/lockstep/schemas"
	"github.com/lockstep-mesh/lockstep/services/internal/shop"
	"github.com/lockstep-mesh/lockstep/services/lockstep/environment"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m, natstest.Leftovers()...) }

// sample starts the sample mesh on free ports.
func sample(t *testing.T, data string) *environment.All {
	t.Helper()
	mesh, err := topology.LoadFS(schemas.FS, schemas.SampleMesh)
	if err != nil {
		t.Fatal(err)
	}
	if mesh, err = mesh.WithAutoPorts(); err != nil {
		t.Fatal(err)
	}
	all, err := environment.StartAll(t.Context(), environment.AllConfig{
		Mesh: mesh, Data: data, Durability: topology.DurabilityInterval, Logger: zerolog.New(natstest.Output(t)).Level(zerolog.WarnLevel),
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { stop(t, all) })
	return all
}

func stop(t *testing.T, all *environment.All) {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	if err := all.Close(ctx); err != nil {
		t.Error(err)
	}
}

// Guards against parts that work alone and not together: the shop's events
// must arrive in every environment that a route leads to, verified.
func TestSampleMeshCarriesTheShop(t *testing.T) {
	all := sample(t, t.TempDir())
	production := all.Get("production")
	nc, err := nats.Connect(production.NATSURL(), nats.UserCredentials(production.ApplicationCredentials()))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	// A publish is answered in well under a millisecond; on a machine that others
	// keep busy it may take seconds, which is not what this test is about.
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	sent := map[string]uint64{}
	history := shop.New(7)
	for range 600 {
		e := history.Next()
		if _, err := js.Publish(ctx, e.Subject(), e.Data(), jetstream.WithMsgID(e.ID)); err != nil {
			t.Fatalf("%s: %v", e.Subject(), err)
		}
		sent[e.Domain]++
	}
	want := map[string]map[string]uint64{
		"staging":     sent,
		"testing":     sent,
		"edge-berlin": {"orders": sent["orders"]},
	}
	deadline := time.Now().Add(60 * time.Second)
	for name, domains := range want {
		for domain, n := range domains {
			for {
				done := false
				for _, r := range all.Get(name).Status().Ledger {
					if r.Domain == domain {
						done = r.Healthy() && r.Delivered+r.Withheld == n && r.VerifiedTo == n
					}
				}
				if done {
					break
				}
				if time.Now().After(deadline) {
					t.Fatalf("%s is not verified: %+v\nproduction: %+v", name, all.Get(name).Status(), production.Status())
				}
				time.Sleep(20 * time.Millisecond)
			}
		}
		for _, r := range all.Get(name).Status().Ledger {
			t.Logf("%s %s: delivered %d withheld %d masked %d", name, r.Domain, r.Delivered, r.Withheld, r.MaskedFields)
			if name != "edge-berlin" && r.Withheld > 0 {
				t.Errorf("%d events of %s were withheld from %s", r.Withheld, r.Domain, name)
			}
		}
	}
}
