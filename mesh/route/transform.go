package route

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/nats-io/nats.go"
	"github.com/nats-io/nats.go/jetstream"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// Codes for which a route withholds, beside those of mesh/contract.
const (
	CodeContract = "contract"  // the event's contract cannot be applied
	CodeEnvelope = "envelope"  // the event does not carry what the gate gives every event
	CodeKeys     = "keys"      // the subject's key tokens cannot be masked
	CodeTooLarge = "too_large" // the masked event is larger than a message may be
)

// classKey is the class of key tokens whose contract does not say which fields
// they stand for.
const classKey = "key"

// batchHeaders bounds what a batch adds to a message's headers, in bytes.
const batchHeaders = 256

// outcome is what becomes of one event: itself masked, or a marker.
type outcome struct {
	sequence uint64
	stored   string // subject under which the egress stream stores the message
	message  *nats.Msg
	masked   uint64
	withheld bool
}

// reason is why an event is withheld. It is kept at the origin, and may name
// fields; of it only the code crosses.
type reason struct {
	OriginSequence uint64 `json:"origin_sequence"`
	To             string `json:"to"`
	Domain         string `json:"domain"`
	Type           string `json:"type"`
	Subject        string `json:"schema_subject,omitempty"`
	Version        int    `json:"schema_version,omitempty"`
	Policy         string `json:"policy"`
	Code           string `json:"code"`
	Pointer        string `json:"pointer,omitempty"`
	Class          string `json:"class,omitempty"`
	Why            string `json:"why"`
	Cure           string `json:"cure,omitempty"`
	At             string `json:"at"`
}

// transform masks one event. It fails only when the reason for withholding an
// event cannot be recorded, or the contract is not known yet; whatever is
// wrong with the event itself withholds it.
func (r *Route) transform(m jetstream.Msg) (*outcome, error) {
	meta, err := m.Metadata()
	if err != nil {
		return nil, fmt.Errorf("a message of stream %s has no metadata: %w", r.origin, err)
	}
	sequence := meta.Sequence.Stream
	out, why := r.masked(m, meta)
	if why == nil {
		return out, nil
	}
	why.OriginSequence, why.To, why.Domain, why.Policy = sequence, r.config.To, r.config.Domain, r.config.Policy
	why.At = time.Now().UTC().Format(time.RFC3339Nano)
	if err := r.record(why); err != nil {
		return nil, err
	}
	r.withheld.Warn().Uint64("origin_sequence", sequence).Str("code", why.Code).Str("type", why.Type).Msg("an event is withheld")
	body, err := ledger.Encode(ledger.Withheld{OriginSequence: sequence, Code: why.Code})
	if err != nil {
		return nil, err
	}
	stored := wire.LedgerSubject(r.config.From, r.config.Domain, wire.KindWithheld)
	h := r.provenance(meta)
	h.Set(wire.HeaderReason, why.Code)
	return &outcome{
		sequence: sequence, stored: stored, withheld: true,
		message: &nats.Msg{Subject: wire.EgressSubject(r.config.To, stored), Header: h, Data: body},
	}, nil
}

// masked is the event as it crosses, or the reason why it does not.
func (r *Route) masked(m jetstream.Msg, meta *jetstream.MsgMetadata) (*outcome, *reason) {
	from := m.Headers()
	_, published, ok := wire.ParseStored(m.Subject())
	subject, err := wire.ParseSubject(published)
	if !ok || err != nil {
		return nil, &reason{Code: CodeEnvelope, Why: "the subject is no event's", Cure: "it was not stored by a gate"}
	}
	why := &reason{Type: subject.Type(), Subject: from.Get(wire.HeaderSchemaSubject)}
	version, err := strconv.Atoi(from.Get(wire.HeaderSchemaVersion))
	if err != nil || (why.Subject != subject.Type() && why.Subject != subject.EntityType()) {
		why.Code, why.Why, why.Cure = CodeEnvelope, "the headers name no schema of the event's type", "it was not stored by a gate"
		return nil, why
	}
	why.Version = version
	c, err := r.config.Catalog.Version(why.Subject, version)
	if err != nil {
		why.Code, why.Why, why.Cure = CodeContract, err.Error(), "register or correct the schema"
		return nil, why
	}
	data, stats, err := c.Mask(nil, m.Data(), r.config.Masker)
	if err != nil {
		why.Code, why.Why = CodeContract, err.Error()
		var withheld *contract.Withheld
		if errors.As(err, &withheld) {
			why.Code, why.Pointer, why.Class, why.Why, why.Cure = withheld.Code, withheld.Pointer, withheld.Class, withheld.Why, withheld.Cure
		}
		return nil, why
	}
	if subject.Keys, err = r.keys(c, subject, data); err != nil {
		why.Code, why.Why, why.Cure = CodeKeys, err.Error(), "publish without key tokens, or declare them in the schema (x-lockstep-key)"
		return nil, why
	}
	if why.Subject != subject.Type() && subject.Action != "" {
		// The schema of the whole entity admits any action, so the token is the
		// publisher's own word and not a name that a schema gave.
		subject.Action = r.config.Masker.Token(classKey, subject.Action)
	}
	h := r.provenance(meta)
	if problem := r.envelope(h, from, subject, version); problem != "" {
		why.Code, why.Why = CodeEnvelope, problem
		return nil, why
	}
	masked := uint64(stats.Changed())
	h.Set(wire.HeaderMasked, strconv.FormatUint(masked, 10))
	stored := wire.StoredSubject(r.config.From, subject.String())
	message := &nats.Msg{Subject: wire.EgressSubject(r.config.To, stored), Header: h, Data: data}
	if size, limit := message.Size()+batchHeaders, r.config.Conn.MaxPayload(); int64(size) > limit {
		why.Code, why.Why, why.Cure = CodeTooLarge, fmt.Sprintf("masked, the event has %d bytes, and a message may have %d", size, limit), "give large fields a technique that shortens them"
		return nil, why
	}
	return &outcome{sequence: meta.Sequence.Stream, stored: stored, masked: masked, message: message}, nil
}

