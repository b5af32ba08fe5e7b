package mesh

import (
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// Event is an event as a subscriber receives it: its data as a T, and what is
// known about it.
type Event[T any] struct {
	Metadata
	Data T
}

// Metadata is what is known about a received event beside its data. Origin and
// Sequence together identify an event of a domain in every environment.
type Metadata struct {
	Type    string   // "orders.order.created"
	Subject string   // the type with its key tokens; in another environment those are masked
	Keys    []string // the key tokens

	Origin   string // the environment in which the event was published
	Sequence uint64 // its sequence in its origin's stream
	Stream   string // the stream it was read from, here
	Position uint64 // its sequence in that stream

	ID     string // the CloudEvents id, or else the message id; empty if the publisher gave neither
	Source string // the CloudEvents source; may be empty
	// Time is the CloudEvents time: when what the event tells of happened. Of an
	// event without one it is when the origin's stream stored it.
	Time          time.Time
	SchemaSubject string // the registry subject whose schema admitted the event
	SchemaVersion int    // and its version; 0 if the event was not governed

	// Headers are all headers of the message. Neither they nor Raw may be changed.
	Headers nats.Header
	Raw     []byte // the data as it was stored
	// Delivered says for which time the event is handled, from 1. Above 1 its
	// effects may be there already, in part or in whole.
	Delivered int
}

// metadata reads what msg tells of its event. The error names what is malformed.
func metadata(msg jetstream.Msg, m *jetstream.MsgMetadata) (Metadata, error) {
	h := msg.Headers()
	md := Metadata{
		Stream: m.Stream, Position: m.Sequence.Stream, Sequence: m.Sequence.Stream,
		Source: percentDecode(h.Get(wire.HeaderCESource)), ID: percentDecode(h.Get(wire.HeaderCEID)), Time: m.Timestamp,
		Headers: h, Raw: msg.Data(),
	}
	md.SchemaSubject, _, _ = wire.ParseDataSchema(h.Get(wire.HeaderCEDataSchema))
	if md.ID == "" {
		md.ID = h.Get(wire.HeaderMsgID)
	}
	origin, published, ok := wire.ParseStored(msg.Subject())
	if !ok {
		return md, fmt.Errorf("subject %q is not evt.<origin>.<event subject>", msg.Subject())
	}
	subject, err := wire.ParseSubject(published)
	if err != nil {
		return md, err
	}
	md.Origin, md.Subject, md.Type, md.Keys = origin, published, subject.Type(), subject.Keys

	if v := h.Get(wire.HeaderOriginSequence); v != "" {
		if md.Sequence, err = strconv.ParseUint(v, 10, 64); err != nil {
			return md, fmt.Errorf("header %s: %w", wire.HeaderOriginSequence, err)
		}
	}
	if v := h.Get(wire.HeaderSchemaVersion); v != "" {
		if md.SchemaVersion, err = strconv.Atoi(v); err != nil {
			return md, fmt.Errorf("header %s: %w", wire.HeaderSchemaVersion, err)
		}
	}
	// Other publishers write what they like into ce-time: only a readable one counts.
	for _, name := range []string{wire.HeaderStoredAt, wire.HeaderCETime} {
		if t, err := time.Parse(time.RFC3339Nano, h.Get(name)); err == nil {
			md.Time = t
		}
	}
	return md, nil
}
