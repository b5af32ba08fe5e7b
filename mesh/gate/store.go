package gate

import (
	"context"
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"
)

const (
	maxPending   = 8192            // messages that wait for their acknowledgement
	storeTimeout = 5 * time.Second // how long one waits
)

// store writes messages into streams, in the order of the calls, and hands
// each acknowledgement to whoever waits for it. It is safe for concurrent use.
type store struct {
	nc    *nats.Conn
	log   zerolog.Logger
	inbox string
	sub   *nats.Subscription
	slots chan struct{} // bounds what is pending, so that memory is bounded

	mu      sync.Mutex
	next    uint64
	pending map[uint64]pending

	stop    chan struct{}
	sweeper sync.WaitGroup
}

// pending is one message whose acknowledgement is outstanding.
type pending struct {
	done     func(ack []byte, err error)
	deadline time.Time
}

func newStore(nc *nats.Conn, log zerolog.Logger) (*store, error) {
	s := &store{
		nc: nc, log: log, inbox: nats.NewInbox(), slots: make(chan struct{}, maxPending),
		pending: make(map[uint64]pending, 256), stop: make(chan struct{}),
	}
	var err error
	if s.sub, err = nc.Subscribe(s.inbox+".*", s.acknowledge); err != nil {
		return nil, err
	}
	if err := s.sub.SetPendingLimits(-1, -1); err != nil {
		return nil, err
	}
	s.sweeper.Go(s.sweep)
	return s, nil
}

// put publishes m and calls done once: with the stream's answer, or with an
// error when there was none in time. It waits while too much is pending.
func (s *store) put(m *nats.Msg, done func(ack []byte, err error)) {
	s.slots <- struct{}{}
	s.mu.Lock()
	s.next++
	id := s.next
	s.pending[id] = pending{done: done, deadline: time.Now().Add(storeTimeout)}
	m.Reply = s.inbox + "." + strconv.FormatUint(id, 36)
	err := s.nc.PublishMsg(m)
	s.mu.Unlock()
	if err != nil {
		s.finish(id, nil, fmt.Errorf("publish to %s: %w", m.Subject, err))
	}
}

func (s *store) acknowledge(m *nats.Msg) {
	id, err := strconv.ParseUint(m.Subject[strings.LastIndexByte(m.Subject, '.')+1:], 36, 64)
	if err != nil {
		return
	}
	if m.Header.Get("Status") == "503" {
		s.finish(id, nil, fmt.Errorf("no stream takes the subject: %w", nats.ErrNoResponders))
		return
	}
	s.finish(id, m.Data, nil)
}

// finish hands the outcome over, once.
func (s *store) finish(id uint64, ack []byte, err error) {
	s.mu.Lock()
	p, ok := s.pending[id]
	delete(s.pending, id)
	s.mu.Unlock()
	if ok {
		p.done(ack, err)
		<-s.slots
	}
}

// sweep ends the waiting for acknowledgements that do not come.
func (s *store) sweep() {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-s.stop:
			return
		case now := <-tick.C:
			for _, id := range s.overdue(now) {
				s.finish(id, nil, fmt.Errorf("the store did not answer within %s", storeTimeout))
			}
		}
	}
}

func (s *store) overdue(now time.Time) []uint64 {
	s.mu.Lock()
	defer s.mu.Unlock()
	var ids []uint64
	for id, p := range s.pending {
		if now.After(p.deadline) {
			ids = append(ids, id)
		}
	}
	return ids
}

// close waits until nothing is pending or ctx ends. Nothing may be put after.
func (s *store) close(ctx context.Context) error {
	var err error
	for i := 0; i < cap(s.slots) && err == nil; i++ {
		select {
		case s.slots <- struct{}{}: // a free slot, taken for good
		case <-ctx.Done():
			err = fmt.Errorf("%d events were not acknowledged before the gate closed: %w", cap(s.slots)-i, context.Cause(ctx))
		}
	}
	close(s.stop)
	s.sweeper.Wait()
	_ = s.sub.Unsubscribe()
	return err
}
