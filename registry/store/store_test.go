package store_test

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/lockstep-mesh/lockstep/registry/natstest"
	"github.com/lockstep-mesh/lockstep/registry/store"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// reading is a Tail in the background, for tests to wait on.
type reading struct {
	t       testing.TB
	entries chan store.Entry
	states  chan error
	done    chan error
	cancel  context.CancelFunc
}

func read(t testing.TB, log *store.Log, from store.Position) *reading {
	ctx, cancel := context.WithCancel(t.Context())
	r := &reading{
		t: t, cancel: cancel,
		entries: make(chan store.Entry, 4096), states: make(chan error, 4096), done: make(chan error, 1),
	}
	go func() {
		r.done <- log.Tail(ctx, from, store.Reader{
			Deliver:     func(e store.Entry) error { r.entries <- e; return nil },
			Interrupted: func(err error) { r.states <- err },
		})
	}()
	t.Cleanup(func() { _ = r.stop() })
	return r
}

func (r *reading) stop() error {
	r.cancel()
	err := <-r.done
	r.done <- err
	return err
}

// patience is how long a record may take. A stream that sources another looks
// whether its source still lives every ten seconds and then waits longer and
// longer between attempts: after an outage it has been seen to take 35 seconds.
const patience = 3 * time.Minute

func (r *reading) next() store.Entry {
	r.t.Helper()
	select {
	case e := <-r.entries:
		return e
	case err := <-r.done:
		r.done <- err
		r.t.Fatalf("reading ended: %v", err)
	case <-time.After(patience):
		r.t.Fatal("no record came")
	}
	return store.Entry{}
}

// end waits for the reading to end by itself.
func (r *reading) end() error {
	r.t.Helper()
	select {
	case err := <-r.done:
		r.done <- err
		return err
	case <-time.After(20 * time.Second):
		r.t.Fatal("the reading goes on, and it should have ended")
		return nil
	}
}

func (r *reading) await(interrupted bool) {
	r.t.Helper()
	deadline := time.After(20 * time.Second)
	for {
		select {
		case err := <-r.states:
			if (err != nil) == interrupted {
				return
			}
		case <-deadline:
			r.t.Fatalf("the reader was not told: interrupted %v", interrupted)
		}
	}
}

func create(t testing.TB, js jetstream.JetStream, o store.Options) *store.Log {
	t.Helper()
	if err := store.Create(t.Context(), js, o); err != nil {
		t.Fatal(err)
	}
	return open(t, js)
}

func open(t testing.TB, js jetstream.JetStream) *store.Log {
	t.Helper()
	log, err := store.Open(t.Context(), js)
	if err != nil {
		t.Fatal(err)
	}
	return log
}

func appendAll(t testing.TB, log *store.Log, at store.Position, texts ...string) store.Position {
	t.Helper()
	for _, text := range texts {
		next, err := log.Append(t.Context(), at, store.Subject("version", "orders.order.created"), []byte(text))
		if err != nil {
			t.Fatalf("append %q: %v", text, err)
		}
		at = next
	}
	return at
}

