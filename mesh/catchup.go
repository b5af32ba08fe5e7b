package mesh

import (
	"context"
	"slices"
	"time"
)

// catchUp sees to it, under OrderKey, that events which were delivered but got
// lost on the way, or with the process that held them, are handled before
// younger ones.
//
// The server counts them as delivered: it goes on with younger events, and
// delivers them again only when AckWait has passed. So whenever that can have
// happened (the subscription starts, the connection broke), no new event is
// begun until the server has no deliveries outstanding but those held here, or
// AckWait has passed and it has none left to repeat. What arrives meanwhile is
// parked, and then queued in the stream's order. After an error it stays parked,
// for the next call.
func (s *Subscription) catchUp() error {
	s.park(true)
	if err := s.gather(); err != nil {
		return err
	}
	s.park(false)
	return nil
}

// leastDelay is how late a busy server may be, however short AckWait is, with
// delivering again what AckWait has passed for.
const leastDelay = time.Second

// gather returns when the events that got lost are here, or are not to come.
func (s *Subscription) gather() error {
	s.mu.Lock()
	fresh := countFresh(s.parked) // by a call that failed
	s.mu.Unlock()
	for wait := s.cfg.AckWait + max(s.cfg.AckWait/10, leastDelay); !s.ending(); {
		missing, err := s.missing()
		if err != nil {
			return err
		}
		if missing <= 0 {
			return nil
		}
		room := s.freeRoom()
		if room <= 0 {
			// More was lost than there is room for. It is all there by the end of the wait,
			// and not before.
			if wait > 0 {
				pause(context.Background(), s.draining, wait)
				wait, fresh = 0, 0
			}
			if !s.makeRoom() {
				return nil
			}
			continue
		}
		// Repeated deliveries come before new ones, so a new one says that none is
		// ready. Probing one by one leaves the room to the missing ones.
		n := 1
		if wait == 0 {
			n = min(missing, room)
		}
		if fresh == 0 {
			if fresh, err = s.probe(n); err != nil {
				return err
			}
		}
		switch {
		case fresh == 0:
		case wait == 0:
			return nil // what is missing is not ours: somebody else holds it
		default:
			s.log.Debug().Int("missing", missing).Msg("waiting for deliveries that got lost")
			pause(context.Background(), s.draining, wait)
			wait, fresh = 0, 0
		}
	}
	return nil
}

// makeRoom lets those events go on that have come again, and waits until something
// that is held is done. They are older than what is still to come as far as the
// server repeats in order; new ones are younger than all of it. It reports false if
// nothing can be done.
func (s *Subscription) makeRoom() bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	slices.SortFunc(s.parked, byPosition)
	s.parked = slices.DeleteFunc(s.parked, func(d *delivery) bool {
		if d.attempt > 1 {
			s.enqueue(d)
		}
		return d.attempt > 1
	})
	if len(s.held) == len(s.parked) {
		return false
	}
	for len(s.held) >= s.cfg.MaxInFlight && !s.ended {
		s.room.Wait()
	}
	return true
}

// missing is how many deliveries the server has outstanding beyond those held.
func (s *Subscription) missing() (int, error) {
	ctx, cancel := context.WithTimeout(context.Background(), pollWait)
	defer cancel()
	info, err := s.consumer.Info(ctx)
	if err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	missing := info.NumAckPending
	for _, d := range s.held {
		if d.outstanding() {
			missing--
		}
	}
	return missing, nil
}

// probe fetches up to n events and returns how many of them are delivered for
// the first time; none at all counts as one, for it says as much.
func (s *Subscription) probe(n int) (fresh int, err error) {
	s.mu.Lock()
	before := len(s.parked)
	s.mu.Unlock()
	if err := s.fetch(n); err != nil {
		return 0, err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.parked) == before {
		return 1, nil
	}
	return countFresh(s.parked[before:]), nil
}

// countFresh is how many deliveries are an event's first.
func countFresh(all []*delivery) (n int) {
	for _, d := range all {
		if d.attempt == 1 {
			n++
		}
	}
	return n
}

// freeRoom is the room for events that come again. New ones that are set aside take
// none of it, up to as many again: they would keep out the ones that they wait for.
func (s *Subscription) freeRoom() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.cfg.MaxInFlight - len(s.held) + min(countFresh(s.parked), s.cfg.MaxInFlight)
}

// park begins to set events aside, or queues those set aside, in their order.
func (s *Subscription) park(begin bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.parking = begin
	if begin || s.ended {
		return
	}
	slices.SortFunc(s.parked, byPosition)
	for _, d := range s.parked {
		s.enqueue(d)
	}
	s.parked = nil
}

// lapsed reports whether session, a channel of [Conn.breaks], is over.
func lapsed(session <-chan struct{}) bool {
	if session == nil {
		return true
	}
	select {
	case <-session:
		return true
	default:
		return false
	}
}

// refresh does what a new session with the server calls for.
func (s *Subscription) refresh(session *<-chan struct{}) error {
	if s.cfg.Order != OrderKey || !lapsed(*session) {
		return nil
	}
	began := s.conn.breaks()
	start := time.Now()
	if err := s.catchUp(); err != nil {
		return err
	}
	*session = began
	s.log.Debug().Dur("took", time.Since(start)).Msg("caught up with deliveries from before")
	return nil
}
