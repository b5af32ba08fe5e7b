// Package route carries a domain's events from the environment in which they
// originate to one other, masked.
//
// A route reads the origin stream in order, masks each event under its
// contract and the route's policy, and writes the result into the egress
// stream of its destination: for every event either the masked event or a
// marker that it was withheld. The last message of the egress stream is the
// route's checkpoint, and every write names the sequence it expects to follow,
// so that a route that is killed, or run twice, neither loses nor doubles an
// event. There is no other state.
//
// How values are masked belongs in mesh/mask and mesh/contract; who may read
// the egress stream, in mesh/node; proof of completeness, in mesh/ledger.
package route

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh/catalog"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

const (
	maxBatch       = 500 // messages in one atomic batch; JetStream's limit is 1,000
	maxBatchBytes  = 8 << 20
	watermarkEvery = 1000        // messages
	watermarkAfter = time.Second // since the first message that no watermark covers
	writeTimeout   = 10 * time.Second
	minRetry       = 100 * time.Millisecond
	maxRetry       = 5 * time.Second
	readAhead      = 2000
)

// Config is what a route needs.
type Config struct {
	From, To, Domain string
	Policy           string       // name and digest, for the provenance header
	Masker           *mask.Masker // the policy, compiled for this destination
	Catalog          *catalog.Catalog
	Conn             *nats.Conn // in the account of the streams, at the origin
	Logger           zerolog.Logger
}

// State says how a route fares.
type State string

// The states of a route.
const (
	StateStarting State = "starting"
	StateRunning  State = "running"
	StateRetrying State = "retrying" // it failed, and begins again from the checkpoint
	StateStopped  State = "stopped"  // closed, or halted by something that only a person can mend
)

// Status is what is known of a route.
type Status struct {
	From         string `json:"from"`
	To           string `json:"to"`
	Domain       string `json:"domain"`
	State        State  `json:"state"`
	Checkpoint   uint64 `json:"checkpoint"` // origin sequence of the last event that is dealt with
	Sent         uint64 `json:"sent"`       // since the route started
	Withheld     uint64 `json:"withheld"`
	MaskedFields uint64 `json:"masked_fields"`
	Problem      string `json:"problem,omitempty"` // the latest failure
}

// Route is a running route. It is safe for concurrent use.
type Route struct {
	config   Config
	js       jetstream.JetStream
	log      zerolog.Logger
	withheld zerolog.Logger // says little of much: the stream of reasons has it all
	origin   string         // stream name
	egress   string         // stream name
	stream   string         // the origin stream's name and identity; used by the route's own goroutine

	cancel context.CancelFunc
	work   sync.WaitGroup

	mu     sync.Mutex
	status Status
}

// haltError is a failure that trying again cannot mend.
type haltError struct{ cause error }

func (e *haltError) Error() string { return e.cause.Error() }
func (e *haltError) Unwrap() error { return e.cause }

// Start starts the route. It goes on through every failure of the streams it
// reads and writes, until Close.
func Start(c Config) (*Route, error) {
	js, err := jetstream.New(c.Conn)
	if err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancel(context.Background())
	r := &Route{
		config: c, js: js, cancel: cancel,
		withheld: c.Logger.With().Str("part", "route").Str("to", c.To).Str("domain", c.Domain).Logger().Sample(&zerolog.BurstSampler{Burst: 10, Period: time.Minute}),
		log:      c.Logger.With().Str("part", "route").Str("to", c.To).Str("domain", c.Domain).Logger(),
		origin:   wire.DomainStream(c.Domain), egress: wire.EgressStream(c.Domain, c.To),
		status: Status{From: c.From, To: c.To, Domain: c.Domain, State: StateStarting},
	}
	r.work.Go(func() { r.run(ctx) })
	return r, nil
}

// Close stops the route between two batches and waits until it has stopped.
func (r *Route) Close() {
	r.cancel()
	r.work.Wait()
}

// Status is what is known now.
func (r *Route) Status() Status {
	r.mu.Lock()
	defer r.mu.Unlock()
	return r.status
}

func (r *Route) update(change func(*Status)) {
	r.mu.Lock()
	defer r.mu.Unlock()
	change(&r.status)
}

