package mesh_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/lockstep-mesh/lockstep/mesh"
	"github.com/lockstep-mesh/lockstep/registry/natstest"
)

func TestMain(m *testing.M) {
	serveInstead()
	goleak.VerifyTestMain(m)
}

// testServer is a NATS server with JetStream that can be killed and started
// again on the same port and store.
type testServer struct {
	t    testing.TB
	opts server.Options
	mu   sync.Mutex
	srv  *server.Server
}

func startServer(t testing.TB) *testServer {
	t.Helper()
	return startServerWith(t, server.Options{})
}

func startServerWith(t testing.TB, opts server.Options) *testServer {
	t.Helper()
	opts.Host, opts.Port, opts.NoLog, opts.NoSigs = "127.0.0.1", natstest.Port(t), true, true
	opts.JetStream, opts.JetStreamDomain, opts.StoreDir = true, "production", t.TempDir()
	s := &testServer{t: t, opts: opts}
	s.start()
	t.Cleanup(s.stop)
	return s
}

func (s *testServer) start() {
	s.t.Helper()
	opts := s.opts
	srv, err := server.NewServer(&opts)
	if err != nil {
		s.t.Fatal(err)
	}
	srv.Start()
	if !srv.ReadyForConnections(10 * time.Second) {
		s.t.Fatal("the server does not get ready")
	}
	s.mu.Lock()
	s.srv = srv
	s.mu.Unlock()
}

func (s *testServer) stop() {
	s.mu.Lock()
	srv := s.srv
	s.mu.Unlock()
	srv.Shutdown()
	srv.WaitForShutdown()
}

func (s *testServer) url() string { return fmt.Sprintf("nats://127.0.0.1:%d", s.opts.Port) }

// admin is a plain connection to look at the server with.
func (s *testServer) admin(opts ...nats.Option) jetstream.JetStream {
	s.t.Helper()
	nc, err := nats.Connect(s.url(), append([]nats.Option{nats.MaxReconnects(-1), nats.ReconnectWait(20 * time.Millisecond)}, opts...)...)
	if err != nil {
		s.t.Fatal(err)
	}
	s.t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		s.t.Fatal(err)
	}
	return js
}

// ungoverned makes the stream ORDERS that takes events itself, as long as no
// test needs anything refused, and the stream DLQ.
func ungoverned(t testing.TB, js jetstream.JetStream) {
	t.Helper()
	makeStream(t, js, jetstream.StreamConfig{
		Name: "ORDERS", Subjects: []string{"orders.>"},
		SubjectTransform: &jetstream.SubjectTransformConfig{Source: "orders.>", Destination: "evt.production.orders.>"},
	})
	makeStream(t, js, jetstream.StreamConfig{Name: "DLQ", Subjects: []string{"dlq.>"}})
}

func makeStream(t testing.TB, js jetstream.JetStream, cfg jetstream.StreamConfig) {
	t.Helper()
	if _, err := js.CreateStream(t.Context(), cfg); err != nil {
		t.Fatal(err)
	}
}

// standInGate answers on orders.> as a gate does: it hands on what admit
// admits, with the reply subject kept, and refuses the rest with admit's answer.
// The stream ORDERS must capture evt.production.orders.>.
func standInGate(t testing.TB, s *testServer, admit func(*nats.Msg) (refusal string)) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(s.url(), nats.MaxReconnects(-1), nats.ReconnectWait(20*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	_, err = nc.QueueSubscribe("orders.>", "gate", func(m *nats.Msg) {
		if answer := admit(m); answer == "" {
			_ = nc.PublishMsg(&nats.Msg{Subject: "evt.production." + m.Subject, Reply: m.Reply, Header: m.Header, Data: m.Data})
		} else if answer != silent {
			_ = nc.Publish(m.Reply, []byte(answer))
		}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	return nc
}

// silent is a gate's answer that is none.
const silent = "silent"

func connect(t testing.TB, s *testServer, opts ...mesh.ConnectOption) *mesh.Conn {
	t.Helper()
	c, err := mesh.Connect(t.Context(), s.url(), append([]mesh.ConnectOption{mesh.WithName("test"), mesh.WithRetry(quick)}, opts...)...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := c.Close(); err != nil {
			t.Error(err)
		}
	})
	return c
}

// quick retries as tests can wait for.
var quick = mesh.Retry{Attempts: 200, Initial: 2 * time.Millisecond, Max: 50 * time.Millisecond, AckWait: 2 * time.Second}

type order struct {
	ID    string `json:"id"`
	Total int    `json:"total"`
}

func orderKey(o order) []string { return []string{o.ID} }

// stored is every message of a stream.
func stored(t testing.TB, js jetstream.JetStream, stream string) []*jetstream.RawStreamMsg {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	st, err := js.Stream(ctx, stream)
	if err != nil {
		t.Fatal(err)
	}
	info, err := st.Info(ctx)
	if err != nil {
		t.Fatal(err)
	}
	var all []*jetstream.RawStreamMsg
	for seq := info.State.FirstSeq; seq <= info.State.LastSeq && seq > 0; seq++ {
		m, err := st.GetMsg(ctx, seq)
		if errors.Is(err, jetstream.ErrMsgNotFound) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, m)
	}
	return all
}

// eventually waits for cond, which must come to hold by itself.
func eventually(t testing.TB, what string, cond func() bool) {
	t.Helper()
	if !comes(t, what, cond) {
		t.FailNow()
	}
}

// comes is eventually for other goroutines than the test's.
func comes(t testing.TB, what string, cond func() bool) bool {
	t.Helper()
	deadline := time.Now().Add(15 * time.Second)
	for !cond() {
		if time.Now().After(deadline) {
			t.Errorf("still not so: %s", what)
			return false
		}
		time.Sleep(2 * time.Millisecond)
	}
	return true
}

// wantError fails the test unless err is an Error of the given code whose text
// has all of parts.
func wantError(t testing.TB, err error, code mesh.Code, parts ...string) {
	t.Helper()
	if got := mesh.CodeOf(err); got != code {
		t.Fatalf("got code %q, want %q: %v", got, code, err)
	}
	for _, part := range parts {
		if !strings.Contains(err.Error(), part) {
			t.Errorf("%q does not say %q", err, part)
		}
	}
}

// detail is err as an Error, or an empty one.
func detail(err error) *mesh.Error {
	e := new(mesh.Error)
	_ = errors.As(err, &e)
	return e
}

func pubCtx(t testing.TB) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
	t.Cleanup(cancel)
	return ctx
}
