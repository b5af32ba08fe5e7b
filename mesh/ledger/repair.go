package ledger

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nuid"

	"github.com/lockstep-mesh/lockstep/mesh/reply"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

const (
	removeAtOnce = 5000             // messages that one repair takes out at most
	askTimeout   = 15 * time.Second // for an answer of the origin
	comeTimeout  = 60 * time.Second // for what the origin has written to arrive
)

// step is a point at which a repair can be interrupted.
type step string

const (
	stepLeaves  step = "leaves"  // before the origin is asked what segments are made of
	stepPlanned step = "planned" // once it is recorded what is to be done
	stepResent  step = "resent"  // once what was asked for has arrived
	stepRemove  step = "remove"  // before a message is taken out
	stepSaved   step = "saved"   // once it is kept elsewhere
	stepRestore step = "restore" // before a message is put back
	stepDone    step = "done"    // before it is recorded that all is done
)

func (d *Desk) step(s step) {
	if d.observe != nil {
		d.observe(s)
	}
}

// Repair repairs what differs, up to MaxSegments segments of each domain. It asks
// the origin what they are made of, has what is missing or different sent again,
// and takes out of the domain's stream what does not belong there: that is kept in
// stream REMOVED, so that the repair can be undone. What is to be done is recorded
// before. If it is interrupted, the next repair goes on where it was.
func (d *Desk) Repair(ctx context.Context, q RepairRequest) RepairAnswer {
	var a RepairAnswer
	chosen, err := d.choose(q.Of)
	if err == nil {
		err = nobody(q.By, "repair")
	}
	for _, s := range chosen {
		if err != nil {
			break
		}
		var done Repair
		done, err = s.repair(ctx, q.By, q.Dry)
		a.Domains = append(a.Domains, done)
	}
	a.Problem = reply.ProblemOf(err)
	return a
}

func (s *domain) repair(ctx context.Context, by string, dry bool) (r Repair, err error) {
	r = Repair{Origin: s.Origin, Domain: s.Domain, Found: []Difference{}, Surplus: []Surplus{}}
	op := "repair " + s.Domain + " from " + s.Origin
	release, err := s.hold("repair")
	if err != nil {
		return r, err
	}
	defer release()
	v := s.current()
	defer func() { r.Remaining, r.Beyond = v.remaining() }()
	if err := s.caughtUp(ctx, v); err != nil {
		return r, failed(op, err)
	}
	if err := s.learn(ctx, v, by); err != nil {
		return r, failed(op, err)
	}
	r.Found, r.Surplus = v.plan()
	if dry || len(r.Found)+len(r.Surplus) == 0 {
		return r, nil
	}
	resend, remove := worklist(r.Found, r.Surplus)
	if err := s.removable(ctx, remove); err != nil {
		return r, failed(op, err)
	}
	ends, err := s.current().ends(ctx)
	if err != nil {
		return r, failed(op, err)
	}
	record := Record{Action: actionRepair, Phase: phaseAsked, By: by, Generation: v.Report().Generation, After: ends[ofEvents], Resend: resend, Remove: remove}
	if r.ID, err = s.noted(ctx, record); err != nil {
		return r, failed(op, err)
	}
	record.ID = r.ID
	s.step(stepPlanned)
	err = s.mend(ctx, v, &record)
	if err == nil {
		err = s.caughtUp(ctx, v) // what came twice, another repair had asked for, too
	}
	r.Resent, r.Removed = record.Resent, record.Removed
	s.step(stepDone)
	return r, failed(op, s.finish(ctx, record, err))
}

