package route

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh/link"
)

const (
	readAhead      = 2000 // messages that the origin's server may send unasked
	readAheadBytes = 16 << 20
	batchesAhead   = 4           // of messages that were read and that no worker has taken
	heartbeat      = time.Second // by which the origin's consumer shows that it lives
	askAgain       = 2 * heartbeat
	deadAfter      = 5 * heartbeat
	askExpires     = 30 * time.Second
	idleConsumer   = time.Minute // after which the server forgets a reader that is gone
	forgetTimeout  = 2 * time.Second
)

// reader reads the origin stream in order, over a connection of its own, and
// hands messages over as they arrived together. Whatever is amiss, a message
// that is missing above all, ends it: the route begins again from its
// checkpoint.
type reader struct {
	route    *Route
	link     *link.Link
	consumer string
	ask      []byte // the message that asks for more
	incoming chan *link.Batch
	failed   func(error)
	ctx      context.Context //nolint:containedctx // the reader's own, which close ends
	cancel   context.CancelFunc
	work     sync.WaitGroup

	delivered uint64       // the consumer's number of the last message; of the link's goroutine
	broken    bool         // something is missing, so nothing that follows may be handed over; likewise
	asked     atomic.Int64 // messages that were asked for and have not come
	heard     atomic.Int64 // when anything came, in ns
	blocked   atomic.Bool  // the workers have enough
}

// read begins to read behind a sequence. failed is told, once, what ends it.
func (r *Route) read(ctx context.Context, behind uint64, failed func(error)) (*reader, error) {
	wrong := func(err error) (*reader, error) { return nil, fmt.Errorf("read stream %s: %w", r.origin, err) }
	inbox := r.config.Conn.NewInbox()
	s := &reader{route: r, incoming: make(chan *link.Batch, batchesAhead)}
	s.ctx, s.cancel = context.WithCancel(ctx)
	var once sync.Once
	s.failed = func(err error) {
		once.Do(func() { failed(fmt.Errorf("read stream %s: %w", r.origin, err)) })
	}
	var err error
	s.link, err = link.Open(ctx, link.Config{
		Like: r.config.Conn, Name: "route " + r.config.Domain + " to " + r.config.To + ", reading",
		Subscriptions: []link.Subscription{{Subject: inbox}},
		Receive:       s.receive, Down: s.failed, Logger: zerolog.Nop(), // what ends the reader, the route says
	})
	if err != nil {
		s.cancel()
		return wrong(err)
	}
	consumer, err := r.js.CreateConsumer(ctx, r.origin, jetstream.ConsumerConfig{
		FilterSubject: r.names.stored + r.config.Domain + ".>",
		DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: behind + 1,
		AckPolicy: jetstream.AckNonePolicy, MaxDeliver: 1, MemoryStorage: true, Replicas: 1,
		InactiveThreshold: idleConsumer,
	})
	if err != nil {
		s.link.Close()
		s.cancel()
		return wrong(err)
	}
	s.consumer = consumer.CachedInfo().Name
	body := fmt.Appendf(nil, `{"batch":%d,"max_bytes":%d,"expires":%d,"idle_heartbeat":%d}`, readAhead/2, readAheadBytes/2, askExpires, heartbeat)
	s.ask = fmt.Appendf(nil, "PUB $JS.API.CONSUMER.MSG.NEXT.%s.%s %s %d\r\n%s\r\n", r.origin, s.consumer, inbox, len(body), body)
	s.heard.Store(time.Now().UnixNano())
	s.more()
	s.work.Go(s.watch)
	return s, nil
}

// close ends reading and waits until it has ended.
func (s *reader) close() {
	s.cancel()
	s.link.Close()
	s.work.Wait()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(s.ctx), forgetTimeout)
	defer cancel()
	_ = s.route.js.DeleteConsumer(ctx, s.route.origin, s.consumer) // the server forgets it by itself, later
}

// more asks for messages.
func (s *reader) more() {
	buffer, ok := s.link.Begin()
	if !ok {
		return // the link is down, and says so
	}
	s.asked.Add(readAhead / 2)
	s.link.End(append(buffer, s.ask...))
	s.link.Flush()
}

