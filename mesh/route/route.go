// Package route carries a domain's events from the environment in which they
// originate to one other, masked.
//
// A route reads the origin stream in order, masks each event under its
// contract and the route's policy, and writes the result into the egress
// stream of its destination: for every event either the masked event or a
// marker that it was withheld. The last message of the egress stream says how
// far the route is, every write names the sequence it expects to follow, and only
// one route at a time writes, so that a route that is killed, or run twice, neither
// loses nor doubles an event. What was withheld can be released later, exactly
// once, and what a destination has lost is written again if it asks. There is no
// other state than the streams.
//
// Reading, masking and writing run side by side (pipeline.go, writer.go). How a
// message is written depends on what the server does before it acknowledges
// (sink.go, pipelined.go); who may write, on who else does (owner.go).
//
// How values are masked belongs in mesh/mask and mesh/contract; who may read
// the egress stream, in mesh/node; proof of completeness, in mesh/ledger.
package route

import (
	"context"
	"errors"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh/catalog"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

const (
	maxBatch       = 900 // messages in one atomic batch; JetStream's limit is 1,000
	maxBatchBytes  = 8 << 20
	watermarkEvery = 1000        // messages
	watermarkAfter = time.Second // at the latest
	writeTimeout   = 10 * time.Second
	minRetry       = 100 * time.Millisecond
	maxRetry       = 5 * time.Second
	maxRecords     = 4096 // of withheld events, on their way at once
)

// Config is what a route needs.
type Config struct {
	From, To, Domain string
	Policy           string       // name and digest, for the provenance header
	Masker           *mask.Masker // the policy, compiled for this destination; nil: every event is withheld
	Fault            error        // why there is no Masker
	Catalog          *catalog.Catalog
	Conn             *nats.Conn // in the account of the streams, at the origin; the route's own
	Durable          bool       // the server syncs to disk before it acknowledges
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
	Generation   uint64 `json:"generation,omitempty"` // how often the history was masked, from 2 on
	Checkpoint   uint64 `json:"checkpoint"`           // origin sequence of the last event that is dealt with
	Sent         uint64 `json:"sent"`                 // since the route started
	Withheld     uint64 `json:"withheld"`
	Released     uint64 `json:"released,omitempty"`
	Resent       uint64 `json:"resent,omitempty"` // events that were written again because the destination asked
	MaskedFields uint64 `json:"masked_fields"`
	Problem      string `json:"problem,omitempty"` // the latest failure
	Policy       string `json:"policy,omitempty"`
	PolicyFault  string `json:"policy_fault,omitempty"` // why every event is withheld
}

// Route is a running route. It is safe for concurrent use.
type Route struct {
	config   Config
	js       jetstream.JetStream
	log      zerolog.Logger
	withheld zerolog.Logger // says little of much: the stream of reasons has it all
	origin   string         // stream name
	egress   string         // stream name
	names    names
	stored   []byte    // names.stored
	marker   *template // of markers' headers

	masking atomic.Pointer[masking]
	kinds   kinds

	releasing chan struct{} // held by the request that releases
	releases  chan *release // to the writer
	asked     atomic.Pointer[request]
	repairs   chan *repair               // to the writer
	renewals  chan *renewal              // likewise
	current   atomic.Pointer[generation] // that the route writes
	budget    budget                     // of what the destination has written again
	observe   func(step)                 // called before each step, in tests

	cancel context.CancelFunc
	ended  chan struct{} // closed when the route has stopped
	work   sync.WaitGroup

	mu     sync.Mutex
	status Status
}

// names are the beginnings of the subjects that a route reads and writes.
type names struct {
	stored   string // evt.<from>.
	egress   string // egress.<to>.
	withheld string // subject on which markers are written
	marker   string // subject under which they are stored
	record   string // withheld.<to>.<domain>.
	mark     string // subject under which watermarks are stored
	released string // and records of releases
	renewal  string // and those that begin a generation
	writer   string // that the one which writes is subscribed to
}

// step is a point at which a route can be interrupted.
type step string

const (
	stepWrite   step = "write"   // before messages are handed to the connection
	stepCommit  step = "commit"  // before the message that ends a batch is
	stepWritten step = "written" // once a batch is known to be stored
	stepRecord  step = "record"  // before a release is recorded
	stepPurge   step = "purge"   // before what is of earlier generations is taken out
)

func (r *Route) step(s step) {
	if r.observe != nil {
		r.observe(s)
	}
}

// haltError is a failure that trying again cannot mend.
type haltError struct{ cause error }

func (e *haltError) Error() string { return e.cause.Error() }
func (e *haltError) Unwrap() error { return e.cause }

// Start starts the route. It goes on through every failure of the streams it
// reads and writes, until Close. Without a masker it withholds every event,
// until it gets one: see Apply.
func Start(c Config) (*Route, error) { return start(c, nil) }

func start(c Config, observe func(step)) (*Route, error) {
	js, err := jetstream.New(c.Conn, jetstream.WithPublishAsyncMaxPending(maxRecords))
	if err != nil {
		return nil, &Error{Code: CodeUnavailable, Op: "start the route of " + c.Domain + " to " + c.To, Cause: err}
	}
	ctx, cancel := context.WithCancel(context.Background())
	log := c.Logger.With().Str("part", "route").Str("to", c.To).Str("domain", c.Domain).Logger()
	r := &Route{
		config: c, js: js, cancel: cancel, log: log, observe: observe,
		withheld: log.Sample(&zerolog.BurstSampler{Burst: 10, Period: time.Minute}),
		origin:   wire.DomainStream(c.Domain), egress: wire.EgressStream(c.Domain, c.To),
		names: names{
			stored: wire.StoredSubject(c.From, ""), egress: wire.EgressSubject(c.To, ""),
			withheld: wire.EgressRecordSubject(c.To, c.From, c.Domain, wire.KindWithheld), marker: wire.LedgerSubject(c.From, c.Domain, wire.KindWithheld),
			record: wire.WithheldRoot + "." + c.To + "." + c.Domain + ".", mark: wire.LedgerSubject(c.From, c.Domain, wire.KindWatermark),
			released: wire.LedgerSubject(c.From, c.Domain, wire.KindReleased), renewal: wire.LedgerSubject(c.From, c.Domain, wire.KindRenewal), writer: wire.WriterSubject(c.From, wire.EgressStream(c.Domain, c.To)),
		},
		stored: []byte(wire.StoredSubject(c.From, "")), marker: newTemplate(wire.HeaderOrigin, c.From, wire.HeaderHop, firstHop),
		releasing: make(chan struct{}, 1), releases: make(chan *release), ended: make(chan struct{}),
		repairs: make(chan *repair), renewals: make(chan *renewal), budget: newBudget(time.Now()),
		status: Status{From: c.From, To: c.To, Domain: c.Domain, State: StateStarting},
	}
	r.current.Store(&generation{number: 1, begins: 1}) // until it is read
	r.Apply(c.Policy, c.Masker, c.Fault)
	r.work.Go(func() { r.run(ctx) })
	return r, nil
}

// Apply has the route mask under another policy from the next event on. A nil
// masker, with the reason in fault, withholds every event.
func (r *Route) Apply(policy string, m *mask.Masker, fault error) {
	next := newMasking(policy, m, fault)
	r.masking.Store(next)
	problem := ""
	if m == nil {
		_, problem = next.broken()
		r.log.Error().Str("policy", policy).Str("why", problem).Msg("every event is withheld")
	}
	r.update(func(s *Status) { s.Policy, s.PolicyFault = policy, problem })
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
	defer close(r.ended)
	defer r.update(func(s *Status) { s.State = StateStopped })
	retry := minRetry
	for {
		before := r.Status().Checkpoint
		err := r.carry(ctx)
		if ctx.Err() != nil {
			return
		}
		if errors.Is(err, errRenewed) {
			continue
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
		if !r.pause(ctx, retry/2+rand.N(retry), errors.Is(err, errOwned)) {
			return
		}
		retry = min(2*retry, maxRetry)
	}
}
