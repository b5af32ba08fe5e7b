package gate

import (
	"fmt"
	"strconv"
	"sync"
	"time"
)

// What decides when a batch is worth it, until it is measured: a batch costs
// about 2 ms whatever it holds, a single synced publish 140 µs.
const (
	batchCost   = 2 * time.Millisecond
	singleCost  = 140 * time.Microsecond
	perMessage  = 6 * time.Microsecond // of a batch
	minWorth    = 2                    // messages, bounds of the estimate
	maxWorth    = 64
	maxBatch    = 1000 // messages, the server's limit
	maxBatchLen = 4 << 20
	maxStaged   = 2 // batches that are with the server while one before them is committed
)

// batchesAgain is how long a stream that refuses batches is not asked again.
const batchesAgain = time.Minute

// lane writes into one stream by group commit: while few messages wait, each is
// sent as it comes; when many wait, they are sent as one atomic batch, which the
// server syncs once.
//
// Messages are stored in the order in which they are put. While a batch is
// being committed, nothing after it takes effect: full batches are already
// brought to the server, but their commits wait. So a batch that the stream
// refuses, because of one duplicate in it, can be sent in parts and still be
// stored before what came later.
type lane struct {
	store  *store
	stream string
	groups bool // false: every message is sent as it comes, and of the below only passed is used

	relaying relaying
	fence    []byte // subject of fences; empty for lanes of streams that hold no events

	mu         sync.Mutex
	queue      queue    // not yet sent
	again      []part   // parts of a refused batch, in order; they come before staged and queue
	committing *batch   // whose commit is not answered yet
	staged     []*batch // with the server but for the commit
	singles    int      // sent singly and not answered
	passed     passed   // what the stream answers itself
	passedAt   time.Time
	recent     recent
	refusesTo  time.Time     // until then the stream is taken to refuse batches
	single     time.Duration // what a single publish costs the stream, measured
	batch      time.Duration // what a batch costs it beside its messages
	lastAnswer time.Time
}

// part is a run of messages that were refused together.
type part struct {
	tickets []*ticket
	singly  bool
	splits  int // how often what it is of was refused
}

func newLane(s *store, stream string, groups bool) *lane {
	return &lane{store: s, stream: stream, groups: groups, recent: newRecent(), single: singleCost, batch: batchCost}
}

// worth is how many messages must wait for a batch to cost less than they do
// singly.
func (l *lane) worth() int {
	return min(max(int(l.batch/max(l.single-perMessage, time.Microsecond)), minWorth), maxWorth)
}

// put queues messages; goOn sends them.
func (l *lane) put(tickets []*ticket, ids [][]byte) {
	l.mu.Lock()
	defer l.mu.Unlock()
	for i, one := range tickets {
		if len(ids[i]) > 0 && l.recent.add(ids[i]) {
			one.alone = true // it may be a duplicate, for which a batch is refused whole
		}
		l.queue.push(one)
	}
}

// goOn sends what may be sent now. It appends to outcomes what could not be.
// The caller flushes the link to the store.
func (l *lane) goOn(outcomes []outcome) []outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	for l.committing == nil {
		switch {
		case len(l.again) > 0:
			p := &l.again[0]
			if !p.singly {
				l.again = l.again[1:]
				outcomes = l.begin(&batch{lane: l, tickets: p.tickets, splits: p.splits}, outcomes)
				continue
			}
			if l.singles >= l.window() {
				return outcomes
			}
			outcomes = l.sendSingly(p.tickets[0], outcomes)
			if p.tickets = p.tickets[1:]; len(p.tickets) == 0 {
				l.again = l.again[1:]
			}
		case len(l.staged) > 0:
			b := l.staged[0]
			l.staged = l.staged[1:]
			outcomes = l.commit(b, outcomes)
		case l.queue.len() == 0:
			return outcomes
		default:
			run, full := l.run()
			if run < l.worth() {
				if l.singles >= l.window() {
					return outcomes
				}
				outcomes = l.sendSingly(l.queue.pop(), outcomes)
				continue
			}
			if l.singles > 0 && !full && l.queue.len() == run {
				return outcomes // while those are under way, more come together
			}
			outcomes = l.begin(l.take(run), outcomes)
		}
	}
	for len(l.staged) < maxStaged {
		run, full := l.run()
		if !full || run < l.worth() {
			break
		}
		b := l.take(run)
		if !l.stage(b) {
			outcomes = b.failed(outcomes, errNotSent)
			continue
		}
		l.staged = append(l.staged, b)
	}
	return outcomes
}