// caughtUp waits until all that is stored has been read: what was not is not known to
// differ, and right after the start that is most.
func (s *domain) caughtUp(ctx context.Context, v *Verifier) error {
	ends, err := v.ends(ctx)
	if err != nil {
		return err
	}
	waiting, cancel := context.WithTimeout(ctx, comeTimeout)
	defer cancel()
	read := ends
	err = v.await(waiting, func() bool {
		read = v.read
		return read[ofEvents] >= ends[ofEvents] && read[ofRecords] >= ends[ofRecords]
	})
	if err != nil && ctx.Err() == nil {
		return &Error{
			Code: CodeBusy, Op: "learn what differs", Cure: "ask again later: the more is stored, the longer it takes after a start",
			Cause: fmt.Errorf("not all that is stored has been read since the start: %d of %d messages", min(read[ofEvents], ends[ofEvents]), ends[ofEvents]),
		}
	}
	return err
}

// mend does what is planned: first what was missing or different comes again, so
// that nothing is taken out that has not been replaced.
func (s *domain) mend(ctx context.Context, v *Verifier, record *Record) error {
	for _, some := range slices.Collect(slices.Chunk(record.Resend, MaxResend)) {
		if err := s.resend(ctx, v, some, record.By); err != nil {
			return err
		}
		record.Resent += len(some)
	}
	s.step(stepResent)
	if len(record.Remove) == 0 {
		return nil
	}
	between, err := s.open(ctx)
	if err != nil {
		return err
	}
	for _, at := range record.Remove {
		if !v.removable(at) {
			continue
		}
		if err := between.remove(ctx, at, record.ID); err != nil {
			return err
		}
		record.Removed++
		v.removed(at)
	}
	return nil
}

// learn asks the origin what the first segments that differ are made of.
func (s *domain) learn(ctx context.Context, v *Verifier, by string) error {
	for {
		first, q, ok := v.unknown()
		if !ok {
			return nil
		}
		v.mu.Lock()
		first.offered = nil // of an earlier attempt
		v.mu.Unlock()
		s.step(stepLeaves)
		if _, err := s.ask(ctx, wire.VerbLeaves, LeavesRequest{Domain: s.Domain, From: q.From, To: q.To, After: q.After, By: by}); err != nil {
			return err
		}
		unfit := false
		arrived := func() bool {
			next, then, open := v.unknownLocked()
			unfit = open && next == first && then == q && first.offered != nil
			return unfit || !open || next != first || then != q
		}
		waiting, cancel := context.WithTimeout(ctx, comeTimeout)
		err := v.await(waiting, arrived)
		cancel()
		if err != nil {
			return fmt.Errorf("the origin wrote what the segment from event %d on is made of, and it did not arrive: %w", q.From, err)
		}
		if unfit {
			return &Error{
				Code: CodeChain, Op: fmt.Sprintf("learn what the segment from event %d on is made of", q.From),
				Cause: errors.New("what the origin says does not continue what its watermarks here said before"), Cure: "remove stream " + wire.LedgerStream + " of this environment and restart it: its records come again",
			}
		}
	}
}

// resend has the origin send events again, and waits until they are here.
func (s *domain) resend(ctx context.Context, v *Verifier, sequences []uint64, by string) error {
	written, err := s.ask(ctx, wire.VerbResend, ResendRequest{Domain: s.Domain, Sequences: sequences, By: by})
	if err != nil {
		return err
	}
	if len(written.Sequences) < len(sequences) {
		return fmt.Errorf("of %d events the origin sent %d again", len(sequences), len(written.Sequences))
	}
	ctx, cancel := context.WithTimeout(ctx, comeTimeout)
	defer cancel()
	if err := v.await(ctx, func() bool { return !v.lacks(sequences) }); err != nil {
		return fmt.Errorf("the origin sent %d events again, and not all have arrived: %w", len(sequences), err)
	}
	return nil
}

