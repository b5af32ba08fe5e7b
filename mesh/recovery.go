package mesh

import "fmt"

// recover takes l over after a failure that may pass, unless that is under way.
func (a *async) recover(l *lane) {
	if l.recovering || a.closed {
		return
	}
	l.recovering = true
	a.wg.Go(func() { a.recovery(l) })
}

// recovery brings l back to flowing: it waits until nothing of it is in flight,
// sends the event at its head alone until that is stored, and lets the rest go
// again in its order. If the head cannot be stored, everything behind it stops.
func (a *async) recovery(l *lane) {
	if !a.landing(l) {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	for len(l.queue) > 0 && !a.closed {
		head := l.queue[0] // unsettled, since settle has been called
		if head.state != failed {
			break
		}
		attempts, err := head.attempts, head.err
		a.mu.Unlock()
		ack, attempts, err := a.again(head, attempts, err)
		a.mu.Lock()
		if head.state == settled {
			return // abandoned by close
		}
		head.ack, head.err, head.attempts = ack, err, attempts
		l.finish(head)
		if err != nil && (err.Retryable() || err.Code == CodeCanceled || err.Code == CodeClosed) {
			a.abandon(l, func(o *outgoing) *Error { return stoppedBy(err, o) })
			break
		}
		a.settle(l)
		if err == nil {
			break
		}
		// Refused after all: that concerns the head alone.
	}
	a.reopen(l)
}

// landing waits until nothing of l is in flight; the sweeper sees to an end.
// It reports false once closed.
func (a *async) landing(l *lane) bool {
	for {
		a.mu.Lock()
		down, closed := l.flying == 0, a.closed
		a.mu.Unlock()
		if closed || down {
			return !closed
		}
		select {
		case <-l.kick:
		case <-a.stop:
			return false
		}
	}
}

// again repeats o, which failed with err after so many attempts, until it is
// stored or must not be repeated. It returns the attempts made by then.
func (a *async) again(o *outgoing, attempts int, err *Error) (pubAck, int, *Error) {
	for {
		switch {
		case o.ctx.Err() != nil:
			return pubAck{}, attempts, contextEnded(o.ctx, "publish", o.msg.Subject, err)
		case a.retry.spent(attempts):
			return pubAck{}, attempts, err
		}
		a.conn.log.Debug().Str("subject", o.msg.Subject).Int("attempt", attempts).Err(err).Msg("publish failed, will retry")
		if !pause(o.ctx, a.stop, a.retry.wait(attempts)) {
			if o.ctx.Err() != nil {
				continue
			}
			return pubAck{}, attempts, closedError("publish", o.msg.Subject)
		}
		attempts++
		var ack pubAck
		if ack, err = a.conn.attempt(o.ctx, "publish", o.msg, a.retry.AckWait, err); err == nil || !err.Retryable() {
			return ack, attempts, err
		}
	}
}

// abandon fails what is unsettled in l with give(event), and empties it.
func (a *async) abandon(l *lane, give func(*outgoing) *Error) {
	for _, o := range l.queue {
		switch o.state {
		case settled:
			continue
		case flying:
			a.conn.acks.forget(o.request)
			l.flying--
		case waiting, failed:
		}
		o.err = give(o)
		l.finish(o)
	}
	a.settle(l)
	l.sent = 0
}

// reopen lets l flow again, with what failed to be sent anew.
func (a *async) reopen(l *lane) {
	if a.closed {
		return
	}
	for _, o := range l.queue {
		if o.state == failed {
			o.state = waiting
		}
	}
	l.sent = 0
	l.recovering = false
	a.pump(l)
}

func stoppedBy(first *Error, o *outgoing) *Error {
	e := &Error{
		Code: CodeStopped, Op: "publish", Subject: o.msg.Subject, Cause: fmt.Errorf("the earlier one: %w", first),
		Message: "not sent, because an earlier event of the same order could not be stored",
		Cure:    "when that one's trouble is over, publish both again in their order, under their IDs",
	}
	if o.attempts > 0 {
		e.Message = "given up, because an earlier event of the same order could not be stored; whether this one is stored is not known"
	}
	return e
}
