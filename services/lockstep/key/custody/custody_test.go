package custody

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// egress starts a server and a stream that a route might have written.
func egress(t *testing.T) (*nats.Conn, jetstream.JetStream) {
	t.Helper()
	s, err := server.NewServer(&server.Options{Port: -1, JetStream: true, StoreDir: t.TempDir(), NoLog: true, NoSigs: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	nc, err := nats.Connect(s.ClientURL(), nats.InProcessServer(s))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	_, err = js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name: wire.EgressStream("orders", "staging"), Subjects: []string{"egress.>", "ledger.>"}, Storage: jetstream.MemoryStorage, AllowDirect: true,
	})
	if err != nil {
		t.Fatal(err)
	}
	return nc, js
}

// Guards against a key that is called unused, and destroyed, although events
// were masked with it, or the latest although it is an old one of which copies were
// written: what halving finds is what reading everything finds.
func TestUsesAreThoseOfTheStream(t *testing.T) {
	nc, js := egress(t)
	k := &Keeper{config: Config{Routes: []RouteConfig{{To: "staging", Domains: []string{"orders"}}}, Conn: nc}, js: js}
	rapid.Check(t, func(t *rapid.T) {
		ctx := context.Background()
		stream, err := js.Stream(ctx, wire.EgressStream("orders", "staging"))
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Purge(ctx); err != nil {
			t.Fatal(err)
		}
		want := map[string][]Use{}
		repair := func() { // as a route does: copies of anything, directly behind a watermark
			copies := rapid.IntRange(0, 20).Draw(t, "copies")
			for i := range copies {
				if i == 0 {
					if _, err := js.Publish(ctx, "ledger.production.orders.watermark", nil); err != nil {
						t.Fatal(err)
					}
				}
				h := nats.Header{wire.HeaderRepair: {"2026-01-02T03:04:05Z"}, wire.HeaderKeyID: {fmt.Sprintf("k%d", rapid.IntRange(0, 6).Draw(t, "of"))}}
				subject := rapid.SampledFrom([]string{"egress.staging.evt.production.orders.order.placed", "ledger.production.orders.leaves"}).Draw(t, "kind")
				if _, err := js.PublishMsg(ctx, &nats.Msg{Subject: subject, Header: h}); err != nil {
					t.Fatal(err)
				}
			}
		}
		latest := ""
		lengths := rapid.SliceOfN(rapid.IntRange(1, 12), 0, 6).Draw(t, "lengths")
		for i, n := range lengths {
			id := fmt.Sprintf("k%d", i)
			use := Use{To: "staging", Domain: "orders"}
			for range n {
				if rapid.IntRange(0, 3).Draw(t, "record") == 0 { // of the ledger, which names no key
					if _, err := js.Publish(ctx, "ledger.production.orders.watermark", nil); err != nil {
						t.Fatal(err)
					}
				}
				ack, err := js.PublishMsg(ctx, &nats.Msg{Subject: "egress.staging.evt.production.orders.order.placed", Header: nats.Header{wire.HeaderKeyID: {id}}})
				if err != nil {
					t.Fatal(err)
				}
				if use.First == 0 {
					use.First = ack.Sequence
				}
				use.Last = ack.Sequence
				if rapid.IntRange(0, 5).Draw(t, "repair") == 0 {
					repair()
				}
			}
			want[id], latest = []Use{use}, id
			if n%2 == 0 {
				repair()
			}
		}
		got, err := k.uses(ctx)
		if err != nil {
			t.Fatal(err)
		}
		if len(got) != len(want) {
			t.Fatalf("%v, want %v", got, want)
		}
		for id, uses := range want {
			if !slices.Equal(got[id], uses) {
				t.Fatalf("%s: %v, want %v", id, got[id], uses)
			}
		}
		if s, err := js.Stream(ctx, wire.EgressStream("orders", "staging")); err != nil {
			t.Fatal(err)
		} else if found, err := runs(ctx, s); err != nil || len(found) > 0 && found[len(found)-1].key != latest {
			t.Fatalf("%v (%v), and the latest is %s", found, err, latest)
		}
	})
}

// Guards against a new key in place of a lost one, and against none for an
// environment that has masked nothing yet.
func TestMissingFile(t *testing.T) {
	nc, js := egress(t)
	config := Config{
		Environment: "production", Routes: []RouteConfig{{To: "staging", Domains: []string{"orders"}}}, Conn: nc, Logger: zerolog.Nop(),
		Source: mask.KeySource{File: filepath.Join(t.TempDir(), "keys", "mask.key")},
		Apply:  func(context.Context, *mask.Ring, error, bool) []Applied { return nil },
	}
	open := func() (*mask.Ring, error) {
		k, err := Open(t.Context(), config)
		if err != nil {
			t.Fatal(err)
		}
		defer k.Close()
		return k.Keys()
	}
	first, err := open()
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.PublishMsg(t.Context(), &nats.Msg{Subject: "egress.staging.evt.production.orders.order.placed", Header: nats.Header{wire.HeaderKeyID: {first.Active().ID()}}}); err != nil {
		t.Fatal(err)
	}
	if again, err := open(); err != nil || again.Active().ID() != first.Active().ID() {
		t.Errorf("with its file: %v, %v", again, err)
	}
	if err := os.Remove(config.Source.File); err != nil {
		t.Fatal(err)
	}
	if ring, err := open(); ring != nil || errorOf("", err).Code != CodeMissing {
		t.Errorf("without its file: %v, %v", ring, err)
	}
	if _, err := os.Stat(config.Source.File); err == nil {
		t.Error("a key was made")
	}
}

// Guards against a mapping that pairs up what doesn't belong together.
func TestCompare(t *testing.T) {
	for name, c := range map[string]struct {
		old, renewed, plain string
		want                []Pair
		fails               bool
	}{
		"a value":          {`{"a":"x1","b":"y"}`, `{"a":"x2","b":"y"}`, `{"a":"x","b":"y"}`, []Pair{{"x1", "x2"}}, false},
		"a number":         {`[1,5]`, `[2,5]`, `[3,5]`, []Pair{{"1", "2"}}, false},
		"another class":    {`{"a":"x1","b":"y1"}`, `{"a":"x2","b":"y2"}`, `{"a":"x","b":"y2"}`, []Pair{{"x1", "x2"}}, false},
		"a name in a map":  {`{"t1":1}`, `{"t2":1}`, `{"t":1}`, []Pair{{"t1", "t2"}}, false},
		"escapes":          {`"\u00e9"`, `"é2"`, `"e"`, []Pair{{"é", "é2"}}, false},
		"none":             {`{"a":1}`, `{"a":1}`, `{"a":1}`, nil, false},
		"other forms":      {`{"a":1}`, `{"a":"1"}`, `{"a":1}`, nil, true},
		"one is shorter":   {`[1,2]`, `[1]`, `[1,2]`, nil, true},
		"one is no JSON":   {`[1]`, `[1`, `[1]`, nil, true},
		"one has a member": {`{}`, `{"a":1}`, `{}`, nil, true},
	} {
		got, err := compare([]byte(c.old), []byte(c.renewed), []byte(c.plain))
		if (err != nil) != c.fails || err == nil && !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, %v; want %v", name, got, err, c.want)
		}
	}
}
