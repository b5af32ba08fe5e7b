package route

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/mesh/reply"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// What a destination asks for to repair what it has (see leaves.go and resend.go)
// goes into the egress stream, as everything does: copies of what stands there, and
// digests of it, with header Lockstep-Repair and the checkpoint of now. So the last
// message says where the route is, whatever it is.
//
// Such messages stand only directly behind a watermark, or behind others of their
// kind: the writer closes the open segment before it writes them. So a route that
// begins again passes over them without reading them, and there may be many.

// Bounds of what a destination can have written. A destination that is broken or in
// other hands asks for ever, and a full store would stop publishing. What is left is
// kept in memory, so that a restart gives all of it again.
const (
	repairBudget = 1 << 30 // bytes that a route writes for repairs at once, or in repairPeriod
	repairPeriod = time.Hour
	askBytes     = 4 << 10 // that each request costs beside: two records in stream AUDIT, and a watermark
	maxBy        = 200     // bytes of the name of who asks
)

// repair is what the writer is asked to write again, at most maxBatch messages and
// about maxBatchBytes. Of their headers only the checkpoint is missing.
type repair struct {
	generation uint64 // of what they were read from
	messages   []*message
	events     int // how many of them are events
	done       chan error
}

// repair writes what a destination has asked for. An error is also the end of the
// writer: nobody knows what was stored then.
func (w *writer) repair(ctx context.Context, s *repair) error {
	if err := w.close(ctx); err != nil {
		return err
	}
	line := fmt.Appendf(nil, "%s: %d\r\n", wire.HeaderCheckpoint, w.at.checkpoint)
	for _, m := range s.messages {
		m.header = extend(nil, m.header, line)
	}
	if err := w.outlet.commit(ctx, w.at, s.messages); err != nil {
		return err
	}
	w.route.update(func(st *Status) { st.Resent += uint64(s.events) })
	return nil
}

// rewrite has the writer write messages in one step.
func (r *Route) rewrite(ctx context.Context, s *repair) error {
	if len(s.messages) == 0 {
		return nil
	}
	size := 0
	for _, m := range s.messages {
		size += m.size() + storedBytes
	}
	if err := r.spend(size); err != nil {
		return err
	}
	s.done = make(chan error, 1)
	return handed(ctx, r, "write for a repair", r.repairs, s, s.done)
}

// handed has the writer do something, and gives what it says of it.
func handed[T any](ctx context.Context, r *Route, op string, writer chan<- T, what T, done <-chan error) error {
	stopped := &Error{
		Code: CodeNotRunning, Op: op, Cause: errors.New("the route has stopped"),
		Cure: "mend what has stopped it (see `lockstep status` at the origin), start it, and ask again",
	}
	select {
	case writer <- what:
	case <-ctx.Done():
		return ctx.Err()
	case <-r.ended:
		return stopped
	}
	select {
	case err := <-done:
		return err
	case <-r.ended:
		return stopped
	}
}

// storedBytes is about what the server and the batch add to a message.
const storedBytes = 512

// repairLine is the header that marks what was asked for at a time.
func repairLine(at time.Time) string { return wire.HeaderRepair + ": " + stamp(at) + "\r\n" }

// fits reports whether a message can be written: one that cannot would end the
// writer again and again.
func (r *Route) fits(m *message) bool {
	return int64(len(m.header)+len(m.data)+len(wire.HeaderCheckpoint)+len(": 18446744073709551615\r\n")+commitHeaders) <= r.config.Conn.MaxPayload()
}

// behindRepairs is the sequence of the first message from low on that was not
// written for a repair, or high if there is none before. The messages for repairs
// among them come first, see above.
func (r *Route) behindRepairs(ctx context.Context, egress jetstream.Stream, low, high uint64) (uint64, error) {
	middle := low // mostly there are none
	for low < high {
		m, err := egress.GetMsg(ctx, middle)
		if err != nil {
			return 0, fmt.Errorf("read message %d of stream %s: %w", middle, r.egress, err)
		}
		if m.Header.Get(wire.HeaderRepair) != "" {
			low = middle + 1
		} else {
			high = middle
		}
		middle = low + (high-low)/2
	}
	return low, nil
}

// budget is how much a destination may still have written: a bucket that fills
// again.
type budget struct {
	mu   sync.Mutex
	left float64 // bytes
	at   time.Time
}

func newBudget(now time.Time) budget { return budget{left: repairBudget, at: now} }

// take takes bytes out, if they are there; otherwise it says when they will be.
func (b *budget) take(bytes int, now time.Time) (wait time.Duration, ok bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	const perSecond = float64(repairBudget) / float64(repairPeriod/time.Second)
	if passed := now.Sub(b.at); passed > 0 {
		b.left = min(repairBudget, b.left+passed.Seconds()*perSecond)
	}
	b.at = now
	if missing := float64(bytes) - b.left; missing > 0 {
		return time.Duration(missing/perSecond*float64(time.Second)) + time.Second, false
	}
	b.left -= float64(bytes)
	return 0, true
}

func (r *Route) spend(bytes int) error {
	wait, ok := r.budget.take(bytes, time.Now())
	if ok {
		return nil
	}
	return &Error{
		Code: CodeBudget, Op: "write for a repair",
		Cause: fmt.Errorf("a route writes %d MiB for repairs at once, and as much again in %s", repairBudget>>20, repairPeriod),
		Cure:  fmt.Sprintf("ask again in %s, or for less", wait.Round(time.Second)),
	}
}

// answered does what a destination asks for, on record: nothing is done that
// leaves no trace. do gets the time by which what is written is known.
func (r *Route) answered(ctx context.Context, op string, entry auditRecord, do func(at time.Time) (ledger.Written, error)) (ledger.Written, error) {
	if why := unfitName(entry.By); why != "" {
		return ledger.Written{}, &Error{Code: CodeRequest, Op: op, Cause: errors.New(why), Cure: "name the operator or the program that asks"}
	}
	if err := r.spend(askBytes); err != nil {
		return ledger.Written{}, err
	}
	at := time.Now().UTC()
	var written ledger.Written
	err := r.onRecord(ctx, entry, func(entry *auditRecord) error {
		var err error
		written, err = do(at)
		written.At, entry.Events = stamp(at), len(written.Sequences)
		return reply.Failed(op, err, "ask again: what comes twice does no harm")
	})
	if err != nil {
		return ledger.Written{}, err
	}
	return written, nil
}

// unfitName says why a name of who asks cannot be recorded; "" if it can.
func unfitName(by string) string {
	switch {
	case strings.TrimSpace(by) == "":
		return "nobody is named who asks for it"
	case len(by) > maxBy:
		return fmt.Sprintf("the name of who asks has %d bytes, and may have %d", len(by), maxBy)
	case strings.ContainsFunc(by, func(c rune) bool { return c < ' ' || c == 0x7f || c == '\u0085' || c == '\u2028' || c == '\u2029' }):
		return "the name of who asks has control characters or line breaks"
	}
	return ""
}

// damaged says that the egress stream is not what its own ledger says.
func (r *Route) damaged(op, format string, a ...any) error {
	return &Error{
		Code: CodeDamaged, Op: op, Cause: fmt.Errorf("stream %s: "+format, append([]any{r.egress}, a...)...),
		Cure: "restore the origin's store from a backup, or begin the route anew: what it holds is no measure for its destination",
	}
}
