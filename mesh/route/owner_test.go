package route_test

import (
	"bytes"
	"fmt"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go"

	"github.com/lockstep-mesh/lockstep/mesh/route"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// eachSink runs a test in both ways of writing.
func eachSink(t *testing.T, run func(t *testing.T, durable bool)) {
	t.Helper()
	for _, durable := range []bool{false, true} {
		t.Run(fmt.Sprintf("durable=%v", durable), func(t *testing.T) { run(t, durable) })
	}
}

// marks is how many watermarks the egress stream holds.
func (o *origin) marks(t *testing.T) int {
	t.Helper()
	n := 0
	for _, m := range o.all(t) {
		if strings.HasSuffix(m.Subject, "."+wire.KindWatermark) {
			n++
		}
	}
	return n
}

// Guards against an event that is lost because another route writes a watermark where
// it should stand: the server refuses the event in silence, and takes the next one.
// A rival must write nothing while the first one is alive, however long that one
// pauses, and say why.
func TestRivalWaitsForWhoeverWrites(t *testing.T) {
	eachSink(t, func(t *testing.T, durable bool) {
		o := newOrigin(t)
		var last uint64
		put := func(n int) {
			for range n {
				last = o.put(t, eventType, fmt.Sprintf(`{"order_id":"o","serial":%d}`, last), nil)
			}
		}
		config, _ := o.config(t, durable)
		paused, resume := make(chan struct{}), make(chan struct{})
		var once sync.Once
		first, err := route.StartObserved(config, func() {
			once.Do(func() { close(paused) })
			<-resume
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(first.Close)
		resumes := sync.OnceFunc(func() { close(resume) })
		t.Cleanup(resumes)
		put(3)
		<-paused
		config, _ = o.config(t, durable)
		rival, err := route.Start(config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(rival.Close)
		eventually(t, func() string {
			if s := rival.Status(); !strings.Contains(s.Problem, "another route writes it") && o.marks(t) == 0 {
				return fmt.Sprintf("the rival neither writes nor says why: %+v", s)
			}
			return ""
		})
		if n := len(o.stored(t)); n > 0 {
			t.Errorf("the rival has written %d messages", n)
			rival.Close() // so that what the first one goes on with does the harm
		}
		put(5)
		resumes()
		o.exactly(t, last)
		first.Close()
		put(5)
		o.exactly(t, last)
		o.marked(t, 1)
	})
}

// Guards against an event that is lost because of what a lost connection still had
// on its way: it must have arrived, or be gone, before the route writes again.
func TestRouteWaitsForWhatItsLostConnectionHasOnItsWay(t *testing.T) {
	eachSink(t, func(t *testing.T, durable bool) {
		o := newOrigin(t)
		last := o.put(t, eventType, `{"order_id":"o","serial":1}`, nil)
		network := &network{readable: make(chan struct{})}
		nc, err := o.node.Connect("test", nats.SetCustomDialer(network))
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(nc.Close)
		config, _ := o.config(t, durable)
		config.Conn = nc
		r, err := route.Start(config)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(r.Close)
		resumes := sync.OnceFunc(func() { close(network.readable) })
		t.Cleanup(resumes)
		o.egress(t, last)
		network.hold()
		for serial := range 2 {
			o.put(t, eventType, fmt.Sprintf(`{"order_id":"o","serial":%d}`, serial), nil)
		}
		eventually(t, func() string {
			if n := network.held(); n < 2 {
				return fmt.Sprintf("%d messages are on their way", n)
			}
			return ""
		})
		before := o.marks(t)
		network.cut()
		// Long enough for a watermark, in place of the first of the two.
		for end := time.Now().Add(1500 * time.Millisecond); time.Now().Before(end) && o.marks(t) == before; {
			time.Sleep(10 * time.Millisecond)
		}
		if err := network.arrive(); err != nil {
			t.Fatal(err)
		}
		resumes()
		last = o.put(t, eventType, `{"order_id":"o","serial":3}`, nil)
		o.exactly(t, last)
		o.marked(t, 1)
	})
}

// Guards against a route that writes though it cannot know whether somebody else does,
// or waits without a word, or for ever.
func TestRouteWaitsForWhoeverDoesNotAnswer(t *testing.T) {
	o := newOrigin(t)
	other, err := o.conn.SubscribeSync(">")
	if err != nil {
		t.Fatal(err)
	}
	if err := o.conn.Flush(); err != nil {
		t.Fatal(err)
	}
	last := o.put(t, eventType, `{"order_id":"o","serial":1}`, nil)
	r := o.start(t)
	eventually(t, func() string {
		if s := r.Status(); !strings.Contains(s.Problem, wire.WriterSubject("production", "ORDERS_TO_STAGING")) {
			return fmt.Sprintf("the route does not say what it waits for: %+v", s)
		}
		return ""
	})
	if n := len(o.stored(t)); n > 0 {
		t.Errorf("it has written %d messages", n)
	}
	if err := other.Unsubscribe(); err != nil {
		t.Fatal(err)
	}
	o.exactly(t, last)
}

// network has what a route writes arrive late.
type network struct {
	readable chan struct{} // closed when events may be read again

	mu    sync.Mutex
	state int
	late  *delayed
	data  []byte // on its way
}

// What becomes of connections, in this order.
const (
	passes = iota
	holds  // the latest one for writing
	isCut  // it is lost, and nothing more is read of the origin's stream
)

func (n *network) Dial(kind, address string) (net.Conn, error) {
	c, err := net.Dial(kind, address)
	if err != nil {
		return nil, err
	}
	return &delayed{Conn: c, network: n}, nil
}

func (n *network) hold() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.state = holds
}

// held is how many messages are on their way.
func (n *network) held() int {
	n.mu.Lock()
	defer n.mu.Unlock()
	return bytes.Count(n.data, []byte("HPUB "))
}

// cut has the route lose its connection.
func (n *network) cut() {
	n.mu.Lock()
	defer n.mu.Unlock()
	n.state = isCut
	_ = n.late.SetReadDeadline(time.Unix(1, 0))
}

// arrive has the server get what is on its way, and then the end of the connection.
func (n *network) arrive() error {
	n.mu.Lock()
	late, data := n.late.Conn.(*net.TCPConn), n.data
	n.mu.Unlock()
	_ = late.SetDeadline(time.Now().Add(10 * time.Second))
	if _, err := late.Write(data); err != nil {
		return err
	}
	if err := late.CloseWrite(); err != nil {
		return err
	}
	_, err := io.Copy(io.Discard, late)
	_ = late.Close()
	return err
}

// delayed is a connection through a network.
type delayed struct {
	net.Conn
	network *network
	reads   bool // the origin's stream
}

func (c *delayed) Write(b []byte) (int, error) {
	n := c.network
	n.mu.Lock()
	defer n.mu.Unlock()
	if bytes.HasPrefix(b, []byte("CONNECT ")) {
		c.reads = bytes.Contains(b, []byte(", reading"))
		if n.state == passes && bytes.Contains(b, []byte(", writing")) {
			n.late = c
		}
	}
	if c == n.late && n.state >= holds {
		n.data = append(n.data, b...)
		return len(b), nil
	}
	return c.Conn.Write(b)
}

func (c *delayed) Read(b []byte) (int, error) {
	got, err := c.Conn.Read(b)
	n := c.network
	n.mu.Lock()
	wait := n.state == isCut && c.reads && bytes.Contains(b[:got], []byte("HMSG "))
	n.mu.Unlock()
	if wait {
		<-n.readable
	}
	return got, err
}

func (c *delayed) SetWriteDeadline(at time.Time) error {
	c.network.mu.Lock()
	defer c.network.mu.Unlock()
	if c == c.network.late && c.network.state >= holds {
		return nil
	}
	return c.Conn.SetWriteDeadline(at)
}

// Close closes it for the route; what is on its way arrives all the same.
func (c *delayed) Close() error {
	c.network.mu.Lock()
	defer c.network.mu.Unlock()
	if c == c.network.late && c.network.state >= holds {
		return nil
	}
	return c.Conn.Close()
}
