package gate

import (
	"bytes"
	"slices"
	"strconv"
	"sync/atomic"
	"time"

	"github.com/lockstep-mesh/lockstep/mesh/catalog"
	"github.com/lockstep-mesh/lockstep/mesh/link"
	"github.com/lockstep-mesh/lockstep/mesh/wire"
)

// maxTypes bounds how many event types are kept ready; where an entity's
// schema admits every action, publishers choose their names.
const maxTypes = 16384

// event is one publish on its way through the gate.
type event struct {
	in     link.Message
	domain *domain
	id     []byte // Nats-Msg-Id, in place; empty without
	alone  bool   // it must not be part of a batch
	header []byte // the header block to store it under

	refusal *Refusal // why not, or nil
}

// eventType is what the gate knows of an event type, so that it is found out
// once and not for every event.
type eventType struct {
	subject wire.Subject
	source  []byte // the ce-source header of its events

	known atomic.Pointer[known]
}

// known are the versions that may admit events of a type, as of a revision of
// the registry.
type known struct {
	revision uint64
	versions []*version
}

// scratch is what admitting one event after the other needs.
type scratch struct {
	fields []field
	now    []byte
}

// admit decides about one publish. It appends to arena the header block to
// store it under, or sets why it is refused.
func (g *Gate) admit(e *event, arena []byte, s *scratch) []byte {
	grown, refusal := g.decide(e, arena, s)
	if refusal != nil {
		e.refusal = refusal
		return arena
	}
	e.header = grown[len(arena):len(grown):len(grown)]
	return grown
}

func (g *Gate) decide(e *event, arena []byte, s *scratch) ([]byte, *Refusal) {
	name, keys, ok := splitSubject(e.in.Subject)
	if !ok {
		_, err := wire.ParseSubject(string(e.in.Subject))
		return nil, refused(CodeSubject, describe(err), "publish on <domain>.<entity>.<action>")
	}
	if e.domain.elsewhere != nil {
		return nil, e.domain.elsewhere
	}
	var err error
	if s.fields, err = parseHeader(s.fields[:0], e.in.Header); err != nil {
		return nil, refused(CodeHeader, err.Error(), "write them as the NATS protocol says, without control characters")
	}
	if r := checkEnvelope(e, s.fields); r != nil {
		return nil, r
	}
	t := g.eventType(name)
	versions, r := g.candidates(t)
	if r != nil {
		return nil, r
	}
	if pinned := get(s.fields, wire.HeaderSchemaVersion); len(pinned) > 0 {
		number, err := strconv.Atoi(string(pinned))
		i := slices.IndexFunc(versions, func(v *version) bool { return err == nil && v.Version.Version == number })
		if i < 0 {
			return nil, refused(CodeUnknownVersion, "event "+t.subject.Type()+" pins version "+strconv.Quote(string(pinned))+" of its schema, which "+versions[0].Subject+" does not have", "leave the header "+wire.HeaderSchemaVersion+" out, or register that version")
		}
		versions = versions[i : i+1]
	}
	v, r := validate(g.config.Catalog, t, versions, keys, e.in.Data)
	if r != nil {
		return nil, r
	}
	return g.stamp(arena, t, v, s.fields, s.now)
}

// describe is what to say of a subject that was refused for err.
func describe(err error) string {
	if err == nil {
		return "the subject is no event's"
	}
	return err.Error()
}

// splitSubject splits a subject behind its third token: the event type, and the
// key tokens with their leading dot. It is not ok if ParseSubject refuses it.
func splitSubject(subject []byte) (name, keys []byte, ok bool) {
	dots, last := 0, byte('.')
	name = subject
	for i, c := range subject {
		switch {
		case c == '.':
			if last == '.' {
				return nil, nil, false
			}
			if dots++; dots == 3 {
				name, keys = subject[:i], subject[i:]
			}
		case c <= ' ', c == 0x7f, c == '*', c == '>':
			return nil, nil, false
		}
		last = c
	}
	return name, keys, dots > 0 && last != '.'
}

// eventType is what is known of the event type of this name.
func (g *Gate) eventType(name []byte) *eventType {
	g.typesMu.RLock()
	t := g.types[string(name)]
	g.typesMu.RUnlock()
	if t != nil {
		return t
	}
	subject, err := wire.ParseSubject(string(name))
	if err != nil { // splitSubject has refused it
		return &eventType{}
	}
	t = &eventType{subject: subject, source: []byte(wire.HeaderCESource + ": /" + g.config.Environment + "/" + subject.Domain + "\r\n")}
	g.typesMu.Lock()
	defer g.typesMu.Unlock()
	if len(g.types) >= maxTypes {
		clear(g.types)
	}
	g.types[string(name)] = t
	return t
}

// candidates are the versions that may admit an event of the type, newest first.
func (g *Gate) candidates(t *eventType) ([]*version, *Refusal) {
	revision := g.config.Catalog.Revision()
	if k := t.known.Load(); k != nil && k.revision == revision {
		return k.versions, nil
	}
	now, err := g.config.Catalog.Candidates(t.subject)
	if err != nil {
		return nil, refused(CodeUnknownType, err.Error(), "register a schema for it (lockstep schema push), or correct the subject")
	}
	versions := make([]*version, len(now))
	for i, v := range now {
		versions[i] = newVersion(t.subject.Type(), v)
	}
	t.known.Store(&known{revision, versions})
	return versions, nil
}

// validate finds the version that admits the event. A version that the
// publisher pinned decides alone; otherwise the newest that admits it does.
func validate(c *catalog.Catalog, t *eventType, versions []*version, keys, data []byte) (*version, *Refusal) {
	var first error
	for _, v := range versions {
		r, err := v.ready(c)
		if err != nil {
			return nil, unavailable(CodeContract, err.Error(), "correct the schema; until then none of its events is admitted")
		}
		err = r.contract.Validate(data)
		if err == nil && len(keys) > 0 && len(r.keys) > 0 {
			err = checkKeys(t, r, keys, data)
		}
		if err == nil {
			return v, nil
		}
		if first == nil {
			first = err
		}
	}
	return nil, invalid(first)
}

// checkKeys compares the key tokens of the subject with the values that the
// contract says they stand for, in an event that is valid.
func checkKeys(t *eventType, r ready, keys, data []byte) error {
	var room [256]byte
	key, err := r.contract.AppendKey(room[:0], data)
	if err != nil || !bytes.Equal(key, keys) {
		return &keyError{subject: t.subject.Type(), keys: string(keys[1:]), want: r.keys, cause: err}
	}
	return nil
}

// appendTime appends the time of an event that names none. Milliseconds are what
// events that arrive together have in common; when each was stored its stream
// knows to the nanosecond.
func appendTime(dst []byte, now time.Time) []byte {
	return now.UTC().AppendFormat(dst, "2006-01-02T15:04:05.000Z07:00")
}
