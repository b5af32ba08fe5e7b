package ledger

import (
	"context"
	"errors"
	"fmt"
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
	Generation   uint64          `json:"generation,omitempty"` // how often the origin has masked its history, from 2 on; all counts are of this one
	VerifiedTo   uint64          `json:"verified_to"`          // origin sequence up to which all is complete and identical
	Delivered    uint64          `json:"delivered"`            // distinct events that arrived
	Withheld     uint64          `json:"withheld"`             // events that the route withholds
	Released     uint64          `json:"released,omitempty"`   // events that it withheld first and released later; they count as delivered
	Repaired     uint64          `json:"repaired,omitempty"`   // events that came again because they were missing or different
	MaskedFields uint64          `json:"masked_fields"`
	Duplicates   uint64          `json:"duplicates"`           // messages of events that are here already
	Missing      uint64          `json:"missing"`              // events that a watermark counts and that did not arrive
	OutOfOrder   uint64          `json:"out_of_order"`         // messages that came after events of higher sequences
	Strays       uint64          `json:"strays,omitempty"`     // messages that name no event
	Replaced     uint64          `json:"replaced,omitempty"`   // messages in whose place a repair has brought others, and that are still here
	Superseded   uint64          `json:"superseded,omitempty"` // messages of earlier generations that are still here
	Mismatches   uint64          `json:"mismatches"`           // segments whose digest or chain differs
	Problem      string          `json:"problem,omitempty"`
	Lags         []time.Duration `json:"-"` // from stored at the origin to stored here, the latest maxLags
}

// Healthy reports whether nothing is missing, doubled or different.
func (r Report) Healthy() bool {
	return r.Duplicates+r.Missing+r.OutOfOrder+r.Strays+r.Replaced+r.Superseded+r.Mismatches == 0 && r.Problem == ""
}

const (
	// maxLags bounds the memory for lags: the latest ones are kept.
	maxLags = 1 << 17

	// maxAhead bounds how many events are held while their watermark is awaited.
	// A route closes a segment at the latest after a second or a thousand events;
	// more than this means that the ledger's records do not arrive.
	maxAhead = 1 << 18

	// overdueAfter is how long a watermark waits for its events after they should have
	// come with it.
	overdueAfter = 5 * time.Second

	// activeWithin is how lately a source must have heard from its origin to be
	// believed that nothing is on its way. Its consumer sends a heartbeat every second.
	activeWithin = 3 * time.Second

	// maxDisputes bounds the segments that differ and are held for their repair: 48
	// bytes for each of their events. More are counted; an audit finds them again.
	maxDisputes = 256

	// maxSurplus bounds the messages that are held for their removal, likewise.
	maxSurplus = 1 << 14
)

// Verifier recomputes the digests of a domain's events as they arrive, and holds
// what differs until it is repaired. It is safe for concurrent use.
type Verifier struct {
	js     jetstream.JetStream
	origin string
	domain string
	prefix []byte // of the subjects of the origin's events
	log    zerolog.Logger

	cancel context.CancelFunc
	work   sync.WaitGroup

	mu      sync.Mutex
	changed chan struct{} // closed, and replaced, when something was taken in
	report  Report
	read    [2]uint64 // last sequence that was taken in of the domain's stream and of the ledger's
	ahead   []held    // events past the last watermark, in origin order
	next    []arrived // withheld markers past it
	fields  wire.Fields
	hasher  Hasher
	marks   []mark
	open    []Released // releases since the last watermark that arrived
	last    uint64     // highest origin sequence that arrived in its turn
	settled uint64     // end of the last segment that was compared
	chain   Digest     // of that segment and all before it
	tail    *dispute   // that segment
	lag     int        // where in report.Lags the next one goes

	withheld ranges          // events that were withheld when their turn came
	crossed  ranges          // those of them that were released
	early    map[uint64]held // released events that no watermark that is sound covers yet

	generation uint64    // of what is verified, from 1 on
	renewal    time.Time // when it was begun; zero for the first
	begins     uint64    // sequence in the domain's stream of the first event of it; 0: none has come
	latest     uint64    // of the last one
	present    uint64    // how many messages of it have come
	former     former    // what is of earlier ones

	disputes []*dispute          // open ones, in order
	beyond   uint64              // that differ and are not held
	again    map[uint64]held     // events that came again before their segment was compared
	freed    map[uint64]held     // the same of released events
	surplus  map[uint64]*Surplus // by sequence in the domain's stream
	spared   uint64              // surplus that is not held
}

