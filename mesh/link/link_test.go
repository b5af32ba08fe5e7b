package link_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats-server/v2/server"
	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"
	"go.uber.org/goleak"
	"pgregory.net/rapid"

	"github.com/lockstep-mesh/lockstep/mesh/link"
	"github.com/lockstep-mesh/lockstep/registry/natstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func serve(t *testing.T, port int) *server.Server {
	t.Helper()
	s, err := server.NewServer(&server.Options{Host: "127.0.0.1", Port: port, NoSigs: true, NoLog: true, Username: "u", Password: "p"})
	if err != nil {
		t.Fatal(err)
	}
	s.Start()
	if !s.ReadyForConnections(10 * time.Second) {
		t.Fatal("the server is not ready")
	}
	return s
}

func connect(t *testing.T, s *server.Server, options ...nats.Option) *nats.Conn {
	t.Helper()
	nc, err := nats.Connect(s.ClientURL(), append(options, nats.UserInfo("u", "p"), nats.MaxReconnects(-1), nats.ReconnectWait(10*time.Millisecond))...)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	return nc
}

// received collects what a link receives.
type received struct {
	mu   sync.Mutex
	all  []string
	more chan struct{}
}

func (r *received) receive(b *link.Batch) {
	r.mu.Lock()
	for _, m := range b.Messages {
		r.all = append(r.all, fmt.Sprintf("%d %s %s %q %s", m.SID, m.Subject, m.Reply, m.Header, m.Data))
	}
	r.mu.Unlock()
	b.Release()
	select {
	case r.more <- struct{}{}:
	default:
	}
}

func (r *received) await(t *testing.T, n int) []string {
	t.Helper()
	deadline := time.After(10 * time.Second)
	for {
		r.mu.Lock()
		all := r.all
		r.mu.Unlock()
		if len(all) >= n {
			return all
		}
		select {
		case <-r.more:
		case <-deadline:
			t.Fatalf("%d messages received, not %d", len(all), n)
		}
	}
}

