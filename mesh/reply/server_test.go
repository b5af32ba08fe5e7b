package reply_test

import (
	"context"
	"errors"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"

	"github.com/lockstep-mesh/lockstep/mesh/reply"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func connect(t *testing.T) *nats.Conn {
	t.Helper()
	s, err := server.NewServer(&server.Options{Port: -1, Host: "127.0.0.1", NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	nc, err := nats.Connect(s.ClientURL())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

type question struct {
	N int `json:"n"`
}

// Guards against a question that is answered wrongly, or not at all, and against
// fields that are passed over in silence.
func TestAskAndAnswer(t *testing.T) {
	nc := connect(t)
	s := reply.NewServer(nc, zerolog.Nop())
	defer s.Close()
	if err := s.Handle("twice", func(_ context.Context, body []byte) any {
		var q question
		if err := reply.Decode(body, &q); err != nil {
			return err.Error()
		}
		return question{2 * q.N}
	}); err != nil {
		t.Fatal(err)
	}
	if err := s.Ready(); err != nil {
		t.Fatal(err)
	}
	var a question
	if err := reply.Ask(t.Context(), nc, "twice", question{21}, &a); err != nil || a.N != 42 {
		t.Errorf("answered %+v, %v", a, err)
	}
	var refused string
	if err := reply.Ask(t.Context(), nc, "twice", map[string]int{"m": 1}, &refused); err != nil || refused == "" {
		t.Errorf("a field that nobody knows was answered with %q, %v", refused, err)
	}
	if err := reply.Ask(t.Context(), nc, "thrice", question{}, &a); !errors.Is(err, nats.ErrNoResponders) {
		t.Errorf("nobody listens there, and it says %v", err)
	}
}

// Guards against work that goes on, or begins, after Close has returned.
func TestCloseWaitsForAll(t *testing.T) {
	nc := connect(t)
	for range 50 {
		s := reply.NewServer(nc, zerolog.Nop())
		var mu sync.Mutex
		closed := false
		work := func(ctx context.Context) {
			<-ctx.Done()
			time.Sleep(time.Millisecond)
			mu.Lock()
			defer mu.Unlock()
			if closed {
				t.Error("work goes on after Close")
			}
		}
		if err := s.Handle("work", func(ctx context.Context, _ []byte) any { work(ctx); return nil }); err != nil {
			t.Fatal(err)
		}
		if err := s.Ready(); err != nil {
			t.Fatal(err)
		}
		s.Go(func() { work(s.Context()) })
		for range 12 {
			if err := nc.Publish("work", nil); err != nil {
				t.Fatal(err)
			}
		}
		if err := nc.Flush(); err != nil {
			t.Fatal(err)
		}
		s.Close()
		mu.Lock()
		closed = true
		mu.Unlock()
		s.Go(func() { t.Error("work begins after Close") })
		s.Close()
	}
}
