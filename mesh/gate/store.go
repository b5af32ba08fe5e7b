package gate

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"
	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh/link"
)

// Bounds of what waits to be stored. What is beyond them is refused at once,
// so that publishers learn of it, and memory stays bounded.
const (
	maxWaiting      = 1 << 16
	maxWaitingBytes = 128 << 20
	maxSpare        = 8192     // unused tickets that are kept
	keptMessage     = 16 << 10 // buffers of tickets that are kept
	slotBits        = 20       // of an id; more than maxWaiting and the batches
	storeTimeout    = 5 * time.Second
)

const againCure = "publish again with the same Nats-Msg-Id: an event that was stored is not stored twice"

// store writes messages into streams, and has each answered. What is put into
// one lane is stored in the order of the calls.
type store struct {
	log    zerolog.Logger
	inbox  []byte
	mesh   *link.Link
	table  *table
	answer func(outcomes []outcome) // gives every ticket back

	inboxes     []byte        // prefix of applications' inboxes
	batchPrefix []byte        // of the ids of batches, which must be unique
	batches     atomic.Uint64 // begun
	commits     atomic.Uint64
	batched     atomic.Uint64 // messages stored in batches

	hits []hit // of the one goroutine that receives

	stop    context.CancelFunc
	sweeper sync.WaitGroup
}

// outcome is what became of a ticket.
type outcome struct {
	ticket   *ticket
	ack      []byte // the stream's answer; valid during the call only
	sequence uint64 // of a message of a batch, whose ack is then what stands before the number
	err      error  // why there is no answer
}

// hit is an answer that came for a ticket.
type hit struct {
	ticket *ticket
	ack    []byte
	err    error
}

func openStore(ctx context.Context, nc *nats.Conn, inboxes string, log zerolog.Logger, answer func([]outcome), lost func(error)) (*store, error) {
	unique := nuid.New()
	s := &store{
		log: log, table: newTable(), answer: answer, inboxes: []byte(inboxes),
		inbox: []byte("_INBOX." + unique.Next() + "."), batchPrefix: []byte(unique.Next() + "."),
	}
	var err error
	s.mesh, err = link.Open(ctx, link.Config{
		Like: nc, Name: "gate store", Logger: log,
		Subscriptions: []link.Subscription{{Subject: string(s.inbox) + "*"}},
		Receive:       s.receive,
		Down: func(err error) {
			err = fmt.Errorf("the connection to the store was lost: %w", err)
			s.settle(s.unknown(s.table.claimSent(time.Now().Add(time.Hour)), err))
			lost(err)
		},
	})
	if err != nil {
		return nil, err
	}
	running, stop := context.WithCancel(context.WithoutCancel(ctx))
	s.stop = stop
	s.sweeper.Go(func() { s.sweep(running) })
	return s, nil
}

// receive takes the answers of streams.
func (s *store) receive(b *link.Batch) {
	s.hits = s.hits[:0]
	s.table.mu.Lock()
	for i := range b.Messages {
		m := &b.Messages[i]
		token, ok := bytes.CutPrefix(m.Subject, s.inbox)
		if !ok {
			continue
		}
		id, ok := parseID(token)
		if !ok {
			continue
		}
		one := s.table.claim(id)
		if one == nil {
			continue // it was too late
		}
		h := hit{ticket: one, ack: m.Data}
		if len(m.Data) == 0 && bytes.HasPrefix(m.Header, []byte("NATS/1.0 503")) {
			h.err = fmt.Errorf("no stream takes the subject: %w", nats.ErrNoResponders)
		}
		s.hits = append(s.hits, h)
	}
	s.table.mu.Unlock()
	s.settle(s.hits)
	clear(s.hits)
	b.Release()
}

// committed counts a batch.
func (s *store) committed(messages int) {
	s.commits.Add(1)
	s.batched.Add(uint64(messages))
}

// unknown are the hits of tickets whose answers will not come.
func (s *store) unknown(tickets []*ticket, err error) []hit {
	hits := make([]hit, 0, len(tickets))
	for _, one := range tickets {
		hits = append(hits, hit{ticket: one, err: err})
	}
	return hits
}

// settle has lanes go on after answers, and then has the publishers answered:
// the next batch should not wait for that.
func (s *store) settle(hits []hit) {
	var outcomes []outcome
	var touched []*lane
	for _, h := range hits {
		l := h.ticket.lane
		if !l.groups {
			outcomes = append(outcomes, outcome{ticket: h.ticket, ack: h.ack, err: h.err})
			continue
		}
		outcomes = l.answered(h, outcomes)
		if !slices.Contains(touched, l) {
			touched = append(touched, l)
		}
	}
	for _, l := range touched {
		outcomes = l.goOn(outcomes)
	}
	if len(touched) > 0 {
		s.mesh.Flush()
	}
	s.answer(outcomes)
}

// appendSingle appends a message that is answered under its own id.
func (s *store) appendSingle(buffer []byte, id uint64, prefix, subject, header, data []byte) []byte {
	buffer = append(buffer, "HPUB "...)
	buffer = append(buffer, prefix...)
	buffer = append(buffer, subject...)
	buffer = append(buffer, ' ')
	buffer = append(buffer, s.inbox...)
	buffer = appendID(buffer, id)
	buffer = link.AppendSizes(buffer, len(header), len(data))
	buffer = append(buffer, header...)
	buffer = append(buffer, data...)
	return append(buffer, "\r\n"...)
}

// sweep ends the waiting for answers that do not come.
func (s *store) sweep(ctx context.Context) {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case now := <-tick.C:
			late := s.table.claimSent(now.Add(-storeTimeout))
			s.settle(s.unknown(late, fmt.Errorf("the store did not answer within %s", storeTimeout)))
		}
	}
}

// close waits until nothing is under way or ctx ends. Nothing may be put after.
func (s *store) close(ctx context.Context) error {
	gaveUp := false
	stop := context.AfterFunc(ctx, func() { s.table.wake(&gaveUp) })
	s.table.wait(&gaveUp)
	stop()
	var err error
	if waiting := s.table.inUse(); waiting > 0 {
		err = fmt.Errorf("%d events were not acknowledged before the gate closed: %w", waiting, context.Cause(ctx))
	}
	s.stop()
	s.sweeper.Wait()
	s.mesh.Close()
	return err
}

var errNotSent = errors.New("there is no connection to the store; the event was not stored")
