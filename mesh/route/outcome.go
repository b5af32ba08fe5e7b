package route

import (
	"errors"
	"strconv"
	"strings"
	"sync"

	"github.com/nats-io/nats.go"

	"github.com/lockstep-mesh/lockstep/mesh/contract"
	"github.com/lockstep-mesh/lockstep/mesh/mask"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

const (
	maxHeaders = 28       // that an outcome sets itself
	keepBuffer = 64 << 10 // larger buffers are not kept for the next event
	maxKinds   = 1 << 14  // that are remembered
	typeTokens = 3        // tokens of an event's type; what follows are keys
)

// outcome is what becomes of one event: itself masked, or a marker. Outcomes
// are lent out by a pool and given back once they are written, because making
// a header map and a buffer for every event costs more than masking it.
type outcome struct {
	sequence uint64
	stored   string // subject under which the egress stream stores the message
	message  nats.Msg
	masked   uint64
	reason   *Record // why it is withheld; nil if it crosses

	values [maxHeaders]string // behind the header map's slices
	used   int
	buffer []byte // the masked document's room
}

var outcomes = sync.Pool{New: func() any { return &outcome{message: nats.Msg{Header: make(nats.Header, maxHeaders)}} }}

// set gives the message a header.
func (o *outcome) set(name, value string) {
	o.values[o.used] = value
	o.message.Header[name] = o.values[o.used : o.used+1 : o.used+1]
	o.used++
}

// share gives the message a header whose value many messages have. Nobody may
// change the value's slice.
func (o *outcome) share(name string, value []string) { o.message.Header[name] = value }

// reset makes the outcome empty, and keeps its room.
func (o *outcome) reset() {
	clear(o.message.Header)
	clear(o.values[:o.used])
	if cap(o.buffer) > keepBuffer {
		o.buffer = nil
	}
	o.message.Subject, o.message.Reply, o.message.Data = "", "", nil
	o.sequence, o.stored, o.masked, o.reason, o.used = 0, "", 0, nil, 0
}

// release gives the outcome back. Nobody may hold on to anything of it.
func (o *outcome) release() {
	o.reset()
	outcomes.Put(o)
}

// masking is a policy as a route applies it. It may be replaced while events
// flow.
type masking struct {
	policy                  string
	masker                  *mask.Masker // nil: every event is withheld
	fault                   error        // why there is no masker
	policyHeader, keyHeader []string
}

func newMasking(policy string, m *mask.Masker, fault error) *masking {
	k := &masking{policy: policy, masker: m, fault: fault, policyHeader: []string{policy}, keyHeader: []string{""}}
	if m != nil {
		k.keyHeader = []string{m.KeyID()}
	}
	return k
}

// broken says why there is no masker.
func (m *masking) broken() (code, why string) {
	if refusal := (*mask.Refusal)(nil); errors.As(m.fault, &refusal) {
		return refusal.Code, refusal.Why
	}
	if m.fault != nil {
		return contract.CodePolicy, "the policy or its key cannot be used: " + m.fault.Error()
	}
	return contract.CodePolicy, "the route has no masking policy"
}

// kind is what all events of one type under one schema version have in common.
// It is made once.
type kind struct {
	schema     string
	version    int
	eventType  string
	egress     string // subject, up to the key tokens, or up to the action if that is free
	freeAction string // the action, where the schema is that of the whole entity

	subjectHeader, versionHeader, dataSchemaHeader []string
}

func (k *kind) reason(code, why, cure string) *Record {
	return &Record{Type: k.eventType, SchemaSubject: k.schema, SchemaVersion: k.version, Code: code, Why: why, Cure: cure}
}

type kindKey struct{ eventType, schema, version string }

// kinds remembers, and forgets all when there are too many: publishers choose
// the actions of an entity whose schema admits any.
type kinds struct {
	mu    sync.RWMutex
	known map[kindKey]*kind
}

func (k *kinds) get(key kindKey) *kind {
	k.mu.RLock()
	defer k.mu.RUnlock()
	return k.known[key]
}

func (k *kinds) put(key kindKey, made *kind) {
	k.mu.Lock()
	defer k.mu.Unlock()
	if k.known == nil || len(k.known) >= maxKinds {
		k.known = map[kindKey]*kind{}
	}
	// The strings are parts of a message, which is not to live as long.
	k.known[kindKey{strings.Clone(key.eventType), strings.Clone(key.schema), strings.Clone(key.version)}] = made
}

// kind is what is known of events of a type under the schema that the event
// names, or why the event cannot cross.
func (r *Route) kind(eventType string, e *event) (*kind, *Record) {
	key := kindKey{eventType, e.get(wire.HeaderSchemaSubject), e.get(wire.HeaderSchemaVersion)}
	if k := r.kinds.get(key); k != nil {
		return k, nil
	}
	subject, err := wire.ParseSubject(strings.Clone(eventType))
	if err != nil {
		return nil, &Record{Code: CodeEnvelope, Why: "the subject is no event's", Cure: "it was not stored by a gate"}
	}
	version, err := strconv.Atoi(key.version)
	k := &kind{schema: strings.Clone(key.schema), version: version, eventType: subject.Type()}
	if err != nil || strconv.Itoa(version) != key.version || (k.schema != subject.Type() && k.schema != subject.EntityType()) {
		return nil, k.reason(CodeEnvelope, "the headers name no schema of the event's type", "it was not stored by a gate")
	}
	k.egress = r.names.egress + r.names.stored + subject.Type()
	if k.schema != subject.Type() && subject.Action != "" {
		k.freeAction = subject.Action
		k.egress = strings.TrimSuffix(k.egress, subject.Action)
	}
	k.subjectHeader, k.versionHeader = []string{k.schema}, []string{strconv.Itoa(version)}
	k.dataSchemaHeader = []string{"/subjects/" + k.schema + "/versions/" + strconv.Itoa(version)}
	r.kinds.put(key, k)
	return k, nil
}

// cutKeys splits what an event was published on into its type and its key
// tokens.
func cutKeys(published string) (eventType, keys string) {
	at := -1
	for range typeTokens {
		next := strings.IndexByte(published[at+1:], '.')
		if next < 0 {
			return published, ""
		}
		at += next + 1
	}
	return published[:at], published[at+1:]
}
