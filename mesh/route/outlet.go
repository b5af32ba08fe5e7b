package route

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/nats-io/nuid"
	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh/link"
)

// message is one as it is written into the egress stream.
type message struct {
	subject []byte // that the egress stream captures
	header  []byte // the whole block, with its empty line
	data    []byte
}

// size is how many bytes the message takes.
func (m *message) size() int { return len(m.subject) + len(m.header) + len(m.data) }

// extend writes headers behind those of the block.
func extend(b, block, headers []byte) []byte {
	b = append(b, block[:len(block)-len("\r\n")]...)
	b = append(b, headers...)
	return append(b, "\r\n"...)
}

// outlet is the connection over which a route writes into its egress stream: one
// connection, which is not made again when it is lost (owner.go says why). It is
// used by one goroutine; answers come on the link's.
type outlet struct {
	route *Route
	link  *link.Link
	inbox string
	limit int64 // bytes of a message that the server takes

	headers []byte // room

	mu        sync.Mutex
	pipelined *acknowledgements // that get the other answers; nil without
	commits   uint64            // the number of the latest commit
	waiting   chan commitAnswer
	fault     error // once the connection was lost
}

// commitAnswer is what the server says of a commit, or why it says nothing.
type commitAnswer struct {
	ack []byte
	err error
}

// Subscriptions of an outlet's link.
const (
	sidAnswers = iota
	sidOwner
)

// Of the subjects on which the server answers, the tokens behind the inbox.
const (
	answersCommit    = ".c."
	answersPipelined = ".p"
)

func (r *Route) openOutlet(ctx context.Context) (*outlet, error) {
	nc := r.config.Conn
	o := &outlet{route: r, inbox: nc.NewInbox(), limit: nc.MaxPayload()}
	var err error
	o.mu.Lock() // somebody may ask who writes before it is known here that the link is open
	defer o.mu.Unlock()
	o.link, err = link.Open(ctx, link.Config{
		Like: nc, Name: "route " + r.config.Domain + " to " + r.config.To + ", writing",
		Subscriptions: []link.Subscription{sidAnswers: {Subject: o.inbox + ".>"}, sidOwner: {Subject: r.names.writer}},
		Receive:       o.receive, Down: o.down, Once: true, Logger: zerolog.Nop(), // what ends the outlet, the route says
	})
	if err != nil {
		return nil, fmt.Errorf("write to stream %s: %w", r.egress, err)
	}
	return o, nil
}

var errDown = errors.New("the connection to the server is lost")

// down is told that the link is.
func (o *outlet) down(err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.fault = fmt.Errorf("write to stream %s: %w: %w", o.route.egress, errDown, err)
	o.answer(commitAnswer{err: o.fault})
	if o.pipelined != nil {
		o.pipelined.down(o.fault)
	}
}

// receive takes in what JetStream says; it runs on the link's goroutine.
func (o *outlet) receive(b *link.Batch) {
	o.mu.Lock()
	defer o.mu.Unlock()
	for i := range b.Messages {
		m := &b.Messages[i]
		if m.SID == sidOwner {
			o.avow(m)
			continue
		}
		of, ok := bytes.CutPrefix(m.Subject, []byte(o.inbox))
		if !ok {
			continue
		}
		if number, ok := bytes.CutPrefix(of, []byte(answersCommit)); ok {
			if string(number) == strconv.FormatUint(o.commits, 10) {
				o.answer(committed(m))
			}
		} else if o.pipelined != nil {
			o.pipelined.answer(m)
		}
	}
	b.Release()
}

// answer ends the commit that waits, if one does.
func (o *outlet) answer(a commitAnswer) {
	if o.waiting != nil {
		o.waiting <- a
		o.waiting = nil
	}
}

func committed(m *link.Message) commitAnswer {
	if len(m.Data) == 0 && len(m.Header) > 0 {
		return commitAnswer{err: nats.ErrNoResponders}
	}
	return commitAnswer{ack: bytes.Clone(m.Data)}
}

// fewSingly is up to how many messages are written singly by commit: each costs
// a sync of its own where the server syncs, and a batch the time of a dozen.
const fewSingly = 12

// commitHeaders bounds what a commit adds to a message's headers, in bytes: what it
// follows, and its place in a batch.
const commitHeaders = 160

