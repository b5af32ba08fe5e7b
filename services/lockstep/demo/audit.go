package demo

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"golang.org/x/sync/errgroup"

	"github.com/lockstep-mesh/lockstep/mesh/wire"
	"github.com/lockstep-mesh/lockstep/services/lockstep/leak"
)

// audit reads every message of every stream of each destination: it counts the
// events and searches for personal values.
func (d *demo) audit(ctx context.Context, r *report, searcher *leak.Searcher) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(max(2, runtime.GOMAXPROCS(0)))
	for _, name := range r.names {
		js, err := d.all.Get(name).JetStream()
		if err != nil {
			return errors.Join(err, group.Wait())
		}
		streams := js.ListStreams(ctx)
		for info := range streams.Info() {
			if info.State.Msgs == 0 {
				continue
			}
			group.Go(func() error {
				if err := d.auditStream(ctx, js, name, info, r, searcher); err != nil {
					return fmt.Errorf("read stream %s of %s: %w", info.Config.Name, name, err)
				}
				return nil
			})
		}
		if err := streams.Err(); err != nil {
			return errors.Join(fmt.Errorf("list the streams of %s: %w", name, err), group.Wait())
		}
	}
	return group.Wait()
}

// auditStream reads one stream to the end that it had when it was listed.
func (d *demo) auditStream(ctx context.Context, js jetstream.JetStream, environment string, info *jetstream.StreamInfo, r *report, searcher *leak.Searcher) error {
	consumer, err := js.OrderedConsumer(ctx, info.Config.Name, jetstream.OrderedConsumerConfig{DeliverPolicy: jetstream.DeliverAllPolicy})
	if err != nil {
		return err
	}
	messages, err := consumer.Messages(jetstream.PullMaxMessages(2000))
	if err != nil {
		return err
	}
	defer messages.Stop()
	var text []byte
	for {
		m, err := messages.Next(jetstream.NextContext(ctx))
		if err != nil {
			return err
		}
		meta, err := m.Metadata()
		if err != nil {
			return err
		}
		text = flatten(text[:0], m)
		searcher.Bytes(text, fmt.Sprintf("%s, stream %s, message %d", environment, info.Config.Name, meta.Sequence.Stream), &r.search.Report)
		if err := r.count(environment, m.Subject(), m.Headers()); err != nil {
			return fmt.Errorf("message %d: %w", meta.Sequence.Stream, err)
		}
		if meta.Sequence.Stream >= info.State.LastSeq || meta.NumPending == 0 {
			return nil
		}
	}
}

// flatten writes all that a message says into one text, its parts apart.
func flatten(text []byte, m jetstream.Msg) []byte {
	text = append(text, m.Subject()...)
	for name, values := range m.Headers() {
		text = append(text, '\n')
		text = append(text, name...)
		for _, value := range values {
			text = append(text, '\n')
			text = append(text, value...)
		}
	}
	text = append(text, '\n')
	return append(text, m.Data()...)
}

// count takes in one message of a destination: an event, a marker that one was
// withheld, or something that is neither.
func (r *report) count(environment, subject string, h nats.Header) error {
	origin, domain, withheld := place(subject)
	if origin == "" {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	w := r.ways[carried{origin, environment, domain}]
	if w == nil {
		return fmt.Errorf("%s is on its subject, and no route brings events of %s from %s to %s", subject, domain, origin, environment)
	}
	sequence, err := strconv.ParseUint(h.Get(wire.HeaderOriginSequence), 10, 64)
	if err != nil {
		return fmt.Errorf("its header %s: %w", wire.HeaderOriginSequence, err)
	}
	if sequence == 0 || sequence > w.last {
		return fmt.Errorf("it claims to be event %d of %s, which has %d", sequence, domain, w.last)
	}
	w.seen(sequence, withheld)
	return nil
}

// place is the origin and the domain of a message on subject; both are empty
// for what is neither an event nor a marker.
func place(subject string) (origin, domain string, withheld bool) {
	if origin, published, ok := wire.ParseStored(subject); ok {
		if s, err := wire.ParseSubject(published); err == nil {
			return origin, s.Domain, false
		}
		return "", "", false
	}
	s, err := wire.ParseSubject(subject) // ledger.<origin>.<domain>.<kind>
	if err != nil || s.Domain != wire.LedgerRoot || !slices.Equal(s.Keys, []string{wire.KindWithheld}) {
		return "", "", false
	}
	return s.Entity, s.Action, true
}

// searchDisk searches every destination's directory.
func (d *demo) searchDisk(ctx context.Context, r *report, searcher *leak.Searcher) error {
	for _, name := range r.names {
		if err := searcher.Tree(ctx, filepath.Join(d.data.Path, name), name, &r.search.Report); err != nil {
			return fmt.Errorf("search the directory of %s: %w", name, err)
		}
	}
	return nil
}