// window is how many messages may be under way singly.
func (l *lane) window() int { return max(l.worth(), 16) }

// run is how many messages at the head of the queue can be one batch, and
// whether that batch is full.
func (l *lane) run() (n int, full bool) {
	if !l.refusesTo.IsZero() && time.Now().Before(l.refusesTo) {
		return 0, false
	}
	return l.queue.run()
}

func (l *lane) take(n int) *batch {
	b := &batch{lane: l, tickets: make([]*ticket, 0, n)}
	for range n {
		b.tickets = append(b.tickets, l.queue.pop())
	}
	return b
}

// sendSingly sends one message.
func (l *lane) sendSingly(one *ticket, outcomes []outcome) []outcome {
	if time.Since(one.taken) > storeTimeout {
		return append(outcomes, outcome{ticket: one, err: errWaited})
	}
	subject, header, data := one.parts()
	now := time.Now()
	direct := l.passesAlone(one, now)
	id := uint64(0)
	if !direct {
		l.follow(one)
		var room [1]uint64
		id = l.store.table.send(room[:0], one)[0]
	}
	buffer, ok := l.store.mesh.Begin()
	switch {
	case !ok && direct, !ok && l.store.table.withdraw(id):
		return append(outcomes, outcome{ticket: one, err: errNotSent})
	case !ok:
		l.singles++ // whoever took the ticket settles it
	case direct:
		l.store.mesh.End(l.store.appendDirect(buffer, one.reply, nil, subject, header, data))
		l.passed.add(one.reply, one.size)
		l.passedAt = now
		l.store.table.release(one)
	default:
		l.store.mesh.End(l.store.appendSingle(buffer, id, nil, subject, header, data))
		l.singles++
	}
	return outcomes
}

// passesAlone reports whether the stream may answer the publisher of a single
// message itself: when nothing else is under way, as far as is known.
func (l *lane) passesAlone(one *ticket, now time.Time) bool {
	return one.mayPass && l.singles == 0 && l.queue.len() == 0 && len(l.again) == 0 &&
		l.passed.count < directEvery-1 && now.Sub(l.passedAt) > l.single/2
}

// begin stages a batch and commits it.
func (l *lane) begin(b *batch, outcomes []outcome) []outcome {
	if !l.stage(b) {
		return b.failed(outcomes, errNotSent)
	}
	return l.commit(b, outcomes)
}

// stage sends all of a batch but its last message.
func (l *lane) stage(b *batch) bool {
	b.id = l.store.batches.Add(1)
	buffer, ok := l.store.mesh.Begin()
	if !ok {
		return false
	}
	for i, one := range b.tickets[:len(b.tickets)-1] {
		buffer = b.append(buffer, one, i+1)
	}
	l.store.mesh.End(buffer)
	return true
}

// commit sends the last message of a staged batch.
func (l *lane) commit(b *batch, outcomes []outcome) []outcome {
	one := l.store.table.commit()
	one.kind, one.lane, one.stream, one.batch = kindCommit, l, l.stream, b
	l.follow(one)
	var room [1]uint64
	b.commit = l.store.table.send(room[:0], one)[0]
	buffer, ok := l.store.mesh.Begin()
	if !ok {
		if l.store.table.withdraw(b.commit) {
			outcomes = append(outcomes, outcome{ticket: one, err: errNotSent})
			return b.failed(outcomes, errNotSent)
		}
		l.committing = b // whoever took the ticket settles it
		return outcomes
	}
	l.store.mesh.End(b.append(buffer, b.tickets[len(b.tickets)-1], len(b.tickets)))
	l.committing = b
	return outcomes
}

