package ledger

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"sort"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh/link"
	"github.com/lockstep-mesh/lockstep/mesh/ordered"
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
	prefix []byte // of the subjects of the origin's events
	log    zerolog.Logger

	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex
	report  Report
	ahead   []arrived // events past the last watermark, in origin order
	next    []arrived // withheld markers past it
	fields  wire.Fields
	hasher  Hasher
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

// arrived is what a segment's digest needs of a message.
type arrived struct {
	sequence uint64
	digest   Digest
}

// Verify starts to verify domain's events from origin, in the account and
// environment of js, from their beginning.
func Verify(js jetstream.JetStream, origin, domain string, log zerolog.Logger) *Verifier {
	ctx, cancel := context.WithCancel(context.Background())
	v := &Verifier{
		js: js, origin: origin, domain: domain, prefix: []byte(wire.StoredSubject(origin, "")), cancel: cancel,
		log:    log.With().Str("part", "ledger").Str("origin", origin).Str("domain", domain).Logger(),
		report: Report{Origin: origin, Domain: domain}, early: map[uint64]Digest{},
	}
	v.work.Go(func() { v.follow(ctx, wire.DomainStream(domain), wire.StoredSubject(origin, domain+".>"), v.event) })
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

// follow hands every message of a stream to take, in order, until ctx ends.
func (v *Verifier) follow(ctx context.Context, stream, filter string, take func(*link.Message, ordered.Place) error) {
	var seen uint64 // last stream sequence that was taken in
	for ctx.Err() == nil {
		err := v.read(ctx, stream, filter, take, &seen)
		if ctx.Err() == nil && err != nil {
			v.log.Warn().Err(err).Str("stream", stream).Msg("reading is interrupted; it goes on in a second")
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}
}

func (v *Verifier) read(ctx context.Context, stream, filter string, take func(*link.Message, ordered.Place) error, seen *uint64) error {
	source, err := v.js.Stream(ctx, stream)
	if err != nil {
		return err
	}
	// Where nothing but what is wanted arrives, the server need not compare each
	// message's subject, which with many subjects is its greatest cost of reading.
	if shape := source.CachedInfo().Config; len(shape.Sources) == 1 && len(shape.Subjects) <= 1 && stream != wire.LedgerStream {
		filter = ""
	}
	reader, err := ordered.Open(ctx, ordered.Config{
		Conn: v.js.Conn(), Name: "ledger of " + v.domain + " from " + v.origin, Stream: stream, Filter: filter, Behind: *seen,
	})
	if err != nil {
		return err
	}
	defer reader.Close()
	for {
		select {
		case b := <-reader.Batches():
			v.mu.Lock()
			for i := range b.Messages {
				if err := take(&b.Messages[i], b.Places[i]); err != nil {
					v.failed(stream, b.Places[i].Sequence, err)
				}
				*seen = b.Places[i].Sequence
			}
			v.settle()
			v.mu.Unlock()
			b.Release()
		case err := <-reader.Failed():
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// failed notes what cannot be verified; it stays until somebody looks.
func (v *Verifier) failed(stream string, sequence uint64, err error) {
	if v.report.Problem == "" {
		v.report.Problem = fmt.Sprintf("stream %s, sequence %d: %v", stream, sequence, err)
		v.log.Error().Msg("verification failed: " + v.report.Problem)
	}
}

// event takes in one event.
func (v *Verifier) event(m *link.Message, at ordered.Place) error {
	if !bytes.HasPrefix(m.Subject, v.prefix) {
		return nil // it is from an origin that was a source once
	}
	f := &v.fields
	f.Parse(m.Header)
	sequence := f.Number(wire.HeaderOriginSequence)
	if sequence == 0 {
		return errNoSequence
	}
	if len(f.Get(wire.HeaderReleased)) > 0 {
		return v.releasedEvent(sequence, m)
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
	v.report.MaskedFields += f.Number(wire.HeaderMasked)
	if stored, err := time.Parse(time.RFC3339Nano, string(f.Get(wire.HeaderStoredAt))); err == nil {
		v.addLag(at.Time().Sub(stored))
	}
	v.ahead = append(v.ahead, arrived{sequence, v.hasher.Digest(sequence, m.Subject, f, m.Data)})
	if len(v.ahead) > maxAhead {
		return fmt.Errorf("%d events arrived without a watermark", len(v.ahead))
	}
	return nil
}

// releasedEvent takes in an event that was withheld when its turn came. It is
// judged when the watermark that covers its release is.
func (v *Verifier) releasedEvent(sequence uint64, m *link.Message) error {
	if _, again := v.early[sequence]; again || v.crossed.has(sequence) {
		v.report.Duplicates++
		return nil
	}
	v.report.MaskedFields += v.fields.Number(wire.HeaderMasked)
	v.early[sequence] = v.hasher.Digest(sequence, m.Subject, &v.fields, m.Data)
	if len(v.early) > maxAhead {
		return fmt.Errorf("%d released events arrived without a watermark", len(v.early))
	}
	return nil
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
func (v *Verifier) record(m *link.Message, _ ordered.Place) error {
	switch kind := m.Subject[bytes.LastIndexByte(m.Subject, '.')+1:]; string(kind) {
	case wire.KindWithheld:
		f := &v.fields
		f.Parse(m.Header)
		sequence := f.Number(wire.HeaderOriginSequence)
		if sequence == 0 {
			return errNoSequence
		}
		v.report.Withheld++
		v.withheld.add(sequence)
		v.next = append(v.next, arrived{sequence, v.hasher.Digest(sequence, m.Subject, f, m.Data)})
	case wire.KindWatermark:
		var w Watermark
		if err := json.Unmarshal(m.Data, &w); err != nil {
			return fmt.Errorf("read a watermark: %w", err)
		}
		v.marks = append(v.marks, mark{w, v.open})
		v.open = nil
	case wire.KindReleased:
		var r Released
		if err := json.Unmarshal(m.Data, &r); err != nil {
			return fmt.Errorf("read the record of a release: %w", err)
		}
		v.open = append(v.open, r)
	default:
		return fmt.Errorf("unknown record %s", m.Subject)
	}
	return nil
}

// settle compares with every watermark whose events have all arrived.
func (v *Verifier) settle() {
	for len(v.marks) > 0 {
		w := v.marks[0]
		if len(v.ahead) > 0 && v.ahead[len(v.ahead)-1].sequence > w.To {
			// Later events are here: what is not here by now does not come.
		} else if countTo(v.ahead, w.To) < w.Sent || !v.allHere(w.releases) {
			return
		}
		v.compare(w)
		v.marks = v.marks[1:]
	}
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
		if j == markers || (i < events && v.ahead[i].sequence < v.next[j].sequence) {
			segment.AddEvent(v.ahead[i].sequence, v.ahead[i].digest)
			i++
		} else {
			segment.AddMarker(v.next[j].sequence, v.next[j].digest)
			j++
		}
	}
	v.ahead, v.next = slices.Delete(v.ahead, 0, int(events)), slices.Delete(v.next, 0, int(markers))
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

var errNoSequence = errors.New("it names no origin sequence")
