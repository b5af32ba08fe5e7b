package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sort"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// Report is what a destination knows of one domain's events from one origin.
type Report struct {
	Origin       string          `json:"origin"`
	Domain       string          `json:"domain"`
	VerifiedTo   uint64          `json:"verified_to"`        // origin sequence up to which all is complete and identical
	Delivered    uint64          `json:"delivered"`          // distinct events that arrived
	Withheld     uint64          `json:"withheld"`           // events that the route withholds
	Released     uint64          `json:"released,omitempty"` // events that it withheld first and released later; they count as delivered
	MaskedFields uint64          `json:"masked_fields"`
	Duplicates   uint64          `json:"duplicates"` // events that arrived more than once
	Missing      uint64          `json:"missing"`    // events that a watermark counts and that did not arrive
	OutOfOrder   uint64          `json:"out_of_order"`
	Mismatches   uint64          `json:"mismatches"` // segments whose digest or chain differs
	Problem      string          `json:"problem,omitempty"`
	Lags         []time.Duration `json:"-"` // from stored at the origin to stored here, the latest maxLags
}

// Healthy reports whether nothing is missing, doubled or different.
func (r Report) Healthy() bool {
	return r.Duplicates == 0 && r.Missing == 0 && r.OutOfOrder == 0 && r.Mismatches == 0 && r.Problem == ""
}

// maxLags bounds the memory for lags: the latest ones are kept.
const maxLags = 1 << 17

// maxAhead bounds how many events are held while their watermark is awaited.
// A route closes a segment at the latest after a second or a thousand events;
// more than this means that the ledger's records do not arrive.
const maxAhead = 1 << 18

// Verifier recomputes the digests of a domain's events as they arrive. It is
// safe for concurrent use.
type Verifier struct {
	js     jetstream.JetStream
	origin string
	domain string
	log    zerolog.Logger

	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex
	report  Report
	ahead   []arrived // events past the last watermark, in origin order
	next    []arrived // withheld markers past it
	marks   []mark
	open    []Released // releases since the last watermark that arrived
	last    uint64     // highest origin sequence that arrived
	settled uint64     // end of the last segment that was compared
	chain   Digest
	lag     int // where in report.Lags the next one goes

	withheld ranges            // events that are withheld now
	crossed  ranges            // events that were released
	early    map[uint64]Digest // released events that no watermark covers yet
}

// mark is a watermark with the releases that it covers.
type mark struct {
	Watermark
	releases []Released
}

// arrived is what the digest needs of a message.
type arrived struct {
	sequence uint64
	subject  string
	header   nats.Header
	data     []byte
}

// Verify starts to verify domain's events from origin, in the account and
// environment of js, from their beginning.
func Verify(js jetstream.JetStream, origin, domain string, log zerolog.Logger) *Verifier {
	ctx, cancel := context.WithCancel(context.Background())
	v := &Verifier{
		js: js, origin: origin, domain: domain, cancel: cancel,
		log:    log.With().Str("part", "ledger").Str("origin", origin).Str("domain", domain).Logger(),
		report: Report{Origin: origin, Domain: domain}, early: map[uint64]Digest{},
	}
	v.work.Go(func() {
		v.follow(ctx, wire.DomainStream(domain), wire.StoredSubject(origin, domain+".>"), v.event)
	})
	v.work.Go(func() { v.follow(ctx, wire.LedgerStream, wire.LedgerSubject(origin, domain, "*"), v.record) })
	return v
}

// Close stops verifying and waits until it has stopped.
func (v *Verifier) Close() {
	v.cancel()
	v.work.Wait()
}

// Report is what is known now.
func (v *Verifier) Report() Report {
	v.mu.Lock()
	defer v.mu.Unlock()
	r := v.report
	r.Lags = append([]time.Duration(nil), r.Lags...)
	return r
}

