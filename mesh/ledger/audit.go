package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/lockstep-mesh/lockstep/mesh/reply"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// pass is one rescan: a verifier of its own reads all that is stored, and takes the
// place of the one that was there once it has come as far.
type pass struct {
	of    *domain
	fresh *Verifier
	ended chan struct{}

	mu    sync.Mutex
	state Pass
	err   error
}

func (p *pass) now() *Pass {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.state
	if now.Ended.IsZero() {
		p.fresh.mu.Lock()
		now.Read = min(p.fresh.read[ofEvents], now.Of)
		p.fresh.mu.Unlock()
	}
	return &now
}

// Audit begins to verify again all that is stored. It goes on when who asked has
// gone; a pass that is under way is not begun again.
func (d *Desk) Audit(ctx context.Context, q AuditRequest) AuditAnswer {
	const op = "audit"
	var a AuditAnswer
	chosen, err := d.choose(q.Of)
	if err == nil {
		err = nobody(q.By, op)
	}
	for _, s := range chosen {
		if err != nil {
			break
		}
		if err = s.audit(ctx, q.By); err == nil {
			a.Domains = append(a.Domains, s.findings())
		}
	}
	a.Problem = reply.ProblemOf(err)
	return a
}

// audit begins a pass, unless one is under way.
func (s *domain) audit(ctx context.Context, by string) error {
	s.mu.Lock()
	under := s.pass != nil && s.pass.now().Ended.IsZero()
	s.mu.Unlock()
	if under {
		return nil
	}
	done, err := s.hold("audit")
	if err != nil {
		return err
	}
	_, err = s.begin(ctx, by, done)
	return err
}

// begin begins a pass and calls done when it has ended.
func (s *domain) begin(ctx context.Context, by string, done func()) (*pass, error) {
	target, err := s.current().ends(ctx)
	if err == nil {
		err = s.note(ctx, Record{Action: actionAudit, Phase: phaseAsked, By: by})
	}
	if err != nil {
		done()
		return nil, failed("audit "+s.Domain+" from "+s.Origin, err)
	}
	p := &pass{
		of: s, fresh: Verify(s.js, s.Origin, s.Domain, s.log), ended: make(chan struct{}),
		state: Pass{By: by, Started: time.Now().UTC(), Of: target[ofEvents]},
	}
	s.mu.Lock()
	s.pass = p
	s.mu.Unlock()
	s.server.Go(func() {
		err := p.run(s.server.Context(), target)
		done() // whoever learns that it has ended may repair
		p.end(err)
	})
	return p, nil
}

// run waits until the fresh verifier has come to where the streams ended when it
// began, and puts it in the place of the other.
func (p *pass) run(ctx context.Context, target [2]uint64) error {
	v := p.fresh
	if err := v.await(ctx, func() bool { return v.read[ofEvents] >= target[ofEvents] && v.read[ofRecords] >= target[ofRecords] }); err != nil {
		v.Close()
		return err
	}
	// What the last watermarks cover is judged once it should have come. If the line
	// to the origin does not stand, nobody can say.
	waiting, cancel := context.WithTimeout(ctx, judgeTimeout)
	defer cancel()
	if err := v.await(waiting, func() bool { return v.waiting(target[ofRecords]) == 0 }); err != nil && ctx.Err() != nil {
		v.Close()
		return err
	}
	v.mu.Lock()
	unjudged := v.waiting(target[ofRecords])
	v.mu.Unlock()
	p.mu.Lock()
	p.state.Unjudged = unjudged
	p.mu.Unlock()
	p.of.mu.Lock()
	before := p.of.verifier
	p.of.verifier = v
	p.of.mu.Unlock()
	before.Close()
	return nil
}

func (p *pass) end(err error) {
	p.mu.Lock()
	p.err = err
	p.state.Ended, p.state.Read = time.Now().UTC(), p.state.Of
	p.mu.Unlock()
	close(p.ended)
}

// wait waits for the pass to end.
func (p *pass) wait(ctx context.Context) error {
	select {
	case <-p.ended:
		return p.err
	case <-ctx.Done():
		return ctx.Err()
	}
}

// What is recorded in stream AUDIT.
const (
	actionAudit  = "ledger-audit"
	actionRepair = "ledger-repair"
	actionUndo   = "ledger-undo"

	phaseAsked  = "asked" // before anything is done, so that nothing is done without a trace
	phaseDone   = "done"
	phaseFailed = "failed"
)

// Record is what stream AUDIT keeps of what was done to a domain's stream. The
// sequence of the record with which a repair begins is the repair's id.
type Record struct {
	At          time.Time `json:"at"`
	Environment string    `json:"environment"`
	Action      string    `json:"action"`
	Phase       string    `json:"phase"`
	By          string    `json:"by"`
	Origin      string    `json:"origin"`
	Domain      string    `json:"domain"`
	Generation  uint64    `json:"generation,omitempty"` // of what it was done to, from 2 on
	ID          uint64    `json:"id,omitempty"`         // of the repair, except in the record that begins it
	After       uint64    `json:"after,omitempty"`      // last sequence of the domain's stream before it
	Resend      []uint64  `json:"resend,omitempty"`     // origin sequences of the events that are to come again
	Remove      []uint64  `json:"remove,omitempty"`     // sequences in the domain's stream of what is to be taken out
	Resent      int       `json:"resent,omitempty"`     // how many came again
	Removed     int       `json:"removed,omitempty"`    // how many messages were taken out
	Restored    int       `json:"restored,omitempty"`   // how many were put back
	Why         string    `json:"why,omitempty"`        // of what failed
}

// note records what is done, or says that it is not done for want of a record.
func (s *domain) note(ctx context.Context, r Record) error {
	_, err := s.noted(ctx, r)
	return err
}

func (s *domain) noted(ctx context.Context, r Record) (uint64, error) {
	r.At, r.Environment, r.Origin, r.Domain = time.Now().UTC(), s.environment, s.Origin, s.Domain
	body, err := json.Marshal(r)
	if err != nil {
		return 0, fmt.Errorf("write down %s: %w", r.Action, err)
	}
	ack, err := s.js.Publish(ctx, wire.AuditSubject(s.environment, r.Action), body)
	if err != nil {
		return 0, &Error{Code: CodeUnavailable, Op: "record who asked for " + r.Action, Cause: err, Cure: "make stream " + wire.AuditStream + " writable (see `lockstep status`), and ask again"}
	}
	s.log.Info().Str("action", r.Action).Str("phase", r.Phase).Str("by", r.By).Str("origin", s.Origin).Str("domain", s.Domain).Uint64("id", max(r.ID, ack.Sequence)).Msg("ledger")
	return ack.Sequence, nil
}

// finish records how something has ended. It has happened, so it is recorded even
// when who asked has gone.
func (s *domain) finish(ctx context.Context, r Record, err error) error {
	kept, cancel := context.WithTimeout(context.WithoutCancel(ctx), recordTimeout)
	defer cancel()
	r.Phase, r.Resend, r.Remove = phaseDone, nil, nil
	if err != nil {
		r.Phase, r.Why = phaseFailed, err.Error()
	}
	return errors.Join(err, s.note(kept, r))
}

const (
	recordTimeout = 5 * time.Second
	judgeTimeout  = 4 * overdueAfter // for the segments at the end
)