// answered takes the answer of a message of this lane, and appends to outcomes
// what it means for publishers.
func (l *lane) answered(h hit, outcomes []outcome) []outcome {
	l.mu.Lock()
	defer l.mu.Unlock()
	now := time.Now()
	took := now.Sub(h.ticket.sent)
	if since := now.Sub(l.lastAnswer); since < took {
		took = since // the stream was busy with the one before
	}
	l.lastAnswer = now
	if h.ticket.kind == kindFence {
		return append(outcomes, outcome{ticket: h.ticket, ack: h.ack, err: h.err})
	}
	if h.ticket.kind != kindCommit {
		l.singles--
		if h.err == nil {
			l.single += (took - l.single) / 16
		}
		return append(outcomes, outcome{ticket: h.ticket, ack: h.ack, err: h.err})
	}
	b := h.ticket.batch
	outcomes = append(outcomes, outcome{ticket: h.ticket, ack: h.ack, err: h.err})
	l.committing = nil
	if h.err != nil {
		return b.failed(outcomes, h.err)
	}
	prefix, last, ok := batchAck(h.ack, len(b.tickets))
	if ok {
		l.batch += (took - time.Duration(len(b.tickets))*perMessage - l.batch) / 8
		l.store.committed(len(b.tickets))
		for i, one := range b.tickets {
			outcomes = append(outcomes, outcome{ticket: one, ack: prefix, sequence: last - uint64(len(b.tickets)-1-i)})
		}
		return outcomes
	}
	failure := ackError(h.ack)
	if failure == nil { // it says stored, but not how many
		return b.failed(outcomes, fmt.Errorf("the stream answered a batch of %d with %q", len(b.tickets), h.ack))
	}
	l.refused(b, failure)
	return outcomes
}

// refused has the messages of a refused batch, none of which is stored, sent
// again in smaller parts, at last singly, so that each gets an answer of its own.
func (l *lane) refused(b *batch, failure *Refusal) {
	if failure.ErrCode == codeBatchDisabled {
		l.refusesTo = time.Now().Add(batchesAgain)
		l.store.log.Warn().Str("stream", l.stream).Msg("the stream takes no atomic batches, so that every event is synced by itself: set allow_atomic on it")
	}
	if failure.ErrCode != codeBatchDuplicate || b.splits >= maxSplits || len(b.tickets) < 2*l.worth() {
		l.again = append([]part{{tickets: b.tickets, singly: true}}, l.again...)
		return
	}
	half := len(b.tickets) / 2
	l.again = append([]part{
		{tickets: b.tickets[:half], splits: b.splits + 1},
		{tickets: b.tickets[half:], splits: b.splits + 1},
	}, l.again...)
}

// parts are what a waiting message consists of.
func (t *ticket) parts() (subject, header, data []byte) {
	return t.message[:t.subject], t.message[t.subject : t.subject+t.header], t.message[t.subject+t.header:]
}

// queue are tickets in order.
type queue struct {
	tickets []*ticket
	first   int
	known   int // tickets at the head that are known to fit into one batch
	bytes   int // of those
}

func (q *queue) len() int { return len(q.tickets) - q.first }

func (q *queue) push(one *ticket) {
	if q.first > 1024 && q.first > len(q.tickets)/2 {
		n := copy(q.tickets, q.tickets[q.first:])
		clear(q.tickets[n:])
		q.tickets, q.first = q.tickets[:n], 0
	}
	q.tickets = append(q.tickets, one)
}

func (q *queue) pop() *ticket {
	one := q.tickets[q.first]
	q.tickets[q.first] = nil
	q.first++
	if q.first == len(q.tickets) {
		q.tickets, q.first = q.tickets[:0], 0
	}
	if q.known > 0 {
		q.known--
		q.bytes -= len(one.message)
	}
	return one
}

// run is how many tickets at the head can be one batch, and whether more than
// those do not fit.
func (q *queue) run() (n int, full bool) {
	for q.known < q.len() {
		one := q.tickets[q.first+q.known]
		full = q.known == maxBatch || q.known > 0 && q.bytes+len(one.message) > maxBatchLen
		if full || one.alone {
			break
		}
		q.known++
		q.bytes += len(one.message)
	}
	return q.known, full || q.known == maxBatch
}

// appendSequence ends an acknowledgement with its sequence.
func appendSequence(dst []byte, sequence uint64) []byte {
	return append(strconv.AppendUint(dst, sequence, 10), '}')
}