func open(t *testing.T, c link.Config) *link.Link {
	t.Helper()
	c.Name, c.Logger = "test", zerolog.Nop()
	l, err := link.Open(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(l.Close)
	return l
}

func send(t *testing.T, l *link.Link, subject, data string) {
	t.Helper()
	buffer, ok := l.Begin()
	if !ok {
		t.Fatal("the link is down")
	}
	l.End(link.AppendPub(buffer, []byte(subject), []byte(data), nil))
	l.Flush()
}

// Guards against messages that are lost, changed or reordered on the way
// through a link, in either direction, over both transports.
func TestMessagesComeAndGoInOrder(t *testing.T) {
	s := serve(t, -1)
	defer s.Shutdown()
	for name, options := range map[string][]nats.Option{"tcp": nil, "in process": {nats.InProcessServer(s)}} {
		t.Run(name, func(t *testing.T) {
			nc := connect(t, s, options...)
			in := &received{more: make(chan struct{}, 1)}
			l := open(t, link.Config{Like: nc, Receive: in.receive, Subscriptions: []link.Subscription{{Subject: "a.>"}, {Subject: "b.>", Queue: "q"}}})
			const n = 2000
			for i := range n {
				m := &nats.Msg{Subject: "a.x", Data: bytes.Repeat([]byte{'d'}, i*7%5000)}
				if i%2 == 1 {
					m.Subject, m.Reply, m.Header = "b.y", "reply.to", nats.Header{"K": {fmt.Sprint(i)}}
				}
				if err := nc.PublishMsg(m); err != nil {
					t.Fatal(err)
				}
			}
			for i, got := range in.await(t, n) {
				data := bytes.Repeat([]byte{'d'}, i*7%5000)
				want := fmt.Sprintf("0 a.x  %q %s", "", data)
				if i%2 == 1 {
					want = fmt.Sprintf("1 b.y reply.to %q %s", fmt.Sprintf("NATS/1.0\r\nK: %d\r\n\r\n", i), data)
				}
				if got != want {
					t.Fatalf("message %d is %.80s, not %.80s", i, got, want)
				}
			}
			sub, err := nc.SubscribeSync("out")
			if err != nil {
				t.Fatal(err)
			}
			if err := nc.Flush(); err != nil {
				t.Fatal(err)
			}
			for i := range n {
				send(t, l, "out", fmt.Sprint(i))
			}
			for i := range n {
				m, err := sub.NextMsg(5 * time.Second)
				if err != nil || string(m.Data) != fmt.Sprint(i) {
					t.Fatalf("message %d: %v, %v", i, m, err)
				}
			}
			l.Unsubscribe()
			if err := l.Settle(t.Context()); err != nil {
				t.Fatal(err)
			}
			if err := nc.Publish("a.x", nil); err != nil {
				t.Fatal(err)
			}
			if err := nc.Flush(); err != nil {
				t.Fatal(err)
			}
			if all := in.await(t, n); len(all) != n {
				t.Errorf("received after Unsubscribe: %s", all[n:])
			}
		})
	}
}

// Guards against a link that stays away after the server was, or comes back
// without its subscriptions, or does not tell.
func TestLinkComesBack(t *testing.T) {
	port := natstest.Port(t)
	s := serve(t, port)
	nc := connect(t, s)
	in := &received{more: make(chan struct{}, 1)}
	down := make(chan error, 10)
	l := open(t, link.Config{Like: nc, Receive: in.receive, Down: func(err error) { down <- err }, Subscriptions: []link.Subscription{{Subject: "a"}}})
	s.Shutdown()
	s.WaitForShutdown()
	if err := <-down; err == nil {
		t.Error("the link went down without a reason")
	}
	if _, ok := l.Begin(); ok {
		t.Fatal("the link takes messages though it is down")
	}
	s = serve(t, port)
	defer s.Shutdown()
	deadline := time.Now().Add(10 * time.Second)
	for {
		buffer, ok := l.Begin()
		if ok {
			l.End(buffer)
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("the link does not come back")
		}
		time.Sleep(time.Millisecond)
	}
	for nc.Publish("a", []byte("again")) != nil || nc.Flush() != nil {
		time.Sleep(time.Millisecond)
	}
	in.await(t, 1)
}

// Guards against messages that go out over another connection than the one for which
// they were meant: a link for one connection only must stay down.
func TestLinkOfOneConnectionStaysDown(t *testing.T) {
	port := natstest.Port(t)
	s := serve(t, port)
	nc := connect(t, s)
	down := make(chan struct{})
	l := open(t, link.Config{Like: nc, Receive: (*link.Batch).Release, Down: func(error) { close(down) }, Once: true})
	s.Shutdown()
	s.WaitForShutdown()
	<-down
	s = serve(t, port)
	defer s.Shutdown()
	time.Sleep(200 * time.Millisecond) // several times as long as a link takes to come back
	if buffer, ok := l.Begin(); ok {
		l.End(buffer)
		t.Error("it came back")
	}
}

// Guards against a link that waits for ever when it is closed while more comes
// than it takes.
func TestCloseWhileMuchComes(t *testing.T) {
	s := serve(t, -1)
	defer s.Shutdown()
	nc := connect(t, s, nats.InProcessServer(s))
	data := make([]byte, 200)
	for range 100 {
		first := make(chan struct{}, 1)
		l, err := link.Open(t.Context(), link.Config{
			Like: nc, Name: "test", Logger: zerolog.Nop(), Subscriptions: []link.Subscription{{Subject: "a"}},
			Receive: func(b *link.Batch) {
				b.Release()
				select {
				case first <- struct{}{}:
				default:
				}
			},
		})
		if err != nil {
			t.Fatal(err)
		}
		for range 500 {
			if err := nc.Publish("a", data); err != nil {
				t.Fatal(err)
			}
		}
		<-first
		closed := make(chan struct{})
		go func() { l.Close(); close(closed) }()
		select {
		case <-closed:
		case <-time.After(10 * time.Second):
			t.Fatal("the link does not close")
		}
	}
}

// Guards against a link that cannot log in and says nothing of it.
func TestLoginIsRefused(t *testing.T) {
	s := serve(t, -1)
	defer s.Shutdown()
	nc := connect(t, s)
	nc.Opts.Password = "wrong"
	if l, err := link.Open(t.Context(), link.Config{Like: nc, Name: "test", Receive: func(*link.Batch) {}, Logger: zerolog.Nop()}); err == nil {
		l.Close()
		t.Error("logged in with a wrong password")
	}
}

// Guards against a message that is read wrongly because of where the bytes of
// the connection happened to be cut, and against bytes that break the reader.
func TestWhereverTheBytesAreCut(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		sizes := rapid.SliceOfN(rapid.IntRange(0, 300), 1, 40).Draw(rt, "sizes")
		var stream, want []byte
		for i, size := range sizes {
			data := bytes.Repeat([]byte{byte('a' + i%26)}, size)
			switch i % 3 {
			case 0:
				stream = fmt.Appendf(stream, "MSG s.%d 0 %d\r\n%s\r\n", i, size, data)
			case 1:
				stream = fmt.Appendf(stream, "HMSG s.%d 0 r.%d 12 %d\r\nNATS/1.0\r\n\r\n%s\r\nPING\r\n", i, i, size+12, data)
			case 2:
				stream = fmt.Appendf(stream, "+OK\r\nMSG s.%d 0 r %d\r\n%s\r\nPONG\r\n", i, size, data)
			}
			want = append(want, data...)
		}
		cuts := rapid.SliceOfN(rapid.IntRange(1, 200), 1, 50).Draw(rt, "cuts")
		got, err := replay(t.Context(), stream, cuts)
		if err != nil || !bytes.Equal(got, want) {
			rt.Fatalf("%d bytes received, not %d: %v", len(got), len(want), err)
		}
	})
	for _, hostile := range []string{"MSG\r\n", "MSG a b c d e f g h\r\n", "MSG a 0 99999999999999999999\r\n", "HMSG a 0 20 10\r\n", "MSG a -1 1\r\n", "-ERR 'no'\r\n", "WHAT\r\n", "MSG a 0 r 999999999\r\n"} {
		if got, err := replay(t.Context(), []byte(hostile), []int{4096}); len(got) > 0 || err == nil {
			t.Errorf("%q: %q, %v", hostile, got, err)
		}
	}
}