// ask asks the origin, over the leaf line.
func (s *domain) ask(ctx context.Context, verb string, question any) (Written, error) {
	var written Written
	op := "ask " + s.Origin
	body, err := json.Marshal(question)
	if err != nil {
		return written, fmt.Errorf("write the question: %w", err)
	}
	to := wire.AnswerSubject(s.Origin, s.environment, nuid.Next())
	sub, err := s.nc.SubscribeSync(to)
	if err != nil {
		return written, err
	}
	defer func() { _ = sub.Unsubscribe() }() // on a closed connection nothing arrives either
	if err := s.nc.PublishRequest(wire.AskSubject(s.Origin, s.environment, verb), to, body); err != nil {
		return written, err
	}
	ctx, cancel := context.WithTimeout(ctx, askTimeout)
	defer cancel()
	m, err := sub.NextMsgWithContext(ctx)
	if errors.Is(err, nats.ErrNoResponders) || errors.Is(err, context.DeadlineExceeded) {
		return written, &Error{
			Code: CodeUnavailable, Op: op, Cause: errors.New("it does not answer"), Cure: "see that " + s.Origin + " runs and that the leaf line stands (`lockstep status`), and ask again",
		}
	}
	if err != nil {
		return written, err
	}
	if err := json.Unmarshal(m.Data, &written); err != nil {
		return written, fmt.Errorf("read the answer of %s: %w", s.Origin, err)
	}
	return written, written.Problem.Err(op)
}

// unknown asks about the first run of neighbouring segments in dispute, among the
// first MaxSegments, of which it is not known what they are made of; first is the
// first of them.
func (v *Verifier) unknown() (first *dispute, q LeavesRequest, ok bool) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return v.unknownLocked()
}

func (v *Verifier) unknownLocked() (first *dispute, q LeavesRequest, ok bool) {
	for _, d := range v.disputes[:min(len(v.disputes), MaxSegments)] {
		switch {
		case first == nil && d.leaves != nil:
			continue
		case first == nil:
			first = d
			q.From = d.From
			if !d.unlinked {
				q.After = d.before
			}
		case d.leaves != nil || d.From > q.To+1:
			return first, q, true
		}
		q.To = max(d.To, d.From) // of releases alone a segment ends before it begins
	}
	return first, q, first != nil
}

// plan is what differs in the first segments in dispute, and the surplus.
func (v *Verifier) plan() ([]Difference, []Surplus) {
	v.mu.Lock()
	defer v.mu.Unlock()
	found := []Difference{}
	for _, d := range v.disputes[:min(len(v.disputes), MaxSegments)] {
		if d.leaves != nil {
			found = append(found, d.found...)
		}
	}
	return found, v.listSurplus(removeAtOnce)
}

// worklist is which events are to come again, and which messages are to be taken
// out.
func worklist(found []Difference, surplus []Surplus) (resend, remove []uint64) {
	for _, f := range found {
		if f.Kind != DifferenceExtra {
			resend = append(resend, f.OriginSequence)
		}
		if f.At != 0 {
			remove = append(remove, f.At)
		}
	}
	for _, s := range surplus {
		remove = append(remove, s.At)
	}
	slices.Sort(resend)
	slices.Sort(remove)
	return slices.Compact(resend), slices.Compact(remove)
}

// lacks reports whether one of the events is missing or different still.
func (v *Verifier) lacks(sequences []uint64) bool {
	for _, d := range v.disputes {
		for _, f := range d.found {
			if _, is := slices.BinarySearchFunc(sequences, f.OriginSequence, cmp.Compare); is && f.Kind != DifferenceExtra {
				return true
			}
		}
	}
	return false
}

// removable reports whether a message of the domain's stream stands for no event.
func (v *Verifier) removable(at uint64) bool {
	v.mu.Lock()
	defer v.mu.Unlock()
	if v.surplus[at] != nil {
		return true
	}
	for _, d := range v.disputes {
		for _, f := range d.found {
			if f.At == at && f.Kind == DifferenceExtra {
				return true
			}
		}
	}
	return false
}

// remaining is how much is to be repaired still, and how much of it is not held.
func (v *Verifier) remaining() (held int, beyond uint64) {
	v.mu.Lock()
	defer v.mu.Unlock()
	return len(v.disputes) + len(v.surplus), v.beyond + v.spared
}
