package gate_test

import (
	"fmt"
	"net"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/gate"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// tap is a dialer whose connections can be cut, and held up: nothing is read then.
type tap struct {
	held  sync.RWMutex // locked for writing while they are held up
	mu    sync.Mutex
	conns []net.Conn
}

type tapped struct {
	net.Conn
	tap *tap
}

func (t *tap) Dial(network, address string) (net.Conn, error) {
	conn, err := net.Dial(network, address)
	if err != nil {
		return nil, err
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	t.conns = append(t.conns, conn)
	return &tapped{conn, t}, nil
}

func (c *tapped) Read(p []byte) (int, error) {
	n, err := c.Conn.Read(p)
	c.tap.held.RLock()
	defer c.tap.held.RUnlock()
	return n, err
}

func (t *tap) cut() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for _, c := range t.conns {
		_ = c.Close()
	}
	t.conns = nil
}

// tapGate starts the bench's gate afresh, with its way to the store through a tap.
func (b *bench) tapGate(t *testing.T) *tap {
	t.Helper()
	if err := b.gate.Close(t.Context()); err != nil {
		t.Fatal(err)
	}
	held := &tap{}
	nc, err := b.node.Connect("tapped", nats.SetCustomDialer(held))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(nc.Close)
	c := b.config
	c.Mesh = nc
	b.gate = b.startGate(t, c)
	return held
}

// Guards against a store that does not keep up filling the gate's memory, or
// events that are dropped without a word: beyond its bounds the gate must say
// so at once, and all that it took must be stored.
func TestStoreThatDoesNotKeepUp(t *testing.T) {
	if testing.Short() {
		t.Skip("198 MB take longer under the race detector than the gate waits for a store")
	}
	b := newBench(t, always)
	held := b.tapGate(t)
	js := b.async(t, 1000)
	const n, size = 220, 900_000 // 198 MB
	filler := strings.Repeat("x", size)
	var before, during runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	held.held.Lock()
	release := sync.OnceFunc(held.held.Unlock)
	t.Cleanup(release) // a gate whose reads are held up cannot close
	futures := make([]jetstream.PubAckFuture, n)
	for i := range n {
		var err error
		if futures[i], err = js.PublishAsync("orders.order.placed", fmt.Appendf(nil, `{"order_id":"o","total":%d,"email":%q}`, i, filler)); err != nil {
			t.Fatal(err)
		}
	}
	open := map[int]jetstream.PubAckFuture{}
	for i, f := range futures {
		open[i] = f
	}
	// On a slow machine the gate has waited long enough for some: those may be stored.
	busy, silent := 0, uint64(0)
	settle := func(err error) {
		switch api := refusal(t, err); {
		case api.Code == 503 && int(api.ErrorCode) == gate.CodeBusy:
			busy++
		case api.Code == 503 && int(api.ErrorCode) == gate.CodeStoreSilent:
			silent++
		default:
			t.Fatal(err)
		}
	}
	for busy == 0 && len(open) > 0 { // some must be refused while nothing is stored
		for i, f := range open {
			select {
			case err := <-f.Err():
				settle(err)
				delete(open, i)
			case <-t.Context().Done():
				t.Fatal("nothing was refused")
			default:
				runtime.Gosched()
			}
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&during)
	release()
	if busy == 0 {
		t.Fatal("nothing was refused for want of room")
	}
	acknowledged := uint64(0)
	for _, f := range open {
		if _, err := outcome(t, f); err != nil {
			settle(err)
		} else {
			acknowledged++
		}
	}
	stored := b.count(t, "ORDERS")
	if acknowledged == 0 || stored < acknowledged || stored > acknowledged+silent || b.gate.Stats().Waiting != 0 {
		t.Errorf("%d acknowledged, %d without an answer in time, %d stored, %+v", acknowledged, silent, stored, b.gate.Stats())
	}
	// The client holds all of its own; the gate at most its bound, twice while copying.
	if grown := during.HeapAlloc - min(before.HeapAlloc, during.HeapAlloc); grown > n*size+(300<<20) {
		t.Errorf("%d MB more on the heap", grown>>20)
	}
}

// Guards against publishers that wait for ever, and against events stored twice,
// when the gate loses its connection to the store: each publish must be answered,
// and publishing again with the same id must do.
func TestConnectionToTheStoreIsLost(t *testing.T) {
	for name, change := range durabilities {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, change)
			held := b.tapGate(t)
			js := b.async(t, 500)
			const n = 3000
			var failed int
			publish := func(i int) jetstream.PubAckFuture {
				f, err := js.PublishAsync("orders.order.placed", order("o", i), jetstream.WithMsgID(fmt.Sprint("m", i)), jetstream.WithStallWait(20*time.Second), jetstream.WithRetryAttempts(0))
				if err != nil {
					t.Fatal(err)
				}
				return f
			}
			open := map[int]jetstream.PubAckFuture{}
			for i := range n {
				if i%1000 == 500 {
					held.cut()
				}
				open[i] = publish(i)
			}
			for round := 0; len(open) > 0; round++ {
				for i, f := range open {
					_, err := outcome(t, f)
					if err == nil {
						delete(open, i)
						continue
					}
					failed++
					if api := refusal(t, err); int(api.ErrorCode) != gate.CodeStoreSilent || round == 100 {
						t.Fatalf("event %d: %v", i, err)
					}
				}
				for i := range open {
					open[i] = publish(i)
				}
			}
			if stored := b.count(t, "ORDERS"); stored != n {
				t.Errorf("%d events stored, not %d", stored, n)
			}
			if failed == 0 {
				t.Error("no publish failed")
			}
		})
	}
}