// replay has a link read a stream of bytes, cut into pieces, from something that
// is no server, and gives the payloads until the connection's end.
func replay(ctx context.Context, stream []byte, cuts []int) ([]byte, error) {
	var got []byte
	down := make(chan error, 100)
	dialed := false
	like := &nats.Conn{}
	like.Opts.InProcessServer = inProcess(func() (net.Conn, error) {
		if dialed {
			return nil, fmt.Errorf("only once")
		}
		dialed = true
		near, far := net.Pipe()
		go func() {
			defer func() { _ = near.Close() }()
			_, _ = near.Write([]byte("INFO {\"headers\":true}\r\n"))
			room := make([]byte, 4096)
			for text := []byte(nil); !bytes.Contains(text, []byte("PING\r\n")); {
				n, err := near.Read(room)
				if err != nil {
					return
				}
				text = append(text, room[:n]...)
			}
			_, _ = near.Write([]byte("PONG\r\n"))
			go func() { // what the link writes
				for {
					if _, err := near.Read(room); err != nil {
						return
					}
				}
			}()
			for i := 0; len(stream) > 0; i++ {
				if i%9 == 8 {
					time.Sleep(100 * time.Microsecond) // what comes after a pause is read another way than what comes in a row
				}
				n := min(cuts[i%len(cuts)], len(stream))
				if _, err := near.Write(stream[:n]); err != nil {
					return
				}
				stream = stream[n:]
			}
		}()
		return far, nil
	})
	l, err := link.Open(ctx, link.Config{
		Like: like, Name: "test", Logger: zerolog.Nop(), Down: func(err error) { down <- err },
		Receive: func(b *link.Batch) {
			for _, m := range b.Messages {
				got = append(got, m.Data...)
			}
			b.Release()
		},
	})
	if err != nil {
		return nil, err
	}
	defer l.Close()
	err = <-down
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrClosedPipe) { // the latter when it answers a ping after the end
		err = nil
	}
	return got, err
}

type inProcess func() (net.Conn, error)

func (f inProcess) InProcessConn() (net.Conn, error) { return f() }
