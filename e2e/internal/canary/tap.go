package canary

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"sync"

	"github.com/klauspost/compress/s2"
)

// Tap listens on loopback, passes each connection on to its target, and records
// all that goes through. It is safe for concurrent use.
type Tap struct {
	listener net.Listener
	target   string
	work     sync.WaitGroup

	mu     sync.Mutex
	conns  map[net.Conn]bool
	flows  []*flow
	closed bool
}

// flow is one direction of one connection.
type flow struct {
	mu    sync.Mutex
	bytes bytes.Buffer
}

func (f *flow) Write(b []byte) (int, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.bytes.Write(b)
}

// NewTap begins to listen, for connections to target.
func NewTap(ctx context.Context, target string) (*Tap, error) {
	var lc net.ListenConfig
	l, err := lc.Listen(ctx, "tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	t := &Tap{listener: l, target: target, conns: map[net.Conn]bool{}}
	t.work.Go(t.accept)
	return t, nil
}

// Address is where the tap listens.
func (t *Tap) Address() string { return t.listener.Addr().String() }

func (t *Tap) accept() {
	for {
		inner, err := t.listener.Accept()
		if err != nil {
			return
		}
		outer, err := (&net.Dialer{}).Dial("tcp", t.target)
		if err != nil {
			_ = inner.Close() // the target is away; the caller tries again
			continue
		}
		there, back := &flow{}, &flow{}
		t.mu.Lock()
		if t.closed {
			t.mu.Unlock()
			_, _ = inner.Close(), outer.Close()
			return
		}
		t.conns[inner], t.conns[outer] = true, true
		t.flows = append(t.flows, there, back)
		t.mu.Unlock()
		t.work.Go(func() { t.pass(outer, inner, there) })
		t.work.Go(func() { t.pass(inner, outer, back) })
	}
}

func (t *Tap) pass(to, from net.Conn, record *flow) {
	_, _ = io.Copy(io.MultiWriter(record, to), from)
	_, _ = to.Close(), from.Close()
	t.mu.Lock()
	defer t.mu.Unlock()
	delete(t.conns, to)
	delete(t.conns, from)
}

// Cut ends all connections, as a broken line would. New ones may come.
func (t *Tap) Cut() {
	t.mu.Lock()
	defer t.mu.Unlock()
	for c := range t.conns {
		_ = c.Close()
	}
}

// Close ends the tap. It may be called more than once.
func (t *Tap) Close() {
	t.mu.Lock()
	t.closed = true
	t.mu.Unlock()
	_ = t.listener.Close()
	t.Cut()
	t.work.Wait()
}

// Recorded is all that went through so far: one text for each direction of each
// connection, and one more for what was compressed in it.
func (t *Tap) Recorded() ([][]byte, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	var all [][]byte
	for _, f := range t.flows {
		f.mu.Lock()
		raw := bytes.Clone(f.bytes.Bytes())
		f.mu.Unlock()
		all = append(all, raw)
		begin := bytes.Index(raw, []byte("\xff\x06\x00\x00S2sTwO"))
		if begin < 0 {
			continue
		}
		plain, err := io.ReadAll(s2.NewReader(bytes.NewReader(wholeFrames(raw[begin:]))))
		if err != nil {
			return nil, fmt.Errorf("what was recorded cannot be decompressed: %w", err)
		}
		all = append(all, plain)
	}
	return all, nil
}

// wholeFrames cuts off the frame that a broken connection has left unfinished:
// a frame is a byte for its type, three for its length, and as many more.
func wholeFrames(stream []byte) []byte {
	end := 0
	for end+4 <= len(stream) {
		next := end + 4 + (int(stream[end+1]) | int(stream[end+2])<<8 | int(stream[end+3])<<16)
		if next > len(stream) {
			break
		}
		end = next
	}
	return stream[:end]
}
