// Package gate validates what applications publish before it is stored.
//
// A gate subscribes to its domains' subjects in the applications' account,
// applies the contract of each event's type, stores what it admits, and answers
// as JetStream would: with the stream's own PubAck, or with an API error that
// says what is wrong with the event. What it refuses it keeps in quarantine.
//
// Which contract applies belongs in mesh/catalog; what a contract says, in
// mesh/contract; who may publish where, in mesh/node; bytes and connections, in
// mesh/link.
//
// # The way of an event
//
// One goroutine reads what has arrived, many events at a time (a chunk). Chunks
// are admitted in parallel (pipeline.go, admit.go) and leave in the order in
// which they came. Under durability interval the events of a chunk are written
// to the store with one system call, each answered by the stream by itself.
// Under always they go through the lane of their stream, which sends few singly
// and many as one atomic batch (lane.go, batch.go).
//
// # Order
//
// The events of one connection are stored in the order in which they were
// published, as long as one gate takes them. Several gates of one environment
// share its load by a queue group. A server hands a publish to a gate connected
// to itself before one elsewhere in the cluster, so with one gate to a server
// every connection has one gate. With several at one server, a publisher keeps
// its order if it waits for each acknowledgement, or says what it expects
// (Nats-Expected-Last-Subject-Sequence).
//
// # What it costs
//
// Measured with the benchmarks of this package, against the same client straight
// into a stream of the same server, alternating within a run, on two cores that
// were shared, events of 496 B, schema validated (medians of ratios):
//
//	always, one asynchronous publisher, 4,096 pending   10 to 13
//	always, 512 / 64 / 8 / 1 that wait                  4.6 to 6.4 / 1.0 to 1.7 / 0.97 / 0.80 to 0.88
//	always, one that waits, p50                         +42 to +50 µs on 205 to 235 µs
//	interval, one asynchronous publisher                0.60 to 0.65, CPU 13.8 µs to 7.6 µs an event
//	interval, one that waits, p50                       +10 µs on 26 µs, CPU 44 to 51 µs to 37 to 42 µs
//
// Both links go through memory. Over TCP the link to applications has 4 % more
// throughput under full load, 12.7 µs an event, because the server writes into a
// pipe in pieces of 512 B; but whoever waits for an event waits 18 µs longer than
// without a gate, and the event costs 65 µs. With the link to the store over TCP,
// too, it is 35 µs more.
//
// What an event under interval costs more than without a gate, by goroutine (with
// applications over TCP): the server's reading 1.8 µs, for it is read twice, and 0.4
// of that are permissions, which the server remembers for 128 subjects only; its
// loop over the stream 1.5, of which 0.7 are the headers' part of the one write call
// for each message, 0.25 the search among headers, and 0.25 the way of the answer
// between accounts; the gate 1.9, of which 1.2 are validation. Fewer events under
// way at once, smaller reads and buffers kept from the collector gained nothing.
//
// Under always a publisher alone waits for the disk meanwhile, and the way to it,
// 65 µs from the server's reading to the sync in place of 30, then begins with cold
// caches: the same work takes 10 µs under interval.
package gate

