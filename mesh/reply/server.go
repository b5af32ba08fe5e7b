// Package reply answers requests in JSON over NATS, and asks them: what the parts of
// a running environment use to be asked by operators. It has the error that an answer
// tells of, in a program and on the wire.
//
// What is asked and answered belongs with the part, and so do the codes of its errors.
// Who may ask is decided by the account and its permissions.
package reply

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"
)

const (
	timeout  = 2 * time.Minute // for one request
	atOnce   = 8               // requests of one server
	queue    = "lockstep"
	flushing = 5 * time.Second
)

// Server answers requests until Close. It is safe for concurrent use.
type Server struct {
	nc   *nats.Conn
	log  zerolog.Logger
	slot chan struct{}

	ctx    context.Context //nolint:containedctx // of requests under way, which Close ends
	cancel context.CancelFunc
	once   sync.Once
	work   sync.WaitGroup

	mu   sync.Mutex // held where work begins, so that none begins once Close waits
	subs []*nats.Subscription
}

// NewServer makes a server that answers on nc.
func NewServer(nc *nats.Conn, log zerolog.Logger) *Server {
	s := &Server{nc: nc, log: log, slot: make(chan struct{}, atOnce)}
	s.ctx, s.cancel = context.WithCancel(context.Background())
	return s
}

// Context ends when Close is called.
func (s *Server) Context() context.Context { return s.ctx }

// Go has do run in the background, which Close waits for. It does nothing after Close.
func (s *Server) Go(do func()) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.ctx.Err() == nil {
		s.work.Go(do)
	}
}

// Handle has answer make what requests on a subject are answered with, in JSON. Its
// context ends with Close, and after two minutes.
func (s *Server) Handle(subject string, answer func(ctx context.Context, body []byte) any) error {
	sub, err := s.nc.QueueSubscribe(subject, queue, func(m *nats.Msg) {
		select {
		case s.slot <- struct{}{}:
		case <-s.ctx.Done():
			return
		}
		s.Go(func() {
			defer func() { <-s.slot }()
			s.answer(m, answer)
		})
	})
	if err != nil {
		return err
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.subs = append(s.subs, sub)
	return nil
}

// Ready returns when requests reach the server from anywhere on the connection's
// server.
func (s *Server) Ready() error { return s.nc.FlushTimeout(flushing) }

func (s *Server) answer(m *nats.Msg, answer func(context.Context, []byte) any) {
	ctx, cancel := context.WithTimeout(s.ctx, timeout)
	defer cancel()
	body, err := json.Marshal(answer(ctx, m.Data))
	if err == nil {
		err = m.Respond(body)
	}
	if err != nil {
		s.log.Warn().Err(err).Str("subject", m.Subject).Msg("the answer to a request was lost")
	}
}

// Close ends the requests under way and waits until they have ended. It may be
// called more than once.
func (s *Server) Close() {
	s.once.Do(func() {
		s.mu.Lock()
		s.cancel()
		for _, sub := range s.subs {
			_ = sub.Unsubscribe() // on a closed connection nothing arrives either
		}
		s.mu.Unlock()
		s.work.Wait()
	})
}

// Decode reads a request in JSON. Fields that into does not have are an error.
func Decode(body []byte, into any) error {
	d := json.NewDecoder(strings.NewReader(string(body)))
	d.DisallowUnknownFields()
	return d.Decode(into)
}

// DecodeCure is how to mend a request that Decode refuses.
const DecodeCure = "send JSON with the fields that this version knows"

// Answering reads a request before it is answered, for Handle. What cannot be read is
// answered with a problem of CodeRequest.
func Answering[Q, A any](answer func(context.Context, Q) A, problem func(*Problem) A) func(context.Context, []byte) any {
	return func(ctx context.Context, body []byte) any {
		var q Q
		if err := Decode(body, &q); err != nil {
			return problem(ProblemOf(&Error{Code: CodeRequest, Op: "read the request", Cause: err, Cure: DecodeCure}))
		}
		return answer(ctx, q)
	}
}

// Ask sends a question in JSON and reads the answer.
func Ask(ctx context.Context, nc *nats.Conn, subject string, question, answer any) error {
	body, err := json.Marshal(question)
	if err != nil {
		return fmt.Errorf("write the request: %w", err)
	}
	m, err := nc.RequestWithContext(ctx, subject, body)
	if err != nil {
		return fmt.Errorf("ask on %s: %w", subject, err)
	}
	if err := json.Unmarshal(m.Data, answer); err != nil {
		return fmt.Errorf("read the answer on %s: %w", subject, err)
	}
	return nil
}