// mark is a watermark with the releases that it covers, or leaves that came behind
// one.
type mark struct {
	Watermark
	releases []Released
	leaves   *Leaves
	at       uint64    // its sequence in the ledger's stream
	stored   time.Time // when it was stored there
}

// arrived is what a segment's digest needs of a message.
type arrived struct {
	sequence uint64
	digest   Digest
}

// held is an event as the domain's stream has it.
type held struct {
	arrived
	at     uint64 // its sequence there
	masked uint32 // values of it that masking changed
	repair bool   // it came again
}

// Which of the two streams a Verifier reads.
const (
	ofEvents = iota
	ofRecords
)

// Verify starts to verify domain's events from origin, in the account and
// environment of js, from their beginning.
func Verify(js jetstream.JetStream, origin, domain string, log zerolog.Logger) *Verifier {
	ctx, cancel := context.WithCancel(context.Background())
	v := &Verifier{
		js: js, origin: origin, domain: domain, prefix: []byte(wire.StoredSubject(origin, "")), cancel: cancel,
		log:     log.With().Str("part", "ledger").Str("origin", origin).Str("domain", domain).Logger(),
		changed: make(chan struct{}), surplus: map[uint64]*Surplus{},
	}
	v.begin(1, time.Time{})
	v.work.Go(func() {
		v.follow(ctx, ofEvents, wire.DomainStream(domain), wire.StoredSubject(origin, domain+".>"), v.event)
	})
	v.work.Go(func() { v.follow(ctx, ofRecords, wire.LedgerStream, wire.LedgerSubject(origin, domain, "*"), v.record) })
	v.work.Go(func() { v.watch(ctx) })
	v.work.Go(func() { v.clear(ctx) })
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

// await returns when done says so, which is asked whenever something was taken in.
// The verifier is locked while it is.
func (v *Verifier) await(ctx context.Context, done func() bool) error {
	for {
		v.mu.Lock()
		ok, changed := done(), v.changed
		v.mu.Unlock()
		if ok {
			return nil
		}
		select {
		case <-changed:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// follow hands every message of a stream to take, in order, until ctx ends.
func (v *Verifier) follow(ctx context.Context, which int, stream, filter string, take func(*link.Message, ordered.Place) error) {
	for ctx.Err() == nil {
		err := v.readOn(ctx, which, stream, filter, take)
		if ctx.Err() == nil && err != nil {
			v.log.Warn().Err(err).Str("stream", stream).Msg("reading is interrupted; it goes on in a second")
			select {
			case <-ctx.Done():
			case <-time.After(time.Second):
			}
		}
	}
}

func (v *Verifier) readOn(ctx context.Context, which int, stream, filter string, take func(*link.Message, ordered.Place) error) error {
	source, err := v.js.Stream(ctx, stream)
	if err != nil {
		return err
	}
	// Where nothing but what is wanted arrives, the server need not compare each
	// message's subject, which with many subjects is its greatest cost of reading.
	if shape := source.CachedInfo().Config; len(shape.Sources) == 1 && len(shape.Subjects) <= 1 && which == ofEvents {
		filter = ""
	}
	behind, err := v.behind(ctx, which, source)
	if err != nil {
		return err
	}
	reader, err := ordered.Open(ctx, ordered.Config{
		Conn: v.js.Conn(), Name: "ledger of " + v.domain + " from " + v.origin, Stream: stream, Filter: filter, Behind: behind,
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
				err := take(&b.Messages[i], b.Places[i])
				for early := (*earlyError)(nil); errors.As(err, &early); err = take(&b.Messages[i], b.Places[i]) {
					if err := v.awaitGeneration(ctx, early, stream, b.Places[i].Sequence); err != nil {
						v.mu.Unlock()
						b.Release()
						return err
					}
				}
				if err != nil {
					v.failed(fmt.Errorf("stream %s, sequence %d: %w", stream, b.Places[i].Sequence, err))
				}
				v.read[which] = b.Places[i].Sequence
			}
			v.settle(time.Time{})
			v.announce()
			v.mu.Unlock()
			b.Release()
		case err := <-reader.Failed():
			return err
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

// announce brings the report up to date and wakes those who wait for a change.
func (v *Verifier) announce() {
	v.tally()
	close(v.changed)
	v.changed = make(chan struct{})
}

// failed notes what cannot be verified; it stays until somebody looks.
func (v *Verifier) failed(err error) {
	if v.report.Problem == "" {
		v.report.Problem = err.Error()
		v.log.Error().Msg("verification failed: " + v.report.Problem)
	}
}
