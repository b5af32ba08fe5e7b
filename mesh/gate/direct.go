package gate

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"sync/atomic"
	"time"

	"github.com/lockstep-mesh/lockstep/mesh/link"
)

// Under durability interval the stream answers most publishers itself: the
// gate stores an event with the publisher's inbox as its reply subject, by the
// name that the inbox has in the account of the streams. That saves the answer's
// way through the gate, an eighth of all work and half of the latency.
//
// So that the gate still knows what has become of events, every directEvery-th,
// and every large one, is answered through the gate. A stream answers in order,
// so such an answer says that all before it are answered, too. After one that
// says that something is wrong, all answers go through the gate for a while,
// which can explain them.
const (
	directEvery = 64
	directBytes = 8 << 10          // events of at least this size are answered through the gate
	relayFor    = 10 * time.Second // after something was wrong
	fenceEvery  = 50 * time.Millisecond
	inboxRoot   = "_INBOX."
)

// passed are the events that went to a stream with their publishers' own reply
// subjects since the last that is answered through the gate.
type passed struct {
	count   int
	bytes   int
	replies []byte // each with its length before it
}

func (p *passed) add(reply []byte, size int) {
	p.count++
	p.bytes += size
	p.replies = binary.AppendUvarint(p.replies, uint64(len(reply)))
	p.replies = append(p.replies, reply...)
}

// all yields the reply subjects.
func (p *passed) all(yield func([]byte) bool) {
	for rest := p.replies; len(rest) > 0; {
		n, width := binary.Uvarint(rest)
		end := width + int(n)
		if !yield(rest[width:end]) {
			return
		}
		rest = rest[end:]
	}
}

// relaying remembers until when a lane's answers go through the gate.
type relaying struct{ until atomic.Int64 }

func (r *relaying) begin(now time.Time)    { r.until.Store(now.Add(relayFor).UnixNano()) }
func (r *relaying) now(now time.Time) bool { return now.UnixNano() < r.until.Load() }

// mayPass reports whether the stream may answer a publisher itself.
func (g *Gate) mayPass(e *event, size int, now time.Time) bool {
	return g.config.Inboxes != "" && !e.domain.dead && e.refusal == nil && !e.alone && size < directBytes &&
		bytes.HasPrefix(e.in.Reply, []byte(inboxRoot)) && !e.domain.lane.relaying.now(now)
}

// passes decides whether a message goes directly without a ticket of its own,
// and counts it.
func (g *Gate) passes(e *event, size int, now time.Time) bool {
	if g.config.GroupCommit || !g.mayPass(e, size, now) {
		return false
	}
	l := e.domain.lane
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.passed.count >= directEvery-1 || !g.store.table.count(1, size) {
		return false // refused for want of a ticket, too
	}
	l.passed.add(e.in.Reply, size)
	return true
}

// follow has a ticket tell of what went directly before it.
func (l *lane) follow(one *ticket) {
	one.passed, l.passed = l.passed, passed{replies: one.passed.replies[:0]}
}

// appendDirect appends a message that the stream answers to its publisher.
func (s *store) appendDirect(buffer, reply, prefix, subject, header, data []byte) []byte {
	buffer = append(buffer, "HPUB "...)
	buffer = append(buffer, prefix...)
	buffer = append(buffer, subject...)
	buffer = append(buffer, ' ')
	buffer = append(buffer, s.inboxes...)
	buffer = append(buffer, '.')
	buffer = append(buffer, reply...)
	buffer = link.AppendSizes(buffer, len(header), len(data))
	buffer = append(buffer, header...)
	buffer = append(buffer, data...)
	return append(buffer, "\r\n"...)
}

// appendFence appends a message that the lane's stream refuses, because it
// expects another stream: its answer comes when the stream is through with all
// that came before.
func (s *store) appendFence(buffer []byte, id uint64, l *lane) []byte {
	return s.appendSingle(buffer, id, nil, l.fence, []byte(headerPrefix+"Nats-Expected-Stream: -\r\n\r\n"), nil)
}

// fenceOf is a ticket that stands for what went directly; nil if nothing did.
func (l *lane) fenceOf() *ticket {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.passed.count == 0 {
		return nil
	}
	one := l.store.table.commit()
	one.kind, one.lane, one.stream = kindFence, l, l.stream
	l.follow(one)
	return one
}

// forget tells the publishers of all events that went directly, and of which no
// answer to a later event will tell, that nothing is known of them.
func (g *Gate) forget(err error) {
	for _, d := range g.subscribed {
		if d.lane == nil {
			continue
		}
		if one := d.lane.fenceOf(); one != nil {
			g.respond([]outcome{{ticket: one, err: err}})
		}
	}
}

// fence asks the streams to which events went directly whether they are through
// with them. It is for the last events before a pause.
func (g *Gate) fence() {
	g.submitting.Lock() // what was counted has been sent
	defer g.submitting.Unlock()
	for _, d := range g.subscribed {
		if d.lane == nil {
			continue
		}
		one := d.lane.fenceOf()
		if one == nil {
			continue
		}
		var room [1]uint64
		id := g.store.table.send(room[:0], one)[0]
		buffer, ok := g.store.mesh.Begin()
		if !ok {
			if g.store.table.withdraw(id) {
				g.respond([]outcome{{ticket: one, err: errNotSent}})
			}
			continue
		}
		g.store.mesh.End(g.store.appendFence(buffer, id, d.lane))
		g.store.mesh.Flush()
	}
}

// fences asks every so often.
func (g *Gate) fences(ctx context.Context) {
	tick := time.NewTicker(fenceEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			g.fence()
		}
	}
}

// through takes the answer to a message before which others went directly: they
// are answered, or their publishers are told that nothing is known of them.
// Who has had an answer ignores a second one.
func (g *Gate) through(buffer []byte, o *outcome) []byte {
	t := o.ticket
	if o.err == nil {
		g.stored.Add(uint64(t.passed.count))
		return buffer
	}
	g.failed.Add(uint64(t.passed.count))
	t.lane.relaying.begin(time.Now())
	if t.passed.count > 0 {
		g.log(fmt.Sprintf("it is not known whether %d events were stored: %v", t.passed.count, o.err), t.stream)
	}
	response := unavailable(CodeStoreSilent, o.err.Error(), againCure).response(t.stream, g.config.Environment)
	for reply := range t.passed.all {
		buffer = link.AppendPub(buffer, reply, response, nil)
	}
	return buffer
}
