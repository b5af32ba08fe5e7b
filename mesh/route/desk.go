package route

import (
	"context"
	"errors"
	"fmt"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh/reply"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// Of chooses among an environment's routes. The zero Of chooses all.
type Of struct {
	To     string `json:"to,omitempty"`     // destination; empty: any
	Domain string `json:"domain,omitempty"` // empty: any
}

// Which names a route in an answer.
type Which struct {
	From   string `json:"from"`
	To     string `json:"to"`
	Domain string `json:"domain"`
}

// WithheldRequest asks which events are withheld. Filter.Limit counts over all
// routes.
type WithheldRequest struct {
	Of
	Filter
}

// WithheldAnswer answers a WithheldRequest, a part for each route.
type WithheldAnswer struct {
	Problem *Problem       `json:"problem,omitempty"` // then there is nothing else
	Routes  []WithheldPart `json:"routes,omitempty"`
}

// WithheldPart is what one route withholds.
type WithheldPart struct {
	Which
	Page
}

// ReleaseRequest asks to release events. Filter.Limit counts for each route.
type ReleaseRequest struct {
	Of
	Filter
	By string `json:"by"` // who asks; it is recorded
}

// ReleaseAnswer answers a ReleaseRequest, a part for each route. With a Problem,
// the parts are what was done before it.
type ReleaseAnswer struct {
	Problem *Problem      `json:"problem,omitempty"`
	Routes  []ReleasePart `json:"routes,omitempty"`
}

// ReleasePart is what one route released.
type ReleasePart struct {
	Which
	Result
}

// RenewRequest asks to mask the whole history of routes anew. A destination must be
// named.
type RenewRequest struct {
	Of
	By  string `json:"by"` // who asks; it is recorded
	Dry bool   `json:"dry,omitempty"`
}

// RenewAnswer answers a RenewRequest, a part for each route. With a Problem, the
// parts are what was begun before it.
type RenewAnswer struct {
	Problem *Problem    `json:"problem,omitempty"`
	Routes  []RenewPart `json:"routes,omitempty"`
}

// RenewPart is what one route masks anew.
type RenewPart struct {
	Which
	Renewal
}

// Desk answers what operators ask about an environment's routes: what they withhold,
// to release it, and to mask everything anew; in this process, and as NATS requests in
// the streams' account, where neither applications nor leaves can reach it. It is safe
// for concurrent use.
type Desk struct {
	routes []*Route
	server *reply.Server
}

// Close ends the requests under way and waits until they have ended. It may be
// called more than once.
func (d *Desk) Close() { d.server.Close() }

// Serve answers requests about routes on nc until Close: a WithheldRequest in
// JSON on wire.AdminSubject(environment, wire.VerbWithheld), a ReleaseRequest on that
// of wire.VerbRelease, a RenewRequest on that of wire.VerbRenew.
func Serve(nc *nats.Conn, environment string, routes []*Route, log zerolog.Logger) (*Desk, error) {
	d := &Desk{routes: routes, server: reply.NewServer(nc, log.With().Str("part", "desk").Logger())}
	for verb, answer := range map[string]func(context.Context, []byte) any{
		wire.VerbWithheld: reply.Answering(d.Withheld, func(p *Problem) WithheldAnswer { return WithheldAnswer{Problem: p} }),
		wire.VerbRelease:  reply.Answering(d.Release, func(p *Problem) ReleaseAnswer { return ReleaseAnswer{Problem: p} }),
		wire.VerbRenew:    reply.Answering(d.Renew, func(p *Problem) RenewAnswer { return RenewAnswer{Problem: p} }),
	} {
		if err := d.server.Handle(wire.AdminSubject(environment, verb), answer); err != nil {
			d.Close()
			return nil, &Error{Code: CodeUnavailable, Op: "listen for requests about withheld events", Cause: err}
		}
	}
	if err := d.server.Ready(); err != nil {
		d.Close()
		return nil, &Error{Code: CodeUnavailable, Op: "listen for requests about withheld events", Cause: err}
	}
	return d, nil
}

func (d *Desk) choose(of Of) ([]*Route, error) {
	var chosen []*Route
	for _, r := range d.routes {
		if (of.To == "" || of.To == r.config.To) && (of.Domain == "" || of.Domain == r.config.Domain) {
			chosen = append(chosen, r)
		}
	}
	if len(chosen) == 0 {
		return nil, &Error{
			Code: CodeNoRoute, Op: "find a route", Cause: fmt.Errorf("none carries domain %q to %q from here", of.Domain, of.To),
			Cure: "name an origin environment, and a destination and domain of one of its routes",
		}
	}
	return chosen, nil
}

func (r *Route) which() Which {
	return Which{From: r.config.From, To: r.config.To, Domain: r.config.Domain}
}

// Withheld lists what the chosen routes withhold.
func (d *Desk) Withheld(ctx context.Context, q WithheldRequest) WithheldAnswer {
	routes, err := d.choose(q.Of)
	if err != nil {
		return WithheldAnswer{Problem: reply.ProblemOf(err)}
	}
	var a WithheldAnswer
	left := q.limit()
	for _, r := range routes {
		f := q.Filter
		f.Limit = max(left, 1)
		page, err := r.Withheld(ctx, f)
		if err != nil {
			return WithheldAnswer{Problem: reply.ProblemOf(err)}
		}
		page.Records = page.Records[:min(left, len(page.Records))]
		left -= len(page.Records)
		a.Routes = append(a.Routes, WithheldPart{r.which(), page})
	}
	return a
}

// Release releases what the chosen routes withhold.
func (d *Desk) Release(ctx context.Context, q ReleaseRequest) ReleaseAnswer {
	routes, err := d.choose(q.Of)
	if err == nil && len(routes) > 1 && len(q.Sequences) > 0 {
		err = &Error{
			Code: CodeRequest, Op: "release events by their origin sequences", Cause: errors.New("more than one route is meant, and the numbers are those of one origin stream"),
			Cure: "name the domain and the destination",
		}
	}
	var a ReleaseAnswer
	for _, r := range routes {
		var result Result
		if err == nil {
			result, err = r.Release(ctx, q.Filter, q.By)
		}
		if err != nil {
			break
		}
		a.Routes = append(a.Routes, ReleasePart{r.which(), result})
	}
	a.Problem = reply.ProblemOf(err)
	return a
}

// Renew has the chosen routes mask their whole history anew.
func (d *Desk) Renew(ctx context.Context, q RenewRequest) RenewAnswer {
	var a RenewAnswer
	routes, err := d.choose(q.Of)
	if err == nil && q.To == "" {
		err = &Error{Code: CodeRequest, Op: "mask a history anew", Cause: errors.New("no destination is named"), Cure: "name the destination, whose consumers get every event again"}
	}
	for _, r := range routes {
		if err != nil {
			break
		}
		var made Renewal
		if made, err = r.Renew(ctx, q.By, q.Dry); err == nil {
			a.Routes = append(a.Routes, RenewPart{r.which(), made})
		}
	}
	a.Problem = reply.ProblemOf(err)
	return a
}

// AskWithheld asks a running environment what its routes withhold. nc is a
// connection into the streams' account.
func AskWithheld(ctx context.Context, nc *nats.Conn, environment string, q WithheldRequest) (WithheldAnswer, error) {
	var a WithheldAnswer
	err := ask(ctx, nc, wire.AdminSubject(environment, wire.VerbWithheld), q, &a)
	return a, errors.Join(err, a.Problem.Err("list what "+environment+" withholds"))
}

// AskRelease asks a running environment to release events. The answer counts
// even beside an error: it tells what was done before.
func AskRelease(ctx context.Context, nc *nats.Conn, environment string, q ReleaseRequest) (ReleaseAnswer, error) {
	var a ReleaseAnswer
	err := ask(ctx, nc, wire.AdminSubject(environment, wire.VerbRelease), q, &a)
	return a, errors.Join(err, a.Problem.Err("release what "+environment+" withholds"))
}

// AskRenew asks a running environment to mask the whole history of routes anew. The
// answer counts even beside an error: it tells what was begun before.
func AskRenew(ctx context.Context, nc *nats.Conn, environment string, q RenewRequest) (RenewAnswer, error) {
	var a RenewAnswer
	err := ask(ctx, nc, wire.AdminSubject(environment, wire.VerbRenew), q, &a)
	return a, errors.Join(err, a.Problem.Err("mask a history of "+environment+" anew"))
}

func ask(ctx context.Context, nc *nats.Conn, subject string, question, answer any) error {
	if err := reply.Ask(ctx, nc, subject, question, answer); err != nil {
		return &Error{Code: CodeUnavailable, Op: "ask the environment", Cause: err, Cure: "see whether it runs; what it was asked to release may have been released, and is not released twice"}
	}
	return nil
}
