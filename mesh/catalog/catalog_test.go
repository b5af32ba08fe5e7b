package catalog_test

import (
	"errors"
	"slices"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/lockstep-mesh/lockstep/mesh/catalog"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
	"github.com/lockstep-mesh/lockstep/registry"
	"github.com/lockstep-mesh/lockstep/registry/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func open(t *testing.T) *registry.Registry {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() {
		s.Shutdown()
		s.WaitForShutdown()
	})
	if !s.ReadyForConnections(30 * time.Second) {
		t.Fatal("the server did not come up")
	}
	nc, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if err := store.Create(t.Context(), js, store.Options{}); err != nil {
		t.Fatal(err)
	}
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

// Guards against events that are admitted under a draft or a retired version, under
// a deprecated one where an active one would do, or under the entity's schema when
// the type's own has been retired; and against stored events that cannot be read any
// more.
func TestCandidatesFollowTheStates(t *testing.T) {
	r := open(t)
	c := catalog.New(r, nil)
	schema := func(properties string) registry.Schema {
		return registry.Schema{Type: registry.JSON, Text: `{"type":"object","properties":{` + properties + `}}`}
	}
	must := func(v registry.Version, err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	placed, err := wire.ParseSubject("orders.order.placed")
	if err != nil {
		t.Fatal(err)
	}
	expect := func(when, subject string, want ...int) {
		t.Helper()
		versions, err := c.Candidates(placed)
		var got []int
		for _, v := range versions {
			if got = append(got, v.Version); v.Subject != subject {
				t.Errorf("%s: a candidate of %s", when, v.Subject)
			}
		}
		if !slices.Equal(got, want) || (len(want) == 0) != errors.Is(err, catalog.ErrUnknownType) {
			t.Errorf("%s: candidates %v (%v), want %v", when, got, err, want)
		}
	}
	set := func(number int, to registry.State) {
		t.Helper()
		must(r.SetState(t.Context(), "orders.order.placed", number, to, "", ""))
	}
	expect("nothing is registered", "")
	must(r.Register(t.Context(), "orders.order", schema(``)))
	expect("the entity has a schema", "orders.order", 1)
	must(r.RegisterDraft(t.Context(), "orders.order.placed", schema(`"a":{}`)))
	expect("the type has a draft", "orders.order", 1)
	set(1, registry.Active)
	expect("the draft is active", "orders.order.placed", 1)
	must(r.Register(t.Context(), "orders.order.placed", schema(`"a":{},"b":{}`)))
	expect("there are two", "orders.order.placed", 2, 1)
	set(2, registry.Deprecated)
	expect("the newer is deprecated", "orders.order.placed", 1, 2)
	set(2, registry.Retired)
	expect("the newer is retired", "orders.order.placed", 1)
	set(1, registry.Retired)
	expect("all are retired", "")
	for _, number := range []int{1, 2} {
		if _, err := c.Version("orders.order.placed", number); err != nil {
			t.Errorf("events of version %d can be read no more: %v", number, err)
		}
	}
}

// A field that is classified by the metadata of its schema's version would be
// withheld, or cross as if nobody had said anything.
func TestTagsOfMetadataClassify(t *testing.T) {
	r := open(t)
	v, err := r.Register(t.Context(), "orders.order.placed", registry.Schema{
		Type: registry.JSON, Text: `{"type":"object","properties":{"ssn":{"type":"string"}}}`,
		Metadata: &registry.Metadata{Tags: map[string][]string{"**.ssn": {"SSN"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	c, err := catalog.New(r, nil).Contract(v)
	if err != nil {
		t.Fatal(err)
	}
	found, err := c.Classify()
	if err != nil {
		t.Fatal(err)
	}
	if len(found.Places) != 1 || found.Places[0].Class != mask.Account {
		t.Errorf("%+v", found.Places)
	}
}