// follow hands every message of a stream to handle, in order, until ctx ends.
func (v *Verifier) follow(ctx context.Context, stream, filter string, handle func(jetstream.Msg) error) {
	var seen uint64 // last stream sequence that was handled
	for ctx.Err() == nil {
		err := v.read(ctx, stream, filter, seen+1, func(m jetstream.Msg) error {
			meta, err := m.Metadata()
			if err != nil {
				return err
			}
			if err := handle(m); err != nil {
				v.fail(fmt.Sprintf("stream %s, sequence %d: %v", stream, meta.Sequence.Stream, err))
			}
			seen = meta.Sequence.Stream
			return nil
		})
		if ctx.Err() == nil && err != nil {
			v.log.Warn().Err(err).Str("stream", stream).Msg("reading is interrupted; it goes on in a second")
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}
}

func (v *Verifier) read(ctx context.Context, stream, filter string, from uint64, handle func(jetstream.Msg) error) error {
	source, err := v.js.Stream(ctx, stream)
	if err != nil {
		return err
	}
	config := jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverByStartSequencePolicy, OptStartSeq: from}
	// Where nothing but what is wanted arrives, the server need not compare each
	// message's subject, which with many subjects is its greatest cost of reading.
	if shape := source.CachedInfo().Config; len(shape.Sources) != 1 || len(shape.Subjects) > 0 || stream == wire.LedgerStream {
		config.FilterSubjects = []string{filter}
	}
	consumer, err := source.OrderedConsumer(ctx, config)
	if err != nil {
		return err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(1000))
	if err != nil {
		return err
	}
	defer messages.Stop()
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return err
		}
		if err := handle(m); err != nil {
			return err
		}
	}
}

// fail notes what cannot be verified; it stays until somebody looks.
func (v *Verifier) fail(problem string) {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.report.Problem == "" {
		v.report.Problem = problem
		v.log.Error().Msg("verification failed: " + problem)
	}
}

