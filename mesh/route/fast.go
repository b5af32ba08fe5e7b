package route

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh/link"
)

const (
	flowEvery      = 400 // messages between two acknowledgements
	windowMessages = 10 * flowEvery
	windowBytes    = 16 << 20
	sendBytes      = 32 << 10 // that are sent although more follows
)

// The operations of JetStream's fast batch publishing, in reply subjects
// <inbox>.<batch>.<flow>.<gap mode>.<batch sequence>.<operation>.$FI.
const (
	fastStart  = ".0.$FI"
	fastAppend = ".1.$FI"
	fastEnd    = ".3.$FI"
)

// fastSink writes each message at once, as a part of a fast batch that stays
// open while events flow, and learns later that it is stored. It suits a server
// that acknowledges before it syncs: nobody waits for an acknowledgement.
//
// Each message names the sequence it expects to follow, and the server refuses
// what does not follow within the batch. So a message is stored only behind all
// messages that were put before it, and only if nobody else has written since
// the position was read: a second route is refused at its first message, and
// what is still under way of a batch that failed either lands where it belongs,
// in which case whoever has read the checkpoint before is refused, or nowhere.
type fastSink struct {
	route *Route
	at    *position
	link  *link.Link
	inbox string
	limit int64 // bytes of a message that the server takes

	header []byte // room
	unsent int    // bytes that are appended to the link and not flushed

	prefix  string // of reply subjects in the open batch; empty if none is open
	subject string // of the batch's last message
	sent    uint64 // messages in the open batch
	total   tally  // since the sink was made
	faults  chan error

	mu      sync.Mutex
	current string // prefix of the subjects on which the open batch is answered
	acked   uint64 // messages of the open batch that are stored
	ended   *fastReply
	wake    chan struct{} // has room for one
	marks   []fastMark    // what is not acknowledged yet
	known   tally         // up to what is acknowledged
	fault   error
}

// fastMark says what the route has done once a message of the batch is stored.
type fastMark struct {
	sequence uint64
	tally    tally // since the sink was made
}

// fastReply is what JetStream says of a fast batch: an acknowledgement, a gap,
// an error, or, without a type, the batch's end.
type fastReply struct {
	Type     string              `json:"type"`
	Sequence uint64              `json:"seq"`
	Count    uint64              `json:"count"`
	Error    *jetstream.APIError `json:"error"`
}

func newFastSink(ctx context.Context, r *Route, p *position) (*fastSink, error) {
	nc := r.config.Conn
	s := &fastSink{route: r, at: p, inbox: nc.NewInbox(), limit: nc.MaxPayload(), faults: make(chan error, 1), wake: make(chan struct{}, 1)}
	var err error
	s.link, err = link.Open(ctx, link.Config{
		Like: nc, Name: "route " + r.config.Domain + " to " + r.config.To + ", writing",
		Subscriptions: []link.Subscription{{Subject: s.inbox + ".>"}},
		Receive:       s.receive, Down: s.down, Logger: zerolog.Nop(), // what ends the sink, the route says
	})
	if err != nil {
		return nil, fmt.Errorf("write to stream %s: %w", r.egress, err)
	}
	return s, nil
}

func (s *fastSink) close()               { s.link.Close() }
func (s *fastSink) failed() <-chan error { return s.faults }

func (s *fastSink) put(ctx context.Context, i item) error {
	operation := fastAppend
	if s.prefix == "" {
		operation = fastStart
		s.begin()
	}
	s.sent++
	m := i.message
	s.route.step(stepWrite)
	if err := s.write(m, operation); err != nil {
		return fmt.Errorf("write to stream %s after message %d: %w", s.route.egress, s.at.last, err)
	}
	s.at.last++
	s.subject = m.Subject
	s.total.add(i.tally)
	if i.outcome != nil {
		i.outcome.release()
	}
	if s.sent%flowEvery == 0 {
		return s.flush(ctx)
	}
	return nil
}

