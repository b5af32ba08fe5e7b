package mesh

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"
)

// Subscription is a running subscription, made by [Subscribe]. It ends when it
// is closed or drained, when its connection is, or when its consumer is deleted.
//
// One goroutine pulls events, as many as MaxInFlight has room for; Concurrency
// workers handle them; one more reports those held as being in progress.
type Subscription struct {
	conn     *Conn
	cfg      SubscribeConfig
	consumer jetstream.Consumer
	run      func(context.Context, Metadata) error // decodes and calls the handler
	log      zerolog.Logger

	ready    chan *line         // lines whose head can be handled; holds any line once
	draining chan struct{}      // closed: begin nothing new
	halted   chan struct{}      // closed: end at once
	done     chan struct{}      // closed: everything has ended
	cancel   context.CancelFunc // of the handlers' context
	puller   sync.WaitGroup
	workers  sync.WaitGroup // and the waits for a retry
	beater   sync.WaitGroup

	seen seen // schema versions that were handled

	mu       sync.Mutex
	room     sync.Cond            // something was let go, or draining began
	held     map[uint64]*delivery // by sequence in the stream
	lines    map[string]*line     // under OrderKey, by key
	parking  bool                 // events are set aside, see catchup.go
	parked   []*delivery          // those set aside
	verdicts map[uint64]*verdict  // of events that await their dead letter on the server
	ended    bool                 // draining is closed
	stopped  bool                 // halted is closed
	stats    Stats
	err      *Error
}

// Stats counts what a subscription has done.
type Stats struct {
	Handled      uint64 // events whose handler returned nil
	Failed       uint64 // handlings that failed, each try counted
	DeadLettered uint64 // events given up to the dead letters
	InFlight     int    // events held now: being handled and waiting for it
}

// pollWait is how long one pull waits for events. It bounds how long draining
// waits for the puller, since cutting a pull short can lose deliveries until
// AckWait.
const pollWait = time.Second

func newSubscription(conn *Conn, cfg SubscribeConfig, consumer jetstream.Consumer, run func(context.Context, Metadata) error) *Subscription {
	s := &Subscription{
		conn: conn, cfg: cfg, consumer: consumer, run: run,
		log:   conn.log.With().Str("stream", cfg.Stream).Str("durable", cfg.Durable).Logger(),
		ready: make(chan *line, 2*cfg.MaxInFlight), draining: make(chan struct{}), halted: make(chan struct{}), done: make(chan struct{}),
		held: make(map[uint64]*delivery), lines: make(map[string]*line), verdicts: make(map[uint64]*verdict),
	}
	s.room.L = &s.mu
	return s
}

// start starts everything; handling is the handlers' context, which s.cancel ends.
func (s *Subscription) start(handling context.Context) {
	beating := make(chan struct{})
	s.puller.Go(s.pull)
	for range s.cfg.Concurrency {
		s.workers.Go(func() { s.work(handling) })
	}
	s.beater.Go(func() { s.beat(beating) })
	go func() { // owned by Close and Drain, which wait for done
		s.puller.Wait()
		s.workers.Wait()
		s.release()
		close(beating)
		s.beater.Wait()
		s.cancel()
		s.conn.orphan(s)
		close(s.done)
	}()
	s.log.Info().Str("from", s.cfg.From.String()).Strs("types", s.cfg.Types).Msg("subscribed")
}

// Done is closed when the subscription has ended.
func (s *Subscription) Done() <-chan struct{} { return s.done }

// Err says why a subscription ended by itself: its consumer or stream was
// deleted (not_found), or the connection was closed underneath (closed). It is
// nil while the subscription runs and when it was closed or drained.
func (s *Subscription) Err() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.err == nil {
		return nil
	}
	return s.err
}

// Stats returns the counts so far.
func (s *Subscription) Stats() Stats {
	s.mu.Lock()
	defer s.mu.Unlock()
	stats := s.stats
	stats.InFlight = len(s.held)
	return stats
}

// Drain ends the subscription gracefully: it takes no more events, waits for
// the handlers that run, acknowledges what they did, and gives back what no
// handler has begun. It takes up to a second longer than the handlers. When ctx
// ends before, Drain cancels the handlers' contexts and returns an error that
// says how many still ran; their events come again when AckWait has passed.
func (s *Subscription) Drain(ctx context.Context) error { return s.drain(ctx) }

func (s *Subscription) stage() stage { return taking }

func (s *Subscription) drain(ctx context.Context) error {
	s.end(nil)
	select {
	case <-s.done:
		return nil
	case <-ctx.Done():
	}
	s.halt()
	s.conn.orphan(s) // so that the connection's Close does not wait for those handlers
	e := contextEnded(ctx, "drain", s.cfg.Durable, nil)
	e.Message = fmt.Sprintf("time ran out with %d events still held", s.Stats().InFlight)
	e.Cure = "allow more time, or make the handler heed its context; the events come again"
	return e
}

// Close ends the subscription now: it cancels the handlers' contexts and waits
// for the handlers to return. Events that were held come again. Closing again
// does nothing. Close must not be called from a handler.
func (s *Subscription) Close() error {
	s.close()
	return nil
}

func (s *Subscription) close() {
	s.halt()
	<-s.done
}

