package route

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"time"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// Codes for which a route withholds, beside those of mesh/contract.
const (
	CodeContract = "contract"  // the event's contract cannot be applied
	CodeEnvelope = "envelope"  // the event does not carry what the gate gives every event
	CodeKeys     = "keys"      // the subject's key tokens cannot be masked
	CodeTooLarge = "too_large" // the masked event is larger than a message may be; of an Error, what was asked for
)

// classKey is the class of key tokens whose contract does not say which fields
// they stand for.
const classKey = "key"

// firstHop is the count of hops of an event that comes from its origin.
const firstHop = "1"

// writeHeaders bounds what is added to the headers of a masked event before it is
// stored, in bytes: by a release (94), by a repair (49), and by writing.
const writeHeaders = 320

// event is an origin event as the route reads it, or reads it again.
type event struct {
	stream     string // the origin stream's name and identity
	generation uint64 // in which it is masked
	sequence   uint64
	at         time.Time // when the origin stored it
	subject    []byte
	fields     *wire.Fields
	data       []byte
}

// transform masks one event, or makes the marker that stands for it. Whatever
// is wrong with the event, its contract or the policy withholds it; then the
// outcome has the reason, which must be recorded before the marker is written.
func (r *Route) transform(e *event) *outcome {
	out := outcomes.Get().(*outcome) //nolint:forcetypeassert // the pool holds nothing else
	m := r.masking.Load()
	why := r.mask(out, e, m)
	if why == nil {
		return out
	}
	why.OriginSequence, why.To, why.Domain, why.Policy = e.sequence, r.config.To, r.config.Domain, m.policy
	why.At = time.Now().UTC()
	why.Generation = shown(e.generation)
	out.reset()
	body, err := ledger.Encode(ledger.Withheld{OriginSequence: e.sequence, Code: why.Code})
	if err != nil { // a number and a string always encode
		body = nil
	}
	out.begin(r.marker)
	r.provenance(out, e, m)
	out.setText(wire.HeaderReason, why.Code)
	out.reason = why
	out.subject, out.data = append(out.subject, r.names.withheld...), append(out.data, body...)
	out.stored = append(out.stored, r.names.marker...)
	out.end(e.sequence)
	return out
}

// mask fills out with the event as it crosses, or gives the reason why it does
// not.
func (r *Route) mask(out *outcome, e *event, m *masking) (why *Record) {
	k := &kind{} // until it is known
	defer func() {
		if p := recover(); p != nil {
			// What was panicked with may hold a value, so it is not shown.
			why = k.reason(contract.CodeFault, fmt.Sprintf("masking broke down (%T)", p),
				"report this as a defect, with the schema and the policy; release the event once it is mended")
		}
	}()
	published, ok := bytes.CutPrefix(e.subject, r.stored)
	if !ok {
		return &Record{Code: CodeEnvelope, Why: "the subject is no event's", Cure: "it was not stored by a gate"}
	}
	eventType, keys := cutKeys(published)
	if k, why = r.kind(eventType, e); why != nil {
		return why
	}
	if m.masker == nil {
		code, reason := m.broken()
		return k.reason(code, reason, "mend the policy or the key, then release the event")
	}
	// The catalog may have dropped what is seldom used, so it is asked each time.
	c, err := r.config.Catalog.Version(k.schema, k.version)
	if err != nil {
		return k.reason(CodeContract, err.Error(), "register or correct the schema")
	}
	data, stats, err := c.Mask(out.data[:0], e.data, m.masker)
	if err != nil {
		why = k.reason(CodeContract, err.Error(), "")
		if withheld := (*contract.Withheld)(nil); errors.As(err, &withheld) {
			why.Code, why.Pointer, why.Class, why.Why, why.Cure = withheld.Code, withheld.Pointer, withheld.Class, withheld.Why, withheld.Cure
		}
		return why
	}
	out.data, out.masked = data, uint64(stats.Changed())
	out.subject = append(out.subject[:0], k.egress...)
	if k.freeAction != "" {
		// The schema of the whole entity admits any action, so the token is the
		// publisher's own word and not a name that a schema gave.
		out.subject = append(out.subject, m.masker.Token(classKey, k.freeAction)...)
	}
	typed := len(out.subject)
	if len(keys) > 0 {
		if out.subject, err = appendMaskedKeys(out.subject, c, keys, data, m.masker); err != nil {
			return k.reason(CodeKeys, err.Error(), "publish without key tokens, or declare them in the schema (x-lockstep-key)")
		}
	}
	out.begin(k.header)
	r.provenance(out, e, m)
	if problem := r.envelope(out, e, out.subject[len(r.names.egress)+len(r.names.stored):typed], m.masker); problem != "" {
		return k.reason(CodeEnvelope, problem, "it was not stored by a gate")
	}
	out.setNumber(wire.HeaderMasked, out.masked)
	out.stored = append(out.stored[:0], out.subject[len(r.names.egress):]...)
	out.end(e.sequence)
	if size, limit := out.message.size()+writeHeaders, r.config.Conn.MaxPayload(); int64(size) > limit {
		return k.reason(CodeTooLarge, fmt.Sprintf("masked, the event has %d bytes, and a message may have %d", size, limit), "give large fields a technique that shortens them")
	}
	return nil
}