// Guards against headers that the gate and the server read differently: what is
// not plainly a name, a colon and a value must not get in.
func TestHeadersThatAreNone(t *testing.T) {
	b := newBench(t, nil)
	for name, block := range map[string]string{
		"no version":           "X: y\r\n\r\n",
		"a status":             "NATS/1.0 503\r\n\r\n",
		"bare line feed":       "NATS/1.0\r\nX: y\nNats-Rollup: all\r\n\r\n",
		"bare carriage return": "NATS/1.0\r\nX: y\rNats-Rollup: all\r\n\r\n",
		"continued line":       "NATS/1.0\r\nX: y\r\n Nats-Rollup: all\r\n\r\n",
		"space before colon":   "NATS/1.0\r\nNats-Rollup : all\r\n\r\n",
		"no colon":             "NATS/1.0\r\nNats-Rollup\r\n\r\n",
		"no name":              "NATS/1.0\r\n: all\r\n\r\n",
		"no end":               "NATS/1.0\r\nX: y\r\n",
		"more after the end":   "NATS/1.0\r\n\r\nNats-Rollup: all\r\n\r\n",
		"zero byte":            "NATS/1.0\r\nX: \x00\r\n\r\n",
	} {
		t.Run(name, func(t *testing.T) {
			answer := b.publishRaw(t, block, `{"order_id":"o","total":1}`)
			if !strings.Contains(answer, fmt.Sprint(gate.CodeHeader)) {
				t.Errorf("answered %s", answer)
			}
		})
	}
	if stored := b.count(t, "ORDERS"); stored != 0 {
		t.Errorf("%d stored", stored)
	}
	if kept := b.count(t, wire.QuarantineStream); kept == 0 {
		t.Error("none is in quarantine")
	}
}

// publishRaw publishes with a header block as it stands, and gives the answer.
func (b *bench) publishRaw(t *testing.T, block, data string) string {
	t.Helper()
	dialed := make(chan *rawConn, 1)
	nc, err := nats.Connect(b.node.ClientURL(), nats.UserCredentials(b.node.ApplicationCredentials()), nats.NoReconnect(), nats.SetCustomDialer(dialFunc(func(network, address string) (net.Conn, error) {
		conn, err := net.Dial(network, address)
		if err != nil {
			return nil, err
		}
		raw := &rawConn{Conn: conn}
		dialed <- raw
		return raw, nil
	})))
	if err != nil {
		t.Fatal(err)
	}
	defer nc.Close()
	inbox := nc.NewInbox()
	sub, err := nc.SubscribeSync(inbox)
	if err != nil {
		t.Fatal(err)
	}
	if err := nc.Flush(); err != nil {
		t.Fatal(err)
	}
	if _, err := fmt.Fprintf(<-dialed, "HPUB orders.order.placed %s %d %d\r\n%s%s\r\n", inbox, len(block), len(block)+len(data), block, data); err != nil {
		t.Fatal(err)
	}
	m, err := sub.NextMsg(5 * time.Second)
	if err != nil {
		t.Fatal(err)
	}
	return string(m.Data)
}

type dialFunc func(network, address string) (net.Conn, error)

func (f dialFunc) Dial(network, address string) (net.Conn, error) { return f(network, address) }

type rawConn struct {
	net.Conn
	mu sync.Mutex
}

func (c *rawConn) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.Conn.Write(p)
}
