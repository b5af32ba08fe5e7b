// Package gate validates what applications publish before it is stored.
//
// A gate subscribes to its domains' subjects in the applications' account,
// applies the contract of each event's type, stores what it admits, and answers
// as JetStream would: with the stream's own PubAck, or with an API error that
// says what is wrong with the event. What it refuses it keeps in quarantine.
//
// Which contract applies belongs in mesh/catalog; what a contract says, in
// mesh/contract; who may publish where, in mesh/node.
package gate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"strconv"
	"sync"
	"sync/atomic"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/mesh/catalog"
	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
	"github.com/lockstep-mesh/lockstep/registry"
)

// queue is the queue group that the gates of one environment share.
const queue = "lockstep-gate"

// MaxEventBytes is the largest event, with its headers, that a gate admits.
const MaxEventBytes = 1 << 20

// Config is what a gate needs.
type Config struct {
	Environment string
	// Origins gives, for each domain of the mesh, the environments in which its
	// events originate. A gate answers for all domains, and refuses those whose
	// events originate elsewhere, so that publishers learn where to go.
	Origins map[string][]string
	Catalog *catalog.Catalog
	Apps    *nats.Conn // in the applications' account; the gate subscribes and answers here
	Mesh    *nats.Conn // in the account of the streams; the gate stores here
	Logger  zerolog.Logger
}

// Stats counts what a gate has done since it started.
type Stats struct {
	Stored  uint64 `json:"stored"`  // events that JetStream acknowledged
	Refused uint64 `json:"refused"` // events that a rule of the gate refused
	Failed  uint64 `json:"failed"`  // events that could not be stored
}

// Gate is a running gate. It is safe for concurrent use.
type Gate struct {
	config  Config
	store   *store
	subs    []*nats.Subscription
	closing sync.Once
	closed  error

	stored, refused, failed atomic.Uint64
}

// Start subscribes to every domain's subjects and to the dead letters of
// subscribers. Events are accepted from when it returns until Close.
func Start(c Config) (*Gate, error) {
	g := &Gate{config: c}
	c.Logger = c.Logger.With().Str("part", "gate").Logger()
	var err error
	if g.store, err = newStore(c.Mesh, c.Logger); err != nil {
		return nil, err
	}
	subscribe := func(root string, handle nats.MsgHandler) error {
		sub, err := c.Apps.QueueSubscribe(root+".>", queue, handle)
		if err != nil {
			return err
		}
		g.subs = append(g.subs, sub)
		return sub.SetPendingLimits(-1, 512<<20)
	}
	for domain := range c.Origins {
		err = errors.Join(err, subscribe(domain, g.event))
	}
	err = errors.Join(err, subscribe(wire.DeadLetterRoot, g.deadLetter))
	if err == nil {
		err = c.Apps.Flush()
	}
	if err != nil {
		return nil, errors.Join(err, g.Close(context.Background()))
	}
	return g, nil
}

// Stats gives the counts so far.
func (g *Gate) Stats() Stats {
	return Stats{Stored: g.stored.Load(), Refused: g.refused.Load(), Failed: g.failed.Load()}
}

// Close stops taking events, waits until those under way are answered or ctx
// ends, and leaves the connections open. It may be called more than once.
func (g *Gate) Close(ctx context.Context) error {
	g.closing.Do(func() {
		drained := make(chan struct{}, len(g.subs))
		for _, sub := range g.subs {
			sub.SetClosedHandler(func(string) { drained <- struct{}{} })
			if err := sub.Drain(); err != nil {
				drained <- struct{}{} // the connection is gone, and the subscription with it
			}
		}
		for range g.subs {
			select {
			case <-drained:
			case <-ctx.Done():
				g.closed = context.Cause(ctx)
			}
		}
		g.closed = errors.Join(g.closed, g.store.close(ctx))
		_ = g.config.Apps.Flush()
	})
	return g.closed
}

// event handles one publish. It is called for one message at a time, and hands
// to the store in the order of arrival, which keeps each publisher's order.
func (g *Gate) event(m *nats.Msg) {
	admitted, refusal := g.admit(m)
	if refusal != nil {
		g.refuse(m, refusal)
		return
	}
	g.store.put(admitted, func(ack []byte, err error) {
		if err != nil {
			g.failed.Add(1)
			g.answer(m, unavailable(CodeStoreSilent, err.Error(), "publish again with the same Nats-Msg-Id: an event that was stored is not stored twice").response(g.stream(m.Subject), g.config.Environment))
			return
		}
		if failure := ackError(ack); failure != nil {
			g.failed.Add(1)
			g.config.Logger.Warn().Str("subject", m.Subject).Int("err_code", failure.ErrCode).Msg("the stream did not take an event: " + failure.Reason)
			g.answer(m, failure.response(g.stream(m.Subject), g.config.Environment))
			return
		}
		g.stored.Add(1)
		g.answer(m, ack)
	})
}