// appendMaskedKeys appends the key tokens under which the masked event is stored,
// each after a dot: the masked values they stand for, or opaque tokens where the
// contract does not say.
func appendMaskedKeys(dst []byte, c *contract.Contract, keys, masked []byte, m *mask.Masker) ([]byte, error) {
	if parts := c.KeyParts(); parts > 0 {
		if n := bytes.Count(keys, []byte{'.'}) + 1; n != parts {
			return dst, fmt.Errorf("the subject has %d key tokens, the contract %d", n, parts)
		}
		return c.AppendKey(dst, masked)
	}
	for token := range bytes.SplitSeq(keys, []byte{'.'}) {
		dst = append(append(dst, '.'), m.Token(classKey, string(token))...)
	}
	return dst, nil
}

// provenance says where an event comes from and what was done to it, beside what
// the template has.
func (r *Route) provenance(out *outcome, e *event, m *masking) {
	out.setText(wire.HeaderOriginStream, e.stream)
	out.setNumber(wire.HeaderOriginSequence, e.sequence)
	out.setText(wire.HeaderPolicy, m.policy)
	out.setText(wire.HeaderKeyID, m.key)
	out.setTime(wire.HeaderStoredAt, e.at)
	if n := shown(e.generation); n > 0 {
		out.setNumber(wire.HeaderGeneration, n)
	}
}

// envelope copies the headers that may cross, by name, masked where they hold
// a publisher's own words. All others stay behind.
func (r *Route) envelope(out *outcome, e *event, ceType []byte, m *mask.Masker) (problem string) {
	at, err := time.Parse(time.RFC3339Nano, string(e.fields.Get(wire.HeaderCETime)))
	if err != nil {
		return "header " + wire.HeaderCETime + " is no RFC 3339 time"
	}
	id := e.fields.Get(wire.HeaderSchemaID)
	if n, err := strconv.Atoi(string(id)); err != nil || strconv.Itoa(n) != string(id) {
		return "header " + wire.HeaderSchemaID + " is no number"
	}
	out.set(wire.HeaderSchemaID, id)
	out.set(wire.HeaderCEType, ceType)
	out.setTime(wire.HeaderCETime, at)
	out.setText(wire.HeaderCEID, m.MessageID(string(e.fields.Get(wire.HeaderCEID))))
	if parent := e.fields.Get(wire.HeaderTraceparent); len(parent) > 0 {
		if masked, ok := m.TraceParent(string(parent)); ok {
			out.setText(wire.HeaderTraceparent, masked)
		}
	}
	return ""
}

// stamp is a time as headers have it.
func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }
