package ordered_test

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"go.uber.org/goleak"

	"github.com/lockstep-mesh/lockstep/mesh/ordered"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// filled is a server with a stream of n messages on a.<number> and b.<number> in
// turns, and a connection to it.
func filled(t *testing.T, n int) (*server.Server, *nats.Conn, jetstream.JetStream) {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: -1, JetStream: true, StoreDir: t.TempDir(), NoSigs: true, NoLog: true})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	t.Cleanup(func() { s.Shutdown(); s.WaitForShutdown() })
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server is not ready")
	}
	nc, err := nats.Connect(s.ClientURL(), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	js, err := jetstream.New(nc)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := js.CreateStream(t.Context(), jetstream.StreamConfig{Name: "S", Subjects: []string{"a.*", "b.*"}}); err != nil {
		t.Fatal(err)
	}
	put(t, js, 1, n)
	return s, nc, js
}

func put(t *testing.T, js jetstream.JetStream, from, to int) {
	t.Helper()
	for i := from; i <= to; i++ {
		m := &nats.Msg{Subject: []string{"a.", "b."}[i%2] + strconv.Itoa(i), Data: []byte(strings.Repeat("d", i*37%3000)), Header: nats.Header{"N": {strconv.Itoa(i)}}}
		if _, err := js.PublishMsgAsync(m, jetstream.WithStallWait(20*time.Second)); err != nil {
			t.Fatal(err)
		}
	}
	select {
	case <-js.PublishAsyncComplete():
	case <-time.After(20 * time.Second):
		t.Fatal("not all was published")
	}
}

func open(t *testing.T, c ordered.Config) *ordered.Reader {
	t.Helper()
	c.Name, c.Stream = "test", "S"
	r, err := ordered.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(r.Close)
	return r
}

// expect takes messages until it has those of all sequences, and fails if one
// is missing, doubled, changed or out of order.
func expect(t *testing.T, r *ordered.Reader, sequences []int) {
	t.Helper()
	for len(sequences) > 0 {
		select {
		case b := <-r.Batches():
			for i, m := range b.Messages {
				n, at := sequences[0], b.Places[i]
				header := fmt.Sprintf("NATS/1.0\r\nN: %d\r\n\r\n", n)
				if at.Sequence != uint64(n) || !strings.HasSuffix(string(m.Subject), "."+strconv.Itoa(n)) || string(m.Header) != header || len(m.Data) != n*37%3000 {
					t.Fatalf("%d (%s, %q, %d bytes) where %d is due", at.Sequence, m.Subject, m.Header, len(m.Data), n)
				}
				if age := time.Since(at.Time()); age < 0 || age > time.Minute {
					t.Fatalf("message %d is %s old", n, age)
				}
				sequences = sequences[1:]
			}
			b.Release()
		case err := <-r.Failed():
			t.Fatal(err)
		case <-time.After(20 * time.Second):
			t.Fatalf("message %d does not come", sequences[0])
		}
	}
}

func from(first, last, step int) (all []int) {
	for i := first; i <= last; i += step {
		all = append(all, i)
	}
	return all
}

// Guards against messages that are lost, doubled or changed on the way, beyond
// what the server sends at one request, and behind the sequence that was asked
// for; and against a reader that does not see what comes later.
func TestReadsInOrderWithoutAGap(t *testing.T) {
	const n = 6000
	_, nc, js := filled(t, n)
	all := open(t, ordered.Config{Conn: nc})
	some := open(t, ordered.Config{Conn: nc, Filter: "b.*", Behind: 4000})
	expect(t, all, from(1, n, 1))
	expect(t, some, from(4001, n, 2))
	put(t, js, n+1, n+100)
	expect(t, all, from(n+1, n+100, 1))
	expect(t, some, from(n+1, n+100, 2))
}

// Guards against a reader that stays silent when it can read no more, or hands
// over what stands behind a gap.
func TestTellsWhatEndsIt(t *testing.T) {
	for name, end := range map[string]func(*testing.T, *server.Server, jetstream.JetStream){
		"the stream is deleted": func(t *testing.T, _ *server.Server, js jetstream.JetStream) {
			if err := js.DeleteStream(t.Context(), "S"); err != nil {
				t.Fatal(err)
			}
		},
		"the server goes away": func(_ *testing.T, s *server.Server, _ jetstream.JetStream) { s.Shutdown() },
	} {
		t.Run(name, func(t *testing.T) {
			s, nc, js := filled(t, 10)
			r := open(t, ordered.Config{Conn: nc})
			expect(t, r, from(1, 10, 1))
			end(t, s, js)
			select {
			case err := <-r.Failed():
				if !strings.Contains(err.Error(), "read stream S: ") {
					t.Errorf("it says %q", err)
				}
			case <-time.After(20 * time.Second):
				t.Error("it says nothing")
			}
		})
	}
	_, nc, _ := filled(t, 1)
	if r, err := ordered.Open(t.Context(), ordered.Config{Conn: nc, Name: "test", Stream: "NONE"}); err == nil {
		r.Close()
		t.Error("it reads a stream that does not exist")
	}
}

// Guards against a reader that cannot be closed while what it read is not taken.
func TestClosesWhileNobodyTakes(t *testing.T) {
	_, nc, _ := filled(t, 6000)
	ctx, cancel := context.WithCancel(t.Context())
	r, err := ordered.Open(ctx, ordered.Config{Conn: nc, Name: "test", Stream: "S"})
	if err != nil {
		t.Fatal(err)
	}
	for len(r.Batches()) < cap(r.Batches()) {
		time.Sleep(time.Millisecond)
	}
	cancel()
	r.Close()
	r.Close()
}
