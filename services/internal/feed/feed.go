// Package feed publishes the shop's history: one domain's part of it, at a
// rate, through the mesh's SDK. The services orders, customers and payments
// are this package with a name; the command runs them in its own process.
//
// What happens in the shop belongs in package shop.
package feed

import (
	"context"
	"errors"
	"fmt"
	"hash/fnv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh"
	"github.com/lockstep-mesh/lockstep/services/internal/shop"
)

const (
	lanes     = 128              // events published at a time
	laneDepth = 32               // events waiting for each
	grace     = 10 * time.Second // for events that are on their way when the feed is stopped
	report    = 10 * time.Second // between two lines of progress in the log
)

// Options say what to publish.
type Options struct {
	Seed uint64
	// Events is how much of the history is published: the domain's share of its
	// first so many events. All domains given the same number tell one story.
	// 0 publishes without end.
	Events int
	// Rate is how many events of the domain are published a second; 0 means as
	// fast as they are stored.
	Rate float64
	// FaultEvery adds one event that is wrong on purpose after every so many
	// good ones; 0 adds none. The gate must refuse it.
	FaultEvery int
	// Stored, if not nil, is called for each event that the mesh has stored,
	// from several goroutines.
	Stored func(shop.Event, mesh.Receipt)
	Log    zerolog.Logger
}

// Stats are what a feed has done.
type Stats struct {
	Published  uint64 // events stored, duplicates included
	Duplicates uint64 // of those, the ones that were stored before: a seed published again
	Refused    uint64 // events that were wrong on purpose, and refused
}

// Run publishes a domain's part of a history and returns when all of it is
// stored, when an event is refused, or when ctx ends; events already on their
// way then have ten seconds to arrive. Events of one key are published one
// after another, in the history's order; events of different keys side by side.
// Failures that may pass are retried until ctx ends. ctx's end is no error.
func Run(ctx context.Context, conn *mesh.Conn, domain Domain, o Options) (Stats, error) {
	if o.Rate < 0 || o.Events < 0 || o.FaultEvery < 0 {
		return Stats{}, fmt.Errorf("feed %s: rate %v, events %d, a fault every %d: none of them may be negative", domain.Name, o.Rate, o.Events, o.FaultEvery)
	}
	f := &feed{options: o, conn: conn, log: o.Log.With().Str("domain", domain.Name).Logger(), senders: map[string]sender{}}
	for _, t := range domain.types {
		send, err := t.open(conn)
		if err != nil {
			return Stats{}, fmt.Errorf("feed %s: %w", domain.Name, err)
		}
		f.senders[t.name] = send
	}

	f.log.Info().Uint64("seed", o.Seed).Int("events", o.Events).Float64("rate", o.Rate).Msg("feed started")
	err := f.run(ctx, domain.Name)
	stats := f.stats()
	f.log.Info().Uint64("published", stats.Published).Uint64("duplicates", stats.Duplicates).Uint64("refused", stats.Refused).Err(err).Msg("feed ended")
	return stats, err
}

type feed struct {
	options Options
	conn    *mesh.Conn
	log     zerolog.Logger
	senders map[string]sender

	published, duplicates, refused atomic.Uint64
}

func (f *feed) stats() Stats {
	return Stats{Published: f.published.Load(), Duplicates: f.duplicates.Load(), Refused: f.refused.Load()}
}

// run reads the history into the lanes and waits for them.
func (f *feed) run(ctx context.Context, domain string) error {
	reading, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	// What a lane has begun it may finish, for a while.
	sending, abort := context.WithCancel(context.WithoutCancel(ctx))
	defer abort()
	defer context.AfterFunc(reading, func() { time.AfterFunc(grace, abort) })()

	var wg sync.WaitGroup
	queues := make([]chan shop.Event, lanes)
	for i := range queues {
		queue := make(chan shop.Event, laneDepth)
		queues[i] = queue
		wg.Go(func() {
			for e := range queue {
				if reading.Err() != nil {
					continue // stopped: what has not begun stays unpublished
				}
				if err := f.publish(sending, e); err != nil {
					stop(err)
				}
			}
		})
	}
	done := make(chan struct{})
	wg.Go(func() { f.report(done) })

	f.read(reading, domain, queues)
	for _, queue := range queues {
		close(queue)
	}
	close(done)
	wg.Wait()
	if cause := context.Cause(reading); cause != nil && ctx.Err() == nil {
		return cause
	}
	return nil
}

