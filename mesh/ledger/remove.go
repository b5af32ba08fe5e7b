package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// headerRemoved is where stream REMOVED keeps what it takes to put a message back.
// Its data is the message's.
const headerRemoved = "Lockstep-Removed"

// removal is a message that was taken out of a domain's stream.
type removal struct {
	Repair  uint64      `json:"repair"` // id of the repair, or of what was undone
	Stream  string      `json:"stream"` // name and identity, as in wire.HeaderOriginStream
	At      uint64      `json:"at"`     // its sequence there
	Subject string      `json:"subject"`
	Header  nats.Header `json:"header,omitempty"`
	Time    time.Time   `json:"time"` // at which it was stored there
}

// removable refuses to begin what could not be finished.
func (s *domain) removable(ctx context.Context, remove []uint64) error {
	stream, err := s.stream(ctx, wire.DomainStream(s.Domain))
	if err != nil {
		return err
	}
	if len(remove) == 0 || !stream.CachedInfo().Config.DenyDelete {
		return nil
	}
	return &Error{
		Code: CodeAppendOnly, Op: "take messages out of stream " + wire.DomainStream(s.Domain), Cause: errors.New("it was made with deny_delete, which JetStream does not take back"),
		Cure: "remove the stream and restart the environment: it is made again, and all its events come again",
	}
}

// streams are what messages are moved between, found once for all that a repair or
// an undo moves.
type streams struct {
	*domain
	events  jetstream.Stream // the domain's
	removed jetstream.Stream // REMOVED
}

func (s *domain) open(ctx context.Context) (*streams, error) {
	events, err := s.stream(ctx, wire.DomainStream(s.Domain))
	if err != nil {
		return nil, err
	}
	removed, err := s.stream(ctx, wire.RemovedStream)
	if err != nil {
		return nil, err
	}
	return &streams{s, events, removed}, nil
}

// remove takes a message out of the domain's stream and keeps it in stream REMOVED.
// What is gone already is not taken out again.
func (s *streams) remove(ctx context.Context, at, repair uint64) error {
	name := wire.DomainStream(s.Domain)
	s.step(stepRemove)
	m, err := s.events.GetMsg(ctx, at)
	if errors.Is(err, jetstream.ErrMsgNotFound) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read message %d of stream %s: %w", at, name, err)
	}
	if err := s.save(ctx, removal{
		Repair: repair, Stream: wire.StreamIdentity(name, s.events.CachedInfo().Created), At: at, Subject: m.Subject, Header: m.Header, Time: m.Time,
	}, m.Data); err != nil {
		return err
	}
	s.step(stepSaved)
	if err := s.events.DeleteMsg(ctx, at); err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
		return fmt.Errorf("take message %d out of stream %s: %w", at, name, err)
	}
	return nil
}

// save keeps a message, unless it is kept already.
func (s *streams) save(ctx context.Context, r removal, data []byte) error {
	kept, _, err := s.saved(ctx, r.At)
	if err == nil && kept.Stream == r.Stream && kept.Repair == r.Repair {
		return nil
	}
	if err != nil && !errors.Is(err, jetstream.ErrMsgNotFound) {
		return err
	}
	head, err := json.Marshal(r)
	if err != nil {
		return fmt.Errorf("write down message %d: %w", r.At, err)
	}
	m := &nats.Msg{Subject: wire.RemovedSubject(s.Origin, s.Domain, r.At), Header: nats.Header{headerRemoved: {string(head)}}, Data: data}
	if _, err := s.js.PublishMsg(ctx, m); err != nil {
		return fmt.Errorf("keep message %d in stream %s: %w", r.At, wire.RemovedStream, err)
	}
	return nil
}

// saved is what stream REMOVED keeps of a message, latest.
func (s *streams) saved(ctx context.Context, at uint64) (removal, []byte, error) {
	var r removal
	m, err := s.removed.GetLastMsgForSubject(ctx, wire.RemovedSubject(s.Origin, s.Domain, at))
	if err != nil {
		return r, nil, fmt.Errorf("read what stream %s keeps of message %d: %w", wire.RemovedStream, at, err)
	}
	if err := json.Unmarshal([]byte(m.Header.Get(headerRemoved)), &r); err != nil {
		return r, nil, fmt.Errorf("message %d of stream %s: %w", m.Sequence, wire.RemovedStream, err)
	}
	return r, m.Data, nil
}

// restore puts a message back into the domain's stream. It stands at the end then.
func (s *domain) restore(ctx context.Context, r removal, data []byte, mark string) error {
	m := &nats.Msg{Subject: wire.RestoreSubject(r.Subject), Header: nats.Header{}, Data: data}
	for name, values := range r.Header {
		if !strings.HasPrefix(name, "Nats-") { // they are the server's
			m.Header[name] = values
		}
	}
	m.Header.Set(wire.HeaderRestored, mark)
	s.step(stepRestore)
	if _, err := s.js.PublishMsg(ctx, m); err != nil {
		return fmt.Errorf("put message %d back into stream %s: %w", r.At, wire.DomainStream(s.Domain), err)
	}
	return nil
}