import (
	"context"
	"errors"
	"runtime"
	"slices"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh/catalog"
	"github.com/lockstep-mesh/lockstep/mesh/link"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// queueGroup is the queue group that the gates of one environment share.
const queueGroup = "lockstep-gate"

// idPrefixLength is how much of a nuid comes before the number in the ids of
// events that have none: its random part, of 71 bits.
const idPrefixLength = 12

// MaxEventBytes is the largest event, with its headers, that a gate admits.
const MaxEventBytes = 1 << 20

// Config is what a gate needs.
type Config struct {
	Environment string
	// Origins gives, for each domain of the mesh, the environments in which its
	// events originate. A gate answers for all domains, and refuses those whose
	// events originate elsewhere, so that publishers learn where to go.
	Origins map[string][]string
	Catalog *catalog.Catalog
	// Apps is a connection in the applications' account, and Mesh one in the
	// account of the streams. The gate opens two of its own like them: the first
	// to take events and answer, the second to store.
	Apps *nats.Conn
	Mesh *nats.Conn
	// GroupCommit has events that wait be stored as one batch. It is for servers
	// that sync before they acknowledge (durability always); where the server
	// does not, single messages are faster.
	GroupCommit bool
	// Inboxes is the prefix under which the inboxes of applications are reached
	// from the account of the streams, as node.ApplicationInboxes. With it streams
	// answer most publishers themselves; left out, every answer goes through the
	// gate.
	Inboxes string
	// Workers is how many goroutines validate beside the one that reads; default
	// one less than there are CPUs.
	Workers int
	Logger  zerolog.Logger
}

// Stats counts what a gate has done since it started.
type Stats struct {
	Stored  uint64 `json:"stored"`            // events that JetStream acknowledged
	Refused uint64 `json:"refused"`           // events that a rule of the gate refused
	Failed  uint64 `json:"failed"`            // events that could not be stored
	Batches uint64 `json:"batches,omitempty"` // atomic batches that were committed
	Batched uint64 `json:"batched,omitempty"` // events stored in those
	Waiting int    `json:"waiting,omitempty"` // events that are not answered yet
}

// Gate is a running gate. It is safe for concurrent use.
type Gate struct {
	config     Config
	apps       *link.Link
	store      *store
	pipeline   *pipeline
	subscribed []*domain // by subscription
	quarantine *lane
	isolated   atomic.Int64 // refused events on their way to quarantine

	typesMu sync.RWMutex
	types   map[string]*eventType

	idPrefix []byte // of ids for events that have none
	ids      atomic.Uint64

	submitting sync.Mutex
	submission submission // guarded by submitting
	fencer     sync.WaitGroup
	stop       context.CancelFunc

	logged  atomic.Int64 // when a failure was last logged, Unix nanoseconds
	closing sync.Once
	closed  error

	stored, refused, failed atomic.Uint64
}

// domain is one domain whose events the gate takes.
type domain struct {
	stream    string   // where its events belong
	prefix    []byte   // of the subjects under which its events are stored
	lane      *lane    // of its stream; nil if its events originate elsewhere
	elsewhere *Refusal // of events that originate elsewhere
	dead      bool     // it is no domain: the dead letters of subscribers
}

// Start subscribes to every domain's subjects and to the dead letters of
// subscribers. Events are accepted from when it returns until Close.
func Start(c Config) (*Gate, error) {
	c.Logger = c.Logger.With().Str("part", "gate").Logger()
	if c.Workers <= 0 {
		c.Workers = max(runtime.GOMAXPROCS(0)-1, 1)
	}
	g := &Gate{config: c, types: map[string]*eventType{}, idPrefix: []byte(nuid.New().Next()[:idPrefixLength])}
	ctx := context.Background()
	var err error
	if g.store, err = openStore(ctx, c.Mesh, c.Inboxes, c.Logger, g.respond, g.forget); err != nil {
		return nil, err
	}
	g.quarantine = newLane(g.store, wire.QuarantineStream, c.GroupCommit)
	var subscriptions []link.Subscription
	for name := range c.Origins {
		d := &domain{stream: wire.DomainStream(name), prefix: []byte(wire.StoredSubject(c.Environment, "")), elsewhere: g.elsewhere(name)}
		if d.elsewhere == nil {
			d.lane = newLane(g.store, d.stream, c.GroupCommit)
			d.lane.fence = []byte(wire.StoredSubject(c.Environment, name+".-"))
		}
		g.subscribed = append(g.subscribed, d)
		subscriptions = append(subscriptions, link.Subscription{Subject: name + ".>", Queue: queueGroup})
	}
	g.subscribed = append(g.subscribed, &domain{stream: wire.DeadLetterStream, dead: true, lane: newLane(g.store, wire.DeadLetterStream, c.GroupCommit)})
	subscriptions = append(subscriptions, link.Subscription{Subject: wire.DeadLetterRoot + ".>", Queue: queueGroup})
	g.pipeline = newPipeline(c.Workers, g.admitAll, g.submit)
	// What arrives while this opens is answered once there is a link to answer on.
	opened := make(chan struct{})
	g.apps, err = link.Open(ctx, link.Config{
		Like: c.Apps, Name: "gate", Subscriptions: subscriptions, Logger: c.Logger,
		Receive: func(b *link.Batch) { <-opened; g.receive(b) },
	})
	close(opened)
	if err != nil {
		g.pipeline.close()
		return nil, errors.Join(err, g.store.close(ctx))
	}
	running, stop := context.WithCancel(ctx)
	g.stop = stop
	g.fencer.Go(func() { g.fences(running) })
	return g, nil
}

// elsewhere is the refusal of events of a domain that does not originate here;
// nil if it does.
func (g *Gate) elsewhere(domain string) *Refusal {
	origins := g.config.Origins[domain]
	if slices.Contains(origins, g.config.Environment) {
		return nil
	}
	where := "no environment"
	if len(origins) > 0 {
		where = strings.Join(origins, " or ")
	}
	return refused(CodeOrigin, "events of domain "+domain+" originate in "+where+", not in "+g.config.Environment, "publish there; it is routed here")
}

// Stats gives the counts so far.
func (g *Gate) Stats() Stats {
	return Stats{
		Stored: g.stored.Load(), Refused: g.refused.Load(), Failed: g.failed.Load(),
		Batches: g.store.commits.Load(), Batched: g.store.batched.Load(), Waiting: g.store.table.inUse(),
	}
}

// Close stops taking events, waits until those under way are answered or ctx
// ends, and leaves the connections it was given open. It may be called more
// than once.
func (g *Gate) Close(ctx context.Context) error {
	g.closing.Do(func() {
		g.apps.Unsubscribe()
		err := g.apps.Settle(ctx) // all that was handed to the gate has arrived
		g.pipeline.close()
		g.stop()
		g.fencer.Wait()
		g.fence()
		err = errors.Join(err, g.store.close(ctx))
		if err == nil {
			err = g.apps.Settle(ctx) // all answers are with the server
		}
		g.apps.Close()
		if !errors.Is(err, link.ErrClosed) { // with the server gone there is nobody to answer
			g.closed = err
		}
	})
	return g.closed
}