// end begins the draining. err is why, if nobody asked for it.
func (s *Subscription) end(err *Error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ended {
		return
	}
	s.ended, s.err = true, err
	close(s.draining)
	s.room.Broadcast()
}

func (s *Subscription) halt() {
	s.end(nil)
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.stopped {
		s.stopped = true
		close(s.halted)
		s.cancel()
	}
}

func (s *Subscription) ending() bool {
	select {
	case <-s.draining:
		return true
	default:
		return false
	}
}

// pull fetches events as long as there is room for them.
func (s *Subscription) pull() {
	backoff := Retry{Initial: 50 * time.Millisecond, Max: 2 * time.Second}
	failures := 0
	var session <-chan struct{}
	for {
		err := s.refresh(&session)
		if err == nil {
			n := s.awaitRoom()
			if n == 0 {
				return
			}
			err = s.fetch(n)
		}
		switch {
		case err == nil:
			failures = 0
			continue
		case s.ending():
			return
		}
		if gone := s.gone(err); gone != nil {
			s.log.Error().Err(gone).Msg("the subscription ends")
			s.end(gone)
			return
		}
		session = nil // deliveries may have been lost
		failures++
		s.log.Debug().Err(err).Int("failures", failures).Msg("cannot fetch events, will retry")
		pause(context.Background(), s.draining, jittered(backoff.bound(failures)))
	}
}

// awaitRoom waits until at least half of MaxInFlight is free, so that events
// are fetched by the batch, and returns how many are; 0 when draining.
func (s *Subscription) awaitRoom() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	for {
		free := s.cfg.MaxInFlight - len(s.held)
		switch {
		case s.ended:
			return 0
		case 2*free >= s.cfg.MaxInFlight:
			return free
		}
		s.room.Wait()
	}
}

// fetch takes up to n events. It returns nil when there are none for a while,
// and an error when events may have been lost on the way.
func (s *Subscription) fetch(n int) error {
	lost := s.conn.breaks()
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	began := time.Now()
	batch, err := s.consumer.Fetch(n, jetstream.FetchContext(pulling{ctx, began.Add(pollWait)}))
	if err != nil {
		return err
	}
	halted := s.halted
	for taken := 0; ; {
		select {
		case msg, ok := <-batch.Messages():
			if ok {
				taken++
				s.take(msg)
				continue
			}
			if taken < n && time.Since(began) > pollWait+pollGrace {
				return errSilent
			}
			return batch.Error()
		case <-lost:
			// The server forgets the pull with the connection.
			cancel()
			lost = nil
		case <-halted:
			cancel()
			halted = nil
		}
	}
}

// errSilent: nats.go has ended a pull about whose end the server said nothing.
var errSilent = errors.New("the server does not say that the pull has expired")

// pollGrace is how long after a pull's end nats.go waits for the server's word,
// less what its timers may be early.
const pollGrace = 900 * time.Millisecond

// pulling is the context of a pull. It has a deadline to derive the pull's
// expiry at the server from, but does not end then: events that the server sent
// just before it must still be taken.
type pulling struct {
	context.Context //nolint:containedctx // it is a context
	deadline        time.Time
}

func (p pulling) Deadline() (time.Time, bool) { return p.deadline, true }

// gone returns why the subscription cannot go on after err, or nil if it can.
func (s *Subscription) gone(err error) *Error {
	name := s.cfg.Stream + "/" + s.cfg.Durable
	switch {
	case errors.Is(err, jetstream.ErrConsumerDeleted):
		return apiFailure("subscription", name, err)
	case errors.Is(err, nats.ErrConnectionClosed), errors.Is(err, nats.ErrConnectionDraining):
		return closedError("subscription", name)
	case !errors.Is(err, nats.ErrNoResponders):
		return nil
	}
	// Nobody takes pulls of this consumer: it is gone, or not back yet.
	ctx, cancel := context.WithTimeout(context.Background(), pollWait)
	defer cancel()
	_, err = s.consumer.Info(ctx)
	if failure := apiFailure("subscription", name, err); err != nil && failure.Code == CodeNotFound {
		return failure
	}
	return nil
}

// beat reports held events as being in progress, so that the server does not
// deliver them again while they wait or a handler takes long. It also ends the
// subscription when the connection is closed underneath.
func (s *Subscription) beat(end <-chan struct{}) {
	ticker := time.NewTicker(s.cfg.AckWait / 3)
	defer ticker.Stop()
	telling := time.NewTicker(presenceFirst)
	defer telling.Stop()
	gone := s.conn.gone
	for {
		select {
		case <-end:
			s.tellSeen(time.Now().Add(presenceEvery)) // the last of it
			return
		case <-gone:
			s.end(closedError("subscription", s.cfg.Stream+"/"+s.cfg.Durable))
			s.halt()
			gone = nil
			continue
		case <-telling.C:
			s.tellSeen(time.Now())
			continue
		case <-ticker.C:
		}
		s.mu.Lock()
		all := make([]*delivery, 0, len(s.held))
		for _, d := range s.held {
			all = append(all, d)
		}
		s.mu.Unlock()
		for _, d := range all {
			if err := d.inProgress(); err != nil {
				s.log.Debug().Err(err).Msg("cannot report events as being in progress")
				break
			}
		}
	}
}