// write appends a message to what is sent, and sends it when it is much.
func (s *fastSink) write(m *nats.Msg, operation string) error {
	s.header = s.appendHeader(s.header[:0], m.Header)
	if size := len(s.header) + len(m.Data); int64(size) > s.limit {
		return fmt.Errorf("it has %d bytes, and a message may have %d: %w", size, s.limit, nats.ErrMaxPayload)
	}
	b, ok := s.link.Begin()
	if !ok {
		return errDown
	}
	before := len(b)
	b = append(b, "HPUB "...)
	b = append(b, m.Subject...)
	b = append(b, ' ')
	b = s.appendReply(b, operation)
	b = link.AppendSizes(b, len(s.header), len(m.Data))
	b = append(b, s.header...)
	b = append(b, m.Data...)
	b = append(b, "\r\n"...)
	s.unsent += len(b) - before
	s.link.End(b)
	if s.unsent >= sendBytes {
		s.send()
	}
	return nil
}

func (s *fastSink) push() {
	if s.unsent > 0 {
		s.send()
	}
}

// send has the link send what it has.
func (s *fastSink) send() {
	s.unsent = 0
	s.link.Flush()
}

func (s *fastSink) appendReply(b []byte, operation string) []byte {
	b = append(b, s.prefix...)
	b = strconv.AppendUint(b, s.sent, 10)
	return append(b, operation...)
}

func (s *fastSink) appendHeader(b []byte, h nats.Header) []byte {
	b = append(b, "NATS/1.0\r\n"...)
	for name, values := range h {
		for _, v := range values {
			b = append(b, name...)
			b = append(b, ": "...)
			b = appendValue(b, v)
			b = append(b, "\r\n"...)
		}
	}
	b = append(b, jetstream.ExpectedLastSeqHeader+": "...)
	b = strconv.AppendUint(b, s.at.last, 10)
	return append(b, "\r\n\r\n"...)
}

// appendValue appends a header's value, in which no line may end.
func appendValue(b []byte, v string) []byte {
	if strings.IndexByte(v, '\n') < 0 && strings.IndexByte(v, '\r') < 0 {
		return append(b, v...)
	}
	for i := range len(v) {
		if c := v[i]; c == '\r' || c == '\n' {
			b = append(b, ' ')
		} else {
			b = append(b, c)
		}
	}
	return b
}

func (s *fastSink) begin() {
	id := s.inbox + "." + nuid.Next() + "."
	s.prefix, s.sent = id+strconv.Itoa(flowEvery)+".fail.", 0
	s.mu.Lock()
	defer s.mu.Unlock()
	s.current, s.acked, s.ended, s.marks = id, 0, nil, s.marks[:0]
}

// flush notes what was put, and waits while too much of it is not stored yet.
func (s *fastSink) flush(ctx context.Context) error {
	if s.prefix == "" {
		return nil
	}
	s.send()
	s.mu.Lock()
	if n := len(s.marks); n == 0 || s.marks[n-1].sequence != s.sent {
		s.marks = append(s.marks, fastMark{s.sent, s.total})
	}
	s.mu.Unlock()
	return s.await(ctx, func() bool {
		return s.sent-s.acked <= windowMessages && s.total.bytes-s.known.bytes <= windowBytes
	})
}

// settle ends the batch and waits until all of it is stored.
func (s *fastSink) settle(ctx context.Context) error {
	if s.prefix == "" {
		return nil
	}
	// What is under way is brought to its end even when the route is closed.
	ctx = context.WithoutCancel(ctx)
	s.mu.Lock()
	s.marks = append(s.marks, fastMark{s.sent, s.total})
	s.mu.Unlock()
	s.route.step(stepCommit)
	b, ok := s.link.Begin()
	if !ok {
		return fmt.Errorf("end a batch in stream %s: %w", s.route.egress, errDown)
	}
	b = append(b, "PUB "...)
	b = append(b, s.subject...)
	b = append(b, ' ')
	b = append(b, s.prefix...)
	b = strconv.AppendUint(b, s.sent+1, 10)
	s.link.End(append(b, fastEnd+" 0\r\n\r\n"...))
	s.send()
	if err := s.await(ctx, func() bool { return s.ended != nil }); err != nil {
		return err
	}
	if s.ended.Count != s.sent || s.ended.Sequence != s.at.last {
		return fmt.Errorf("stream %s has %d of %d messages and ends at %d, not %d", s.route.egress, s.ended.Count, s.sent, s.ended.Sequence, s.at.last)
	}
	s.mu.Lock()
	s.acknowledge(s.sent)
	s.mu.Unlock()
	s.prefix = ""
	s.route.step(stepWritten)
	return nil
}