// keys are the key tokens under which the masked event is stored: the masked
// values they stand for, or opaque tokens where the contract does not say.
func (r *Route) keys(c *contract.Contract, subject wire.Subject, data []byte) ([]string, error) {
	if len(subject.Keys) == 0 {
		return nil, nil
	}
	if len(c.Key()) > 0 {
		keys, err := c.KeyTokens(data)
		if err != nil {
			return nil, err
		}
		if len(keys) != len(subject.Keys) {
			return nil, fmt.Errorf("the subject has %d key tokens, the contract %d", len(subject.Keys), len(keys))
		}
		return keys, nil
	}
	keys := make([]string, len(subject.Keys))
	for i, k := range subject.Keys {
		keys[i] = r.config.Masker.Token(classKey, k)
	}
	return keys, nil
}

// provenance is where an event comes from and what was done to it.
func (r *Route) provenance(meta *jetstream.MsgMetadata) nats.Header {
	h := make(nats.Header, 20)
	h.Set(wire.HeaderOrigin, r.config.From)
	h.Set(wire.HeaderOriginStream, r.stream)
	h.Set(wire.HeaderOriginSequence, strconv.FormatUint(meta.Sequence.Stream, 10))
	h.Set(wire.HeaderPolicy, r.config.Policy)
	h.Set(wire.HeaderKeyID, r.config.Masker.KeyID())
	h.Set(wire.HeaderHop, "1")
	h.Set(wire.HeaderStoredAt, meta.Timestamp.UTC().Format(time.RFC3339Nano))
	return h
}

// envelope copies the headers that may cross, by name, masked where they hold
// a publisher's own words. All others stay behind.
func (r *Route) envelope(h, from nats.Header, subject wire.Subject, version int) (problem string) {
	at, err := time.Parse(time.RFC3339Nano, from.Get(wire.HeaderCETime))
	if err != nil {
		return "header " + wire.HeaderCETime + " is no RFC 3339 time"
	}
	id, err := strconv.Atoi(from.Get(wire.HeaderSchemaID))
	if err != nil {
		return "header " + wire.HeaderSchemaID + " is no number"
	}
	schema := from.Get(wire.HeaderSchemaSubject)
	h.Set(wire.HeaderSchemaSubject, schema)
	h.Set(wire.HeaderSchemaVersion, strconv.Itoa(version))
	h.Set(wire.HeaderSchemaID, strconv.Itoa(id))
	h.Set(wire.HeaderCESpecVersion, "1.0")
	h.Set(wire.HeaderCEType, subject.Type())
	h.Set(wire.HeaderCESource, "/"+r.config.From+"/"+subject.Domain)
	h.Set(wire.HeaderCETime, at.UTC().Format(time.RFC3339Nano))
	h.Set(wire.HeaderCEDataSchema, "/subjects/"+schema+"/versions/"+strconv.Itoa(version))
	h.Set(wire.HeaderCEID, r.config.Masker.MessageID(from.Get(wire.HeaderCEID)))
	h.Set(wire.HeaderContentType, "application/json")
	if parent := from.Get(wire.HeaderTraceparent); parent != "" {
		if masked, ok := r.config.Masker.TraceParent(parent); ok {
			h.Set(wire.HeaderTraceparent, masked)
		}
	}
	return ""
}

// record keeps the reason at the origin, one for each event and destination.
func (r *Route) record(why *reason) error {
	body, err := json.Marshal(why)
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), writeTimeout)
	defer cancel()
	subject := fmt.Sprintf("%s.%s.%s.%d", wire.WithheldRoot, r.config.To, r.config.Domain, why.OriginSequence)
	if _, err := r.js.Publish(ctx, subject, body); err != nil {
		return fmt.Errorf("record why event %d is withheld: %w", why.OriginSequence, err)
	}
	return nil
}