// run carries events until ctx ends, beginning again from the checkpoint after
// every failure.
func (r *Route) run(ctx context.Context) {
	defer r.update(func(s *Status) { s.State = StateStopped })
	retry := minRetry
	for {
		before := r.Status().Checkpoint
		err := r.carry(ctx)
		if ctx.Err() != nil {
			return
		}
		r.update(func(s *Status) { s.State, s.Problem = StateRetrying, err.Error() })
		var halt *haltError
		if errors.As(err, &halt) {
			r.log.Error().Err(err).Msg("the route is halted")
			return
		}
		if r.Status().Checkpoint != before {
			retry = minRetry
		}
		r.log.Warn().Err(err).Dur("again_in", retry).Msg("the route begins again from its checkpoint")
		select {
		case <-ctx.Done():
			return
		case <-time.After(retry/2 + rand.N(retry)):
		}
		retry = min(2*retry, maxRetry)
	}
}

// carry carries events from the checkpoint on, until something fails.
func (r *Route) carry(ctx context.Context) error {
	p, err := r.open(ctx)
	if err != nil {
		return err
	}
	r.update(func(s *Status) { s.State, s.Checkpoint, s.Problem = StateRunning, p.checkpoint, "" })
	consumer, err := r.js.OrderedConsumer(ctx, r.origin, jetstream.OrderedConsumerConfig{
		FilterSubjects: []string{wire.StoredSubject(r.config.From, r.config.Domain+".>")},
		DeliverPolicy:  jetstream.DeliverByStartSequencePolicy, OptStartSeq: p.checkpoint + 1,
	})
	if err != nil {
		return fmt.Errorf("read stream %s: %w", r.origin, err)
	}
	return r.pump(ctx, consumer, p)
}

// pump moves events from the consumer into the egress stream, as many at a
// time as wait.
func (r *Route) pump(ctx context.Context, consumer jetstream.Consumer, p *position) error {
	messages, err := consumer.Messages(jetstream.PullMaxMessages(readAhead), jetstream.PullHeartbeat(time.Second))
	if err != nil {
		return fmt.Errorf("read stream %s: %w", r.origin, err)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	incoming := make(chan jetstream.Msg, readAhead)
	failed := make(chan error, 1)
	var reader sync.WaitGroup
	reader.Go(func() {
		for {
			m, err := messages.Next(jetstream.NextContext(ctx))
			if err != nil {
				failed <- err
				return
			}
			select {
			case incoming <- m:
			case <-ctx.Done():
				failed <- ctx.Err()
				return
			}
		}
	})
	defer func() { cancel(); messages.Stop(); reader.Wait() }()

	due := time.NewTimer(watermarkAfter)
	defer due.Stop()
	for {
		select {
		case m := <-incoming:
			if err := r.batch(ctx, p, m, incoming); err != nil {
				return err
			}
		case <-due.C:
			if err := r.mark(ctx, p); err != nil {
				return err
			}
			due.Reset(watermarkAfter)
		case err := <-failed:
			return fmt.Errorf("read stream %s: %w", r.origin, err)
		}
	}
}

// batch masks the first message and all that wait behind it, and commits the
// outcome in one step.
func (r *Route) batch(ctx context.Context, p *position, first jetstream.Msg, incoming <-chan jetstream.Msg) error {
	b := &batch{}
	for m, more := first, true; more; {
		out, err := r.transform(m)
		if err != nil {
			return err
		}
		if err := b.add(p, out); err != nil {
			return err
		}
		if p.segment.Messages() >= watermarkEvery {
			if err := b.mark(r, p); err != nil {
				return err
			}
		}
		if len(b.messages) >= maxBatch-1 || b.bytes >= maxBatchBytes {
			break
		}
		select {
		case m = <-incoming:
		default:
			more = false
		}
	}
	return r.commit(ctx, p, b)
}

// mark closes the open segment, if it holds anything.
func (r *Route) mark(ctx context.Context, p *position) error {
	if p.segment.Messages() == 0 {
		return nil
	}
	b := &batch{}
	if err := b.mark(r, p); err != nil {
		return err
	}
	return r.commit(ctx, p, b)
}

// originStream is the value of the header that identifies the origin stream.
func originStream(info *jetstream.StreamInfo) string {
	return info.Config.Name + "@" + strconv.FormatInt(info.Created.UnixNano(), 10)
}