// await waits until done, which is asked under the lock, or the batch fails.
func (s *fastSink) await(ctx context.Context, done func() bool) error {
	var timer *time.Timer
	defer func() {
		if timer != nil {
			timer.Stop()
		}
	}()
	for {
		s.mu.Lock()
		ok, fault := done(), s.fault
		s.mu.Unlock()
		if fault != nil {
			return fault
		}
		if ok {
			return nil
		}
		if timer == nil {
			timer = time.NewTimer(writeTimeout)
		}
		select {
		case <-s.wake:
		case <-ctx.Done():
			return ctx.Err()
		case <-timer.C:
			return fmt.Errorf("stream %s has not acknowledged message %d for %s", s.route.egress, s.at.last, writeTimeout)
		}
	}
}

var errDown = errors.New("the connection to the server is lost")

// down is told that the link is; it comes back, and what was under way does not.
func (s *fastSink) down(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.fail(fmt.Errorf("write to stream %s: %w: %w", s.route.egress, errDown, err))
	s.rouse()
}

// receive takes in what JetStream says; it runs on the link's goroutine.
func (s *fastSink) receive(b *link.Batch) {
	for i := range b.Messages {
		s.answer(&b.Messages[i])
	}
	b.Release()
}

func (s *fastSink) answer(m *link.Message) {
	var a fastReply
	err := json.Unmarshal(m.Data, &a)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == "" || !strings.HasPrefix(string(m.Subject), s.current) {
		return // of a batch that has ended
	}
	switch {
	case len(m.Data) == 0 && len(m.Header) > 0:
		s.fail(fmt.Errorf("stream %s does not answer: %w", s.route.egress, nats.ErrNoResponders))
	case err != nil:
		s.fail(fmt.Errorf("stream %s answered with something else than an acknowledgement: %w", s.route.egress, err))
	case a.Error != nil:
		s.fail(fmt.Errorf("write to stream %s: %w", s.route.egress, a.Error))
	case a.Type == "ack":
		s.acknowledge(a.Sequence)
	case a.Type == "gap":
		s.fail(fmt.Errorf("write to stream %s: %w", s.route.egress, errGap))
	case a.Type == "":
		s.ended = &a
	}
	s.rouse()
}

// rouse wakes whoever awaits.
func (s *fastSink) rouse() {
	select {
	case s.wake <- struct{}{}:
	default:
	}
}

var errGap = errors.New("a message of a batch was lost on its way")

// acknowledge takes in that the batch is stored up to sequence.
func (s *fastSink) acknowledge(sequence uint64) {
	if sequence <= s.acked {
		return
	}
	s.acked = sequence
	n := 0
	for n < len(s.marks) && s.marks[n].sequence <= sequence {
		n++
	}
	if n == 0 {
		return
	}
	reached, before := s.marks[n-1].tally, s.known
	s.known = reached
	s.marks = append(s.marks[:0], s.marks[n:]...)
	s.route.written(tally{
		checkpoint: reached.checkpoint, sent: reached.sent - before.sent,
		withheld: reached.withheld - before.withheld, masked: reached.masked - before.masked,
	})
}

func (s *fastSink) fail(err error) {
	if s.fault != nil {
		return
	}
	s.fault = err
	s.faults <- err
}
