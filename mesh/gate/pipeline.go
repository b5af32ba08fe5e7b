package gate

import (
	"sync"
	"time"

	"github.com/lockstep-mesh/lockstep/mesh/link"
)

const (
	parallelBytes = 8 << 10 // less work than this is not worth another goroutine
	maxChunks     = 64      // chunks that may be taken in before the first of them is done
	keptArena     = 1 << 20
)

// chunk are events that arrived together. They are admitted by one goroutine,
// beside those of other chunks, and leave in the order of arrival.
type chunk struct {
	batch   *link.Batch
	events  []event
	arena   []byte // the header blocks
	scratch scratch
	done    bool
}

// pipeline admits chunks in parallel and hands them on in the order in which
// they came: all of a publisher's events come over one connection, so that this
// keeps each publisher's order.
type pipeline struct {
	admit  func(*chunk)
	submit func(*chunk) // called for one chunk at a time, in order
	work   chan *chunk
	staff  sync.WaitGroup

	mu         sync.Mutex
	room       *sync.Cond
	ring       []*chunk // in order of arrival, the first is the oldest
	submitting bool
}

func newPipeline(workers int, admit, submit func(*chunk)) *pipeline {
	p := &pipeline{admit: admit, submit: submit, work: make(chan *chunk)}
	p.room = sync.NewCond(&p.mu)
	for range workers {
		p.staff.Go(func() {
			for c := range p.work {
				p.admit(c)
				p.finished(c)
			}
		})
	}
	return p
}

// take takes a chunk in. It is called by one goroutine.
func (p *pipeline) take(c *chunk, bytes int) {
	p.mu.Lock()
	for len(p.ring) >= maxChunks {
		p.room.Wait()
	}
	p.ring = append(p.ring, c)
	p.mu.Unlock()
	if bytes >= parallelBytes {
		select {
		case p.work <- c:
			return
		default: // all are busy: this goroutine does it
		}
	}
	p.admit(c)
	p.finished(c)
}

// finished marks a chunk as admitted, and submits those whose turn it is.
func (p *pipeline) finished(c *chunk) {
	p.mu.Lock()
	defer p.mu.Unlock()
	c.done = true
	if p.submitting {
		return
	}
	p.submitting = true
	for len(p.ring) > 0 && p.ring[0].done {
		first := p.ring[0]
		copy(p.ring, p.ring[1:])
		p.ring = p.ring[:len(p.ring)-1]
		p.mu.Unlock()
		p.submit(first)
		p.mu.Lock()
	}
	p.submitting = false
	p.room.Broadcast()
}

// close waits until all chunks are submitted. Nothing may be taken in after.
func (p *pipeline) close() {
	p.mu.Lock()
	for len(p.ring) > 0 || p.submitting {
		p.room.Wait()
	}
	p.mu.Unlock()
	close(p.work)
	p.staff.Wait()
}

var chunks = sync.Pool{New: func() any { return new(chunk) }}

// receive takes in what arrived from applications.
func (g *Gate) receive(b *link.Batch) {
	c := chunks.Get().(*chunk) //nolint:forcetypeassert // the pool holds nothing else
	c.batch, c.done = b, false
	bytes := 0
	for _, m := range b.Messages {
		c.events = append(c.events, event{in: m, domain: g.subscribed[m.SID]})
		bytes += len(m.Data) + len(m.Header)
	}
	g.pipeline.take(c, bytes)
}

// admitAll decides about the events of a chunk.
func (g *Gate) admitAll(c *chunk) {
	c.scratch.now = appendTime(c.scratch.now[:0], time.Now())
	for i := range c.events {
		e := &c.events[i]
		if e.domain.dead {
			c.arena = deadLetter(e, c.arena, &c.scratch)
			continue
		}
		c.arena = g.admit(e, c.arena, &c.scratch)
	}
}

// release gives the memory of a chunk back.
func (c *chunk) release() {
	c.batch.Release()
	clear(c.events)
	c.batch, c.events = nil, c.events[:0]
	if c.arena = c.arena[:0]; cap(c.arena) > keptArena {
		c.arena = nil
	}
	chunks.Put(c)
}
