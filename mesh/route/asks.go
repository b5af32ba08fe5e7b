package route

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"sync"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/mesh/reply"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

const (
	maxAsk      = 64 << 10 // bytes of a request
	asksWaiting = 64       // requests of one destination, beside the one that is dealt with; more are dropped
	asksQueue   = "lockstep"
	askTimeout  = 2 * time.Minute // for one request
	askFlushing = 5 * time.Second
)

// RepairDesk answers what destinations ask of an environment's routes, each about
// its own alone, and one request of each at a time. Other environments reach it, so
// it trusts nothing but the subject of a request, for which the server allows each
// leaf its own only.
type RepairDesk struct {
	nc          *nats.Conn
	environment string
	log         zerolog.Logger
	strange     zerolog.Logger // says little of what anybody can send without end
	subs        []*nats.Subscription

	ctx    context.Context //nolint:containedctx // of requests under way, which Close ends
	cancel context.CancelFunc
	work   sync.WaitGroup
	once   sync.Once
}

// ServeRepairs answers requests about routes on nc, a connection in the streams'
// account, until Close: a ledger.LeavesRequest on wire.AskSubject(environment,
// destination, wire.VerbLeaves), a ledger.ResendRequest on that of wire.VerbResend,
// both with a ledger.Written.
func ServeRepairs(nc *nats.Conn, environment string, routes []*Route, log zerolog.Logger) (*RepairDesk, error) {
	d := &RepairDesk{nc: nc, environment: environment, log: log.With().Str("part", "repairs").Logger()}
	d.strange = d.log.Sample(&zerolog.BurstSampler{Burst: 10, Period: time.Minute})
	d.ctx, d.cancel = context.WithCancel(context.Background())
	to := map[string]map[string]*Route{} // by destination and domain
	for _, r := range routes {
		if to[r.config.To] == nil {
			to[r.config.To] = map[string]*Route{}
		}
		to[r.config.To][r.config.Domain] = r
	}
	for destination, by := range to {
		asked := make(chan *nats.Msg, asksWaiting)
		for _, verb := range []string{wire.VerbLeaves, wire.VerbResend} {
			sub, err := nc.ChanQueueSubscribe(wire.AskSubject(environment, destination, verb), asksQueue, asked)
			if err != nil {
				d.Close()
				return nil, &Error{Code: CodeUnavailable, Op: "listen for what destinations ask", Cause: err}
			}
			d.subs = append(d.subs, sub)
		}
		d.work.Go(func() { d.serve(destination, by, asked) })
	}
	if err := nc.FlushTimeout(askFlushing); err != nil {
		d.Close()
		return nil, &Error{Code: CodeUnavailable, Op: "listen for what destinations ask", Cause: err}
	}
	return d, nil
}

// Close ends the requests under way and waits until they have ended. It may be
// called more than once.
func (d *RepairDesk) Close() {
	d.once.Do(func() {
		for _, sub := range d.subs {
			_ = sub.Unsubscribe() // on a closed connection nothing arrives either
		}
		d.cancel()
		d.work.Wait()
	})
}

// serve answers one destination.
func (d *RepairDesk) serve(destination string, routes map[string]*Route, asked <-chan *nats.Msg) {
	for {
		select {
		case m := <-asked:
			d.take(destination, routes, m)
		case <-d.ctx.Done():
			return
		}
	}
}

func (d *RepairDesk) take(destination string, routes map[string]*Route, m *nats.Msg) {
	// Within this account, an answer on a subject that a stream captures would be
	// stored there. So a request that wants it elsewhere is none.
	token, ok := strings.CutPrefix(m.Reply, wire.AnswerSubject(d.environment, destination, ""))
	if !ok || !wire.ValidToken(token) {
		d.strange.Warn().Str("subject", m.Subject).Str("reply", m.Reply).Msg("a destination wants an answer where none may go")
		return
	}
	ctx, cancel := context.WithTimeout(d.ctx, askTimeout)
	defer cancel()
	written, err := d.answer(ctx, destination, routes, m)
	if err != nil {
		d.strange.Warn().Err(err).Str("to", destination).Msg("what a destination asked for was not done")
		written = ledger.Written{Problem: problemAbroad(err)}
	}
	body, err := json.Marshal(written)
	if err == nil {
		err = d.nc.Publish(m.Reply, body)
	}
	if err != nil {
		d.log.Warn().Err(err).Str("to", destination).Msg("the answer to a request was lost")
	}
}

func (d *RepairDesk) answer(ctx context.Context, destination string, routes map[string]*Route, m *nats.Msg) (ledger.Written, error) {
	if len(m.Data) > maxAsk {
		return ledger.Written{}, &Error{Code: CodeRequest, Op: "read the request", Cause: fmt.Errorf("it has %d bytes, and may have %d", len(m.Data), maxAsk), Cure: "ask for less at once"}
	}
	of := func(domain string) (*Route, error) {
		if r := routes[domain]; r != nil {
			return r, nil
		}
		return nil, &Error{Code: CodeNoRoute, Op: "find a route", Cause: fmt.Errorf("none carries domain %q from %s to %s", domain, d.environment, destination), Cure: "name a domain that comes from there"}
	}
	if m.Subject == wire.AskSubject(d.environment, destination, wire.VerbLeaves) {
		var q ledger.LeavesRequest
		if err := decodeStrictly(m.Data, &q); err != nil {
			return ledger.Written{}, err
		}
		r, err := of(q.Domain)
		if err != nil {
			return ledger.Written{}, err
		}
		return r.Leaves(ctx, q)
	}
	var q ledger.ResendRequest
	if err := decodeStrictly(m.Data, &q); err != nil {
		return ledger.Written{}, err
	}
	r, err := of(q.Domain)
	if err != nil {
		return ledger.Written{}, err
	}
	return r.Resend(ctx, q)
}

// decodeStrictly reads JSON in which nothing is unknown, named twice, or behind the
// end.
func decodeStrictly(body []byte, into any) error {
	if err := jsonv2.Unmarshal(body, into, jsonv2.RejectUnknownMembers(true)); err != nil {
		return &Error{Code: CodeRequest, Op: "read the request", Cause: err, Cure: reply.DecodeCure}
	}
	return nil
}

// problemAbroad is an error as another environment may see it: of what failed at
// the origin it says no more than what was asked for.
func problemAbroad(err error) *ledger.Problem {
	p := reply.ProblemOf(err)
	switch p.Code {
	case CodeRequest, CodeNoRoute, CodeBudget, CodeTooLarge, CodeDamaged, CodeNotRunning:
		return p
	}
	p.Why = "the origin could not do it; its log says why"
	if typed := (*Error)(nil); errors.As(err, &typed) {
		p.Why = typed.Op + ": " + p.Why
	}
	return p
}