// read hands out the domain's events, each to the lane of its key, no faster
// than the rate allows.
func (f *feed) read(ctx context.Context, domain string, queues []chan shop.Event) {
	begin, n := time.Now(), 0
	for e := range shop.All(f.options.Seed, f.options.Events) {
		if e.Domain != domain {
			if ctx.Err() != nil {
				return
			}
			continue
		}
		if f.options.Rate > 0 {
			due := begin.Add(time.Duration(float64(n) / f.options.Rate * float64(time.Second)))
			if !sleep(ctx, time.Until(due)) {
				return
			}
		}
		n++
		key := fnv.New32a()
		_, _ = key.Write([]byte(e.Key)) // never fails
		queue := queues[key.Sum32()%uint32(len(queues))]
		if !hand(ctx, queue, e) {
			return
		}
		if every := f.options.FaultEvery; every > 0 && n%every == 0 {
			faults := shop.Faults()
			if !hand(ctx, queue, shop.Spoil(e, faults[n/every%len(faults)])) {
				return
			}
		}
	}
}

func hand(ctx context.Context, queue chan<- shop.Event, e shop.Event) bool {
	select {
	case queue <- e:
		return true
	case <-ctx.Done():
		return false
	}
}

// sleep waits for d; it reports false when ctx ends first.
func sleep(ctx context.Context, d time.Duration) bool {
	if d <= 0 {
		return ctx.Err() == nil
	}
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}

// publish has one event stored, or a spoiled one refused.
func (f *feed) publish(ctx context.Context, e shop.Event) error {
	if e.Spoiled() {
		return f.provoke(ctx, e)
	}
	send, ok := f.senders[e.Type]
	if !ok {
		return fmt.Errorf("feed %s: the shop has events of type %s, of which the domain knows nothing", e.Domain, e.Type)
	}
	receipt, err := send(ctx, e)
	if err != nil {
		return fmt.Errorf("feed %s: event %s: %w", e.Domain, e.ID, err)
	}
	f.published.Add(1)
	if receipt.Duplicate {
		f.duplicates.Add(1)
	}
	if f.options.Stored != nil {
		f.options.Stored(e, receipt)
	}
	return nil
}

// provoke publishes an event that is wrong on purpose.
func (f *feed) provoke(ctx context.Context, e shop.Event) error {
	_, err := f.conn.Publish(ctx, mesh.Envelope{Type: e.Type, Keys: []string{e.Key}, Data: e.Data(), ID: e.ID, Time: e.Time})
	var refusal *mesh.Error
	switch {
	case errors.As(err, &refusal) && refusal.Code == mesh.CodeRefused:
		f.refused.Add(1)
		f.log.Debug().Str("id", e.ID).Int("err_code", refusal.ErrCode).Msg("refused, as it should be")
		return nil
	case err != nil:
		return fmt.Errorf("feed %s: event %s: %w", e.Domain, e.ID, err)
	}
	return fmt.Errorf("feed %s: event %s is wrong on purpose, and was stored", e.Domain, e.ID)
}

// report logs what has been done, now and then.
func (f *feed) report(done <-chan struct{}) {
	ticker := time.NewTicker(report)
	defer ticker.Stop()
	for {
		select {
		case <-done:
			return
		case <-ticker.C:
			stats := f.stats()
			f.log.Info().Uint64("published", stats.Published).Uint64("refused", stats.Refused).Msg("feed runs")
		}
	}
}