// contract is what every deployment of the log must do; each subtest gets an
// empty log of its own.
func contract(t *testing.T, fresh func(t *testing.T) jetstream.JetStream, o store.Options) {
	t.Run("what is appended is read in order, then followed", func(t *testing.T) {
		// Guards against records lost or reordered between the replay and the tail.
		js := fresh(t)
		log := create(t, js, o)
		at := appendAll(t, log, store.Position{}, "a", "b", "c")
		r := read(t, log, store.Position{})
		at = appendAll(t, log, at, "d", "e")
		for i, want := range []string{"a", "b", "c", "d", "e"} {
			got := r.next()
			if string(got.Data) != want || got.Position.Revision != uint64(i+1) {
				t.Fatalf("record %d: %q at revision %d, want %q", i, got.Data, got.Position.Revision, want)
			}
			if i == 4 && got.Position != at {
				t.Errorf("read position %+v, appended position %+v", got.Position, at)
			}
		}
		if err := r.stop(); !errors.Is(err, context.Canceled) {
			t.Errorf("ended with %v, want the context's error", err)
		}
	})

	t.Run("reading goes on from a position", func(t *testing.T) {
		// Guards against records delivered twice or skipped after a pause.
		js := fresh(t)
		log := create(t, js, o)
		middle := appendAll(t, log, store.Position{}, "a", "b")
		appendAll(t, log, middle, "c")
		if got := read(t, log, middle).next(); string(got.Data) != "c" || got.Position.Revision != 3 {
			t.Errorf("read %q at revision %d, want c at 3", got.Data, got.Position.Revision)
		}
	})

	t.Run("only one of many appends at a position is stored", func(t *testing.T) {
		// Guards against two writers that both believe they wrote revision n.
		js := fresh(t)
		log := create(t, js, o)
		start := appendAll(t, log, store.Position{}, "first")
		const writers = 16
		results := make([]error, writers)
		var wg sync.WaitGroup
		for i := range writers {
			wg.Go(func() {
				_, results[i] = log.Append(t.Context(), start, store.Subject("version", "s"), fmt.Append(nil, i))
			})
		}
		wg.Wait()
		won := -1
		for i, err := range results {
			switch {
			case err == nil && won >= 0:
				t.Errorf("both %d and %d were stored", won, i)
			case err == nil:
				won = i
			case !store.Conflict.Is(err):
				t.Errorf("writer %d: %v, want a conflict", i, err)
			}
		}
		if won < 0 {
			t.Fatal("nobody's record was stored")
		}
		r := read(t, log, start)
		if got := r.next(); string(got.Data) != fmt.Sprint(won) {
			t.Errorf("stored %s, acknowledged %d", got.Data, won)
		}
		if last, err := log.Last(t.Context()); err != nil || last != start.Sequence+1 {
			t.Errorf("last sequence %d (%v), want %d", last, err, start.Sequence+1)
		}
	})

	t.Run("nothing can be deleted or purged", func(t *testing.T) {
		// Guards against a history that an operator's slip can shorten.
		js := fresh(t)
		log := create(t, js, o)
		appendAll(t, log, store.Position{}, "a")
		stream, err := js.Stream(t.Context(), store.Stream)
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Purge(t.Context()); err == nil {
			t.Error("the stream was purged")
		}
		if err := stream.DeleteMsg(t.Context(), 1); err == nil {
			t.Error("a record was deleted")
		}
	})

	t.Run("creating twice changes nothing", func(t *testing.T) {
		// Guards against an instance that starts second and resets the stream.
		js := fresh(t)
		log := create(t, js, o)
		appendAll(t, log, store.Position{}, "a")
		other := o
		other.MaxBytes = 64 << 20
		if err := store.Create(t.Context(), js, other); err != nil {
			t.Fatal(err)
		}
		if last, err := log.Last(t.Context()); err != nil || last != 1 {
			t.Errorf("last sequence %d (%v), want 1", last, err)
		}
	})

	t.Run("a record too large says how large it may be", func(t *testing.T) {
		// Guards against a schema that fails with a protocol error nobody understands.
		js := fresh(t)
		log := create(t, js, o)
		_, err := log.Append(t.Context(), store.Position{}, store.Subject("version", "s"), make([]byte, 2<<20))
		if !store.TooLarge.Is(err) || !strings.Contains(err.Error(), "1024 KiB at most") {
			t.Errorf("got %v", err)
		}
	})
}

func TestContract(t *testing.T) {
	t.Run("one server", func(t *testing.T) {
		contract(t, func(t *testing.T) jetstream.JetStream { return natstest.Start(t).Connect() }, store.Options{})
	})
	t.Run("three replicas", func(t *testing.T) {
		if testing.Short() {
			t.Skip("a cluster takes seconds to start")
		}
		contract(t, func(t *testing.T) jetstream.JetStream {
			return natstest.Connect(t, natstest.Cluster(t)[0])
		}, store.Options{Replicas: 3})
	})
}