// event takes in one event.
func (v *Verifier) event(m jetstream.Msg) error {
	if origin, _, ok := wire.ParseStored(m.Subject()); !ok || origin != v.origin {
		return nil // it is from an origin that was a source once
	}
	sequence, err := originSequence(m)
	if err != nil {
		return err
	}
	meta, err := m.Metadata()
	if err != nil {
		return err
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	if m.Headers().Get(wire.HeaderReleased) != "" {
		return v.releasedEvent(m, sequence)
	}
	if sequence <= v.last {
		if sequence <= v.settled || v.isAhead(sequence) {
			v.report.Duplicates++
		} else {
			v.report.OutOfOrder++
		}
		return nil
	}
	v.last = sequence
	v.report.Delivered++
	v.countMasked(m)
	if stored, err := time.Parse(time.RFC3339Nano, m.Headers().Get(wire.HeaderStoredAt)); err == nil {
		v.addLag(meta.Timestamp.Sub(stored))
	}
	v.ahead = append(v.ahead, arrived{sequence, m.Subject(), m.Headers(), m.Data()})
	if len(v.ahead) > maxAhead {
		return fmt.Errorf("%d events arrived without a watermark", len(v.ahead))
	}
	return v.settle()
}

func (v *Verifier) countMasked(m jetstream.Msg) {
	if n, err := strconv.ParseUint(m.Headers().Get(wire.HeaderMasked), 10, 64); err == nil {
		v.report.MaskedFields += n
	}
}

// releasedEvent takes in an event that was withheld when its turn came. It is
// judged when the watermark that covers its release is.
func (v *Verifier) releasedEvent(m jetstream.Msg, sequence uint64) error {
	if _, again := v.early[sequence]; again || v.crossed.has(sequence) {
		v.report.Duplicates++
		return nil
	}
	v.countMasked(m)
	v.early[sequence] = EventDigest(sequence, m.Subject(), m.Headers(), m.Data())
	if len(v.early) > maxAhead {
		return fmt.Errorf("%d released events arrived without a watermark", len(v.early))
	}
	return v.settle()
}

// isAhead reports whether an event that no watermark covers yet has arrived.
func (v *Verifier) isAhead(sequence uint64) bool {
	n := countTo(v.ahead, sequence)
	return n > 0 && v.ahead[n-1].sequence == sequence
}

func (v *Verifier) addLag(lag time.Duration) {
	if len(v.report.Lags) < maxLags {
		v.report.Lags = append(v.report.Lags, lag)
		return
	}
	v.report.Lags[v.lag%maxLags] = lag
	v.lag++
}

// record takes in one record of the ledger.
func (v *Verifier) record(m jetstream.Msg) error {
	v.mu.Lock()
	defer v.mu.Unlock()
	switch m.Subject() {
	case wire.LedgerSubject(v.origin, v.domain, wire.KindWithheld):
		sequence, err := originSequence(m)
		if err != nil {
			return err
		}
		v.report.Withheld++
		v.withheld.add(sequence)
		v.next = append(v.next, arrived{sequence, m.Subject(), m.Headers(), m.Data()})
	case wire.LedgerSubject(v.origin, v.domain, wire.KindWatermark):
		var w Watermark
		if err := json.Unmarshal(m.Data(), &w); err != nil {
			return fmt.Errorf("read a watermark: %w", err)
		}
		v.marks = append(v.marks, mark{w, v.open})
		v.open = nil
	case wire.LedgerSubject(v.origin, v.domain, wire.KindReleased):
		var r Released
		if err := json.Unmarshal(m.Data(), &r); err != nil {
			return fmt.Errorf("read the record of a release: %w", err)
		}
		v.open = append(v.open, r)
	default:
		return fmt.Errorf("unknown record %s", m.Subject())
	}
	return v.settle()
}

// settle compares with every watermark whose events have all arrived.
func (v *Verifier) settle() error {
	for len(v.marks) > 0 {
		w := v.marks[0]
		if len(v.ahead) > 0 && v.ahead[len(v.ahead)-1].sequence > w.To {
			// Later events are here: what is not here by now does not come.
		} else if countTo(v.ahead, w.To) < w.Sent || !v.allHere(w.releases) {
			return nil
		}
		v.compare(w)
		v.marks = v.marks[1:]
	}
	return nil
}

// allHere reports whether the events of releases have arrived.
func (v *Verifier) allHere(releases []Released) bool {
	for _, r := range releases {
		if _, ok := v.early[r.OriginSequence]; !ok && !v.crossed.has(r.OriginSequence) {
			return false
		}
	}
	return true
}

// release judges one release: its event must be here, be the one that was
// sent, and have been withheld until now.
func (v *Verifier) release(r Released) {
	digest, here := v.early[r.OriginSequence]
	delete(v.early, r.OriginSequence)
	switch {
	case v.crossed.has(r.OriginSequence):
		v.report.Duplicates++
		return
	case !here:
		v.report.Missing++
		return
	case !v.withheld.remove(r.OriginSequence):
		v.report.Mismatches++
		v.log.Error().Uint64("origin_sequence", r.OriginSequence).Msg("an event was released that was not withheld")
		return
	case digest != r.Digest:
		v.report.Mismatches++
		v.log.Error().Uint64("origin_sequence", r.OriginSequence).Msg("the released event that arrived is not the one that was sent")
	}
	v.crossed.add(r.OriginSequence)
	v.report.Delivered++
	v.report.Released++
	v.report.Withheld--
}

func (v *Verifier) compare(w mark) {
	segment := NewSegment(w.OriginStream, w.From, v.chain)
	events, markers := countTo(v.ahead, w.To), countTo(v.next, w.To)
	i, j := uint64(0), uint64(0)
	for i < events || j < markers {
		var m arrived
		if j == markers || (i < events && v.ahead[i].sequence < v.next[j].sequence) {
			m = v.ahead[i]
			i++
		} else {
			m = v.next[j]
			j++
		}
		segment.Add(m.sequence, m.subject, m.header, m.data)
	}
	v.ahead, v.next = v.ahead[events:], v.next[markers:]
	for _, r := range w.releases {
		segment.AddRelease(r)
		v.release(r)
	}
	if events < w.Sent {
		v.report.Missing += w.Sent - events
	}
	is := segment.Watermark()
	if is.Digest != w.Digest || is.Chain != w.Chain {
		v.report.Mismatches++
		v.log.Error().Uint64("from", w.From).Uint64("to", w.To).Msg("the events that arrived are not those that were sent")
	} else if v.report.Missing == 0 && v.report.Mismatches == 0 {
		v.report.VerifiedTo = w.To
	}
	v.settled = w.To
	v.chain = w.Chain // later segments are judged on their own
}

// countTo is how many of the messages, which are in order, have a sequence up
// to limit.
func countTo(messages []arrived, limit uint64) uint64 {
	return uint64(sort.Search(len(messages), func(i int) bool { return messages[i].sequence > limit }))
}

func originSequence(m jetstream.Msg) (uint64, error) {
	sequence, err := strconv.ParseUint(m.Headers().Get(wire.HeaderOriginSequence), 10, 64)
	if err != nil || sequence == 0 {
		return 0, errors.Join(fmt.Errorf("a message on %s names no origin sequence", m.Subject()), err)
	}
	return sequence, nil
}