// receive takes in what arrived; it runs on the link's goroutine.
func (s *reader) receive(b *link.Batch) {
	s.heard.Store(time.Now().UnixNano())
	if s.broken {
		b.Release()
		return
	}
	kept := b.Messages[:0]
	for _, m := range b.Messages {
		if err := s.take(&m); err != nil {
			s.broken = true
			s.failed(err)
			b.Release()
			return
		}
		if len(m.Reply) > 0 {
			kept = append(kept, m)
		}
	}
	b.Messages = kept
	if s.asked.Load() <= readAhead/2 {
		s.more()
	}
	if len(kept) == 0 {
		b.Release()
		return
	}
	s.blocked.Store(true)
	select {
	case s.incoming <- b:
	case <-s.ctx.Done():
		b.Release()
	}
	s.blocked.Store(false)
	s.heard.Store(time.Now().UnixNano())
}

var errMissing = errors.New("a message of the consumer is missing")

// take takes in one message: an event, which it leaves, or what the server says
// of the consumer, which has no reply subject.
func (s *reader) take(m *link.Message) error {
	if len(m.Reply) > 0 {
		p, err := placeOf(m.Reply)
		if err != nil {
			return err
		}
		if s.delivered++; p.delivered != s.delivered {
			return errMissing
		}
		s.asked.Add(-1)
		return nil
	}
	status, rest, ok := bytes.Cut(m.Header, []byte("\r\n"))
	if !ok || bytes.HasPrefix(status, []byte("NATS/1.0 100")) {
		return nil // it shows that it lives
	}
	// What a request that has ended was not given is asked for again.
	left, err := strconv.ParseInt(parseHeader(nil, string(rest)).get("Nats-Pending-Messages"), 10, 64)
	if err != nil {
		return fmt.Errorf("the server says %q", status)
	}
	s.asked.Add(-left)
	return nil
}

// watch asks again when the server is silent, although it shows every heartbeat
// that a request is open, and ends the reader when it stays so. A request whose
// bytes were used up to the last one ends without a word.
func (s *reader) watch() {
	beat := time.NewTicker(heartbeat)
	defer beat.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case now := <-beat.C:
			silent := now.Sub(time.Unix(0, s.heard.Load()))
			switch {
			case s.blocked.Load() || silent < askAgain:
			case silent < deadAfter:
				s.asked.Store(0)
				s.more()
			default:
				s.failed(fmt.Errorf("the server has said nothing for %s", deadAfter))
				return
			}
		}
	}
}

// place is where a message stands.
type place struct {
	sequence  uint64 // in the stream
	delivered uint64 // in what the consumer has sent
	at        time.Time
}

// placeOf reads a message's reply subject, in either of its forms:
//
//	$JS.ACK.<stream>.<consumer>.<times>.<sequence>.<delivered>.<ns>.<left>
//	$JS.ACK.<domain>.<account>.<stream>.<consumer>.<times>.<sequence>.<delivered>.<ns>.<left>…
func placeOf(reply []byte) (place, error) {
	var tokens [12][]byte
	n := 0
	for rest, more := reply, true; more && n < len(tokens); n++ {
		tokens[n], rest, more = bytes.Cut(rest, []byte{'.'})
	}
	first := 5
	if n > 9 {
		first = 7
	}
	if n < 9 || n == 10 || string(tokens[0]) != "$JS" || string(tokens[1]) != "ACK" {
		return place{}, fmt.Errorf("a message's place is %q", reply)
	}
	var numbers [3]int64
	for i := range numbers {
		var err error
		if numbers[i], err = strconv.ParseInt(string(tokens[first+i]), 10, 64); err != nil || numbers[i] <= 0 {
			return place{}, errors.Join(fmt.Errorf("a message's place is %q", reply), err)
		}
	}
	return place{sequence: uint64(numbers[0]), delivered: uint64(numbers[1]), at: time.Unix(0, numbers[2])}, nil
}

// field is one header.
type field struct{ name, value string }

// fields are a message's headers, in their order.
type fields []field

// get is a header's first value.
func (f fields) get(name string) string {
	for i := range f {
		if f[i].name == name {
			return f[i].value
		}
	}
	return ""
}

// parseHeader appends the headers of a block, without its first line, to f[:0].
// A block that is malformed has none.
func parseHeader(f fields, block string) fields {
	f = f[:0]
	for block != "" {
		line, rest, ok := strings.Cut(block, "\r\n")
		if !ok {
			return f[:0]
		}
		if line == "" {
			break
		}
		name, value, ok := strings.Cut(line, ":")
		if !ok || name == "" {
			return f[:0]
		}
		f, block = append(f, field{name, strings.Trim(value, " \t")}), rest
	}
	return f
}