func TestReaderSurvivesRestart(t *testing.T) {
	// Guards against a view that stays silent for ever after its server restarted.
	srv := natstest.Start(t)
	log := create(t, srv.Connect(), store.Options{})
	at := appendAll(t, log, store.Position{}, "before")
	r := read(t, log, store.Position{})
	r.next()
	r.await(false)

	srv.Stop()
	r.await(true)
	_, err := func() (store.Position, error) {
		ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
		defer cancel()
		return log.Append(ctx, at, store.Subject("version", "s"), []byte("meanwhile"))
	}()
	if !store.Uncertain.Is(err) && !store.Unavailable.Is(err) {
		t.Errorf("appending without a server: %v", err)
	}

	srv.Start()
	r.await(false)
	// The append above was buffered by the client and may have arrived after all.
	if _, err := log.Append(t.Context(), at, store.Subject("version", "s"), []byte("meanwhile")); err != nil && !store.Conflict.Is(err) {
		t.Fatal(err)
	}
	if got := r.next(); string(got.Data) != "meanwhile" || got.Position.Revision != 2 {
		t.Errorf("read %q at revision %d after the restart", got.Data, got.Position.Revision)
	}
}

func TestBrokenHistories(t *testing.T) {
	// Guards against a view that goes on as if nothing had happened when records
	// are missing, altered, foreign, or another history's.
	type env struct {
		js  jetstream.JetStream
		log *store.Log
		at  store.Position // after "a", "b"
	}
	publish := func(e env, headers nats.Header, data string) {
		t.Helper()
		if _, err := e.js.PublishMsg(t.Context(), &nats.Msg{Subject: store.Subject("version", "s"), Header: headers, Data: []byte(data)}); err != nil {
			t.Fatal(err)
		}
	}
	last := func(e env) nats.Header {
		t.Helper()
		stream, err := e.js.Stream(t.Context(), store.Stream)
		if err != nil {
			t.Fatal(err)
		}
		msg, err := stream.GetMsg(t.Context(), e.at.Sequence)
		if err != nil {
			t.Fatal(err)
		}
		return nats.Header{store.HeaderRevision: msg.Header[store.HeaderRevision], store.HeaderChain: msg.Header[store.HeaderChain]}
	}
	tests := []struct {
		name string
		code store.Code
		does func(env)
	}{
		{"a message without headers", store.Foreign, func(e env) { publish(e, nil, "{}") }},
		{"a message with a revision that is no number", store.Foreign, func(e env) {
			publish(e, nats.Header{store.HeaderRevision: {"three"}}, "{}")
		}},
		{"a missing revision", store.Gap, func(e env) {
			publish(e, nats.Header{store.HeaderRevision: {"5"}, store.HeaderChain: {strings.Repeat("00", 32)}}, "{}")
		}},
		{"the same record again", store.Forked, func(e env) { publish(e, last(e), "b") }},
		{"the right number and another history", store.Forked, func(e env) {
			publish(e, nats.Header{store.HeaderRevision: {"3"}, store.HeaderChain: {strings.Repeat("00", 32)}}, "c")
		}},
		{"a chain value that is none", store.Forked, func(e env) {
			publish(e, nats.Header{store.HeaderRevision: {"3"}, store.HeaderChain: {"zz"}}, "c")
		}},
		{"a stream made again", store.Replaced, func(e env) {
			if err := e.js.DeleteStream(t.Context(), store.Stream); err != nil {
				t.Fatal(err)
			}
			create(t, e.js, store.Options{})
		}},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			// A server of its own: one that has just deleted a stream may still hold its files.
			js := natstest.Start(t).Connect()
			e := env{js: js, log: create(t, js, store.Options{})}
			e.at = appendAll(t, e.log, store.Position{}, "a", "b")
			r := read(t, e.log, store.Position{})
			r.next()
			r.next()
			test.does(e)
			err := r.end()
			if !test.code.Is(err) || !store.Broken(err) {
				t.Errorf("ended with %v, want code %s", err, test.code)
			}
			var se *store.Error
			if errors.As(err, &se) && (se.Cure == "" || se.Problem == "") {
				t.Errorf("no problem or no cure in %#v", se)
			}
		})
	}
}

