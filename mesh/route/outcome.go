package route

import (
	"bytes"
	"errors"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/lockstep-mesh/lockstep/mesh/ledger"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

const (
	keepBuffer = 64 << 10 // larger buffers are not kept for the next event
	maxKinds   = 1 << 14  // that are remembered
	typeTokens = 3        // tokens of an event's type; what follows are keys
)

// outcome is what becomes of one event: itself masked, or a marker. Outcomes
// are lent out by a pool and given back once they are written, because making
// them for every event costs more than masking it.
type outcome struct {
	sequence uint64
	message  message // in the outcome's own room
	stored   []byte  // subject under which the destination stores it; own room, too
	digest   ledger.Digest
	masked   uint64
	reason   *Record // why it is withheld; nil if it crosses

	fields                wire.Fields // of the message's header
	subject, header, data []byte      // room
	hasher                ledger.Hasher
}

var outcomes = sync.Pool{New: func() any { return new(outcome) }}

// begin begins the header with what many messages have in common.
func (o *outcome) begin(t *template) {
	o.header = append(o.header[:0], t.block...)
	o.fields = t.fields
}

// set adds a header.
func (o *outcome) set(name string, value []byte) { appendField(&o.header, &o.fields, name, value) }

func (o *outcome) setText(name, value string) {
	var room [128]byte
	o.set(name, append(room[:0], value...))
}

func (o *outcome) setNumber(name string, value uint64) {
	var room [20]byte
	o.set(name, strconv.AppendUint(room[:0], value, 10))
}

func (o *outcome) setTime(name string, value time.Time) {
	var room [40]byte
	o.set(name, value.UTC().AppendFormat(room[:0], time.RFC3339Nano))
}

// end makes the message of what was put into the outcome's room.
func (o *outcome) end(sequence uint64) {
	o.header = append(o.header, "\r\n"...)
	o.sequence = sequence
	o.message = message{o.subject, o.header, o.data}
	o.digest = o.hasher.Digest(sequence, o.stored, &o.fields, o.data)
}

// reset makes the outcome empty, and keeps its room.
func (o *outcome) reset() {
	subject, stored, header, data, hasher := o.subject[:0], o.stored[:0], o.header[:0], o.data[:0], o.hasher
	if cap(data) > keepBuffer {
		data = nil
	}
	*o = outcome{subject: subject, stored: stored, header: header, data: data, hasher: hasher}
}

// release gives the outcome back. Nobody may hold on to anything of it.
func (o *outcome) release() {
	o.reset()
	outcomes.Put(o)
}

// template is the beginning of a header that many messages have in common.
type template struct {
	block  []byte
	fields wire.Fields
}

func newTemplate(pairs ...string) *template {
	t := &template{block: []byte(wire.BlockPrefix)}
	for i := 0; i < len(pairs); i += 2 {
		appendField(&t.block, &t.fields, pairs[i], []byte(pairs[i+1]))
	}
	return t
}

// appendField appends a header to a block. No line may end within a value.
func appendField(block *[]byte, f *wire.Fields, name string, value []byte) {
	b := append(append(*block, name...), ": "...)
	start := len(b)
	b = append(b, value...)
	for i := start; i < len(b); i++ {
		if b[i] == '\r' || b[i] == '\n' {
			b[i] = ' '
		}
	}
	f.Set(name, b[start:len(b):len(b)])
	b = append(b, "\r\n"...)
	*block = b
}

// masking is a policy as a route applies it. It may be replaced while events
// flow.
type masking struct {
	policy string
	masker *mask.Masker // nil: every event is withheld
	fault  error        // why there is no masker
	key    string       // the root key's id
}

func newMasking(policy string, m *mask.Masker, fault error) *masking {
	k := &masking{policy: policy, masker: m, fault: fault}
	if m != nil {
		k.key = m.KeyID()
	}
	return k
}

// broken says why there is no masker.
func (m *masking) broken() (code, why string) {
	if refusal := (*mask.Refusal)(nil); errors.As(m.fault, &refusal) {
		return refusal.Code, refusal.Why
	}
	if m.fault != nil {
		return mask.CodeNoPolicy, "the policy or its key cannot be used: " + m.fault.Error()
	}
	return mask.CodeNoPolicy, "the route has no masking policy"
}

// kind is what all events of one type under one schema version have in common.
// It is made once.
type kind struct {
	schema     string
	version    int
	eventType  string
	egress     string // subject, up to the key tokens, or up to the action if that is free
	freeAction string // the action, where the schema is that of the whole entity
	header     *template
}

func (k *kind) reason(code, why, cure string) *Record {
	return &Record{Type: k.eventType, SchemaSubject: k.schema, SchemaVersion: k.version, Code: code, Why: why, Cure: cure}
}

type kindKey struct{ eventType, dataSchema, version string }

// kinds remembers, and forgets all when there are too many: publishers choose
// the actions of an entity whose schema admits any.
type kinds struct {
	mu    sync.RWMutex
	known map[kindKey]*kind
}

func (k *kinds) get(eventType, dataSchema, version []byte) *kind {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.known[kindKey{string(eventType), string(dataSchema), string(version)}]
}

func (k *kinds) put(key kindKey, made *kind) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.known == nil || len(k.known) >= maxKinds {
		k.known = map[kindKey]*kind{}
	}
	k.known[key] = made
}

// kind is what is known of events of a type under the schema that the event
// names, or why the event cannot cross.
func (r *Route) kind(eventType []byte, e *event) (*kind, *Record) {
	dataSchema, number := e.fields.Get(wire.HeaderCEDataSchema), e.fields.Get(wire.HeaderSchemaVersion)
	if k := r.kinds.get(eventType, dataSchema, number); k != nil {
		return k, nil
	}
	subject, err := wire.ParseSubject(string(eventType))
	if err != nil {
		return nil, &Record{Code: CodeEnvelope, Why: "the subject is no event's", Cure: "it was not stored by a gate"}
	}
	schema, version, ok := wire.ParseDataSchema(string(dataSchema))
	k := &kind{schema: schema, version: version, eventType: subject.Type()}
	if !ok || strconv.Itoa(version) != string(number) || (k.schema != subject.Type() && k.schema != subject.EntityType()) {
		return nil, k.reason(CodeEnvelope, "the headers name no schema of the event's type", "it was not stored by a gate")
	}
	k.egress = r.names.egress + r.names.stored + subject.Type()
	if k.schema != subject.Type() && subject.Action != "" {
		k.freeAction = subject.Action
		k.egress = strings.TrimSuffix(k.egress, subject.Action)
	}
	k.header = newTemplate(
		wire.HeaderOrigin, r.config.From, wire.HeaderHop, firstHop,
		wire.HeaderSchemaVersion, strconv.Itoa(version),
		wire.HeaderCESpecVersion, "1.0", wire.HeaderCESource, "/"+r.config.From+"/"+r.config.Domain,
		wire.HeaderCEDataSchema, wire.DataSchema(k.schema, version),
		wire.HeaderContentType, "application/json",
	)
	r.kinds.put(kindKey{string(eventType), string(dataSchema), string(number)}, k)
	return k, nil
}

// cutKeys splits what an event was published on into its type and its key
// tokens.
func cutKeys(published []byte) (eventType, keys []byte) {
	at := -1
	for range typeTokens {
		next := bytes.IndexByte(published[at+1:], '.')
		if next < 0 {
			return published, nil
		}
		at += next + 1
	}
	return published[:at], published[at+1:]
}
