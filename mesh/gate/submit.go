package gate

import (
	"bytes"
	"encoding/json"
	"slices"
	"time"

	"github.com/lockstep-mesh/lockstep/mesh/link"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

const (
	overhead    = 256             // bytes that a waiting message takes beside itself
	maxIsolated = maxWaiting / 16 // refused events that may be on their way to quarantine
	logEvery    = time.Second     // failures are counted, and one in this time is logged
)

// submission is what handing a chunk to the store needs.
type submission struct {
	tickets  []*ticket
	parts    []message
	sent     []uint64
	ids      [][]byte
	lanes    []*lane
	answered []response
}

// message is what an event is stored as, in place.
type message struct {
	prefix, subject, header, data []byte
	id                            []byte
	direct                        []byte // the publisher's inbox, if the stream answers it itself
}

// response is an answer to a publisher that needs no store.
type response struct {
	to      []byte
	refusal *Refusal
	stream  string
}

// submit hands the events of a chunk to the store, in their order. It is called
// for one chunk at a time.
func (g *Gate) submit(c *chunk) {
	g.submitting.Lock()
	defer g.submitting.Unlock()
	s := &g.submission
	now := time.Now()
	for i := range c.events {
		g.prepare(&c.events[i], now, s)
	}
	if g.config.GroupCommit {
		g.submitToLanes(s)
	} else {
		g.submitSingly(s)
	}
	if len(s.answered) > 0 {
		g.answerDirectly(s.answered)
	}
	clear(s.parts)
	clear(s.tickets)
	clear(s.answered)
	s.parts, s.tickets, s.answered = s.parts[:0], s.tickets[:0], s.answered[:0]
	c.release()
}

// prepare takes a ticket for an event, or has it answered at once.
func (g *Gate) prepare(e *event, now time.Time, s *submission) {
	m := message{prefix: e.domain.prefix, subject: e.in.Subject, header: e.header, data: e.in.Data, id: e.id}
	l, k := e.domain.lane, kindEvent
	if e.domain.dead {
		k = kindDead
	}
	if e.refusal != nil {
		g.refused.Add(1)
		if g.isolated.Load() >= maxIsolated {
			r := e.refusal.with("; it is not in quarantine either, where too many wait to be stored")
			s.answered = append(s.answered, response{e.in.Reply, r, e.domain.stream})
			return
		}
		m = message{prefix: []byte(wire.QuarantineRoot + "."), subject: e.in.Subject, header: quarantined(e, now), data: e.in.Data}
		l, k = g.quarantine, kindRefuse
	}
	size := len(m.subject) + len(m.header) + len(m.data) + overhead
	if e.refusal == nil && g.passes(e, size, now) {
		m.direct = e.in.Reply
		s.parts = append(s.parts, m)
		return
	}
	var ok bool
	if s.tickets, ok = g.store.table.reserve(s.tickets, 1, size); !ok {
		r := e.refusal
		if r == nil {
			g.failed.Add(1)
			r = unavailable(CodeBusy, "more events wait to be stored than the gate holds; this one was not stored", "publish again, and fewer at a time")
		} else {
			r = r.with("; it is not in quarantine either, because too many events wait to be stored")
		}
		s.answered = append(s.answered, response{e.in.Reply, r, e.domain.stream})
		return
	}
	t := s.tickets[len(s.tickets)-1]
	t.kind, t.lane, t.refusal, t.size, t.taken, t.alone = k, l, e.refusal, size, now, e.alone
	t.reply = append(t.reply[:0], e.in.Reply...)
	t.stream, t.mayPass = e.domain.stream, g.config.GroupCommit && g.mayPass(e, size, now)
	if k == kindEvent && !g.config.GroupCommit {
		l.mu.Lock()
		l.follow(t)
		l.mu.Unlock()
	}
	if k == kindRefuse {
		g.isolated.Add(1)
	}
	s.parts = append(s.parts, m)
}

// submitSingly writes every message as it is.
func (g *Gate) submitSingly(s *submission) {
	if len(s.parts) == 0 {
		return
	}
	s.sent = g.store.table.send(s.sent[:0], s.tickets...)
	buffer, ok := g.store.mesh.Begin()
	if !ok {
		var outcomes []outcome
		for i, t := range s.tickets {
			if g.store.table.withdraw(s.sent[i]) {
				outcomes = append(outcomes, outcome{ticket: t, err: errNotSent})
			}
		}
		g.respond(outcomes)
		g.forget(errNotSent)
		return
	}
	next := 0
	for i := range s.parts {
		m := &s.parts[i]
		if len(m.direct) > 0 {
			buffer = g.store.appendDirect(buffer, m.direct, m.prefix, m.subject, m.header, m.data)
			continue
		}
		buffer = g.store.appendSingle(buffer, s.sent[next], m.prefix, m.subject, m.header, m.data)
		next++
	}
	g.store.mesh.End(buffer)
	g.store.mesh.Flush()
}

// submitToLanes copies every message and queues it in its lane.
func (g *Gate) submitToLanes(s *submission) {
	for i, t := range s.tickets {
		m := &s.parts[i]
		t.message = append(append(append(append(t.message[:0], m.prefix...), m.subject...), m.header...), m.data...)
		t.subject, t.header = len(m.prefix)+len(m.subject), len(m.header)
	}
	s.lanes, s.ids = s.lanes[:0], s.ids[:0]
	for i := range s.parts {
		s.ids = append(s.ids, s.parts[i].id)
	}
	for i := 0; i < len(s.tickets); {
		l, end := s.tickets[i].lane, i+1
		for end < len(s.tickets) && s.tickets[end].lane == l {
			end++
		}
		l.put(s.tickets[i:end], s.ids[i:end])
		if !slices.Contains(s.lanes, l) {
			s.lanes = append(s.lanes, l)
		}
		i = end
	}
	var outcomes []outcome
	for _, l := range s.lanes {
		outcomes = l.goOn(outcomes)
	}
	g.store.mesh.Flush()
	g.respond(outcomes)
}

// respond answers publishers with what became of their events.
func (g *Gate) respond(outcomes []outcome) {
	if len(outcomes) == 0 {
		return
	}
	buffer, ok := g.apps.Begin()
	var room [64]byte
	tickets := make([]*ticket, 0, len(outcomes))
	for i := range outcomes {
		o := &outcomes[i]
		t := o.ticket
		tickets = append(tickets, t)
		if t.passed.count > 0 {
			if told := g.through(buffer, o); ok {
				buffer = told
			}
		}
		if t.kind == kindFence || t.kind == kindCommit {
			continue // nobody waits for it
		}
		body, rest := g.body(o, o.failure()), []byte(nil)
		if o.sequence > 0 && t.kind != kindRefuse {
			rest = appendSequence(room[:0], o.sequence)
		}
		if ok && len(t.reply) > 0 {
			buffer = link.AppendPub(buffer, t.reply, body, rest)
		}
	}
	if ok {
		g.apps.End(buffer)
		g.apps.Flush()
	}
	g.store.table.giveBack(tickets)
}

// failure is why a message was not stored, or nil.
func (o *outcome) failure() *Refusal {
	switch {
	case o.err != nil:
		return unavailable(CodeStoreSilent, o.err.Error(), againCure)
	case o.sequence > 0:
		return nil
	}
	return ackError(o.ack)
}

// body is the answer to a publisher, or what stands before its sequence.
func (g *Gate) body(o *outcome, failure *Refusal) []byte {
	t := o.ticket
	if t.kind == kindRefuse {
		g.isolated.Add(-1)
		r := t.refusal
		if failure != nil {
			g.log("a refused event could not be kept in quarantine: "+failure.Reason, t.stream)
			r = r.with("; it could not be kept in quarantine either: " + failure.Reason)
		}
		return r.response(t.stream, g.config.Environment)
	}
	if failure != nil {
		if t.kind == kindEvent {
			g.failed.Add(1)
		}
		if failure.Status >= 500 {
			t.lane.relaying.begin(time.Now())
		}
		g.log("the stream did not take an event: "+failure.Reason, t.stream)
		return failure.response(t.stream, g.config.Environment)
	}
	if t.kind == kindEvent {
		g.stored.Add(1)
	}
	return o.ack
}

// log logs a failure, but no more than one in logEvery.
func (g *Gate) log(text, stream string) {
	now, last := time.Now().UnixNano(), g.logged.Load()
	if now-last > int64(logEvery) && g.logged.CompareAndSwap(last, now) {
		g.config.Logger.Warn().Str("stream", stream).Uint64("failed", g.failed.Load()).Msg(text)
	}
}

// answerDirectly answers what needs no store.
func (g *Gate) answerDirectly(responses []response) {
	buffer, ok := g.apps.Begin()
	if !ok {
		return
	}
	for _, r := range responses {
		if len(r.to) > 0 {
			buffer = link.AppendPub(buffer, r.to, r.refusal.response(r.stream, g.config.Environment), nil)
		}
	}
	g.apps.End(buffer)
	g.apps.Flush()
}

// ackError reads an acknowledgement: nil when the message was stored.
func ackError(ack []byte) *Refusal {
	if bytes.HasPrefix(ack, []byte(`{"stream":`)) && bytes.Contains(ack, []byte(`"seq":`)) && !bytes.Contains(ack, []byte(`"error"`)) {
		return nil // the common case, without decoding
	}
	var body struct {
		Stream   string `json:"stream"`
		Sequence uint64 `json:"seq"`
		Error    *struct {
			Code        int    `json:"code"`
			ErrCode     int    `json:"err_code"`
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(ack, &body); err != nil || body.Error == nil && (body.Stream == "" || body.Sequence == 0) {
		return unavailable(CodeStoreSilent, "the stream answered with something that is no acknowledgement", againCure)
	}
	if body.Error == nil {
		return nil
	}
	return storeFailure(body.Error.Code, body.Error.ErrCode, body.Error.Description)
}
