package presence

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"sync"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/rs/zerolog"

	"github.com/lockstep-mesh/lockstep/schemas/strictjson"
)

// ReportSubject is the subject on which applications say what they read and write.
// A report is a message with a [Report] as JSON; a reply is sent if one is asked
// for: {"status":"ok"}, or {"status":"refused","why":…}.
const ReportSubject = "lockstep.presence"

// maxReport and maxSeen bound a report.
const (
	maxReport = 64 << 10
	maxSeen   = 256
)

// Report is what an application says of itself.
type Report struct {
	Name string `json:"name"` // of a consumer, its durable name
	Role Role   `json:"role"`
	Seen []Seen `json:"seen"`
}

// Seen is a version of a subject; 0 for one of whose events none came yet.
type Seen struct {
	Subject string `json:"subject"`
	Version int    `json:"version"`
}

func (w Who) compare(other Who) int {
	return cmp.Or(
		cmp.Compare(w.Subject, other.Subject), cmp.Compare(w.Name, other.Name), cmp.Compare(w.Role, other.Role),
		cmp.Compare(w.Environment, other.Environment), cmp.Compare(w.Version, other.Version),
	)
}

// Listener takes reports from NATS.
type Listener struct {
	sub    *nats.Subscription
	ended  chan struct{}
	book   *Book
	known  func(subject string, version int) bool
	log    zerolog.Logger
	closed sync.Once
}

// Listen takes reports that arrive on nc's account until Close. A report about a
// subject or version that known does not know is refused; version 0 stands for
// any.
func Listen(nc *nats.Conn, book *Book, known func(subject string, version int) bool, log zerolog.Logger) (*Listener, error) {
	l := &Listener{ended: make(chan struct{}), book: book, known: known, log: log.With().Str("part", "presence").Logger()}
	sub, err := nc.QueueSubscribe(ReportSubject, "presence", l.take)
	if err != nil {
		return nil, fmt.Errorf("listen for reports of consumers on %s: %w", ReportSubject, err)
	}
	sub.SetClosedHandler(func(string) { close(l.ended) })
	l.sub = sub
	// Reports that wait are small, and a lost one is repeated by its sender.
	if err := sub.SetPendingLimits(4096, 16<<20); err != nil {
		return nil, err
	}
	return l, nc.Flush()
}

// Close ends the listening and waits for the report that is being taken. It may be
// called more than once.
func (l *Listener) Close() {
	l.closed.Do(func() {
		if l.sub.Unsubscribe() != nil {
			return // the connection is closed, and the subscription with it
		}
		select {
		case <-l.ended:
		case <-time.After(writeTimeout):
			l.log.Warn().Msg("a report of a consumer was still being taken at the end")
		}
	})
}

func (l *Listener) take(m *nats.Msg) {
	err := l.report(m.Data)
	if err != nil {
		l.log.Debug().Err(err).Msg("a report of a consumer is refused")
	}
	if m.Reply == "" {
		return
	}
	answer := map[string]string{"status": "ok"}
	if err != nil {
		answer = map[string]string{"status": "refused", "why": err.Error()}
	}
	data, err := json.Marshal(answer)
	if err == nil {
		err = m.Respond(data)
	}
	if err != nil {
		l.log.Debug().Err(err).Msg("the answer to a report of a consumer was lost")
	}
}

func (l *Listener) report(data []byte) error {
	if err := strictjson.Check(data, strictjson.Limits{MaxBytes: maxReport}); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	var r Report
	decoder := json.NewDecoder(bytes.NewReader(data))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&r); err != nil {
		return fmt.Errorf("%w: %w", ErrInvalid, err)
	}
	if len(r.Seen) > maxSeen {
		return fmt.Errorf("%w: it names %d versions, and may name %d", ErrInvalid, len(r.Seen), maxSeen)
	}
	// What is right of a report is taken: a version may be gone, or not be here yet.
	var problems []error
	for _, seen := range r.Seen {
		if !l.known(seen.Subject, seen.Version) {
			problems = append(problems, fmt.Errorf("%w: the registry does not know version %d of subject %q", ErrInvalid, seen.Version, seen.Subject))
			continue
		}
		if err := l.book.Report(Who{Subject: seen.Subject, Version: seen.Version, Name: r.Name, Role: r.Role}); err != nil {
			problems = append(problems, err)
		}
	}
	return errors.Join(problems...)
}
