package mesh_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh"
)

// Guards against a key's younger events being handled before those that a
// process held when it ended, or gave back, or that got lost on the way.
func TestOrderByKeyAcrossProcesses(t *testing.T) {
	t.Parallel()
	for name, end := range map[string]func(*mesh.Conn, *mesh.Subscription) error{
		"crashed": func(c *mesh.Conn, _ *mesh.Subscription) error { c.NATS().Close(); return nil },
		"drained": func(_ *mesh.Conn, sub *mesh.Subscription) error { return sub.Drain(pubCtx(t)) },
	} {
		t.Run(name, func(t *testing.T) {
			s := startServer(t)
			js := s.admin()
			ungoverned(t, js)
			c := connect(t, s)
			const n = 60
			store(t, c, n, "a", "b")
			var got log[int]
			cfg := mesh.SubscribeConfig{Order: mesh.OrderKey, Concurrency: 2, MaxInFlight: 16, AckWait: 400 * time.Millisecond}
			ends := connect(t, s)
			blocked, block := make(chan struct{}, n), make(chan struct{})
			first := subscribe(t, ends, cfg, func(_ context.Context, e mesh.Event[order]) error {
				if e.Data.Total >= 10 {
					blocked <- struct{}{}
					<-block
					return errors.New("ended")
				}
				got.add(e.Data.Total)
				return nil
			})
			<-blocked
			<-blocked
			eventually(t, "it holds more", func() bool { return first.Stats().InFlight > 6 })
			time.AfterFunc(20*time.Millisecond, func() { close(block) })
			if err := end(ends, first); err != nil {
				t.Fatal(err)
			}
			<-first.Done()
			if name == "crashed" {
				wantError(t, first.Err(), mesh.CodeClosed)
			}
			second := subscribe(t, c, cfg, func(_ context.Context, e mesh.Event[order]) error { got.add(e.Data.Total); return nil })
			eventually(t, "all is handled", func() bool { return second.Stats().Handled >= n-10 })
			for parity := range 2 {
				last := -1
				for _, total := range got.get() {
					if total%2 == parity {
						if total < last {
							t.Fatalf("%d is handled after %d: %v", total, last, got.get())
						}
						last = total
					}
				}
			}
		})
	}
}

// lose has events delivered to somebody who does nothing with them.
func lose(t *testing.T, js jetstream.JetStream, n int) []jetstream.Msg {
	t.Helper()
	consumer, err := js.CreateConsumer(t.Context(), "ORDERS", jetstream.ConsumerConfig{
		Durable: "billing", AckPolicy: jetstream.AckExplicitPolicy, AckWait: time.Second, MaxDeliver: -1,
	})
	if err != nil {
		t.Fatal(err)
	}
	batch, err := consumer.Fetch(n)
	if err != nil {
		t.Fatal(err)
	}
	var lost []jetstream.Msg
	for msg := range batch.Messages() {
		lost = append(lost, msg)
	}
	if len(lost) != n {
		t.Fatalf("%d of %d events were delivered", len(lost), n)
	}
	return lost
}

// Guards against a key's younger event that is let go while the subscriber waits for
// older ones that got lost, because the connection broke meanwhile.
func TestOrderByKeyWhenWaitingIsInterrupted(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	js := s.admin()
	ungoverned(t, js)
	told := &lines{}
	c := connect(t, s, mesh.WithLogger(zerolog.New(told)))
	const n, lost = 20, 5
	store(t, c, n)
	lose(t, js, lost)
	var got log[int]
	sub := subscribe(t, c, mesh.SubscribeConfig{Order: mesh.OrderKey, AckWait: time.Second}, func(_ context.Context, e mesh.Event[order]) error {
		got.add(e.Data.Total)
		return nil
	})
	eventually(t, "it waits for what was lost", func() bool { return told.have("waiting for deliveries that got lost") })
	s.stop()
	eventually(t, "the waiting is interrupted", func() bool { return told.have("cannot fetch events") })
	s.start()
	eventually(t, "all is handled", func() bool { return sub.Stats().Handled >= n })
	if all := got.get(); !slices.IsSorted(all) {
		t.Errorf("handled %v", all)
	}
}

// Guards against a key's younger event that is let go before an older one that got
// lost, because there was no room left for all that were lost.
func TestOrderByKeyWhenMoreWasLostThanThereIsRoom(t *testing.T) {
	t.Parallel()
	for _, lost := range []int{7, 8, 9, 20} {
		t.Run(fmt.Sprint(lost), func(t *testing.T) {
			s := startServer(t)
			js := s.admin()
			ungoverned(t, js)
			c := connect(t, s)
			const n, room = 40, 8
			store(t, c, n)
			lose(t, js, lost)
			var got log[int]
			sub := subscribe(t, c, mesh.SubscribeConfig{Order: mesh.OrderKey, AckWait: time.Second, MaxInFlight: room}, func(_ context.Context, e mesh.Event[order]) error {
				got.add(e.Data.Total)
				return nil
			})
			eventually(t, "all is handled", func() bool { return sub.Stats().Handled >= n })
			if all := got.get(); !slices.IsSorted(all) {
				t.Errorf("handled %v", all)
			}
		})
	}
}

// Guards against a key's younger events that are let go before the oldest, which comes
// last: the others were given back, and it has to be waited for.
func TestOrderByKeyWhenTheOldestComesLast(t *testing.T) {
	t.Parallel()
	s := startServer(t)
	js := s.admin()
	ungoverned(t, js)
	c := connect(t, s)
	const n, room = 40, 8
	store(t, c, n)
	for _, msg := range lose(t, js, room)[1:] {
		if err := msg.Nak(); err != nil {
			t.Fatal(err)
		}
	}
	if err := js.Conn().Flush(); err != nil {
		t.Fatal(err)
	}
	var got log[int]
	sub := subscribe(t, c, mesh.SubscribeConfig{Order: mesh.OrderKey, AckWait: time.Second, MaxInFlight: room}, func(_ context.Context, e mesh.Event[order]) error {
		got.add(e.Data.Total)
		return nil
	})
	eventually(t, "all is handled", func() bool { return sub.Stats().Handled >= n })
	if all := got.get(); !slices.IsSorted(all) {
		t.Errorf("handled %v", all)
	}
}

// lines is a log to look into.
type lines struct {
	mu   sync.Mutex
	text strings.Builder
}

func (l *lines) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.text.Write(p)
}

func (l *lines) have(text string) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Contains(l.text.String(), text)
}