func TestRolledBack(t *testing.T) {
	// Guards against a view that keeps records which a crash took from the stream.
	srv := natstest.Start(t)
	log := create(t, srv.Connect(), store.Options{})
	at := appendAll(t, log, store.Position{}, "a")
	ahead := at
	ahead.Revision, ahead.Sequence = 2, 2
	if err := read(t, log, ahead).end(); !store.RolledBack.Is(err) {
		t.Errorf("ended with %v, want %s", err, store.RolledBack)
	}
}

func TestReplica(t *testing.T) {
	// Guards against a replica that reads another history than the primary's, is
	// written to, or stops reading when the primary goes away.
	hub, leaf := natstest.Environments(t)
	primary := create(t, hub.Connect(), store.Options{})
	at := appendAll(t, primary, store.Position{}, "a", "b", "c")

	js := leaf.Connect()
	if _, err := store.Open(t.Context(), js); !store.Absent.Is(err) {
		t.Fatalf("opening no stream: %v", err)
	}
	_, err := js.CreateStream(t.Context(), jetstream.StreamConfig{
		Name:    store.Stream,
		Sources: []*jetstream.StreamSource{{Name: store.Stream, External: &jetstream.ExternalStream{APIPrefix: "$JS.production.API"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	replica := open(t, js)
	if replica.Writable() {
		t.Error("the replica says that it can be written")
	}
	if _, err := replica.Append(t.Context(), store.Position{}, store.Subject("version", "s"), []byte("x")); !store.ReadOnly.Is(err) {
		t.Errorf("appending to the replica: %v", err)
	}
	r := read(t, replica, store.Position{})
	for _, want := range []string{"a", "b", "c"} {
		if got := r.next(); string(got.Data) != want {
			t.Errorf("replica read %q, want %q", got.Data, want)
		}
	}

	hub.Stop()
	// A reader that starts now still reads everything that has arrived.
	again := read(t, replica, store.Position{})
	for range 3 {
		at = again.next().Position
	}
	hub.Start()
	appendAll(t, open(t, hub.Connect()), at, "d")
	if got := r.next(); string(got.Data) != "d" || got.Position.Revision != 4 {
		t.Errorf("after the primary's return the replica read %q at revision %d", got.Data, got.Position.Revision)
	}
}

func TestCreateRefusesAnUnfitStream(t *testing.T) {
	// Guards against a registry on a stream that forgets.
	fit := jetstream.StreamConfig{
		Name: store.Stream, Subjects: []string{store.Root + ".>"}, Storage: jetstream.FileStorage,
		Discard: jetstream.DiscardNew, DenyDelete: true, DenyPurge: true,
	}
	tests := []struct {
		name string
		says string
		make func(*jetstream.StreamConfig)
	}{
		{"max age", "max age", func(c *jetstream.StreamConfig) { c.MaxAge = time.Hour }},
		{"memory", "storage", func(c *jetstream.StreamConfig) { c.Storage = jetstream.MemoryStorage }},
		{"work queue", "retention", func(c *jetstream.StreamConfig) { c.Retention = jetstream.WorkQueuePolicy }},
		{"drops old", "discard", func(c *jetstream.StreamConfig) { c.Discard, c.MaxMsgs = jetstream.DiscardOld, 10 }},
		{"deletable", "deny_delete", func(c *jetstream.StreamConfig) { c.DenyDelete, c.DenyPurge = false, false }},
		{"other subjects", "subjects", func(c *jetstream.StreamConfig) { c.Subjects = []string{"other.>"} }},
		{"last per subject", "per subject", func(c *jetstream.StreamConfig) { c.MaxMsgsPerSubject = 1 }},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			js := natstest.Start(t).Connect()
			c := fit
			test.make(&c)
			if _, err := js.CreateStream(t.Context(), c); err != nil {
				t.Fatal(err)
			}
			err := store.Create(t.Context(), js, store.Options{})
			if !store.Misconfigured.Is(err) || !strings.Contains(err.Error(), test.says) {
				t.Errorf("got %v, want a mention of %q", err, test.says)
			}
		})
	}
}

func TestFullStreamRefuses(t *testing.T) {
	// Guards against a full stream that drops the oldest schemas to make room.
	srv := natstest.Start(t)
	log := create(t, srv.Connect(), store.Options{MaxBytes: 64 << 10})
	noise := make([]byte, 20<<10)
	_, _ = rand.Read(noise)
	var at store.Position
	var err error
	for range 10 {
		var next store.Position
		if next, err = log.Append(t.Context(), at, store.Subject("version", "s"), noise); err != nil {
			break
		}
		at = next
	}
	if !store.Refused.Is(err) {
		t.Fatalf("got %v, want %s", err, store.Refused)
	}
	r := read(t, log, store.Position{})
	for want := uint64(1); want <= at.Revision; want++ {
		if got := r.next(); got.Position.Revision != want || !bytes.Equal(got.Data, noise) {
			t.Fatalf("revision %d is not what was stored as %d", got.Position.Revision, want)
		}
	}
}

func TestDeliverEndsTheReading(t *testing.T) {
	// Guards against a reader's refusal that is swallowed and retried for ever.
	srv := natstest.Start(t, func(o *server.Options) { o.MaxPayload = 1 << 20 })
	log := create(t, srv.Connect(), store.Options{})
	appendAll(t, log, store.Position{}, "a")
	refusal := errors.New("not understood")
	err := log.Tail(t.Context(), store.Position{}, store.Reader{Deliver: func(store.Entry) error { return refusal }})
	if !errors.Is(err, refusal) {
		t.Errorf("ended with %v", err)
	}
}

func TestConnectionClosedEndsTheReading(t *testing.T) {
	// Guards against a goroutine that retries for ever on a closed connection.
	srv := natstest.Start(t)
	js := srv.Connect()
	log := create(t, js, store.Options{})
	r := read(t, log, store.Position{})
	r.await(false)
	js.Conn().Close()
	if err := r.end(); !errors.Is(err, nats.ErrConnectionClosed) {
		t.Errorf("ended with %v", err)
	}
}

func TestSubject(t *testing.T) {
	// Guards against registry subjects that NATS refuses or that collide.
	tests := []struct{ name, want string }{
		{"orders.order.created", "registry.version.orders.order.created"},
		{"orders-value", "registry.version.orders-value"},
		{"a..b", "registry.version.a.%2Eb"},
		{".", "registry.version.%2E"},
		{"..", "registry.version.%2E%2E"},
		{"a.", "registry.version.a%2E"},
		{"a b*c>", "registry.version.a%20b%2Ac%3E"},
		{"%2E", "registry.version.%252E"},
		{"ü/x", "registry.version.%C3%BC%2Fx"},
		{"", "registry.version"},
	}
	for _, test := range tests {
		if got := store.Subject("version", test.name); got != test.want {
			t.Errorf("Subject(%q) = %q, want %q", test.name, got, test.want)
		}
	}
}

func TestSubjectProperties(t *testing.T) {
	// Guards against an encoding that loses text or makes an invalid subject.
	rapid.Check(t, func(t *rapid.T) {
		name := string(rapid.SliceOfN(rapid.Byte(), 1, 40).Draw(t, "name"))
		if rapid.Bool().Draw(t, "dotty") {
			name = rapid.StringMatching(`[a.%]{1,12}`).Draw(t, "dots")
		}
		subject := store.Subject("version", name)
		rest := strings.TrimPrefix(subject, "registry.version.")
		if slices.Contains(strings.Split(rest, "."), "") || strings.ContainsAny(rest, " *>\r\n\t") {
			t.Fatalf("%q is no literal subject", subject)
		}
		if back, err := url.PathUnescape(rest); err != nil || back != name {
			t.Fatalf("%q decodes to %q (%v), not %q", rest, back, err, name)
		}
	})
}
