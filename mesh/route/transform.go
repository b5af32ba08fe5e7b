package route

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/mesh/link"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
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

// writeHeaders bounds what writing adds to a message's headers, in bytes.
const writeHeaders = 320

// event is an origin event as the route reads it, or reads it again.
type event struct {
	stream   string // the origin stream's name and identity
	sequence uint64
	at       time.Time // when the origin stored it
	subject  string
	fields   fields              // headers as the reader has them
	header   map[string][]string // or as they were read again; the other is nil
	data     []byte              // of the reader's batch
}

func (e *event) get(name string) string {
	if e.header == nil {
		return e.fields.get(name)
	}
	if v := e.header[name]; len(v) > 0 {
		return v[0]
	}
	return ""
}

// eventOf reads what the origin's consumer delivered. Its headers are put into
// room.
func (r *Route) eventOf(m *link.Message, stream string, room fields) (event, error) {
	p, err := placeOf(m.Reply)
	if err != nil {
		return event{}, fmt.Errorf("read stream %s: %w", r.origin, err)
	}
	_, block, _ := strings.Cut(string(m.Header), "\r\n")
	return event{
		stream: stream, sequence: p.sequence, at: p.at, subject: string(m.Subject),
		fields: parseHeader(room, block), data: m.Data,
	}, nil
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
	out.reset()
	body, err := ledger.Encode(ledger.Withheld{OriginSequence: e.sequence, Code: why.Code})
	if err != nil { // a number and a string always encode
		body = nil
	}
	r.provenance(out, e, m)
	out.set(wire.HeaderReason, why.Code)
	out.sequence, out.reason = e.sequence, why
	out.message.Subject, out.stored = r.names.withheld, r.names.withheld[len(r.names.egress):]
	out.message.Data = body
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
	published, ok := strings.CutPrefix(e.subject, r.names.stored)
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
	data, stats, err := c.Mask(out.buffer[:0], e.data, m.masker)
	if err != nil {
		why = k.reason(CodeContract, err.Error(), "")
		if withheld := (*contract.Withheld)(nil); errors.As(err, &withheld) {
			why.Code, why.Pointer, why.Class, why.Why, why.Cure = withheld.Code, withheld.Pointer, withheld.Class, withheld.Why, withheld.Cure
		}
		return why
	}
	out.buffer, out.message.Data = data, data
	subject := k.egress
	if k.freeAction != "" {
		// The schema of the whole entity admits any action, so the token is the
		// publisher's own word and not a name that a schema gave.
		subject = k.egress + m.masker.Token(classKey, k.freeAction)
	}
	ceType := subject[len(r.names.egress)+len(r.names.stored):]
	if keys != "" {
		tokens, err := maskKeys(c, keys, data, m.masker)
		if err != nil {
			return k.reason(CodeKeys, err.Error(), "publish without key tokens, or declare them in the schema (x-lockstep-key)")
		}
		subject += "." + strings.Join(tokens, ".")
	}
	r.provenance(out, e, m)
	if problem := r.envelope(out, e, k, ceType, m.masker); problem != "" {
		return k.reason(CodeEnvelope, problem, "it was not stored by a gate")
	}
	out.masked = uint64(stats.Changed())
	out.set(wire.HeaderMasked, strconv.FormatUint(out.masked, 10))
	out.sequence, out.message.Subject, out.stored = e.sequence, subject, subject[len(r.names.egress):]
	if size, limit := out.message.Size()+writeHeaders, r.config.Conn.MaxPayload(); int64(size) > limit {
		return k.reason(CodeTooLarge, fmt.Sprintf("masked, the event has %d bytes, and a message may have %d", size, limit), "give large fields a technique that shortens them")
	}
	return nil
}

// maskKeys are the key tokens under which the masked event is stored: the
// masked values they stand for, or opaque tokens where the contract does not
// say.
func maskKeys(c *contract.Contract, keys string, data []byte, m *mask.Masker) ([]string, error) {
	raw := strings.Split(keys, ".")
	if len(c.Key()) > 0 {
		tokens, err := c.KeyTokens(data)
		if err != nil {
			return nil, err
		}
		if len(tokens) != len(raw) {
			return nil, fmt.Errorf("the subject has %d key tokens, the contract %d", len(raw), len(tokens))
		}
		return tokens, nil
	}
	for i, k := range raw {
		raw[i] = m.Token(classKey, k)
	}
	return raw, nil
}

// provenance says where an event comes from and what was done to it.
func (r *Route) provenance(out *outcome, e *event, m *masking) {
	out.share(wire.HeaderOrigin, r.fixed.origin)
	out.set(wire.HeaderOriginStream, e.stream)
	out.set(wire.HeaderOriginSequence, strconv.FormatUint(e.sequence, 10))
	out.share(wire.HeaderPolicy, m.policyHeader)
	out.share(wire.HeaderKeyID, m.keyHeader)
	out.share(wire.HeaderHop, r.fixed.hop)
	out.set(wire.HeaderStoredAt, stamp(e.at))
}

// envelope copies the headers that may cross, by name, masked where they hold
// a publisher's own words. All others stay behind.
func (r *Route) envelope(out *outcome, e *event, k *kind, ceType string, m *mask.Masker) (problem string) {
	at, err := time.Parse(time.RFC3339Nano, e.get(wire.HeaderCETime))
	if err != nil {
		return "header " + wire.HeaderCETime + " is no RFC 3339 time"
	}
	id := e.get(wire.HeaderSchemaID)
	if n, err := strconv.Atoi(id); err != nil || strconv.Itoa(n) != id {
		return "header " + wire.HeaderSchemaID + " is no number"
	}
	out.share(wire.HeaderSchemaSubject, k.subjectHeader)
	out.share(wire.HeaderSchemaVersion, k.versionHeader)
	out.set(wire.HeaderSchemaID, id)
	out.share(wire.HeaderCESpecVersion, r.fixed.specVersion)
	out.set(wire.HeaderCEType, ceType)
	out.share(wire.HeaderCESource, r.fixed.source)
	out.set(wire.HeaderCETime, stamp(at))
	out.share(wire.HeaderCEDataSchema, k.dataSchemaHeader)
	out.set(wire.HeaderCEID, m.MessageID(e.get(wire.HeaderCEID)))
	out.share(wire.HeaderContentType, r.fixed.contentType)
	if parent := e.get(wire.HeaderTraceparent); parent != "" {
		if masked, ok := m.TraceParent(parent); ok {
			out.set(wire.HeaderTraceparent, masked)
		}
	}
	return ""
}

// stamp is a time as headers have it.
func stamp(t time.Time) string {
	var b [40]byte
	return string(t.UTC().AppendFormat(b[:0], time.RFC3339Nano))
}
