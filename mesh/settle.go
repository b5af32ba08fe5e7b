package mesh

import (
	"cmp"
	"context"
	"errors"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// settle tells the server what became of d, and tries until it can be told: an
// acknowledgement that is lost costs a second handling. It gives up after
// AckWait, when the server delivers d again anyway.
func (s *Subscription) settle(d *delivery, what string, tell func(jetstream.Msg) error) {
	retry := Retry{Initial: 10 * time.Millisecond, Max: time.Second}
	until := time.Now().Add(s.cfg.AckWait)
	for attempts := 1; ; attempts++ {
		err := d.settle(tell)
		if err == nil || errors.Is(err, jetstream.ErrMsgAlreadyAckd) {
			return
		}
		if errors.Is(err, nats.ErrConnectionClosed) || time.Now().After(until) ||
			!pause(context.Background(), s.halted, jittered(retry.bound(attempts))) {
			s.log.Warn().Err(err).Str("type", d.md.Type).Uint64("position", d.md.Position).
				Msg("cannot " + what + " an event, it will be delivered again")
			return
		}
	}
}

func (d *delivery) settle(tell func(jetstream.Msg) error) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if err := tell(d.msg); err != nil {
		return err
	}
	d.settled = true
	return nil
}

// inProgress keeps the server from delivering d again for another AckWait.
func (d *delivery) inProgress() error {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.settled {
		return nil
	}
	return d.msg.InProgress()
}

// outstanding reports whether the server has not been told what became of d.
func (d *delivery) outstanding() bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	return !d.settled
}

// renew takes over a later delivery of the same event. It reports false if d
// is settled, and the later delivery an event of its own.
func (d *delivery) renew(msg jetstream.Msg) bool {
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.settled {
		return false
	}
	d.msg = msg
	return true
}

// giveBack has d delivered to somebody else at once.
func (s *Subscription) giveBack(d *delivery) {
	if err := d.settle(jetstream.Msg.Nak); err != nil {
		s.log.Debug().Err(err).Uint64("position", d.md.Position).Msg("cannot give an event back, it will be delivered again")
	}
}

// release gives back what is still held after the workers have ended.
func (s *Subscription) release() {
	s.mu.Lock()
	held := slices.Collect(maps.Values(s.held))
	clear(s.held)
	clear(s.lines)
	s.mu.Unlock()
	slices.SortFunc(held, byPosition)
	for _, d := range held {
		s.giveBack(d)
	}
}

func byPosition(a, b *delivery) int { return cmp.Compare(a.md.Position, b.md.Position) }

// Headers of a dead letter, beside the event's own and Lockstep-Reason.
const (
	// HeaderDeadLetterError is what the handler said, on one line.
	HeaderDeadLetterError = "Lockstep-Dead-Letter-Error"
	// HeaderDeadLetterSubject is the subject under which the event is stored.
	HeaderDeadLetterSubject = "Lockstep-Dead-Letter-Subject"
	// HeaderDeadLetterPosition is where, as STREAM:SEQUENCE.
	HeaderDeadLetterPosition = "Lockstep-Dead-Letter-Position"
	// HeaderDeadLetterDeliveries is for how many times it was delivered.
	HeaderDeadLetterDeliveries = "Lockstep-Dead-Letter-Deliveries"
)

const (
	maxErrorHeader      = 1024 // bytes of an error's text in a header; longer ones end in "…"
	deadLetterAttempts  = 3
	rememberedVerdicts  = defaultMaxAckPending
	deadLetterOperation = "dead-letter"
)

// carriedHeaders are the headers of an event that its dead letter keeps.
var carriedHeaders = []string{
	wire.HeaderCESpecVersion, wire.HeaderCEID, wire.HeaderCESource, wire.HeaderCEType, wire.HeaderCETime, wire.HeaderCEDataSchema,
	wire.HeaderContentType, wire.HeaderTraceparent,
	wire.HeaderSchemaVersion, wire.HeaderSchemaID,
	wire.HeaderOrigin, wire.HeaderOriginStream, wire.HeaderOriginSequence, wire.HeaderPolicy, wire.HeaderKeyID,
	wire.HeaderMasked, wire.HeaderHop, wire.HeaderStoredAt,
}

// deadLetter sends d to the dead letters and reports whether they have it.
// Sent twice, it is stored once, within the stream's duplicate window.
func (s *Subscription) deadLetter(ctx context.Context, d *delivery) bool {
	retry := s.conn.retry
	retry.Attempts = deadLetterAttempts
	_, err := s.conn.deliver(ctx, deadLetterOperation, s.letter(d), retry)
	if err != nil {
		s.log.Error().Err(err).Str("type", d.md.Type).Uint64("position", d.md.Position).
			Msg("the dead letters do not take an event that was given up; it stays on its consumer and will be tried again")
		return false
	}
	s.mu.Lock()
	s.stats.DeadLettered++
	s.mu.Unlock()
	return true
}

// letter is d with the reason it is given up for.
func (s *Subscription) letter(d *delivery) *nats.Msg {
	position := strconv.FormatUint(d.md.Position, 10)
	h := make(nats.Header)
	for _, name := range carriedHeaders {
		if values := d.md.Headers.Values(name); len(values) > 0 {
			h[name] = values
		}
	}
	own := func(name, value string) {
		if h.Get(name) == "" && value != "" {
			h.Set(name, value)
		}
	}
	own(wire.HeaderCEID, percentEncode(d.md.ID))
	own(wire.HeaderOrigin, d.md.Origin)
	own(wire.HeaderOriginSequence, strconv.FormatUint(d.md.Sequence, 10))
	d.mu.Lock()
	subject := d.msg.Subject()
	d.mu.Unlock()
	h.Set(wire.HeaderMsgID, d.md.Stream+":"+s.cfg.Durable+":"+position)
	h.Set(wire.HeaderReason, d.verdict.reason)
	h.Set(HeaderDeadLetterError, headerLine(d.verdict.cause.Error()))
	h.Set(HeaderDeadLetterSubject, subject)
	h.Set(HeaderDeadLetterPosition, d.md.Stream+":"+position)
	h.Set(HeaderDeadLetterDeliveries, strconv.Itoa(d.attempt))
	return &nats.Msg{Subject: wire.DeadLetterRoot + "." + s.cfg.Domain + "." + s.cfg.Durable, Header: h, Data: d.md.Raw}
}

// headerLine makes text fit for a header: one line of UTF-8, of bounded length.
func headerLine(text string) string {
	text = strings.Join(strings.Fields(strings.ToValidUTF8(text, "\uFFFD")), " ")
	text = strings.Map(func(r rune) rune {
		if r < ' ' || r == 0x7f {
			return '\uFFFD'
		}
		return r
	}, text)
	if len(text) <= maxErrorHeader {
		return text
	}
	cut := maxErrorHeader
	for !utf8.RuneStart(text[cut]) {
		cut--
	}
	return text[:cut] + "…"
}

// remember keeps the verdict on an event that goes back to the server because
// its dead letter could not be sent, so that its handler need not run again
// here. Forgetting one costs a handling, so there is a bound.
func (s *Subscription) remember(d *delivery) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for position := range s.verdicts {
		if len(s.verdicts) < rememberedVerdicts {
			break
		}
		delete(s.verdicts, position)
	}
	s.verdicts[d.md.Position] = d.verdict
}
