package link

import (
	"net"
	"runtime"
	"sync"
	"time"
)

const (
	pumpRoom = maxKept  // bytes that a pump takes in before it makes the server wait
	enough   = 64 << 10 // bytes that are worth handing over without looking for more
	yields   = 4

	// A read that returns so soon found the server waiting; after some in a row
	// there is more than is worked on. One that takes as long has nothing to gather.
	prompt = 2 * time.Microsecond
	busy   = 4
	idle   = 10 * time.Microsecond
)

// pump gathers what comes out of an in-process pipe. A pipe has no buffer of
// its own: the server writes 512 bytes at a time and waits until they are read,
// so that a reader that works on what it read in between would get events one
// by one (measured: 1.0 events a read, 4.5 µs of CPU more for each). A
// goroutine reads ahead therefore, but only while more comes than is worked on:
// what comes alone is read by who works on it, without a change of goroutine.
type pump struct {
	net.Conn
	done chan struct{}

	prompts int // reads in a row that found the server waiting; of the reader

	mu      sync.Mutex
	changed *sync.Cond
	ahead   bool   // the goroutine reads; otherwise Read does
	data    []byte // read ahead
	taken   int    // bytes of it that Read has handed over
	err     error
	closed  bool
}

func newPump(conn net.Conn) *pump {
	p := &pump{Conn: conn, done: make(chan struct{})}
	p.changed = sync.NewCond(&p.mu)
	go p.run()
	return p
}

// run reads ahead whenever there is more to do.
func (p *pump) run() {
	defer close(p.done)
	room := make([]byte, readSize)
	p.mu.Lock()
	defer p.mu.Unlock()
	for {
		for !p.ahead && !p.closed {
			p.changed.Wait()
		}
		if p.closed {
			return
		}
		p.mu.Unlock()
		begin := time.Now()
		n, err := p.Conn.Read(room)
		waited := time.Since(begin)
		p.mu.Lock()
		for len(p.data)-p.taken > pumpRoom && !p.closed {
			p.changed.Wait()
		}
		p.data = append(p.data, room[:n]...)
		p.err = err
		p.ahead = err == nil && waited < idle
		p.changed.Broadcast()
		if err != nil {
			return
		}
	}
}

// Read takes what has been gathered. While more is coming it lets the server
// go on first: a few hundred nanoseconds when there is nothing else to do. It
// is for one goroutine.
func (p *pump) Read(b []byte) (int, error) {
	p.mu.Lock()
	for len(p.data) == 0 && p.err == nil && p.ahead && !p.closed {
		p.changed.Wait()
	}
	if len(p.data) == 0 && p.err == nil {
		p.mu.Unlock()
		return p.direct(b)
	}
	defer p.mu.Unlock()
	for i, had := 0, 0; i < yields && len(p.data)-p.taken < enough && len(p.data) > had; i++ {
		had = len(p.data)
		p.mu.Unlock()
		runtime.Gosched()
		p.mu.Lock()
	}
	if len(p.data) == 0 {
		return 0, p.err
	}
	n := copy(b, p.data[p.taken:])
	if p.taken += n; p.taken == len(p.data) {
		p.data, p.taken = p.data[:0], 0
	}
	p.changed.Broadcast()
	return n, nil
}

// direct reads without anybody between, and has the goroutine read ahead once
// the server is found waiting again and again.
func (p *pump) direct(b []byte) (int, error) {
	begin := time.Now()
	n, err := p.Conn.Read(b)
	if time.Since(begin) >= prompt {
		p.prompts = 0
		return n, err
	}
	if p.prompts++; p.prompts >= busy {
		p.prompts = 0
		p.mu.Lock()
		p.ahead = true
		p.changed.Broadcast()
		p.mu.Unlock()
	}
	return n, err
}

// Close closes the pipe and waits until nothing reads from it any more.
func (p *pump) Close() error {
	err := p.Conn.Close()
	p.mu.Lock()
	p.closed = true
	p.changed.Broadcast()
	p.mu.Unlock()
	<-p.done
	return err
}
