package ledger

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"
	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh/reply"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// Desk verifies what an environment receives, and answers what operators ask about
// it: in this process, and as NATS requests in the streams' account, where neither
// applications nor leaves can reach it. It is safe for concurrent use.
type Desk struct {
	environment string
	server      *reply.Server
	nc          *nats.Conn
	js          jetstream.JetStream
	log         zerolog.Logger
	observe     func(step) // called before each step, in tests
	domains     []*domain
}

// Source names what arrives from where.
type Source struct{ Origin, Domain string }

// domain is what arrives of one domain from one origin.
type domain struct {
	*Desk
	Source
	working chan struct{} // held by the one who repairs, audits or undoes

	mu       sync.Mutex
	verifier *Verifier
	pass     *pass // the latest, or nil
}

// Serve verifies the domains' events, from their beginning, and answers requests on
// nc until Close: requests of this package's in JSON on wire.AdminSubject.
func Serve(nc *nats.Conn, environment string, sources []Source, log zerolog.Logger) (*Desk, error) {
	return serve(nc, environment, sources, log, nil)
}

func serve(nc *nats.Conn, environment string, sources []Source, log zerolog.Logger, observe func(step)) (*Desk, error) {
	unavailable := func(err error) error {
		return &Error{Code: CodeUnavailable, Op: "listen for requests about the ledger", Cause: err}
	}
	js, err := jetstream.New(nc)
	if err != nil {
		return nil, unavailable(err)
	}
	d := &Desk{environment: environment, nc: nc, js: js, log: log.With().Str("part", "ledger").Logger(), observe: observe}
	d.server = reply.NewServer(nc, d.log)
	for _, s := range sources {
		d.domains = append(d.domains, &domain{Desk: d, Source: s, working: make(chan struct{}, 1), verifier: Verify(js, s.Origin, s.Domain, log)})
	}
	if len(sources) == 0 {
		return d, nil // nobody listens, which tells who asks that nothing arrives here
	}
	for verb, answer := range map[string]func(context.Context, []byte) any{
		wire.VerbLedger: reply.Answering(d.Status, func(p *Problem) StatusAnswer { return StatusAnswer{Problem: p} }),
		wire.VerbAudit:  reply.Answering(d.Audit, func(p *Problem) AuditAnswer { return AuditAnswer{Problem: p} }),
		wire.VerbRepair: reply.Answering(d.Repair, func(p *Problem) RepairAnswer { return RepairAnswer{Problem: p} }),
		wire.VerbUndo:   reply.Answering(d.Undo, func(p *Problem) UndoAnswer { return UndoAnswer{Problem: p} }),
	} {
		if err := d.server.Handle(wire.AdminSubject(environment, verb), answer); err != nil {
			d.Close()
			return nil, unavailable(err)
		}
	}
	if err := d.server.Ready(); err != nil {
		d.Close()
		return nil, unavailable(err)
	}
	return d, nil
}

// Close ends what is under way, verifying too, and waits until it has ended. It may
// be called more than once.
func (d *Desk) Close() {
	d.server.Close()
	for _, of := range d.domains {
		of.current().Close()
	}
}

func (d *Desk) stream(ctx context.Context, name string) (jetstream.Stream, error) {
	stream, err := d.js.Stream(ctx, name)
	if err != nil {
		return nil, fmt.Errorf("find stream %s: %w", name, err)
	}
	return stream, nil
}

// Reports are what is known now, of each domain and origin.
func (d *Desk) Reports() []Report {
	reports := make([]Report, 0, len(d.domains))
	for _, of := range d.domains {
		reports = append(reports, of.current().Report())
	}
	return reports
}

func (d *Desk) choose(of Of) ([]*domain, error) {
	var chosen []*domain
	for _, s := range d.domains {
		if (of.Origin == "" || of.Origin == s.Origin) && (of.Domain == "" || of.Domain == s.Domain) {
			chosen = append(chosen, s)
		}
	}
	if len(chosen) == 0 {
		return nil, &Error{
			Code: CodeNoDomain, Op: "find what arrives in " + d.environment, Cause: fmt.Errorf("nothing of domain %q from %q does", of.Domain, of.Origin),
			Cure: "name a destination environment, and an origin and a domain of one of its routes",
		}
	}
	return chosen, nil
}

// nobody refuses a request that does not say who asks.
func nobody(by, op string) error {
	if by != "" && len(by) <= 200 && !strings.ContainsAny(by, "\r\n") {
		return nil
	}
	return &Error{Code: CodeRequest, Op: op, Cause: errors.New("it is not said who asks for it"), Cure: "name the operator, in up to 200 bytes without a line break"}
}

// Status lists what is verified and what differs.
func (d *Desk) Status(_ context.Context, q StatusRequest) StatusAnswer {
	chosen, err := d.choose(q.Of)
	a := StatusAnswer{Problem: reply.ProblemOf(err)}
	for _, s := range chosen {
		a.Domains = append(a.Domains, s.findings())
	}
	return a
}

func (s *domain) current() *Verifier {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.verifier
}

func (s *domain) findings() Findings {
	s.mu.Lock()
	v, p := s.verifier, s.pass
	s.mu.Unlock()
	f := v.findings()
	if p != nil {
		f.Audit = p.now()
	}
	return f
}

// hold keeps others from repairing, auditing or undoing there, until done.
func (s *domain) hold(op string) (done func(), err error) {
	select {
	case s.working <- struct{}{}:
		return func() { <-s.working }, nil
	default:
		return nil, &Error{
			Code: CodeBusy, Op: op + " " + s.Source.Domain + " from " + s.Origin, Cause: errors.New("somebody else repairs, audits or undoes there"), Cure: "ask again when that has ended: `lockstep ledger status`",
		}
	}
}

// findings lists what differs, the first MaxListed of each kind.
func (v *Verifier) findings() Findings {
	v.mu.Lock()
	defer v.mu.Unlock()
	f := Findings{Report: v.report, Segments: []Disputed{}, Surplus: v.listSurplus(MaxListed)}
	f.Lags = nil
	listed := 0
	for _, d := range v.disputes {
		at := Disputed{From: d.From, To: d.To, Known: d.leaves != nil}
		for _, x := range d.found {
			if listed++; listed <= MaxListed {
				at.Differences = append(at.Differences, x)
			}
		}
		f.Segments = append(f.Segments, at)
	}
	return f
}

// listSurplus is the surplus in the order of the domain's stream, at most limit.
func (v *Verifier) listSurplus(limit int) []Surplus {
	list := make([]Surplus, 0, len(v.surplus))
	for _, s := range v.surplus {
		list = append(list, *s)
	}
	slices.SortFunc(list, func(a, b Surplus) int { return cmp.Compare(a.At, b.At) })
	return list[:min(limit, len(list))]
}