// commit writes messages in one step. It expects the egress stream to end where
// the route last saw it end; if it does not, it is refused, and the route reads the
// checkpoint again.
//
// The server stores a batch message by message once it is complete, and few
// messages are no batch at all: the end of a process may leave a first part of
// them, which is as good a checkpoint as any.
func (o *outlet) commit(ctx context.Context, p *position, messages []*message) error {
	r := o.route
	fail := func(err error) error {
		return fmt.Errorf("write %d messages to stream %s after message %d: %w", len(messages), r.egress, p.last, err)
	}
	// A commit under way is brought to its end even when the route is closed.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), writeTimeout)
	defer cancel()
	ack, err := o.request(ctx, func(reply []byte) error {
		r.step(stepWrite)
		return o.write(messages, p.last, reply)
	})
	if err == nil && ack.Error != nil {
		err = ack.Error
	}
	if err != nil {
		return fail(err)
	}
	if want := p.last + uint64(len(messages)); ack.Sequence != want {
		return &haltError{fmt.Errorf("stream %s took %d messages after %d and ends at %d, not %d", r.egress, len(messages), p.last, ack.Sequence, want)}
	}
	p.last = ack.Sequence
	r.step(stepWritten)
	return nil
}

// pubAck is what a stream answers.
type pubAck struct {
	Sequence uint64              `json:"seq"`
	Error    *jetstream.APIError `json:"error"`
}

// request sends something, and waits for what the stream answers.
func (o *outlet) request(ctx context.Context, send func(reply []byte) error) (pubAck, error) {
	var ack pubAck
	body, err := o.ask(ctx, send)
	if err == nil {
		if err = json.Unmarshal(body, &ack); err != nil {
			err = fmt.Errorf("the stream answered with something else than an acknowledgement: %w", err)
		}
	}
	return ack, err
}

// ask sends something, and waits for its answer.
func (o *outlet) ask(ctx context.Context, send func(reply []byte) error) ([]byte, error) {
	answer := make(chan commitAnswer, 1)
	o.mu.Lock()
	if o.fault != nil {
		o.mu.Unlock()
		return nil, o.fault
	}
	o.commits++
	o.waiting = answer
	reply := strconv.AppendUint([]byte(o.inbox+answersCommit), o.commits, 10)
	o.mu.Unlock()
	if err := send(reply); err != nil {
		return nil, err
	}
	select {
	case a := <-answer:
		return a.ack, a.err
	case <-ctx.Done():
		return nil, fmt.Errorf("no answer came in time: %w", context.Cause(ctx))
	}
}

// write hands messages to the connection, of which only the last is answered: it
// is stored only if all before it are.
func (o *outlet) write(messages []*message, last uint64, reply []byte) error {
	for _, m := range messages {
		if size := len(m.header) + len(m.data) + commitHeaders; int64(size) > o.limit {
			return fmt.Errorf("one has %d bytes, and a message may have %d: %w", size, o.limit, nats.ErrMaxPayload)
		}
	}
	batch := ""
	if len(messages) > fewSingly {
		batch = nuid.Next()
	}
	final := len(messages) - 1
	for i, m := range messages {
		h := o.headers[:0]
		if batch == "" || i == 0 {
			h = appendExpected(h, last+uint64(i))
		}
		if batch != "" {
			h = append(append(h, "Nats-Batch-Id: "...), batch...)
			h = append(h, "\r\nNats-Batch-Sequence: "...)
			h = append(strconv.AppendInt(h, int64(i)+1, 10), "\r\n"...)
		}
		var to []byte
		if i == final {
			o.route.step(stepCommit)
			if to = reply; batch != "" {
				h = append(h, "Nats-Batch-Commit: 1\r\n"...)
			}
		}
		o.headers = h
		if !o.append(m, h, to) {
			return errDown
		}
	}
	o.link.Flush()
	return nil
}

// appendExpected appends the header by which a message is stored behind the one of
// sequence last, or not at all.
func appendExpected(h []byte, last uint64) []byte {
	h = append(h, jetstream.ExpectedLastSeqHeader+": "...)
	return append(strconv.AppendUint(h, last, 10), "\r\n"...)
}

// append appends a message, with more headers, to what is sent. It may be called by
// any goroutine.
func (o *outlet) append(m *message, headers, reply []byte) bool {
	b, ok := o.link.Begin()
	if !ok {
		return false
	}
	b = append(append(append(b, "HPUB "...), m.subject...), ' ')
	b = append(b, reply...)
	b = link.AppendSizes(b, len(m.header)+len(headers), len(m.data))
	b = extend(b, m.header, headers)
	b = append(b, m.data...)
	o.link.End(append(b, "\r\n"...))
	return true
}
