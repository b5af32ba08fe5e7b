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
)

const (
	flowEvery      = 400 // messages between two acknowledgements
	windowMessages = 10 * flowEvery
	windowBytes    = 16 << 20
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
	nc    *nats.Conn
	inbox string
	sub   *nats.Subscription

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

func newFastSink(r *Route, p *position) (*fastSink, error) {
	nc := r.config.Conn
	s := &fastSink{route: r, at: p, nc: nc, inbox: nc.NewInbox(), faults: make(chan error, 1), wake: make(chan struct{}, 1)}
	var err error
	if s.sub, err = nc.Subscribe(s.inbox+".>", s.answer); err != nil {
		return nil, fmt.Errorf("listen for acknowledgements of stream %s: %w", r.egress, err)
	}
	return s, nil
}

func (s *fastSink) close()               { _ = s.sub.Unsubscribe() }
func (s *fastSink) failed() <-chan error { return s.faults }

func (s *fastSink) put(ctx context.Context, i item) error {
	operation := fastAppend
	if s.prefix == "" {
		operation = fastStart
		s.begin()
	}
	s.sent++
	m := i.message
	m.Reply = s.prefix + strconv.FormatUint(s.sent, 10) + operation
	m.Header[jetstream.ExpectedLastSeqHeader] = []string{strconv.FormatUint(s.at.last, 10)}
	s.route.step(stepWrite)
	if err := s.nc.PublishMsg(m); err != nil {
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
	if err := s.nc.PublishRequest(s.subject, s.prefix+strconv.FormatUint(s.sent+1, 10)+fastEnd, nil); err != nil {
		return fmt.Errorf("end a batch in stream %s: %w", s.route.egress, err)
	}
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

// answer takes in what JetStream says; it runs on the subscription's goroutine.
func (s *fastSink) answer(m *nats.Msg) {
	var a fastReply
	err := json.Unmarshal(m.Data, &a)
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.current == "" || !strings.HasPrefix(m.Subject, s.current) {
		return // of a batch that has ended
	}
	switch {
	case len(m.Data) == 0 && m.Header.Get("Status") != "":
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
