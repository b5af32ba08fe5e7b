package registry_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/registry/natstest"
	"github.com/lockstep-mesh/lockstep/registry/store"
)

func openOn(t testing.TB, js jetstream.JetStream) *registry.Registry {
	t.Helper()
	log, err := store.Open(t.Context(), js)
	if err != nil {
		t.Fatal(err)
	}
	r, err := registry.Open(t.Context(), log)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

func optional(names int) registry.Schema {
	text := `{"type":"object","properties":{"a":{"type":"string"}`
	for i := range names {
		text += fmt.Sprintf(`,"p%d":{"type":"string"}`, i)
	}
	return registry.Schema{Type: registry.JSON, Text: text + `}}`}
}

func TestManyWritersThroughThreeInstances(t *testing.T) {
	// Guards against two instances that give one id or one version away twice, or
	// lose what one of them has acknowledged.
	srv := natstest.Start(t)
	if err := store.Create(t.Context(), srv.Connect(), store.Options{}); err != nil {
		t.Fatal(err)
	}
	instances := []*registry.Registry{openOn(t, srv.Connect()), openOn(t, srv.Connect()), openOn(t, srv.Connect())}

	const writers, each = 32, 6
	var mu sync.Mutex
	acknowledged := map[string]registry.Version{}
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			r := instances[w%len(instances)]
			for i := range each {
				// A schema of its own, and one that all writers want in one subject.
				for _, want := range []struct {
					subject string
					schema  registry.Schema
				}{
					{fmt.Sprintf("own.writer%d.s%d", w, i), registry.Schema{Type: registry.JSON, Text: fmt.Sprintf(`{"const":"%d-%d"}`, w, i)}},
					{"shared.subject.changed", optional(0)},
				} {
					v, err := r.Register(t.Context(), want.subject, want.schema)
					if err != nil {
						t.Errorf("writer %d: %v", w, err)
						return
					}
					mu.Lock()
					acknowledged[fmt.Sprintf("%s@%d", v.Subject, v.Version)] = v
					mu.Unlock()
				}
			}
		})
	}
	wg.Wait()

	// A fourth instance, which saw nothing of it, replays the log.
	fresh := openOn(t, srv.Connect())
	ids := map[int]string{}
	for _, subject := range fresh.Subjects() {
		for i, v := range fresh.Versions(subject) {
			if v.Version != i+1 {
				t.Errorf("%s: version %d stands at place %d", subject, v.Version, i+1)
			}
			if guid, ok := ids[v.ID]; ok && guid != v.GUID {
				t.Errorf("id %d stands for two schemas", v.ID)
			}
			ids[v.ID] = v.GUID
		}
	}
	for key, v := range acknowledged {
		got, ok := fresh.Version(v.Subject, v.Version)
		if !ok || got.ID != v.ID || got.GUID != v.GUID {
			t.Errorf("%s was acknowledged with id %d; the log has %v %+v", key, v.ID, ok, got.ID)
		}
	}
	if n := len(fresh.Versions("shared.subject.changed")); n != 1 {
		t.Errorf("one schema became %d versions", n)
	}
	if got, want := fresh.Revision(), uint64(writers*each+1); got != want {
		t.Errorf("%d records, want %d: somebody wrote twice", got, want)
	}
}

func TestSurvivesRestartOfItsServer(t *testing.T) {
	// Guards against an instance that must be restarted with its server.
	srv := natstest.Start(t)
	js := srv.Connect()
	if err := store.Create(t.Context(), js, store.Options{}); err != nil {
		t.Fatal(err)
	}
	r := openOn(t, js)
	first, err := r.Register(t.Context(), "orders.order.created", optional(0))
	if err != nil {
		t.Fatal(err)
	}
	srv.Stop()
	if got, ok := r.Version(first.Subject, first.Version); !ok || got.ID != first.ID {
		t.Error("without the server it no longer knows what it knew")
	}
	srv.Start()
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	second, err := r.Register(ctx, "orders.order.created", optional(1))
	if err != nil || second.Version != 2 || second.ID == first.ID {
		t.Fatalf("after the restart: %+v, %v", second, err)
	}
}

func TestReplicaWithoutItsPrimary(t *testing.T) {
	// Guards against a replica that stops answering, or takes writes, when its
	// primary is gone.
	hub, leaf := natstest.Environments(t)
	if err := store.Create(t.Context(), hub.Connect(), store.Options{}); err != nil {
		t.Fatal(err)
	}
	primary := openOn(t, hub.Connect())
	v, err := primary.Register(t.Context(), "orders.order.created", optional(0))
	if err != nil {
		t.Fatal(err)
	}
	js := leaf.Connect()
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name:    store.Stream,
		Sources: []*jetstream.StreamSource{{Name: store.Stream, External: &jetstream.ExternalStream{APIPrefix: "$JS.production.API"}}},
	}); err != nil {
		t.Fatal(err)
	}
	replica := openOn(t, js)
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	defer cancel()
	if err := replica.Wait(ctx, primary.Revision()); err != nil {
		t.Fatal(err)
	}
	primary.Close()
	hub.Stop()
	if got, ok := replica.Version(v.Subject, v.Version); !ok || got.ID != v.ID || got.GUID != v.GUID {
		t.Errorf("the replica has %+v, the primary had %+v", got, v)
	}
	if _, err := replica.Register(ctx, "orders.order.created", optional(1)); registry.CodeOf(err) != registry.CodeReadOnly {
		t.Errorf("a write on the replica: %v", err)
	}
	late := openOn(t, leaf.Connect())
	if got := late.Revision(); got != 1 {
		t.Errorf("a replica opened without the primary is at revision %d", got)
	}
}