// admit decides about one publish: the message to store, or why not.
func (g *Gate) admit(m *nats.Msg) (*nats.Msg, *Refusal) {
	subject, err := wire.ParseSubject(m.Subject)
	if err != nil {
		return nil, refused(CodeSubject, err.Error(), "publish on <domain>.<entity>.<action>")
	}
	if r := g.checkOrigin(subject); r != nil {
		return nil, r
	}
	if r := checkEnvelope(m); r != nil {
		return nil, r
	}
	version, r := g.validate(subject, m)
	if r != nil {
		return nil, r
	}
	header, r := g.stamp(subject, version, m.Header)
	if r != nil {
		return nil, r
	}
	return &nats.Msg{Subject: wire.StoredSubject(g.config.Environment, m.Subject), Header: header, Data: m.Data}, nil
}

// validate finds the version that admits the event. A version that the
// publisher pinned decides alone; otherwise the newest that admits it does.
func (g *Gate) validate(subject wire.Subject, m *nats.Msg) (registry.Version, *Refusal) {
	versions, err := g.config.Catalog.Candidates(subject)
	if err != nil {
		return registry.Version{}, refused(CodeUnknownType, err.Error(), "register a schema for it (lockstep schema push), or correct the subject")
	}
	if pinned := m.Header.Get(wire.HeaderSchemaVersion); pinned != "" {
		number, err := strconv.Atoi(pinned)
		i := -1
		for j, v := range versions {
			if err == nil && v.Version == number {
				i = j
			}
		}
		if i < 0 {
			return registry.Version{}, refused(CodeUnknownVersion, "event "+subject.Type()+" pins version "+strconv.Quote(pinned)+" of its schema, which "+versions[0].Subject+" does not have", "leave the header "+wire.HeaderSchemaVersion+" out, or register that version")
		}
		versions = versions[i : i+1]
	}
	var first *Refusal
	for _, v := range versions {
		c, err := g.config.Catalog.Contract(v)
		if err != nil {
			return registry.Version{}, unavailable(CodeContract, err.Error(), "correct the schema; until then none of its events is admitted")
		}
		if err = c.Validate(m.Data); err == nil {
			err = checkKeys(c, subject, m.Data)
		}
		if err == nil {
			return v, nil
		}
		if first == nil {
			first = invalid(err)
		}
	}
	return registry.Version{}, first
}

// checkKeys compares the key tokens of the subject with the values that the
// contract says they stand for.
func checkKeys(c *contract.Contract, subject wire.Subject, data []byte) error {
	if len(c.Key()) == 0 || len(subject.Keys) == 0 {
		return nil
	}
	keys, err := c.KeyTokens(data)
	if err != nil {
		return &keyError{subject: subject, want: c.Key(), cause: err}
	}
	if len(keys) != len(subject.Keys) {
		return &keyError{subject: subject, want: c.Key()}
	}
	for i := range keys {
		if keys[i] != subject.Keys[i] {
			return &keyError{subject: subject, want: c.Key()}
		}
	}
	return nil
}

// checkOrigin refuses events of domains that do not originate here.
func (g *Gate) checkOrigin(subject wire.Subject) *Refusal {
	origins := g.config.Origins[subject.Domain]
	for _, o := range origins {
		if o == g.config.Environment {
			return nil
		}
	}
	where := "no environment"
	for i, o := range origins {
		if i == 0 {
			where = o
		} else {
			where += " or " + o
		}
	}
	return refused(CodeOrigin, "events of domain "+subject.Domain+" originate in "+where+", not in "+g.config.Environment, "publish there; it is routed here")
}

// stream is the name of the stream that a subject belongs to.
func (g *Gate) stream(subject string) string {
	s, err := wire.ParseSubject(subject)
	if err != nil {
		return ""
	}
	return wire.DomainStream(s.Domain)
}

// refuse keeps the event in quarantine, then tells the publisher.
func (g *Gate) refuse(m *nats.Msg, r *Refusal) {
	g.refused.Add(1)
	g.store.put(quarantined(m, r, time.Now()), func(ack []byte, err error) {
		if err == nil {
			if failure := ackError(ack); failure != nil {
				err = failure
			}
		}
		if err != nil {
			g.config.Logger.Error().Err(err).Str("subject", m.Subject).Msg("a refused event could not be kept in quarantine")
			r = r.with("; it could not be kept in quarantine either: " + err.Error())
		}
		g.answer(m, r.response(g.stream(m.Subject), g.config.Environment))
	})
}

// answer responds to the publisher, if it waits for a response.
func (g *Gate) answer(m *nats.Msg, response []byte) {
	if m.Reply == "" {
		return
	}
	if err := g.config.Apps.Publish(m.Reply, response); err != nil {
		g.config.Logger.Warn().Err(err).Str("subject", m.Subject).Msg("an answer to a publisher was lost")
	}
}

// ackError reads an acknowledgement: nil when the message was stored.
func ackError(ack []byte) *Refusal {
	if !bytes.Contains(ack, []byte(`"error"`)) && bytes.Contains(ack, []byte(`"seq"`)) {
		return nil // the common case, without decoding
	}
	var body struct {
		Stream string `json:"stream"`
		Error  *struct {
			Code        int    `json:"code"`
			ErrCode     int    `json:"err_code"`
			Description string `json:"description"`
		} `json:"error"`
	}
	if err := json.Unmarshal(ack, &body); err != nil {
		return unavailable(CodeStoreSilent, "the stream answered with something that is no acknowledgement: "+err.Error(), "publish again with the same Nats-Msg-Id")
	}
	if body.Error == nil {
		return nil
	}
	return storeFailure(body.Error.Code, body.Error.ErrCode, body.Error.Description)
}
